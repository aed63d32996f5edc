package decide

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/types"
)

type fatal interface {
	Helper()
	Fatalf(format string, args ...any)
}

// planOf decides, and wants the same of the thin snapshot.
func planOf(t fatal, s Snapshot) Plan {
	t.Helper()
	plan, thin := Decide(s), Thin(s)
	if got := Decide(thin); !reflect.DeepEqual(got, plan) {
		t.Fatalf("the thin snapshot without %v says\n%+v\n%v\n%v, the full one\n%+v\n%v\n%v",
			thin.Rest.all().format(), got.Status, got.Changes, got.RequeueAfter, plan.Status, plan.Changes, plan.RequeueAfter)
	}
	return plan
}

// Of a set that is as wanted, one shard is left in the snapshot, as an example.
func TestMostOfALargeSetIsAtRest(t *testing.T) {
	s := largeSnapshot(999, 2)
	s.Set.Status = Decide(s).Status
	if thin := Thin(s); len(thin.Pods) != 3 || len(thin.Claims) != 6 || thin.Rest.all().size() != 996 || thin.Rest.shards != 332 {
		t.Errorf("%d pods and %d claims are left, %d instances in %d shards are at rest", len(thin.Pods), len(thin.Claims), thin.Rest.all().size(), thin.Rest.shards)
	}
	planOf(t, s)
	s.Pods[500].Ready = false
	planOf(t, s)
	if thin := Thin(s); len(thin.Pods) != 6 {
		t.Errorf("%d pods are left", len(thin.Pods))
	}
}

// A claim that does not have the template of its pod yet is written to: its shard is not left out. Here the entry of spec.templates that its pod was of is long gone.
func TestWhoseClaimIsBehindIsNotAtRest(t *testing.T) {
	s := largeSnapshot(999, 1)
	s.Set.Status = Decide(s).Status
	s.Claims[500].Template = "former"
	plan := planOf(t, s)
	if len(plan.Changes) != 1 || plan.Changes[0].Kind != LabelClaim {
		t.Errorf("changes %v", plan.Changes)
	}
}

// follower decides as a controller does that keeps an index: from one snapshot to the next it touches those to whom something has happened.
type follower struct {
	index *Index
	last  Snapshot
	most  int32 // that were at rest
}

// plan decides, and wants the same of the index.
func (f *follower) plan(t fatal, s Snapshot) Plan {
	t.Helper()
	plan := planOf(t, s)
	anew := f.index == nil || thick(&s) || !reflect.DeepEqual(f.last.Set.Spec, s.Set.Spec)
	if anew {
		f.index = NewIndex()
	} else {
		f.index.Touch(s.Set.Spec.ShardSize, changed(&f.last, &s)...)
	}
	f.last = s
	thin := f.index.without(s)
	for missing := f.index.Missing(thin); len(missing) > 0; missing = f.index.Missing(thin) {
		f.index.Touch(s.Set.Spec.ShardSize, missing...)
		thin = f.index.without(s)
	}
	active := f.index.Active(&thin)
	for n := range thin.Pods {
		if _, asked := slices.BinarySearch(active, thin.Pods[n].Ordinal); !asked && !anew { // a new one sees all
			t.Fatalf("nobody asks for the pod of %d, but for %v", thin.Pods[n].Ordinal, active)
		}
	}
	if got := Decide(thin); !reflect.DeepEqual(got, plan) {
		t.Fatalf("with %v at rest the index says\n%+v\n%v\n%v, the full snapshot\n%+v\n%v\n%v",
			f.index.rest.who.format(), got.Status, got.Changes, got.RequeueAfter, plan.Status, plan.Changes, plan.RequeueAfter)
	}
	f.index.Settle(thin)
	f.most = max(f.most, f.index.rest.who.size())
	return plan
}

// changed are the instances of which an object, a node or a volume is not what it was.
func changed(before, after *Snapshot) []int32 {
	var all ordinalSet
	x, y := byOrdinal(before), byOrdinal(after)
	for o := range y {
		if !reflect.DeepEqual(x[o], y[o]) {
			all.add(o)
		}
	}
	for o := range x {
		if y[o] == nil {
			all.add(o)
		}
	}
	return slices.Collect(all.all())
}

// byOrdinal is all that a snapshot has of each instance.
func byOrdinal(s *Snapshot) map[int32][]any {
	all := map[int32][]any{}
	node := func(o int32, name string) {
		if n := slices.IndexFunc(s.Nodes, func(n Node) bool { return n.Name == name }); n >= 0 {
			all[o] = append(all[o], s.Nodes[n])
		}
	}
	for _, pod := range s.Pods {
		all[pod.Ordinal] = append(all[pod.Ordinal], pod)
		node(pod.Ordinal, pod.Node)
	}
	for _, c := range s.Claims {
		all[c.Ordinal] = append(all[c.Ordinal], c)
		node(c.Ordinal, c.Node)
		if n := slices.IndexFunc(s.Volumes, func(v Volume) bool { return v.Name == c.Volume }); n >= 0 {
			all[c.Ordinal] = append(all[c.Ordinal], s.Volumes[n])
		}
	}
	return all
}

// What an event costs does not depend on how many are at rest.
func BenchmarkIndex(b *testing.B) {
	for _, n := range []int{99, 999, 9_999} {
		s := largeSnapshot(n, 1)
		x := NewIndex()
		x.Settle(s)
		others := map[int32]Snapshot{} // of the shard of an instance
		for o := int32(3); o < int32(n); o += 3 {
			others[o] = shardsOf(&s, 0, o)
		}
		b.Run(fmt.Sprintf("event/n=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			o := int32(3)
			for b.Loop() {
				if o += 3; o >= int32(n) {
					o = 3
				}
				x.Touch(s.Set.Spec.ShardSize, o)
				thin := others[o]
				thin.Rest = x.Rest()
				if missing := x.Missing(thin); len(missing) > 0 {
					b.Fatal(missing)
				}
				if plan := Decide(thin); len(plan.Changes) > 0 {
					b.Fatal(plan.Changes)
				}
				x.Settle(thin)
			}
		})
		b.Run(fmt.Sprintf("full/n=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Decide(s)
				NewIndex().Settle(s)
			}
		})
	}
}

// shardsOf is the snapshot with the shards of three of some instances alone.
func shardsOf(s *Snapshot, ordinals ...int32) Snapshot {
	out := *s
	out.Pods, out.Claims, out.Nodes, out.Volumes = nil, nil, nil, nil
	for _, o := range ordinals {
		out.Pods = append(out.Pods, s.Pods[o:o+3]...)
		out.Claims = append(out.Claims, s.Claims[o:o+3]...)
	}
	seen := map[string]bool{}
	for _, pod := range out.Pods {
		if !seen[pod.Node] {
			seen[pod.Node] = true
			out.Nodes = append(out.Nodes, Node{Name: pod.Node, UID: types.UID(pod.Node), State: NodeHealthy})
		}
	}
	for _, c := range out.Claims {
		out.Volumes = append(out.Volumes, Volume{Name: c.Volume})
	}
	return out
}
