package instanceset

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	selectors "k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/instanceset/decide"
)

// Revisions is what a cache should keep of ControllerRevisions: those of InstanceSets, which are few among those of the cluster.
func Revisions() cache.ByObject {
	ours, err := selectors.NewRequirement(v1alpha1.LabelInstanceSet, selection.Exists, nil)
	if err != nil { // the label is a constant
		panic(err)
	}
	return cache.ByObject{Label: selectors.NewSelector().Add(*ours)}
}

// loadRevisions finds the history of a set.
func (r *reconciler) loadRevisions(ctx context.Context, set types.NamespacedName) ([]*appsv1.ControllerRevision, error) {
	var list appsv1.ControllerRevisionList
	if err := r.cache.List(ctx, &list, client.InNamespace(set.Namespace), client.MatchingFields{revisionsBySet: set.Name}, shared); err != nil {
		return nil, fmt.Errorf("listing revisions: %w", err)
	}
	var all []*appsv1.ControllerRevision
	for i := range list.Items {
		all = append(all, &list.Items[i])
	}
	return all, nil
}

func (r *reconciler) writeRevision(ctx context.Context, o decide.Objects, c decide.Change) error {
	switch c.Kind {
	case decide.CreateRevision:
		return r.createRevision(ctx, o, c)
	case decide.DeleteRevision:
		return r.remove(ctx, o, c, &appsv1.ControllerRevision{})
	default:
		return r.renumber(ctx, o, c)
	}
}

// namesToTry is how many names a revision may have. The first is taken where a StatefulSet of the same name has one that hashes
// alike, or while that of an earlier set of the name is being collected.
const namesToTry = 5

func (r *reconciler) createRevision(ctx context.Context, o decide.Objects, c decide.Change) error {
	var err error
	for n := range namesToTry {
		revision := &appsv1.ControllerRevision{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: o.Set.Namespace, Name: c.Object,
				Labels:          map[string]string{v1alpha1.LabelInstanceSet: o.Set.Name, v1alpha1.LabelRevision: c.Revision},
				Annotations:     map[string]string{},
				OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(o.Set, v1alpha1.GroupVersion.WithKind("InstanceSet"))},
			},
			Data: runtime.RawExtension{Raw: c.Text}, Revision: c.Number,
		}
		if c.Template != "" {
			revision.Labels[v1alpha1.LabelTemplate] = c.Template
		}
		if cause := causeOf(o.Set); cause != "" {
			revision.Annotations[v1alpha1.AnnotationChangeCause] = cause
		}
		if n > 0 {
			revision.Name += "-" + strconv.Itoa(n)
		}
		if err = r.create(ctx, o, revision, sameRevision(o.Set, c)); !isForeign(err) {
			return err
		}
	}
	return err
}

// maxCause is how much of a change cause is kept, in bytes.
const maxCause = 1024

// causeOf is what a person has said of the change with which the set came, "" for nothing.
func causeOf(set *v1alpha1.InstanceSet) string {
	cause := set.Annotations[v1alpha1.AnnotationChangeCause]
	return strings.ToValidUTF8(cause[:min(len(cause), maxCause)], "")
}

// orNull is a value of a merge patch, which takes away what is null.
func orNull(value string) any {
	if value == "" {
		return nil
	}
	return value
}

// sameRevision knows the revision that would be made: ours, of that template.
func sameRevision(set *v1alpha1.InstanceSet, c decide.Change) func(client.Object) error {
	return func(found client.Object) error {
		revision, ok := found.(*appsv1.ControllerRevision)
		if !ok || !metav1.IsControlledBy(found, set) || revision.Labels[v1alpha1.LabelRevision] != c.Revision || !bytes.Equal(revision.Data.Raw, c.Text) {
			return &foreignError{"revision " + found.GetName()}
		}
		return nil
	}
}

// renumber gives a revision that is asked for again the highest number, and the cause of that. Where nobody has said one, it keeps the one
// that it had.
func (r *reconciler) renumber(ctx context.Context, o decide.Objects, c decide.Change) error {
	meta := map[string]any{"labels": map[string]any{v1alpha1.LabelTemplate: orNull(c.Template)}}
	if cause := causeOf(o.Set); cause != "" {
		meta["annotations"] = map[string]any{v1alpha1.AnnotationChangeCause: cause}
	}
	if c.UID != "" {
		meta["uid"] = c.UID
	}
	text, err := json.Marshal(map[string]any{"metadata": meta, "revision": c.Number})
	if err != nil {
		return err
	}
	revision := &appsv1.ControllerRevision{ObjectMeta: metav1.ObjectMeta{Namespace: o.Set.Namespace, Name: c.Object}}
	err = r.writer.Patch(ctx, revision, client.RawPatch(types.MergePatchType, text))
	switch {
	case apierrors.IsNotFound(err), isOtherUID(err):
		return &lateError{"it is gone"}
	case err != nil:
		return err
	}
	r.own.wrote(setKeyOf(o.Set), revision)
	return nil
}

// writePod changes a pod in place. The cache has parts of it only, so that nothing but the difference is sent, and only for the pod of
// that version. What the API server refuses is not asked for again at once.
func (r *reconciler) writePod(ctx context.Context, o decide.Objects, c decide.Change) error {
	if err := r.refused.lately(c.UID, r.now()); err != nil {
		return err
	}
	if c.Kind == decide.ConfigurePod { // before the write, whose answer may be lost
		r.given.note(c.UID, r.now())
	}
	pod := c.After.DeepCopy()
	difference := client.StrategicMergeFrom(c.Before, client.MergeFromWithOptimisticLock{})
	var err error
	if c.Kind == decide.ResizePod {
		err = r.writer.SubResource("resize").Patch(ctx, pod, difference)
	} else {
		err = r.writer.Patch(ctx, pod, difference)
	}
	if apierrors.IsNotFound(err) {
		err = &lateError{"it is gone"}
	}
	r.refused.note(c.UID, err, r.now())
	if err != nil {
		return err
	}
	r.own.wrote(setKeyOf(o.Set), pod)
	return nil
}
