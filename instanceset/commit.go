package instanceset

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/instanceset/decide"
	"github.com/shoal-dev/shoal/reason"
)

// outcome is what became of one change.
type outcome struct {
	change decide.Change
	err    error
}

// writing is one commit.
type writing struct {
	*reconciler
	o       decide.Objects
	fences  *fences
	current *current
	agents  *agents
}

// enoughFailures ends a commit. When so many instances in a row were refused, a quota or an outage is the cause, and the
// rest of 10,000 would only add load. The next reconcile begins from the start.
const enoughFailures = 100

// commit carries out a plan: what belongs to the set as a whole first and in order, then the instances side by side, the
// status last. Again reports that a write came too late and should be decided anew.
func (r *reconciler) commit(ctx context.Context, o decide.Objects, s decide.Snapshot, plan decide.Plan) (again bool, err error) {
	var done []outcome
	var instances [][]decide.Change
	w := writing{r, o, newFences(r.live, r.now), &current{live: r.live, now: r.now, set: o.Set}, &agents{live: r.live, namespace: o.Set.Namespace}}
	for _, c := range plan.Changes {
		switch last := len(instances) - 1; {
		case c.Ordinal == decide.SetWide:
			done = append(done, outcome{c, w.write(ctx, c)})
		case last >= 0 && instances[last][0].Ordinal == c.Ordinal:
			instances[last] = append(instances[last], c)
		default:
			instances = append(instances, []decide.Change{c})
		}
	}
	done = append(done, w.writeInstances(ctx, merged(instances))...)

	var failures []decide.Failure
	var errs []error
	var succeeded []decide.Change
	for _, d := range done {
		switch {
		case d.err == nil:
			succeeded = append(succeeded, d.change)
		case isLate(d.err):
			again = true
			log.FromContext(ctx).V(2).Info("a write came too late", "change", d.change.String(), "error", d.err.Error())
		default:
			failures = append(failures, failureOf(d))
			errs = append(errs, d.err)
		}
	}
	r.count(succeeded, failures)
	status := decide.Report(s, plan, failures)
	unproven := r.keepRecord(ctx, o.Set, &status)
	err = errors.Join(unproven, r.writeStatus(ctx, o, status))
	r.tell(o.Set, succeeded, failures)
	return again, errors.Join(err, summary(errs))
}

// merged brings the changes of each instance together, in their order: different phases of a plan may each have something
// to do for the same instance.
func merged(groups [][]decide.Change) [][]decide.Change {
	at := map[int32]int{}
	var out [][]decide.Change
	for _, g := range groups {
		n, known := at[g[0].Ordinal]
		if !known {
			at[g[0].Ordinal] = len(out)
			out = append(out, g)
			continue
		}
		out[n] = append(out[n], g...)
	}
	return out
}

// writeInstances works on one instance, and on one more at the same time whenever one is done, up to the number of workers; each write that fails
// halves that: an API server in trouble is not met by all workers at once. Nobody waits for the slowest of a batch. What became of them is told
// in their order.
func (w writing) writeInstances(ctx context.Context, instances [][]decide.Change) []outcome {
	type result struct {
		instance int
		outcomes []outcome
	}
	results := make([][]outcome, len(instances))
	finished := make(chan result)
	next, busy, most, failed := 0, 0, 1, 0
	for {
		for ; busy < most && next < len(instances) && failed < enoughFailures && ctx.Err() == nil; next++ {
			at := next
			go func() { finished <- result{at, w.writeInstance(ctx, instances[at])} }()
			busy++
		}
		if busy == 0 {
			return slices.Concat(results...)
		}
		r := <-finished
		busy--
		results[r.instance] = r.outcomes
		refused := 0
		for _, o := range r.outcomes {
			if o.err != nil && !isLate(o.err) {
				refused++
			}
		}
		if failed += refused; refused == 0 {
			most = min(most+1, w.workers)
		} else {
			most = max(most/2, 1)
		}
	}
}

// writeInstance makes the changes of one instance, in their order.
func (w writing) writeInstance(ctx context.Context, changes []decide.Change) (done []outcome) {
	forgets := false // with its pod, of which template the instance is
	for _, c := range changes {
		if forgets && c.Kind == decide.DeletePod {
			break
		}
		err := w.write(ctx, c)
		done = append(done, outcome{c, err})
		switch {
		case err == nil, c.Kind == decide.GrowClaim:
		case keepsTemplate(c):
			forgets = true
		default:
			return done // what comes after rests on it
		}
	}
	return done
}

// keepsTemplate reports whether a change writes onto a claim of which template its pod is.
func keepsTemplate(c decide.Change) bool {
	return c.Kind == decide.LabelClaim && c.Label == v1alpha1.LabelTemplate
}

// writeStatus is the last write, and there is none when nothing changed. It is refused when the set has changed since it
// was loaded: the record of bootstrapped instances must not be taken back by a manager that was slow. The newer version
// raises an event, and with it comes the next decision.
func (r *reconciler) writeStatus(ctx context.Context, o decide.Objects, status decideStatus) error {
	if equality.Semantic.DeepEqual(o.Set.Status, status) {
		return nil
	}
	set := o.Set.DeepCopy()
	set.Status = status
	err := r.writer.Status().Patch(ctx, set, client.MergeFromWithOptions(o.Set, client.MergeFromWithOptimisticLock{}))
	if apierrors.IsConflict(err) {
		return nil
	}
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("writing the status: %w", err)
	}
	if err == nil {
		r.own.wrote(setKeyOf(o.Set), set)
	}
	return nil
}

func failureOf(d outcome) decide.Failure {
	f := decide.Failure{Change: d.change, Reason: reason.WriteFailed, Message: d.err.Error()}
	if isForeign(d.err) {
		f.Reason = reason.ForeignObject
	}
	return f
}

func isForeign(err error) bool {
	var foreign *foreignError
	return errors.As(err, &foreign)
}

// summary is the first error and the number of the others: thousands of the same would fill the log.
func summary(errs []error) error {
	switch len(errs) {
	case 0:
		return nil
	case 1:
		return errs[0]
	}
	return fmt.Errorf("%d writes failed, the first: %w", len(errs), errs[0])
}

// isLate reports that the object is not the one that was decided upon: it has changed since, or is on its way out.
func isLate(err error) bool {
	var late *lateError
	return apierrors.IsConflict(err) || errors.As(err, &late)
}
