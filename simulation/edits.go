package simulation

import (
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// sharedPolicy is the name of the policy that a person has made for the sets of a seed, where they have none of their own.
const sharedPolicy = "shared"

// share has the sets follow one policy of a person's, who may make it late, and returns how many nodes it allows.
func (p *play) share(d dice, sets []*v1alpha1.InstanceSet) int32 {
	policy := &v1alpha1.PlacementPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: sharedPolicy}}
	var total, m, k int32
	for _, s := range sets {
		total += *s.Spec.Replicas
		m = max(m, int32(s.Spec.Placement.MaxInstancesPerNode.IntValue()))
		k = max(k, *s.Spec.Placement.MaxNodes)
		s.Spec.Placement, s.Spec.PlacementPolicyRef = nil, &v1alpha1.PlacementPolicyRef{Name: sharedPolicy}
		policy.Spec.ScaleTargetRefs = append(policy.Spec.ScaleTargetRefs, v1alpha1.ScaleTargetRef{Kind: "InstanceSet", Name: s.Name})
	}
	k = max(k, (total+m-1)/m) + int32(d.Intn(2))
	policy.Spec.MaxInstancesPerNode, policy.Spec.MaxNodes = ptr.To(intstr.FromInt32(m)), &k
	p.shared = &policy.Spec
	p.after(d.between(0, 20*time.Second), "policy", func() { p.makeShared() })
	return k
}

// makeShared makes the policy that all share, as it was last.
func (p *play) makeShared() {
	if _, there := find[*v1alpha1.PlacementPolicy](p.World, sharedKey); !there {
		p.tell("user", "makes the policy %s", sharedPolicy)
		p.must(p.user.create(p.ctx, &v1alpha1.PlacementPolicy{
			ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: sharedPolicy}, Spec: *p.shared.DeepCopy(),
		}))
	}
}

var sharedKey = types.NamespacedName{Namespace: Namespace, Name: sharedPolicy}

// limitsOf are the limits of a set, wherever they stand.
func (p *play) limitsOf(set *v1alpha1.InstanceSet) *v1alpha1.PlacementLimits {
	if set.Spec.Placement != nil {
		return set.Spec.Placement
	}
	return &p.shared.PlacementLimits
}

// places is how many instances the limits of a set allow, and how many instances of whichever set take of them, or will when it
// is made again.
func (p *play) places(set *v1alpha1.InstanceSet) (allowed, taken int32) {
	l := p.limitsOf(set)
	for _, other := range all[*v1alpha1.InstanceSet](p.World) {
		if other.Name == set.Name || p.shared != nil { // of all, where all share
			taken += *other.Spec.Replicas
		}
	}
	if p.shared != nil {
		for _, next := range p.coming { // the order does not matter to the sum
			taken += *next.Spec.Replicas
		}
	}
	return int32(l.MaxInstancesPerNode.IntValue()) * *l.MaxNodes, taken
}

// limits raises or lowers what a set, or all, may use. To lower never moves anything: it may be that not all have a place
// then, and when the trouble is over a person makes room.
func (p *play) limits(d dice) {
	s := p.someSet(d)
	if s == nil {
		return
	}
	l := p.limitsOf(s)
	switch d.Intn(3) {
	case 0:
		l.MaxInstancesPerNode = ptr.To(intstr.FromInt32(1 + d.Int31n(4)))
	case 1:
		l.MaxNodes = ptr.To(1 + d.Int31n(int32(len(p.nodes))))
	default:
		modes := []v1alpha1.PlacementMode{v1alpha1.PlacementStrict, v1alpha1.PlacementGuarded, v1alpha1.PlacementGuarded, v1alpha1.PlacementBestEffort}
		l.Mode = modes[d.Intn(len(modes))]
	}
	p.tell("user", "limits %s to %d on a node and %d nodes, mode=%s", s.Name, l.MaxInstancesPerNode.IntValue(), *l.MaxNodes, l.Mode)
	p.roomy = false
	p.setLimits(s)
}

// setLimits writes limits to where they stand.
func (p *play) setLimits(s *v1alpha1.InstanceSet) {
	if s.Spec.Placement != nil {
		p.must(p.user.update(p.ctx, s, ""))
		return
	}
	p.setShared()
}

func (p *play) setShared() {
	if policy, there := find[*v1alpha1.PlacementPolicy](p.World, sharedKey); there {
		changed := policy.DeepCopy()
		changed.Spec = *p.shared.DeepCopy()
		p.must(p.user.update(p.ctx, changed, ""))
	}
}

// makeRoom has a person lift the limits, when they were changed, so that everything has a place wherever it is.
func (p *play) makeRoom() {
	if p.roomy {
		return
	}
	if p.shared != nil { // whether or not there is a set just now
		p.tell("user", "makes room for all")
		p.lift(&p.shared.PlacementLimits)
		p.setShared()
		return
	}
	for _, s := range all[*v1alpha1.InstanceSet](p.World) {
		s = s.DeepCopy()
		p.lift(s.Spec.Placement)
		p.tell("user", "makes room for %s", s.Name)
		p.setLimits(s)
	}
}

func (p *play) lift(l *v1alpha1.PlacementLimits) {
	l.MaxInstancesPerNode, l.MaxNodes, l.Mode = ptr.To(intstr.FromInt32(100)), ptr.To(int32(len(p.nodes))), v1alpha1.PlacementGuarded
}

// deletePolicy deletes the policy of a set. The manager makes the set's own one again, a person that of all.
func (p *play) deletePolicy(d dice) {
	s := p.someSet(d)
	if s == nil {
		return
	}
	name := s.Name
	if p.shared != nil {
		name = sharedPolicy
	}
	policy, there := find[*v1alpha1.PlacementPolicy](p.World, types.NamespacedName{Namespace: Namespace, Name: name})
	if !there {
		return
	}
	p.tell("user", "deletes the policy %s", name)
	p.must(p.user.remove(p.ctx, policy.DeepCopy(), metav1.DeleteOptions{}))
	if p.shared != nil {
		p.after(d.between(100*time.Millisecond, 3*time.Minute), "policy", func() {
			if !p.over {
				p.makeShared()
			}
		})
	}
}

// offline takes an instance offline, or brings it back.
func (p *play) offline(d dice) {
	s := p.someSet(d)
	if s == nil {
		return
	}
	o := d.Int31n(max(*s.Spec.Replicas, 1))
	if at := slices.Index(s.Spec.OfflineInstances, o); at >= 0 {
		s.Spec.OfflineInstances = slices.Delete(s.Spec.OfflineInstances, at, at+1)
	} else {
		s.Spec.OfflineInstances = append(s.Spec.OfflineInstances, o)
	}
	p.tell("user", "sets %s offline=%v", s.Name, s.Spec.OfflineInstances)
	p.must(p.user.update(p.ctx, s, ""))
}

// wantedOnline is how many instances of a set should run.
func wantedOnline(set *v1alpha1.InstanceSet) int32 {
	n := *set.Spec.Replicas
	for _, o := range set.Spec.OfflineInstances {
		if o < *set.Spec.Replicas {
			n--
		}
	}
	return n
}

// again deletes a set, and makes another one of its name: of the same spec, or of another size. Claims may be left, and the
// new set may come while the old one is still going.
func (p *play) again(d dice) {
	s := p.someSet(d)
	if s == nil || s.DeletionTimestamp != nil {
		return
	}
	p.tell("user", "deletes %s, whenDeleted=%s", s.Name, s.Spec.PersistentVolumeClaimRetentionPolicy.WhenDeleted)
	p.must(p.user.remove(p.ctx, s.DeepCopy(), metav1.DeleteOptions{}))
	next := &v1alpha1.InstanceSet{ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: s.Name}, Spec: s.Spec}
	if size := s.Spec.ShardSize; d.chance(0.3) && size != nil && *s.Spec.Replicas > *size {
		next.Spec.Replicas = ptr.To(*s.Spec.Replicas - *size)
		fitTemplates(next)
	}
	p.coming[s.Name] = next
	p.after(d.between(100*time.Millisecond, 2*time.Minute), "again", func() { p.makeAgain(s.Name) })
}

// makeAgain makes a set as soon as the name is free.
func (p *play) makeAgain(name string) {
	next := p.coming[name]
	if next == nil {
		return
	}
	if _, there := find[*v1alpha1.InstanceSet](p.World, keyOf(next)); there {
		p.after(5*time.Second, "again", func() { p.makeAgain(name) })
		return
	}
	delete(p.coming, name)
	if p.over {
		next.Spec.Paused = false
		if next.Spec.Placement != nil && !p.roomy {
			p.lift(next.Spec.Placement)
		}
	}
	p.tell("user", "makes %s again, with %s", name, fmt.Sprintf("%d instances", *next.Spec.Replicas))
	p.must(p.user.create(p.ctx, next))
}
