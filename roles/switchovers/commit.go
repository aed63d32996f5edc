package switchovers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/reason"
	"github.com/shoal-dev/shoal/roles/handover"
	"github.com/shoal-dev/shoal/roles/switchovers/decide"
	handing "github.com/shoal-dev/shoal/switchover/decide"
)

// soon is until the next look after something has ended, or did not work out.
const soon = time.Second

// commit carries out a verdict, and says when to look again.
func (r *reconciler) commit(ctx context.Context, s *v1alpha1.Switchover, v decide.Verdict) (time.Duration, error) {
	switch v.Do {
	case decide.Begin, decide.GoOn:
		return r.handOver(ctx, s, v)
	case decide.Wait:
		return v.Again, r.write(ctx, s, func(status *v1alpha1.SwitchoverStatus) { r.waits(s, status, v) })
	case decide.Refuse, decide.Done:
		end := handing.Step{Do: handing.End, Result: handing.Refused, Code: v.Code, Text: v.Text}
		if s.Status.Begun() {
			end.Result = handing.Undecided
		}
		return soon, r.end(ctx, s, end, v.Do == decide.Done)
	case decide.Release: // nothing that wakes this controller comes of it, and one that has ended is to be deleted in time
		return soon, r.hold(ctx, s, false)
	case decide.Delete:
		err := r.writer.Delete(ctx, s, client.Preconditions{UID: &s.UID})
		return 0, client.IgnoreNotFound(err)
	}
	return v.Again, nil
}

// hold adds or removes the finalizer, if nothing has changed since the object was read.
func (r *reconciler) hold(ctx context.Context, s *v1alpha1.Switchover, held bool) error {
	after := s.DeepCopy()
	after.Finalizers = slices.DeleteFunc(after.Finalizers, func(f string) bool { return f == v1alpha1.SwitchoverFinalizer })
	if held {
		after.Finalizers = append(after.Finalizers, v1alpha1.SwitchoverFinalizer)
	}
	if slices.Equal(after.Finalizers, s.Finalizers) {
		return nil
	}
	err := r.writer.Patch(ctx, after, client.MergeFromWithOptions(s, client.MergeFromWithOptimisticLock{}))
	switch {
	case apierrors.IsNotFound(err) && !held:
		return nil
	case err != nil:
		return fmt.Errorf("writing the finalizer of %s: %w", s.Name, err)
	}
	after.DeepCopyInto(s)
	return nil
}

// errOvertaken says that somebody else writes this status: another one leads.
var errOvertaken = errors.New("somebody else has written the status")

// write changes the status, if it is what was read; other parts of the object may have changed meanwhile.
func (r *reconciler) write(ctx context.Context, s *v1alpha1.Switchover, change func(*v1alpha1.SwitchoverStatus)) error {
	const tries = 5
	var err error
	for range tries {
		after := s.DeepCopy()
		change(&after.Status)
		if equality.Semantic.DeepEqual(s.Status, after.Status) {
			return nil
		}
		if err = r.writer.Status().Patch(ctx, after, client.MergeFromWithOptions(s, client.MergeFromWithOptimisticLock{})); err == nil {
			after.DeepCopyInto(s)
			return nil
		}
		if !apierrors.IsConflict(err) {
			break
		}
		var now v1alpha1.Switchover
		if err = r.live.Get(ctx, client.ObjectKeyFromObject(s), &now); err != nil {
			break
		}
		if now.UID != s.UID || !equality.Semantic.DeepEqual(now.Status, s.Status) {
			return errOvertaken
		}
		now.DeepCopyInto(s)
	}
	return fmt.Errorf("writing the status of %s: %w", s.Name, err)
}

// handOver brings a switchover to an end. What is needed to go on after a crash is written before the first step.
func (r *reconciler) handOver(ctx context.Context, s *v1alpha1.Switchover, v decide.Verdict) (time.Duration, error) {
	if err := r.hold(ctx, s, true); err != nil {
		return 0, err
	}
	if err := r.write(ctx, s, func(status *v1alpha1.SwitchoverStatus) { r.begins(s, status, v) }); err != nil {
		return 0, err
	}
	r.tell(ctx, s, corev1.EventTypeNormal, v.Code, "from "+v.From)
	r.running.Inc()
	defer r.running.Dec()
	var best handing.Step
	for {
		end, err := r.attempt(ctx, s)
		if errors.Is(err, handover.ErrTaken) {
			return soon, nil
		} else if err != nil {
			return 0, fmt.Errorf("after %d steps: %w", len(s.Status.Steps), err)
		}
		if best.Do == "" || better(end, best) {
			best = end
		}
		if !decide.Again(end.Code, len(s.Status.Steps) > 0, int(s.Status.Attempts)) {
			break
		}
		log.FromContext(ctx).Info("A switchover is tried again", "from", v.From, "result", end.Result, "problem", end.Code.Because("%s", end.Text))
		if !rest(ctx, soon) {
			return 0, ctx.Err()
		}
		again := decide.Verdict{From: v.From, Code: reason.SwitchoverContinued, Text: end.Code.Because("%s", end.Text)}
		if err := r.write(ctx, s, func(status *v1alpha1.SwitchoverStatus) { r.begins(s, status, again) }); err != nil {
			return 0, err
		}
	}
	return soon, r.end(ctx, s, best, best.MayGoOn(policyOf(s)))
}

// better: a later attempt that cannot see that the master was handed over does not make it undone.
func better(now, before handing.Step) bool {
	return now.Result == handing.HandedOver || before.Result != handing.HandedOver
}

// rest waits, and reports false if ctx has ended.
func rest(ctx context.Context, long time.Duration) bool {
	timer := time.NewTimer(long)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// attempt hands over, and writes the steps into the status meanwhile. No step waits for that.
func (r *reconciler) attempt(ctx context.Context, s *v1alpha1.Switchover) (handing.Step, error) {
	j := newJournal(r.now)
	stop := j.keep(context.WithoutCancel(ctx), func(ctx context.Context, steps []v1alpha1.SwitchoverStep, to string) error {
		return r.write(ctx, s, func(status *v1alpha1.SwitchoverStatus) { adds(status, steps, to) })
	})
	defer stop()
	return r.executor.Run(ctx, shardOf(s), handing.Request{
		Policy: policyOf(s), From: s.Status.From, To: s.Spec.To, Timeout: seconds(s.Spec.TimeoutSeconds, defaultTimeout),
	}, j.note)
}

func policyOf(s *v1alpha1.Switchover) handing.Policy {
	if s.Spec.Policy == v1alpha1.SwitchoverBestEffort {
		return handing.BestEffort
	}
	return handing.Strict
}

// end writes how it ended. It tries for a while, also when the process is told to end: the one who would find out again looks at a
// shard in which others may have moved the master since.
func (r *reconciler) end(ctx context.Context, s *v1alpha1.Switchover, end handing.Step, complete bool) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	begun := s.Status.Begun()
	var err error
	tries := wait.Backoff{Duration: 50 * time.Millisecond, Factor: 2, Steps: 8}
	_ = wait.ExponentialBackoffWithContext(ctx, tries, func(ctx context.Context) (bool, error) { // its error is err
		err = r.write(ctx, s, func(status *v1alpha1.SwitchoverStatus) { r.ends(s, status, end, complete) })
		return err == nil || errors.Is(err, errOvertaken) || apierrors.IsNotFound(err), nil
	})
	if err != nil {
		return client.IgnoreNotFound(err)
	}
	kind := corev1.EventTypeNormal
	if !complete {
		kind = corev1.EventTypeWarning
	}
	r.ended.WithLabelValues(string(end.Result), end.Code.String()).Inc()
	r.tell(ctx, s, kind, end.Code, end.Text)
	if begun {
		return r.hold(ctx, s, false)
	}
	return nil
}

// tell makes an event of the Switchover, and one of its set.
func (r *reconciler) tell(ctx context.Context, s *v1alpha1.Switchover, kind string, code reason.Code, text string) {
	log.FromContext(ctx).Info("A switchover", "shard", s.Spec.Shard, "from", s.Status.From, "to", s.Status.To, "reason", code.Name(), "text", text)
	note := messageOf(code, text)
	r.events.Eventf(s, nil, kind, code.Name(), "Switchover", "%s", note)
	var set v1alpha1.InstanceSet
	if err := r.cache.Get(ctx, types.NamespacedName{Namespace: s.Namespace, Name: s.Spec.InstanceSet}, &set); err == nil {
		r.events.Eventf(&set, s, kind, code.Name(), "Switchover", "%s: %s", s.Spec.Shard, note)
	}
}

// forget is for an object that is gone.
func (r *reconciler) forget(name types.NamespacedName) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.seen, name)
}
