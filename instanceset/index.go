package instanceset

import (
	"context"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/slots"
)

// Indexes of the cache. Their names are this room's own: an index of the same name by another controller would be an
// error.
const (
	podsBySet       = "instanceset/set"      // label, and the name without its ordinal
	podsByNode      = "instanceset/node"     // spec.nodeName
	claimsBySet     = "instanceset/set"      // label, and the name without its ordinal, told apart by a prefix
	claimsByNode    = "instanceset/selected" // the node that the scheduler promised
	volumesKept     = "instanceset/kept"     // <namespace>/<set> for which a rebuild kept the volume
	volumesByHost   = "instanceset/host"     // the one host of a local volume
	nodesByHostname = "instanceset/hostname" // the label kubernetes.io/hostname
	setsByPolicy    = "instanceset/policy"   // the policy that the set uses
	revisionsBySet  = "instanceset/set"      // label
	switchoversOf   = "instanceset/set"      // spec.instanceSet
)

// index is one index of the cache.
type index struct {
	object client.Object
	name   string
	keys   client.IndexerFunc
}

func indexes() []index {
	return []index{
		{&corev1.Pod{}, podsBySet, func(o client.Object) []string {
			return distinct(o.GetLabels()[v1alpha1.LabelInstanceSet], stem(o.GetName()))
		}},
		{&corev1.Pod{}, podsByNode, func(o client.Object) []string {
			return distinct(o.(*corev1.Pod).Spec.NodeName)
		}},
		{&corev1.PersistentVolumeClaim{}, claimsBySet, func(o client.Object) []string {
			keys := []string{stemKey(stem(o.GetName()))}
			if set := o.GetLabels()[v1alpha1.LabelInstanceSet]; set != "" {
				keys = append(keys, labelKey(set))
			}
			return keys
		}},
		{&corev1.PersistentVolumeClaim{}, claimsByNode, func(o client.Object) []string {
			return distinct(o.GetAnnotations()[slots.SelectedNode])
		}},
		{&corev1.PersistentVolume{}, volumesKept, func(o client.Object) []string {
			return distinct(stem(o.GetAnnotations()[v1alpha1.AnnotationRetainedFor]))
		}},
		{&corev1.PersistentVolume{}, volumesByHost, func(o client.Object) []string {
			return distinct(slots.NodeOfVolume(o.(*corev1.PersistentVolume), slots.NodeMap{}))
		}},
		{&corev1.Node{}, nodesByHostname, func(o client.Object) []string {
			return distinct(o.GetLabels()[corev1.LabelHostname])
		}},
		{&appsv1.ControllerRevision{}, revisionsBySet, func(o client.Object) []string {
			return distinct(o.GetLabels()[v1alpha1.LabelInstanceSet])
		}},
		{&v1alpha1.Switchover{}, switchoversOf, func(o client.Object) []string {
			return distinct(o.(*v1alpha1.Switchover).Spec.InstanceSet)
		}},
		{&v1alpha1.InstanceSet{}, setsByPolicy, func(o client.Object) []string {
			name, uses := policyOf(o.(*v1alpha1.InstanceSet))
			if !uses {
				return nil
			}
			return []string{name}
		}},
	}
}

func addIndexes(ctx context.Context, indexer client.FieldIndexer) error {
	for _, i := range indexes() {
		if err := indexer.IndexField(ctx, i.object, i.name, i.keys); err != nil {
			return err
		}
	}
	return nil
}

func labelKey(set string) string { return "label/" + set }

func stemKey(stem string) string { return "name/" + stem }

// stem is a name without "-<digits>" at its end, "" if it has no such end.
func stem(name string) string {
	at := strings.LastIndexByte(name, '-')
	if at <= 0 || at == len(name)-1 || strings.Trim(name[at+1:], "0123456789") != "" {
		return ""
	}
	return name[:at]
}

func distinct(keys ...string) []string {
	var out []string
	for i, key := range keys {
		if key != "" && (i == 0 || key != keys[0]) {
			out = append(out, key)
		}
	}
	return out
}

// setOfVolume is the set for whose instance a rebuild kept the volume.
func setOfVolume(v *corev1.PersistentVolume) (types.NamespacedName, bool) {
	namespace, name, ok := strings.Cut(stem(v.Annotations[v1alpha1.AnnotationRetainedFor]), "/")
	return types.NamespacedName{Namespace: namespace, Name: name}, ok
}
