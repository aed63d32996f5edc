package roles

import (
	"errors"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/api/v1alpha1"
)

func three(t *testing.T) *harness {
	t.Helper()
	return newHarness(t, aSet(), aPod("r-0"), aPod("r-1"), aPod("r-2"))
}

// A failover from the first report to the label of the new master: three writes, one to each pod, the old master first.
func TestTheLabelFollowsTheMaster(t *testing.T) {
	h := three(t)
	h.naming.Static = false
	h.hear(t, "r-0", 6)
	h.reconcile(t)
	if got := h.labels(t); got != "master,replica,replica" {
		t.Fatalf("labels %s", got)
	}
	h.hear(t, "r-1", 7)
	h.patches = nil
	if after := h.reconcile(t); after != soon {
		t.Errorf("looks again after %s", after)
	}
	if got := h.labels(t); got != "replica,master,replica" {
		t.Fatalf("labels %s", got)
	}
	for n, want := range []string{`r-0 {"metadata":{"uid":"8d7f1c1e-`, `r-2 {"metadata":{"uid":"8d7f1c1e-`, `r-1 {"metadata":{"uid":"8d7f1c1e-`} {
		if n >= len(h.patches) || !strings.HasPrefix(h.patches[n], want) || !strings.Contains(h.patches[n], `"resourceVersion":"`) {
			t.Fatalf("patches %q", h.patches)
		}
	}
	if claim := h.pod(t, "r-2").Annotations[v1alpha1.AnnotationRoleClaim]; !strings.HasPrefix(claim, "r-1/") {
		t.Errorf("r-2 has the claim %q", claim)
	}
	if after := h.reconcile(t); after != idle || len(h.patches) != 3 {
		t.Errorf("not settled: looks again after %s, patches %q", after, h.patches)
	}
	if len(h.told.lines) != 3 || !strings.Contains(h.told.lines[2], "LabelMaster r-1") {
		t.Errorf("events %q", h.told.lines)
	}
}

// What the cache shows older than it was written is not decided on.
func TestOwnWritesAreWaitedFor(t *testing.T) {
	h := three(t)
	h.hear(t, "r-0", 0)
	h.stale["r-1"] = h.pod(t, "r-1")
	h.reconcile(t)
	h.hear(t, "r-1", 0)
	if after := h.reconcile(t); after != unseenRecheck {
		t.Errorf("looks again after %s", after)
	}
	if got := h.labels(t); got != "master,replica,replica" {
		t.Errorf("labels %s", got)
	}
	delete(h.stale, "r-1")
	h.reconcile(t)
	if got := h.labels(t); got != "replica,master,replica" {
		t.Errorf("labels %s", got)
	}
}

// The old master cannot be stripped, as somebody has written to its pod since: nobody else gets the label.
func TestNoLabelWithoutTheStrip(t *testing.T) {
	h := three(t)
	h.hear(t, "r-0", 0)
	h.reconcile(t)
	h.reconcile(t)
	h.stale["r-0"] = h.pod(t, "r-0")
	changed := h.pod(t, "r-0")
	changed.Annotations = map[string]string{"written": "since"}
	if err := h.client.Update(t.Context(), changed); err != nil {
		t.Fatal(err)
	}
	h.hear(t, "r-1", 0)
	if after := h.reconcile(t); after != unseenRecheck {
		t.Errorf("looks again after %s", after)
	}
	if got := h.labels(t); got != "master,replica,replica" {
		t.Errorf("labels %s", got)
	}
}

// A manager whose cache is behind sees nobody with the label, and its first write is refused: r-2 has it since.
func TestAStaleCacheLabelsNobody(t *testing.T) {
	h := three(t)
	h.hear(t, "r-0", 0)
	for _, name := range []string{"r-0", "r-1", "r-2"} {
		h.stale[name] = h.pod(t, name)
	}
	labelled := h.pod(t, "r-2")
	labelled.Labels[v1alpha1.LabelRole] = "master"
	if err := h.client.Update(t.Context(), labelled); err != nil {
		t.Fatal(err)
	}
	if after := h.reconcile(t); after != unseenRecheck {
		t.Errorf("looks again after %s", after)
	}
	if got := h.labels(t); got != ",replica,master" {
		t.Errorf("labels %s", got)
	}
}

// The cache lacks a pod that has the label.
func TestAPodThatTheCacheLacks(t *testing.T) {
	labelled := aPod("r-2")
	labelled.Labels[v1alpha1.LabelRole] = "master"
	h := newHarness(t, aSet(), aPod("r-0"), aPod("r-1"), labelled)
	h.hear(t, "r-0", 0)
	h.stale["r-2"] = nil
	h.reconcile(t)
	if got := h.labels(t); got != ",replica,master" {
		t.Errorf("labels %s", got)
	}
	// It is gone for good, and somebody else's pod has its name.
	if err := h.client.Delete(t.Context(), labelled); err != nil {
		t.Fatal(err)
	}
	foreign := aPod("r-2")
	foreign.OwnerReferences = nil
	if err := h.client.Create(t.Context(), foreign); err != nil {
		t.Fatal(err)
	}
	delete(h.stale, "r-2")
	h.reconcile(t)
	if got := h.labels(t); got != "master,replica," {
		t.Errorf("labels %s", got)
	}
}

// After a write that failed nothing follows, whether the pod had changed or the API server had trouble.
func TestNothingFollowsAWriteThatFailed(t *testing.T) {
	for name, refusal := range map[string]error{
		"changed": apierrors.NewConflict(schema.GroupResource{Resource: "pods"}, "r-2", errors.New("it has changed")),
		"gone":    apierrors.NewNotFound(schema.GroupResource{Resource: "pods"}, "r-2"),
		"trouble": apierrors.NewInternalError(errors.New("etcd")),
	} {
		t.Run(name, func(t *testing.T) {
			h := three(t)
			h.hear(t, "r-0", 0)
			h.refuse = func(pod string) error {
				if pod == "r-2" {
					return refusal
				}
				return nil
			}
			result, err := h.Reconcile(t.Context(), shardZero)
			if (err != nil) != (name == "trouble") || err == nil && result.RequeueAfter != unseenRecheck {
				t.Errorf("%+v, %v", result, err)
			}
			if got := h.labels(t); got != ",replica," {
				t.Errorf("labels %s", got)
			}
		})
	}
}

// The old master is stripped, and the answer of the API server is lost: whether it was, nobody knows. So nobody else gets the label by the same plan,
// or by one from before it, and the next one that has seen what was stored gives it.
func TestAStripWhoseAnswerIsLost(t *testing.T) {
	h := three(t)
	h.hear(t, "r-0", 0)
	h.reconcile(t)
	h.hear(t, "r-1", 0)
	h.stale["r-0"] = h.pod(t, "r-0")
	h.patches = nil
	h.lose = func(pod string) error {
		if pod != "r-0" {
			return nil
		}
		h.lose = nil
		return apierrors.NewTimeoutError("the answer did not arrive", 1)
	}
	if _, err := h.Reconcile(t.Context(), shardZero); err == nil {
		t.Error("nothing is wrong")
	}
	if got := h.labels(t); got != "replica,replica,replica" || len(h.patches) != 1 {
		t.Fatalf("labels %s, patches %q", got, h.patches)
	}
	if after := h.reconcile(t); after != unseenRecheck {
		t.Errorf("looks again after %s", after)
	}
	if got := h.labels(t); got != "replica,replica,replica" {
		t.Fatalf("labels %s, by a copy from before the write", got)
	}
	delete(h.stale, "r-0")
	h.reconcile(t)
	if got := h.labels(t); got != "replica,master,replica" {
		t.Errorf("labels %s", got)
	}
}

func TestALostNodeLosesTheLabel(t *testing.T) {
	node := &corev1.Node{}
	node.Name = "node-r-0"
	h := newHarness(t, aSet(), aPod("r-0"), aPod("r-1"), aPod("r-2"), node)
	h.hear(t, "r-0", 0)
	h.reconcile(t)
	node.Spec.Taints = []corev1.Taint{{Key: corev1.TaintNodeUnreachable, Effect: corev1.TaintEffectNoExecute}}
	if err := h.client.Update(t.Context(), node); err != nil {
		t.Fatal(err)
	}
	h.clock = h.clock.Add(time.Hour)
	h.reconcile(t)
	if got := h.labels(t); got != "master,replica,replica" {
		t.Errorf("labels %s of a node that only does not answer", got)
	}
	node.Spec.Taints = append(node.Spec.Taints, corev1.Taint{Key: corev1.TaintNodeOutOfService, Effect: corev1.TaintEffectNoExecute})
	if err := h.client.Update(t.Context(), node); err != nil {
		t.Fatal(err)
	}
	h.reconcile(t)
	if got := h.labels(t); got != ",replica,replica" {
		t.Errorf("labels %s", got)
	}
}

// One that is silent is unknown; when most are, or the manager has just begun, silence says nothing.
func TestHushed(t *testing.T) {
	h := three(t)
	h.hear(t, "r-0", 0)
	look := func() bool {
		pods, err := h.pods(t.Context(), client.MatchingFields{podsBySet: "r"}, "ns")
		if err != nil {
			t.Fatal(err)
		}
		return h.observe(t.Context(), aSet(), shardZero, pods).Hushed
	}
	if look() {
		t.Error("hushed while all were just heard")
	}
	h.clock = h.clock.Add(silence)
	if !look() {
		t.Error("not hushed while all are silent")
	}
	for _, name := range []string{"r-1", "r-2"} {
		if err := h.report(t, name, agent.RoleReplica, 0); err != nil {
			t.Fatal(err)
		}
	}
	h.clock = h.clock.Add(hushFor)
	if look() {
		t.Error("hushed while two of three were heard")
	}
	h.ledger.since = h.clock
	if !look() {
		t.Error("not hushed in the beginning")
	}
}

func TestShardKeys(t *testing.T) {
	for shard, want := range map[string]int32{"r-0": 0, "r-41": 41, "r-": -1, "r-x": -1, "r-01": -1, "q-1": -1, "r--1": -1, "": -1, "r-99999999999": -1} {
		if index, ok := (shardKey{"ns", "r", shard}).index(); ok != (want >= 0) || ok && index != want {
			t.Errorf("%q: %d, %t", shard, index, ok)
		}
	}
	if got := (shardKey{"ns", "r", "r-4"}).names(aSet()); strings.Join(got, ",") != "r-12,r-13,r-14" {
		t.Errorf("names %v", got)
	}
}
