package podspec

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// before and after build the pod of a template that is changed, by the same manager.
func before(set *v1alpha1.InstanceSet) *corev1.Pod {
	return Pod(set, Instance{Ordinal: 4, Revision: Revision(set, nil), Agent: testAgent})
}

func after(set *v1alpha1.InstanceSet, change func(*corev1.PodTemplateSpec)) *corev1.Pod {
	set = set.DeepCopy()
	change(&set.Spec.Template)
	return before(set)
}

func sized(memory string) corev1.ResourceRequirements {
	list := func() corev1.ResourceList {
		return corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1"), corev1.ResourceMemory: resource.MustParse(memory)}
	}
	return corev1.ResourceRequirements{Requests: list(), Limits: list()}
}

func diffSet() *v1alpha1.InstanceSet {
	set := withRoles()
	c := &set.Spec.Template.Spec.Containers[0]
	c.Resources = sized("2Gi")
	c.Env = []corev1.EnvVar{{Name: "PASSWORD", Value: "hunter2"}, {Name: "B", Value: "$(PASSWORD)"}}
	c.Args = []string{"--requirepass", "hunter2"}
	c.ResizePolicy = []corev1.ContainerResizePolicy{{ResourceName: corev1.ResourceCPU, RestartPolicy: corev1.RestartContainer}}
	set.Spec.Template.Annotations = map[string]string{"note": "x"}
	return set
}

func TestDiffInWords(t *testing.T) {
	redis := func(f func(*corev1.Container)) func(*corev1.PodTemplateSpec) {
		return func(p *corev1.PodTemplateSpec) { f(&p.Spec.Containers[0]) }
	}
	for name, c := range map[string]struct {
		change func(*corev1.PodTemplateSpec)
		want   []string
	}{
		"nothing":                {func(*corev1.PodTemplateSpec) {}, nil},
		"a default":              {func(p *corev1.PodTemplateSpec) { p.Spec.DNSPolicy = corev1.DNSClusterFirst }, nil},
		"a gate":                 {func(p *corev1.PodTemplateSpec) { p.Spec.SchedulingGates = []corev1.PodSchedulingGate{{Name: "x/y"}} }, nil},
		"the policy that it has": {redis(func(c *corev1.Container) { c.ImagePullPolicy = corev1.PullIfNotPresent }), nil},
		"the image":              {redis(func(c *corev1.Container) { c.Image = "redis:latest" }), []string{"image, restarts redis: spec.containers[redis].image from redis:7 to redis:latest: "}},
		"a label":                {func(p *corev1.PodTemplateSpec) { p.Labels["app"] = "cache" }, []string{"patch: metadata.labels[app] from redis to cache: "}},
		"no note":                {func(p *corev1.PodTemplateSpec) { p.Annotations = nil }, []string{"patch: metadata.annotations[note] is removed (x): "}},
		"less memory":            {redis(func(c *corev1.Container) { c.Resources.Requests = nil; c.Resources.Limits = sized("1Gi").Limits }), []string{"resize: spec.containers[redis].resources.requests[memory] from 2Gi to 1Gi: ", "resize: spec.containers[redis].resources.limits[memory] from 2Gi to 1Gi: the limit comes down only after"}},
		"no limits":              {redis(func(c *corev1.Container) { c.Resources.Limits = nil }), []string{"recreate: spec.containers[redis].resources.limits[cpu] is removed (1): ", "recreate: spec.containers[redis].resources.limits[memory] is removed (2Gi): "}},
		"more memory":            {redis(func(c *corev1.Container) { c.Resources.Limits[corev1.ResourceMemory] = resource.MustParse("3Gi") }), []string{"resize: spec.containers[redis].resources.limits[memory] from 2Gi to 3Gi: "}},
		"a password":             {redis(func(c *corev1.Container) { c.Env[0].Value = "secret"; c.Args[1] = "secret" }), []string{"recreate: spec.containers[redis].args is changed: ", "recreate: spec.containers[redis].env[PASSWORD].value is changed: "}},
		"the order":              {redis(func(c *corev1.Container) { slices.Reverse(c.Env) }), []string{"recreate: spec.containers[redis].env from another order to B, PASSWORD: "}},
		"a probe":                {redis(func(c *corev1.Container) { c.LivenessProbe = &corev1.Probe{TimeoutSeconds: 3} }), []string{"recreate: spec.containers[redis].livenessProbe is added: "}},
		"a toleration": {func(p *corev1.PodTemplateSpec) { p.Spec.Tolerations = []corev1.Toleration{{Key: "gpu"}} },
			[]string{"patch: spec.tolerations[gpu] is added: "}},
		"a plan": {func(p *corev1.PodTemplateSpec) {
			p.Spec.PriorityClassName, p.Spec.Containers[1].Image, p.Labels["tier"] = "high", "exporter:2", "db"
		}, []string{"patch: metadata.labels[tier] is added (db): ", "image, restarts exporter: ", "recreate: spec.priorityClassName is added (high): "}},
	} {
		t.Run(name, func(t *testing.T) {
			set := diffSet()
			got := Diff(before(set), before(set), after(set, c.change))
			if len(got) != len(c.want) {
				t.Fatalf("got %v, want %q", got, c.want)
			}
			for i, d := range got {
				if !strings.HasPrefix(d.String(), c.want[i]) || strings.Contains(d.String(), "hunter2") || strings.Contains(d.String(), "secret") {
					t.Errorf("got %q, want %q", d, c.want[i])
				}
			}
		})
	}
}

// Shoal is upgraded: another image of the agent, other arguments, and defaults that the manager did not have. No pod that runs
// may move, be restarted or be patched for it, also not one that gets a label.
func TestAnotherManagerChangesNothing(t *testing.T) {
	set := diffSet()
	live := before(set)
	for i := range live.Spec.InitContainers {
		agent := &live.Spec.InitContainers[i]
		agent.Image, agent.Args[0], agent.Resources, agent.LivenessProbe = "agent:old", "--manager=elsewhere:1", corev1.ResourceRequirements{}, nil
	}
	live.Spec.AutomountServiceAccountToken, live.Spec.SchedulerName, live.Spec.Tolerations = new(true), "old-scheduler", nil
	live.Spec.Volumes = slices.DeleteFunc(live.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == AgentContainer })
	if got := Diff(before(set), live, before(set)); got != nil {
		t.Errorf("the same template: %v", got)
	}
	got := Diff(before(set), live, after(set, func(p *corev1.PodTemplateSpec) { p.Labels["tier"] = "db" }))
	if len(got) != 1 || got[0].Class != InPlacePatch {
		t.Errorf("another label: %v", got)
	}
}

// The agent asks the engine under its address, and a pod without an agent does not get one.
func TestWhatMakesAnotherAgent(t *testing.T) {
	set := diffSet()
	other := set.DeepCopy()
	other.Spec.Rebuild.Port = 6380
	if got := Diff(before(set), before(set), before(other)); len(got) != 1 || got[0].Class != Recreate || got[0].Path != "spec.initContainers[shoal-agent].args" {
		t.Errorf("another port: %v", got)
	}
	none := diffSet()
	none.Spec.Roles = nil
	if got := Diff(before(none), before(none), before(set)); len(got) != 1 || got[0].Class != Recreate || got[0].Path != "spec.initContainers[shoal-agent]" {
		t.Errorf("roles: %v", got)
	}
}

// What others wrote stays: a scheduler, admission, a person.
func TestWhatOthersWroteIsNoDifference(t *testing.T) {
	set := diffSet()
	live := before(set)
	live.Labels["team"], live.Annotations["restartedAt"] = "x", "now"
	live.Spec.NodeName, live.Spec.Priority = "n1", new(int32(7))
	live.Spec.Containers = append(live.Spec.Containers, corev1.Container{Name: "mesh"})
	live.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "token", MountPath: "/var/run/secrets"}}
	live.Spec.Tolerations = append(live.Spec.Tolerations, corev1.Toleration{Key: "theirs"})
	got := Diff(before(set), live, after(set, func(p *corev1.PodTemplateSpec) { p.Spec.Containers[1].Image = "exporter:2" }))
	if len(got) != 1 || got[0].Class != InPlaceImage {
		t.Errorf("%v", got)
	}
}

// An update that was interrupted goes on where it was, and does nothing twice.
func TestWhatIsDoneIsNoDifference(t *testing.T) {
	set := diffSet()
	change := func(p *corev1.PodTemplateSpec) { p.Spec.Containers[0].Image = "redis:8"; p.Labels["tier"] = "db" }
	live, want := before(set), after(set, change)
	live = Applied(live, want, Diff(before(set), live, want), InPlacePatch)
	if got := Diff(before(set), live, want); len(got) != 1 || got[0].Class != InPlaceImage {
		t.Errorf("half way: %v", got)
	}
}

func TestIdentityStays(t *testing.T) {
	set := diffSet()
	want := before(set)
	want.Labels[v1alpha1.LabelShard], want.Spec.Hostname = "r-9", "r-9"
	for _, d := range Diff(before(set), before(set), want) {
		if d.Class != Refused {
			t.Error(d)
		}
	}
}

func TestAChangeOfQoSTakesANewPod(t *testing.T) {
	set := testSet()
	set.Spec.Template.Spec.Containers[0].Resources = sized("2Gi")
	set.Spec.Template.Spec.Containers[1].Resources = sized("1Gi")
	got := Diff(before(set), before(set), after(set, func(p *corev1.PodTemplateSpec) {
		p.Spec.Containers[0].Resources.Requests[corev1.ResourceMemory] = resource.MustParse("1Gi")
	}))
	if len(got) != 1 || got[0].Class != Recreate || !strings.Contains(got[0].Why, "from Guaranteed to Burstable") {
		t.Errorf("%v", got)
	}
}

func TestDiffClaim(t *testing.T) {
	claim := func(size, class string) *corev1.PersistentVolumeClaim {
		c := &corev1.PersistentVolumeClaim{}
		c.Spec.Resources.Requests = corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(size)}
		c.Spec.StorageClassName = &class
		return c
	}
	failed := claim("9Gi", "a") // could not grow
	failed.Status.Capacity = corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}
	failed.Spec.VolumeName, failed.Spec.VolumeMode = "pv", new(corev1.PersistentVolumeFilesystem)
	for name, c := range map[string]struct {
		was, live, want *corev1.PersistentVolumeClaim
		class           Class
	}{
		"same":             {claim("1Gi", "a"), claim("1Gi", "a"), claim("1024Mi", "a"), NothingToDo},
		"grown":            {claim("1Gi", "a"), claim("1Gi", "a"), claim("2Gi", "a"), VolumeGrowth},
		"shrunk":           {claim("2Gi", "a"), claim("2Gi", "a"), claim("1Gi", "a"), Refused},
		"less after all":   {claim("9Gi", "a"), failed, claim("2Gi", "a"), VolumeGrowth},
		"less than it has": {claim("9Gi", "a"), failed, claim("1Gi", "a"), Refused},
		"another class":    {claim("1Gi", "a"), claim("1Gi", "a"), claim("1Gi", "b"), Refused},
	} {
		got := DiffClaim(c.was, c.live, c.want)
		if c.class == NothingToDo != (len(got) == 0) || len(got) > 0 && (len(got) > 1 || got[0].Class != c.class) {
			t.Errorf("%s: %v, want %v", name, got, c.class)
		}
	}
}
