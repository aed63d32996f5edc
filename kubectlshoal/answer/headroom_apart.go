package answer

import (
	"context"
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/shoal-dev/shoal/kubectlshoal/trial"
	"github.com/shoal-dev/shoal/placement"
)

// Copies that are too many to be placed one by one are counted by package placement, where that is exact: where each node decides by
// itself, and the group's limits are all that nodes have in common. Anti-affinity between hosts and host ports are of that kind:
// whatever copies are elsewhere, a node takes one, or none.

// plain reports whether nothing but room, taints, node affinity and the limits of the group can decide about the copies, which
// package placement counts exactly.
func (n *counting) plain() bool {
	if !n.local() || sharesPorts(n.next) {
		return false
	}
	if a := n.next.Spec.Affinity; a != nil && (a.PodAffinity != nil || a.PodAntiAffinity != nil) {
		return false
	}
	return !slices.ContainsFunc(n.after.Pods, func(pod *corev1.Pod) bool {
		return pod.Spec.Affinity != nil && pod.Spec.Affinity.PodAntiAffinity != nil
	})
}

// local reports whether, affinity to pods and host ports left aside, each node decides about copies by itself.
func (n *counting) local() bool {
	spec := n.next.Spec
	if n.config.Source != trial.Shipped || len(spec.TopologySpreadConstraints)+len(spec.SchedulingGates)+len(spec.ResourceClaims) > 0 {
		return false
	}
	for key := range n.next.Annotations {
		if strings.HasSuffix(key, "-bandwidth") {
			return false
		}
	}
	return !slices.ContainsFunc(spec.Volumes, bindsToNodes)
}

// sharesPorts reports whether a pod takes ports of its node.
func sharesPorts(pod *corev1.Pod) bool {
	return slices.ContainsFunc(slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers), func(c corev1.Container) bool {
		return slices.ContainsFunc(c.Ports, func(p corev1.ContainerPort) bool { return p.HostPort != 0 }) || pod.Spec.HostNetwork && len(c.Ports) > 0
	})
}

// apart adds to the ground what anti-affinity and host ports leave on each node, as one more dimension: room for one copy, for none, or for
// any number. False where a node does not decide by itself.
func (n *counting) apart(ctx context.Context, g *ground) (bool, error) {
	if !n.local() || !n.alike() {
		return false, nil
	}
	title, one := "", sharesPorts(n.next)
	if one {
		title = "host ports"
	}
	if a := n.next.Spec.Affinity; a != nil {
		if a.PodAffinity != nil && len(a.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution) > 0 {
			return false, nil
		}
		for _, term := range requiredApart(n.next) {
			self, known := matches(term, n.next)
			if !known || self && (term.TopologyKey != corev1.LabelHostname || !n.hostsDiffer()) {
				return false, nil
			}
			one = one || self
		}
	}
	if len(requiredApart(n.next)) > 0 || title == "" {
		title = strings.TrimPrefix(title+" and anti-affinity", " and ")
	}
	closed, err := n.closed(ctx)
	if err != nil || closed == nil {
		return false, err
	}
	g.titles, g.size = append(g.titles, title), append(g.size, 1)
	for i := range g.machines {
		room := int64(placement.MaxReplicas)
		switch {
		case closed[g.names[i]]:
			room = 0
		case one:
			room = 1
		}
		g.machines[i].Free = append(g.machines[i].Free, room)
	}
	return true, nil
}

// alike reports whether the instances that are still to come keep apart from others as the copies do.
func (n *counting) alike() bool {
	return !slices.ContainsFunc(n.outstanding, func(pod *corev1.Pod) bool {
		if !reflect.DeepEqual(requiredApart(pod), requiredApart(n.next)) || sharesPorts(pod) != sharesPorts(n.next) {
			return true
		}
		return slices.ContainsFunc(requiredApart(n.next), func(term corev1.PodAffinityTerm) bool {
			its, _ := matches(term, pod)
			self, _ := matches(term, n.next)
			return its != self
		})
	})
}

func requiredApart(pod *corev1.Pod) []corev1.PodAffinityTerm {
	if a := pod.Spec.Affinity; a != nil && a.PodAntiAffinity != nil {
		return a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution
	}
	return nil
}

// matches reports whether a term of copies is about a pod of their namespace; not known where it chooses namespaces or labels by others.
func matches(term corev1.PodAffinityTerm, pod *corev1.Pod) (yes, known bool) {
	if term.NamespaceSelector != nil || len(term.MatchLabelKeys)+len(term.MismatchLabelKeys) > 0 {
		return false, false
	}
	selector, err := metav1.LabelSelectorAsSelector(term.LabelSelector)
	if err != nil {
		return false, false
	}
	here := len(term.Namespaces) == 0 || slices.Contains(term.Namespaces, pod.Namespace)
	return here && selector.Matches(labels.Set(pod.Labels)), true
}

// hostsDiffer reports whether every node has a host name of its own, as kubelets see to.
func (n *counting) hostsDiffer() bool {
	seen := map[string]bool{}
	for _, node := range n.after.Nodes {
		host := node.Labels[corev1.LabelHostname]
		if host == "" || seen[host] {
			return false
		}
		seen[host] = true
	}
	return true
}

// closed are the nodes that refuse a copy for the sake of pods that are there already; nil where the scheduler refuses it before it looks
// at any node.
func (n *counting) closed(ctx context.Context) (map[string]bool, error) {
	with, _, err := n.copies(n.step(), n.replicas()+n.step())
	if err != nil {
		return nil, err
	}
	s, err := trial.New(ctx, n.config, with)
	if err != nil {
		return nil, err
	}
	return s.RefusedBy(ctx, n.next, "InterPodAffinity", "NodePorts")
}

// bindsToNodes reports whether a volume may decide about nodes: all but those that the kubelet makes.
func bindsToNodes(v corev1.Volume) bool {
	return v.EmptyDir == nil && v.ConfigMap == nil && v.Secret == nil && v.Projected == nil && v.DownwardAPI == nil && v.HostPath == nil
}
