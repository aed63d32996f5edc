package dispersion

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/slots"
)

// The pod of a retired claim is let in as one more of its group. Once it is placed, the manager gives the claim its slot back. Should
// the pod go before the scheduler has seen that, the slot would be taken for free, while the claim keeps it: the next pod would
// exceed a limit. So it counts until the claim is seen to hold it by itself; or is gone; or the API server, which is asked,
// says that it is still retired. While the pod is there it counts by itself, and nothing has to be remembered.
//
// The manager marks a claim as returning, looks for the pod, and only then takes the label away. So a claim that is still retired
// after the pod went is not given its slot back for that pod's sake; and one that is marked counts until it is known what becomes
// of it.
//
// The watch of claims may be so far behind that the claim was not even seen as retired when its pod went. Then it holds its slot by
// itself, until the watch shows that it was retired, and for how long it was no longer, nobody knows. So pods that went are
// remembered, and their slots are in doubt from the moment when the claim is seen as retired. Most of these were retired after the pod
// had gone, because nobody wants them any more.

// departs notes which slots the claims of a pod may hold that is no longer on a node where it was, or may have been.
func (x *index) departs(pod *corev1.Pod, node string) {
	if !grouped(pod.Labels) { // no instance comes back with it
		return
	}
	for _, name := range slots.ClaimNames(pod) {
		claim := x.readClaim(pod.Namespace + "/" + name)
		if claim == nil || claim.Labels[v1alpha1.LabelLost] != "" {
			continue
		}
		left := departure{pod: pod.UID, slot: slotOn(pod, node)}
		left.slot.Pod = nil // none is there, and none is to come
		if claim.Labels[v1alpha1.LabelRetired] != "" {
			x.returns(claim, left)
		} else if claim.Labels[v1alpha1.LabelInstanceSet] != "" { // nobody retires others
			x.departed[claim.UID] = left
		}
	}
}

// departure is the last pod of a claim that was on a node and is gone.
type departure struct {
	pod  types.UID
	slot slots.Slot // on the node where the pod was
}

// sees takes in a version of a claim that was not seen before, and may show that its pod went while it was retired.
func (x *index) sees(claim *corev1.PersistentVolumeClaim) {
	left, gone := x.departed[claim.UID]
	switch state := claim.Labels[v1alpha1.LabelRetired]; {
	case state == "" || claim.Labels[v1alpha1.LabelLost] != "":
	case gone:
		delete(x.departed, claim.UID)
		x.returns(claim, left)
	case state == v1alpha1.ReturningValue && !x.primed: // whether its pod went before the scheduler started is not known
		if slot, ok := x.slotOfMarked(claim); ok {
			x.returns(claim, departure{slot: slot})
		}
	}
}

// slotOfMarked is the slot that a marked claim would hold without the mark.
func (x *index) slotOfMarked(claim *corev1.PersistentVolumeClaim) (slots.Slot, bool) {
	unmarked := claim.DeepCopy()
	delete(unmarked.Labels, v1alpha1.LabelRetired)
	return x.ledger.Promised(unmarked, x.pinnedBy(claim))
}

func (x *index) pinnedBy(claim *corev1.PersistentVolumeClaim) string {
	var volume *corev1.PersistentVolume
	if claim.Spec.VolumeName != "" {
		volume = x.volume(claim.Spec.VolumeName)
	}
	return slots.NodeOfClaim(claim, volume, x)
}

// returns doubts whether a retired claim holds its slot again, for the sake of a pod that is gone.
func (x *index) returns(claim *corev1.PersistentVolumeClaim, left departure) {
	if pinned := x.pinnedBy(claim); pinned != "" {
		left.slot.Node = pinned
	} else if claim.Spec.VolumeName != "" && x.volume(claim.Spec.VolumeName) != nil { // one of the network holds no slot
		return
	}
	id := doubtID{kind: returning, object: claim.UID, cameBackBy: left.pod}
	if _, known := x.doubts.open[id]; !known {
		x.doubts.open[id] = doubt{namespace: claim.Namespace, name: claim.Name, slot: left.slot}
	}
}

// hasReturned reports whether a claim (nil for none) speaks for itself by now. Held is the version in which it holds the slot, or is
// marked, by the word of the API server; empty while that was not asked.
func hasReturned(claim *corev1.PersistentVolumeClaim, uid types.UID, held string) bool {
	if claim == nil || claim.UID != uid || claim.Labels[v1alpha1.LabelLost] != "" {
		return true
	}
	switch claim.Labels[v1alpha1.LabelRetired] {
	case "":
		return true
	case v1alpha1.ReturningValue:
		return false
	}
	return held != "" && !olderThan(claim.ResourceVersion, held)
}

const (
	// askMost is how many claims a cycle asks about, each by itself: all pods wait for the answers. The others count until it is their
	// turn.
	askMost = 4
	// askTimeout bounds a call, and askPause how soon there is another one after a call failed.
	askTimeout = time.Second
	askPause   = 5 * time.Second
)

// askReturning asks the API server about claims that may hold a slot which matters to the pod. There is rarely one, but after a set was
// scaled in. Each is asked about until there is an answer; without one its slot goes on counting.
func (p *Plugin) askReturning(ctx context.Context, group slots.Group, rules policy, pod *corev1.Pod) {
	d := &p.index.doubts
	if len(d.open) == 0 || !p.countsDoubts(rules.mode) || p.now().Before(d.askAfter) {
		return
	}
	freed := map[slots.Group]bool{}
	failed := func(what string, err error) {
		d.askAfter = p.now().Add(askPause)
		loggerOf(ctx).V(2).Info("Asking whether claims hold their slots again failed", "asked", what, "err", err)
	}
	ids := d.toAsk(group, p.args.MaxInstancesPerNode > 0)
	if of, fresh := d.notListed(ids, group); len(fresh) > askMost {
		err := p.askTogether(ctx, of, fresh, freed)
		ids = d.toAsk(group, p.args.MaxInstancesPerNode > 0)
		if err != nil {
			failed(of.String(), err)
			ids = nil
		}
	}
	for _, id := range ids[:min(len(ids), askMost)] {
		open := d.open[id]
		var err error
		if open.version, err = p.heldNow(ctx, open, id.object); err != nil {
			failed(open.namespace+"/"+open.name, err)
			break
		}
		if d.open[id] = open; open.version == "" {
			delete(d.open, id)
			freed[open.slot.Group] = true
		}
	}
	p.wakeFreed(ctx, freed, pod)
}

// toAsk are the claims to ask about, in a fixed order: those of the group, or of all groups.
func (d *doubts) toAsk(group slots.Group, all bool) []doubtID {
	var ids []doubtID
	for id, open := range d.open {
		if id.kind == returning && open.version == "" && (all || open.slot.Group == group) {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b doubtID) int {
		return cmp.Or(cmp.Compare(a.object, b.object), cmp.Compare(a.cameBackBy, b.cameBackBy))
	})
	return ids
}

// countsDoubts reports whether a slot in doubt can keep a pod away: in mode BestEffort, only the cap over all groups does.
func (p *Plugin) countsDoubts(mode v1alpha1.PlacementMode) bool {
	return mode != v1alpha1.PlacementBestEffort || p.args.MaxInstancesPerNode > 0
}

// stillToAsk is when claims may be asked about that count for the pod of the cycle; zero if there are none.
func (p *Plugin) stillToAsk(s *state) time.Time {
	d := &p.index.doubts
	if len(d.open) == 0 || !p.countsDoubts(s.mode) || len(d.toAsk(s.group, s.total > 0)) == 0 {
		return time.Time{}
	}
	if now := p.now(); now.After(d.askAfter) {
		return now
	}
	return d.askAfter
}

// notListed are those of one group of which nobody has asked together with others: of the pod's own or, where it has few, of the one that has
// most.
func (d *doubts) notListed(ids []doubtID, own slots.Group) (of slots.Group, fresh []doubtID) {
	byGroup := map[slots.Group][]doubtID{}
	for _, id := range ids {
		if open := d.open[id]; !open.listed {
			byGroup[open.slot.Group] = append(byGroup[open.slot.Group], id)
		}
	}
	if len(byGroup[own]) > askMost {
		return own, byGroup[own]
	}
	for _, id := range ids { // in their order, or who is asked about would change from run to run
		if g := d.open[id].slot.Group; len(byGroup[g]) > len(fresh) {
			of, fresh = g, byGroup[g]
		}
	}
	return of, fresh
}

// askTogether asks which claims of the group are retired, with one call for all of them. One that is not among them may hold its slot,
// and is asked about by itself; as all are, should the call have failed.
func (p *Plugin) askTogether(ctx context.Context, group slots.Group, ids []doubtID, freed map[slots.Group]bool) error {
	d := &p.index.doubts
	for _, id := range ids {
		open := d.open[id]
		open.listed = true
		d.open[id] = open
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	wanted := labels.Set{v1alpha1.LabelRetired: v1alpha1.RetiredValue}
	if group.Policy != "" {
		wanted[v1alpha1.LabelPlacementPolicy] = group.Policy
	} else {
		wanted[v1alpha1.LabelCluster] = group.Cluster
	}
	list, err := p.handle.ClientSet().CoreV1().PersistentVolumeClaims(group.Namespace).List(ctx, metav1.ListOptions{LabelSelector: wanted.String()})
	if err != nil {
		return fmt.Errorf("listing the retired claims of %s: %w", group, err)
	}
	retired := map[types.UID]bool{}
	for i := range list.Items {
		retired[list.Items[i].UID] = true
	}
	for _, id := range ids {
		if retired[id.object] {
			freed[group] = true
			delete(d.open, id)
		}
	}
	return nil
}

// heldNow is the version in which the claim holds its slot, or is about to, empty if it does neither.
func (p *Plugin) heldNow(ctx context.Context, d doubt, uid types.UID) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	claim, err := p.handle.ClientSet().CoreV1().PersistentVolumeClaims(d.namespace).Get(ctx, d.name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("reading claim %s/%s: %w", d.namespace, d.name, err)
	case claim.UID != uid || givenUp(claim.Labels) && !isReturning(claim.Labels):
		return "", nil
	}
	return claim.ResourceVersion, nil
}

// wakeFreed tries the pods again for which slots counted that are free: no event tells them. The answer may come in the cycle of
// another pod than the one that waits for it.
func (p *Plugin) wakeFreed(ctx context.Context, freed map[slots.Group]bool, but *corev1.Pod) {
	if len(freed) == 0 {
		return
	}
	p.feed(ctx, but, nil)
	waiting := map[string]*corev1.Pod{}
	for group := range freed {
		maps.Copy(waiting, p.wishes.siblingsOf(group))
	}
	delete(waiting, but.Namespace+"/"+but.Name)
	if len(waiting) > 0 {
		p.handle.Activate(loggerOf(ctx), waiting)
	}
}
