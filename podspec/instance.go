package podspec

import (
	"maps"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// Instance says which instance a pod or claim is built for.
type Instance struct {
	Ordinal int32
	// Template is an entry of spec.templates, nil for spec.template as it stands.
	Template *v1alpha1.InstanceTemplate
	// Asked is what the template asked for when its revision was made, nil for what it asks for today. Of Template, only the name
	// counts beside it.
	Asked *Asked
	// Revision of the template, from Revision. It is passed in because it is the same for thousands of instances.
	Revision string
	// Policy names the PlacementPolicy, "" for none.
	Policy string
	// PolicyVersion is the resourceVersion of the policy under which the pod is created.
	PolicyVersion string
	// Agent is what its agent is made of, if the set wants one.
	Agent Agent
	// AgentOf is the instance whose agent it gets (Agent.Like), with this UID; "" for an agent of today.
	AgentOf    string
	AgentOfUID types.UID
	// RebuildGeneration counts how often the instance's data was replaced.
	RebuildGeneration int64
	// TerminalFailures counts the pods of this instance that ended one soon after the other before this one.
	TerminalFailures int
}

// of is the set and the instance for which the objects are built.
func (i Instance) of(set *v1alpha1.InstanceSet) (*v1alpha1.InstanceSet, Instance) {
	if i.Asked == nil {
		return set, i
	}
	if i.Template != nil {
		i.Template = &v1alpha1.InstanceTemplate{Name: i.Template.Name}
	}
	return i.Asked.in(set), i
}

// Name is the name of an instance, of its pod and of its host.
func Name(set string, ordinal int32) string {
	return set + "-" + strconv.Itoa(int(ordinal))
}

// ClaimName is the name of the claim that is made from a volume claim template for an instance.
func ClaimName(template, set string, ordinal int32) string {
	return template + "-" + Name(set, ordinal)
}

// Shard is the index of the shard of an ordinal; false when the set has no shards.
func Shard(set *v1alpha1.InstanceSet, ordinal int32) (int32, bool) {
	if set.Spec.ShardSize == nil {
		return 0, false
	}
	return ordinal / *set.Spec.ShardSize, true
}

// ours are the keys that the controller alone writes. A user's template may not carry them: the controller, which has
// the right to write them, would write what the user must not.
var ours = []string{
	v1alpha1.LabelInstanceSet, v1alpha1.LabelOrdinal, v1alpha1.LabelShard, v1alpha1.LabelTemplate, v1alpha1.LabelRevision,
	v1alpha1.LabelPlacementPolicy, v1alpha1.LabelLost, v1alpha1.LabelRetired, v1alpha1.LabelRole, v1alpha1.LabelMayLeave, v1alpha1.AnnotationRoleClaim,
	v1alpha1.AnnotationPolicyVersion, v1alpha1.AnnotationRebuildGeneration, v1alpha1.AnnotationTerminalFailures,
	v1alpha1.AnnotationRetainedFor, v1alpha1.AnnotationTargetRevision, v1alpha1.AnnotationRestarting,
	v1alpha1.AnnotationConfiguration, v1alpha1.AnnotationRestartMaster,
}

// merge lays the maps over each other, the last one on top, without our keys.
func merge(layers ...map[string]string) map[string]string {
	out := map[string]string{}
	for _, layer := range layers {
		maps.Copy(out, layer)
	}
	for _, key := range ours {
		delete(out, key)
	}
	return out
}

// identity adds the labels that stand on pods and claims alike.
func identity(set *v1alpha1.InstanceSet, i Instance, labels map[string]string) {
	for _, key := range []string{v1alpha1.LabelCluster, v1alpha1.LabelComponent} {
		if value := set.Labels[key]; value != "" {
			labels[key] = value
		}
	}
	labels[v1alpha1.LabelInstanceSet] = set.Name
	labels[v1alpha1.LabelOrdinal] = strconv.Itoa(int(i.Ordinal))
	if shard, ok := Shard(set, i.Ordinal); ok {
		labels[v1alpha1.LabelShard] = Name(set.Name, shard)
	}
	if i.Template != nil {
		labels[v1alpha1.LabelTemplate] = i.Template.Name
	}
	if i.Policy != "" {
		labels[v1alpha1.LabelPlacementPolicy] = i.Policy
	}
}

// Claim builds one claim of an instance. It has no owner: a claim outlives its set unless the retention policy says
// otherwise, and its labels say whose it is.
func Claim(set *v1alpha1.InstanceSet, template *v1alpha1.VolumeClaimTemplate, i Instance) *corev1.PersistentVolumeClaim {
	set, i = i.of(set)
	labels, pod := merge(template.Metadata.Labels), podLabels(set, i.Template)
	for _, key := range []string{v1alpha1.LabelCluster, v1alpha1.LabelComponent} { // the group of a claim is that of its pod
		if value := pod[key]; value != "" {
			labels[key] = value
		}
	}
	identity(set, i, labels)
	annotations := merge(template.Metadata.Annotations)
	annotations[v1alpha1.AnnotationRebuildGeneration] = strconv.FormatInt(i.RebuildGeneration, 10)
	spec := *template.Spec.DeepCopy()
	if i.Template != nil {
		if size, said := storageOf(set, template, i.Template.Name); said {
			spec.Resources.Requests = corev1.ResourceList{corev1.ResourceStorage: size.DeepCopy()}
		}
	}
	return &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{
			Namespace:   set.Namespace,
			Name:        ClaimName(template.Metadata.Name, set.Name, i.Ordinal),
			Labels:      labels,
			Annotations: annotations,
		},
		Spec: spec,
	}
}

// Size is what a claim of an instance asks for; template is the instance's entry in spec.templates, "" for none. It is 0 where the claim
// says nothing.
func Size(set *v1alpha1.InstanceSet, claim *v1alpha1.VolumeClaimTemplate, template string) resource.Quantity {
	size, _ := storageOf(set, claim, template)
	return size
}

// storageOf also tells whether anything is said at all.
func storageOf(set *v1alpha1.InstanceSet, claim *v1alpha1.VolumeClaimTemplate, template string) (size resource.Quantity, said bool) {
	for t := range set.Spec.Templates {
		if set.Spec.Templates[t].Name != template {
			continue
		}
		for _, v := range set.Spec.Templates[t].Volumes {
			if v.Name == claim.Metadata.Name {
				return v.Storage, true
			}
		}
	}
	size, said = claim.Spec.Resources.Requests[corev1.ResourceStorage]
	return size, said
}
