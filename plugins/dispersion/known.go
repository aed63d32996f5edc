package dispersion

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/slots"
)

// known is what is known of a group beside its slots.
type known struct {
	waiting map[slots.Instance]*waiter // those that have pods without a node
	absent  int                        // how many of them hold no slot
	shards  map[string]int             // pods, by shard
	sizes   map[string]int             // absent instances, by what their pods ask for
	places  map[string]int             // absent instances, by which nodes they may use
	memo    memo
}

// waiter is an instance that has pods without a node.
type waiter struct {
	pods   int
	absent bool // it holds no slot
	// shape is that of its pod while it is absent; empty where the pod is not known.
	shape shape
}

// shape is what a pod that waits wants.
type shape struct {
	likeness
	asks  slots.Amount
	nodes string // which nodes it may use, in words
}

// likeness is what makes two instances of a group equal for a packing: what they ask for, in words, and their shard.
type likeness struct{ size, shard string }

// isAbsent reports whether the instance waits without a slot.
func (k *known) isAbsent(i slots.Instance) bool {
	w := k.waiting[i]
	return w != nil && w.absent
}

// waits counts pods of the instance that have no node. Settle takes it off when there is none left.
func (k *known) waits(i slots.Instance, by int) {
	w := k.waiting[i]
	if w == nil {
		w = &waiter{}
		k.waiting[i] = w
	}
	w.pods += by
}

// memo saves work, and says nothing about the group.
type memo struct {
	cut  bool               // PreFilter named some nodes for its last pod
	wide map[types.UID]bool // pods that none of the named nodes took, since one of the group found a node
	// pinned are those that may use one node alone: what another pod found says nothing about it.
	pinned map[types.UID]bool
	// shaped are the last pods that were put into words, one for each template, and their shapes.
	shaped [4]shaped
	next   int // the one that is forgotten next
}

type shaped struct {
	pod   *corev1.Pod
	shape shape
}

// shapeOf puts into words what a pod wants.
func (m *memo) shapeOf(pod *corev1.Pod) shape {
	var found shape
	if i := slices.IndexFunc(m.shaped[:], func(s shaped) bool {
		return s.pod != nil && slots.AskAlike(s.pod, pod) && slots.SameNodes(s.pod, pod)
	}); i >= 0 {
		found = m.shaped[i].shape
	} else {
		asks := slots.RequestOf(pod)
		found = shape{likeness{size: asks.String()}, asks, slots.NodesFor(pod)}
		m.shaped[m.next] = shaped{pod, found}
		m.next = (m.next + 1) % len(m.shaped)
	}
	found.shard = pod.Labels[v1alpha1.LabelShard]
	return found
}

func (x *index) known(g slots.Group) *known {
	k := x.groups[g]
	if k == nil {
		k = &known{waiting: map[slots.Instance]*waiter{}, shards: map[string]int{}, sizes: map[string]int{}, places: map[string]int{}}
		x.groups[g] = k
	}
	return k
}

// settle brings up to date which instances wait without a slot.
func (x *index) settle() {
	for _, t := range x.touched {
		k, held := x.known(t.group), x.ledger.Group(t.group)
		waited := k.absent > 0
		if w := k.waiting[t.instance]; w != nil {
			x.settleOne(k, t.instance, w, held)
		}
		if m := x.mixtures[t.group]; m != nil {
			m.moved[t.instance] = true
		}
		if waited != (k.absent > 0) {
			x.reconsider(t.group, waited)
		}
		x.finish(t.group)
		if held == nil && len(k.waiting)+len(k.shards) == 0 {
			delete(x.groups, t.group)
			x.drop(t.group)
		}
	}
	x.touched = x.touched[:0]
}

// settleOne does that for one instance, of a group of which that much is held.
func (x *index) settleOne(k *known, i slots.Instance, w *waiter, held *slots.Tally) {
	if w.absent {
		k.absent--
		count(k.places, w.shape.nodes, -1)
	}
	if w.shape.size != "" {
		count(k.sizes, w.shape.size, -1)
	}
	w.absent, w.shape = false, shape{}
	if w.pods == 0 {
		delete(k.waiting, i)
		return
	}
	if held != nil {
		if _, placed := held.Instances[i]; placed {
			return
		}
	}
	w.absent = true
	k.absent++
	if pod := x.informed[i.Namespace+"/"+i.Name]; pod != nil {
		w.shape = k.memo.shapeOf(pod)
		count(k.sizes, w.shape.size, +1)
	}
	count(k.places, w.shape.nodes, +1)
}
