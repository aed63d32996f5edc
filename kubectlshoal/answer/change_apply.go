package answer

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/jsonmergepatch"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// kept are fields that others write as well: a file that does not say them leaves them.
var kept = []string{"replicas", "paused"}

// afterApply is the set as `kubectl apply` would make it of the stored one, nil for none, and a file. As kubectl does, it takes away what the file
// had when it was applied last and has no more, and leaves what others wrote. Where that is not known, since it was applied by the server or
// not at all, the file is the whole spec, but for replicas and paused.
func afterApply(stored *v1alpha1.InstanceSet, file *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	file = file.DeepCopy()
	delete(file.Object, "status")
	if stored == nil {
		return file, nil
	}
	was, err := untyped(stored)
	if err != nil {
		return nil, err
	}
	becomes := was.DeepCopy()
	if last := stored.Annotations[corev1.LastAppliedConfigAnnotation]; last != "" {
		var texts [2][]byte
		annotations := file.GetAnnotations()
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations[corev1.LastAppliedConfigAnnotation] = last // as kubectl does: there are always some
		file.SetAnnotations(annotations)
		for i, u := range []*unstructured.Unstructured{file, was} {
			if texts[i], err = u.MarshalJSON(); err != nil {
				return nil, fmt.Errorf("comparing with what was applied last: %w", err)
			}
		}
		text, err := jsonmergepatch.CreateThreeWayJSONMergePatch([]byte(last), texts[0], texts[1])
		var patch map[string]any
		if err == nil {
			err = utiljson.Unmarshal(text, &patch)
		}
		if err != nil {
			return nil, fmt.Errorf("comparing with what was applied last: %w", err)
		}
		mergePatch(becomes.Object, patch)
		return becomes, nil
	}
	spec, _ := file.Object["spec"].(map[string]any)
	old, _ := was.Object["spec"].(map[string]any)
	for _, name := range kept {
		if _, said := spec[name]; !said && old[name] != nil && spec != nil {
			spec[name] = old[name]
		}
	}
	becomes.Object["spec"] = spec
	mergePatch(becomes.Object, map[string]any{"metadata": map[string]any{"labels": stringsOf(file.GetLabels()), "annotations": stringsOf(file.GetAnnotations())}})
	return becomes, nil
}

func stringsOf(all map[string]string) map[string]any {
	out := map[string]any{}
	for key, value := range all {
		out[key] = value
	}
	return out
}

// mergePatch does what a JSON merge patch says (RFC 7386).
func mergePatch(to, patch map[string]any) {
	for key, value := range patch {
		below, isMap := value.(map[string]any)
		switch has, hasMap := to[key].(map[string]any); {
		case value == nil:
			delete(to, key)
		case isMap && hasMap:
			mergePatch(has, below)
		case isMap:
			fresh := map[string]any{}
			mergePatch(fresh, below)
			to[key] = fresh
		default:
			to[key] = value
		}
	}
}

func untyped(set *v1alpha1.InstanceSet) (*unstructured.Unstructured, error) {
	object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(set)
	if err != nil {
		return nil, fmt.Errorf("reading InstanceSet %s: %w", set.Name, err)
	}
	u := &unstructured.Unstructured{Object: object}
	u.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("InstanceSet"))
	return u, nil
}

func typedSet(u *unstructured.Unstructured) (*v1alpha1.InstanceSet, error) {
	set := &v1alpha1.InstanceSet{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, set); err != nil {
		return nil, fmt.Errorf("reading InstanceSet %s: %w", u.GetName(), err)
	}
	return set, nil
}

// fieldChanges are the fields of the set that differ, without those of spec.template and spec.configuration.
func fieldChanges(stored, set *v1alpha1.InstanceSet, refused bool) []FieldChange {
	before, after := leavesOf(stored), leavesOf(set)
	paths := maps.Clone(before)
	maps.Copy(paths, after)
	changes := []FieldChange{}
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		if was, is := before[path], after[path]; was != is {
			effect := effectOf(path)
			if refused {
				effect = "nothing: all is refused"
			}
			changes = append(changes, FieldChange{path, shortValue(was), shortValue(is), effect})
		}
	}
	return changes
}

func shortValue(text string) string {
	const enough = 60
	if len(text) > enough {
		return strings.ToValidUTF8(text[:enough], "") + "..."
	}
	return text
}

// leavesOf are the fields of a set that have a value.
func leavesOf(set *v1alpha1.InstanceSet) map[string]string {
	leaves := map[string]string{}
	u, err := untyped(&v1alpha1.InstanceSet{Spec: set.Spec})
	if err != nil { // it came out of one
		return leaves
	}
	spec, _ := u.Object["spec"].(map[string]any)
	delete(spec, "template")
	delete(spec, "configuration") // a part of the template
	addLeaves(leaves, "spec", spec)
	for key, value := range set.Labels {
		leaves["metadata.labels["+key+"]"] = value
	}
	for key, value := range set.Annotations {
		if key != corev1.LastAppliedConfigAnnotation {
			leaves["metadata.annotations["+key+"]"] = value
		}
	}
	return leaves
}

func addLeaves(to map[string]string, path string, value any) {
	switch value := value.(type) {
	case map[string]any:
		for key, below := range value {
			addLeaves(to, path+"."+key, below)
		}
	case []any:
		names := namesIn(value)
		for n, below := range value {
			if fields, ok := below.(map[string]any); ok && names != nil {
				delete(fields, "name") // the path has it
				addLeaves(to, path+"["+names[n]+"]", below)
			}
		}
		if names == nil {
			text, _ := json.Marshal(value) // it came out of JSON
			to[path] = string(text)
		}
	case nil:
	default:
		to[path] = fmt.Sprint(value)
	}
}

// namesIn are the names of a list's entries, nil if not all have one of their own.
func namesIn(list []any) []string {
	var names []string
	for _, entry := range list {
		fields, _ := entry.(map[string]any)
		name, _ := fields["name"].(string)
		meta, _ := fields["metadata"].(map[string]any)
		inMeta, _ := meta["name"].(string)
		if name = cmp.Or(name, inMeta); name == "" || slices.Contains(names, name) {
			return nil
		}
		names = append(names, name)
	}
	return names
}

const growth = "volumes of instances that run grow to it, and never shrink"

// effects say what comes of the change of a field, by how its path begins; the first that fits counts.
var effects = []struct{ path, effect string }{
	{"spec.replicas", "which instances there are"}, {"spec.ordinals", "which instances there are"},
	{"spec.offlineInstances", "which instances have a pod"},
	{"spec.volumeClaimTemplates", growth}, {"spec.templates", "see the instances below"}, {"spec.redis", "see the instances below"}, {"spec.role", "see the instances below"},
	{"spec.rebuild.port", "see the instances below"},
	{"spec.updateStrategy", "how updates go from now on"}, {"spec.minReadySeconds", "how updates go from now on"},
	{"spec.paused", "whether anything is written to pods and claims"},
	{"spec.placement", "where new pods may go; none is moved"},
	{"metadata.labels[" + v1alpha1.LabelCluster, "new pods; those that run keep theirs"},
	{"metadata.labels[" + v1alpha1.LabelComponent, "new pods; those that run keep theirs"},
}

func effectOf(path string) string {
	if strings.HasPrefix(path, "spec.templates[") && strings.Contains(path, "].volumes[") {
		return growth
	}
	for _, e := range effects {
		if strings.HasPrefix(path, e.path) {
			return e.effect
		}
	}
	return "the set alone: no pod is touched"
}
