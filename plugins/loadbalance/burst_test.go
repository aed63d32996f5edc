package loadbalance

import (
	"fmt"
	"math/rand/v2"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/shoal-dev/shoal/load"
)

// large has 64 CPUs and 256 GiB.
func large(name string) *framework.NodeInfo {
	info := named(name)
	n := info.Node().DeepCopy()
	n.Status.Allocatable = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("64"), corev1.ResourceMemory: resource.MustParse("256Gi")}
	info.SetNode(n)
	return info
}

// place gives the pod to the best node; among equals chance decides, as in the scheduler.
func (l *lab) place(p *corev1.Pod, nodes []fwk.NodeInfo, chance *rand.Rand) fwk.NodeInfo {
	list := make(fwk.NodeScoreList, len(nodes))
	for i, s := range l.scores(p, nodes...) {
		list[i].Score = s
	}
	if status := l.NormalizeScore(l.t.Context(), nil, p, list); !status.IsSuccess() {
		l.t.Fatal(status)
	}
	var best []int
	for i := range list {
		switch {
		case len(best) == 0 || list[i].Score > list[best[0]].Score:
			best = []int{i}
		case list[i].Score == list[best[0]].Score:
			best = append(best, i)
		}
	}
	chosen := nodes[best[chance.IntN(len(best))]]
	info, err := framework.NewPodInfo(p)
	if err != nil {
		l.t.Fatal(err)
	}
	chosen.AddPodInfo(info)
	return chosen
}

// 500 pods come within one interval, so that no measurement shows any of them. They must not all go to the node that was
// the least loaded, and not a few of them too many either: at the end no node is above the mean by more than one pod.
func TestABurstWithinOneInterval(t *testing.T) {
	for _, cpu := range []string{"1", "250m", "20m"} {
		t.Run(cpu, func(t *testing.T) {
			each := resource.MustParse(cpu)
			chance := rand.New(rand.NewPCG(1, 2))
			var names []string
			var nodes []fwk.NodeInfo
			for i := range 50 {
				names = append(names, fmt.Sprintf("n%02d", i))
				nodes = append(nodes, large(names[i]))
			}
			l := newLab(t, names...)
			for _, name := range names { // what is there differs by less than the burst can level
				l.reads(name, 3200+chance.Int64N(5*each.MilliValue()), 8*gib)
			}
			l.refresh()
			for i := range 500 {
				p := pod([2]string{cpu, "64Mi"})
				p.UID = types.UID(fmt.Sprint(i))
				l.place(p, nodes, chance)
			}
			var sum, most int64
			for _, n := range nodes {
				reading, _ := l.measured().Of(n.Node().Name)
				used := reading[load.CPU].Amount + int64(len(n.GetPods()))*each.MilliValue()
				sum, most = sum+used, max(most, used)
			}
			if over := most - sum/50; over > each.MilliValue() {
				t.Errorf("the fullest node is %dm above the mean, more than one pod of %s", over, cpu)
			}
		})
	}
}

// BenchmarkCycle is all that LoadBalance does for a pod on a cluster of 30 pods per node, all of which are candidates; one node
// changes with each pod, as when it is placed. Compare with
//
//	go test ./plugins/loadbalance -run '^$' -bench Cycle -count 10 | tee new.txt; benchstat old.txt new.txt
func BenchmarkCycle(b *testing.B) {
	for _, size := range []int{32, 5000} {
		for _, measured := range []bool{false, true} {
			b.Run(fmt.Sprintf("nodes=%d/measured=%v", size, measured), func(b *testing.B) { benchCycle(b, size, measured) })
		}
	}
}

func benchCycle(b *testing.B, size int, measured bool) {
	var names []string
	var nodes []fwk.NodeInfo
	for i := range size {
		names = append(names, fmt.Sprintf("n%04d", i))
		n := large(names[i])
		for j := range 30 {
			p := pod([2]string{"1", "1Gi"})
			p.UID = types.UID(fmt.Sprint(i, "-", j))
			info, err := framework.NewPodInfo(p)
			if err != nil {
				b.Fatal(err)
			}
			n.AddPodInfo(info)
		}
		nodes = append(nodes, n)
	}
	l := newLab(b, names...)
	for _, name := range names {
		l.reads(name, 3200, 8*gib)
	}
	if l.refresh(); !measured {
		l.refresher = nil
	}
	lands, list := pod([2]string{"1", "1Gi"}), make(fwk.NodeScoreList, size)
	cs, i := framework.NewCycleState(), 0
	b.ReportAllocs()
	for b.Loop() {
		_, _ = l.PreFilter(b.Context(), cs, lands, nodes)
		l.PreScore(b.Context(), cs, lands, nodes)
		for i, n := range nodes {
			list[i].Score, _ = l.Score(b.Context(), cs, lands, n)
		}
		l.NormalizeScore(b.Context(), cs, lands, list)
		n := nodes[i%size].(*framework.NodeInfo)
		n.Generation++ // as if the pod had been placed
		i++
	}
}
