package roles

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/podspec"
	"github.com/shoal-dev/shoal/roles/orders"
)

// rolled is a set of two shards whose agents answer, or do not, and when each was asked.
type rolled struct {
	*harness
	*rollCall
	begun time.Time

	mu      sync.Mutex
	asked   []string
	at      []time.Time
	under   int
	most    int
	answers func(pod string) error
	takes   time.Duration
}

func withAgentOf(pod *corev1.Pod, shard string) *corev1.Pod {
	pod.Labels[v1alpha1.LabelShard] = shard
	pod.Spec.InitContainers = []corev1.Container{{Name: podspec.AgentContainer, Image: "agent", RestartPolicy: ptr.To(corev1.ContainerRestartPolicyAlways)}}
	return pod
}

func newRolled(t *testing.T, change func(name string, pod *corev1.Pod)) *rolled {
	t.Helper()
	set := aSet()
	set.Spec.Replicas = ptr.To[int32](6)
	objects := []client.Object{set}
	for n, shard := range []string{"r-0", "r-0", "r-0", "r-1", "r-1", "r-1"} {
		pod := withAgentOf(aPod(fmt.Sprint("r-", n)), shard)
		if n == 0 {
			pod.Labels[v1alpha1.LabelRole] = string(v1alpha1.RoleMaster)
		}
		if change != nil {
			change(pod.Name, pod)
		}
		objects = append(objects, pod)
	}
	r := &rolled{harness: newHarness(t, objects...), begun: time.Now(), answers: func(string) error { return nil }}
	r.rollCall = &rollCall{ledger: r.harness.ledger, give: r.give, target: orders.Of}
	return r
}

func (r *rolled) give(ctx context.Context, to orders.Target, request agent.Request) (agent.Answer, error) {
	if request.Action != agent.ConfigGet || request.BootID != "" {
		return agent.Answer{}, fmt.Errorf("an agent was asked for %s", request.Action)
	}
	r.mu.Lock()
	r.asked, r.at = append(r.asked, to.Pod), append(r.at, time.Now())
	r.under++
	r.most = max(r.most, r.under)
	r.mu.Unlock()
	defer func() { r.mu.Lock(); r.under--; r.mu.Unlock() }()
	select {
	case <-ctx.Done():
		return agent.Answer{}, ctx.Err()
	case <-time.After(r.takes):
	}
	if err := r.answers(to.Pod); err != nil {
		return agent.Answer{}, err
	}
	report := agent.Report{Version: agent.Version, Role: agent.RoleReplica, BootID: strings.Repeat("a", 32), Sequence: 1}
	return agent.Answer{}, r.harness.ledger.Accept(ctx, to.Identity, report) // as cmd/manager has it
}

func (r *rolled) call(t *testing.T) {
	t.Helper()
	if err := r.rollCall.Start(t.Context()); err != nil {
		t.Error(err)
	}
}

// A manager that begins to lead asks whom it has not heard, once, one after the other: first those of a shard without a master. Whom it
// hears meanwhile it does not ask.
func TestANewLeaderCallsTheRoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRolled(t, nil)
		if err := r.report(t, "r-4", agent.RoleReplica, 0); err != nil {
			t.Fatal(err)
		}
		r.call(t)
		if got := strings.Join(r.asked, " "); got != "r-3 r-5 r-0 r-1 r-2" {
			t.Errorf("asked %s", got)
		}
		for n, at := range r.at {
			if want := r.begun.Add(CallPause + time.Duration(n+1)*CallEvery); !at.Equal(want) {
				t.Errorf("question %d after %s, want %s", n, at.Sub(r.begun), want.Sub(r.begun))
			}
		}
		if left, err := r.harness.ledger.Unheard(t.Context()); err != nil || len(left) > 0 {
			t.Errorf("%d are not heard, %v", len(left), err)
		}
	})
}

// Who does not answer is asked twice more, and holds up nobody.
func TestWhoDoesNotAnswerIsAskedThreeTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRolled(t, nil)
		r.answers = func(pod string) error {
			if pod == "r-3" {
				return errors.New("no route")
			}
			return nil
		}
		r.call(t)
		if got := strings.Join(r.asked, " "); got != "r-3 r-4 r-5 r-0 r-1 r-2 r-3 r-3" {
			t.Errorf("asked %s", got)
		}
		if gap := r.at[6].Sub(r.at[5]); gap < CallPause {
			t.Errorf("asked again after %s", gap)
		}
	})
}

func TestWhoIsNotAsked(t *testing.T) {
	for name, change := range map[string]func(*corev1.Pod){
		"it does not run yet":      func(p *corev1.Pod) { p.Status.Phase = corev1.PodPending },
		"it has ended":             func(p *corev1.Pod) { p.Status.Phase = corev1.PodFailed },
		"it has no address":        func(p *corev1.Pod) { p.Status.PodIP = "" },
		"it has no agent":          func(p *corev1.Pod) { p.Spec.InitContainers = nil },
		"it is a stranger":         func(p *corev1.Pod) { p.OwnerReferences = nil },
		"it is none of the shard":  func(p *corev1.Pod) { p.Labels[v1alpha1.LabelShard] = "r-0" },
		"its shard is handed over": nil,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRolled(t, func(name string, pod *corev1.Pod) {
					if name == "r-4" && change != nil {
						change(pod)
					}
				})
				want := "r-3 r-5 r-0 r-1 r-2"
				if change == nil {
					r.handingOver = func(shard types.NamespacedName) bool { return shard.String() == "ns/r-1" }
					want = "r-0 r-1 r-2"
				}
				r.call(t)
				if got := strings.Join(r.asked, " "); got != want {
					t.Errorf("asked %s, want %s", got, want)
				}
			})
		})
	}
}

// Agents that never answer are given up, and no more of them are waited for at the same time than there are places.
func TestTheRollCallIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRolled(t, nil)
		r.takes = time.Hour
		pod := r.pod(t, "r-3")
		var pods []*corev1.Pod
		for range 3 * callsAtOnce {
			pods = append(pods, pod)
		}
		r.round(t.Context(), pods)
		if took := time.Since(r.begun); len(r.asked) != len(pods) || r.most != callsAtOnce || took > 4*callTimeout {
			t.Errorf("%d asked, %d at once, in %s", len(r.asked), r.most, took)
		}
	})
}

// A process that does not lead any more asks nobody.
func TestTheRollCallEndsWithTheLead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRolled(t, nil)
		ctx, stop := context.WithTimeout(t.Context(), CallPause+3*CallEvery+CallEvery/2)
		defer stop()
		if err := r.rollCall.Start(ctx); err != nil || len(r.asked) != 3 {
			t.Errorf("asked %v, %v", r.asked, err)
		}
	})
}
