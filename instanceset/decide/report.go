package decide

import (
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/reason"
)

// Failure is a change that could not be made.
type Failure struct {
	Change  Change
	Reason  reason.Code // ForeignObject or WriteFailed
	Message string
}

// Report is the plan's status with what could not be done: the condition Progressing is False and tells the first failure,
// in the words of the API server. Other instances are not held by it.
func Report(s Snapshot, plan Plan, failures []Failure) v1alpha1.InstanceSetStatus {
	status := plan.Status
	if len(failures) == 0 {
		return status
	}
	first := slices.MinFunc(failures, func(a, b Failure) int { return int(a.Change.Ordinal - b.Change.Ordinal) })
	c := condition(v1alpha1.ConditionProgressing, false, first.Reason, "%s; the first: %s %s: %s",
		count(len(failures), "write")+" failed", first.Change.Kind, first.Change.Object, first.Message)
	c.Message = cut(c.Message, maxMessage)
	c.ObservedGeneration, c.LastTransitionTime = status.ObservedGeneration, metav1.NewTime(s.Now)
	// Compared with what is stored and not with the plan: a set that goes on failing has not changed its state.
	if stored := meta.FindStatusCondition(s.Set.Status.Conditions, c.Type); stored != nil && stored.Status == c.Status {
		c.LastTransitionTime = stored.LastTransitionTime
	}
	status.Conditions = slices.Clone(status.Conditions)
	meta.RemoveStatusCondition(&status.Conditions, c.Type)
	meta.SetStatusCondition(&status.Conditions, c)
	return reportUpdates(s, status, failures)
}

// reportUpdates says which instances and volumes could not be changed in place, and that the update waits for them: they keep their turn.
func reportUpdates(s Snapshot, status v1alpha1.InstanceSetStatus, failures []Failure) v1alpha1.InstanceSetStatus {
	var refused []v1alpha1.InstanceException
	for _, f := range failures {
		if k := f.Change.Kind; k == PatchPod || k == ConfigurePod || k == ImagePod || k == ResizePod || k == GrowClaim {
			refused = append(refused, v1alpha1.InstanceException{
				Ordinal: f.Change.Ordinal, Reason: reason.WriteFailed.String(), Message: cut(f.Message, maxExceptionMessage),
			})
		}
	}
	if len(refused) == 0 {
		return status
	}
	all := refused
	for _, e := range status.Exceptions {
		if !slices.ContainsFunc(refused, func(r v1alpha1.InstanceException) bool { return r.Ordinal == e.Ordinal }) {
			all = append(all, e)
		}
	}
	status.Exceptions = all[:min(len(all), maxExceptions)]
	c := condition(v1alpha1.ConditionUpdating, false, reason.WriteFailed, "%s%d: %s", s.Set.Name+"-", refused[0].Ordinal, refused[0].Message)
	c.Message = cut(c.Message, maxMessage)
	c.ObservedGeneration, c.LastTransitionTime = status.ObservedGeneration, metav1.NewTime(s.Now)
	if stored := meta.FindStatusCondition(s.Set.Status.Conditions, c.Type); stored != nil && stored.Status == c.Status {
		c.LastTransitionTime = stored.LastTransitionTime
	}
	meta.RemoveStatusCondition(&status.Conditions, c.Type)
	meta.SetStatusCondition(&status.Conditions, c)
	return status
}
