package decide

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	corev1 "k8s.io/api/core/v1"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/reason"
	"github.com/shoal-dev/shoal/slots"
)

// plenty is more pods than any world has.
const plenty = 100

func setRoom(t *testing.T, w *world, d *datadriven.TestData) string {
	for _, a := range d.CmdArgs {
		w.room[a.Key] = int64(*int32p(t, a.Vals[0]))
	}
	return "ok"
}

// evict is a drain, which is refused what the budget of the set selects.
func evict(_ *testing.T, w *world, d *datadriven.TestData) string {
	var b strings.Builder
	for _, a := range d.CmdArgs {
		if w.evict(a.Key) {
			fmt.Fprintf(&b, "%s is evicted\n", a.Key)
		} else {
			fmt.Fprintf(&b, "%s is held\n", a.Key)
		}
	}
	return b.String()
}

func (w *world) evict(name string) bool {
	pod := w.pods[name]
	if pod == nil || pod.MayLeave.IsZero() && !pod.Terminating {
		return false
	}
	pod.Terminating = true
	return true
}

// look finds out where instances of cordoned nodes could go. Each asks for one pod of room.
func (w *world) look(s *Snapshot) {
	cordoned := func(node string) bool { return w.nodes[node] != nil && w.nodes[node].Cordoned }
	if !slices.ContainsFunc(s.Pods, func(p Pod) bool { return cordoned(p.Node) }) {
		return
	}
	v := newView(*s)
	places := map[string]*Place{}
	at := func(node string) *Place {
		if places[node] == nil {
			places[node] = &Place{Node: node}
		}
		return places[node]
	}
	for n := range v.instances {
		i, held := &v.instances[n], map[string]int32{}
		i.addSlots(held)
		for node := range held {
			at(node).add(v.shardName(i), 1)
		}
	}
	open, none := map[string]bool{}, map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(w.nodes)) {
		node := w.nodes[name]
		free, said := w.room[name]
		if !said {
			free = plenty
		}
		for _, p := range s.Pods {
			if p.Node == name && !p.ended() {
				free--
			}
		}
		if node.State == NodeHealthy && !node.Cordoned && free > 0 {
			at(name).Free = slots.Amount{Pods: free}
			open[name] = true
		}
	}
	for n := range s.Pods {
		p := &s.Pods[n]
		if p.Node == "" && !p.Foreign && !p.ended() && w.pinnedTo(p) == "" {
			to := open
			if memory := p.Live.Spec.Containers[0].Resources.Limits[corev1.ResourceMemory]; memory.String() == "900Gi" { // no node has so much
				to = none
			}
			s.Queued = append(s.Queued, Waiting{Pod: v.name(p.Ordinal), Move: &Move{Asks: slots.Amount{Pods: 1}, To: to}})
		}
		if cordoned(p.Node) && !p.Terminating {
			p.Move = &Move{Asks: slots.Amount{Pods: 1}, To: open}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(places)) {
		s.Places = append(s.Places, *places[name])
	}
}

func isLeave(c Change) bool {
	return c.Label == v1alpha1.LabelMayLeave && c.Kind == LabelPod || c.Kind == DeletePod && c.Reason == reason.Leaving
}

// placeBest places a pod with its volumes, or else where it is wont to be, on no node that is cordoned.
func (w *world) placeBest(name string) {
	pod := w.pods[name]
	nodes := []string{[]string{"a", "b"}[pod.Ordinal%2], "c"}
	if pin := w.pinnedTo(pod); pin != "" {
		nodes = []string{pin}
	}
	for _, node := range nodes {
		if !w.nodes[node].Cordoned {
			w.place(name, node)
			return
		}
	}
}

// forbidsLeaving says why an instance must not be given leave to go from its node, or be deleted there, or be made so.
func (w *world) forbidsLeaving(c Change) string {
	v := newView(w.snapshot())
	if c.Kind == CreatePod {
		if kept := v.left()[c.Ordinal]; kept != "" && v.asked(kept) != nil && c.Instance.Revision != kept {
			return "it left its node, and does not keep its template"
		}
		return ""
	}
	if !isLeave(c) {
		return ""
	}
	i, pod := v.at(c.Ordinal), w.pods[c.Object]
	switch {
	case w.set.Spec.Paused:
		return "the set is paused"
	case w.nodes[pod.Node] == nil || !w.nodes[pod.Node].Cordoned:
		return "its node is not cordoned"
	case w.pinnedTo(pod) != "":
		return "its volume stays"
	case v.left()[c.Ordinal] != pod.Revision:
		return "nobody would know with which template it comes back"
	case c.Kind == DeletePod && (pod.MayLeave.IsZero() || w.now.Sub(pod.MayLeave) < drainTime):
		return "a drain had no time to evict it"
	}
	return w.forbidsGoing(v, i, pod)
}

func (w *world) forbidsGoing(v *view, i *instance, pod *Pod) string {
	roles, has, master, down, mateDown := len(w.set.Spec.Roles) > 0, false, pod.Role == v1alpha1.RoleMaster, 0, ""
	alone := true
	for n := range v.instances {
		other := &v.instances[n]
		if other.ordinal == i.ordinal || !other.online() {
			continue
		}
		mate := v.shardOf(other) == v.shardOf(i)
		alone = alone && !mate
		serves := other.pod != nil && w.serves(w.pods[v.name(other.ordinal)])
		if mate && other.pod != nil {
			master = master || other.pod.Role == v1alpha1.RoleMaster
			has = has || serves && (!roles || other.pod.Role != "")
		}
		if !serves {
			if down++; mate && v.sharded() {
				mateDown = v.name(other.ordinal)
			}
		}
	}
	before := *pod
	before.MayLeave = time.Time{}
	served := w.serves(&before) || pod.Ready && (pod.Resize != 0 || w.unapplied(pod))
	takes := len(i.claims) == 0 && !w.mayGo()
	switch {
	case takes && (!has || roles && !master):
		return "nobody else is known to have its data"
	case takes && pod.Role == v1alpha1.RoleMaster:
		return "its data goes with it, and it is master"
	case served && mateDown != "":
		return mateDown + " of the same shard is not available"
	case served && down+1 > v.maxUnavailable():
		return fmt.Sprintf("%d others are not available", down)
	}
	gaveUp := false
	for _, s := range w.orders {
		if s.Shard == v.shardName(i) && !s.Ended {
			return "the shard is being handed over"
		}
		gaveUp = gaveUp || s.Shard == v.shardName(i) && s.Complete && !s.HandedOver
	}
	if !roles || pod.Role != v1alpha1.RoleMaster || v.switchoverMode() == v1alpha1.UpdateSwitchoverNone {
		return ""
	}
	if v.switchoverMode() == v1alpha1.UpdateSwitchoverStrict || !gaveUp && !alone && !pod.Idle {
		return "it is master"
	}
	return ""
}

// mustHaveLeft: in the end nobody is on a cordoned node who could be elsewhere.
func (w *world) mustHaveLeft(t interface{ Fatalf(string, ...any) }) {
	p := &planner{view: newView(w.snapshot()), words: map[reason.Code]string{}, deleted: map[int32]bool{}}
	p.update()
	for _, name := range slices.Sorted(maps.Keys(w.pods)) {
		pod := w.pods[name]
		if node := w.nodes[pod.Node]; node == nil || !node.Cordoned {
			continue
		}
		i := p.at(pod.Ordinal)
		stays := p.takesDataAlong(i) && p.switchoverMode() != v1alpha1.UpdateSwitchoverStrict
		if w.pinnedTo(pod) == "" && p.dispensable(i) && !stays && p.newRoom().find(i) != nil {
			t.Fatalf("%s is still on node %s: %+v\n%+v", name, pod.Node, w.set.Status.Conditions, Decide(w.snapshot()).Changes)
		}
	}
}
