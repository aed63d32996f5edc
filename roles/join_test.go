package roles

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/roles/orders"
)

// agents are those of the harness' pods: they keep what they are asked for, and answer with what the test says that they are.
type agents struct {
	h        *harness
	t        *testing.T
	mu       sync.Mutex
	asked    []string
	are      map[string]agent.Report
	err      error
	begun    chan struct{} // is told of each order, if it is not nil; then the order waits for hold
	hold     chan struct{}
	finished chan shardKey
}

// withAgents gives the harness a joiner. All three are as the test says, in reports and in answers.
func withAgents(t *testing.T, h *harness) *agents {
	t.Helper()
	a := &agents{h: h, t: t, are: map[string]agent.Report{}, finished: make(chan shardKey, 100)}
	h.joiner = newJoiner(a.give, h.ledger.boot, h.told, func() time.Time { return h.clock }, func(k shardKey) { a.finished <- k })
	h.joiner.target = func(pod *corev1.Pod) (orders.Target, error) {
		return orders.Target{Identity: agent.Identity{Namespace: pod.Namespace, Pod: pod.Name, UID: string(pod.UID)}, Address: pod.Status.PodIP + ":9720"}, nil
	}
	return a
}

func (a *agents) give(_ context.Context, to orders.Target, r agent.Request) (agent.Answer, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	line := fmt.Sprintf("%s %s", to.Pod, r.Action)
	if r.Action != agent.ConfigGet {
		line += fmt.Sprintf(" %s by %d boot %.2s uid %s", r.Master, r.Epoch, r.BootID, to.UID[len(to.UID)-1:])
	}
	a.asked = append(a.asked, line)
	if a.begun != nil {
		select {
		case a.begun <- struct{}{}:
		case <-a.hold: // nobody listens any more
		}
		<-a.hold
	}
	return agent.Answer{Report: a.are[to.Pod]}, a.err
}

// says has a pod report, now and when it is asked.
func (a *agents) says(name string, r agent.Report) {
	a.t.Helper()
	sequence++
	r.Version, r.Sequence, r.BootID = agent.Version, sequence, strings.Repeat(name[len(name)-1:], 32)
	a.mu.Lock()
	a.are[name] = r
	a.mu.Unlock()
	if err := a.h.ledger.Accept(a.t.Context(), agent.Identity{Namespace: "ns", Pod: name, UID: string(a.h.pod(a.t, name).UID)}, r); err != nil {
		a.t.Fatal(err)
	}
}

// orders waits for n orders to end, and returns what agents were asked for since.
func (a *agents) orders(n int) []string {
	a.t.Helper()
	for range n {
		select {
		case <-a.finished:
		case <-time.After(20 * time.Second):
			a.t.Fatal("an order does not end")
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	asked := a.asked
	a.asked = nil
	return asked
}

func theMaster() agent.Report {
	return agent.Report{Role: agent.RoleMaster, Epoch: 6, Holds: agent.HoldsData}
}

func inSync() agent.Report {
	return agent.Report{Role: agent.RoleReplica, Epoch: 6, MasterAddr: "r-0.r:6379", LinkUp: true, Holds: agent.HoldsData}
}

func protected(holds agent.Holding) agent.Report {
	return agent.Report{Role: agent.RoleReplica, Protected: true, MasterAddr: "127.0.0.1:1", Holds: holds}
}

// joining is a shard of which r-2 has started anew, with agents.
func joining(t *testing.T) (*harness, *agents) {
	t.Helper()
	h := three(t)
	h.naming = Naming{Heard: true, Agreed: true, Addr: "r-0.r:6379", Epoch: 6, Since: h.clock}
	a := withAgents(t, h)
	a.says("r-0", theMaster())
	a.says("r-1", inSync())
	a.says("r-2", protected(agent.HoldsNothing))
	h.reconcile(t)
	if asked := a.orders(0); h.labels(t) != "master,replica," || len(asked) > 0 {
		t.Fatalf("labels %s, orders %v: the label comes first", h.labels(t), asked)
	}
	return h, a
}

// From the report of an instance that was made anew to its label: it is told, follows, and is labelled when it is in sync.
func TestAProtectedInstanceJoins(t *testing.T) {
	h, a := joining(t)
	h.reconcile(t)
	want := []string{"r-0 config-get", "r-2 join r-0.r:6379 by 6 boot 22 uid 2"}
	if asked := a.orders(1); fmt.Sprint(asked) != fmt.Sprint(want) {
		t.Errorf("%q, want %q", asked, want)
	}
	if last := h.told.lines[len(h.told.lines)-1]; !strings.HasPrefix(last, "Normal JoinMaster r-2: ") {
		t.Errorf("event %q", last)
	}
	a.says("r-2", agent.Report{Role: agent.RoleReplica, Epoch: 6, MasterAddr: "r-0.r:6379", Holds: agent.HoldsNothing})
	h.reconcile(t)
	if h.labels(t) != "master,replica," {
		t.Errorf("labels %s before it is in sync", h.labels(t))
	}
	a.says("r-2", inSync())
	h.reconcile(t)
	if asked := a.orders(0); h.labels(t) != "master,replica,replica" || len(asked) > 0 {
		t.Errorf("labels %s, orders %v", h.labels(t), asked)
	}
}

// An instance that stays protected is told again, later and later, and never by two at once. A new master is told of at once.
func TestOrdersToJoinArePaced(t *testing.T) {
	h, a := joining(t)
	a.begun, a.hold = make(chan struct{}, 10), make(chan struct{})
	h.reconcile(t)
	<-a.begun
	for range 5 {
		h.reconcile(t) // waits for nothing, and starts no second one
	}
	close(a.hold)
	if asked := a.orders(1); len(asked) != 2 {
		t.Errorf("%q", asked)
	}
	for _, wait := range []time.Duration{joinSoon, 2 * joinSoon, 4 * joinSoon} {
		if after := h.reconcile(t); after != min(wait, idle) || len(a.orders(0)) > 0 {
			t.Errorf("looks again after %s, want %s", after, wait)
		}
		h.clock = h.clock.Add(wait)
		a.says("r-0", theMaster())
		a.says("r-1", inSync())
		a.says("r-2", protected(agent.HoldsNothing))
		h.reconcile(t)
		if asked := a.orders(1); len(asked) != 2 {
			t.Errorf("after %s: %q", wait, asked)
		}
	}
	a.says("r-0", agent.Report{Role: agent.RoleReplica, MasterAddr: "r-1.r:6379", LinkUp: true, Epoch: 7, Holds: agent.HoldsData})
	a.says("r-1", agent.Report{Role: agent.RoleMaster, Epoch: 7, Holds: agent.HoldsData})
	h.naming.Addr, h.naming.Epoch = "r-1.r:6379", 7
	h.reconcile(t)
	h.reconcile(t)
	h.reconcile(t)
	if asked := a.orders(1); len(asked) != 2 || asked[1] != "r-2 join r-1.r:6379 by 7 boot 22 uid 2" {
		t.Errorf("%q", asked)
	}
}

// What was decided rests on reports. If the master's agent says something else when it is asked, nobody is told.
func TestTheMasterIsAskedBefore(t *testing.T) {
	for name, now := range map[string]agent.Report{
		"a replica": inSync(), "protected": protected(agent.HoldsData), "nothing known": {Role: agent.RoleUnknown},
		"started anew, and empty": {Role: agent.RoleMaster, Epoch: 6, Holds: agent.HoldsNothing}, "reading its data": {Role: agent.RoleMaster, Loading: true, Holds: agent.HoldsData},
	} {
		t.Run(name, func(t *testing.T) {
			h, a := joining(t)
			a.says("r-2", protected(agent.HoldsData))
			a.are["r-0"] = now
			h.reconcile(t)
			if asked := a.orders(1); fmt.Sprint(asked) != "[r-0 config-get]" {
				t.Errorf("%q", asked)
			}
			h.clock = h.clock.Add(joinSoon)
			h.reconcile(t)
			a.orders(1)
			told := 0
			for _, line := range h.told.lines {
				if strings.HasPrefix(line, "Warning JoinFailed r-2: ") {
					told++
				}
			}
			if told != 1 {
				t.Errorf("it was told %d times: %q", told, h.told.lines)
			}
		})
	}
}

// All instances of a shard have started anew. Nobody is told anything, however long it lasts, and the condition says who waits.
func TestAShardThatStartedAnew(t *testing.T) {
	for name, holds := range map[string][3]agent.Holding{
		"empty": {agent.HoldsNothing, agent.HoldsNothing, agent.HoldsNothing}, "one with data": {agent.HoldsNothing, agent.HoldsData, agent.HoldsNothing},
	} {
		t.Run(name, func(t *testing.T) {
			h, a := joining(t)
			h.reconcile(t)
			a.orders(1)
			for n, pod := range []string{"r-0", "r-1", "r-2"} {
				a.says(pod, protected(holds[n]))
			}
			for range 30 {
				h.reconcile(t)
				h.clock = h.clock.Add(5 * time.Second)
			}
			if asked := a.orders(0); len(asked) > 0 || h.labels(t) != ",," {
				t.Errorf("orders %q, labels %s", asked, h.labels(t))
			}
			if text := fmt.Sprint(h.verdicts.of(shardZero.owner())); !strings.Contains(text, "protected until then: r-0, r-1, r-2") {
				t.Errorf("the condition says %s", text)
			}
		})
	}
}

// A master that is empty is a person's to judge: it is told of once.
func TestAnEmptyMasterIsToldOf(t *testing.T) {
	h, a := joining(t)
	a.says("r-0", agent.Report{Role: agent.RoleMaster, Epoch: 6, Holds: agent.HoldsNothing})
	a.says("r-2", protected(agent.HoldsData))
	for range 3 {
		h.reconcile(t)
	}
	if last := h.told.lines[len(h.told.lines)-1]; len(a.orders(0)) > 0 || len(h.told.lines) != 2 || !strings.HasPrefix(last, "Warning JoinMasterEmpty r-2: ") {
		t.Errorf("events %q", h.told.lines)
	}
}

func TestNobodyJoinsWhileAMasterIsHandedOver(t *testing.T) {
	h, a := joining(t)
	over := false
	h.handingOver = func(shard types.NamespacedName) bool { return !over && shard.Namespace == "ns" && shard.Name == "r-0" }
	h.reconcile(t)
	if asked := a.orders(0); len(asked) > 0 {
		t.Errorf("%q", asked)
	}
	over = true
	h.reconcile(t)
	a.orders(1)
}

// Without Sentinels the master is called by the name that stays its own, and there is no election.
func TestTheMasterOfAStaticShard(t *testing.T) {
	h := three(t)
	a := withAgents(t, h)
	a.says("r-0", agent.Report{Role: agent.RoleMaster, Holds: agent.HoldsData})
	a.says("r-1", protected(agent.HoldsData))
	a.says("r-2", inSync())
	h.reconcile(t)
	h.reconcile(t)
	if asked := a.orders(1); len(asked) != 2 || asked[1] != "r-1 join r-0.r.ns.svc:6379 by 0 boot 11 uid 1" {
		t.Errorf("%q", asked)
	}
}

// Agents that do not answer keep no label from moving, and no more than so many are asked at the same time.
func TestPlacesForOrders(t *testing.T) {
	h, a := joining(t)
	a.err = errors.New("it does not answer")
	for range joinsAtOnce {
		h.joiner.places <- struct{}{}
	}
	if after := h.reconcile(t); after != joinSoon || len(a.orders(0)) > 0 {
		t.Errorf("looks again after %s", after)
	}
	<-h.joiner.places
	h.reconcile(t)
	if asked := a.orders(1); len(asked) != 1 {
		t.Errorf("%q", asked)
	}
	h.joiner.forget(h.pod(t, "r-2").UID)
	if len(h.joiner.tries) != 0 {
		t.Errorf("%v is remembered", h.joiner.tries)
	}
}
