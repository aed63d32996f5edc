package playground

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
)

// Fault is a way in which a node fails. In each of them but Disk the control plane hears nothing of the kubelet: nobody
// renews its lease, and a pod that is deleted there stays Terminating until the node returns or somebody decides.
type Fault string

// The faults, from the mildest. A node can go on from each to any later one, but for Disk, from which it can only go on
// to those in which it is off. A simulated node cannot have all of them.
const (
	Disk         Fault = "disk"           // real nodes: every access to the volumes fails, all else works
	KubeletStop  Fault = "kubelet-stop"   // real nodes: the kubelet is gone, containers run on
	Unreachable  Fault = "unreachable"    // the kubelet is silent; of a real node the network is cut, containers run on
	PowerOff     Fault = "power-off"      // real nodes: everything on it is killed
	OutOfService Fault = "out-of-service" // it is off, and an operator vouches for that: the taint
	Deleted      Fault = "deleted"        // it is off, and the Node object is gone too
)

// Faults are all of them.
func Faults() []Fault {
	return []Fault{Disk, KubeletStop, Unreachable, PowerOff, OutOfService, Deleted}
}

// simulatedFaults are those that kwok can play.
func simulatedFaults() []Fault { return []Fault{Unreachable, OutOfService, Deleted} }

// isOff says whether nothing runs on a real node with this fault.
func (f Fault) isOff() bool { return f == PowerOff || f == OutOfService || f == Deleted }

// Silences says whether the node becomes NotReady.
func (f Fault) Silences() bool { return f != Disk && f != "" }

// State is what a node with the fault is, for a sentence.
func (f Fault) State() string {
	switch f {
	case Disk:
		return "without its disk"
	case KubeletStop:
		return "without its kubelet"
	case PowerOff:
		return "off"
	case Unreachable, OutOfService, Deleted:
	}
	return string(f)
}

// follows says whether a node that has the fault before can get this one.
func (f Fault) follows(before Fault) bool {
	if before == Disk && !f.isOff() {
		return false
	}
	return slices.Index(Faults(), f) > slices.Index(Faults(), before)
}

func joinFaults(faults []Fault) string {
	names := make([]string, len(faults))
	for i, fault := range faults {
		names[i] = string(fault)
	}
	return strings.Join(names, ", ")
}

var outOfServiceTaint = corev1.Taint{Key: corev1.TaintNodeOutOfService, Value: "nodeshutdown", Effect: corev1.TaintEffectNoExecute}

// FailNode lets a node fail. When it returns, kwok does nothing for the node's lease and pods any more. It does not wait
// for the control plane to notice, see WaitNotReady, but for one case: the out-of-service taint is a statement about a
// machine that is known to be down, so it is set when the node is NotReady and not before.
func (c *Cluster) FailNode(ctx context.Context, name string, fault Fault) error {
	if !slices.Contains(Faults(), fault) {
		return fmt.Errorf("unknown fault %q: one of %s", fault, joinFaults(Faults()))
	}
	if real, err := c.isReal(name); err != nil {
		return err
	} else if real {
		return c.failRealNode(ctx, name, fault)
	}
	node, err := c.simulatedNode(ctx, name)
	if err != nil {
		return err
	}
	if !slices.Contains(simulatedFaults(), fault) {
		return fmt.Errorf("node %s is simulated, nothing runs there: it can be %s", name, joinFaults(simulatedFaults()))
	}
	before := Fault(node.Labels[KubeletLabel])
	if slices.Index(Faults(), before) >= slices.Index(Faults(), fault) {
		return fmt.Errorf("node %s is %s already", name, before)
	}
	if err := c.editNode(ctx, name, func(node *corev1.Node) { node.Labels[KubeletLabel] = string(fault) }); err != nil {
		return err
	}
	if err := c.waitLetGo(ctx, name); err != nil {
		return err
	}
	if before == kubeletRunning && fault != Deleted {
		fmt.Fprintf(c.options.Progress, "The heartbeats of %s have stopped; the control plane notices within %s.\n", name, c.noticedWithin())
	}
	switch fault {
	case OutOfService:
		return c.declareOutOfService(ctx, name)
	case Deleted:
		return c.deleteNode(ctx, name)
	case Disk, KubeletStop, Unreachable, PowerOff:
	}
	return nil
}

func (c *Cluster) declareOutOfService(ctx context.Context, name string) error {
	if err := c.WaitNotReady(ctx, name); err != nil {
		return err
	}
	return c.editNode(ctx, name, func(node *corev1.Node) {
		node.Spec.Taints = append(withoutOutOfService(node.Spec.Taints), outOfServiceTaint)
	})
}

// deleteNode removes the Node object as an administrator would, and remembers it for RecoverNode.
func (c *Cluster) deleteNode(ctx context.Context, name string) error {
	node, err := c.client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("getting node %s: %w", name, err)
	}
	text, err := json.Marshal(node)
	if err != nil {
		return fmt.Errorf("encoding node %s: %w", name, err)
	}
	if err := os.WriteFile(c.layout.lostNode(name), text, 0o600); err != nil {
		return fmt.Errorf("remembering node %s: %w", name, err)
	}
	if err := c.client.CoreV1().Nodes().Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
		return fmt.Errorf("deleting node %s: %w", name, err)
	}
	return nil
}

// RecoverNode brings a failed node back and returns when it is ready. Its pods that are still there run again, those that
// were deleted meanwhile go.
func (c *Cluster) RecoverNode(ctx context.Context, name string) error {
	started := metav1.NowMicro()
	if real, err := c.isReal(name); err != nil {
		return err
	} else if real {
		if err := c.recoverRealNode(ctx, name); err != nil {
			return err
		}
		started = metav1.NowMicro() // a kubelet that ran until now has said that it is ready
	} else if lost, err := c.lostNode(name); err != nil {
		return err
	} else if lost != nil {
		if err := c.recreateNode(ctx, lost); err != nil {
			return err
		}
	} else if err := c.reviveNode(ctx, name); err != nil {
		return err
	}
	return poll(ctx, "node "+name+" to become ready", func(ctx context.Context) error {
		node, err := c.client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if !usable(node) {
			return errors.New("it is not ready")
		}
		// kwok lists the node's pods when it has renewed the lease, not before.
		lease, err := c.client.CoordinationV1().Leases(corev1.NamespaceNodeLease).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if lease.Spec.RenewTime == nil || lease.Spec.RenewTime.Before(&started) {
			return errors.New("its lease is not renewed")
		}
		return nil
	})
}

// reviveNode starts the kubelet of a node that is still known, and takes the taint back in the same write: on a node
// that is ready the taint would go on evicting.
func (c *Cluster) reviveNode(ctx context.Context, name string) error {
	node, err := c.simulatedNode(ctx, name)
	if err != nil {
		return err
	}
	if node.Labels[KubeletLabel] == kubeletRunning {
		return fmt.Errorf("node %s has not failed", name)
	}
	return c.editNode(ctx, name, func(node *corev1.Node) {
		node.Labels[KubeletLabel] = kubeletRunning
		node.Spec.Taints = withoutOutOfService(node.Spec.Taints)
	})
}

// recreateNode registers a deleted node again under its name, with its labels and its size: the same machine, and a new
// UID.
func (c *Cluster) recreateNode(ctx context.Context, lost *corev1.Node) error {
	// The lease belongs to the old UID: if kwok renewed it, the garbage collector would delete it under kwok's hands.
	err := c.client.CoordinationV1().Leases(corev1.NamespaceNodeLease).Delete(ctx, lost.Name, metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("deleting the lease of node %s: %w", lost.Name, err)
	}
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: lost.Name, Labels: lost.Labels},
		Spec:       corev1.NodeSpec{Taints: registered(lost.Spec.Taints)},
		Status:     corev1.NodeStatus{Capacity: lost.Status.Capacity, Allocatable: lost.Status.Allocatable},
	}
	node.Labels[KubeletLabel] = kubeletRunning
	if _, err := c.client.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("creating node %s: %w", lost.Name, err)
	}
	if err := os.Remove(c.layout.lostNode(lost.Name)); err != nil {
		return fmt.Errorf("forgetting the deleted node %s: %w", lost.Name, err)
	}
	return nil
}

// registered are the taints that a node has from its beginning, and not because of its state.
func registered(taints []corev1.Taint) []corev1.Taint {
	return slices.DeleteFunc(slices.Clone(taints), func(taint corev1.Taint) bool {
		return strings.HasPrefix(taint.Key, "node.kubernetes.io/")
	})
}

// WaitNotReady returns when the control plane has noticed that the node failed.
func (c *Cluster) WaitNotReady(ctx context.Context, name string) error {
	return poll(ctx, "node "+name+" to become NotReady", func(ctx context.Context) error {
		node, err := c.client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if isReady(node) {
			return errors.New("it is still ready")
		}
		return nil
	})
}

// noticedWithin is the longest time that the control plane needs to notice a silent node.
func (c *Cluster) noticedWithin() time.Duration { return c.state.NodeGrace + monitorPeriod }

// simulatedNode gets a node, or says in one sentence why there is none to do something with.
func (c *Cluster) simulatedNode(ctx context.Context, name string) (*corev1.Node, error) {
	node, err := c.client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		if lost, _ := c.lostNode(name); lost != nil {
			return nil, fmt.Errorf("node %s is deleted already", name)
		}
		return nil, fmt.Errorf("unknown node %q: 'kubectl get nodes' lists them", name)
	}
	if err != nil {
		return nil, fmt.Errorf("getting node %s: %w", name, err)
	}
	if _, ok := node.Labels[SimulatedLabel]; !ok {
		return nil, fmt.Errorf("node %s is not a simulated one", name)
	}
	return node, nil
}

func (c *Cluster) editNode(ctx context.Context, name string, edit func(*corev1.Node)) error {
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		node, err := c.client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		edit(node)
		_, err = c.client.CoreV1().Nodes().Update(ctx, node, metav1.UpdateOptions{})
		return err
	})
	if err != nil {
		return fmt.Errorf("updating node %s: %w", name, err)
	}
	return nil
}

// lostNode is the node as it was when it was deleted, or nil.
func (c *Cluster) lostNode(name string) (*corev1.Node, error) {
	if name != filepath.Base(name) {
		return nil, nil // not a name that a node can have
	}
	text, err := os.ReadFile(c.layout.lostNode(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the deleted node %s: %w", name, err)
	}
	node := &corev1.Node{}
	if err := json.Unmarshal(text, node); err != nil {
		return nil, fmt.Errorf("reading the deleted node %s: %w", name, err)
	}
	return node, nil
}

func withoutOutOfService(taints []corev1.Taint) []corev1.Taint {
	return slices.DeleteFunc(slices.Clone(taints), func(taint corev1.Taint) bool { return taint.Key == corev1.TaintNodeOutOfService })
}
