package load

import (
	"net"

	corev1 "k8s.io/api/core/v1"
)

// Directory finds the Node that a source means.
type Directory struct {
	names     map[string]bool
	addresses map[string]string // "" if several nodes have it
}

// NewDirectory knows nodes by name, by the label kubernetes.io/hostname, and by their addresses.
func NewDirectory(nodes []*corev1.Node) Directory {
	d := Directory{names: make(map[string]bool, len(nodes)), addresses: make(map[string]string, 2*len(nodes))}
	for _, node := range nodes {
		d.names[node.Name] = true
		d.add(node.Labels[corev1.LabelHostname], node.Name)
		for _, a := range node.Status.Addresses {
			d.add(a.Address, node.Name)
		}
	}
	return d
}

func (d Directory) add(address, node string) {
	if other, taken := d.addresses[address]; taken && other != node {
		node = "" // nobody can tell which: neither gets the other's load
	}
	d.addresses[address] = node
}

// Len is the number of nodes.
func (d Directory) Len() int { return len(d.names) }

// Has reports whether there is a node of that name.
func (d Directory) Has(node string) bool { return d.names[node] }

// Find returns the name of the node that is called so: by its name or an address, with or without a port.
func (d Directory) Find(called string) (string, bool) {
	if node, ok := d.find(called); ok {
		return node, true
	}
	host, _, err := net.SplitHostPort(called)
	if err != nil {
		return "", false
	}
	return d.find(host)
}

func (d Directory) find(called string) (string, bool) {
	if d.names[called] {
		return called, true
	}
	node := d.addresses[called]
	return node, node != ""
}
