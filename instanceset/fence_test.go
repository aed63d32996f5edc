package instanceset

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/instanceset/decide"
	"github.com/shoal-dev/shoal/podspec"
	"github.com/shoal-dev/shoal/reason"
)

func fencedNode(name string) *corev1.Node {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name + "-uid")}}
	n.Spec.Taints = []corev1.Taint{{Key: corev1.TaintNodeOutOfService, Value: "nodeshutdown", Effect: corev1.TaintEffectNoExecute}}
	return n
}

func onNode(name string) []decide.Fence {
	return []decide.Fence{{Node: name, UID: types.UID(name + "-uid")}}
}

// liveNodes counts how often each node is asked for.
type liveNodes struct {
	client.Reader
	asked []string
	fail  error
}

func (l *liveNodes) Get(ctx context.Context, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
	if _, node := o.(*corev1.Node); node {
		l.asked = append(l.asked, key.Name)
		if l.fail != nil {
			return l.fail
		}
	}
	return l.Reader.Get(ctx, key, o, opts...)
}

// destructive are the steps of a rebuild, each of an instance of its own so that none waits for another.
func destructive() []decide.Change {
	lost := decide.Change{Kind: decide.LabelPod, Ordinal: 0, Object: "r-0", UID: "u", Label: v1alpha1.LabelLost, Value: "n-uid"}
	claimLost := decide.Change{Kind: decide.LabelClaim, Ordinal: 1, Object: "data-r-1", UID: "u", Label: v1alpha1.LabelLost, Value: "n-uid"}
	return []decide.Change{
		lost, claimLost,
		{Kind: decide.RetainVolume, Ordinal: 2, Object: "pv", UID: "u", RetainedFor: "ns/r-2"},
		{Kind: decide.DeleteClaim, Ordinal: 3, Object: "data-r-3", UID: "u", Version: "1", Reason: reason.ReplaceClaim},
		{Kind: decide.DeletePod, Ordinal: 4, Object: "r-4", UID: "u", Force: true},
	}
}

func withFence(changes []decide.Change, fences []decide.Fence) []decide.Change {
	for i := range changes {
		changes[i].Fenced = fences
	}
	return changes
}

// rebuildWrites are the writes that are not the status.
func (h *harness) rebuildWrites() []string {
	return slices.DeleteFunc(slices.Clone(h.writes), func(w string) bool { return strings.HasPrefix(w, "status ") })
}

// The cache still shows the taint. What the API server says is what counts.
func TestNothingIsGivenUpWithoutALiveProof(t *testing.T) {
	untainted := fencedNode("n")
	untainted.Spec.Taints = nil
	reborn := fencedNode("n")
	reborn.UID = "another"
	for what, nodes := range map[string][]client.Object{"the taint was taken back": {untainted}, "another machine": {reborn}, "deleted": nil} {
		t.Run(what, func(t *testing.T) {
			h := newHarness(t, append(nodes, testSet(5))...)
			again, err := h.carryOut(t, withFence(destructive(), onNode("n"))...)
			if !again || err != nil {
				t.Errorf("again %v, %v: it is to be decided anew", again, err)
			}
			if done := h.rebuildWrites(); len(done) > 0 {
				t.Errorf("written: %q", done)
			}
		})
	}
}

func TestEveryNodeOfAChangeIsProven(t *testing.T) {
	untainted := fencedNode("m")
	untainted.Spec.Taints = nil
	h := newHarness(t, testSet(5), fencedNode("n"), untainted)
	again, err := h.carryOut(t, withFence(destructive(), append(onNode("n"), onNode("m")...))...)
	if done := h.rebuildWrites(); !again || err != nil || len(done) > 0 {
		t.Errorf("again %v, %v, written: %q", again, err, done)
	}
}

func TestAnAPIServerThatDoesNotAnswerProvesNothing(t *testing.T) {
	h := newHarness(t, testSet(5), fencedNode("n"))
	h.live = &liveNodes{Reader: h.client, fail: apierrors.NewInternalError(errors.New("down"))}
	_, err := h.carryOut(t, withFence(destructive(), onNode("n"))...)
	if err == nil || !strings.Contains(err.Error(), "whether node n is fenced") {
		t.Errorf("the error is %v", err)
	}
	if done := h.rebuildWrites(); len(done) > 0 {
		t.Errorf("written: %q", done)
	}
}

// A plan that forgets to name the node is refused, and not taken for one that needs none.
func TestWhatNamesNoNodeIsRefused(t *testing.T) {
	for _, change := range destructive() {
		h := newHarness(t, testSet(5), fencedNode("n"))
		again, err := h.carryOut(t, change)
		if again || !errors.Is(err, errNoProof) || len(h.rebuildWrites()) > 0 {
			t.Errorf("%s: again %v, %v, %q", change.Kind, again, err, h.writes)
		}
	}
}

func TestANodeIsAskedForOnceInAShortCommit(t *testing.T) {
	set := testSet(40)
	objects := []client.Object{set, fencedNode("n")}
	var changes []decide.Change
	for o := range int32(40) {
		pod := podspec.Pod(set, podspec.Instance{Ordinal: o})
		pod.UID = types.UID(pod.Name)
		objects = append(objects, pod)
		changes = append(changes, decide.Change{
			Kind: decide.DeletePod, Ordinal: o, Object: pod.Name, UID: pod.UID, Force: true, Fenced: onNode("n"),
		})
	}
	h := newHarness(t, objects...)
	live := &liveNodes{Reader: h.client}
	h.live = live
	for commit := 1; commit <= 2; commit++ {
		if again, err := h.carryOut(t, changes...); again || err != nil {
			t.Fatalf("again %v, %v", again, err)
		}
		if len(live.asked) != commit {
			t.Fatalf("after %d commits the node was asked for %d times", commit, len(live.asked))
		}
	}
}

// A commit of thousands of instances lasts, and a person may take the taint back in the middle: the proof is not older
// than proofAge for any write that rests on it.
func TestAProofDoesNotOutliveItsAge(t *testing.T) {
	const each = 500 * time.Millisecond // a write takes so long
	set := testSet(40)
	objects := []client.Object{set, fencedNode("n")}
	var changes []decide.Change
	for o := range int32(40) {
		pod := podspec.Pod(set, podspec.Instance{Ordinal: o})
		pod.UID = types.UID(pod.Name)
		objects = append(objects, pod)
		changes = append(changes, decide.Change{
			Kind: decide.DeletePod, Ordinal: o, Object: pod.Name, UID: pod.UID, Force: true, Fenced: onNode("n"),
		})
	}
	h := newHarness(t, objects...)
	live := &liveNodes{Reader: h.client}
	h.live, h.workers = live, 1
	clock := time.Now()
	h.now = func() time.Time { return clock }
	deleted := 0
	h.refuse = func(verb string, _ client.Object) error {
		if verb != "delete" {
			return nil
		}
		clock = clock.Add(each)
		if deleted++; deleted == 12 {
			untainted := fencedNode("n")
			untainted.Spec.Taints = nil
			return h.client.Update(t.Context(), untainted)
		}
		return nil
	}
	again, err := h.carryOut(t, changes...)
	if !again || err != nil {
		t.Errorf("again %v, %v: it is to be decided anew", again, err)
	}
	if most := 12 + int(proofAge/each); deleted < 12 || deleted > most {
		t.Errorf("%d pods were deleted; the taint was taken back after 12, so that %d are the most", deleted, most)
	}
	if asked := len(live.asked); asked < 3 || asked > 4 {
		t.Errorf("the node was asked for %d times in %s", asked, time.Duration(deleted)*each)
	}
}
