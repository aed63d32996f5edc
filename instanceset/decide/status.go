package decide

import (
	"cmp"
	"slices"
	"time"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/reason"
)

// tally is what one pass over the instances counts.
type tally struct {
	online, offline         int32
	pods, ready, available  int32
	updated                 int32
	unready, unplaced       []int32
	agentless               []int32 // ready, while their agents do not run
	unscheduled             string  // the scheduler's words about the first pod that it could not place
	unscheduledOf           int32
	nextAvailable           time.Duration
	nodes, instancesPerNode int32
}

// status is what the plan makes of status. Times of transitions change only with the state.
func (p *planner) status() v1alpha1.InstanceSetStatus {
	if p.fixed {
		return p.Set.Status
	}
	t := p.count()
	if t.nextAvailable > 0 {
		p.again(t.nextAvailable)
	}
	return v1alpha1.InstanceSetStatus{
		ObservedGeneration: p.Set.Generation,
		Replicas:           t.pods,
		ReadyReplicas:      t.ready,
		AvailableReplicas:  t.available,
		UpdatedReplicas:    t.updated,
		OfflineReplicas:    t.offline,
		Nodes:              t.nodes,
		MaxPerNode:         t.instancesPerNode,
		UpdateRevision:     p.revisions[0],
		CurrentRevision:    p.bases[0],
		TemplateRevisions:  p.templateRevisions(),
		Revisions:          p.revisionsInUse(),
		Replacing:          p.replacingRanges(),
		Leaving:            p.leavingRanges(),

		RefusedConfiguration: p.refused,
		Bootstrapped:         p.bootstrappedRanges(),
		Selector:             v1alpha1.LabelInstanceSet + "=" + p.Set.Name,
		Conditions:           p.conditions(t),
		Exceptions:           p.exceptions(t),
	}
}

func (p *planner) count() tally {
	t := tally{unscheduledOf: -1}
	p.Rest.count(&t)
	perNode := map[string]int32{}
	for n := range p.instances {
		i := &p.instances[n]
		i.addSlots(perNode)
		if !i.wanted {
			continue
		}
		if i.offline {
			t.offline++
		} else {
			t.online++
		}
		p.countPod(&t, i)
	}
	for node, n := range perNode {
		others := p.Rest.slotsOn(node)
		if others == 0 {
			t.nodes++
		}
		t.instancesPerNode = max(t.instancesPerNode, n+others)
	}
	return t
}

func (p *planner) countPod(t *tally, i *instance) {
	if i.online() && !i.ready() {
		t.unready = append(t.unready, i.ordinal)
	}
	if i.pod == nil || i.pod.Terminating {
		return
	}
	t.pods++
	if p.current(i) {
		t.updated++
	}
	if i.pod.Node == "" && !i.pod.ended() {
		t.unplaced = append(t.unplaced, i.ordinal)
		if t.unscheduled == "" && i.pod.Unscheduled != "" {
			t.unscheduled, t.unscheduledOf = i.pod.Unscheduled, i.ordinal
		}
	}
	if !i.ready() {
		return
	}
	t.ready++
	if i.pod.AgentDown {
		t.agentless = append(t.agentless, i.ordinal)
	}
	minimum := time.Duration(p.spec.MinReadySeconds) * time.Second
	wait := i.pod.ReadySince.Add(minimum).Sub(p.Now)
	if minimum == 0 || wait <= 0 {
		t.available++
		return
	}
	if t.nextAvailable == 0 || wait < t.nextAvailable {
		t.nextAvailable = wait
	}
}

// addSlots counts the slots that the instance holds, by the rule of package slots: those of a placed pod, and of claims that
// do not go along with it; what is lost or retired holds none.
func (i *instance) addSlots(perNode map[string]int32) {
	placed := i.pod != nil && i.pod.Node != "" && !i.pod.ended()
	var seen []string
	if placed && !i.pod.Lost {
		perNode[i.pod.Node]++
		seen = append(seen, i.pod.Node)
	}
	for _, c := range i.claims {
		if c == nil || c.Node == "" || c.Lost || c.Retired || placed && !c.Stays || slices.Contains(seen, c.Node) {
			continue
		}
		perNode[c.Node]++
		seen = append(seen, c.Node)
	}
}

// maxExceptions and maxExceptionMessage keep the status small, however large the set.
const (
	maxExceptions       = 50
	maxExceptionMessage = 512
)

// worst lists the reasons of exceptions, the worst first.
var worst = []reason.Code{
	reason.FencingWithdrawn, reason.VolumeUnknown, reason.RebuildHeld, reason.NoReadyPeer, reason.HolderUnproven,
	reason.VolumeGoneNodeDeleted, reason.NodeDeleted, reason.NodeUnreachable, reason.RebuildManual, reason.RebuildNever, reason.ShardBusy, reason.JustMade,
	reason.ForeignObject, reason.UnknownContainer, reason.ResizeInfeasible, reason.ResizeFailed, reason.ResizeDeferred, reason.ReplaceTerminal, reason.Unschedulable, reason.OnlyCopy, reason.InstanceNotReady, reason.AgentNotRunning,
	reason.ConfigurationInvalid, reason.ConfigurationRefused, reason.HandoverFailed, reason.LastHolder, reason.NowhereToGo, reason.VolumeStays, reason.LeaveWaits, reason.VolumeGrowthFailed, reason.MemoryWaits, reason.ClaimGoing, reason.RevisionUnknown, reason.VolumeGrows, reason.Leaving,
}

func rank(code reason.Code) int {
	if at := slices.Index(worst, code); at >= 0 {
		return at
	}
	return len(worst)
}

// exceptions are the instances that are not as wanted, each with its worst reason.
func (p *planner) exceptions(t tally) []v1alpha1.InstanceException {
	notes := slices.DeleteFunc(slices.Clone(p.notes), func(n note) bool { return n.ordinal == SetWide })
	if t.unscheduled != "" {
		for _, o := range t.unplaced[:min(len(t.unplaced), maxExceptions)] {
			notes = append(notes, note{ordinal: o, code: reason.Unschedulable, detail: p.at(o).pod.Unscheduled})
		}
	}
	for _, o := range t.unready[:min(len(t.unready), maxExceptions+len(notes))] {
		if p.at(o).pod != nil {
			notes = append(notes, note{ordinal: o, code: reason.InstanceNotReady})
		}
	}
	for _, o := range t.agentless[:min(len(t.agentless), maxExceptions)] {
		notes = append(notes, note{ordinal: o, code: reason.AgentNotRunning})
	}
	slices.SortStableFunc(notes, func(a, b note) int {
		return cmp.Or(cmp.Compare(rank(a.code), rank(b.code)), cmp.Compare(a.ordinal, b.ordinal))
	})
	var all []v1alpha1.InstanceException
	told := map[int32]bool{}
	for _, n := range notes {
		if told[n.ordinal] || len(all) == maxExceptions {
			continue
		}
		told[n.ordinal] = true
		message := n.code.Text()
		if n.code == reason.Unschedulable {
			message = cmp.Or(n.detail, "the scheduler has not said anything about it yet")
		} else if n.detail != "" {
			message = n.detail + ": " + message
		}
		all = append(all, v1alpha1.InstanceException{
			Ordinal: n.ordinal, Reason: n.code.String(), Message: cut(message, maxExceptionMessage),
		})
	}
	return all
}
