package simulation

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/slots"
)

// ApplyPolicy creates a PlacementPolicy, as a user, or gives the one that is there another spec.
func (w *World) ApplyPolicy(name string, spec v1alpha1.PlacementPolicySpec) error {
	there, found := find[*v1alpha1.PlacementPolicy](w, types.NamespacedName{Namespace: Namespace, Name: name})
	if found {
		changed := there.DeepCopy()
		changed.Spec = spec
		return w.user.update(w.ctx, changed, "")
	}
	return w.user.create(w.ctx, &v1alpha1.PlacementPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: name}, Spec: spec})
}

// Pod is a pod of a user for shoal-scheduler, as a StatefulSet would make it, without volumes.
type Pod struct {
	Name, Policy, Shard string // labels; "" for none
	Node                string // the only one where it may run; "" for any
	CPUs                int64
	Critical            bool // it may take the place of others
}

// CreatePod creates a pod, as a user.
func (w *World) CreatePod(p Pod) error {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: p.Name, Labels: map[string]string{}}}
	for key, value := range map[string]string{v1alpha1.LabelPlacementPolicy: p.Policy, v1alpha1.LabelShard: p.Shard} {
		if value != "" {
			pod.Labels[key] = value
		}
	}
	pod.Spec.SchedulerName = v1alpha1.SchedulerName
	if p.Critical {
		pod.Spec.PriorityClassName = "system-cluster-critical"
	}
	if p.Node != "" {
		pod.Spec.NodeSelector = map[string]string{corev1.LabelHostname: p.Node}
	}
	pod.Spec.Containers = []corev1.Container{{Name: "c", Image: "c", Resources: corev1.ResourceRequirements{
		Requests: corev1.ResourceList{corev1.ResourceCPU: *resource.NewQuantity(p.CPUs, resource.DecimalSI)},
	}}}
	return w.user.create(w.ctx, pod)
}

// Cordon has no new pod come to a node, or takes that back.
func (w *World) Cordon(name string, on bool) error {
	node := &corev1.Node{}
	if err := w.user.get(w.ctx, types.NamespacedName{Name: name}, node); err != nil {
		return err
	}
	node.Spec.Unschedulable = on
	return w.user.update(w.ctx, node, "")
}

// Replace puts another machine, with an empty disk, in the place of one whose Node was deleted.
func (w *World) Replace(name string, cpus int64) error {
	if _, there := find[*corev1.Node](w, types.NamespacedName{Name: name}); there {
		return fmt.Errorf("the Node %s is still there", name)
	}
	for _, v := range all[*corev1.PersistentVolume](w) {
		if slots.NodeOfVolume(v, slots.NodeMap{}) == name {
			delete(w.data, v.Name)
		}
	}
	w.addNode(name, Node(cpus))
	return nil
}

// CrashAfter has the manager or the scheduler crash right after its n-th write from now.
func (w *World) CrashAfter(process string, n int) error {
	a, err := w.processOf(process)
	if err == nil {
		a.crashAfter = n
	}
	return err
}

// Refuse has the API server refuse the next n writes of the manager or the scheduler, as one that is overloaded does.
func (w *World) Refuse(process string, n int) error {
	a, err := w.processOf(process)
	if err == nil {
		a.refused = n
	}
	return err
}

func (w *World) processOf(name string) (*access, error) {
	switch name {
	case "manager":
		return w.operator.access, nil
	case "scheduler":
		return w.placer.access, nil
	}
	return nil, fmt.Errorf("there is no process %s", name)
}

// Standby has a second manager stand by from now on: it takes over within a second when the first one ends.
func (w *World) Standby() { w.standby = true }

// Mute has the Redis of an instance answer nobody, though it runs; or takes that back.
func (w *World) Mute(instance string, on bool) { w.muted[instance] = on }

// WhyAll is what the scheduler says of each pod that has no node.
func (w *World) WhyAll() string {
	var b strings.Builder
	for _, pod := range all[*corev1.Pod](w) {
		if pod.Spec.NodeName == "" {
			fmt.Fprintf(&b, "%s: %s", pod.Name, w.Why(pod.Name))
		}
	}
	return b.String()
}

// Why is what the scheduler says of a pod that has no node.
func (w *World) Why(name string) string {
	pod, there := find[*corev1.Pod](w, types.NamespacedName{Namespace: Namespace, Name: name})
	switch {
	case !there:
		return "there is no pod " + name + "\n"
	case pod.Spec.NodeName != "":
		return "it is on node " + pod.Spec.NodeName + "\n"
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled {
			return c.Message + "\n"
		}
	}
	return "nobody has looked at it yet\n"
}

// Policies are the PlacementPolicies, and what the manager says of each.
func (w *World) Policies() string {
	var b strings.Builder
	for _, p := range all[*v1alpha1.PlacementPolicy](w) {
		s := p.Status
		fmt.Fprintf(&b, "%s: %d of %d on %d nodes", p.Name, s.Instances, s.Replicas, s.NodesUsed)
		if s.PerNode != nil {
			fmt.Fprintf(&b, ", %d to %d on each", s.PerNode.Min, s.PerNode.Max)
		}
		if s.BlastRadius != nil {
			fmt.Fprintf(&b, ", a node takes %d%%", s.BlastRadius.Percent)
		}
		b.WriteString("\n")
		for _, kind := range []string{v1alpha1.ConditionFeasible, v1alpha1.ConditionWithinLimits} {
			if c := meta.FindStatusCondition(s.Conditions, kind); c != nil {
				fmt.Fprintf(&b, "  %s=%s: %s\n", kind, c.Status, c.Message)
			}
		}
	}
	return b.String()
}

// Messages are what the exceptions of the sets say.
func (w *World) Messages() string {
	var b strings.Builder
	for _, set := range all[*v1alpha1.InstanceSet](w) {
		for _, e := range set.Status.Exceptions {
			fmt.Fprintf(&b, "%s-%d: %s\n", set.Name, e.Ordinal, e.Message)
		}
	}
	return b.String()
}

// Claims are the claims: where their volumes are, and which are retired; and the volumes that are kept without a claim.
func (w *World) Claims() string {
	var b strings.Builder
	for _, c := range all[*corev1.PersistentVolumeClaim](w) {
		fmt.Fprintf(&b, "%s", c.Name)
		if v, there := find[*corev1.PersistentVolume](w, types.NamespacedName{Name: c.Spec.VolumeName}); there {
			fmt.Fprintf(&b, " on %s", slots.NodeOfVolume(v, slots.NodeMap{}))
		}
		if c.Labels[v1alpha1.LabelRetired] != "" {
			b.WriteString(" retired")
		}
		b.WriteString("\n")
	}
	for _, v := range all[*corev1.PersistentVolume](w) {
		if v.Status.Phase == corev1.VolumeReleased {
			fmt.Fprintf(&b, "volume on %s kept for %s\n", slots.NodeOfVolume(v, slots.NodeMap{}), v.Annotations[v1alpha1.AnnotationRetainedFor])
		}
	}
	return b.String()
}
