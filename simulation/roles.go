package simulation

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/roles"
	"github.com/shoal-dev/shoal/roles/decide"
	"github.com/shoal-dev/shoal/roles/handover"
	"github.com/shoal-dev/shoal/roles/switchovers"
)

// ha is what a world has where a set has roles; without one, nothing of it runs.
type ha struct {
	w         *World
	sets      map[string]*watchers
	marks     map[string]mark         // what volumes remember
	mastered  map[types.UID]time.Time // when an instance was a master last
	steady    map[string]steadiness   // by shard
	boots     map[types.UID]int       // how many agents each pod has had
	agentsCut bool                    // agents and manager do not reach each other
	orders    orderFaults
	reports   reportFaults
	skew      func() time.Duration // by how much the clock of a manager that starts is off
}

// reportFaults are how many reports are lost, late and doubled, and how late at most.
type reportFaults struct {
	lost, late, doubled float64
	most                time.Duration
}

// withRoles has the world take sets with roles from now on.
func (w *World) withRoles() error {
	if w.ha != nil {
		return nil
	}
	w.ha = &ha{
		w: w, sets: map[string]*watchers{}, marks: map[string]mark{}, mastered: map[types.UID]time.Time{}, steady: map[string]steadiness{},
		boots: map[types.UID]int{},
		skew:  func() time.Duration { return 0 },
	}
	return w.operator.addRoles()
}

func (h *ha) names() []string { return slices.Sorted(maps.Keys(h.sets)) }

// rolesPart is what of a manager is about roles: the real controllers and their ledger, which hears the reports of the model.
type rolesPart struct {
	*roles.Controllers
	boots map[types.UID][]*reporter // of each pod, the boots of its agent that were believed, in that order
}

func (o *operator) addRoles() error {
	cache := reader{o.replicas}
	if err := roles.Indexes(o.ctx, cache); err != nil {
		return err
	}
	var shards *queue[roles.Shard]
	var sets *queue[reconcile.Request]
	skew := o.w.ha.skew()
	o.skew = skew
	hands := &executor{o: o, taken: map[handover.Shard]bool{}}
	c, err := roles.New(roles.Deps{
		Cache: cache, Live: live{o.access}, Writer: writer{reader: cache, access: o.access}, Events: silentRecorder{},
		Metrics: prometheus.NewRegistry(), Now: func() time.Time { return time.Now().Add(skew) }, Connect: o.connectSentinel,
		News:        func(s roles.Shard) { shards.Add(s) },
		HandingOver: hands.HandingOver,
		Configured: func(set types.NamespacedName) {
			o.sets.AddAfter(reconcile.Request{NamespacedName: set}, roles.Debounce)
		},
		Judged: func(set types.NamespacedName) { sets.AddAfter(reconcile.Request{NamespacedName: set}, roles.Debounce) },
		Planned: func(s roles.Shard, p decide.Plan) {
			for _, step := range p.Steps {
				o.w.tell("roles", "%s", strings.Join(strings.Fields(step.String()), " "))
			}
		},
	})
	if err != nil {
		return fmt.Errorf("making the controllers of roles: %w", err)
	}
	o.roles = &rolesPart{c, map[types.UID][]*reporter{}}
	shards = run(o, "roles", c.Shards(), roles.RateLimiter[roles.Shard]())
	for _, watch := range c.Watches() {
		if err := follow(o, shards, watch.Object, watch.Handler, watch.Predicates); err != nil {
			return err
		}
	}
	sets = run(o, "roles of sets", c.Sets(), roles.RateLimiter[reconcile.Request]())
	changes := []predicate.Predicate{roles.SetChanges()}
	if err := follow(o, sets, &v1alpha1.InstanceSet{}, handler.TypedEventHandler[client.Object, reconcile.Request](&handler.EnqueueRequestForObject{}), changes); err != nil {
		return err
	}
	c.Ledger.Listen()
	o.sweep()
	o.callRoll(roles.CallRounds)
	return o.addSwitchovers(hands)
}

// addSwitchovers adds the controller of Switchovers. A reconcile of it takes as long as a master is being handed over.
func (o *operator) addSwitchovers(hands switchovers.Executor) error {
	cache := reader{o.replicas}
	if err := switchovers.Indexes(o.ctx, cache); err != nil {
		return err
	}
	r, err := switchovers.New(switchovers.Deps{
		Cache: cache, Live: live{o.access}, Writer: writer{reader: cache, access: o.access}, Events: silentRecorder{}, Metrics: prometheus.NewRegistry(),
		Now: time.Now, Executor: hands,
	})
	if err != nil {
		return fmt.Errorf("making the controller of switchovers: %w", err)
	}
	q := run(o, "switchovers", r, switchovers.RateLimiter())
	q.apart = newApart[reconcile.Request]()
	each := handler.TypedEventHandler[client.Object, reconcile.Request](&handler.EnqueueRequestForObject{})
	return follow(o, q, &v1alpha1.Switchover{}, each, []predicate.Predicate{switchovers.Changes()})
}

// sweep has the ledger forget pods that are gone, once a minute.
func (o *operator) sweep() {
	o.w.after(time.Minute, "sweep of the ledger", func() {
		if o.crashed {
			return
		}
		if !o.asleep() {
			o.roles.Ledger.Sweep(o.ctx)
		}
		o.sweep()
	})
}

// callRoll asks the agents that were not heard, so many times.
func (o *operator) callRoll(rounds int) {
	if rounds == 0 {
		return
	}
	o.w.after(roles.CallPause, "roll call", func() {
		if o.crashed {
			return
		}
		if !o.asleep() {
			unheard, err := o.roles.Ledger.Unheard(o.ctx)
			o.w.must(err)
			for n, pod := range unheard {
				o.w.after(time.Duration(n+1)*roles.CallEvery, "roll call", func() { o.w.roll(o, pod) })
			}
		}
		o.callRoll(rounds - 1)
	})
}

// steadiness is since when one instance has been master without any doubt, "" if none is.
type steadiness struct {
	uid   types.UID
	since time.Time
}

// How long something may take.
const (
	// reportsForgotten: what was said so long ago decides nothing any more. An instance is silent after eight minutes, a report is
	// late by a minute at most, and who sleeps longer than that does not lead any more when it wakes.
	reportsForgotten = 570 * time.Second
	// labelledWithin: the next report comes within a heartbeat and a quarter, and the answer of Sentinels to its agent within a minute and a quarter;
	// what too few Sentinels say is forgotten after 30 seconds, and each shard is looked at every 15.
	labelledWithin = 480 * time.Second
)

// judge notes whether the master of a shard is beyond doubt, and wants the one that has been for long to have the label once
// nothing goes wrong any more.
func (h *ha) judge(shard string) {
	now := h.undoubted(shard)
	before := h.steady[shard]
	if before.uid != now || before.since.IsZero() {
		h.steady[shard] = steadiness{now, time.Now()}
		return
	}
	calm := h.w.calm
	if now == "" || calm.IsZero() || time.Since(calm) < labelledWithin || time.Since(before.since) < labelledWithin || h.w.operator.crashed {
		return
	}
	if label := h.labelled(shard); !slices.Equal(label, []types.UID{now}) {
		h.w.checker.fail("the agreed master has the label", "%s: %s has been master for %s by all that anybody says, and the label is on %v\n%s",
			shard, now, time.Since(before.since).Round(time.Second), label, h.w.Roles())
	}
}

// labelled are the pods of a shard with the label master.
func (h *ha) labelled(shard string) (out []types.UID) {
	for _, pod := range all[*corev1.Pod](h.w) {
		if pod.Labels[v1alpha1.LabelShard] == shard && pod.Labels[v1alpha1.LabelRole] == string(v1alpha1.RoleMaster) {
			out = append(out, pod.UID)
		}
	}
	return out
}

// undoubted is the pod that is master by its own word and by that of the HA system, while nobody says otherwise, nor has said so
// last; "" if there is none.
func (h *ha) undoubted(shard string) types.UID {
	var claims []copied
	doubts := false
	for _, c := range h.w.shardEngines(shard) {
		if c.engine.master && c.up() {
			claims = append(claims, c)
		}
	}
	if len(claims) != 1 {
		return ""
	}
	master := claims[0]
	x := h.sets[master.engine.agent.set]
	for _, c := range h.w.shardEngines(shard) {
		// Where no election decides, all others must have said what they are.
		if c.pod != master.pod && (c.engine.agent.said == "master" || x != nil && x.people && c.engine.agent.said == "unknown") {
			doubts = true
		}
	}
	pod, there := find[*corev1.Pod](h.w, master.name)
	switch {
	case x == nil, doubts, !there, pod.UID != master.pod, pod.DeletionTimestamp != nil, pod.Status.Phase != corev1.PodRunning, pod.Labels[v1alpha1.LabelLost] != "":
		return ""
	case h.w.containers != nil && !isReady(pod): // another container may be down
		return ""
	case h.w.outOfService(pod.Spec.NodeName):
		return ""
	case !x.people && !x.name(shard, h.w.addrOf(master.process)):
		return ""
	}
	return pod.UID
}

// name reports whether most Sentinels name an address by the latest election that any of them knows of.
func (x *watchers) name(shard, addr string) bool {
	latest, votes := int64(0), 0
	for _, s := range x.sentinels {
		if known := s.shards[shard]; known != nil {
			latest = max(latest, known.epoch)
		}
	}
	for _, s := range x.sentinels {
		if known := s.shards[shard]; known != nil && known.epoch == latest {
			if known.master != addr {
				return false
			}
			votes++
		}
	}
	return votes > len(x.sentinels)/2
}

// Roles are the shards with roles: what each instance is, what its label says, and whom Sentinels name.
func (w *World) Roles() string {
	var b strings.Builder
	for _, name := range w.ha.names() {
		x := w.ha.sets[name]
		set, there := find[*v1alpha1.InstanceSet](w, types.NamespacedName{Namespace: Namespace, Name: name})
		if !there {
			continue
		}
		for _, kind := range []string{v1alpha1.ConditionNoMaster, v1alpha1.ConditionTwoMasters, v1alpha1.ConditionInSync} {
			if c := meta.FindStatusCondition(set.Status.Conditions, kind); c != nil {
				fmt.Fprintf(&b, "%s: %s=%s/%s\n", name, kind, c.Status, c.Reason)
			}
		}
		for _, pod := range all[*corev1.Pod](w) {
			if pod.Labels[v1alpha1.LabelInstanceSet] == name {
				fmt.Fprintf(&b, "%s %s\n", pod.Name, w.roleLine(pod))
			}
		}
		for _, s := range x.sentinels {
			if !x.people {
				fmt.Fprintf(&b, "sentinel %d%s\n", s.number, s.line())
			}
		}
	}
	return b.String()
}

func (w *World) roleLine(pod *corev1.Pod) string {
	is := "does not run"
	if c, there := w.engineNamed(pod.Name); there && c.pod == pod.UID {
		switch {
		case !c.up():
			is = "does not answer"
		case c.engine.master:
			is = "is master"
		default:
			is = "follows " + c.engine.follows
		}
		if !c.on.reachable() {
			is += " (cut off)"
		}
	}
	label := pod.Labels[v1alpha1.LabelRole]
	if label == "" {
		label = "-"
	}
	return fmt.Sprintf("label=%s %s", label, is)
}

func (s *sentinel) line() string {
	var words []string
	for _, shard := range slices.Sorted(maps.Keys(s.shards)) {
		words = append(words, fmt.Sprintf(" %s=%s/%d", shard, strings.TrimSuffix(s.shards[shard].master, ":6379"), s.shards[shard].epoch))
	}
	if s.silent {
		words = append(words, " (silent)")
	}
	if s.deaf {
		words = append(words, " (hears no other)")
	}
	return strings.Join(words, "")
}
