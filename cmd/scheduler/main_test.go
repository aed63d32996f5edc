package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/cmd/kube-scheduler/app"
	"k8s.io/kubernetes/cmd/kube-scheduler/app/options"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"sigs.k8s.io/yaml"

	"github.com/shoal-dev/shoal/api/config/scheme"
	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/plugins/dispersion"
	"github.com/shoal-dev/shoal/plugins/loadbalance"
)

const shipped = "../../manifests/scheduler-config/scheduler-config.yaml"

func TestMain(m *testing.M) {
	klog.SetLogger(logr.Discard()) // the scheduler's own log says nothing about these tests
	if err := scheme.Register(); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// configs are the configurations that Shoal ships.
func configs(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../../examples/scheduler-config/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	return append(files, shipped)
}

// profile builds the scheduler of a configuration as the command does, with an API server that does not answer.
func profile(t *testing.T, file string) framework.Framework {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	o := options.NewOptions()
	o.ConfigFile = withKubeconfig(t, file)
	o.SecureServing.BindPort = 0
	_, sched, err := app.Setup(ctx, o, registered()...)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	if sched.Profiles[v1alpha1.SchedulerName] == nil || len(sched.Profiles) != 1 {
		t.Fatalf("%s has other profiles than %s", file, v1alpha1.SchedulerName)
	}
	return sched.Profiles[v1alpha1.SchedulerName]
}

// withKubeconfig copies a configuration for a process outside of a cluster.
func withKubeconfig(t *testing.T, file string) string {
	t.Helper()
	dir := t.TempDir()
	kubeconfig := clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{"c": {Server: "https://127.0.0.1:1"}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{"u": {}},
		Contexts:       map[string]*clientcmdapi.Context{"c": {Cluster: "c", AuthInfo: "u"}},
		CurrentContext: "c",
	}
	if err := clientcmd.WriteToFile(kubeconfig, filepath.Join(dir, "kubeconfig")); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	fields := map[string]any{}
	if err := yaml.UnmarshalStrict(text, &fields); err != nil {
		t.Fatal(err)
	}
	fields["clientConnection"].(map[string]any)["kubeconfig"] = filepath.Join(dir, "kubeconfig")
	if text, err = yaml.Marshal(fields); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.yaml"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "config.yaml")
}

func TestShippedConfigurationsBuild(t *testing.T) {
	for _, file := range configs(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			if err := checkConfig(file); err != nil {
				t.Fatal(err)
			}
			points := profile(t, file).ListPlugins()
			for _, set := range []schedulerconfig.PluginSet{points.PreFilter, points.Filter, points.Score} {
				if !enables(set, dispersion.Name) {
					t.Errorf("%s is missing among %v", dispersion.Name, set.Enabled)
				}
			}
			if first := points.PostFilter.Enabled; len(first) < 2 || first[0].Name != dispersion.Name {
				t.Errorf("after a failed filter comes %v, %s must come first: pods would be evicted before all nodes were tried", first, dispersion.Name)
			}
			if !enables(points.Score, loadbalance.Name) {
				t.Errorf("%s is missing among %v", loadbalance.Name, points.Score.Enabled)
			}
			for _, name := range []string{
				"NodeName", "NodeUnschedulable", "TaintToleration", "NodeAffinity", "NodePorts", "NodeResourcesFit",
				"VolumeRestrictions", "NodeVolumeLimits", "VolumeBinding", "VolumeZone", "PodTopologySpread", "InterPodAffinity",
			} {
				if !enables(points.Filter, name) {
					t.Errorf("upstream's filter %s is off: pods would be placed where they cannot run", name)
				}
			}
		})
	}
}

func enables(set schedulerconfig.PluginSet, name string) bool {
	return slices.ContainsFunc(set.Enabled, func(p schedulerconfig.Plugin) bool { return p.Name == name })
}

// One instance more or less is at least one point of Dispersion's hundred. It must weigh more than the best against the
// worst node in everything else, or groups become uneven.
func TestEvennessOutweighsAllOtherPreferences(t *testing.T) {
	for _, file := range configs(t) {
		var step, others int64
		for _, p := range profile(t, file).ListPlugins().Score.Enabled {
			if p.Name == dispersion.Name {
				step = int64(p.Weight)
			} else {
				others += 100 * int64(p.Weight)
			}
		}
		if step <= others {
			t.Errorf("%s: a step of evenness is worth %d, all other preferences together up to %d", file, step, others)
		}
	}
}

// A plugin that does not sign makes all pods of a profile unsignable, so that each is searched a node on its own.
func TestPodsOfNoGroupCanBeSigned(t *testing.T) {
	const file = "../../examples/scheduler-config/large-cluster.yaml"
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "p"}}
	pod.Spec.SchedulerName = v1alpha1.SchedulerName
	pod.Spec.Containers = []corev1.Container{{Name: "c", Image: "i"}}
	f := profile(t, file)
	if f.SignPod(t.Context(), pod) == nil {
		t.Error("a pod of no group has no signature")
	}
	pod.Labels = map[string]string{v1alpha1.LabelCluster: "orders"}
	if f.SignPod(t.Context(), pod) != nil {
		t.Error("a pod of a group has a signature, although its siblings decide about its nodes")
	}
}

func TestMistakesInTheConfiguration(t *testing.T) {
	text, err := os.ReadFile(shipped)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ old, new, want string }{
		"a plugin that does not exist": {"- name: Dispersion\n    args", "- name: Dispertion\n    args", `profiles[0].pluginConfig[0].name: Invalid value: "Dispertion": there is no such plugin, did you mean Dispersion?`},
		"an argument out of range":     {"maxPerShard: 1", "maxPerShard: 0", "profiles[0].pluginConfig[0].args.defaults.maxPerShard: Invalid value: 0: must be between 1 and 100"},
		"a misspelt argument":          {"maxPerShard: 1", "maxPerShards: 1", "profiles[0].pluginConfig[0].args.defaults.maxPerShards: unknown field, did you mean maxPerShard?"},
		"a misspelt field":             {"percentageOfNodesToScore", "percentOfNodesToScore", "percentOfNodesToScore: unknown field, did you mean percentageOfNodesToScore?"},
	} {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(string(text), c.old) {
				t.Fatalf("%s has no %q", shipped, c.old)
			}
			file := filepath.Join(t.TempDir(), "config.yaml")
			if err := os.WriteFile(file, []byte(strings.Replace(string(text), c.old, c.new, 1)), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := checkConfig(file); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

// The lease must be the one that manifests/rbac lets the scheduler use.
func TestTheLeaseIsItsOwn(t *testing.T) {
	for _, file := range configs(t) {
		c, err := options.LoadConfigFromFile(klog.Background(), file)
		if err != nil {
			t.Fatal(err)
		}
		l := c.LeaderElection
		if !l.LeaderElect || l.ResourceName != "shoal-scheduler" || l.ResourceNamespace != "shoal-system" {
			t.Errorf("%s: the lease is %s/%s", file, l.ResourceNamespace, l.ResourceName)
		}
	}
}

// The arguments in manifests/deploy are flags of this command, and name the configuration where it is mounted.
func TestInstalledFlags(t *testing.T) {
	text, err := os.ReadFile("../../manifests/deploy/scheduler.yaml")
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(text), "\n---\n")
	d := &appsv1.Deployment{}
	if err := yaml.UnmarshalStrict([]byte(first), d); err != nil {
		t.Fatal(err)
	}
	container := d.Spec.Template.Spec.Containers[0]
	c := command()
	if err := c.ParseFlags(container.Args); err != nil {
		t.Fatal(err)
	}
	if c.Flags().NArg() > 0 {
		t.Errorf("arguments that are no flags: %v", c.Flags().Args())
	}
	if got, want := c.Flags().Lookup("config").Value.String(), filepath.Join(container.VolumeMounts[0].MountPath, filepath.Base(shipped)); got != want {
		t.Errorf("--config=%s, and the ConfigMap is mounted as %s", got, want)
	}
	if got, want := c.Flags().Lookup("secure-port").Value.String(), strconv.Itoa(int(container.Ports[0].ContainerPort)); got != want {
		t.Errorf("it serves on %s, and its port is %s", got, want)
	}
	if err := command().ParseFlags([]string{"--secureport=1"}); err == nil {
		t.Error("a misspelt flag passes")
	}
}
