package decide

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/podspec"
	"github.com/shoal-dev/shoal/reason"
)

// An instance leaves its node when somebody has cordoned that, and it can be made anew elsewhere with its data. Who does not leave:
//
//   - with a volume that is local to the node, or a path of whichever node its pod is on: its data is there;
//   - without volumes, unless another one of its shard is available and known to have the data: its own goes with its pod (dispensable);
//   - who would find no node that takes it (room.go): it would wait, with a copy less, for as long as the node is cordoned.
//
// Who leaves does so as an update disturbs: under the same limits, which both share, replicas before masters, and a master hands over before. It
// does not wait for the update to get on, which may be held up or be nobody's wish, and comes back with the template that it had.
//
// Its state is what stands on the objects; each step is taken when the one before is seen:
//
//	on a cordoned node
//	   | all of the above: status.leaving has the ordinal, with the revision that it keeps
//	recorded
//	   | all of the above: the label may-leave. The budget of the set does not select it any more
//	may leave, and counts as unavailable
//	   | a drain evicts it, or the manager deletes it after drainTime
//	gone: ordinary creation, with the revision that is recorded
//
// A drain asks again each 5 s, by name. If the manager deleted the pod at once, its successor would stand elsewhere under that name before the
// drain asks, and be what the drain tries to evict from then on, for ever. What the drain has evicted itself it knows by its UID.
//
// Where one of the conditions does not hold any more before the pod is gone, the label is taken back.

// drainTime is for how long a drain may evict an instance before the manager deletes it: two of the drain's attempts.
const drainTime = 10 * time.Second

// exodus is what a plan found out about instances on cordoned nodes.
type exodus struct {
	movers   map[int32]bool   // all of them
	replicas map[int32]bool   // shards of which a replica can leave
	kept     map[int32]string // who may go, and the revision that it keeps
	going    []int32
	waits    map[reason.Code][]int32
}

// left are the instances that may leave or have left, as the status tells it, and the revisions that they keep.
func (v *view) left() map[int32]string {
	if v.leftOnce == nil {
		v.leftOnce = map[int32]string{}
		for part := range strings.FieldsSeq(v.Set.Status.Leaving) {
			revision, ordinals, _ := strings.Cut(part, "=")
			for _, o := range ParseOrdinals(ordinals) {
				v.leftOnce[o] = revision
			}
		}
	}
	return v.leftOnce
}

// leavingRanges are those who may go by this plan, and those who have gone until they are made anew.
func (p *planner) leavingRanges() string {
	ordinals := map[string][]int32{}
	for n := range p.instances {
		i := &p.instances[n]
		revision := p.exodus.kept[i.ordinal]
		if i.online() && (i.pod == nil || i.pod.Terminating) && !p.replacing()[i.ordinal] {
			revision = cmp.Or(revision, p.left()[i.ordinal])
		}
		if revision != "" {
			ordinals[revision] = append(ordinals[revision], i.ordinal)
		}
	}
	var parts []string
	for _, revision := range slices.Sorted(maps.Keys(ordinals)) {
		parts = append(parts, revision+"="+FormatOrdinals(ordinals[revision]))
	}
	return strings.Join(parts, " ")
}

// goes reports whether an instance may leave its node by this plan or an earlier one.
func (p *planner) goes(i *instance) bool {
	_, may := p.exodus.kept[i.ordinal]
	return may || !i.pod.MayLeave.IsZero()
}

// movers are the instances on nodes that are cordoned and alive: those first that may go already, and node by node, the one first that has the
// fewest left. A node that is empty gives room where maxNodes is used up.
func (p *planner) movers() []*instance {
	x := &p.exodus
	x.movers, x.replicas, x.kept, x.waits = map[int32]bool{}, map[int32]bool{}, map[int32]string{}, map[reason.Code][]int32{}
	var all []*instance
	on := map[string]int{}
	for n := range p.instances {
		i := &p.instances[n]
		if !i.online() || i.pod == nil || i.pod.Terminating || i.pod.ended() || i.lost() || p.deleted[i.ordinal] || i.foreign != "" {
			continue
		}
		if node := p.nodes[i.pod.Node]; node == nil || !node.Cordoned || node.State != NodeHealthy {
			continue
		}
		x.movers[i.ordinal] = true
		on[i.pod.Node]++
		all = append(all, i)
	}
	turns := make(map[int32]int, len(all))
	for _, i := range all {
		switch {
		case !i.pod.MayLeave.IsZero():
			turns[i.ordinal] = 0
		case p.handsOver(i):
			turns[i.ordinal] = 1
		default:
			turns[i.ordinal] = 2
		}
	}
	slices.SortFunc(all, func(a, b *instance) int {
		return cmp.Or(cmp.Compare(turns[a.ordinal], turns[b.ordinal]), cmp.Compare(on[a.pod.Node], on[b.pod.Node]), cmp.Compare(a.pod.Node, b.pod.Node), cmp.Compare(b.ordinal, a.ordinal))
	})
	return all
}

// stay is why an instance does not leave.
type stay struct {
	code   reason.Code
	detail string
}

// leave has instances leave nodes that are cordoned.
func (p *planner) leave(movers []*instance) {
	p.stopLeaving()
	if len(movers) == 0 {
		return
	}
	r := p.newRoom()
	stays := map[int32]stay{}
	for _, i := range movers {
		why := p.whyStays(i, r)
		if stays[i.ordinal] = why; why.code == 0 && !p.leads(i) {
			p.exodus.replicas[p.shardOf(i)] = true
		}
	}
	queued := p.queued(r)
	for _, i := range movers {
		why := stays[i.ordinal]
		if why.code == 0 && queued != "" && i.pod.MayLeave.IsZero() && !p.handsOver(i) {
			why = stay{reason.LeaveWaits, "the next place is for " + queued + ", which has no node yet"}
		}
		done := false
		if why.code == 0 {
			why, done = p.mayLeave(i, r)
		}
		switch {
		case done:
			p.depart(i)
		case why.code != 0:
			p.stays(i, why)
		default: // it hands over first
			p.takeLeaveBack(i)
		}
	}
}

// stopLeaving takes back the leave of those who are not on a cordoned node that is alive.
func (p *planner) stopLeaving() {
	for n := range p.instances {
		i := &p.instances[n]
		if i.pod != nil && i.foreign == "" && i.online() && !p.exodus.movers[i.ordinal] {
			p.takeLeaveBack(i)
		}
	}
}

func (p *planner) takeLeaveBack(i *instance) {
	if i.pod.MayLeave.IsZero() || i.pod.Terminating || p.deleted[i.ordinal] {
		return
	}
	c := p.ofPod(UnlabelPod, i, reason.TakeLeaveBack)
	c.Label = v1alpha1.LabelMayLeave
	p.add(c)
}

// ofPod is a change of the pod as it was seen.
func (p *planner) ofPod(kind Kind, i *instance, code reason.Code) Change {
	c := Change{Kind: kind, Ordinal: i.ordinal, Object: p.name(i.ordinal), Reason: code, Words: p.because(code), UID: i.pod.UID}
	if i.pod.Live != nil {
		c.Version = i.pod.Live.ResourceVersion
	}
	return c
}

// whyStays says what keeps an instance where it is, whatever the limits of the set allow.
func (p *planner) whyStays(i *instance, r *room) stay {
	if why := p.tied(i); why.code != 0 {
		return why
	}
	switch code, detail, ok := p.remakable(i); {
	case !ok && code != 0:
		return stay{reason.LeaveWaits, code.Because("%s", cmp.Or(detail, code.Text()))}
	case !ok || !p.safeToRemove(i):
		return stay{reason.LeaveWaits, "it could not be made anew now"}
	case i.pod.Revision != p.revision(i) && p.asked(i.pod.Revision) == nil:
		return stay{reason.LeaveWaits, p.because(reason.RevisionUnknown)}
	case !p.dispensable(i):
		return stay{reason.LastHolder, ""}
	case i.pod.Move == nil:
		return stay{reason.LeaveWaits, "others come first"}
	case i.pod.Move.Tied != "":
		return stay{reason.NowhereToGo, i.pod.Move.Tied}
	case r.find(i) == nil:
		return stay{reason.NowhereToGo, ""}
	}
	return stay{}
}

// tied says which volume keeps an instance where it is.
func (p *planner) tied(i *instance) stay {
	for _, c := range i.claims {
		switch {
		case c == nil || c.Retired || c.Volume == "" && c.Node == "":
			return stay{reason.LeaveWaits, "a claim of it is not settled"}
		case c.Terminating:
			return stay{reason.LeaveWaits, p.because(reason.ClaimGoing)}
		case c.Node != "":
			return stay{reason.VolumeStays, fmt.Sprintf("volume %s is on node %s", cmp.Or(c.Volume, "of claim "+p.claimName(c)), c.Node)}
		case p.volumes[c.Volume] == nil:
			return stay{reason.LeaveWaits, p.because(reason.VolumeUnknown)}
		case p.volumes[c.Volume].OfNode:
			return stay{reason.VolumeStays, fmt.Sprintf("volume %s is a path of its node", c.Volume)}
		}
	}
	return stay{}
}

// remakable reports whether a pod could be made in place of that of the instance, with the revision that it keeps.
func (p *planner) remakable(i *instance) (reason.Code, string, bool) {
	left := p.left()
	before, recorded := left[i.ordinal]
	left[i.ordinal] = i.pod.Revision
	defer func() {
		if delete(left, i.ordinal); recorded {
			left[i.ordinal] = before
		}
	}()
	without := *i
	without.pod = nil
	return p.makable(&without)
}

// goesWithItsPod reports whether what an instance has goes with its pod, and is worth something: it has no volumes, and nobody has said that instances of
// the set may go at any time.
func (p *planner) goesWithItsPod(i *instance) bool {
	return len(i.claims) == 0 && !podspec.AllowsDisruption(p.Set)
}

// dispensable reports whether the data of an instance outlives its pod: it is on volumes, or of no worth, or another one of the shard is available, does not leave
// itself, and is known to have it: it has a role, in a shard of which a master is known. That an instance runs, or is Ready, says nothing of its data.
// In a set without roles there is nothing that could be known: another one has to be available even so. A shard of one has no other one, and a
// set without shards is one shard.
func (p *planner) dispensable(i *instance) bool {
	if !p.goesWithItsPod(i) {
		return true
	}
	roles, shard := len(p.spec.Roles) > 0, p.shard(i)
	if roles && !shard.led {
		return false
	}
	return slices.ContainsFunc(shard.members, func(other *instance) bool {
		_, goes := p.exodus.kept[other.ordinal]
		return other != i && other.online() && p.available(other) && !goes && (!roles || other.pod.Role != "")
	})
}

// takesDataAlong reports whether the instance may be the one whose data the others of its shard have from, and which goes with its pod. It
// leaves only after it has handed over: a handover asks the engines whether another one has everything, and labels may be older than that.
func (p *planner) takesDataAlong(i *instance) bool { return p.goesWithItsPod(i) && p.leads(i) }

// queued names a pod of the placement group, or of the set, that has yet to get a node and could get one; "" for none. Who has a volume on one waits for
// that, and whom no node would take now is not waited for, nor whose pod
// cannot be made.
func (p *planner) queued(r *room) string {
	n := slices.IndexFunc(p.Queued, func(w Waiting) bool { return r.couldTake(&w) })
	if n >= 0 {
		return p.Queued[n].Pod
	}
	for n := range p.instances {
		i := &p.instances[n]
		if !i.online() || i.pin() != "" || i.pod != nil && !i.pod.Terminating && !p.deleted[i.ordinal] {
			continue
		}
		if code, _, ok := p.makable(i); i.pod != nil || ok || code == 0 { // 0 passes by itself
			return p.name(i.ordinal)
		}
	}
	return ""
}

// mayLeave asks the limits, and for a handover where one is needed. Done: it may go now.
func (p *planner) mayLeave(i *instance, r *room) (why stay, done bool) {
	switch {
	case p.spec.Paused:
		return stay{reason.LeaveWaits, p.because(reason.Paused)}, false
	case p.handingOver(i):
		return stay{reason.HandingOver, ""}, false
	case p.leads(i) && p.exodus.replicas[p.shardOf(i)]:
		return stay{reason.LeaveWaits, "replicas leave before their master"}, false
	case !p.hasPlace(i):
		return stay{reason.LeaveWaits, "as many are unavailable as may be"}, false
	case !p.dispensable(i): // the other one leaves by this plan
		return stay{reason.LastHolder, ""}, false
	case p.takesDataAlong(i) && p.switchoverMode() == v1alpha1.UpdateSwitchoverNone:
		return stay{reason.LastHolder, "it is master, has no volumes, and the set hands nothing over"}, false
	case !r.take(i):
		return stay{reason.NowhereToGo, "others go where it could"}, false
	case !p.leads(i) || p.switchoverMode() == v1alpha1.UpdateSwitchoverNone:
		return stay{}, true
	}
	code, done := p.handOver(i, func(i *instance, number int) {
		p.occupy(i)
		p.exodus.going = append(p.exodus.going, i.ordinal)
		p.createHandover(i, number)
		p.changes[len(p.changes)-1].Words = reason.AskHandover.Because("the master hands over before it leaves its node")
	})
	if done && p.takesDataAlong(i) { // it was refused, which for others is leave enough
		return stay{reason.LastHolder, "it is master, has no volumes, and could not hand over"}, false
	}
	return stay{code: code}, done
}

// depart takes the next step of an instance that may go.
func (p *planner) depart(i *instance) {
	x := &p.exodus
	p.occupy(i)
	x.kept[i.ordinal] = i.pod.Revision
	x.going = append(x.going, i.ordinal)
	p.note(i, reason.Leaving, "")
	switch age := p.Now.Sub(i.pod.MayLeave); {
	case p.left()[i.ordinal] != i.pod.Revision: // the status of this plan records it
		p.again(soon)
	case i.pod.MayLeave.IsZero():
		c := p.ofPod(LabelPod, i, reason.Leaving)
		c.Label, c.Value = v1alpha1.LabelMayLeave, strconv.FormatInt(p.Now.Unix(), 10)
		p.add(c)
		p.again(drainTime)
	case age < drainTime: // less than nothing where the clocks of two managers differ
		p.again(min(drainTime-age, drainTime))
	default:
		p.deleted[i.ordinal] = true
		p.add(p.ofPod(DeletePod, i, reason.Leaving))
	}
}

// stays notes why an instance does not go now, and takes its leave back.
func (p *planner) stays(i *instance, why stay) {
	x := &p.exodus
	p.takeLeaveBack(i)
	switch why.code {
	case reason.HandingOver:
		x.going = append(x.going, i.ordinal)
		p.note(i, reason.LeaveWaits, p.because(why.code))
	case reason.NowhereToGo, reason.LeaveWaits:
		p.note(i, why.code, why.detail)
		p.again(recheck) // room elsewhere, or an instance of another set, raises no event here
	case reason.VolumeStays, reason.LastHolder:
		p.note(i, why.code, why.detail)
	default:
		p.note(i, reason.LeaveWaits, p.because(why.code))
	}
	x.waits[why.code] = append(x.waits[why.code], i.ordinal)
}

// leaveWaits are the reasons for which instances stay on nodes that are cordoned, the one first that a person should hear of first.
var leaveWaits = []reason.Code{reason.LastHolder, reason.NowhereToGo, reason.HandoverFailed, reason.MasterWaits, reason.VolumeStays, reason.HandingOver, reason.LeaveWaits}

// leavingCondition says how far cordoned nodes are emptied; false where there is nothing to say.
func (p *planner) leavingCondition() (metav1.Condition, bool) {
	x := &p.exodus
	going := slices.Clone(x.going)
	for n := range p.instances {
		if i := &p.instances[n]; i.online() && p.left()[i.ordinal] != "" && (i.pod == nil || i.pod.Terminating) && !p.replacing()[i.ordinal] {
			going = append(going, i.ordinal)
		}
	}
	if len(x.movers)+len(going) == 0 {
		return metav1.Condition{}, false
	}
	slices.Sort(going)
	going = slices.Compact(going)
	parts := []string{count(len(x.movers), "instance") + " on cordoned nodes"}
	if len(going) > 0 {
		parts = append(parts, "on their way: "+p.names(going))
	}
	var first reason.Code
	for _, code := range leaveWaits {
		if ordinals := x.waits[code]; len(ordinals) > 0 {
			first = cmp.Or(first, code)
			slices.Sort(ordinals)
			text := code.Message()
			if first == code && len(going) == 0 { // the condition has its code
				text = code.Text()
			}
			parts = append(parts, p.names(ordinals)+": "+text)
		}
	}
	text := strings.Join(parts, "; ")
	if len(going) > 0 || first == 0 {
		return condition(v1alpha1.ConditionLeaving, true, reason.Leaving, "%s", text), true
	}
	return condition(v1alpha1.ConditionLeaving, false, first, "%s", text), true
}
