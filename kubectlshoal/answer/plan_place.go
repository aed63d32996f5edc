package answer

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/shoal-dev/shoal/kubectlshoal/snapshot"
	"github.com/shoal-dev/shoal/kubectlshoal/trial"
	"github.com/shoal-dev/shoal/reason"
	"github.com/shoal-dev/shoal/slots"
)

// waiter is a pod that has found no node.
type waiter struct {
	pod *corev1.Pod
	at  int           // its place in Instances
	why trial.Verdict // what it has heard last
}

// placeAll finds nodes for the pods that wait, and for those that are to be created, and gives back those without one.
func (p *Plan) placeAll(ctx context.Context, s *trial.Scheduler, after *snapshot.Cluster, w *wanted, oneByOne bool) ([]waiter, error) {
	if !oneByOne {
		for _, pod := range w.pods {
			if err := create(s, after, pod); err != nil {
				return nil, err
			}
		}
	}
	var waiters []waiter
	for n, pod := range w.all() {
		if oneByOne && n >= len(w.waiting) {
			if err := create(s, after, pod); err != nil {
				return nil, err
			}
		}
		p.Instances = append(p.Instances, PlanInstance{Instance: pod.Name, Shard: pod.Labels[shardLabel]})
		one := waiter{pod: pod, at: n}
		placed, err := p.place(ctx, s, after, &one)
		if err != nil {
			return nil, err
		}
		if !placed {
			waiters = append(waiters, one)
		}
	}
	return waiters, nil
}

// create makes a pod, in place of the one of its name.
func create(s *trial.Scheduler, after *snapshot.Cluster, pod *corev1.Pod) error {
	if old := snapshot.Find(after.Pods, pod.Namespace, pod.Name); old != nil {
		if err := s.Remove(old); err != nil {
			return err
		}
		pod.UID = old.UID + "-again"
	}
	after.Put(pod)
	return s.Put(pod)
}

// place looks for a node for one pod.
func (p *Plan) place(ctx context.Context, s *trial.Scheduler, after *snapshot.Cluster, one *waiter) (placed bool, err error) {
	if one.why, err = s.Place(ctx, one.pod); err != nil || one.why.Node == "" {
		return false, err
	}
	p.Placed++
	p.Instances[one.at].Node = one.why.Node
	if one.why.Equals > 1 {
		p.doubt(equalNodes)
	}
	bound := one.pod.DeepCopy()
	bound.Spec.NodeName = one.why.Node
	after.Put(bound)
	return true, nil
}

// passing are refusals that the scheduler looks at again when a sibling has been placed: guard and plan are others then
// (plugins/dispersion/README.md).
var passing = []reason.Code{reason.NodeTooSmall, reason.ShardPlanned, reason.NotPlanned}

// settle tries those that wait again, as the scheduler does while their siblings are placed, until that changes nothing: what they hear in the
// end is what people read. It gives back those that still wait.
func (p *Plan) settle(ctx context.Context, s *trial.Scheduler, after *snapshot.Cluster, waiters []waiter) ([]waiter, error) {
	for again := true; again; {
		again = false
		left := waiters[:0]
		for _, one := range waiters {
			if !one.passing() {
				left = append(left, one)
				continue
			}
			placed, err := p.place(ctx, s, after, &one)
			if err != nil {
				return nil, err
			}
			if again = again || placed; !placed {
				left = append(left, one)
			}
		}
		waiters = left
	}
	return waiters, nil
}

func (w *waiter) passing() bool {
	return slices.ContainsFunc(w.why.Nodes, func(n trial.NodeVerdict) bool {
		return len(n.Refusals) > 0 && slices.Contains(passing, n.Refusals[0].Code)
	})
}

// refuse notes why pods wait: those that hear the same stand together.
func (p *Plan) refuse(waiters []waiter) {
	p.Refused = len(waiters)
	for _, one := range waiters {
		p.Advice = cmp.Or(one.why.Advice, p.Advice)
		why := whyNot(one.why, nil)
		i := slices.IndexFunc(p.Refusals, func(r PlanRefusal) bool { return r.Why == why })
		if i < 0 {
			i, p.Refusals = len(p.Refusals), append(p.Refusals, PlanRefusal{Why: why})
		}
		p.Refusals[i].Instances = append(p.Refusals[i].Instances, one.pod.Name)
	}
}

// doubtOrder notes where the order decides in which the pods of a group come, which nobody gives. Of equal instances those that come first are
// placed, as many in every order; the nodes for the next of a shard are those without a sibling, so that the order shows in what refuses it.
func (p *Plan) doubtOrder(after *snapshot.Cluster, w *wanted) {
	type order struct {
		pods, waiting  int
		shards, ofSize bool
		request        slots.Amount
	}
	groups := map[slots.Group]*order{}
	for _, pod := range w.all() {
		g, grouped := slots.GroupOf(pod.Namespace, pod.Labels)
		if !grouped {
			continue
		}
		asked := slots.RequestOf(pod)
		o := groups[g]
		if o == nil {
			o = &order{request: asked, ofSize: true}
			groups[g] = o
		}
		o.pods++
		o.ofSize = o.ofSize && asked.Equal(o.request)
		o.shards = o.shards || pod.Labels[shardLabel] != ""
		if now := snapshot.Find(after.Pods, pod.Namespace, pod.Name); now != nil && now.Spec.NodeName == "" {
			o.waiting++
		}
	}
	for _, g := range slices.SortedFunc(maps.Keys(groups), func(a, b slots.Group) int { return cmp.Compare(a.String(), b.String()) }) {
		switch o := groups[g]; {
		case o.pods < 2 || !o.ofSize: // of different sizes more is uncertain than that
		case o.shards:
			p.doubt(fmt.Sprintf(ofShards, nameOf(g)))
		case o.waiting > 0 && o.waiting < o.pods:
			p.doubt(fmt.Sprintf(ofOrder, nameOf(g)))
		}
	}
}
