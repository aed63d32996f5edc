package roles

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/podspec"
)

// shared are objects of the cache itself: nothing here changes them.
var shared = client.UnsafeDisableDeepCopy

// shardKey is one shard of a set, as its label shoal.dev/shard calls it.
type shardKey struct {
	namespace, set, shard string
}

func (k shardKey) owner() types.NamespacedName {
	return types.NamespacedName{Namespace: k.namespace, Name: k.set}
}

// String is for logs.
func (k shardKey) String() string { return k.namespace + "/" + k.shard }

// index is the shard's number, false if the label is none of the set's.
func (k shardKey) index() (int32, bool) {
	number, ok := strings.CutPrefix(k.shard, k.set+"-")
	n, err := strconv.ParseInt(number, 10, 32)
	return int32(n), ok && err == nil && n >= 0 && podspec.Name(k.set, int32(n)) == k.shard
}

// names are those that pods of the shard can have.
func (k shardKey) names(set *v1alpha1.InstanceSet) []string {
	index, ok := k.index()
	if !ok || set.Spec.ShardSize == nil {
		return nil
	}
	var all []string
	for n := range *set.Spec.ShardSize {
		all = append(all, podspec.Name(k.set, index**set.Spec.ShardSize+n))
	}
	return all
}

// shardOf is the shard whose labels a pod carries, whoever made the pod: the Services of roles select by them.
func shardOf(pod client.Object) (shardKey, bool) {
	k := shardKey{pod.GetNamespace(), pod.GetLabels()[v1alpha1.LabelInstanceSet], pod.GetLabels()[v1alpha1.LabelShard]}
	_, ok := k.index()
	return k, ok && k.set != ""
}

// instance reports whether a pod is one of the set's own in the shard. Labels alone do not say so: who may create pods can write
// them, a set that was deleted with --cascade=orphan leaves such pods, and other kinds are called InstanceSet too.
func (k shardKey) instance(set *v1alpha1.InstanceSet, pod client.Object) bool {
	return owns(set, pod) && slices.Contains(k.names(set), pod.GetName())
}

func owns(set *v1alpha1.InstanceSet, pod client.Object) bool {
	owner := metav1.GetControllerOfNoCopy(pod)
	if owner == nil || owner.UID != set.UID || owner.Kind != "InstanceSet" {
		return false
	}
	version, err := schema.ParseGroupVersion(owner.APIVersion)
	return err == nil && version.Group == v1alpha1.GroupName
}

// Indexes of the cache. Their names are this room's own.
const (
	podsByShard = "roles/shard" // <set>/<shard>, of pods with these labels
	podsByNode  = "roles/node"  // the same pods, by spec.nodeName
	podsBySet   = "roles/set"   // and by set
)

// Indexes adds the indexes that the controllers read by.
func Indexes(ctx context.Context, indexer client.FieldIndexer) error {
	ours := func(key func(*corev1.Pod, shardKey) string) client.IndexerFunc {
		return func(o client.Object) []string {
			pod, is := o.(*corev1.Pod)
			shard, ok := shardOf(o)
			if text := ""; is && ok {
				if text = key(pod, shard); text != "" {
					return []string{text}
				}
			}
			return nil
		}
	}
	for name, key := range map[string]func(*corev1.Pod, shardKey) string{
		podsByShard: func(_ *corev1.Pod, k shardKey) string { return k.set + "/" + k.shard },
		podsByNode:  func(pod *corev1.Pod, _ shardKey) string { return pod.Spec.NodeName },
		podsBySet:   func(_ *corev1.Pod, k shardKey) string { return k.set },
	} {
		if err := indexer.IndexField(ctx, &corev1.Pod{}, name, ours(key)); err != nil {
			return err
		}
	}
	return nil
}

// InstancesOf are the pods of a shard that its set controls, by name. Their names are those that instances of the shard can
// have; other pods with its labels are not among them. They are those of the cache itself: nothing may change them.
func InstancesOf(ctx context.Context, cache client.Reader, set *v1alpha1.InstanceSet, shard string) ([]*corev1.Pod, error) {
	k := shardKey{set.Namespace, set.Name, shard}
	var list corev1.PodList
	if err := cache.List(ctx, &list, client.InNamespace(set.Namespace), client.MatchingFields{podsByShard: set.Name + "/" + shard}, shared); err != nil {
		return nil, fmt.Errorf("listing the pods of %s: %w", k, err)
	}
	var pods []*corev1.Pod
	for n := range list.Items {
		if pod := &list.Items[n]; k.instance(set, pod) {
			pods = append(pods, pod)
		}
	}
	slices.SortFunc(pods, func(a, b *corev1.Pod) int { return cmp.Compare(a.Name, b.Name) })
	return pods, nil
}
