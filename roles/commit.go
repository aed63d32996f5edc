package roles

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/reason"
	"github.com/shoal-dev/shoal/roles/decide"
)

// commit carries out a plan, no further than the first step that fails: each rests on those before. Late says that a pod had
// changed meanwhile, and that the shard is to be decided on anew.
func (r *reconciler) commit(ctx context.Context, set *v1alpha1.InstanceSet, shard shardKey, plan decide.Plan, pods []*corev1.Pod) (late bool, err error) {
	for _, step := range plan.Steps {
		if step.Do == decide.Census {
			err = r.census(ctx, set, shard, pods)
		} else {
			err = r.patch(ctx, shard, step)
		}
		switch {
		case err == nil:
			r.writes.WithLabelValues(string(step.Do), step.Reason.String()).Inc()
			r.tell(ctx, set, step)
		case isLate(err):
			log.FromContext(ctx).V(2).Info("a write of a role came too late", "step", step.String(), "error", err.Error())
			return true, nil
		default:
			r.failures.WithLabelValues(string(step.Do)).Inc()
			return false, fmt.Errorf("%s %s: %w", step.Do, step.Instance, err)
		}
	}
	return false, nil
}

// tell makes an event of what a person would want to know: who got or lost the label master.
func (r *reconciler) tell(ctx context.Context, set *v1alpha1.InstanceSet, step decide.Step) {
	kind := corev1.EventTypeNormal
	switch {
	case step.Reason == reason.StripStranger:
		kind = corev1.EventTypeWarning
	case step.Do != decide.Strip && step.Do != decide.Set:
		return
	}
	log.FromContext(ctx).Info("wrote a role", "instance", step.Instance, "from", string(step.From), "to", string(step.To), "reason", step.Text)
	r.events.Eventf(set, nil, kind, step.Reason.Name(), string(step.Do), "%s: %s", step.Instance, step.Text)
}

type patchBody struct {
	Metadata patchMeta `json:"metadata"`
}

type patchMeta struct {
	UID             string            `json:"uid"`
	ResourceVersion string            `json:"resourceVersion"`
	Labels          map[string]any    `json:"labels,omitempty"`
	Annotations     map[string]string `json:"annotations,omitempty"`
}

// patch writes one pod, if it is the one that was seen and has not changed since.
func (r *reconciler) patch(ctx context.Context, shard shardKey, step decide.Step) error {
	if step.UID == "" || step.Version == "" {
		return errors.New("the step has no preconditions")
	}
	meta := patchMeta{UID: step.UID, ResourceVersion: step.Version}
	switch {
	case step.Do == decide.Confirm:
		// The version makes it another value each time: a write that changes nothing would leave the pod's version.
		meta.Annotations = map[string]string{v1alpha1.AnnotationRoleClaim: step.For + "/" + step.Version}
	case step.To == decide.NoLabel:
		meta.Labels = map[string]any{v1alpha1.LabelRole: nil}
	default:
		meta.Labels = map[string]any{v1alpha1.LabelRole: string(step.To)}
	}
	text, err := json.Marshal(patchBody{meta})
	if err != nil {
		return err
	}
	pod := &corev1.Pod{}
	pod.Namespace, pod.Name = shard.namespace, step.Instance
	err = r.writer.Patch(ctx, pod, client.RawPatch(types.MergePatchType, text))
	switch {
	case apierrors.IsNotFound(err), isOtherUID(err):
		return &lateError{"the pod is gone"}
	case err != nil:
		return err
	}
	r.written.wrote(types.UID(step.UID), pod.ResourceVersion)
	return nil
}

// isOtherUID recognizes how the API server refuses a patch for an object of another UID: as a change of the UID.
func isOtherUID(err error) bool {
	cause, ok := apierrors.StatusCause(err, metav1.CauseTypeFieldValueInvalid)
	return ok && cause.Field == "metadata.uid"
}

// census asks the API server for each pod of the shard that the cache does not show. One that is there was made, and may have
// been labelled, by somebody whom the cache has not caught up with.
func (r *reconciler) census(ctx context.Context, set *v1alpha1.InstanceSet, shard shardKey, pods []*corev1.Pod) error {
	names := shard.names(set)
	if names == nil {
		return errors.New("which pods the shard may have is not known")
	}
	for _, name := range names {
		if slices.ContainsFunc(pods, func(pod *corev1.Pod) bool { return pod.Name == name }) {
			continue
		}
		var pod corev1.Pod
		err := r.live.Get(ctx, types.NamespacedName{Namespace: shard.namespace, Name: name}, &pod)
		if of, labelled := shardOf(&pod); err == nil && labelled && of == shard {
			return &lateError{"the cache does not show pod " + name} // whoever owns it: a Service may select it
		} else if err == nil {
			continue // no Service selects it, and nobody labels it
		}
		if !apierrors.IsNotFound(err) {
			return fmt.Errorf("looking for pod %s: %w", name, err)
		}
	}
	return nil
}
