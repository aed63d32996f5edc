package simulation

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/slots"
)

// troubles are what people and fate do to a cluster, and how often.
var troubles = []struct {
	name   string
	weight int
	do     func(*play, dice)
}{
	{"off", 4, (*play).loseNode},
	{"flap", 4, (*play).flap},
	{"zone", 1, (*play).loseZone},
	{"forget", 1, (*play).forgetNode},
	{"scale", 4, (*play).scale},
	{"pause", 2, (*play).pause},
	{"edit", 1, (*play).edit},
	{"limits", 2, (*play).limits},
	{"policy", 1, (*play).deletePolicy},
	{"offline", 2, (*play).offline},
	{"again", 1, (*play).again},
	{"pod", 4, (*play).deletePod},
	{"claim", 2, (*play).deleteClaim},
	{"foreign", 2, (*play).foreign},
	{"urgent", 2, (*play).urgent},
	{"relist", 2, (*play).breakWatches},
	{"zombie", 2, (*play).zombie},
	{"restart", 1, (*play).restart},
	{"deny", 2, (*play).deny},
}

// drawTroubles puts onto the agenda what goes wrong in a seed. A seed leaves some kinds out, or each would hide what the
// others bring up.
func (p *play) drawTroubles() {
	d := p.choice.of("troubles")
	var bag []int
	for n, t := range troubles {
		for range t.weight {
			bag = append(bag, n)
		}
		if d.chance(0.3) {
			bag = bag[:len(bag)-t.weight]
		}
	}
	for n, at := 0, d.between(0, 60*time.Second); at < trouble && len(bag) > 0; n, at = n+1, at+d.between(time.Second, 60*time.Second) {
		t := troubles[bag[d.Intn(len(bag))]]
		name := fmt.Sprintf("%s.%d", t.name, n)
		p.after(at, "trouble", func() {
			if !p.over && p.choice.happens(name) {
				t.do(p, p.choice.of(name))
			}
		})
	}
}

// flap has a kubelet silent for a while: from less than a second to longer than the node lifecycle waits.
func (p *play) flap(d dice) {
	name := p.nodes[d.Intn(len(p.nodes))]
	m := p.machines[name]
	if !m.reachable() || p.away >= 2 {
		return
	}
	p.away++
	p.tell("fault", "node %s is silent", name)
	p.silence(name, false)
	p.after(d.between(500*time.Millisecond, 3*time.Minute), "back", func() {
		p.away--
		if !m.off && p.machines[name] == m {
			p.tell("fault", "node %s is back", name)
			p.restore(name)
		}
	})
}

// loseZone has half of the nodes, or all of them, silent or without power for a while. Nobody declares them dead.
func (p *play) loseZone(d dice) {
	zone := p.nodes[:len(p.nodes)/2]
	if d.chance(0.3) {
		zone = p.nodes
	}
	off := d.chance(0.4)
	p.tell("fault", "a zone is lost: nodes %s, off=%v", strings.Join(zone, " "), off)
	var lost []*machine
	for _, name := range zone {
		if m := p.machines[name]; m.reachable() {
			p.silence(name, off)
			lost = append(lost, m)
		}
	}
	p.after(d.between(20*time.Second, 4*time.Minute), "zone", func() {
		for _, m := range lost {
			if !p.over && p.machines[m.name] == m {
				p.tell("fault", "node %s is back", m.name)
				p.restore(m.name)
			}
		}
	})
}

// loseNode switches a machine off. A person may declare it out of service, and it may come back, as it was or as new.
func (p *play) loseNode(d dice) {
	name := p.nodes[d.Intn(len(p.nodes))]
	m := p.machines[name]
	if !m.reachable() || p.away >= 2 {
		return
	}
	p.away++
	p.tell("fault", "node %s is off", name)
	p.silence(name, true)
	if d.chance(0.8) {
		p.after(d.between(10*time.Second, 3*time.Minute), "declare", func() {
			if m.off && p.machines[name] == m {
				p.declare(d, name)
			}
		})
	}
	p.after(d.between(4*time.Minute, 10*time.Minute), "return", func() {
		if !p.over && m.off && p.machines[name] == m {
			p.comeBack(d, name)
		}
	})
}

// declare has a person vouch that a machine is off. Some take it back soon.
func (p *play) declare(d dice, name string) {
	p.tell("user", "declares node %s out of service", name)
	p.taint(name, true)
	if d.chance(0.3) {
		p.after(d.between(100*time.Millisecond, 20*time.Second), "take back", func() {
			p.tell("user", "takes it back that node %s is out of service", name)
			p.taint(name, false)
		})
	}
}

func (p *play) comeBack(d dice, name string) {
	p.away--
	if d.chance(0.5) {
		p.tell("fault", "node %s is on again", name)
		p.restore(name)
		p.after(d.between(time.Second, 30*time.Second), "undeclare", func() { p.taint(name, false) })
		return
	}
	p.replaceNode(d, name)
}

// replaceNode deletes a Node and brings another machine of the same name, with an empty disk.
func (p *play) replaceNode(d dice, name string) {
	p.tell("user", "replaces node %s by an empty one of the same name", name)
	p.systemDelete(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.DeleteOptions{})
	for _, v := range all[*corev1.PersistentVolume](p.World) {
		if slots.NodeOfVolume(v, slots.NodeMap{}) == name {
			delete(p.data, v.Name)
		}
	}
	old := p.machines[name]
	p.after(d.between(time.Second, 2*time.Minute), "new node", func() {
		if p.machines[name] == old {
			p.addNode(name, p.nodeOf(name))
		}
	})
}

// forgetNode deletes the Node of a machine that runs on. Its kubelet registers only when it is started again, and gets a
// Node of another UID then. What ran meanwhile, it ends as it sees that the pods are gone.
func (p *play) forgetNode(d dice) {
	name := p.nodes[d.Intn(len(p.nodes))]
	m := p.machines[name]
	if _, there := find[*corev1.Node](p.World, types.NamespacedName{Name: name}); !there || !m.reachable() {
		return
	}
	p.tell("user", "deletes node %s, which runs on", name)
	m.forgotten = true
	p.systemDelete(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.DeleteOptions{})
	p.after(d.between(time.Second, 4*time.Minute), "register", func() { p.registerAgain(m) })
}

func (p *play) registerAgain(m *machine) {
	if p.machines[m.name] != m {
		return
	}
	if !m.reachable() {
		p.after(10*time.Second, "register", func() { p.registerAgain(m) })
		return
	}
	if _, there := find[*corev1.Node](p.World, types.NamespacedName{Name: m.name}); !there {
		p.tell("fault", "the kubelet of %s starts again and registers", m.name)
		p.register(m.name, p.nodeOf(m.name))
		p.after(10*time.Second, "register", func() { p.registerAgain(m) })
		return
	}
	m.forgotten = false
}

// someSet is a set, or nil when it was deleted and is not back yet.
func (p *play) someSet(d dice) *v1alpha1.InstanceSet {
	set, _ := find[*v1alpha1.InstanceSet](p.World, types.NamespacedName{Namespace: Namespace, Name: p.sets[d.Intn(len(p.sets))]})
	return set.DeepCopy()
}

// scale changes the replicas, by whole shards and within what the limits allow.
func (p *play) scale(d dice) {
	s := p.someSet(d)
	if s == nil {
		return
	}
	size := int32(1)
	if s.Spec.ShardSize != nil {
		size = *s.Spec.ShardSize
	}
	allowed, taken := p.places(s)
	most := (allowed - taken + *s.Spec.Replicas) / size
	s.Spec.Replicas = ptr.To((1 + d.Int31n(max(most, 1))) * size)
	fitTemplates(s)
	p.tell("user", "scales %s to %d", s.Name, *s.Spec.Replicas)
	p.must(p.user.update(p.ctx, s, ""))
}

func (p *play) pause(d dice) {
	s := p.someSet(d)
	if s == nil {
		return
	}
	s.Spec.Paused = !s.Spec.Paused
	p.tell("user", "sets %s paused=%v", s.Name, s.Spec.Paused)
	p.must(p.user.update(p.ctx, s, ""))
}

// edit changes what a set may do, while it does it.
func (p *play) edit(d dice) {
	s := p.someSet(d)
	if s == nil {
		return
	}
	if d.chance(0.5) {
		s.Spec.Rebuild.Mode = []v1alpha1.RebuildMode{v1alpha1.RebuildAutomatic, v1alpha1.RebuildManual, v1alpha1.RebuildNever}[d.Intn(3)]
		p.tell("user", "sets %s rebuild=%s", s.Name, s.Spec.Rebuild.Mode)
	} else {
		s.Spec.PersistentVolumeClaimRetentionPolicy.WhenScaled = []v1alpha1.RetentionType{v1alpha1.RetainClaims, v1alpha1.DeleteClaims}[d.Intn(2)]
		p.tell("user", "sets %s whenScaled=%s", s.Name, s.Spec.PersistentVolumeClaimRetentionPolicy.WhenScaled)
	}
	p.must(p.user.update(p.ctx, s, ""))
}

func (p *play) deletePod(d dice) {
	pods := all[*corev1.Pod](p.World)
	if len(pods) == 0 {
		return
	}
	pod := pods[d.Intn(len(pods))]
	p.tell("user", "deletes pod %s", pod.Name)
	p.must(p.World.deletePod(pod.DeepCopy(), metav1.DeleteOptions{}))
}

// deleteClaim deletes a claim whose data somebody else has.
func (p *play) deleteClaim(d dice) {
	claims := all[*corev1.PersistentVolumeClaim](p.World)
	if len(claims) == 0 {
		return
	}
	c := claims[d.Intn(len(claims))]
	instance := strings.TrimPrefix(c.Name, "data-")
	if len(p.holders(types.NamespacedName{Namespace: Namespace, Name: instance})) == 0 {
		return
	}
	p.tell("user", "deletes claim %s", c.Name)
	p.must(p.user.remove(p.ctx, c.DeepCopy(), metav1.DeleteOptions{}))
}

// foreign takes a name that a set will want when it grows.
func (p *play) foreign(d dice) {
	s := p.someSet(d)
	if s == nil {
		return
	}
	name := fmt.Sprintf("%s-%d", s.Name, *s.Spec.Replicas+d.Int31n(3))
	if d.chance(0.3) {
		p.foreignClaim(d, "data-"+name)
		return
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: name, Labels: map[string]string{Foreign: "true"}}}
	pod.Spec.Containers = []corev1.Container{{Name: "other", Image: "other"}}
	if _, there := find[*corev1.Pod](p.World, keyOf(pod)); !there && p.user.create(p.ctx, pod) == nil {
		p.tell("user", "creates a pod of their own named %s", name)
		p.after(d.between(time.Minute, 5*time.Minute), "foreign", func() { p.dropForeign() })
	}
}

// urgent has a pod that may evict others come to some node, or to any, for a while. The instance that it evicts waits for its
// volume's node until the pod is gone.
func (p *play) urgent(d dice) {
	name := fmt.Sprintf("urgent-%d", d.Intn(1000))
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: name, Labels: map[string]string{Foreign: "true"}}}
	pod.Spec.SchedulerName = v1alpha1.SchedulerName
	pod.Spec.PriorityClassName = "system-cluster-critical"
	if d.chance(0.7) {
		pod.Spec.NodeSelector = map[string]string{corev1.LabelHostname: p.nodes[d.Intn(len(p.nodes))]}
	}
	pod.Spec.Containers = []corev1.Container{{Name: "urgent", Image: "urgent", Resources: corev1.ResourceRequirements{
		Requests: corev1.ResourceList{corev1.ResourceCPU: *resource.NewQuantity(4+d.Int63n(5), resource.DecimalSI)},
	}}}
	if p.user.create(p.ctx, pod) == nil {
		p.tell("user", "creates %s, which may evict others", name)
		p.after(d.between(20*time.Second, 3*time.Minute), "urgent", func() { p.systemDelete(pod, metav1.DeleteOptions{}) })
	}
}

// foreignClaim is the same for the name of a claim. It has no data: nobody uses it.
func (p *play) foreignClaim(d dice, name string) {
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: name, Labels: map[string]string{Foreign: "true"}}}
	claim.Spec = Set("", 0, 0, 0).Spec.VolumeClaimTemplates[0].Spec
	if _, there := find[*corev1.PersistentVolumeClaim](p.World, keyOf(claim)); !there && p.user.create(p.ctx, claim) == nil {
		p.tell("user", "creates a claim of their own named %s", name)
		p.after(d.between(time.Minute, 5*time.Minute), "foreign", func() { p.dropForeign() })
	}
}

func (p *play) dropForeign() {
	for _, claim := range all[*corev1.PersistentVolumeClaim](p.World) {
		if claim.Labels[Foreign] != "" {
			p.systemDelete(claim, metav1.DeleteOptions{})
		}
	}
	for _, pod := range all[*corev1.Pod](p.World) {
		if pod.Labels[Foreign] != "" {
			p.systemDelete(pod, metav1.DeleteOptions{})
		}
	}
}
