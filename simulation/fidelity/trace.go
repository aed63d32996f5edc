package fidelity

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// Trace is a small cluster, and what happens in it, one after the other: a pod is created when the one before it is placed
// or refused.
type Trace struct {
	Nodes    []*corev1.Node
	Policies []*v1alpha1.PlacementPolicy
	Claims   []Claim
	Moves    []Move
}

// Claim is a claim that is there before the first pod.
type Claim struct {
	*corev1.PersistentVolumeClaim
	// Volume is what it is bound to: a local volume of some node. Nil for a claim that waits for its first consumer.
	Volume *corev1.PersistentVolume
}

// Move is one thing that happens. A pod is deleted before it is created again.
type Move struct {
	Verb string // place, return, lost, retired or renew
	Pod  *corev1.Pod
}

const (
	place  = "place"   // the pod is created
	back   = "return"  // it is deleted and created again: it comes back to its claim
	lost   = "lost"    // its claim is declared lost; then it is deleted and created again
	retire = "retired" // it is deleted, and its claim retired
	renew  = "renew"   // pod and claim are deleted and created again: it may go anywhere
)

// WithVolumes reports whether a pod of the trace has one.
func (t *Trace) WithVolumes() bool { return len(t.Claims) > 0 }

// Ground is where traces are placed: a real cluster, or a simulated one.
type Ground interface {
	// AddNode adds a node that is Ready.
	AddNode(ctx context.Context, n *corev1.Node) error
	// AddVolume adds a claim that is bound to a volume.
	AddVolume(ctx context.Context, c *corev1.PersistentVolumeClaim, v *corev1.PersistentVolume) error
	Create(ctx context.Context, o client.Object) error
	// Label labels an object, as the manager.
	Label(ctx context.Context, o client.Object, key string) error
	// Remove deletes an object without grace, and returns when it is gone.
	Remove(ctx context.Context, o client.Object) error
	// Settle returns when the scheduler has seen what was done.
	Settle(ctx context.Context) error
	// Look returns the pod as it is; time passes from one look to the next.
	Look(ctx context.Context, name string) (*corev1.Pod, error)
}

// Bindings places a trace, and returns where the pod of each move went: a line "pod node", and "pod -" for one that was
// refused.
func (t *Trace) Bindings(ctx context.Context, g Ground) ([]string, error) {
	if err := t.begin(ctx, g); err != nil {
		return nil, err
	}
	var out []string
	for n, m := range t.Moves {
		placed, err := t.move(ctx, g, m)
		if err != nil {
			return nil, fmt.Errorf("move %d, %s %s: %w", n+1, m.Verb, m.Pod.Name, err)
		}
		if placed != "" {
			out = append(out, placed)
		}
	}
	return out, nil
}

func (t *Trace) begin(ctx context.Context, g Ground) error {
	var errs []error
	for _, n := range t.Nodes {
		errs = append(errs, g.AddNode(ctx, n.DeepCopy()))
	}
	for _, p := range t.Policies {
		errs = append(errs, g.Create(ctx, p.DeepCopy()))
	}
	for _, c := range t.Claims {
		if c.Volume != nil {
			errs = append(errs, g.AddVolume(ctx, c.DeepCopy(), c.Volume.DeepCopy()))
		} else {
			errs = append(errs, g.Create(ctx, c.DeepCopy()))
		}
	}
	return errors.Join(append(errs, g.Settle(ctx))...)
}

// move does one thing, and says where the pod is, if there is one afterwards.
func (t *Trace) move(ctx context.Context, g Ground, m Move) (string, error) {
	claim := t.claimOf(m.Pod)
	var errs []error
	if m.Verb == lost {
		errs = append(errs, g.Label(ctx, claim, v1alpha1.LabelLost))
	}
	if m.Verb != place {
		errs = append(errs, g.Remove(ctx, m.Pod.DeepCopy()))
	}
	switch m.Verb {
	case retire:
		errs = append(errs, g.Label(ctx, claim, v1alpha1.LabelRetired))
	case renew:
		errs = append(errs, g.Remove(ctx, claim.DeepCopy()), g.Create(ctx, claim))
	}
	if m.Verb != place {
		errs = append(errs, g.Settle(ctx))
	}
	if err := errors.Join(errs...); err != nil || m.Verb == retire {
		return "", err
	}
	if err := g.Create(ctx, m.Pod.DeepCopy()); err != nil {
		return "", err
	}
	node, err := awaitPlace(ctx, g, m.Pod)
	return m.Pod.Name + " " + node, err
}

// claimOf is the claim of a pod as it is made anew: bound to nothing.
func (t *Trace) claimOf(pod *corev1.Pod) *corev1.PersistentVolumeClaim {
	for _, c := range t.Claims {
		if c.Name == "data-"+pod.Name {
			fresh := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: c.Namespace, Name: c.Name, Labels: c.Labels}}
			fresh.Spec = *c.Spec.DeepCopy()
			fresh.Spec.VolumeName, fresh.Spec.StorageClassName = "", ptr.To(class)
			return fresh.DeepCopy()
		}
	}
	return nil
}

const (
	// patience is how long a pod that was refused may still be placed, in looks.
	patience = 15
	// tooLong is how many looks a scheduler may take to say anything.
	tooLong = 6000
	// look is the time between two looks.
	look = 10 * time.Millisecond
)

// awaitPlace is where a pod is placed; one that is refused is deleted.
func awaitPlace(ctx context.Context, g Ground, pod *corev1.Pod) (string, error) {
	for refused, looks := 0, 0; refused < patience; looks++ {
		now, err := g.Look(ctx, pod.Name)
		switch {
		case err != nil:
			return "", err
		case now.Spec.NodeName != "":
			return now.Spec.NodeName, nil
		case looks > tooLong:
			return "", errors.New("nobody looks at the pod")
		}
		for _, c := range now.Status.Conditions {
			if c.Type == corev1.PodScheduled {
				refused++
			}
		}
	}
	return "-", g.Remove(ctx, pod.DeepCopy())
}
