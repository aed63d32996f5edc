package lint

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/placement"
	"github.com/shoal-dev/shoal/reason"
	"github.com/shoal-dev/shoal/slots"
)

type policy struct {
	object
	*v1alpha1.PlacementPolicy
}

type set struct {
	object
	*v1alpha1.InstanceSet
}

type statefulSet struct {
	object
	*appsv1.StatefulSet
}

// groups are the objects of all files that make placement groups.
type groups struct {
	policies     []policy
	sets         []set
	statefulSets []statefulSet
}

type adder func(o object, path, message, code string)

// assess asks of every group whose replicas are known whether its limits allow for them, on any number of empty nodes.
func (g *groups) assess(add adder) {
	for _, p := range g.policies {
		if replicas, known := g.replicasOf(p); known {
			assess(add, p.object, "spec", p.Spec.PlacementLimits, replicas, p.Spec.ShardCount())
		}
	}
	for _, s := range g.sets {
		if s.Spec.Placement == nil {
			continue
		}
		replicas, shards := int(ptr.Deref(s.Spec.Replicas, 1)), 0
		if size := int(ptr.Deref(s.Spec.ShardSize, 0)); size > 0 {
			shards = replicas / size
		}
		assess(add, s.object, "spec.placement", *s.Spec.Placement, replicas, shards)
	}
}

// replicasOf is how many instances a policy is for, if the files say so. What refers to it and has more replicas than it
// counts would not fit either: the larger number is taken.
func (g *groups) replicasOf(p policy) (int, bool) {
	if p.Spec.Replicas != nil {
		return int(*p.Spec.Replicas), true
	}
	sum := 0
	for _, ref := range p.Spec.ScaleTargetRefs {
		n, found := g.replicasNamed(p.Namespace, ref)
		if !found {
			return 0, false
		}
		sum += n
	}
	return sum, true
}

func (g *groups) replicasNamed(namespace string, ref v1alpha1.ScaleTargetRef) (int, bool) {
	for _, s := range g.sets {
		if ref.Kind == "InstanceSet" && s.Name == ref.Name && s.Namespace == namespace {
			return int(ptr.Deref(s.Spec.Replicas, 1)), true
		}
	}
	for _, s := range g.statefulSets {
		if ref.Kind == "StatefulSet" && s.Name == ref.Name && s.Namespace == namespace {
			return int(ptr.Deref(s.Spec.Replicas, 1)), true
		}
	}
	return 0, false
}

// assess says, in the words of the policy's status, that not even an empty cluster with nodes as large as one likes would do.
func assess(add adder, o object, path string, limits v1alpha1.PlacementLimits, replicas, shards int) {
	if replicas > placement.MaxReplicas {
		text := reason.TooManyReplicas.Because("%d replicas are asked for, and at most %d are counted", replicas, placement.MaxReplicas)
		add(o, path, text, reason.TooManyReplicas.String())
		return
	}
	numbers := slots.LimitsOf(limits, replicas)
	if numbers.MaxNodes == 0 || limits.Mode == v1alpha1.PlacementBestEffort || replicas == 0 {
		return
	}
	group := placement.Group{Limits: numbers, Shards: shards, Remaining: replicas, Nodes: make([]placement.Node, replicas)}
	for i := range group.Nodes {
		group.Nodes[i].Free = replicas
	}
	a := placement.Assess(group, replicas)
	switch {
	case a.LimitsTooTight:
		add(o, path+".maxNodes", reason.LimitsTooTight.Because("%s: %s", a.TooTight(), a.Advice()), reason.LimitsTooTight.String())
	case !a.Feasible:
		text := fmt.Sprintf("no room for %d of %d replicas within the limits: %s", a.Unplaceable, replicas, a.Advice())
		add(o, path+".maxNodes", reason.NotEnoughRoom.Because("%s", text), reason.NotEnoughRoom.String())
	}
}

// workload looks at what others run under our labels.
func (l *linter) workload(o object) {
	if o.text("kind") != "StatefulSet" {
		return
	}
	s := &appsv1.StatefulSet{}
	if runtime.DefaultUnstructuredConverter.FromUnstructured(o.value, s) != nil {
		return // it is not ours to judge
	}
	if s.Namespace == "" {
		s.Namespace = "default"
	}
	l.statefulSets = append(l.statefulSets, statefulSet{o, s})
	template := s.Spec.Template
	group, grouped := slots.GroupOf(s.Namespace, template.Labels)
	if !grouped {
		return
	}
	if template.Spec.SchedulerName != v1alpha1.SchedulerName {
		l.add(o, "spec.template.spec.schedulerName", fmt.Sprintf("its pods belong to the placement group %s, and another scheduler, which knows no limits, would place them: "+
			"set schedulerName: %s", group, v1alpha1.SchedulerName), "")
	}
	for i, claim := range s.Spec.VolumeClaimTemplates {
		if !sameGroup(s.Namespace, group, claim) {
			l.add(o, fmt.Sprintf("spec.volumeClaimTemplates[%d].metadata", i), fmt.Sprintf("claims of %s do not have the labels of their pods' placement group %s: "+
				"while a pod is away, its place would not be counted", claim.Name, group), "")
		}
	}
}

func sameGroup(namespace string, group slots.Group, claim corev1.PersistentVolumeClaim) bool {
	of, grouped := slots.GroupOf(namespace, claim.Labels)
	return grouped && of == group
}
