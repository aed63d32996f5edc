package instanceset

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/instanceset/decide"
	"github.com/shoal-dev/shoal/podspec"
	"github.com/shoal-dev/shoal/slots"
)

type decideStatus = v1alpha1.InstanceSetStatus

// foreignError says that the name is taken by an object that the set did not make.
type foreignError struct{ object string }

func (e *foreignError) Error() string { return e.object + " belongs to somebody else" }

// lateError says that the world is ahead of the decision.
type lateError struct{ what string }

func (e *lateError) Error() string { return e.what }

// write carries out one change. What is done already counts as done.
func (w writing) write(ctx context.Context, c decide.Change) error {
	err := w.fences.prove(ctx, c)
	if err == nil {
		err = w.current.prove(ctx, c)
	}
	if err == nil {
		c.Instance.Agent.Like, err = w.agents.like(ctx, c)
	}
	if err == nil {
		err = w.apply(ctx, w.o, c)
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", c.Kind, c.Object, err)
	}
	return nil
}

func (r *reconciler) apply(ctx context.Context, o decide.Objects, c decide.Change) error {
	switch c.Kind {
	case decide.AddFinalizer, decide.RemoveFinalizer:
		return r.writeFinalizer(ctx, o, c)
	case decide.CreateService:
		return r.create(ctx, o, podspec.Service(o.Set), ownedBy(o.Set))
	case decide.CreateBudget:
		return r.create(ctx, o, podspec.Budget(o.Set), ownedBy(o.Set))
	case decide.UpdateBudget:
		return r.restoreBudget(ctx, o)
	case decide.DeleteBudget:
		return r.remove(ctx, o, c, &policyv1.PodDisruptionBudget{})
	case decide.CreatePolicy:
		return r.create(ctx, o, podspec.Policy(o.Set, c.Replicas, c.Shards), ownedBy(o.Set))
	case decide.UpdatePolicy:
		return r.updatePolicy(ctx, o, c)
	case decide.CreateClaim:
		return r.create(ctx, o, podspec.Claim(o.Set, &o.Set.Spec.VolumeClaimTemplates[c.Volumes], c.Instance), claimOf(o.Set, c))
	case decide.CreatePod:
		return r.create(ctx, o, podspec.Pod(o.Set, c.Instance), ownedBy(o.Set))
	case decide.CreateRevision, decide.UpdateRevision, decide.DeleteRevision:
		return r.writeRevision(ctx, o, c)
	case decide.PatchPod, decide.ConfigurePod, decide.ImagePod, decide.ResizePod:
		return r.writePod(ctx, o, c)
	case decide.CreateSwitchover:
		return r.create(ctx, o, switchoverOf(o.Set, c), ownedBy(o.Set))
	case decide.LabelPod, decide.UnlabelPod:
		return r.labelPod(ctx, o, c)
	case decide.LabelClaim:
		return r.labelClaim(ctx, o, c)
	case decide.UnlabelClaim:
		return r.unlabelClaim(ctx, o, c)
	case decide.GrowClaim:
		return r.patch(ctx, o, c, &corev1.PersistentVolumeClaim{}, size(c))
	case decide.RetainVolume:
		return r.patch(ctx, o, c, &corev1.PersistentVolume{}, retention(c))
	case decide.DeleteClaim:
		return r.remove(ctx, o, c, &corev1.PersistentVolumeClaim{})
	case decide.DeletePod:
		return r.remove(ctx, o, c, &corev1.Pod{})
	default:
		return errors.New("no such kind of change")
	}
}

// create makes an object. One that is there already counts as made if ours says that it is the one that we would make.
func (r *reconciler) create(ctx context.Context, o decide.Objects, object client.Object, ours func(client.Object) error) error {
	err := r.writer.Create(ctx, object)
	if apierrors.IsAlreadyExists(err) {
		name := client.ObjectKeyFromObject(object)
		if err := r.live.Get(ctx, name, object); err != nil {
			if apierrors.IsNotFound(err) {
				return &lateError{"it was there and is gone"}
			}
			return err
		}
		if err := ours(object); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	r.own.wrote(setKeyOf(o.Set), object)
	return nil
}

func ownedBy(set *v1alpha1.InstanceSet) func(client.Object) error {
	return func(found client.Object) error {
		if !metav1.IsControlledBy(found, set) {
			return &foreignError{found.GetName()}
		}
		if found.GetDeletionTimestamp() != nil {
			return &lateError{"the one before is still terminating"}
		}
		return nil
	}
}

// claimOf knows a claim by its labels: claims have no owner. One of another generation, or one that is lost or retired,
// is ours and still not the one on which the pod of this plan rests.
func claimOf(set *v1alpha1.InstanceSet, c decide.Change) func(client.Object) error {
	return func(found client.Object) error {
		has, generation := found.GetLabels(), strconv.FormatInt(c.Instance.RebuildGeneration, 10)
		switch {
		case has[v1alpha1.LabelInstanceSet] != set.Name || has[v1alpha1.LabelOrdinal] != strconv.Itoa(int(c.Ordinal)):
			return &foreignError{"claim " + found.GetName()}
		case found.GetDeletionTimestamp() != nil, has[v1alpha1.LabelLost] != "", has[v1alpha1.LabelRetired] != "",
			found.GetAnnotations()[v1alpha1.AnnotationRebuildGeneration] != generation:
			return &lateError{"there is another claim of that name"}
		}
		return nil
	}
}

// patch sends a JSON merge patch with the UID, and with the version where the decision rests on the content: the API
// server refuses it for any other object.
func (r *reconciler) patch(ctx context.Context, o decide.Objects, c decide.Change, object client.Object, body patchBody) error {
	body.Metadata.UID, body.Metadata.ResourceVersion = c.UID, c.Version
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	object.SetName(c.Object)
	if _, clusterWide := object.(*corev1.PersistentVolume); !clusterWide {
		object.SetNamespace(o.Set.Namespace)
	}
	err = r.writer.Patch(ctx, object, client.RawPatch(types.MergePatchType, text))
	switch {
	case apierrors.IsNotFound(err), isOtherUID(err):
		return &lateError{"it is gone"}
	case err != nil:
		return err
	}
	r.own.wrote(setKeyOf(o.Set), object)
	return nil
}

// unlabelClaim gives a claim its slot back, if the pod is still there for whose sake it is. When that goes, the scheduler asks whether the
// claim is still retired, and gives the slot away if it is: with a pod that went before, there would be one slot too many.
//
// A look at the pod alone leaves a moment until the write. So the claim is marked as returning first, and the pod is looked for
// after that. A claim so marked keeps the place of a pod that goes: a pod that went before the mark is not found, and with one that goes
// after it the place is not given away. Each write is on the version that the one before has made, so that of two managers, one
// of which was suspended in between, one alone gets through. If nobody finishes what was begun, the next decision takes the mark
// back (decide.stopReturning).
func (r *reconciler) unlabelClaim(ctx context.Context, o decide.Objects, c decide.Change) error {
	if err := r.refused.lately(c.UID, r.now()); err != nil {
		return err
	}
	err := r.giveBack(ctx, o, c)
	r.refused.note(c.UID, err, r.now())
	return err
}

// labelClaim labels a claim. Where the API server refuses to have its template written, that is not asked for again at once: nothing waits for it.
func (r *reconciler) labelClaim(ctx context.Context, o decide.Objects, c decide.Change) error {
	if err := r.refused.lately(c.UID, r.now()); err != nil && keepsTemplate(c) {
		return err
	}
	err := r.patch(ctx, o, c, &corev1.PersistentVolumeClaim{}, labels(c, c.Value))
	if keepsTemplate(c) {
		r.refused.note(c.UID, err, r.now())
	}
	return err
}

func (r *reconciler) giveBack(ctx context.Context, o decide.Objects, c decide.Change) error {
	var claim corev1.PersistentVolumeClaim
	if err := r.patch(ctx, o, c, &claim, labels(c, v1alpha1.ReturningValue)); err != nil {
		return err
	}
	c.Version = claim.ResourceVersion
	if err := r.podIsThere(ctx, o, c); err != nil {
		return err
	}
	return r.patch(ctx, o, c, &corev1.PersistentVolumeClaim{}, labels(c, nil))
}

// podIsThere asks the API server for the pod of the change: the cache may have it still.
func (r *reconciler) podIsThere(ctx context.Context, o decide.Objects, c decide.Change) error {
	var pod corev1.Pod
	switch err := r.live.Get(ctx, types.NamespacedName{Namespace: o.Set.Namespace, Name: c.Pod}, &pod); {
	case apierrors.IsNotFound(err):
		return &lateError{"its pod is gone"}
	case err != nil:
		return fmt.Errorf("looking whether pod %s is there: %w", c.Pod, err)
	case pod.UID != c.PodUID:
		return &lateError{"its pod is another one now"}
	case slots.Ended(&pod):
		return &lateError{"its pod has ended"}
	case pod.Spec.NodeName == "", slots.Lost(pod.Labels, nil):
		return &lateError{"its pod holds no place"}
	}
	return nil
}

// isOtherUID recognizes how the API server refuses a patch for an object of another UID: as a change of the UID.
func isOtherUID(err error) bool {
	cause, ok := apierrors.StatusCause(err, metav1.CauseTypeFieldValueInvalid)
	return ok && cause.Field == "metadata.uid"
}

type patchBody struct {
	Metadata patchMeta  `json:"metadata"`
	Spec     *patchSpec `json:"spec,omitempty"`
}

type patchMeta struct {
	UID             types.UID         `json:"uid,omitempty"`
	ResourceVersion string            `json:"resourceVersion,omitempty"`
	Labels          map[string]any    `json:"labels,omitempty"`
	Annotations     map[string]string `json:"annotations,omitempty"`
}

type patchSpec struct {
	ReclaimPolicy corev1.PersistentVolumeReclaimPolicy `json:"persistentVolumeReclaimPolicy,omitempty"`
	Resources     *patchResources                      `json:"resources,omitempty"`
}

type patchResources struct {
	Requests map[corev1.ResourceName]string `json:"requests"`
}

func (r *reconciler) labelPod(ctx context.Context, o decide.Objects, c decide.Change) error {
	if c.Kind == decide.UnlabelPod {
		return r.patch(ctx, o, c, &corev1.Pod{}, labels(c, nil))
	}
	return r.patch(ctx, o, c, &corev1.Pod{}, labels(c, c.Value))
}

func labels(c decide.Change, value any) patchBody {
	return patchBody{Metadata: patchMeta{Labels: map[string]any{c.Label: value}}}
}

func retention(c decide.Change) patchBody {
	return patchBody{
		Metadata: patchMeta{Annotations: map[string]string{
			v1alpha1.AnnotationRetainedFor:       c.RetainedFor,
			v1alpha1.AnnotationRebuildGeneration: strconv.FormatInt(c.Generation, 10),
		}},
		Spec: &patchSpec{ReclaimPolicy: corev1.PersistentVolumeReclaimRetain},
	}
}

func size(c decide.Change) patchBody {
	return patchBody{Spec: &patchSpec{Resources: &patchResources{map[corev1.ResourceName]string{corev1.ResourceStorage: c.Size}}}}
}

// remove deletes the object with the UID that was decided upon, and no other one of its name.
func (r *reconciler) remove(ctx context.Context, o decide.Objects, c decide.Change, object client.Object) error {
	object.SetNamespace(o.Set.Namespace)
	object.SetName(c.Object)
	preconditions := client.Preconditions{UID: &c.UID}
	if c.Version != "" {
		preconditions.ResourceVersion = &c.Version
	}
	options := []client.DeleteOption{preconditions}
	if c.Force {
		options = append(options, client.GracePeriodSeconds(0))
	}
	if err := r.writer.Delete(ctx, object, options...); client.IgnoreNotFound(err) != nil {
		return err
	}
	r.own.removed(setKeyOf(o.Set), object, c.UID)
	return nil
}

func (r *reconciler) updatePolicy(ctx context.Context, o decide.Objects, c decide.Change) error {
	if o.Policy == nil {
		return &lateError{"the policy is gone"}
	}
	policy := o.Policy.DeepCopy()
	policy.Spec = podspec.Policy(o.Set, c.Replicas, c.Shards).Spec
	lock := client.MergeFromWithOptions(o.Policy, client.MergeFromWithOptimisticLock{})
	if err := r.writer.Patch(ctx, policy, lock); err != nil {
		if apierrors.IsNotFound(err) {
			return &lateError{"the policy is gone"}
		}
		return err
	}
	r.own.wrote(setKeyOf(o.Set), policy)
	return nil
}

// restoreBudget writes onto the version that was seen: what has changed since is looked at anew.
func (r *reconciler) restoreBudget(ctx context.Context, o decide.Objects) error {
	if o.Budget == nil {
		return &lateError{"the budget is gone"}
	}
	budget := o.Budget.DeepCopy()
	budget.Spec = podspec.Budget(o.Set).Spec
	err := r.writer.Patch(ctx, budget, client.MergeFromWithOptions(o.Budget, client.MergeFromWithOptimisticLock{}))
	if apierrors.IsNotFound(err) {
		return &lateError{"the budget is gone"}
	}
	if err == nil {
		r.own.wrote(setKeyOf(o.Set), budget)
	}
	return err
}

func (r *reconciler) writeFinalizer(ctx context.Context, o decide.Objects, c decide.Change) error {
	set := o.Set.DeepCopy()
	if c.Kind == decide.AddFinalizer {
		controllerutil.AddFinalizer(set, v1alpha1.Finalizer)
	} else {
		controllerutil.RemoveFinalizer(set, v1alpha1.Finalizer)
	}
	if slices.Equal(set.Finalizers, o.Set.Finalizers) {
		return nil
	}
	err := r.writer.Patch(ctx, set, client.MergeFromWithOptions(o.Set, client.MergeFromWithOptimisticLock{}))
	if client.IgnoreNotFound(err) != nil {
		return err
	}
	if err == nil && c.Kind == decide.AddFinalizer {
		r.own.wrote(setKeyOf(o.Set), set)
	}
	return nil
}
