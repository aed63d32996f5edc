package decide

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/podspec"
)

// imagesOf are the images of the agents of the pods that are created.
func imagesOf(p Plan) []string {
	var images []string
	for _, c := range p.Changes {
		if c.Kind == CreatePod {
			images = append(images, c.Instance.Agent.Image)
		}
	}
	return images
}

// A new manager brings a new image. Pods that run stay as they are, and one that is made in the place of another has the agent
// of its revision; only what is rolled out after that has the new one.
func TestANewManagerMovesNoPods(t *testing.T) {
	set := &v1alpha1.InstanceSet{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "r", UID: "set", Finalizers: []string{v1alpha1.Finalizer}}}
	set.Spec.Replicas, set.Spec.ShardSize = ptr.To(int32(3)), ptr.To(int32(3))
	set.Spec.Roles = []v1alpha1.InstanceRole{{Name: v1alpha1.RoleMaster, Exclusive: true}, {Name: v1alpha1.RoleReplica}}
	revision := podspec.Revision(set, nil)
	pod := func(ordinal int32, revision, image string) Pod {
		return Pod{Ordinal: ordinal, UID: "u", Phase: "Running", Ready: true, Node: "n", Revision: revision, AgentImage: image}
	}
	for name, c := range map[string]struct {
		pods []Pod
		want []string
	}{
		"nothing to do":                 {[]Pod{pod(0, revision, "v1"), pod(1, revision, "v1"), pod(2, revision, "v1")}, nil},
		"one is made anew":              {[]Pod{pod(0, revision, "v1"), pod(2, revision, "v1")}, []string{"v1"}},
		"the set is new":                {nil, []string{"v2", "v2", "v2"}},
		"the others are from before":    {[]Pod{pod(0, "old", "v1"), pod(1, "old", "v1")}, []string{"v2"}},
		"the others have no agent":      {[]Pod{pod(0, revision, ""), pod(1, revision, "")}, []string{"v2"}},
		"the first of several is meant": {[]Pod{pod(0, revision, "v0"), pod(1, revision, "v1")}, []string{"v0"}},
	} {
		s := Snapshot{Now: time.Unix(1000, 0), Set: set, Service: Ours, Pods: c.pods, Agent: podspec.Agent{Image: "v2", Manager: "m:1"}, Nodes: []Node{{Name: "n", State: NodeHealthy}}}
		plan := Decide(s)
		got := imagesOf(plan)
		if len(got) != len(c.want) || len(got) > 0 && got[0] != c.want[0] {
			t.Errorf("%s: pods with %q are created, want %q: %+v", name, got, c.want, plan.Changes)
		}
		for _, change := range plan.Changes {
			if change.Kind == DeletePod {
				t.Errorf("%s: %s is deleted", name, change.Object)
			}
		}
	}
}
