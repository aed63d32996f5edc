package simulation

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/slots"
)

// How a seed is played, in simulated time.
const (
	warmUp       = 2 * time.Minute
	trouble      = 12 * time.Minute
	healing      = 25 * time.Minute // by then everything must be as wanted
	calm         = 2 * time.Minute  // for what is written late, such as the status of policies
	silence      = 10 * time.Minute // and then nobody may write
	callsPerHour = 40_000
)

// Result is how a seed ended.
type Result struct {
	Seed    int64
	Failure error
	Trace   []string
	Writes  int
}

// Play makes a world from a seed, lets things go wrong in it, and then wants it to be as its users want it. It must be
// called inside a bubble of testing/synctest.
func Play(ctx context.Context, a *Assets, seed int64) (Result, error) {
	w, err := New(ctx, a, seed)
	if err != nil {
		return Result{}, err
	}
	defer w.Close()
	p := &play{World: w}
	p.settle()
	err = p.run()
	return Result{Seed: seed, Failure: err, Trace: w.trace.lines, Writes: w.checker.writes}, nil
}

// play is one seed on its way.
type play struct {
	*World
	nodes []string
	sets  []string
	away  int // nodes that are off or silent
	over  bool
}

// settle draws nodes and sets. Two nodes more than the sets may use are always there.
func (p *play) settle() {
	count := 1 + p.random.Intn(2)
	most := int32(0)
	var sets []*v1alpha1.InstanceSet
	for n := range count {
		s := p.drawSet([]string{"r", "s"}[n])
		most = max(most, *s.Spec.Placement.MaxNodes)
		sets = append(sets, s)
	}
	for n := range int(most) + 2 + p.random.Intn(2) {
		name := string(rune('a' + n))
		p.nodes = append(p.nodes, name)
		p.addNode(name, Node(8))
	}
	for _, s := range sets {
		p.sets = append(p.sets, s.Name)
		if size := s.Spec.ShardSize; size != nil {
			p.shardSize[s.Name] = *size
		}
		p.must(p.user.create(p.ctx, s))
	}
}

func (p *play) drawSet(name string) *v1alpha1.InstanceSet {
	size := int32(1 + p.random.Intn(3))
	shards := int32(1 + p.random.Intn(4))
	replicas := size * shards
	m := int32(1 + p.random.Intn(3))
	k := max((replicas+m-1)/m, size) + int32(p.random.Intn(2))
	s := Set(name, replicas, m, k)
	if p.chance(0.7) {
		s.Spec.ShardSize = ptr.To(size)
	}
	if p.chance(0.3) {
		s.Spec.PersistentVolumeClaimRetentionPolicy.WhenScaled = v1alpha1.DeleteClaims
	}
	s.Spec.Rebuild.Mode = []v1alpha1.RebuildMode{v1alpha1.RebuildAutomatic, v1alpha1.RebuildAutomatic, v1alpha1.RebuildManual}[p.random.Intn(3)]
	if p.chance(0.2) {
		s.Spec.VolumeClaimTemplates = nil
	}
	return s
}

// Node is what a node of so many CPUs offers.
func Node(cpus int64) corev1.ResourceList {
	return corev1.ResourceList{
		corev1.ResourceCPU: *resource.NewQuantity(cpus, resource.DecimalSI), corev1.ResourceMemory: resource.MustParse("32Gi"),
		corev1.ResourcePods: resource.MustParse("20"),
	}
}

// Set is a set of instances that want one CPU and a local volume each.
func Set(name string, replicas, m, k int32) *v1alpha1.InstanceSet {
	s := &v1alpha1.InstanceSet{ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: name}}
	s.Spec.Replicas = &replicas
	s.Spec.Template.Spec.Containers = []corev1.Container{{Name: "redis", Image: "redis", Resources: corev1.ResourceRequirements{
		Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")},
	}}}
	s.Spec.Placement = &v1alpha1.PlacementLimits{MaxInstancesPerNode: ptr.To(intstr.FromInt32(m)), MaxNodes: &k}
	s.Spec.Rebuild.Mode = v1alpha1.RebuildAutomatic
	s.Spec.VolumeClaimTemplates = []v1alpha1.VolumeClaimTemplate{{
		Metadata: v1alpha1.VolumeClaimMeta{Name: "data"},
		Spec: corev1.PersistentVolumeClaimSpec{
			StorageClassName: ptr.To(storageClass), AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
		},
	}}
	return s
}

func (p *play) run() error {
	if p.chance(0.5) {
		if err := p.Run(p.between(0, warmUp)); err != nil {
			return err
		}
	}
	p.faults = p.drawFaults()
	p.tell("fault", "from now on: %+v", p.faults)
	p.next()
	if err := p.Run(trouble); err != nil {
		return err
	}
	p.faults, p.over = faults{}, true
	p.heal()
	for begun := time.Now(); time.Since(begun) < healing; {
		if err := p.Run(time.Minute); err != nil {
			return err
		}
		if p.settled() {
			break
		}
	}
	p.asWanted()
	if err := p.Run(calm); err != nil {
		return err
	}
	writes := p.checker.writes
	if err := p.Run(silence); err != nil {
		return err
	}
	if n := p.checker.writes - writes; n > 0 {
		p.checker.fail("what is settled rests", "%d writes in %s, the last at %s", n, silence, p.checker.lastWrite.Sub(p.begun))
	}
	if hours := time.Since(p.begun).Hours(); float64(p.reconciles) > callsPerHour*hours {
		p.checker.fail("no hot loop", "%d reconciles in %.1f hours", p.reconciles, hours)
	}
	return p.checker.failure
}

// drawFaults draws which faults a seed has: not every one has all of them, or each would hide what the other brings up.
func (p *play) drawFaults() faults {
	var f faults
	if p.chance(0.5) {
		f.refused = p.random.Float64() * 0.1
	}
	if p.chance(0.5) {
		f.unanswers = p.random.Float64() * 0.1
	}
	if p.chance(0.4) {
		f.crashes = p.random.Float64() * 0.02
	}
	if p.chance(0.6) {
		f.lagging, f.lagMost = p.random.Float64(), p.between(50*time.Millisecond, 60*time.Second)
	}
	return f
}

// next puts the next thing that happens onto the agenda.
func (p *play) next() {
	p.after(p.between(time.Second, 60*time.Second), "trouble", func() {
		if p.over {
			return
		}
		p.next()
		things := []func(){p.loseNode, p.loseNode, p.flap, p.flap, p.scale, p.scale, p.pause, p.deletePod, p.deletePod, p.deleteClaim, p.foreign, p.breakWatches}
		things[p.random.Intn(len(things))]()
	})
}

func (p *play) someNode() string { return p.nodes[p.random.Intn(len(p.nodes))] }

// flap has a kubelet silent for a while: from less than a second to longer than the node lifecycle waits.
func (p *play) flap() {
	name := p.someNode()
	m := p.machines[name]
	if !m.reachable() || p.away >= 2 {
		return
	}
	p.away++
	p.tell("fault", "node %s is silent", name)
	p.silence(name, false)
	p.after(p.between(500*time.Millisecond, 3*time.Minute), "back", func() {
		p.away--
		if !m.off && p.machines[name] == m {
			p.tell("fault", "node %s is back", name)
			p.restore(name)
		}
	})
}

// loseNode switches a machine off. A person may declare it out of service, and it may come back, as it was or as new.
func (p *play) loseNode() {
	name := p.someNode()
	m := p.machines[name]
	if !m.reachable() || p.away >= 2 {
		return
	}
	p.away++
	p.tell("fault", "node %s is off", name)
	p.silence(name, true)
	if p.chance(0.8) {
		p.after(p.between(10*time.Second, 3*time.Minute), "declare", func() {
			if m.off && p.machines[name] == m {
				p.tell("user", "declares node %s out of service", name)
				p.taint(name, true)
			}
		})
	}
	p.after(p.between(4*time.Minute, 10*time.Minute), "return", func() {
		if !p.over && m.off && p.machines[name] == m {
			p.comeBack(name)
		}
	})
}

func (p *play) comeBack(name string) {
	p.away--
	if p.chance(0.5) {
		p.tell("fault", "node %s is on again", name)
		p.restore(name)
		p.after(p.between(time.Second, 30*time.Second), "undeclare", func() { p.taint(name, false) })
		return
	}
	p.replaceNode(name)
}

// replaceNode deletes a Node and brings another machine of the same name, with an empty disk.
func (p *play) replaceNode(name string) {
	p.tell("user", "replaces node %s by an empty one of the same name", name)
	p.systemDelete(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.DeleteOptions{})
	for _, v := range all[*corev1.PersistentVolume](p.World) {
		if slots.NodeOfVolume(v, slots.NodeMap{}) == name {
			delete(p.data, v.Name)
		}
	}
	old := p.machines[name]
	p.after(p.between(time.Second, 2*time.Minute), "new node", func() {
		if p.machines[name] == old {
			p.addNode(name, Node(8))
		}
	})
}

func (p *play) someSet() *v1alpha1.InstanceSet {
	set, _ := find[*v1alpha1.InstanceSet](p.World, types.NamespacedName{Namespace: Namespace, Name: p.sets[p.random.Intn(len(p.sets))]})
	return set.DeepCopy()
}

// scale changes the replicas, by whole shards and within what the limits allow.
func (p *play) scale() {
	s := p.someSet()
	size := int32(1)
	if s.Spec.ShardSize != nil {
		size = *s.Spec.ShardSize
	}
	most := int32(s.Spec.Placement.MaxInstancesPerNode.IntValue()) * *s.Spec.Placement.MaxNodes / size
	s.Spec.Replicas = ptr.To((1 + p.random.Int31n(max(most, 1))) * size)
	p.tell("user", "scales %s to %d", s.Name, *s.Spec.Replicas)
	p.must(p.user.update(p.ctx, s, ""))
}

func (p *play) pause() {
	s := p.someSet()
	s.Spec.Paused = !s.Spec.Paused
	p.tell("user", "sets %s paused=%v", s.Name, s.Spec.Paused)
	p.must(p.user.update(p.ctx, s, ""))
}

func (p *play) breakWatches() {
	process := p.operator.access
	if p.chance(0.5) {
		process = p.placer.access
	}
	p.tell("fault", "%s lists anew", process.process)
	p.relist(process)
}

func (p *play) deletePod() {
	pods := all[*corev1.Pod](p.World)
	if len(pods) == 0 {
		return
	}
	pod := pods[p.random.Intn(len(pods))]
	p.tell("user", "deletes pod %s", pod.Name)
	p.must(p.user.remove(p.ctx, pod.DeepCopy(), metav1.DeleteOptions{}))
}

// deleteClaim deletes a claim whose data somebody else has.
func (p *play) deleteClaim() {
	claims := all[*corev1.PersistentVolumeClaim](p.World)
	if len(claims) == 0 {
		return
	}
	c := claims[p.random.Intn(len(claims))]
	instance := strings.TrimPrefix(c.Name, "data-")
	if len(p.holders(types.NamespacedName{Namespace: Namespace, Name: instance})) == 0 {
		return
	}
	p.tell("user", "deletes claim %s", c.Name)
	p.must(p.user.remove(p.ctx, c.DeepCopy(), metav1.DeleteOptions{}))
}

// foreign takes a name that a set will want when it grows.
func (p *play) foreign() {
	s := p.someSet()
	name := fmt.Sprintf("%s-%d", s.Name, *s.Spec.Replicas+p.random.Int31n(3))
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: name, Labels: map[string]string{Foreign: "true"}}}
	pod.Spec.Containers = []corev1.Container{{Name: "other", Image: "other"}}
	if _, there := find[*corev1.Pod](p.World, keyOf(pod)); !there && p.user.create(p.ctx, pod) == nil {
		p.tell("user", "creates a pod of their own named %s", name)
		p.after(p.between(time.Minute, 5*time.Minute), "foreign", func() { p.dropForeign() })
	}
}

func (p *play) dropForeign() {
	for _, pod := range all[*corev1.Pod](p.World) {
		if pod.Labels[Foreign] != "" {
			p.systemDelete(pod, metav1.DeleteOptions{})
		}
	}
}
