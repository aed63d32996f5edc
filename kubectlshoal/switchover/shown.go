package switchover

import (
	"cmp"
	"fmt"
	"io"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// shown is what was told of a Switchover so far.
type shown struct {
	out    io.Writer
	silent bool
	began  time.Time
	steps  int
	// last is the time of the last step that was told; cause the last reason to wait.
	last  time.Time
	cause string
	err   error
}

func (s *shown) say(format string, args ...any) {
	if s.silent || s.err != nil {
		return
	}
	_, s.err = fmt.Fprintf(s.out, format+"\n", args...)
}

func isTrue(o *v1alpha1.Switchover, kind string) bool {
	return meta.IsStatusConditionTrue(o.Status.Conditions, kind)
}

// news tells what has come since the last look.
func (s *shown) news(o *v1alpha1.Switchover) {
	if c := meta.FindStatusCondition(o.Status.Conditions, v1alpha1.ConditionProgressing); c != nil && !o.Status.Ended() {
		if text := c.Reason + ": " + c.Message; text != s.cause {
			s.cause = text
			switch {
			case o.Status.Attempts > 1:
				s.say("goes on from %s, attempt %d: %s", o.Status.From, o.Status.Attempts, c.Message)
			case o.Status.Begun():
				s.say("begins: %s is master", o.Status.From)
			default:
				s.say("waits: %s", c.Message)
			}
		}
	}
	for _, step := range o.Status.Steps {
		if !step.At.After(s.last) {
			continue
		}
		s.last = step.At.Time
		s.steps++
		since := "       "
		if o.Status.StartedAt != nil {
			since = fmt.Sprintf("%5.2f s", max(0, step.At.Sub(first(o)).Seconds()))
		}
		text := step.Message
		if step.Reason != "" {
			text += " (" + step.Reason + ")"
		}
		s.say("%s  %-8s  %-12s  %s", since, step.Do, cmp.Or(step.Instance, "Sentinels"), text)
	}
}

// first is the time of the first step: startedAt has whole seconds.
func first(o *v1alpha1.Switchover) time.Time { return o.Status.Steps[0].At.Time }

// end tells how it ended.
func (s *shown) end(o *v1alpha1.Switchover) error {
	message, reason := "", ""
	if c := meta.FindStatusCondition(o.Status.Conditions, v1alpha1.ConditionProgressing); c != nil {
		message, reason = c.Message, c.Reason
	}
	switch o.Status.Result {
	case v1alpha1.SwitchoverHandedOver:
		s.say("handed over from %s to %s: %s", o.Status.From, cmp.Or(o.Status.To, "another instance"), message)
	case v1alpha1.SwitchoverRefused:
		what := "not begun"
		if o.Status.Begun() {
			what = "given back: " + o.Status.From + " is master as before"
		} else if reason == "AlreadyMaster" {
			what = "nothing to do"
		}
		s.say("%s: %s", what, message)
	default:
		s.say("not decided: %s", message)
	}
	return s.err
}
