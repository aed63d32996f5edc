package snapshot

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// ReadSwitchovers adds the Switchovers of a namespace, or of all of them with "". No answer about places depends on them, and that they may not
// be read stands in Unreadable.
func (c *Cluster) ReadSwitchovers(ctx context.Context, from client.Reader, namespace string) error {
	list := &v1alpha1.SwitchoverList{}
	err := c.read(ctx, from, list, client.InNamespace(namespace))
	switch {
	case err == nil:
		return nil
	case meta.IsNoMatchError(err) || apierrors.IsNotFound(err):
		c.Unreadable = append(c.Unreadable, kindOf(list)+": the CRD is not installed")
	case apierrors.IsForbidden(err):
		c.Unreadable = append(c.Unreadable, kindOf(list)+": you may not list them, so none is shown (the ClusterRole "+Role+" may)")
	default:
		return fmt.Errorf("listing %s: %w", kindOf(list), err)
	}
	return nil
}

// redactedSwitchover keeps who was asked for and what became of it. What a step says beside that may hold the words of an engine.
func redactedSwitchover(o *v1alpha1.Switchover) *v1alpha1.Switchover {
	s := &v1alpha1.Switchover{ObjectMeta: redactedMeta(o.ObjectMeta), Spec: o.Spec, Status: o.Status}
	s.Status.Steps = nil
	for _, step := range o.Status.Steps {
		s.Status.Steps = append(s.Status.Steps, v1alpha1.SwitchoverStep{At: step.At, Do: step.Do, Instance: step.Instance, Reason: step.Reason})
	}
	return s
}
