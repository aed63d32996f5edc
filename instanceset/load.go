package instanceset

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/instanceset/decide"
	"github.com/shoal-dev/shoal/podspec"
)

// shared are objects of the cache itself: nothing here changes them, and copying 10,000 pods for each event would cost
// more than everything else.
var shared = client.UnsafeDisableDeepCopy

// load reads what the cache has of a set: pods and claims by index, volumes by name or by index, nodes when they are
// asked for. Set is nil when there is no such set.
func (r *reconciler) load(ctx context.Context, name types.NamespacedName) (decide.Objects, error) {
	o := decide.Objects{Agent: r.agent, Nodes: &cachedNodes{ctx: ctx, cache: r.cache, byName: map[string]*corev1.Node{}}}
	var set v1alpha1.InstanceSet
	if err := r.cache.Get(ctx, name, &set); err != nil {
		return o, client.IgnoreNotFound(err)
	}
	o.Set = &set
	var service corev1.Service
	found, err := r.find(ctx, name, &service)
	if err != nil {
		return o, err
	}
	if found {
		o.Service = &service
	}
	var budget policyv1.PodDisruptionBudget
	if found, err = r.find(ctx, name, &budget); err != nil {
		return o, err
	}
	if found {
		o.Budget = &budget
	}
	if o.Policy, err = r.loadPolicy(ctx, &set); err != nil {
		return o, err
	}
	if o.Pods, err = r.loadPods(ctx, name); err != nil {
		return o, err
	}
	o.Reports = r.loadReports(&set, o.Pods)
	if o.Claims, err = r.loadClaims(ctx, &set); err != nil {
		return o, err
	}
	if o.Volumes, err = r.loadVolumes(ctx, &set, o.Claims); err != nil {
		return o, err
	}
	if o.Classes, err = r.loadClasses(ctx, &set, o.Claims); err != nil {
		return o, err
	}
	if o.Switchovers, err = r.loadSwitchovers(ctx, &set); err != nil {
		return o, err
	}
	if o.Room, err = r.loadRoom(ctx, o); err != nil {
		return o, err
	}
	o.Revisions, err = r.loadRevisions(ctx, name)
	return o, err
}

// find is a Get for which "not there" is no error.
func (r *reconciler) find(ctx context.Context, name types.NamespacedName, into client.Object) (bool, error) {
	err := r.cache.Get(ctx, name, into, shared)
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading %T %s: %w", into, name, err)
	}
	return true, nil
}

func (r *reconciler) loadPolicy(ctx context.Context, set *v1alpha1.InstanceSet) (*v1alpha1.PlacementPolicy, error) {
	name, uses := policyOf(set)
	if !uses {
		return nil, nil
	}
	var policy v1alpha1.PlacementPolicy
	found, err := r.find(ctx, types.NamespacedName{Namespace: set.Namespace, Name: name}, &policy)
	if !found {
		return nil, err
	}
	return &policy, nil
}

// policyOf is the name of the policy that the set uses; false when it uses none.
func policyOf(set *v1alpha1.InstanceSet) (string, bool) {
	if set.Spec.PlacementPolicyRef != nil {
		return set.Spec.PlacementPolicyRef.Name, true
	}
	return set.Name, set.Spec.Placement != nil
}

func (r *reconciler) loadPods(ctx context.Context, set types.NamespacedName) ([]*corev1.Pod, error) {
	pods, err := r.podsOf(ctx, set)
	if err != nil {
		return nil, fmt.Errorf("listing pods: %w", err)
	}
	return pods, nil
}

// loadClaims finds those that carry the set's label, and those of others that have the name of one of ours.
func (r *reconciler) loadClaims(ctx context.Context, set *v1alpha1.InstanceSet) ([]*corev1.PersistentVolumeClaim, error) {
	keys := []string{labelKey(set.Name)}
	for _, t := range set.Spec.VolumeClaimTemplates {
		keys = append(keys, stemKey(t.Metadata.Name+"-"+set.Name))
	}
	var claims []*corev1.PersistentVolumeClaim
	known := map[types.UID]bool{}
	for _, key := range keys {
		found, err := r.claimsBy(ctx, set, key)
		if err != nil {
			return nil, fmt.Errorf("listing claims: %w", err)
		}
		for _, claim := range found {
			if !known[claim.UID] {
				known[claim.UID] = true
				claims = append(claims, claim)
			}
		}
	}
	return claims, nil
}

// loadClasses finds the StorageClasses of claims that ask for less than their template does. Most sets have none.
func (r *reconciler) loadClasses(ctx context.Context, set *v1alpha1.InstanceSet, claims []*corev1.PersistentVolumeClaim) ([]*storagev1.StorageClass, error) {
	var classes []*storagev1.StorageClass
	known := map[string]bool{}
	for _, claim := range claims {
		name := ptr.Deref(claim.Spec.StorageClassName, "")
		if name == "" || known[name] || !smaller(set, claim) {
			continue
		}
		known[name] = true
		class := new(storagev1.StorageClass)
		found, err := r.find(ctx, types.NamespacedName{Name: name}, class)
		if err != nil {
			return nil, err
		}
		if found {
			classes = append(classes, class)
		}
	}
	return classes, nil
}

// smaller reports whether a claim asks for less than any template would have it.
func smaller(set *v1alpha1.InstanceSet, claim *corev1.PersistentVolumeClaim) bool {
	asked := claim.Spec.Resources.Requests[corev1.ResourceStorage]
	for n := range set.Spec.VolumeClaimTemplates {
		volume := &set.Spec.VolumeClaimTemplates[n]
		if stem(claim.Name) != volume.Metadata.Name+"-"+set.Name {
			continue
		}
		if asked.Cmp(podspec.Size(set, volume, "")) < 0 {
			return true
		}
		return slices.ContainsFunc(set.Spec.Templates, func(t v1alpha1.InstanceTemplate) bool { return asked.Cmp(podspec.Size(set, volume, t.Name)) < 0 })
	}
	return false
}

// loadVolumes finds the volumes of the claims, and those that rebuilds have kept for instances of the set.
func (r *reconciler) loadVolumes(ctx context.Context, set *v1alpha1.InstanceSet, claims []*corev1.PersistentVolumeClaim) ([]*corev1.PersistentVolume, error) {
	var list corev1.PersistentVolumeList
	key := types.NamespacedName{Namespace: set.Namespace, Name: set.Name}.String()
	if err := r.cache.List(ctx, &list, client.MatchingFields{volumesKept: key}, shared); err != nil {
		return nil, fmt.Errorf("listing kept volumes: %w", err)
	}
	var volumes []*corev1.PersistentVolume
	known := map[string]bool{}
	for i := range list.Items {
		known[list.Items[i].Name] = true
		volumes = append(volumes, &list.Items[i])
	}
	for _, claim := range claims {
		name := claim.Spec.VolumeName
		if name == "" || known[name] {
			continue
		}
		volume, err := r.volume(ctx, name)
		if err != nil {
			return nil, err
		}
		if volume != nil {
			volumes = append(volumes, volume)
		}
	}
	return volumes, nil
}

// cachedNodes finds nodes for one load, each once.
type cachedNodes struct {
	ctx    context.Context //nolint:containedctx // slots.Nodes has no context, and the value lives as long as one load
	cache  client.Reader
	byName map[string]*corev1.Node
}

// Get returns nil when there is no such node. The cache answers from memory: that a Node is not there is its only error
// once it is synced, and it is not asked before.
func (n *cachedNodes) Get(name string) *corev1.Node {
	node, known := n.byName[name]
	if !known {
		found := new(corev1.Node)
		if err := n.cache.Get(n.ctx, types.NamespacedName{Name: name}, found, shared); err == nil {
			node = found
		}
		n.byName[name] = node
	}
	return node
}

// ByHostname finds the node whose label differs from its name.
func (n *cachedNodes) ByHostname(value string) string {
	var list corev1.NodeList
	if err := n.cache.List(n.ctx, &list, client.MatchingFields{nodesByHostname: value}, shared); err != nil || len(list.Items) == 0 {
		return ""
	}
	return list.Items[0].Name
}
