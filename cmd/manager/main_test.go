package main

import (
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/slots"
)

func TestMistakesInFlags(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "") // not in a pod, wherever the test runs
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"an unknown flag":            {[]string{"--nonsense"}, "unknown flag: --nonsense"},
		"an argument":                {[]string{"now"}, `unknown command "now" for "shoal-manager"`},
		"an unknown controller":      {[]string{"--controllers=policy,instancesets"}, `--controllers: unknown controller "instancesets": want * or some of instanceset, policy`},
		"no controller":              {[]string{"--controllers="}, "--controllers: it is empty: want * or some of instanceset, policy"},
		"an image with a blank":      {[]string{"--agent-image=a b"}, `--agent-image: "a b" is no image`},
		"agents without a signer":    {[]string{"--agent-image=a", "--controllers=instanceset"}, "add roles to --controllers"},
		"no port for agents":         {[]string{"--agent-image=a", "--agent-bind-address=x"}, `--agent-bind-address: "x" is not host:port`},
		"no address for agents":      {[]string{"--agent-image=a", "--agent-manager-address=x"}, `--agent-manager-address: "x" is not host:port`},
		"no requests":                {[]string{"--kube-api-qps=0"}, "--kube-api-qps: 0: must be greater than 0"},
		"no writes of roles":         {[]string{"--kube-api-roles-qps=0.5"}, "--kube-api-roles-qps: 0.5: must be at least 1"},
		"no burst":                   {[]string{"--kube-api-burst=0"}, "--kube-api-burst: 0: must be at least 1"},
		"no workers":                 {[]string{"--concurrent-policies=0"}, "--concurrent-policies: 0: must be at least 1"},
		"no writers":                 {[]string{"--write-concurrency=-1"}, "--write-concurrency: -1: must be at least 1"},
		"a lease that runs out":      {[]string{"--leader-elect-renew-deadline=15s"}, "leader election: the retry period (2s) must be shorter than the renew deadline (15s), and that shorter than the lease (15s)"},
		"a kubeconfig that is gone":  {[]string{"--kubeconfig=/nowhere"}, "reading the kubeconfig: stat /nowhere"},
		"no kubeconfig and no pod":   {nil, "give --kubeconfig, or run in a pod"},
		"a port that cannot be used": {[]string{"--kubeconfig=testdata/kubeconfig", "--metrics-bind-address=nowhere"}, "listening on nowhere"},
	} {
		t.Run(name, func(t *testing.T) {
			command := command()
			command.SetArgs(append([]string{}, c.args...))
			err := command.ExecuteContext(t.Context())
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

// installed are the arguments in manifests/deploy.
func installed(t *testing.T) *appsv1.Deployment {
	t.Helper()
	text, err := os.ReadFile("../../manifests/deploy/manager.yaml")
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(text), "\n---\n")
	d := &appsv1.Deployment{}
	if err := yaml.UnmarshalStrict([]byte(first), d); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestInstalledFlags(t *testing.T) {
	container := installed(t).Spec.Template.Spec.Containers[0]
	if len(container.Args) == 0 {
		t.Fatal("no arguments are installed")
	}
	o := defaults()
	flags := pflag.NewFlagSet("shoal-manager", pflag.ContinueOnError)
	o.addFlags(flags)
	if err := errors.Join(flags.Parse(container.Args), o.validate()); err != nil {
		t.Error(err)
	}
	if flags.NArg() > 0 || !o.leaderElect || len(installed(t).Spec.Template.Spec.Containers) != 1 {
		t.Errorf("arguments %v, leader election %v", flags.Args(), o.leaderElect)
	}
	for name, address := range map[string]string{"metrics": o.metricsAddress, "health": o.probeAddress, "agents": o.agentAddress} {
		serves := func(p corev1.ContainerPort) bool {
			return p.Name == name && ":"+strconv.Itoa(int(p.ContainerPort)) == address
		}
		if !slices.ContainsFunc(container.Ports, serves) {
			t.Errorf("%s is served on %s, and the ports are %v", name, address, container.Ports)
		}
	}
	if err := flags.Parse([]string{"--metrics-bind=:1"}); err == nil {
		t.Error("a misspelt flag passes")
	}
}

func TestVersion(t *testing.T) {
	var out strings.Builder
	command := command()
	command.SetOut(&out)
	command.SetArgs([]string{"--version"})
	if err := command.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(out.String(), "shoal-manager dev, go1.") || !strings.Contains(out.String(), "\nKubernetes v") {
		t.Errorf("got %q", out.String())
	}
}

func TestControllersThatRun(t *testing.T) {
	for list, want := range map[string][]bool{
		"*":                  {true, true, true, true},
		"policy":             {false, true, false, false},
		"instanceset,policy": {true, true, false, false},
		"roles":              {false, false, true, false},
	} {
		o := defaults()
		o.controllers = strings.Split(list, ",")
		for i, name := range controllerNames() {
			if o.runs(name) != want[i] {
				t.Errorf("with %s, %s runs: %v", list, name, o.runs(name))
			}
		}
	}
}

// What decides about room must survive: whatever the scheduler counts, the manager must count too.
func TestStrippedPodsAskForTheSame(t *testing.T) {
	requests := func(cpu string) corev1.ResourceRequirements {
		return corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu)}}
	}
	full := func() *corev1.Pod {
		return &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: "p", Labels: map[string]string{"a": "b"}, Annotations: map[string]string{"c": "d"}, ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "m"}}},
			Spec: corev1.PodSpec{
				InitContainers: []corev1.Container{
					{Name: "sidecar", Resources: requests("300m"), RestartPolicy: ptr.To(corev1.ContainerRestartPolicyAlways)},
					{Name: "init", Resources: requests("2"), Command: []string{"long"}},
				},
				Containers: []corev1.Container{{Name: "redis", Image: "redis:7", Resources: requests("1"), Env: []corev1.EnvVar{{Name: "E"}}}},
				Overhead:   corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("10m")},
				Volumes: []corev1.Volume{
					{Name: "data", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data-p"}}},
					{Name: "scratch", VolumeSource: corev1.VolumeSource{Ephemeral: &corev1.EphemeralVolumeSource{}}},
					{Name: "config", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{}}},
				},
			},
		}
	}
	o, err := stripPod(full())
	if err != nil {
		t.Fatal(err)
	}
	stripped := o.(*corev1.Pod)
	if got, want := slots.RequestOf(stripped), slots.RequestOf(full()); !apiequality.Semantic.DeepEqual(got, want) {
		t.Errorf("it asks for %+v, before for %+v", got, want)
	}
	if got, want := slots.ClaimNames(stripped), slots.ClaimNames(full()); !apiequality.Semantic.DeepEqual(got, want) {
		t.Errorf("it mounts %v, before %v", got, want)
	}
	if stripped.Labels == nil || stripped.Annotations == nil {
		t.Error("labels or annotations are lost")
	}
	if stripped.ManagedFields != nil || stripped.Spec.Containers[0].Env != nil || len(stripped.Spec.Volumes) != 2 {
		t.Errorf("it keeps what nobody reads: %+v", stripped)
	}
}

func TestStripOfOtherKinds(t *testing.T) {
	set := &appsv1.StatefulSet{Spec: appsv1.StatefulSetSpec{Replicas: ptr.To[int32](3), Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{Hostname: "h"}}}}
	if _, err := stripStatefulSet(set); err != nil || *set.Spec.Replicas != 3 || set.Spec.Template.Spec.Hostname != "" {
		t.Errorf("%v: %+v", err, set)
	}
	node := &corev1.Node{Spec: corev1.NodeSpec{Unschedulable: true}, Status: corev1.NodeStatus{Images: make([]corev1.ContainerImage, 50)}}
	node.Annotations = map[string]string{v1alpha1.ResourceNetIngress: "1000", "volumes.kubernetes.io/controller-managed-attach-detach": "true"}
	if _, err := stripNode(node); err != nil || !node.Spec.Unschedulable || node.Status.Images != nil || len(node.Annotations) != 1 {
		t.Errorf("%v: %+v", err, node)
	}
	for _, strip := range []func(any) (any, error){stripPod, stripNode, stripStatefulSet} {
		if o, err := strip("tombstone"); o != "tombstone" || err != nil {
			t.Errorf("another object becomes %v, %v", o, err)
		}
	}
}
