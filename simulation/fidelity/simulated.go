package fidelity

import (
	"context"
	"errors"
	"reflect"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/simulation"
	"github.com/shoal-dev/shoal/simulation/apiserver"
)

const managerUser = "system:serviceaccount:shoal-system:shoal-manager"

// Simulated is the API server in memory, with the garbage collection of the simulation.
type Simulated struct{ *apiserver.Server }

var _ Server = Simulated{}

func user(as string) string {
	if as == "manager" {
		return managerUser
	}
	return "somebody"
}

// Get reads an object.
func (s Simulated) Get(ctx context.Context, o client.Object) error {
	found, err := s.Server.Get(ctx, client.ObjectKeyFromObject(o), o)
	if err == nil {
		reflect.ValueOf(o).Elem().Set(reflect.ValueOf(found).Elem())
	}
	return err
}

// Create stores a new object.
func (s Simulated) Create(ctx context.Context, as string, o client.Object) error {
	_, err := s.Server.Create(ctx, user(as), o)
	return err
}

// Update replaces an object, or what a subresource shows of it.
func (s Simulated) Update(ctx context.Context, as string, o client.Object, sub string) error {
	_, err := s.Server.Update(ctx, user(as), o, sub)
	return err
}

// Patch changes an object, or what a subresource shows of it.
func (s Simulated) Patch(ctx context.Context, as string, o client.Object, sub string, how types.PatchType, patch []byte) error {
	_, err := s.Server.Patch(ctx, user(as), o, sub, how, patch)
	return err
}

// Scale writes the subresource scale.
func (s Simulated) Scale(ctx context.Context, as string, o client.Object, scale *autoscalingv1.Scale) error {
	_, err := s.Server.Scale(ctx, user(as), o, scale)
	return err
}

// Bind puts a pod onto a node.
func (s Simulated) Bind(ctx context.Context, as string, _ *corev1.Pod, binding *corev1.Binding) error {
	return s.Server.Bind(ctx, user(as), binding)
}

// Delete deletes an object, or begins to.
func (s Simulated) Delete(ctx context.Context, as string, o client.Object, options metav1.DeleteOptions) error {
	return s.Server.Delete(ctx, user(as), o, options)
}

// Collect does one round of what the simulation's garbage collection would do.
func (s Simulated) Collect(ctx context.Context, among []client.Object) error {
	const system = "system:kube-controller-manager"
	var errs []error
	for _, c := range simulation.Chores(among) {
		var err error
		if uid := c.Object.GetUID(); c.Changed != nil {
			_, err = s.Server.Update(ctx, system, c.Changed, "")
		} else {
			err = s.Server.Delete(ctx, system, c.Object, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid}})
		}
		errs = append(errs, client.IgnoreNotFound(err))
	}
	return errors.Join(errs...)
}
