package simulation

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/reason"
	"github.com/shoal-dev/shoal/slots"
)

// heal ends the trouble: processes run, people resume what they paused, and nodes come back. A node of which something was
// declared lost stays away: what was given up is never taken back.
func (p *play) heal() {
	p.tell("user", "the trouble is over")
	p.dropForeign()
	p.healRoles()
	for _, set := range all[*v1alpha1.InstanceSet](p.World) {
		if set.Spec.Paused {
			s := set.DeepCopy()
			s.Spec.Paused = false
			p.must(p.user.update(p.ctx, s, ""))
		}
	}
	if p.shared != nil {
		p.makeShared()
	}
	p.must(p.pump())
	p.healUpdates()
	p.healCordons()
	p.makeRoom()
	for _, name := range p.sets {
		p.makeAgain(name)
	}
	for _, name := range p.nodes {
		m := p.machines[name]
		node, there := find[*corev1.Node](p.World, types.NamespacedName{Name: name})
		switch {
		case m.reachable():
		case !there: // it registers when it is back
			p.restore(name)
		case p.givenUp(node):
			p.tell("user", "node %s stays away", name)
			p.taint(name, true)
		default:
			p.tell("user", "node %s comes back", name)
			p.restore(name)
		}
	}
	for _, name := range p.nodes {
		if m := p.machines[name]; m.reachable() {
			p.taint(name, false)
		}
	}
}

// givenUp reports whether something was declared lost with a node.
func (p *play) givenUp(node *corev1.Node) bool {
	lost := func(labels map[string]string) bool { return labels[v1alpha1.LabelLost] == string(node.UID) }
	return slices.ContainsFunc(all[*corev1.PersistentVolumeClaim](p.World), func(c *corev1.PersistentVolumeClaim) bool { return lost(c.Labels) }) ||
		slices.ContainsFunc(all[*corev1.Pod](p.World), func(pod *corev1.Pod) bool { return lost(pod.Labels) })
}

// patient are reasons for which an instance may wait for a person.
var patient = []reason.Code{
	reason.NoReadyPeer, reason.HolderUnproven, reason.FencingWithdrawn, reason.RebuildManual, reason.RebuildNever,
	reason.NodeDeleted, reason.VolumeUnknown, reason.ShardBusy,
}

// settled reports whether every set is as wanted.
func (p *play) settled() bool {
	return !slices.ContainsFunc(p.sets, func(name string) bool { return !p.isSettled(name) || !p.rolesSettled(name) })
}

func (p *play) isSettled(name string) bool {
	set, there := find[*v1alpha1.InstanceSet](p.World, types.NamespacedName{Namespace: Namespace, Name: name})
	if !there || p.coming[name] != nil {
		return false
	}
	wanted, status := wantedOnline(set), set.Status
	return p.running(name) == wanted && status.ReadyReplicas == wanted && status.ObservedGeneration == set.Generation && p.updated(set) && p.noneLeaves(name)
}

// running is how many instances of a set are Ready, whatever its status says.
func (p *play) running(set string) (n int32) {
	for _, pod := range all[*corev1.Pod](p.World) {
		if pod.Labels[v1alpha1.LabelInstanceSet] == set && pod.DeletionTimestamp == nil && isReady(pod) {
			n++
		}
	}
	return n
}

// asWanted: when nothing goes wrong any more, every instance becomes Ready, or its set says for what it waits.
func (p *play) asWanted() {
	for _, name := range p.sets {
		set, _ := find[*v1alpha1.InstanceSet](p.World, types.NamespacedName{Namespace: Namespace, Name: name})
		if p.isSettled(name) {
			if !p.rolesSettled(name) {
				p.checker.fail("roles converge", "%s has shards without one master %s after the trouble\n%s", name, healing, p.Roles())
			}
			continue
		}
		if set == nil || p.coming[name] != nil {
			p.checker.fail("it converges", "%s is not deleted %s after the trouble", name, healing)
			return
		}
		if isPatient(set) {
			continue
		}
		if p.keptOut(name) || p.cutOff(set) || p.sharesWithPatient(name) || p.outOfRoom(set) {
			continue
		}
		p.checker.fail("it converges", "%s has %d of %d instances ready %s after the trouble: %s\n%s\n%s%s",
			name, set.Status.ReadyReplicas, wantedOnline(set), healing, conditionsOf(set), p.waiting(), p.State(), p.handovers())
	}
}

// handovers names the Switchovers that are left, if there are updates: they have to go. And it says how far updates are.
func (p *play) handovers() string {
	if !p.updates() {
		return ""
	}
	text := "\nswitchovers: " + p.Switchovers()
	for _, name := range p.sets {
		text += "\n" + p.Updates(name)
	}
	return text
}

// isPatient reports whether an instance of the set waits for a person.
func isPatient(set *v1alpha1.InstanceSet) bool {
	return slices.ContainsFunc(set.Status.Exceptions, func(e v1alpha1.InstanceException) bool {
		return slices.ContainsFunc(patient, func(c reason.Code) bool { return c.String() == e.Reason })
	})
}

// sharesWithPatient reports whether the set shares its limits with one of which an instance waits for a person: that one keeps
// its place on a node that stays away, and the others have one less than there were.
func (p *play) sharesWithPatient(name string) bool {
	return p.shared != nil && slices.ContainsFunc(all[*v1alpha1.InstanceSet](p.World), func(other *v1alpha1.InstanceSet) bool {
		return other.Name != name && isPatient(other)
	})
}

// keptOut reports whether an instance of the set waits for a volume that was retired: since then, others may have taken its
// place on that node, and the limits come first.
func (p *play) keptOut(set string) bool {
	return slices.ContainsFunc(all[*corev1.Pod](p.World), func(pod *corev1.Pod) bool {
		if pod.Labels[v1alpha1.LabelInstanceSet] != set || pod.Spec.NodeName != "" {
			return false
		}
		return slices.ContainsFunc(slots.ClaimNames(pod), func(name string) bool {
			claim, there := find[*corev1.PersistentVolumeClaim](p.World, types.NamespacedName{Namespace: Namespace, Name: name})
			return there && claim.Labels[v1alpha1.LabelRetired] != ""
		})
	})
}

// waiting says what the scheduler says of the pods that wait for a node.
func (p *play) waiting() string {
	var lines []string
	for _, pod := range all[*corev1.Pod](p.World) {
		for _, c := range pod.Status.Conditions {
			if pod.Spec.NodeName == "" && c.Type == corev1.PodScheduled {
				lines = append(lines, pod.Name+": "+c.Message)
			}
		}
	}
	return strings.Join(lines, "\n")
}

// cutOff reports whether an instance waits because the only node with a place left has a copy of its shard. The scheduler
// places instances one by one and never moves any: with fewer than four places to spare, that order can end so.
func (p *play) cutOff(set *v1alpha1.InstanceSet) bool {
	allowed, taken := p.places(set)
	return set.Spec.ShardSize != nil && allowed-taken < 4 && strings.Contains(p.waiting(), reason.ShardSpreadLimit.String())
}
