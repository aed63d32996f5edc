package decide

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/podspec"
)

// allocationsFile says how many allocations one plan and one observation take, as they were when somebody looked last.
const allocationsFile = "allocations.txt"

// A plan and an observation may take 15 % more allocations than are recorded. They are counted and not timed, so that they are the same on each
// machine. Who takes fewer records that, so that it stays so:
//
//	go test ./instanceset/decide -run Allocations -rewrite
func TestAllocationsStayAsTheyAre(t *testing.T) {
	if racing {
		t.Skip("the race detector allocates too, and keeps the compiler from putting things on the stack; `make bench-once` has none")
	}
	var now strings.Builder
	recorded := map[string]float64{}
	text, err := os.ReadFile(allocationsFile)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		name, number, _ := strings.Cut(strings.TrimSpace(line), " ")
		if recorded[name], err = strconv.ParseFloat(number, 64); err != nil {
			t.Fatalf("%s: %v", allocationsFile, err)
		}
	}
	rewriting := false
	if f := flag.Lookup("rewrite"); f != nil {
		rewriting = f.Value.String() == "true"
	}
	for _, n := range []int{100, 1_000, 10_000} {
		for _, c := range costs(n) {
			name := fmt.Sprintf("%s/n=%d", c.name, n)
			got := testing.AllocsPerRun(3, c.run)
			fmt.Fprintf(&now, "%s %.0f\n", name, got)
			switch had, known := recorded[name]; {
			case rewriting:
			case !known:
				t.Errorf("%s is not recorded", name)
			case got > 1.15*had+2:
				t.Errorf("%s takes %.0f allocations, and %.0f are recorded", name, got, had)
			case got < 0.85*had-2:
				t.Errorf("%s takes %.0f allocations, and %.0f are recorded: record it", name, got, had)
			}
		}
	}
	if rewriting {
		if err := os.WriteFile(allocationsFile, []byte(now.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

type cost struct {
	name string
	run  func()
}

// costs are what is measured of sets of n instances.
func costs(n int) []cost {
	settled, fresh, outdated := largeSnapshot(n, 1), largeSnapshot(n, 1), outdatedSnapshot(n)
	fresh.Pods, fresh.Claims = nil, nil
	objects := largeObjects(n)
	var knows Observer
	knows.Observe(begin, objects)
	turn := 0
	return []cost{
		{"plan/settled", func() { Decide(settled) }},
		{"plan/fresh", func() { Decide(fresh) }},
		{"plan/outdated", func() { Decide(outdated) }},
		{"observe/all", func() { Observe(begin, objects) }},
		{"observe/one", func() { // one pod is another object
			turn = (turn + 1) % n
			objects.Pods[turn] = objects.Pods[turn].DeepCopy()
			knows.Observe(begin, objects)
		}},
	}
}

func BenchmarkObserve(b *testing.B) {
	for _, n := range []int{100, 1_000, 10_000} {
		for _, c := range costs(n)[3:] {
			b.Run(fmt.Sprintf("%s/n=%d", strings.TrimPrefix(c.name, "observe/"), n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					c.run()
				}
			})
		}
	}
}

// largeObjects is a set of n instances as the cache has it, each with a volume in the network, five to a node.
func largeObjects(n int) Objects {
	set := newWorld().set
	*set.Spec.Replicas = int32(n)
	set.Spec.VolumeClaimTemplates = []v1alpha1.VolumeClaimTemplate{{Metadata: v1alpha1.VolumeClaimMeta{Name: "data"}}}
	nodes := nodesOf{}
	o := Objects{Set: set, Nodes: nodes}
	for i := range n {
		ordinal, node := podspec.Instance{Ordinal: int32(i)}, "n"+strconv.Itoa(i/5)
		nodes[node] = &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: node, UID: types.UID(node)}}
		pod := podspec.Pod(set, ordinal)
		pod.UID, pod.Spec.NodeName, pod.Status.Phase = types.UID("pod-"+strconv.Itoa(i)), node, corev1.PodRunning
		pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "redis", Ready: true, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
		claim := podspec.Claim(set, &set.Spec.VolumeClaimTemplates[0], ordinal)
		claim.UID, claim.Spec.VolumeName = types.UID("claim-"+strconv.Itoa(i)), "v"+strconv.Itoa(i)
		o.Pods, o.Claims = append(o.Pods, pod), append(o.Claims, claim)
		o.Volumes = append(o.Volumes, &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: claim.Spec.VolumeName}})
	}
	return o
}
