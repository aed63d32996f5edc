package roles

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/podspec"
	"github.com/shoal-dev/shoal/roles/decide"
	"github.com/shoal-dev/shoal/slots"
)

// FieldOwner is the field manager of every write.
const FieldOwner = "shoal-manager"

const (
	// silence is after how long an instance that was not heard is silent: a heartbeat of its agent with its quarter, and a minute and a half in
	// which a report that did not arrive is sent five times again.
	silence = 8 * time.Minute
	// unseenRecheck is when to look again whether the cache shows what was written.
	unseenRecheck = 200 * time.Millisecond
	// hushFor is for how long it is remembered whether most of a set are silent, or their nodes: that costs a look at all its pods.
	hushFor = 5 * time.Second
)

// reconciler holds what the shards need of the world.
type reconciler struct {
	cache  client.Reader
	live   client.Reader // straight from the API server
	writer client.Client
	events events.EventRecorder
	metrics
	now      func() time.Time
	ledger   *Ledger
	provider func(*v1alpha1.InstanceSet) RoleProvider
	gone     func(types.NamespacedName) // is told of sets that are not there any more
	verdicts *verdicts
	planned  func(shardKey, decide.Plan) // is told each plan before it is carried out; nil tells nobody
	written  written
	paces    paces
	warned   warned
	joiner   *joiner // nil if there are no agents to be told anything
	// handingOver reports whether a switchover of the shard is under way; nil if nobody hands over.
	handingOver func(types.NamespacedName) bool

	mu     sync.Mutex
	hushes map[types.NamespacedName]hush
}

// hush is how it is with a set as a whole: most of its agents are silent, or most of its nodes.
type hush struct {
	at           time.Time
	agents, dark bool
}

// Reconcile brings the labels of one shard closer to what is known of it.
func (r *reconciler) Reconcile(ctx context.Context, shard shardKey) (reconcile.Result, error) {
	var set v1alpha1.InstanceSet
	err := r.cache.Get(ctx, shard.owner(), &set, shared)
	if client.IgnoreNotFound(err) != nil {
		return reconcile.Result{}, fmt.Errorf("reading the set of %s: %w", shard, err)
	}
	if err != nil || len(set.Spec.Roles) == 0 || set.DeletionTimestamp != nil {
		if err != nil {
			r.forget(shard.owner())
		}
		r.drop(shard)
		return reconcile.Result{}, nil
	}
	pods, err := r.pods(ctx, client.MatchingFields{podsByShard: shard.set + "/" + shard.shard}, shard.namespace)
	if err != nil {
		return reconcile.Result{}, err
	}
	if len(pods) == 0 {
		r.drop(shard)
		return reconcile.Result{}, nil
	}
	if !r.written.shown(pods) {
		r.staleCache.Inc()
		return reconcile.Result{RequeueAfter: unseenRecheck}, nil
	}
	snapshot := r.observe(ctx, &set, shard, pods)
	plan := decide.Decide(snapshot)
	log.FromContext(ctx).V(2).Info("decided on roles", "shard", shard.String(), "steps", len(plan.Steps), "master", plan.Master)
	if r.planned != nil {
		r.planned(shard, plan)
	}
	r.warn(&set, plan, pods)
	late, err := r.commit(ctx, &set, shard, plan, pods)
	if slices.ContainsFunc(snapshot.Instances, func(i decide.Instance) bool { return !i.Stranger }) {
		r.verdicts.note(shard, plan)
	} else {
		r.verdicts.drop(shard)
	}
	if err != nil {
		return reconcile.Result{}, err
	}
	again := r.paces.again(shard, plan, late)
	if !late {
		if joins := r.joiner.order(ctx, &set, shard, snapshot.HA, plan, pods); joins > 0 {
			again = min(again, joins)
		}
	}
	return reconcile.Result{RequeueAfter: again}, nil
}

// drop is for a shard that is not there any more.
func (r *reconciler) drop(shard shardKey) {
	r.verdicts.drop(shard)
	r.paces.drop(shard)
}

// forget is for a set that is gone.
func (r *reconciler) forget(set types.NamespacedName) {
	r.gone(set)
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.hushes, set)
}

func (r *reconciler) pods(ctx context.Context, by client.MatchingFields, namespace string) ([]*corev1.Pod, error) {
	var list corev1.PodList
	if err := r.cache.List(ctx, &list, client.InNamespace(namespace), by, shared); err != nil {
		return nil, fmt.Errorf("listing pods: %w", err)
	}
	pods := make([]*corev1.Pod, len(list.Items))
	for n := range list.Items {
		pods[n] = &list.Items[n]
	}
	return pods, nil
}

// observe makes the snapshot. Sentinels are asked before the ledger: what an agent reports while they answer is later.
func (r *reconciler) observe(ctx context.Context, set *v1alpha1.InstanceSet, shard shardKey, pods []*corev1.Pod) decide.Snapshot {
	s := decide.Snapshot{Silence: silence, Complete: true}
	s.HandingOver = r.handingOver != nil && r.handingOver(types.NamespacedName{Namespace: shard.namespace, Name: shard.shard})
	naming := r.provider(set).Naming(ctx, shard)
	s.Now = r.now()
	var own []*corev1.Pod // those that the address of a master may be of: others may have got an address that was free again
	for _, pod := range pods {
		i := r.instance(ctx, pod)
		i.Stranger = !shard.instance(set, pod)
		s.Instances = append(s.Instances, i)
		if !i.Stranger && !i.Ended && i.Node != decide.NodeLost {
			own = append(own, pod)
		}
	}
	s.HA = view(naming, own)
	for n := range s.Instances {
		if of := whose(s.Instances[n].Report.Of, own); len(of) == 1 && of[0] != s.Instances[n].Name {
			s.Instances[n].Follows = of[0]
		}
	}
	for _, name := range shard.names(set) {
		if !slices.ContainsFunc(pods, func(pod *corev1.Pod) bool { return pod.Name == name }) {
			s.Complete = false
		}
	}
	h := r.hushed(ctx, set, s)
	s.Hushed, s.Dark = h.agents, h.dark
	return s
}

func (r *reconciler) instance(ctx context.Context, pod *corev1.Pod) decide.Instance {
	i := decide.Instance{
		Name: pod.Name, UID: string(pod.UID), Version: pod.ResourceVersion, Label: decide.Role(pod.Labels[v1alpha1.LabelRole]),
		Running: pod.Status.Phase == corev1.PodRunning, Going: pod.DeletionTimestamp != nil, Node: r.nodeOf(ctx, pod),
		Ended: pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded || pod.Labels[v1alpha1.LabelLost] != "",
	}
	i.Ready, _ = podspec.EngineReady(pod)
	i.BegunAt = begun(pod)
	r.ledger.hear(pod.UID, &i)
	return i
}

// begun is when the sidecars of the pod have started, among them its agent; otherwise when its kubelet has seen it, or when it was made.
func begun(pod *corev1.Pod) time.Time {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodInitialized && c.Status == corev1.ConditionTrue && !c.LastTransitionTime.IsZero() {
			return c.LastTransitionTime.Time
		}
	}
	if pod.Status.StartTime != nil {
		return pod.Status.StartTime.Time
	}
	return pod.CreationTimestamp.Time
}

// nodeOf is what is known of the pod's node. A pod without one is nowhere yet; a Node that was deleted proves nothing.
func (r *reconciler) nodeOf(ctx context.Context, pod *corev1.Pod) decide.NodeState {
	if pod.Spec.NodeName == "" {
		return decide.NodeHealthy
	}
	var node corev1.Node
	switch err := r.cache.Get(ctx, types.NamespacedName{Name: pod.Spec.NodeName}, &node, shared); {
	case err != nil: // there is none, or nothing is known of it: no proof that it is dead
		return decide.NodeSilent
	case slots.OutOfService(&node):
		return decide.NodeLost
	case silentNode(&node):
		return decide.NodeSilent
	}
	return decide.NodeHealthy
}

// silentNode: its kubelet has not reported for so long that the node lifecycle controller says so, or says itself that the node is
// not ready. A Node without the condition has yet to be judged.
func silentNode(n *corev1.Node) bool {
	return slices.ContainsFunc(n.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status != corev1.ConditionTrue
	})
}

// hushed says whether silence means anything, which is asked only where somebody is silent, or on a silent node.
func (r *reconciler) hushed(ctx context.Context, set *v1alpha1.InstanceSet, s decide.Snapshot) hush {
	listening := r.ledger.listening()
	h := hush{at: s.Now, agents: listening < silence}
	if !slices.ContainsFunc(s.Instances, func(i decide.Instance) bool {
		return i.Running && !i.Stranger && (i.Node == decide.NodeSilent || s.Now.Sub(i.HeardAt) >= silence)
	}) {
		return h
	}
	name := client.ObjectKeyFromObject(set)
	r.mu.Lock()
	known := r.hushes[name]
	r.mu.Unlock()
	if !known.at.IsZero() && s.Now.Sub(known.at) < hushFor {
		known.agents = known.agents || h.agents
		return known
	}
	pods, err := r.pods(ctx, client.MatchingFields{podsBySet: set.Name}, set.Namespace)
	if err != nil {
		return hush{agents: true, dark: true}
	}
	silent, dark, running := 0, 0, 0
	for _, pod := range pods {
		if pod.Status.Phase != corev1.PodRunning || !owns(set, pod) {
			continue
		}
		running++
		if _, at, _ := r.ledger.heard(pod.UID); s.Now.Sub(at) >= silence {
			silent++
		}
		if r.nodeOf(ctx, pod) == decide.NodeSilent {
			dark++
		}
	}
	h.agents, h.dark = decide.Hush(silent, running, listening, silence), decide.Dark(dark, running)
	r.mu.Lock()
	r.hushes[name] = h
	r.mu.Unlock()
	return h
}

// lateError says that the world is ahead of the decision.
type lateError struct{ what string }

func (e *lateError) Error() string { return e.what }

func isLate(err error) bool {
	var late *lateError
	return apierrors.IsConflict(err) || errors.As(err, &late)
}
