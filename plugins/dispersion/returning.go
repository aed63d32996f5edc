package dispersion

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/slots"
)

// The pod of a retired claim is let in as one more of its group. Once it is placed, the manager gives the claim its slot back. Should
// the pod go before the scheduler has seen that, the slot would be taken for free, while the claim keeps it: the next pod would
// exceed a limit. So it counts until the claim is seen to hold it by itself; or is gone; or the API server, which is asked,
// says that it is still retired. While the pod is there it counts by itself, and nothing has to be remembered.

// departs notes which slots the claims of a pod may hold that is no longer on a node where it was, or may have been.
func (x *index) departs(pod *corev1.Pod, node string) {
	if !grouped(pod.Labels) { // no instance comes back with it
		return
	}
	for _, name := range slots.ClaimNames(pod) {
		claim := x.readClaim(pod.Namespace + "/" + name)
		if claim == nil || claim.Labels[v1alpha1.LabelRetired] == "" || claim.Labels[v1alpha1.LabelLost] != "" {
			continue
		}
		var volume *corev1.PersistentVolume
		if claim.Spec.VolumeName != "" {
			volume = x.volume(claim.Spec.VolumeName)
		}
		if pinned := slots.NodeOfClaim(claim, volume, x); pinned != "" {
			node = pinned
		} else if volume != nil { // one of the network holds no slot
			continue
		}
		slot := slotOn(pod, node)
		slot.Pod = nil // none is there, and none is to come
		id := doubtID{kind: returning, object: claim.UID, cameBackBy: pod.UID}
		if _, known := x.doubts.open[id]; !known {
			x.doubts.open[id] = doubt{namespace: claim.Namespace, name: claim.Name, slot: slot}
		}
	}
}

// hasReturned reports whether a claim (nil for none) speaks for itself by now. Held is the version in which it holds the slot by the
// word of the API server, empty while that was not asked.
func hasReturned(claim *corev1.PersistentVolumeClaim, uid types.UID, held string) bool {
	return claim == nil || claim.UID != uid || claim.Labels[v1alpha1.LabelRetired] == "" || claim.Labels[v1alpha1.LabelLost] != "" ||
		held != "" && !olderThan(claim.ResourceVersion, held)
}

const (
	// askMost is how many claims a cycle asks about: all pods wait for the answers. The other claims count until it is their turn.
	askMost = 4
	// askTimeout bounds a call, and askPause how soon there is another one after a call failed.
	askTimeout = time.Second
	askPause   = 5 * time.Second
)

// askReturning asks the API server about claims that may hold a slot which matters to the pod. There is rarely one, and each is asked
// about until there is an answer; without one its slot goes on counting.
func (p *Plugin) askReturning(ctx context.Context, group slots.Group, rules policy, pod *corev1.Pod) {
	d := &p.index.doubts
	if len(d.open) == 0 || rules.mode == v1alpha1.PlacementBestEffort || p.now().Before(d.askAfter) {
		return
	}
	freed := map[slots.Group]bool{}
	for _, id := range d.toAsk(group, p.args.MaxInstancesPerNode > 0) {
		open := d.open[id]
		var err error
		if open.version, err = p.heldNow(ctx, open, id.object); err != nil {
			d.askAfter = p.now().Add(askPause)
			loggerOf(ctx).V(2).Info("Asking whether a claim holds its slot again failed", "claim", open.namespace+"/"+open.name, "err", err)
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
	return ids[:min(len(ids), askMost)]
}

// heldNow is the version in which the claim holds its slot, empty if it does not.
func (p *Plugin) heldNow(ctx context.Context, d doubt, uid types.UID) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	claim, err := p.handle.ClientSet().CoreV1().PersistentVolumeClaims(d.namespace).Get(ctx, d.name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return "", nil
	case err != nil:
		return "", err
	case claim.UID != uid || givenUp(claim.Labels):
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
