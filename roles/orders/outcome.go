package orders

import (
	"errors"
	"fmt"

	"github.com/shoal-dev/shoal/agent/mtls"
	"github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/redis"
)

// Outcome is what is known of an order that was not answered with success.
type Outcome string

// The outcomes.
const (
	// Refused: the agent did not do it. Error.Refusal says why; it is empty if the agent did not understand the order.
	Refused Outcome = "refused"
	// NotSent: the agent did not get it: nothing was done.
	NotSent Outcome = "not-sent"
	// Unknown: it may have been done, or may be yet. A Look, or an order over a new Line, settles that.
	Unknown Outcome = "unknown"
)

// Error is an order that was not done for certain. Where somebody has the lock by now it is redis.ErrLater too.
type Error struct {
	Action  agent.Action
	Pod     agent.Identity
	Outcome Outcome
	Refusal agent.Refusal
	Err     error
}

func (e *Error) Error() string {
	what := fmt.Sprintf("asking the agent of %s/%s for %s: %s", e.Pod.Namespace, e.Pod.Pod, e.Action, e.Outcome)
	if e.Refusal != "" {
		what += " (" + string(e.Refusal) + ")"
	}
	return what + ": " + e.Err.Error()
}

// Unwrap returns Err, and redis.ErrLater where that is the reason.
func (e *Error) Unwrap() []error {
	if e.Refusal == agent.RefusedLock {
		return []error{e.Err, redis.ErrLater}
	}
	return []error{e.Err}
}

// OutcomeOf is the outcome of an error of this package, Unknown for any other, and "" for none.
func OutcomeOf(err error) Outcome {
	if err == nil {
		return ""
	}
	if e := (*Error)(nil); errors.As(err, &e) {
		return e.Outcome
	}
	return Unknown
}

// refused makes the error of an answer, nil if it was done. Whether what failed was done is not known.
func refused(a agent.Answer) (Outcome, error) {
	switch a.Refused {
	case "":
		return "", nil
	case agent.Failed:
		return Unknown, errors.New(a.Problem)
	}
	return Refused, errors.New(a.Problem)
}

// result is the word of the metric.
func result(err error) string {
	e, stranger := (*Error)(nil), (*mtls.Refused)(nil)
	switch {
	case err == nil:
		return "done"
	case !errors.As(err, &e):
		return string(Unknown)
	case errors.As(err, &stranger):
		return "stranger"
	case e.Refusal != "":
		return string(e.Refusal)
	case e.Outcome == Refused:
		return "invalid"
	}
	return string(e.Outcome)
}
