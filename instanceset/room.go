package instanceset

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/instanceset/decide"
	"github.com/shoal-dev/shoal/slots"
)

// loadRoom reads what is needed to find other nodes for instances on nodes that are cordoned. It is nil where there are none: most of the time.
func (r *reconciler) loadRoom(ctx context.Context, o decide.Objects) (*decide.Room, error) {
	if !slices.ContainsFunc(o.Pods, func(pod *corev1.Pod) bool { return decide.Cordoned(o.Nodes.Get(pod.Spec.NodeName)) }) {
		return nil, nil
	}
	var nodes corev1.NodeList
	if err := r.cache.List(ctx, &nodes, shared); err != nil {
		return nil, fmt.Errorf("listing nodes: %w", err)
	}
	room := &decide.Room{}
	for i := range nodes.Items {
		room.Nodes = append(room.Nodes, &nodes.Items[i])
	}
	room.On = func(node string) ([]*corev1.Pod, error) {
		var pods corev1.PodList
		if err := r.cache.List(ctx, &pods, client.MatchingFields{podsByNode: node}, shared); err != nil {
			return nil, fmt.Errorf("listing the pods on node %s: %w", node, err)
		}
		on := make([]*corev1.Pod, len(pods.Items))
		for i := range pods.Items {
			on[i] = &pods.Items[i]
		}
		return on, nil
	}
	return room, r.loadGroup(ctx, o, room)
}

// loadGroup counts the slots of the placement group that the set is in.
func (r *reconciler) loadGroup(ctx context.Context, o decide.Objects, room *decide.Room) error {
	name, uses := policyOf(o.Set)
	if !uses {
		return nil
	}
	var pods corev1.PodList
	var claims corev1.PersistentVolumeClaimList
	if err := r.cache.List(ctx, &pods, client.InNamespace(o.Set.Namespace), shared); err != nil {
		return fmt.Errorf("listing the pods of the namespace: %w", err)
	}
	if err := r.cache.List(ctx, &claims, client.InNamespace(o.Set.Namespace), shared); err != nil {
		return fmt.Errorf("listing the claims of the namespace: %w", err)
	}
	group := slots.Group{Namespace: o.Set.Namespace, Policy: name}
	world := slots.World{Nodes: o.Nodes, Volume: func(name string) *corev1.PersistentVolume {
		volume := &corev1.PersistentVolume{}
		if found, err := r.find(ctx, client.ObjectKey{Name: name}, volume); err != nil || !found {
			return nil // the claim's annotation stands for it
		}
		return volume
	}}
	for i := range pods.Items {
		pod := &pods.Items[i]
		if of, member := slots.GroupOf(pod.Namespace, pod.Labels); member && of == group {
			world.Pods = append(world.Pods, pod)
		}
	}
	for i := range claims.Items {
		if of, member := slots.GroupOf(o.Set.Namespace, claims.Items[i].Labels); member && of == group {
			world.Claims = append(world.Claims, &claims.Items[i])
		}
	}
	room.Held = slots.Count(world)
	holds := map[slots.Instance]bool{}
	for _, slot := range room.Held {
		holds[slot.Instance] = true
	}
	for _, pod := range world.Pods { // who has a volume on a node waits for that
		if pod.Spec.NodeName == "" && !slots.Ended(pod) && !holds[slots.InstanceOfPod(pod)] {
			room.Queued = append(room.Queued, pod)
		}
	}
	return nil
}
