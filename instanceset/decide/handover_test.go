package decide

import (
	"testing"
	"time"

	"k8s.io/utils/ptr"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// A master whose replica is out of sync for hours is asked to hand over soon again, and then later and later: at most five Switchovers are there at
// the same time, and 19 in the first hour.
func TestHandoversThatAreRefusedAreBounded(t *testing.T) {
	w := newWorld()
	w.set.Spec.Replicas, w.set.Spec.ShardSize = ptr.To(int32(2)), ptr.To(int32(2))
	w.set.Spec.Roles = []v1alpha1.InstanceRole{{Name: v1alpha1.RoleMaster, Exclusive: true}, {Name: v1alpha1.RoleReplica}}
	w.nodes["a"], w.nodes["b"] = &Node{Name: "a", UID: "a", State: NodeHealthy}, &Node{Name: "b", UID: "b", State: NodeHealthy}
	var asked []time.Duration // since the first
	var first time.Time
	most := 0
	for second := range 4000 {
		plan := Decide(w.snapshot())
		if err := w.carryOut(plan.Changes, all); err != nil {
			t.Fatal(err)
		}
		w.set.Status = plan.Status
		for _, c := range plan.Changes {
			if c.Kind == CreateSwitchover {
				if first.IsZero() {
					first = w.now
				}
				asked = append(asked, w.now.Sub(first))
			}
		}
		w.work()
		w.appoint()
		if second == 10 {
			w.set.Spec.Template.Spec.Containers[0].Image = "redis:8"
			w.set.Generation++
		}
		w.endOrders(func() string { return "failed" })
		most = max(most, len(w.orders))
		for name, o := range w.orders { // the controller of Switchovers
			if w.now.Sub(o.EndedAt) >= time.Duration(HandoverTTL)*time.Second {
				delete(w.orders, name)
			}
		}
		w.now = w.now.Add(time.Second)
	}
	if len(asked) < 6 {
		t.Fatalf("asked after %v", asked)
	}
	for n, want := range []time.Duration{0, 15 * time.Second, 45 * time.Second, 105 * time.Second, 225 * time.Second, 465 * time.Second} {
		if asked[n] != want {
			t.Errorf("the %d. is asked for after %s, want %s", n+1, asked[n], want)
		}
	}
	inAnHour := 0
	for _, at := range asked {
		if at < time.Hour {
			inAnHour++
		}
	}
	if most != 5 || inAnHour != 19 {
		t.Errorf("%d at the same time, and %d in an hour", most, inAnHour)
	}
}
