package dispersion

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/shoal-dev/shoal/api/config"
	"github.com/shoal-dev/shoal/placement"
)

// newMixture has as many pods of three sizes, which wait, and nodes of a size: 20 pods want 47 CPUs.
func newMixture(tb testing.TB, pods int, cpus int64) (*world, []*corev1.Pod) {
	tb.Helper()
	w := newWorld(tb, config.DispersionArgs{})
	k := pods/20 + 2
	for i := range 2 * k {
		w.node(fmt.Sprintf("node-%04d", i), cpus, 110)
	}
	w.limit("p", pods, placement.Limits{MaxNodes: k})
	all := make([]*corev1.Pod, pods)
	for i := range all {
		all[i] = sized(fmt.Sprintf("p-%05d", i), "", []string{"1", "2", "4"}[i%3])
	}
	w.arrive(all...)
	return w, all
}

// BenchmarkMixed is PreFilter for one pod after the other of a group of three sizes; each is bound before the next one comes.
func BenchmarkMixed(b *testing.B) {
	for _, pods := range []int{100, 1000, 10000} {
		b.Run(fmt.Sprintf("pods=%d", pods), func(b *testing.B) {
			var w *world
			var waiting []*corev1.Pod
			var spent time.Duration
			for b.Loop() {
				if len(waiting) == 0 {
					w, waiting = newMixture(b, pods, 51)
					if node, _ := w.schedule(waiting[0]); node == "" { // it also fills what is kept
						b.Fatal("no node")
					}
					waiting = waiting[1:]
				}
				c := crowd{world: w}
				c.snap()
				start := time.Now()
				result, status := w.plugin.PreFilter(b.Context(), framework.NewCycleState(), waiting[0], c.nodes)
				spent += time.Since(start)
				if !status.IsSuccess() || len(w.candidates(result)) == 0 {
					b.Fatal(status)
				}
				if node, _ := w.schedule(waiting[0]); node == "" {
					b.Fatal("no node")
				}
				waiting = waiting[1:]
			}
			b.ReportMetric(float64(spent.Nanoseconds())/float64(b.N), "ns/pod")
		})
	}
}
