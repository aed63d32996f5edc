package roles

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/podspec"
	"github.com/shoal-dev/shoal/roles/orders"
)

// How the roll is called: 10,000 agents that answer are known after two minutes. A question and its answer cost about a millisecond of a core.
const (
	// CallPause is before each of CallRounds: who has something new reports by himself meanwhile, and so does most of who missed the leader.
	CallPause  = 15 * time.Second
	CallRounds = 3
	// CallEvery is between two questions.
	CallEvery = 10 * time.Millisecond
	// callsAtOnce bounds those that are under way, callTimeout each of them: agents that do not answer hold up the others.
	callsAtOnce = 64
	callTimeout = 2 * time.Second
)

// rollCall asks agents what they are when this process begins to lead. All of them report by themselves, but those that have nothing new do
// so once a heartbeat. Who does not answer is asked twice more, and then waited for. The answers do not put off what agents report by
// themselves, so that they do not come all at once a heartbeat later.
type rollCall struct {
	ledger *Ledger
	give   func(context.Context, orders.Target, agent.Request) (agent.Answer, error)
	target func(*corev1.Pod) (orders.Target, error)
	// handingOver reports whether a switchover of the shard is under way: it asks all the time, and writes wait for that.
	handingOver func(types.NamespacedName) bool
}

// Start calls the roll; the controllers' manager calls it when this process leads.
func (c *rollCall) Start(ctx context.Context) error {
	for range CallRounds {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(CallPause):
		}
		pods, err := c.ledger.Unheard(ctx)
		if err != nil {
			log.FromContext(ctx).Error(err, "Could not find out who has not been heard")
			continue
		}
		log.FromContext(ctx).Info("Asking agents that have not been heard", "count", len(pods))
		c.round(ctx, pods)
	}
	return nil
}

// round asks each that is not heard meanwhile.
func (c *rollCall) round(ctx context.Context, pods []*corev1.Pod) {
	tick := time.NewTicker(CallEvery)
	defer tick.Stop()
	var work errgroup.Group
	work.SetLimit(callsAtOnce)
	for _, pod := range pods {
		if _, _, heard := c.ledger.heard(pod.UID); heard || !podspec.HasAgent(pod) || c.hands(pod) {
			continue
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
			work.Go(func() error { return c.ask(ctx, pod) })
		}
	}
	_ = work.Wait() // each is counted, and told of by nobody: that an agent is not heard stands in the condition InSync
}

func (c *rollCall) hands(pod *corev1.Pod) bool {
	return c.handingOver != nil && c.handingOver(types.NamespacedName{Namespace: pod.Namespace, Name: pod.Labels[v1alpha1.LabelShard]})
}

// ask asks for a parameter that any Redis has, which any boot of an agent answers, with a report beside it. So does one whose engine has no
// parameters. Whoever gives the orders hands the report to the ledger.
func (c *rollCall) ask(ctx context.Context, pod *corev1.Pod) error {
	to, err := c.target(pod)
	if err != nil {
		return err
	}
	ctx, stop := context.WithTimeout(ctx, callTimeout)
	defer stop()
	_, err = c.give(ctx, to, whatItIs())
	return err
}

// whatItIs changes nothing: what is wanted is the report in the answer.
func whatItIs() agent.Request {
	return agent.Request{Action: agent.ConfigGet, Parameters: []agent.Parameter{{Name: "min-replicas-to-write"}}}
}

// Unheard are the pods of sets with roles that run and have an address, of which no report was heard since this process leads: those first in
// whose shard nobody has the label master, and each part by name.
func (l *Ledger) Unheard(ctx context.Context) ([]*corev1.Pod, error) {
	var sets v1alpha1.InstanceSetList
	if err := l.cache.List(ctx, &sets, shared); err != nil {
		return nil, fmt.Errorf("listing sets: %w", err)
	}
	var unheard []*corev1.Pod
	mastered := map[shardKey]bool{}
	for n := range sets.Items {
		set := &sets.Items[n]
		if len(set.Spec.Roles) == 0 || set.DeletionTimestamp != nil {
			continue
		}
		var list corev1.PodList
		if err := l.cache.List(ctx, &list, client.InNamespace(set.Namespace), client.MatchingFields{podsBySet: set.Name}, shared); err != nil {
			return nil, fmt.Errorf("listing pods: %w", err)
		}
		for n := range list.Items {
			pod := &list.Items[n]
			shard, ok := shardOf(pod)
			if !ok || !shard.instance(set, pod) {
				continue
			}
			mastered[shard] = mastered[shard] || pod.Labels[v1alpha1.LabelRole] == string(v1alpha1.RoleMaster)
			if _, _, heard := l.heard(pod.UID); !heard && reachable(pod) {
				unheard = append(unheard, pod)
			}
		}
	}
	rank := func(pod *corev1.Pod) int {
		if shard, _ := shardOf(pod); mastered[shard] {
			return 1
		}
		return 0
	}
	slices.SortFunc(unheard, func(a, b *corev1.Pod) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return unheard, nil
}

func reachable(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodRunning && pod.Status.PodIP != "" && pod.DeletionTimestamp == nil
}
