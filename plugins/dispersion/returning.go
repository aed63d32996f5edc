package dispersion

import (
	"cmp"
	"context"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/slots"
)

// returning is a retired claim whose pod was let in as one more of its group. Once the pod is placed, the manager gives the claim
// its slot back. Should the pod go before the scheduler has seen that, the slot would be taken for free, while the claim keeps it:
// the next pod would exceed a limit. So it counts until the claim is seen to hold it by itself; or is gone; or the API server, which
// is asked once the pod is gone, says that it is still retired.
type returning struct {
	pod   *corev1.Pod
	claim string // its name
	node  string
	held  string // the version in which the API server says that the claim holds the slot; empty before it was asked
}

// comeback is a claim with a pod that came back to it. The next pod of the claim does not make forgotten what was learnt of the one before.
type comeback struct{ claim, pod types.UID }

// returns notes that the claims of a pod that is placed on a node may hold its slot soon.
func (d *doubts) returns(pod *corev1.Pod, node string, claims []*corev1.PersistentVolumeClaim) {
	for _, claim := range claims {
		if claim.Labels[v1alpha1.LabelRetired] != "" {
			d.returning[comeback{claim.UID, pod.UID}] = returning{pod: pod, claim: claim.Name, node: node}
		}
	}
}

// settleReturning drops the claims that speak for themselves by now.
func (x *index) settleReturning() {
	maps.DeleteFunc(x.doubts.returning, func(c comeback, r returning) bool {
		o, _, err := x.claims.GetByKey(r.pod.Namespace + "/" + r.claim)
		claim, there := o.(*corev1.PersistentVolumeClaim)
		return err == nil && (!there || claim.UID != c.claim || claim.Labels[v1alpha1.LabelRetired] == "" || claim.Labels[v1alpha1.LabelLost] != "" ||
			r.held != "" && !olderThan(claim.ResourceVersion, r.held))
	})
}

// askReturning asks the API server about claims whose pods are gone. There is rarely one, and each is asked about once. Without
// an answer the slot goes on counting, and the next cycle asks again.
func (p *Plugin) askReturning(ctx context.Context) {
	left := p.index.leftBehind()
	byName := func(a, b comeback) int { return cmp.Or(cmp.Compare(a.claim, b.claim), cmp.Compare(a.pod, b.pod)) }
	for _, c := range slices.SortedFunc(maps.Keys(left), byName) {
		r := left[c]
		claim, err := p.handle.ClientSet().CoreV1().PersistentVolumeClaims(r.pod.Namespace).Get(ctx, r.claim, metav1.GetOptions{})
		d := &p.index.doubts
		d.mu.Lock()
		switch {
		case apierrors.IsNotFound(err), err == nil && (claim.UID != c.claim || givenUp(claim.Labels)):
			delete(d.returning, c)
		case err == nil:
			r.held = claim.ResourceVersion
			d.returning[c] = r
		}
		d.mu.Unlock()
	}
}

// leftBehind are the claims to ask about: their pods are gone.
func (x *index) leftBehind() map[comeback]returning {
	d := &x.doubts
	d.mu.Lock()
	defer d.mu.Unlock()
	x.settleReturning()
	var left map[comeback]returning
	for c, r := range d.returning {
		o, _, err := x.pods.GetByKey(r.pod.Namespace + "/" + r.pod.Name)
		if pod, there := o.(*corev1.Pod); err != nil || r.held != "" || there && pod.UID == r.pod.UID {
			continue
		}
		if left == nil {
			left = map[comeback]returning{}
		}
		left[c] = r
	}
	return left
}

// returnedSlots are the slots of claims that are on their way back, other than those of the judged instance.
func (p *Plugin) returnedSlots(all []slots.Slot, judged *corev1.Pod) []slots.Slot {
	for _, r := range p.index.doubts.returning {
		if slots.InstanceOfPod(r.pod) != slots.InstanceOfPod(judged) {
			all = p.withSlot(all, r.pod, r.node)
		}
	}
	return all
}
