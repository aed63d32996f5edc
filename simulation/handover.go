package simulation

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	api "github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/podspec"
	"github.com/shoal-dev/shoal/redis"
	"github.com/shoal-dev/shoal/roles"
	"github.com/shoal-dev/shoal/roles/handover"
	"github.com/shoal-dev/shoal/switchover/decide"
)

// Who hands over masters. Which step comes next is the real code (switchover/decide), and so is what an agent makes of an order
// (agent.Steps): locks, boots and lines count. How looks and orders travel, and what becomes of them on their way, is the model:
// an order may be lost, may be done and nobody hears of it, or may arrive after whoever gave it has given up, or has crashed.

// orderFaults are how many orders and looks are lost, done unheard, and late, and how late at most.
type orderFaults struct {
	lost, unheard, late float64
	most                time.Duration
}

// executor hands over for one life of a manager.
type executor struct {
	o     *operator
	taken map[handover.Shard]bool
}

var errNoLease = errors.New("this manager does not lead")

// lock is the count of the lock of leader election.
func (e *executor) lock() (uint64, error) {
	switch {
	case e.o.crashed:
		return 0, errCrashed
	case e.o.w.operator != e.o: // by its own clock, its lease has ended
		return 0, errNoLease
	}
	return uint64(e.o.life) + 1, nil
}

// Taken reports whether it hands over the shard just now.
func (e *executor) Taken(s handover.Shard) bool { return e.taken[s] }

// HandingOver is Taken by namespace and name.
func (e *executor) HandingOver(shard types.NamespacedName) bool {
	set, _ := splitName(shard.Name)
	return e.taken[handover.Shard{Set: types.NamespacedName{Namespace: shard.Namespace, Name: set}, Name: shard.Name}]
}

// Run hands over (handover.Executor).
func (e *executor) Run(ctx context.Context, s handover.Shard, request decide.Request, step func(decide.Step)) (decide.Step, error) {
	if e.taken[s] {
		return decide.Step{}, handover.ErrTaken
	}
	e.taken[s] = true
	defer delete(e.taken, s)
	h := &handing{executor: e, turn: turnOf(ctx), shard: s, request: request.Defaults(), lines: map[string]*wire{}, step: step}
	if err := h.take(); err != nil {
		return decide.Step{}, err
	}
	lock, err := e.lock()
	if err == nil {
		h.held = lock
		err = h.describe(ctx)
	}
	if err != nil {
		return decide.Step{}, fmt.Errorf("handing over in %s: %w", s, err)
	}
	h.memory.Began = time.Now()
	end, err := h.loop()
	if now, lost := e.lock(); err == nil && (lost != nil || now != lock) {
		err = fmt.Errorf("handing over in %s: %w", s, redis.ErrLater)
	}
	return end, err
}

// handing is one execution of a request.
type handing struct {
	*executor
	*turn
	shard   handover.Shard
	held    uint64 // the lock
	request decide.Request
	memory  decide.Memory
	members []member
	lines   map[string]*wire
	step    func(decide.Step)
	seen    []decide.Sentinel
}

// member is an instance as it was when the handover began.
type member struct {
	name, addr, node string
	pod              types.UID
	avoid, outdated  bool
}

// wire is a session with an agent.
type wire struct {
	boot   string
	number uint64 // 0 if there is none
	failed time.Time
	// trouble is why there is none.
	trouble error
}

// How long an answer is waited for, and how long one who did not answer is left alone, as in packages handover and switchover.
const (
	leftAlone, leftAloneVital = time.Second, 20 * time.Millisecond
	betweenLooks              = 20 * time.Millisecond
)

func (h *handing) world() *World { return h.o.w }

// describe finds the instances as the manager's cache has them.
func (h *handing) describe(ctx context.Context) error {
	cache := reader{h.o.replicas}
	var set v1alpha1.InstanceSet
	if err := cache.Get(ctx, h.shard.Set, &set); err != nil {
		return err
	}
	h.request.Static = set.Spec.RoleProvider == nil || set.Spec.RoleProvider.Sentinel == nil
	pods, err := roles.InstancesOf(ctx, cache, &set, h.shard.Name)
	for _, pod := range pods {
		if pod.Status.PodIP == "" {
			continue
		}
		m := h.world().machines[pod.Spec.NodeName]
		node := m == nil || !m.reachable() || h.world().outOfService(m.name)
		h.members = append(h.members, member{
			name: pod.Name, addr: h.world().addrFor(set.Name, pod.Name, pod.Status.PodIP), node: pod.Spec.NodeName, pod: pod.UID,
			avoid: pod.DeletionTimestamp != nil || node, outdated: pod.Labels[v1alpha1.LabelRevision] != podspec.Revision(&set, templateNamed(&set, pod.Labels[v1alpha1.LabelTemplate])),
		})
		h.lines[pod.Name] = &wire{}
	}
	return err
}

func templateNamed(set *v1alpha1.InstanceSet, name string) *v1alpha1.InstanceTemplate {
	for n := range set.Spec.Templates {
		if set.Spec.Templates[n].Name == name {
			return &set.Spec.Templates[n]
		}
	}
	return nil
}

// loop is that of package switchover.
func (h *handing) loop() (decide.Step, error) {
	for {
		s, err := h.snapshot()
		if err != nil {
			return decide.Step{}, err
		}
		next := decide.Decide(s)
		if next.Do == decide.Wait {
			if err := h.sleep(betweenLooks); err != nil {
				return next, err
			}
			continue
		}
		if h.request.Configured == nil {
			configured := decide.Configured(s.Request, s.Instances)
			h.request.Configured = &configured
		}
		if next.Do == decide.End {
			h.world().tell("handover", "%s ends: %s %s", h.shard.Name, next.Result, strings.Join(strings.Fields(next.Code.Because("%s", next.Text)), " "))
			return next, nil
		}
		h.step(next)
		h.world().tell("handover", "%s: %s %s%s", h.shard.Name, next.Do, next.Instance, after(" of ", next.Master))
		begun, trouble := time.Now(), ""
		epoch, err := h.do(next)
		if errors.Is(err, errCrashed) || errors.Is(err, redis.ErrLater) {
			return next, err
		} else if err != nil {
			trouble = err.Error()
		}
		h.memory = h.memory.After(next, begun, epoch, trouble)
		if err != nil {
			if err := h.sleep(betweenLooks); err != nil {
				return next, err
			}
		}
	}
}

func after(word, name string) string {
	if name == "" {
		return ""
	}
	return word + name
}

// snapshot looks at everybody. Who does not answer takes as long as an answer is waited for.
func (h *handing) snapshot() (decide.Snapshot, error) {
	began, late := time.Now(), false
	if err := h.sleep(h.world().between(time.Millisecond, 4*time.Millisecond)); err != nil {
		return decide.Snapshot{}, err
	}
	s := decide.Snapshot{Request: h.request}
	for _, m := range h.members {
		i, slow, err := h.lookAt(m)
		if err != nil {
			return s, err
		}
		s.Instances, late = append(s.Instances, i), late || slow
	}
	h.seen = h.sentinels()
	s.Sentinels = h.seen
	if late {
		if err := h.sleep(handover.Answers); err != nil {
			return s, err
		}
	}
	s.Now = time.Now()
	s.Took = s.Now.Sub(began)
	h.memory = h.memory.Seen(s)
	s.Memory = h.memory
	return s, nil
}

// lookAt looks at one instance, over the session that there is or a new one. Slow: it does not answer.
func (h *handing) lookAt(m member) (out decide.Instance, slow bool, err error) {
	out = decide.Instance{Name: m.name, Addr: m.addr, Node: m.node, Avoid: m.avoid, Outdated: m.outdated}
	l := h.lines[m.name]
	alone := leftAlone
	if m.name == h.request.From || m.name == h.memory.Target && h.memory.GivenUp == 0 {
		alone = leftAloneVital
	}
	if l.number == 0 && l.trouble != nil && time.Since(l.failed) < alone {
		out.Trouble = l.trouble.Error()
		return out, false, nil
	}
	a, slow, err := h.ask(m, l, api.Request{Action: api.Look})
	switch {
	case errors.Is(err, redis.ErrLater), errors.Is(err, errCrashed):
		return out, slow, err
	case err != nil:
		*l = wire{failed: time.Now(), trouble: err}
		out.Trouble = err.Error()
		return out, slow, nil
	}
	l.boot, l.number = a.Report.BootID, a.Line
	s := a.State
	out.Reachable, out.Master, out.Of, out.Held = true, s.Role == api.RoleMaster, s.Master, s.Master == redis.Nobody
	out.LinkUp, out.Syncing, out.Loading = s.LinkUp, s.Syncing, s.Loading
	out.History, out.Former, out.FormerEnd, out.Offset = s.History, s.Former, s.FormerEnd, s.Offset
	out.Followers, out.Priority = len(s.Followers), 100
	out.Fence = decide.Fence{Replicas: s.MinReplicas, Lag: time.Duration(s.MaxLagSeconds) * time.Second}
	return out, false, nil
}
