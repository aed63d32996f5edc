package dispersion

import (
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/slots"
)

// index follows the cluster, so that a pod costs as much as what has changed since the pod before it. There is one per
// process, whichever profile a pod belongs to. It joins two sources:
//
//   - the scheduler's snapshot, which alone knows assumed pods. Nodes whose generation is still the same are passed over, and most
//     cycles ask only those that may have changed (glance);
//   - the informers of pods, claims and volumes, which alone know pods on deleted Nodes, pods that wait, and claims.
//
// A pod that is in the snapshot counts as it is there. When the snapshot drops it, what the informer says counts again.
//
// Scheduling cycles are serial, and write: PreFilter what is there, Reserve and PostFilter what they learn for the next cycle.
// Whatever else runs within a cycle reads; other goroutines leave notes, and failures among the doubts.
type index struct {
	pods, claims cache.Indexer
	volumes      corelisters.PersistentVolumeLister
	notes        notes
	doubts       doubts
	starved      starved
	freed        map[slots.Group]bool // these need less than before
	// news counts what may help a pod that waits and what no event of the scheduler's tells: pods that wait are deleted, policies
	// change. A pod whose cycle it falls into is not yet among those that are tried again then.
	news atomic.Int64

	ledger *slots.Ledger
	primed bool
	// assumes is set while pods of a PodGroup may be assumed in the snapshot, which leaves the generation as it is.
	assumes bool
	cycle   int
	audited int // the cycle of the last audit

	marks []mark         // parallel to the snapshot's list
	seen  []seen         // parallel to marks: all that a node which has not changed is asked for
	names map[string]int // number of each node that the snapshot or a slot names
	nodes []*node        // by number
	hosts map[string][]string
	stir  stir

	departed  map[types.UID]departure // by claim: see departs
	sightings map[types.UID]*sighting
	informed  map[string]*corev1.Pod // pods of groups that the informer has, by key
	former    []*corev1.Pod          // that were on nodes when all was forgotten
	nominated map[types.UID]*corev1.Pod
	groups    map[slots.Group]*known
	ids       map[slots.Group]int32 // of every group that had a pod on a node, so that comparing them reads no strings
	touched   []taker               // whose slots have changed
	changes   changelog
	views     map[slots.Group][]*view
	mixtures  map[slots.Group]*mixture
	planned   map[int][]*view // by node: the views with a plan that still wants it
}

// sighting is a pod as the snapshot and the informer have it, and as the ledger has it.
type sighting struct{ snapshot, informer, counted *corev1.Pod }

func newIndex(pods, claims cache.Indexer, volumes corelisters.PersistentVolumeLister) *index {
	x := &index{pods: pods, claims: claims, volumes: volumes, departed: map[types.UID]departure{}}
	x.doubts.init()
	x.reset()
	return x
}

// reset forgets everything; the next update looks at everything anew.
func (x *index) reset() {
	x.missedAll()
	for uid, s := range x.sightings {
		if isPlaced(s.counted, uid) {
			x.former = append(x.former, s.counted)
		}
	}
	x.ledger = slots.NewLedger(x.volume, x, nil)
	x.ledger.OnBook(x.booked)
	x.primed, x.marks, x.seen, x.nodes, x.touched, x.stir = false, nil, nil, nil, nil, stir{}
	x.names, x.hosts = map[string]int{}, map[string][]string{}
	x.sightings, x.informed, x.nominated = map[types.UID]*sighting{}, map[string]*corev1.Pod{}, map[types.UID]*corev1.Pod{}
	x.planned, x.mixtures = map[int][]*view{}, map[slots.Group]*mixture{}
	x.ids = map[slots.Group]int32{}
	x.groups, x.views, x.changes = map[slots.Group]*known{}, map[slots.Group][]*view{}, changelog{}
}

// departFormer takes in which pods have left their nodes while nothing was known.
func (x *index) departFormer() {
	for _, pod := range x.former {
		if x.sightings[pod.UID] == nil {
			x.departs(pod, pod.Spec.NodeName)
		}
	}
	x.former = nil
}

// update takes in what has changed. Assumes is true in the cycles of a PodGroup. Quick asks for a glance.
func (x *index) update(list []fwk.NodeInfo, assumes, quick bool) {
	x.cycle++
	if len(x.ids) > 2*len(x.groups)+1<<16 { // most belong to groups that are long gone
		x.reset()
	}
	x.changes.begin(4*len(x.nodes) + 1024)
	x.note()
	x.doubts.takeFailures()
	if assumes || x.assumes || !quick || !x.glance(list) {
		x.scan(list, assumes || x.assumes)
	}
	x.assumes = assumes
	if !x.primed { // no hole after a restart: the informers are in sync, although not all of their events have come
		x.notes.drain()
		for _, key := range x.pods.ListKeys() {
			x.readPod(key)
		}
		for _, key := range x.claims.ListKeys() {
			x.readClaim(key)
		}
		x.primed = true
		x.departFormer()
	}
	pods, claims, volumes := x.notes.drain()
	for key := range pods {
		x.readPod(key)
	}
	for key := range claims {
		x.readClaim(key)
	}
	for name := range volumes {
		x.ledger.TouchVolume(name)
	}
	for _, g := range x.notes.changedPolicies() {
		x.replan(g)
	}
	x.settleDoubts()
	x.settle()
}

func (x *index) volume(name string) *corev1.PersistentVolume {
	v, err := x.volumes.Get(name)
	if err != nil { // a lister fails only with NotFound
		return nil
	}
	return v
}

// grouped reports whether these are the labels of a pod or claim of a group.
func grouped(labels map[string]string) bool {
	return labels[v1alpha1.LabelPlacementPolicy] != "" || labels[v1alpha1.LabelCluster] != ""
}
