package roles

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"k8s.io/apimachinery/pkg/types"

	"github.com/shoal-dev/shoal/api/agent"
)

func TestLedger(t *testing.T) {
	h := three(t)
	pod := h.pod(t, "r-0")
	id := agent.Identity{Namespace: "ns", Pod: "r-0", UID: string(pod.UID)}
	report := agent.Report{Version: 1, Role: agent.RoleMaster, Epoch: 3, BootID: "a", Sequence: 5}
	send := func(want error, wakes int) {
		t.Helper()
		h.woken = nil
		if err := h.ledger.Accept(t.Context(), id, report); !errors.Is(err, want) || want == nil && err != nil {
			t.Errorf("%+v: %v, want %v", report, err, want)
		}
		if len(h.woken) != wakes || wakes > 0 && h.woken[0] != shardZero {
			t.Errorf("%+v: woke %v, want %d", report, h.woken, wakes)
		}
	}
	send(nil, 1)
	send(ErrOld, 0)
	report.Sequence, report.Offset = 6, 42
	send(nil, 0) // nothing that decides anything
	report.Sequence, report.Role = 4, agent.RoleReplica
	send(ErrOld, 0)
	if got, at, ok := h.ledger.heard(pod.UID); !ok || got.Role != "master" || got.Epoch != 3 || !at.Equal(h.clock) {
		t.Errorf("heard %+v at %s, %t", got, at, ok)
	}
	report.Sequence = 7
	send(nil, 1)
	report.Sequence = 8
	h.clock = h.clock.Add(silence)
	send(nil, 1) // it was silent
	id.UID = "8d7f1c1e-2c5b-4a53-9d0e-00000000000f"
	send(ErrStranger, 0) // the one that had this name before
	id.Pod = "r-9"
	send(ErrStranger, 0)
	h.ledger.forget(pod.UID)
	if _, _, ok := h.ledger.heard(pod.UID); ok {
		t.Error("it is not forgotten")
	}
	h.clock = h.clock.Add(time.Minute)
	if got := h.ledger.listening(); got < time.Hour {
		t.Errorf("it has listened for %s", got)
	}
}

func TestAPodOfNoSetIsAStranger(t *testing.T) {
	plain := aPod("r-0")
	plain.OwnerReferences = nil
	h := newHarness(t, aSet(), plain)
	if err := h.report(t, "r-0", agent.RoleMaster, 0); !errors.Is(err, ErrStranger) {
		t.Errorf("%v", err)
	}
}

// A manager that does not lead takes nothing: nobody would forget it.
func TestAStandbyTakesNoReports(t *testing.T) {
	h := three(t)
	h.ledger.since = time.Time{}
	if err := h.report(t, "r-0", agent.RoleMaster, 0); !errors.Is(err, ErrStandby) || len(h.ledger.entries) != 0 {
		t.Errorf("%v, %d entries", err, len(h.ledger.entries))
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := h.ledger.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if err := h.report(t, "r-0", agent.RoleMaster, 0); err != nil {
		t.Errorf("it leads: %v", err)
	}
}

// What was noted of a pod after the event of its end is forgotten some time.
func TestPodsThatAreGoneAreSwept(t *testing.T) {
	h := three(t)
	h.hear(t, "r-0", 0)
	anew := h.pod(t, "r-1")
	if err := errors.Join(h.client.Delete(t.Context(), h.pod(t, "r-0")), h.client.Delete(t.Context(), anew)); err != nil {
		t.Fatal(err)
	}
	before := anew.UID
	anew.UID, anew.ResourceVersion = "8d7f1c1e-2c5b-4a53-9d0e-00000000000e", ""
	if err := h.client.Create(t.Context(), anew); err != nil {
		t.Fatal(err)
	}
	h.ledger.sweep(t.Context())
	if _, _, heard := h.ledger.heard(before); heard || len(h.ledger.entries) != 1 {
		t.Errorf("entries %v", h.ledger.entries)
	}
}

// An engine that refuses its agent, or that its agent refuses, is counted each time and told once, and gets no label, whatever it was
// meant to be.
func TestEnginesThatAreNotTrusted(t *testing.T) {
	h := three(t)
	say := func(problem string, want int) {
		t.Helper()
		h.told.lines = nil
		if err := h.reportOf(t, "r-0", agent.Report{Role: agent.RoleUnknown, Problem: problem}); err != nil {
			t.Fatal(err)
		}
		h.reconcile(t)
		if len(h.told.lines) != want || want > 0 && !strings.Contains(h.told.lines[0], "Warning EngineDistrusted") || want > 0 && !strings.Contains(h.told.lines[0], problem) {
			t.Errorf("%q: %v", problem, h.told.lines)
		}
		if got := h.labels(t); got != ",," {
			t.Errorf("%q: labels are %s", problem, got)
		}
	}
	say("refused: WRONGPASS", 1)
	say("refused: WRONGPASS", 0)
	say("refused: AUTH called without any password configured", 0) // the same cause
	say("tls: first record does not look like a TLS handshake", 1)
	say("timeout: no answer", 0)
	say("tls: first record does not look like a TLS handshake", 0)
	h.clock = h.clock.Add(toldAgain)
	say("tls: first record does not look like a TLS handshake", 1)
	if got := testutil.ToFloat64(h.metrics.distrusted.WithLabelValues(agent.ProblemRefused)); got != 3 {
		t.Errorf("%v are counted as refused", got)
	}
	if got := testutil.ToFloat64(h.metrics.distrusted.WithLabelValues(agent.ProblemTLS)); got != 3 {
		t.Errorf("%v are counted as of TLS", got)
	}
}

// Who brings configurations to engines hears of each change of what agents say about them, and of nothing else.
func TestNewsOfConfigurations(t *testing.T) {
	h := three(t)
	pod := h.pod(t, "r-0")
	id := agent.Identity{Namespace: "ns", Pod: "r-0", UID: string(pod.UID)}
	var told []types.NamespacedName
	h.ledger.configured = func(set types.NamespacedName) { told = append(told, set) }
	report := agent.Report{Version: 1, Role: agent.RoleMaster, BootID: "a"}
	send := func(what string, want int, change func()) {
		t.Helper()
		told = nil
		change()
		report.Sequence++
		if err := h.ledger.Accept(t.Context(), id, report); err != nil {
			t.Fatal(err)
		}
		if len(told) != want || want > 0 && told[0] != (types.NamespacedName{Namespace: "ns", Name: "r"}) {
			t.Errorf("%s: told of %v", what, told)
		}
		if got, at, heard := h.ledger.Report(pod.UID); !heard || got.Sequence != report.Sequence || !at.Equal(h.clock) {
			t.Errorf("%s: the ledger has %+v of %s, %t", what, got, at, heard)
		}
	}
	send("nothing", 0, func() {})
	send("another role", 0, func() { report.Role = agent.RoleReplica })
	send("a revision", 1, func() { report.Revision = "0123456789abcdef" })
	send("it is applying", 1, func() {
		report.Configuration = &agent.ConfigurationState{Wanted: "fedcba9876543210", State: agent.StateApplying}
	})
	send("it still is", 0, func() {
		report.Configuration = &agent.ConfigurationState{Wanted: "fedcba9876543210", State: agent.StateApplying}
	})
	send("it is refused", 1, func() {
		report.Configuration = &agent.ConfigurationState{Wanted: "fedcba9876543210", State: agent.StateRefused, Problem: "no"}
	})
	send("maxmemory", 1, func() { report.MaxMemory = 5 })
	if _, _, heard := h.ledger.Report("nobody"); heard {
		t.Error("a pod that said nothing was heard")
	}
	h.clock = h.clock.Add(silence)
	if _, _, heard := h.ledger.Report(pod.UID); heard {
		t.Error("a pod that is silent was heard")
	}
}
