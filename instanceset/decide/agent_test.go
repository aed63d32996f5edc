package decide

import (
	"cmp"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/podspec"
)

// agentsOf are those whose agents the pods that are created get, "today" for an agent of today.
func agentsOf(p Plan) []string {
	var all []string
	for _, c := range p.Changes {
		if c.Kind == CreatePod {
			all = append(all, cmp.Or(string(c.Instance.AgentOfUID)+c.Instance.AgentOf, "today"))
		}
	}
	return all
}

// A new manager brings a new image. Pods that run stay as they are, and one that is made in the place of another has the agent
// of its revision; only what is rolled out after that has the new one.
func TestANewManagerMovesNoPods(t *testing.T) {
	set := &v1alpha1.InstanceSet{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "r", UID: "set", Finalizers: []string{v1alpha1.Finalizer}}}
	set.Spec.Replicas, set.Spec.ShardSize = ptr.To(int32(3)), ptr.To(int32(3))
	set.Spec.Roles = []v1alpha1.InstanceRole{{Name: v1alpha1.RoleMaster, Exclusive: true}, {Name: v1alpha1.RoleReplica}}
	revision := podspec.Revision(set, nil)
	pod := func(ordinal int32, revision, agent string) Pod {
		return Pod{
			Ordinal: ordinal, UID: "u-", Phase: "Running", Ready: true, Node: "n", Revision: revision,
			Agent: agent != "none", AgentProven: agent == "ran", Terminating: agent == "going",
		}
	}
	going, ended := pod(0, revision, "ran"), pod(0, revision, "ran")
	going.Terminating, ended.Phase = true, "Failed"
	for name, c := range map[string]struct {
		pods []Pod
		want []string
	}{
		"nothing to do":                 {[]Pod{pod(0, revision, "ran"), pod(1, revision, "ran"), pod(2, revision, "ran")}, nil},
		"one is made anew":              {[]Pod{pod(0, revision, "ran"), pod(2, revision, "ran")}, []string{"u-r-0"}},
		"the set is new":                {nil, []string{"today", "today", "today"}},
		"the others are from before":    {[]Pod{pod(0, "old", "ran"), pod(1, "old", "ran")}, []string{"today"}},
		"the others have no agent":      {[]Pod{pod(0, revision, "none"), pod(1, revision, "none")}, []string{"today"}},
		"no agent of the others ran":    {[]Pod{pod(0, revision, "never ran"), pod(1, revision, "never ran")}, []string{"today"}},
		"the agent of one of them ran":  {[]Pod{pod(0, revision, "never ran"), pod(1, revision, "ran")}, []string{"u-r-1"}},
		"one that stays is preferred":   {[]Pod{going, pod(1, revision, "ran")}, []string{"u-r-1"}},
		"the others go":                 {[]Pod{going, pod(1, revision, "none")}, []string{"u-r-0"}},
		"one that has ended is deleted": {[]Pod{ended, pod(1, revision, "none")}, []string{"today"}},
	} {
		s := Snapshot{Now: time.Unix(1000, 0), Set: set, Service: Ours, Pods: c.pods, Agent: podspec.Agent{Image: "v2", Manager: "m:1"}, Nodes: []Node{{Name: "n", State: NodeHealthy}}}
		plan := Decide(s)
		if got := agentsOf(plan); !slices.Equal(got, c.want) {
			t.Errorf("%s: pods with agents of %q are created, want %q: %+v", name, got, c.want, plan.Changes)
		}
		for _, change := range plan.Changes {
			if change.Kind == DeletePod && c.pods[0].Phase != "Failed" {
				t.Errorf("%s: %s is deleted", name, change.Object)
			}
		}
	}
}
