package roles

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/podspec"
	"github.com/shoal-dev/shoal/reason"
	"github.com/shoal-dev/shoal/roles/decide"
	"github.com/shoal-dev/shoal/roles/orders"
)

const (
	// joinSoon is before the second try to tell an instance, joinLate at last: the time doubles with each.
	joinSoon, joinLate = 2 * time.Second, time.Minute
	// joinsAtOnce is how many instances are told at the same time.
	joinsAtOnce = 32
)

// joiner gives the orders to join of plans, beside the workers that decide: an agent that does not answer must not keep labels of
// other shards from moving. Each instance is told by one at a time, and again later and later for as long as a plan wants it.
type joiner struct {
	give   func(context.Context, orders.Target, agent.Request) (agent.Answer, error)
	target func(*corev1.Pod) (orders.Target, error)
	boot   func(types.UID) string
	events events.EventRecorder
	now    func() time.Time
	done   func(shardKey) // is told when there may be something to decide
	places chan struct{}

	mu    sync.Mutex
	tries map[types.UID]try
	waits map[types.UID]reason.Code
}

// try is what became of the order to one instance.
type try struct {
	join   decide.Join
	active bool
	failed bool // the last one
	next   time.Time
	wait   time.Duration
}

func newJoiner(give func(context.Context, orders.Target, agent.Request) (agent.Answer, error), boot func(types.UID) string, e events.EventRecorder, now func() time.Time, done func(shardKey)) *joiner {
	return &joiner{
		give: give, target: orders.Of, boot: boot, events: e, now: now, done: done, places: make(chan struct{}, joinsAtOnce),
		tries: map[types.UID]try{}, waits: map[types.UID]reason.Code{},
	}
}

// order starts what is due, and returns when the rest is; 0 if there is none. It waits for nothing.
func (j *joiner) order(ctx context.Context, set *v1alpha1.InstanceSet, shard shardKey, ha decide.View, plan decide.Plan, pods []*corev1.Pod) time.Duration {
	if j == nil {
		return 0
	}
	j.tell(set, plan, pods)
	byUID := map[types.UID]*corev1.Pod{}
	for _, pod := range pods {
		byUID[pod.UID] = pod
	}
	var again time.Duration
	for _, join := range plan.Joins {
		pod, master := byUID[types.UID(join.UID)], byUID[types.UID(join.MasterUID)]
		if left := j.begin(join); left > 0 && (again == 0 || left < again) {
			again = left
		} else if left == 0 {
			go j.carryOut(context.WithoutCancel(ctx), set, shard, join, pod, master, addressOf(ha, set, master))
		}
	}
	return again
}

// begin takes a place for the order, or says how long it has to wait.
func (j *joiner) begin(join decide.Join) time.Duration {
	j.mu.Lock()
	defer j.mu.Unlock()
	uid := types.UID(join.UID)
	t := j.tries[uid]
	switch now := j.now(); {
	case t.active:
		return joinSoon // whoever is at it says when it is over
	case t.join == join && now.Before(t.next):
		return t.next.Sub(now)
	case t.join != join:
		t = try{join: join, wait: joinSoon, failed: t.failed}
	}
	select {
	case j.places <- struct{}{}:
	default:
		return joinSoon
	}
	t.active = true
	j.tries[uid] = t
	return 0
}

func (j *joiner) carryOut(ctx context.Context, set *v1alpha1.InstanceSet, shard shardKey, join decide.Join, pod, master *corev1.Pod, addr string) {
	err := j.join(ctx, join, pod, master, addr)
	logger := log.FromContext(ctx).WithValues("shard", shard.String(), "instance", join.Instance, "master", join.Master, "epoch", join.Epoch)
	switch failedBefore := j.end(types.UID(join.UID), err); {
	case err == nil:
		logger.Info("told an instance to follow the master")
		j.events.Eventf(set, nil, corev1.EventTypeNormal, join.Reason.Name(), "Join", "%s: %s, %s", join.Instance, join.Text, join.Master)
	case !failedBefore:
		logger.Error(err, "Could not tell an instance to follow the master")
		j.events.Eventf(set, nil, corev1.EventTypeWarning, reason.JoinFailed.Name(), "Join", "%s", reason.JoinFailed.Because("%s: %s", join.Instance, agent.Clip(err.Error())))
	}
	<-j.places
	j.done(shard)
}

// end notes how it ended, and returns whether the one before had failed too.
func (j *joiner) end(uid types.UID, err error) (failedBefore bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	t := j.tries[uid]
	failedBefore, t.failed, t.active = t.failed, err != nil, false
	t.next, t.wait = j.now().Add(t.wait), min(2*t.wait, joinLate)
	j.tries[uid] = t
	return failedBefore
}

// forget is for a pod that is gone, or waits for nobody any more.
func (j *joiner) forget(uid types.UID) {
	if j == nil {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.tries[uid].active {
		delete(j.tries, uid)
	}
	delete(j.waits, uid)
}

var errNotMaster = errors.New("the agent of the master says something else by now")

// join asks the master's agent what its engine is now, and then tells the instance. What was decided rests on reports: a master that
// was started anew since, and holds nothing, would take from the instance what it holds.
func (j *joiner) join(ctx context.Context, join decide.Join, pod, master *corev1.Pod, addr string) error {
	from, err := j.target(master)
	if err != nil {
		return err
	}
	to, err := j.target(pod)
	if err != nil {
		return err
	}
	answer, err := j.give(ctx, from, whatItIs())
	if err != nil {
		return fmt.Errorf("looking at %s: %w", join.Master, err)
	}
	if !join.Stands(said(answer.Report)) {
		return fmt.Errorf("looking at %s: %w", join.Master, errNotMaster)
	}
	_, err = j.give(ctx, to, agent.Request{Action: agent.Join, BootID: j.boot(pod.UID), Epoch: join.Epoch, Master: addr})
	return err
}

// addressOf is where the master is reached: as the HA system names it, so that both call it the same; otherwise by the name that
// the set's Service gives it, which stays when its pod is made anew.
func addressOf(ha decide.View, set *v1alpha1.InstanceSet, master *corev1.Pod) string {
	if !ha.Static {
		return ha.Addr
	}
	host := master.Status.PodIP
	if master.Spec.Subdomain != "" {
		host = master.Name + "." + master.Spec.Subdomain + "." + master.Namespace + ".svc"
	}
	return net.JoinHostPort(host, strconv.Itoa(int(podspec.EnginePort(set))))
}

// tell makes an event, once for each instance, of what waits until a person has decided: the data of the instance, or nothing.
func (j *joiner) tell(set *v1alpha1.InstanceSet, plan decide.Plan, pods []*corev1.Pod) {
	waits := map[string]decide.Wait{}
	for _, w := range plan.Waits {
		waits[w.Instance] = w
	}
	joins := map[string]bool{}
	for _, join := range plan.Joins {
		joins[join.UID] = true
	}
	for _, pod := range pods {
		w, waiting := waits[pod.Name]
		if !waiting && !joins[string(pod.UID)] {
			j.forget(pod.UID)
			continue
		}
		j.mu.Lock()
		news := waiting && j.waits[pod.UID] != w.Reason
		if waiting {
			j.waits[pod.UID] = w.Reason
		}
		j.mu.Unlock()
		if news && w.Reason == reason.JoinMasterEmpty {
			j.events.Eventf(set, nil, corev1.EventTypeWarning, w.Reason.Name(), "Join", "%s: %s", pod.Name, w.String())
		}
	}
}
