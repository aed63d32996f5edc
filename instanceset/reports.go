package instanceset

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/instanceset/decide"
)

// loadReports is what agents have said of their engines' configurations, as this process has heard it. Nothing of it is written: who leads
// next asks the agents again, and an instance that has arrived is not asked for it.
func (r *reconciler) loadReports(set *v1alpha1.InstanceSet, pods []*corev1.Pod) map[types.UID]decide.Reported {
	if r.heard == nil || len(set.Spec.Roles) == 0 {
		return nil
	}
	all := make(map[types.UID]decide.Reported, len(pods))
	for _, pod := range pods {
		if report, heard := r.heard(pod.UID); heard {
			all[pod.UID] = reported(report)
		}
	}
	return all
}

func reported(r agent.Report) decide.Reported {
	out := decide.Reported{Revision: r.Revision, MaxMemory: r.MaxMemory}
	if c := r.Configuration; c != nil {
		out.Wanted, out.State, out.Problem = c.Wanted, c.State, c.Problem
	}
	return out
}
