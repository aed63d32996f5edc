package policy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/slots"
)

// load reads one policy's world from the cache.
func (r *reconciler) load(ctx context.Context, p *v1alpha1.PlacementPolicy) (snapshot, error) {
	s := snapshot{policy: p, now: metav1.Now()}
	var nodes corev1.NodeList
	var pods corev1.PodList
	var claims corev1.PersistentVolumeClaimList
	inGroup := []client.ListOption{client.InNamespace(p.Namespace), client.MatchingFields{byGroup: p.Name}, client.UnsafeDisableDeepCopy}
	if err := errors.Join(
		r.client.List(ctx, &nodes, client.UnsafeDisableDeepCopy),
		r.client.List(ctx, &pods, inGroup...),
		r.client.List(ctx, &claims, inGroup...),
	); err != nil {
		return s, fmt.Errorf("reading the cache: %w", err)
	}
	var err error
	if s.requested, err = r.requested.perNode(ctx, r.client); err != nil {
		return s, err
	}
	for i := range nodes.Items {
		s.nodes = append(s.nodes, &nodes.Items[i])
	}
	for i := range pods.Items {
		s.world.Pods = append(s.world.Pods, &pods.Items[i])
	}
	for i := range claims.Items {
		s.world.Claims = append(s.world.Claims, &claims.Items[i])
	}
	if err := r.unlabelled(ctx, &s); err != nil {
		return s, err
	}
	s.world.Nodes = slots.NewNodeMap(s.nodes)
	s.world.Volume = func(name string) *corev1.PersistentVolume {
		volume := &corev1.PersistentVolume{}
		if err := r.client.Get(ctx, client.ObjectKey{Name: name}, volume); err != nil {
			return nil // not in the cache yet; the claim's annotation stands for it
		}
		return volume
	}
	return s, r.sumTargets(ctx, &s)
}

// unlabelled adds the claims that belong to the group because its pods mount them, as those of a StatefulSet may.
func (r *reconciler) unlabelled(ctx context.Context, s *snapshot) error {
	known := make(map[string]bool, len(s.world.Claims))
	for _, claim := range s.world.Claims {
		known[claim.Name] = true
	}
	for _, pod := range s.world.Pods {
		for _, name := range slots.ClaimNames(pod) {
			if known[name] {
				continue
			}
			known[name] = true
			claim := &corev1.PersistentVolumeClaim{}
			err := r.client.Get(ctx, client.ObjectKey{Namespace: pod.Namespace, Name: name}, claim)
			if apierrors.IsNotFound(err) {
				continue // it will come with an event of its pod
			}
			if err != nil {
				return fmt.Errorf("reading the cache: %w", err)
			}
			if _, labelled := slots.GroupOf(claim.Namespace, claim.Labels); !labelled {
				s.world.Claims = append(s.world.Claims, claim)
			}
		}
	}
	return nil
}

func (r *reconciler) sumTargets(ctx context.Context, s *snapshot) error {
	for _, ref := range s.policy.Spec.ScaleTargetRefs {
		count, err := r.countOf(ctx, s.policy.Namespace, ref)
		switch {
		case apierrors.IsNotFound(err):
			s.missing = append(s.missing, ref.Kind+" "+ref.Name)
		case err != nil:
			return fmt.Errorf("reading %s %s: %w", ref.Kind, ref.Name, err)
		default:
			s.targets = append(s.targets, count)
		}
	}
	slices.Sort(s.missing)
	return nil
}

// countOf is what a scale target wants, and in which generation it does.
func (r *reconciler) countOf(ctx context.Context, namespace string, ref v1alpha1.ScaleTargetRef) (v1alpha1.ScaleTargetCount, error) {
	key := client.ObjectKey{Namespace: namespace, Name: ref.Name}
	count := v1alpha1.ScaleTargetCount{Kind: ref.Kind, Name: ref.Name}
	if ref.Kind == "StatefulSet" {
		var set appsv1.StatefulSet
		if err := r.client.Get(ctx, key, &set); err != nil {
			return count, err
		}
		count.Replicas, count.ObservedGeneration = ptr.Deref(set.Spec.Replicas, 1), set.Generation
		return count, nil
	}
	var set v1alpha1.InstanceSet
	if err := r.client.Get(ctx, key, &set); err != nil {
		return count, err
	}
	count.Replicas, count.ObservedGeneration = ptr.Deref(set.Spec.Replicas, 1), set.Generation
	return count, nil
}

// requested is what the pods of each node ask for. It is summed over all pods of the cluster, so the policies share it.
type requested struct {
	mu     sync.Mutex
	fresh  time.Duration // how long a sum is good for
	summed time.Time
	sum    map[string]slots.Amount
}

func (r *requested) perNode(ctx context.Context, c client.Reader) (map[string]slots.Amount, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.summed) < r.fresh {
		return r.sum, nil
	}
	var pods corev1.PodList
	if err := c.List(ctx, &pods, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("reading the cache: %w", err)
	}
	sum := map[string]slots.Amount{}
	for i := range pods.Items {
		if pod := &pods.Items[i]; pod.Spec.NodeName != "" && pod.Status.Phase != corev1.PodSucceeded && pod.Status.Phase != corev1.PodFailed {
			sum[pod.Spec.NodeName] = sum[pod.Spec.NodeName].Plus(slots.RequestOf(pod))
		}
	}
	r.sum, r.summed = sum, time.Now()
	return sum, nil
}
