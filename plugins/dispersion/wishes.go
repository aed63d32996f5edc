package dispersion

import (
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/reason"
	"github.com/shoal-dev/shoal/slots"
)

// wish is what could help a pod that found no node, as its last cycle saw it. The zero wish is that of a pod which no node and no
// other pod can help: it waits for its policy, or its volume holds its place already.
type wish struct {
	slots    bool // a slot of its group that is freed; for one that has its slot there is only its own node, among the names
	kept     bool // nodes with room are kept for the sake of its group: another guard or plan, whatever changes those
	needed   bool // nodes with room are kept for other groups, some of it for instances whose volumes are there
	shifting bool // slots that are nominated or in doubt count: they may turn out to be elsewhere
	// open is true while the group may use one more node. Then room helps on every node but the names, which hold M instances
	// already; otherwise on the names alone, which are in use and hold less than M.
	open  bool
	names []string
}

// maxNames bounds what a wish remembers; with more names it takes all nodes to help.
const maxNames = 64

// room reports whether room on a node would help.
func (w wish) room(node string) bool { return slices.Contains(w.names, node) != w.open }

// wishes are those of the pods that wait. Cycles and informers write them, queueing hints read them.
type wishes struct {
	mu sync.Mutex
	of map[types.UID]wish
	// siblings are those that the deletion of a waiting pod of their group may help, by group, and by namespace and name: R may be
	// less, the plan another one, and the pod's placement no longer in doubt. No event of the scheduler's tells them.
	siblings map[slots.Group]map[string]*corev1.Pod
}

// maxWishes bounds what is remembered. Pods beyond it are woken by every event that is registered, and by the deletion of siblings.
const maxWishes = 10000

func (ws *wishes) put(g slots.Group, pod *corev1.Pod, w wish) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.of == nil {
		ws.of, ws.siblings = map[types.UID]wish{}, map[slots.Group]map[string]*corev1.Pod{}
	}
	if _, known := ws.of[pod.UID]; known || len(ws.of) < maxWishes {
		ws.of[pod.UID] = w
	}
	if !w.kept && !w.shifting {
		return
	}
	if ws.siblings[g] == nil {
		ws.siblings[g] = map[string]*corev1.Pod{}
	}
	ws.siblings[g][pod.Namespace+"/"+pod.Name] = pod
}

// drop forgets the wish of a pod that is about to be tried, or is gone: it may want something else by then.
func (ws *wishes) drop(pod *corev1.Pod) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	delete(ws.of, pod.UID)
	if g, grouped := slots.GroupOf(pod.Namespace, pod.Labels); grouped {
		if delete(ws.siblings[g], pod.Namespace+"/"+pod.Name); len(ws.siblings[g]) == 0 {
			delete(ws.siblings, g)
		}
	}
}

// get is the wish of a pod; false when it is not known, and anything may help.
func (ws *wishes) get(pod *corev1.Pod) (wish, bool) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	w, known := ws.of[pod.UID]
	return w, known
}

// siblingsOf hands over those that the deletion of a waiting pod of the group may help.
func (ws *wishes) siblingsOf(g slots.Group) map[string]*corev1.Pod {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	pods := ws.siblings[g]
	delete(ws.siblings, g)
	return pods
}

// wish is what could help the pod of this cycle, which found no node. It notes why nodes were refused, while it is there.
func (s *state) wish() wish {
	w := wish{shifting: len(s.delta.changed) > 0}
	if s.holds && s.homecoming(s.pinned) == nil {
		s.refused = append(s.refused, reason.VolumePinned)
		w.names = []string{s.pinned}
		return w // its place is counted: the node itself is not to be had, which other plugins know about while it is there
	}
	w.slots = true
	w.open = s.limits.MaxNodes == 0 || s.used() < s.limits.MaxNodes || s.mode == v1alpha1.PlacementBestEffort
	for i := range s.index.marks {
		number := s.index.marks[i].number
		broken := s.refusal(number, s.index.nodes[number].name)
		switch broken {
		case &roomIsNeeded:
			w.needed = true
		case &nodeIsTooSmall, &plannedForOther, &notPlanned:
			w.kept = w.kept || s.view.seats[number].fit > 0
		case &roomIsPromised: // an absent sibling may take less of it than is kept, once it comes
			seat := &s.view.seats[number]
			w.kept = w.kept || seat.fit+seat.needed > 0
		}
		if broken != nil && !slices.Contains(s.refused, broken.code) {
			s.refused = append(s.refused, broken.code)
		}
	}
	for node := range s.tally.PerNode { // also those that are not in the snapshot: they may come back
		full := s.limits.MaxPerNode > 0 && s.heldOn(node) >= s.limits.MaxPerNode
		if full == w.open && s.mode != v1alpha1.PlacementBestEffort {
			w.names = append(w.names, node)
		}
	}
	if len(w.names) > maxNames {
		w.open, w.names = true, nil
	}
	slices.Sort(w.names)
	return w
}
