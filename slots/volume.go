package slots

import (
	corev1 "k8s.io/api/core/v1"
)

// SelectedNode is the annotation by which the scheduler promises a node to an unbound claim.
const SelectedNode = "volume.kubernetes.io/selected-node"

// Nodes finds nodes. The scheduler answers from its snapshot, the manager from its cache.
type Nodes interface {
	// Get returns the node of that name, nil when there is none.
	Get(name string) *corev1.Node
	// ByHostname returns the name of the node whose label kubernetes.io/hostname has the value, "" when there is none.
	ByHostname(value string) string
}

// NodeOfClaim is the node to which a claim pins its pod, "" when it pins to none. Volume is the claim's
// PersistentVolume, nil when it is unbound or the volume is unknown.
func NodeOfClaim(claim *corev1.PersistentVolumeClaim, volume *corev1.PersistentVolume, nodes Nodes) string {
	if claim.Spec.VolumeName != "" && volume != nil {
		// The annotation stays on the claim after binding: a network volume that was once provisioned for node n does
		// not pin to n.
		return NodeOfVolume(volume, nodes)
	}
	return claim.Annotations[SelectedNode]
}

// Stays reports whether a claim stays on its node whichever pod mounts it elsewhere: it is bound to a volume that is local
// to a node that exists. A mere promise is overtaken by the pod that was placed.
func Stays(claim *corev1.PersistentVolumeClaim, volume *corev1.PersistentVolume, nodes Nodes) bool {
	return claim.Spec.VolumeName != "" && volume != nil && nodes.Get(NodeOfVolume(volume, nodes)) != nil
}

// NodeOfVolume is the node to which a local volume belongs, "" when it is not local. A volume is local when its
// required node affinity names exactly one host. The label's value is not always the node's name
// (kubernetes#125336), so it is looked up; when no node has it, the Node was deleted, and the value stands for it.
func NodeOfVolume(volume *corev1.PersistentVolume, nodes Nodes) string {
	if terms := localTerms(volume); len(terms) == 1 {
		if name := single(terms[0].MatchFields, "metadata.name"); name != "" {
			return name
		}
	}
	hostname := hostnameOf(volume)
	if hostname == "" {
		return ""
	}
	if n := nodes.Get(hostname); n != nil && n.Labels[corev1.LabelHostname] == hostname {
		return hostname
	}
	if name := nodes.ByHostname(hostname); name != "" {
		return name
	}
	return hostname
}

// hostnameOf is the one value of the label kubernetes.io/hostname that the volume's affinity wants, "" if it wants none.
func hostnameOf(volume *corev1.PersistentVolume) string {
	if terms := localTerms(volume); len(terms) == 1 {
		return single(terms[0].MatchExpressions, corev1.LabelHostname)
	}
	return ""
}

func localTerms(volume *corev1.PersistentVolume) []corev1.NodeSelectorTerm {
	if volume.Spec.NodeAffinity == nil || volume.Spec.NodeAffinity.Required == nil {
		return nil
	}
	return volume.Spec.NodeAffinity.Required.NodeSelectorTerms
}

// single is the only value of `key In [value]`.
func single(requirements []corev1.NodeSelectorRequirement, key string) string {
	for _, r := range requirements {
		if r.Key == key && r.Operator == corev1.NodeSelectorOpIn && len(r.Values) == 1 {
			return r.Values[0]
		}
	}
	return ""
}

// OutOfService reports whether somebody vouches that the node is off (KEP-2268).
func OutOfService(node *corev1.Node) bool {
	if node == nil {
		return false
	}
	for _, t := range node.Spec.Taints {
		if t.Key == corev1.TaintNodeOutOfService {
			return true
		}
	}
	return false
}

// NodeMap is an index of nodes for callers that have them all at hand.
type NodeMap struct {
	byName     map[string]*corev1.Node
	byHostname map[string]string
}

// NewNodeMap indexes nodes.
func NewNodeMap(nodes []*corev1.Node) NodeMap {
	m := NodeMap{byName: make(map[string]*corev1.Node, len(nodes)), byHostname: make(map[string]string, len(nodes))}
	for _, n := range nodes {
		m.byName[n.Name] = n
		if h := n.Labels[corev1.LabelHostname]; h != "" {
			m.byHostname[h] = n.Name
		}
	}
	return m
}

// Get returns the node of that name, nil when there is none.
func (m NodeMap) Get(name string) *corev1.Node { return m.byName[name] }

// ByHostname returns the name of the node with that hostname label, "" when there is none.
func (m NodeMap) ByHostname(value string) string { return m.byHostname[value] }
