package playground

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// isReal says whether the node of this name is a real one, in whatever state it and its object are.
func (c *Cluster) isReal(name string) (bool, error) {
	_, found, err := c.realNode(name)
	return found, err
}

func (c *Cluster) realNode(name string) (RealNode, bool, error) {
	nodes, err := c.RealNodes()
	if err != nil {
		return RealNode{}, false, err
	}
	if i := slices.IndexFunc(nodes, func(node RealNode) bool { return node.Name == name }); i >= 0 {
		return nodes[i], true, nil
	}
	return RealNode{}, false, nil
}

// failRealNode does to the machine what the fault is, and to the API objects what people do in that case.
func (c *Cluster) failRealNode(ctx context.Context, name string, fault Fault) error {
	node, _, err := c.realNode(name)
	if err != nil {
		return err
	}
	if !fault.follows(node.Fault) {
		return fmt.Errorf("node %s is %s already", name, node.Fault.State())
	}
	err = c.order(ctx, breakOrder+name+"/"+string(fault), func() error { return c.breakMachine(ctx, name, fault) })
	if err != nil {
		return fmt.Errorf("breaking %s: %w", name, err)
	}
	if fault.Silences() && !node.Fault.Silences() && fault != Deleted {
		fmt.Fprintf(c.options.Progress, "The heartbeats of %s have stopped; the control plane notices within %s.\n", name, c.noticedWithin())
	}
	switch fault {
	case OutOfService:
		return c.declareOutOfService(ctx, name)
	case Deleted:
		if err := c.client.CoreV1().Nodes().Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
			return fmt.Errorf("deleting node %s: %w", name, err)
		}
	case Disk, KubeletStop, Unreachable, PowerOff:
	}
	return nil
}

// recoverRealNode undoes the fault of the node. It does not wait for the node to become ready.
func (c *Cluster) recoverRealNode(ctx context.Context, name string) error {
	node, _, err := c.realNode(name)
	if err != nil {
		return err
	}
	switch node.Fault {
	case "":
		return fmt.Errorf("node %s has not failed", name)
	case Deleted:
		// The lease belongs to the UID of the deleted object, and would be collected under the hands of the kubelet.
		err := c.client.CoordinationV1().Leases(corev1.NamespaceNodeLease).Delete(ctx, name, metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("deleting the lease of node %s: %w", name, err)
		}
	case OutOfService:
		// Before it returns: on a node that is ready the taint would go on evicting.
		err := c.editNode(ctx, name, func(node *corev1.Node) { node.Spec.Taints = withoutOutOfService(node.Spec.Taints) })
		if err != nil {
			return err
		}
	case Disk, KubeletStop, Unreachable, PowerOff:
	}
	if err := c.order(ctx, mendOrder+name, func() error { return c.mendMachine(ctx, name) }); err != nil {
		return fmt.Errorf("mending %s: %w", name, err)
	}
	return nil
}
