package slots

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"pgregory.net/rapid"
)

func list(cpu, memory, pods, nics string) corev1.ResourceList {
	l := corev1.ResourceList{}
	for name, text := range map[corev1.ResourceName]string{"cpu": cpu, "memory": memory, "pods": pods, "example.com/nic": nics} {
		if text != "" {
			l[name] = resource.MustParse(text)
		}
	}
	return l
}

func podAsking(requests corev1.ResourceList) *corev1.Pod {
	return &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Resources: corev1.ResourceRequirements{Requests: requests}}}}}
}

func TestFit(t *testing.T) {
	for name, c := range map[string]struct {
		free, request corev1.ResourceList
		want          int
	}{
		"cpu is the least":         {list("3900m", "64Gi", "110", ""), list("1", "1Gi", "", ""), 3},
		"memory is the least":      {list("64", "5Gi", "110", ""), list("1", "2Gi", "", ""), 2},
		"pods are the least":       {list("64", "64Gi", "4", ""), list("1", "1Gi", "", ""), 4},
		"extended resource":        {list("64", "64Gi", "110", "5"), list("1", "1Gi", "", "2"), 2},
		"extended resource absent": {list("64", "64Gi", "110", ""), list("1", "1Gi", "", "2"), 0},
		"nothing is asked for":     {list("1", "1Gi", "7", ""), list("", "", "", ""), 7},
	} {
		if got := RoomFor(podAsking(c.request)).Fit(AmountOf(c.free)); got != c.want {
			t.Errorf("%s: %d fit, want %d", name, got, c.want)
		}
	}
	over := AmountOf(list("1", "1Gi", "10", "")).Minus(AmountOf(list("2", "", "", "")))
	if got := RoomFor(podAsking(list("1", "", "", ""))).Fit(over); got != 0 {
		t.Errorf("overcommitted: %d fit, want none", got)
	}
}

func TestUsable(t *testing.T) {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"disk": "ssd"}}}
	pod := podAsking(nil)
	check := func(what string, want bool) {
		t.Helper()
		if got := RoomFor(pod).Usable(node); got != want {
			t.Errorf("%s: usable %v, want %v", what, got, want)
		}
	}
	check("plain", true)
	node.Spec.Unschedulable = true
	check("cordoned", false)
	pod.Spec.Tolerations = []corev1.Toleration{{Operator: corev1.TolerationOpExists}}
	check("cordoned, but tolerated", true)
	node.Spec.Taints = []corev1.Taint{{Key: "x", Effect: corev1.TaintEffectNoSchedule}}
	check("tainted, but tolerated", true)
	pod.Spec.Tolerations = nil
	node.Spec.Unschedulable = false
	check("tainted", false)
	node.Spec.Taints[0].Effect = corev1.TaintEffectPreferNoSchedule
	check("merely disliked", true)
	pod.Spec.NodeSelector = map[string]string{"disk": "hdd"}
	check("not selected", false)
}

func TestCordoned(t *testing.T) {
	cordon := corev1.Taint{Key: corev1.TaintNodeUnschedulable, Effect: corev1.TaintEffectNoSchedule}
	other := corev1.Taint{Key: "x", Effect: corev1.TaintEffectNoSchedule}
	for name, c := range map[string]struct {
		spec     corev1.NodeSpec
		tolerate bool
		want     bool
	}{
		"plain":                               {corev1.NodeSpec{}, false, false},
		"cordoned":                            {corev1.NodeSpec{Unschedulable: true}, false, true},
		"cordoned, and the controller knows":  {corev1.NodeSpec{Unschedulable: true, Taints: []corev1.Taint{cordon}}, false, true},
		"cordoned, and tolerated":             {corev1.NodeSpec{Unschedulable: true}, true, false},
		"uncordoning it would change nothing": {corev1.NodeSpec{Unschedulable: true, Taints: []corev1.Taint{other}}, false, false},
		"tainted only, which is no cordoning": {corev1.NodeSpec{Taints: []corev1.Taint{other}}, false, false},
	} {
		pod := podAsking(nil)
		if c.tolerate {
			pod.Spec.Tolerations = []corev1.Toleration{{Operator: corev1.TolerationOpExists}}
		}
		if got := RoomFor(pod).Cordoned(&corev1.Node{Spec: c.spec}); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestRoomCoversEqualPods(t *testing.T) {
	pod := func(change func(*corev1.Pod)) *corev1.Pod {
		p := &corev1.Pod{}
		p.Spec.Containers = []corev1.Container{{Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")}}}}
		if change != nil {
			change(p)
		}
		return p
	}
	r := RoomFor(pod(nil))
	if !r.Covers(pod(func(p *corev1.Pod) { p.Name, p.Labels = "other", map[string]string{"a": "b"} })) {
		t.Error("a pod that asks for the same is not covered")
	}
	for what, change := range map[string]func(*corev1.Pod){
		"request":       func(p *corev1.Pod) { p.Spec.Containers = append(p.Spec.Containers, p.Spec.Containers...) },
		"extended":      func(p *corev1.Pod) { p.Spec.Containers[0].Resources.Requests["x/y"] = resource.MustParse("1") },
		"toleration":    func(p *corev1.Pod) { p.Spec.Tolerations = []corev1.Toleration{{Key: "a"}} },
		"node selector": func(p *corev1.Pod) { p.Spec.NodeSelector = map[string]string{"a": "b"} },
		"affinity": func(p *corev1.Pod) {
			p.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{}}}
		},
	} {
		if r.Covers(pod(change)) {
			t.Errorf("a pod with another %s is covered", what)
		}
	}
}

// TestPodsThatAskAlikeAskForTheSame: whatever two pods say, when AskAlike takes them for equal the sums are equal.
func TestPodsThatAskAlikeAskForTheSame(t *testing.T) {
	alike := 0
	list := func(t *rapid.T, label string) corev1.ResourceList {
		var l corev1.ResourceList
		for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory, "example.com/nic"} {
			if text := rapid.SampledFrom([]string{"", "", "0", "1", "1000m"}).Draw(t, label+string(name)); text != "" {
				if l == nil {
					l = corev1.ResourceList{}
				}
				l[name] = resource.MustParse(text)
			}
		}
		return l
	}
	containers := func(t *rapid.T, label string) []corev1.Container {
		return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) corev1.Container {
			c := corev1.Container{}
			c.Resources.Requests = list(t, "requests ")
			if rapid.Bool().Draw(t, "sidecar") {
				c.RestartPolicy = ptr.To(corev1.ContainerRestartPolicyAlways)
			}
			return c
		}), 0, 2).Draw(t, label)
	}
	rapid.Check(t, func(t *rapid.T) {
		draw := func() *corev1.Pod {
			pod := &corev1.Pod{Spec: corev1.PodSpec{Containers: containers(t, "containers"), InitContainers: containers(t, "init")}}
			if rapid.IntRange(0, 5).Draw(t, "overhead") == 0 {
				pod.Spec.Overhead = list(t, "overhead ")
			}
			if rapid.IntRange(0, 5).Draw(t, "of the pod") == 0 {
				pod.Spec.Resources = &corev1.ResourceRequirements{Requests: list(t, "pod ")}
			}
			return pod
		}
		a := draw()
		b := a.DeepCopy()
		if rapid.Bool().Draw(t, "another") {
			b = draw()
		}
		if AskAlike(a, b) {
			alike++
			if x, y := RequestOf(a), RequestOf(b); !x.Equal(y) {
				t.Fatalf("%v and %v", x, y)
			}
		}
	})
	if alike == 0 {
		t.Error("no two pods asked alike: the test proves nothing")
	}
}
