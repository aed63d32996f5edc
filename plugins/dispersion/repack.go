package dispersion

import (
	"context"
	"maps"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/shoal-dev/shoal/slots"
)

// Packing a large group takes tens of milliseconds of a cycle, and every pod of the cluster waits for the cycles of the others.
// A node that loses room, or a pod that was left out while something changed, asks for a new packing. So a group may spend a
// twentieth of the time on it, beside a first tenth of a second. Until there is time for the next one, those whose spot is gone
// wait, and are then tried again; the others go where they should. What a packing costs is counted in its steps and not by a
// clock, so that it does not depend on the machine, nor a simulation on anything but its seed.
const (
	packStep  = 20 * time.Nanosecond
	packBurst = 100 * time.Millisecond
	packShare = 20
)

// allowances are what groups may spend on packing, and when that was so. A group that is not there may spend everything.
type allowances map[slots.Group]allowance

type allowance struct {
	left time.Duration
	at   time.Time
}

func (as allowances) left(g slots.Group, now time.Time) time.Duration {
	a, known := as[g]
	if !known {
		return packBurst
	}
	return min(packBurst, a.left+now.Sub(a.at)/packShare)
}

// may reports whether a group may be packed again now.
func (as allowances) may(g slots.Group, now time.Time) bool { return as.left(g, now) > 0 }

// wait is how long it is until then: at most packShare times what the last packing took.
func (as allowances) wait(g slots.Group, now time.Time) time.Duration {
	return max(0, packShare*(time.Nanosecond-as.left(g, now)))
}

// spend books what a packing took, and forgets groups that have everything again.
func (as allowances) spend(g slots.Group, now time.Time, cost time.Duration) {
	as[g] = allowance{max(0, as.left(g, now)) - cost, now}
	if len(as) > 2*maxViews {
		maps.DeleteFunc(as, func(g slots.Group, _ allowance) bool { return as.left(g, now) >= packBurst })
	}
}

// postponed are pods that wait for the next packing of their group.
type postponed struct {
	mu     sync.Mutex
	groups map[slots.Group]map[string]*corev1.Pod // by namespace and name
}

// postpone tries a pod again after a while, together with others of its group: the first of them packs for all.
func (p *Plugin) postpone(ctx context.Context, g slots.Group, pod *corev1.Pod, wait time.Duration) {
	pp := &p.index.postponed
	pp.mu.Lock()
	defer pp.mu.Unlock()
	if pp.groups == nil {
		pp.groups = map[slots.Group]map[string]*corev1.Pod{}
	}
	if pp.groups[g] == nil {
		pp.groups[g] = map[string]*corev1.Pod{}
		logger := loggerOf(ctx)
		p.after(wait, func() {
			p.handle.Activate(logger, pp.take(g))
		})
	}
	pp.groups[g][pod.Namespace+"/"+pod.Name] = pod
}

// take hands over the pods of a group that wait.
func (pp *postponed) take(g slots.Group) map[string]*corev1.Pod {
	pp.mu.Lock()
	defer pp.mu.Unlock()
	pods := pp.groups[g]
	delete(pp.groups, g)
	return pods
}
