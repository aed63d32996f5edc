package dispersion

import (
	"cmp"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/slots"
)

// mixture is where the absent instances of a group go.
type mixture struct {
	at       map[slots.Instance]spot
	unknown  []spot // for instances that are not there yet, taken to be like the pod at hand
	plan     *plan  // how many instances each node holds in the end
	leftOver int    // known instances without a node
	least    int    // instances that have no place whatever is done with the others
	seen     int    // how much of the changelog there was
}

// spot is the node of an instance, -1 for none, and what makes it equal to another one.
type spot struct {
	number int
	size   slots.Amount
	shard  string
}

func (a spot) like(b spot) bool { return a.shard == b.shard && a.size.Equal(b.size) }

// misses reports whether the packing has no node for the pod.
func (m *mixture) misses(pod *corev1.Pod) bool {
	at, there := m.at[slots.InstanceOfPod(pod)]
	return there && at.number < 0
}

func spotOf(pod *corev1.Pod) spot {
	return spot{-1, slots.RequestOf(pod), pod.Labels[v1alpha1.LabelShard]}
}

// follow takes in what was placed since, and reports whether the rest can still go where it should.
func (m *mixture) follow(s *state, pods []*corev1.Pod) bool {
	absent := map[slots.Instance]bool{}
	for _, pod := range pods {
		absent[slots.InstanceOfPod(pod)] = true
	}
	for i, was := range m.at {
		if absent[i] {
			continue
		}
		delete(m.at, i)
		held := s.tally.Instances[i]
		if len(held) == 0 || was.number < 0 { // it is gone
			continue
		}
		if number := s.index.names[held[0].Node]; number != was.number {
			m.swap(was, number)
		}
	}
	for _, pod := range pods {
		i, own := slots.InstanceOfPod(pod), spotOf(pod)
		if was, there := m.at[i]; there && was.like(own) {
			continue
		}
		if len(m.unknown) == 0 {
			return false
		}
		own.number = m.unknown[0].number
		m.at[i], m.unknown = own, m.unknown[1:]
	}
	m.unknown = m.unknown[:min(len(m.unknown), max(0, s.remaining-len(pods)))]
	return s.stands(m)
}

// swap gives the place of an instance to one like it, whose place it has taken.
func (m *mixture) swap(was spot, number int) {
	for _, i := range slices.SortedFunc(maps.Keys(m.at), func(a, b slots.Instance) int { return cmp.Compare(a.Name, b.Name) }) {
		if other := m.at[i]; other.number == number && other.like(was) {
			m.at[i] = was
			return
		}
	}
}
