package instanceset

import (
	"maps"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/instanceset/decide"
)

// given is when pods were given a configuration by this process. What an agent has said before says nothing about that.
type given struct {
	mu sync.Mutex
	at map[types.UID]time.Time
}

// givenFor is for how long that is remembered. A report that is older than this comes from an agent that is silent.
const givenFor = time.Hour

func (g *given) note(pod types.UID, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.at == nil {
		g.at = map[types.UID]time.Time{}
	}
	maps.DeleteFunc(g.at, func(_ types.UID, at time.Time) bool { return now.Sub(at) > givenFor })
	g.at[pod] = now
}

func (g *given) when(pod types.UID) time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.at[pod]
}

// loadReports is what agents have said of their engines' configurations, as this process has heard it. Nothing of it is written: who leads
// next asks the agents again, and an instance that has arrived is not asked for it.
func (r *reconciler) loadReports(set *v1alpha1.InstanceSet, pods []*corev1.Pod) map[types.UID]decide.Reported {
	if r.heard == nil || len(set.Spec.Roles) == 0 {
		return nil
	}
	all := make(map[types.UID]decide.Reported, len(pods))
	for _, pod := range pods {
		if report, at, heard := r.heard(pod.UID); heard && !at.Before(r.given.when(pod.UID)) {
			all[pod.UID] = reported(report)
		}
	}
	return all
}

// reportAgain is how often a set is looked at while a report of an agent is waited for.
const reportAgain = 30 * time.Second

// lookAgain is when a set is looked at again, if that is after a while, 0 for never. A pod that was given a configuration waits for what its agent says
// afterwards. That may be what it has said before: where the pod was given another one and this one again between two looks of the agent, it sees
// neither. Nobody is told of a report that says nothing new, so that the set would wait for ever.
func (r *reconciler) lookAgain(set *v1alpha1.InstanceSet, pods []*corev1.Pod, wait time.Duration) time.Duration {
	if r.heard == nil || len(set.Spec.Roles) == 0 || wait > 0 && wait <= reportAgain {
		return wait
	}
	for _, pod := range pods {
		if _, at, _ := r.heard(pod.UID); at.Before(r.given.when(pod.UID)) {
			return reportAgain
		}
	}
	return wait
}

func reported(r agent.Report) decide.Reported {
	out := decide.Reported{Revision: r.Revision, MaxMemory: r.MaxMemory}
	if c := r.Configuration; c != nil {
		out.Wanted, out.State, out.Problem = c.Wanted, c.State, c.Problem
	}
	return out
}
