package roles

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/podspec"
	"github.com/shoal-dev/shoal/reason"
)

// maxServices is how many shards of a set have Services. The schema says so too, and counts full shards.
const maxServices = 100

// services makes those that roles ask for in each shard, brings those that differ back, and removes those that none asks for any
// more.
func (r *setReconciler) services(ctx context.Context, set *v1alpha1.InstanceSet, shards map[string]bool) error {
	wanted := r.wanted(set, shards)
	var list corev1.ServiceList
	if err := r.cache.List(ctx, &list, client.InNamespace(set.Namespace), client.MatchingLabels{v1alpha1.LabelInstanceSet: set.Name}, client.HasLabels{v1alpha1.LabelRole}); err != nil {
		return fmt.Errorf("listing services: %w", err)
	}
	var errs []error
	for n := range list.Items {
		found := &list.Items[n]
		if !metav1.IsControlledBy(found, set) {
			continue
		}
		if want := wanted[found.Name]; want != nil {
			errs = append(errs, r.repair(ctx, found, want))
			delete(wanted, found.Name)
			continue
		}
		if err := r.writer.Delete(ctx, found, client.Preconditions{UID: &found.UID}); client.IgnoreNotFound(err) != nil && !apierrors.IsConflict(err) {
			errs = append(errs, fmt.Errorf("deleting service %s: %w", found.Name, err))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		errs = append(errs, r.create(ctx, set, wanted[name]))
	}
	return errors.Join(errs...)
}

// wanted are the Services that the set should have, by name. Without a port there can be none; those that are there lead nowhere.
func (r *setReconciler) wanted(set *v1alpha1.InstanceSet, shards map[string]bool) map[string]*corev1.Service {
	wanted := map[string]*corev1.Service{}
	asked := slices.ContainsFunc(set.Spec.Roles, func(role v1alpha1.InstanceRole) bool { return role.Service == v1alpha1.RoleServicePerShard })
	switch {
	case !asked:
		return nil
	case len(podspec.ServicePorts(set)) == 0:
		r.events.Eventf(set, nil, corev1.EventTypeWarning, reason.ServiceNeedsPort.Name(), "CreateService", "%s", reason.ServiceNeedsPort.Message())
		return nil
	case len(shards) > maxServices:
		r.events.Eventf(set, nil, corev1.EventTypeWarning, reason.TooManyServices.Name(), "CreateService", "%s", reason.TooManyServices.Message())
	}
	first := slices.SortedFunc(maps.Keys(shards), func(a, b string) int { return number(a, set) - number(b, set) })
	for _, shard := range first[:min(len(first), maxServices)] {
		for _, role := range set.Spec.Roles {
			if role.Service == v1alpha1.RoleServicePerShard {
				s := podspec.RoleService(set, shard, string(role.Name))
				wanted[s.Name] = s
			}
		}
	}
	return wanted
}

func number(shard string, set *v1alpha1.InstanceSet) int {
	index, _ := shardKey{set.Namespace, set.Name, shard}.index()
	return int(index)
}

// repair brings a Service back to what the set asks for: the port of the engine may have changed, and a selector that somebody
// else has changed may send writes to a replica. The rest of the Service is its users'.
func (r *setReconciler) repair(ctx context.Context, found, want *corev1.Service) error {
	same := equality.Semantic.DeepEqual(found.Spec.Selector, want.Spec.Selector) &&
		found.Spec.PublishNotReadyAddresses == want.Spec.PublishNotReadyAddresses &&
		slices.EqualFunc(found.Spec.Ports, want.Spec.Ports, func(a, b corev1.ServicePort) bool {
			return a.Name == b.Name && a.Port == b.Port && a.TargetPort == b.TargetPort && a.Protocol == b.Protocol
		})
	if same {
		return nil
	}
	after := found.DeepCopy()
	after.Spec.Selector, after.Spec.Ports = want.Spec.Selector, want.Spec.Ports
	after.Spec.PublishNotReadyAddresses = want.Spec.PublishNotReadyAddresses
	err := r.writer.Patch(ctx, after, client.MergeFromWithOptions(found, client.MergeFromWithOptimisticLock{}))
	if client.IgnoreNotFound(err) != nil && !apierrors.IsConflict(err) { // a newer version raises an event
		return fmt.Errorf("repairing service %s: %w", found.Name, err)
	}
	return nil
}

func (r *setReconciler) create(ctx context.Context, set *v1alpha1.InstanceSet, s *corev1.Service) error {
	err := r.writer.Create(ctx, s)
	if !apierrors.IsAlreadyExists(err) {
		if err != nil {
			err = fmt.Errorf("creating service %s: %w", s.Name, err)
		}
		return err
	}
	var found corev1.Service
	if err := r.cache.Get(ctx, client.ObjectKeyFromObject(s), &found); err != nil {
		return client.IgnoreNotFound(err) // ours, which the cache has yet to show
	}
	if !metav1.IsControlledBy(&found, set) {
		why := reason.ForeignObject.Because("service %s", s.Name)
		r.events.Eventf(set, nil, corev1.EventTypeWarning, reason.ForeignObject.Name(), "CreateService", "%s", why)
	}
	return nil
}
