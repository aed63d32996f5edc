package podspec

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"pgregory.net/rapid"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// edits are what a person may do to a template. Each may be done more than once.
var edits = []func(*rapid.T, *corev1.PodTemplateSpec){
	func(t *rapid.T, p *corev1.PodTemplateSpec) { p.Labels = words(t, "labels") },
	func(t *rapid.T, p *corev1.PodTemplateSpec) { p.Annotations = words(t, "annotations") },
	func(t *rapid.T, p *corev1.PodTemplateSpec) {
		p.Finalizers = rapid.SliceOfNDistinct(word, 0, 3, rapid.ID).Draw(t, "finalizers")
	},
	func(t *rapid.T, p *corev1.PodTemplateSpec) { one(t, p).Image = "redis:" + word.Draw(t, "tag") },
	func(t *rapid.T, p *corev1.PodTemplateSpec) { one(t, p).Resources.Requests = sizes(t, "requests") },
	func(t *rapid.T, p *corev1.PodTemplateSpec) { one(t, p).Resources.Limits = sizes(t, "limits") },
	func(t *rapid.T, p *corev1.PodTemplateSpec) {
		p.Spec.Resources = &corev1.ResourceRequirements{Requests: sizes(t, "requests"), Limits: sizes(t, "limits")}
	},
	func(t *rapid.T, p *corev1.PodTemplateSpec) {
		p.Spec.Tolerations = nil
		for key := range words(t, "tolerations") {
			p.Spec.Tolerations = append(p.Spec.Tolerations, corev1.Toleration{Key: key, TolerationSeconds: new(rapid.Int64Range(0, 3).Draw(t, "seconds"))})
		}
	},
	func(t *rapid.T, p *corev1.PodTemplateSpec) {
		p.Spec.ActiveDeadlineSeconds = new(rapid.Int64Range(1, 9).Draw(t, "deadline"))
	},
	func(t *rapid.T, p *corev1.PodTemplateSpec) {
		c := one(t, p)
		c.Env = nil
		for key, value := range words(t, "env") {
			c.Env = append(c.Env, corev1.EnvVar{Name: key, Value: "secret" + value})
		}
	},
	func(t *rapid.T, p *corev1.PodTemplateSpec) {
		one(t, p).LivenessProbe = &corev1.Probe{
			TimeoutSeconds: rapid.Int32Range(0, 2).Draw(t, "timeout"), PeriodSeconds: rapid.SampledFrom([]int32{0, 10, 20}).Draw(t, "period"),
		}
	},
	func(t *rapid.T, p *corev1.PodTemplateSpec) { p.Spec.NodeSelector = words(t, "nodeSelector") },
}

var word = rapid.SampledFrom([]string{"a", "b", "c", "latest"})

func words(t *rapid.T, label string) map[string]string {
	return rapid.MapOfN(word, word, 0, 3).Draw(t, label)
}

func sizes(t *rapid.T, label string) corev1.ResourceList {
	names := rapid.SampledFrom([]corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage})
	list := corev1.ResourceList{}
	for name, n := range rapid.MapOfN(names, rapid.Int64Range(1, 3), 0, 3).Draw(t, label) {
		list[name] = *resource.NewQuantity(n, resource.DecimalSI)
	}
	return list
}

func one(t *rapid.T, p *corev1.PodTemplateSpec) *corev1.Container {
	return &p.Spec.Containers[rapid.IntRange(0, len(p.Spec.Containers)-1).Draw(t, "container")]
}

func edited(t *rapid.T, set *v1alpha1.InstanceSet) *v1alpha1.InstanceSet {
	set = set.DeepCopy()
	for _, edit := range rapid.SliceOfN(rapid.SampledFrom(edits), 0, 6).Draw(t, "edits") {
		edit(t, &set.Spec.Template)
	}
	return set
}

func TestDiffHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := edited(t, diffSet())
		b := edited(t, a)
		was, want := before(a), before(b)
		live := was
		if rapid.Bool().Draw(t, "another manager") {
			live = Pod(a, Instance{Ordinal: 4, Revision: Revision(a, nil), Agent: Agent{Image: "agent:old", Manager: "elsewhere:1"}})
		}
		for _, pod := range []*corev1.Pod{was, live} {
			if d := Diff(was, pod, was); d != nil {
				t.Fatalf("the same template: %v", d)
			}
		}
		if d := Diff(was, want, want); d != nil {
			t.Fatalf("a new pod is not as wanted: %v", d)
		}
		found := Diff(was, live, want)
		if again := Diff(was, live, want); !reflect.DeepEqual(found, again) {
			t.Fatalf("%v, and then %v", found, again)
		}
		checkPlan(t, was, live, want, found)
	})
}

// checkPlan does what can be done in place, class by class. What is left is what takes a new pod.
func checkPlan(t *rapid.T, was, live, want *corev1.Pod, found []Difference) {
	next, left := live, 0
	for i, d := range found {
		if i > 0 && byPlan(found[i-1], d) >= 0 {
			t.Fatalf("%v before %v", found[i-1], d)
		}
		if !d.Class.InPlace() {
			left++
		}
	}
	for _, class := range []Class{InPlacePatch, InPlaceImage, InPlaceResize} {
		next = Applied(next, want, found, class)
	}
	rest := Diff(was, next, want)
	if len(rest) != left {
		t.Fatalf("of %v there is left %v", found, rest)
	}
	if qos(&next.Spec) != qos(&live.Spec) {
		t.Fatalf("from %s to %s in place", qos(&live.Spec), qos(&next.Spec))
	}
	for _, d := range rest {
		if d.Class.InPlace() || containsSecret(fmt.Sprint(d)) {
			t.Fatal(d)
		}
	}
}

func containsSecret(line string) bool { return strings.Contains(line, "secret") }
