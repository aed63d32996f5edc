package switchovers

import (
	"context"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	handing "github.com/shoal-dev/shoal/switchover/decide"
)

// journal holds the steps that were taken until they are written. Between the pause and the promotion clients wait: no step waits
// for the API server.
type journal struct {
	now  func() time.Time
	wake chan struct{}

	mu    sync.Mutex
	steps []v1alpha1.SwitchoverStep
	last  [2]string
	to    string
}

func newJournal(now func() time.Time) *journal {
	return &journal{now: now, wake: make(chan struct{}, 1)}
}

// note takes a step, and waits for nothing. One that is tried again counts once.
func (j *journal) note(step handing.Step) {
	s := v1alpha1.SwitchoverStep{
		At: metav1.NewMicroTime(j.now()), Do: string(step.Do), Instance: step.Instance, Reason: step.Code.Name(), Message: cut(step.Text, maxMessage),
	}
	j.mu.Lock()
	if this := [2]string{s.Do, s.Instance}; this != j.last {
		j.last, j.steps = this, append(j.steps, s)
	}
	if step.Target != "" {
		j.to = step.Target
	}
	j.mu.Unlock()
	select {
	case j.wake <- struct{}{}:
	default:
	}
}

func (j *journal) take() ([]v1alpha1.SwitchoverStep, string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	steps := j.steps
	j.steps = nil
	return steps, j.to
}

// giveBack is for steps that could not be written: they come before those that were taken since.
func (j *journal) giveBack(steps []v1alpha1.SwitchoverStep) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.steps = append(steps, j.steps...)
}

// keep writes what is noted, as it comes, until stop is called, which returns when the last of it was written or could not be.
func (j *journal) keep(ctx context.Context, write func(context.Context, []v1alpha1.SwitchoverStep, string) error) (stop func()) {
	done, end := make(chan struct{}), make(chan struct{})
	flush := func() {
		steps, to := j.take()
		if len(steps) == 0 {
			return
		}
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		if err := write(ctx, steps, to); err != nil {
			log.FromContext(ctx).Info("The steps of a switchover were not written", "problem", err.Error())
			j.giveBack(steps)
		}
	}
	go func() {
		defer close(done)
		for {
			select {
			case <-j.wake:
				flush()
			case <-end:
				flush()
				return
			}
		}
	}()
	return func() { close(end); <-done }
}
