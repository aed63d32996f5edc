package simulation

import (
	"context"
	"errors"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/simulation/farm"
)

// How a seed is played, in simulated time.
const (
	warmUp  = 2 * time.Minute
	trouble = 12 * time.Minute
	healing = 25 * time.Minute // by then everything must be as wanted
	calm    = 2 * time.Minute  // for what is written late, such as the status of policies
	silence = 10 * time.Minute // and then nobody may write
)

// Play makes a world from a seed, lets things go wrong in it, and then wants it to be as its users want it. It must be
// called inside a bubble of testing/synctest.
func Play(ctx context.Context, a *Assets, job farm.Job) (farm.Result, error) {
	w, err := New(ctx, a, job.Seed)
	if err != nil {
		return farm.Result{}, err
	}
	defer w.Close()
	w.choice = newChoice(job.Seed, job.Only)
	p := &play{World: w, coming: map[string]*v1alpha1.InstanceSet{}, roomy: true}
	p.settle()
	r := farm.Result{Job: job}
	if err := p.run(); err != nil {
		r.Invariant, r.Failure = "model", err.Error()
		if v := new(Violation); errors.As(err, &v) {
			r.Invariant = v.Invariant
		}
	}
	r.Happened, r.Trace = w.choice.happened, w.trace.lines
	return r, nil
}

// play is one seed on its way.
type play struct {
	*World
	nodes []string
	sets  []string
	away  int // nodes that are off or silent
	over  bool
	// shared are the spec of the policy that all sets follow, nil when each has limits of its own.
	shared *v1alpha1.PlacementPolicySpec
	coming map[string]*v1alpha1.InstanceSet // sets that were deleted, and will be made again
	roomy  bool                             // the limits are those that the seed began with
	cpus   map[string]int64                 // of each node, where nodes and instances have different sizes; otherwise nil
}

// cutting are the seeds, modulo 29, whose scheduler names some nodes for a pod. Like those of mixing, none of them was pinned before.
var cutting = []int64{4, 10, 11, 16, 18, 19, 25, 26, 28}

// settle draws nodes and sets. Two nodes more than the sets may use are always there.
func (p *play) settle() {
	most := int32(0)
	var sets []*v1alpha1.InstanceSet
	for n, name := range []string{"r", "s"} {
		d := p.choice.of("set." + name)
		if n > 0 && (d.chance(0.5) || !p.choice.happens("set."+name)) {
			continue
		}
		sets = append(sets, drawSet(d, name))
	}
	p.must(p.giveRoles(sets))
	p.giveUpdates(sets)
	p.giveVolumes(sets)
	for _, s := range sets {
		most = max(most, *s.Spec.Placement.MaxNodes)
	}
	if d := p.choice.of("share"); d.chance(0.25) && p.choice.happens("share") {
		most = p.share(d, sets)
	}
	if slices.Contains(cutting, p.choice.seed%29) && p.choice.happens("cut") {
		p.cuts = true
		p.placer.cut()
	}
	most = p.mix(sets, most)
	for n := range int(most) + 2 + p.choice.of("nodes").Intn(2) {
		name := nodeName(n)
		p.nodes = append(p.nodes, name)
		p.addNode(name, p.nodeOf(name))
	}
	for _, s := range sets {
		p.sets = append(p.sets, s.Name)
		if size := s.Spec.ShardSize; size != nil {
			p.shardSize[s.Name] = *size
		}
		p.must(p.user.create(p.ctx, s))
	}
}

func drawSet(d dice, name string) *v1alpha1.InstanceSet {
	size := int32(1 + d.Intn(3))
	shards := int32(1 + d.Intn(4))
	replicas := size * shards
	m := int32(1 + d.Intn(3))
	k := max((replicas+m-1)/m, size) + int32(d.Intn(2))
	s := Set(name, replicas, m, k)
	if d.chance(0.7) {
		s.Spec.ShardSize = ptr.To(size)
	}
	if d.chance(0.3) {
		s.Spec.PersistentVolumeClaimRetentionPolicy.WhenScaled = v1alpha1.DeleteClaims
	}
	if d.chance(0.3) {
		s.Spec.PersistentVolumeClaimRetentionPolicy.WhenDeleted = v1alpha1.DeleteClaims
	}
	s.Spec.Rebuild.Mode = []v1alpha1.RebuildMode{
		v1alpha1.RebuildAutomatic, v1alpha1.RebuildAutomatic, v1alpha1.RebuildAutomatic, v1alpha1.RebuildManual, v1alpha1.RebuildNever,
	}[d.Intn(5)]
	if d.chance(0.2) {
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
	if d := p.choice.of("warm up"); d.chance(0.5) {
		if err := p.Run(d.between(0, warmUp)); err != nil {
			return err
		}
	}
	p.drawFaults()
	if !p.quiet() {
		p.drawTroubles()
		p.drawRoleTroubles()
	}
	p.drawUpdates()
	p.drawCordons()
	if err := p.Run(trouble); err != nil {
		return err
	}
	late := p.faults.lagMost // what is on its way arrives as late as was drawn
	if p.ha != nil {
		late = max(late, p.ha.reports.most, p.ha.orders.most)
	}
	p.faults, p.over, p.World.calm = faults{}, true, time.Now().Add(late)
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
	if err := p.Run(calm + late); err != nil {
		return err
	}
	writes := p.checker.writes
	if err := p.Run(silence); err != nil {
		return err
	}
	if n := p.checker.writes - writes; n > 0 {
		p.checker.fail("what is settled rests", "%d writes in %s, the last at %s", n, silence, p.checker.lastWrite.Sub(p.begun))
	}
	return p.checker.failure
}
