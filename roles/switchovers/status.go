package switchovers

import (
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/reason"
	"github.com/shoal-dev/shoal/roles/switchovers/decide"
	handing "github.com/shoal-dev/shoal/switchover/decide"
)

// messageOf is the cause with what is known of it.
func messageOf(code reason.Code, text string) string {
	if text == "" {
		return code.Message()
	}
	return cut(text+": "+code.Message(), maxMessage)
}

// maxMessage is what the CRD allows for a step, and more than an event has use for.
const maxMessage = 1000

func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most-3], "") + "..."
}

// set writes the conditions, all with the same cause.
func (r *reconciler) set(s *v1alpha1.Switchover, status *v1alpha1.SwitchoverStatus, code reason.Code, text string, yes string) {
	status.ObservedGeneration = s.Generation
	for _, kind := range []string{v1alpha1.ConditionProgressing, v1alpha1.ConditionComplete, v1alpha1.ConditionFailed} {
		c := metav1.Condition{
			Type: kind, Status: metav1.ConditionFalse, Reason: code.Name(), Message: messageOf(code, text),
			ObservedGeneration: s.Generation, LastTransitionTime: metav1.NewTime(r.now()),
		}
		if kind == yes {
			c.Status = metav1.ConditionTrue
		}
		meta.SetStatusCondition(&status.Conditions, c)
	}
}

func (r *reconciler) waits(s *v1alpha1.Switchover, status *v1alpha1.SwitchoverStatus, v decide.Verdict) {
	yes := ""
	if status.Begun() {
		yes = v1alpha1.ConditionProgressing
	}
	r.set(s, status, v.Code, v.Text, yes)
}

func (r *reconciler) begins(s *v1alpha1.Switchover, status *v1alpha1.SwitchoverStatus, v decide.Verdict) {
	status.From = v.From
	if status.StartedAt == nil {
		now := metav1.NewTime(r.now())
		status.StartedAt = &now
	}
	status.Attempts++
	r.set(s, status, v.Code, v.Text, v1alpha1.ConditionProgressing)
}

func (r *reconciler) ends(s *v1alpha1.Switchover, status *v1alpha1.SwitchoverStatus, end handing.Step, complete bool) {
	now := metav1.NewTime(r.now())
	status.Result, status.CompletedAt = v1alpha1.SwitchoverResult(end.Result), &now
	yes := v1alpha1.ConditionFailed
	if complete {
		yes = v1alpha1.ConditionComplete
	}
	r.set(s, status, end.Code, end.Text, yes)
}

// adds puts steps behind those that are there.
func adds(status *v1alpha1.SwitchoverStatus, steps []v1alpha1.SwitchoverStep, to string) {
	if to != "" {
		status.To = to
	}
	all := append(status.Steps, steps...)
	status.Steps = all[max(0, len(all)-v1alpha1.MaxSwitchoverSteps):]
}
