package kubectlshoal

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/kubectlshoal/snapshot"
	"github.com/shoal-dev/shoal/reason"
)

// rolling is a set of one instance in a cluster in memory, and somebody who watches its update.
type rolling struct {
	client.WithWatch
	*rolloutQuestion
	out  bytes.Buffer
	then []func() // what happens when a line has been told
}

// Write tells a line.
func (r *rolling) Write(line []byte) (int, error) {
	n, err := r.out.Write(line)
	if len(r.then) > 0 {
		next := r.then[0]
		r.then = r.then[1:]
		next()
	}
	return n, err
}

// inMemory tells client-go that the client has no watches that begin with a list.
type inMemory struct{ client.WithWatch }

// IsWatchListSemanticsUnSupported is true.
func (inMemory) IsWatchListSemanticsUnSupported() bool { return true }

func newRolling(t *testing.T, code reason.Code) *rolling {
	t.Helper()
	scheme, err := snapshot.Scheme()
	if err != nil {
		t.Fatal(err)
	}
	set := &v1alpha1.InstanceSet{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "s", Generation: 1}}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "s-0", Labels: map[string]string{v1alpha1.LabelInstanceSet: "s", v1alpha1.LabelRevision: "new"}}}
	pod.Spec.NodeName, pod.Status.Conditions = "n1", []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	r := &rolling{WithWatch: inMemory{fake.NewClientBuilder().WithScheme(scheme).WithObjects(set, pod).Build()}}
	r.rolloutQuestion = &rolloutQuestion{namespace: "ns", name: "s", patience: time.Hour, options: &options{Environment: Environment{
		Streams: genericiooptions.IOStreams{Out: r}, Now: func() time.Time { return time.Unix(1_700_000_000, 0) },
	}}}
	r.says(t, code)
	return r
}

// says has the manager say how the update is.
func (r *rolling) says(t *testing.T, code reason.Code) {
	t.Helper()
	set := &v1alpha1.InstanceSet{}
	if err := r.Get(t.Context(), client.ObjectKey{Namespace: "ns", Name: "s"}, set); err != nil {
		t.Fatal(err)
	}
	set.Status = v1alpha1.InstanceSetStatus{ObservedGeneration: 1, UpdateRevision: "new", UpdatedReplicas: 1, AvailableReplicas: 1}
	set.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionUpdating, Status: metav1.ConditionFalse, Reason: code.Name(), Message: code.Message()}}
	if err := r.Update(t.Context(), set); err != nil {
		t.Fatal(err)
	}
}

// watchOn watches in the background, and gives back what became of it.
func (r *rolling) watchOn(ctx context.Context) <-chan error {
	ended := make(chan error, 1)
	go func() { ended <- r.followOn(ctx, r.WithWatch, &rest.Config{}) }()
	return ended
}

func within(t *testing.T, ended <-chan error) error {
	t.Helper()
	select {
	case err := <-ended:
		return err
	case <-time.After(20 * time.Second):
		t.Fatal("it goes on")
		return nil
	}
}

// It tells each change, and ends when the update has.
func TestRolloutIsWatchedToItsEnd(t *testing.T) {
	r := newRolling(t, reason.UpdateRunning)
	r.then = []func(){func() { r.says(t, reason.UpToDate) }}
	if err := within(t, r.watchOn(t.Context())); err != nil {
		t.Fatal(err)
	}
	want := "22:13:20  1 of 1 instance updated to new, goes on: " + reason.UpdateRunning.Message() + "\n22:13:20  1 of 1 instance updated to new, complete\n"
	if got := r.out.String(); got != want {
		t.Errorf("got\n%s", got)
	}
}

// What does not go on without a person ends it, with the cause: at once, or when it has stood for a while.
func TestRolloutThatStandsEndsTheWatch(t *testing.T) {
	for code, want := range map[reason.Code]string{
		reason.Paused: "rollout resume s -n ns", reason.UpdateBlocked: "blocked: ", reason.UpdateNotByUs: "nobody goes on: ", reason.UpdateStopped: "About SHOAL2615: ",
	} {
		r := newRolling(t, code)
		r.patience = 50 * time.Millisecond
		err := within(t, r.watchOn(t.Context()))
		if !errors.Is(err, errBad) || !strings.Contains(r.out.String(), want) {
			t.Errorf("%s: %v\n%s", code.Name(), err, r.out.String())
		}
	}
}

// An instance that does not come up yet may still: for a while that ends nothing.
func TestRolloutThatStandsForAMomentGoesOn(t *testing.T) {
	r := newRolling(t, reason.UpdateStopped)
	r.patience = 2 * time.Second
	late := make(chan struct{})
	r.then = []func(){func() { r.says(t, reason.UpdateRunning) }, func() { time.AfterFunc(2*r.patience, func() { r.says(t, reason.UpToDate); close(late) }) }}
	err := within(t, r.watchOn(t.Context()))
	<-late
	if err != nil {
		t.Errorf("%v\n%s", err, r.out.String())
	}
}

// When the time is over it says how far the update is, and that it has not ended.
func TestRolloutEndsWithItsTime(t *testing.T) {
	r := newRolling(t, reason.UpdateRunning)
	r.timeout = 300 * time.Millisecond
	err := within(t, r.watchOn(t.Context()))
	if !errors.Is(err, errNotYet) || !strings.Contains(r.out.String(), "300ms is over\nInstanceSet ns/s: 1 of 1 instance updated to new, goes on: ") {
		t.Errorf("%v\n%s", err, r.out.String())
	}
	if code, tell := ExitCode(err); code != ExitNotYet || tell {
		t.Errorf("exit %d, told: %v", code, tell)
	}
}

// Another revision that is asked for meanwhile ends it, and so does the end of the set.
func TestRolloutOfAnotherRevisionEndsTheWatch(t *testing.T) {
	r := newRolling(t, reason.UpdateRunning)
	r.number, r.revision = 3, "old"
	if err := within(t, r.watchOn(t.Context())); err == nil || !strings.Contains(err.Error(), "revision 3 (old) is not asked for any more: the set asks for new") {
		t.Errorf("got %v", err)
	}
	r = newRolling(t, reason.UpdateRunning)
	r.name = "t"
	if err := within(t, r.watchOn(t.Context())); err == nil || !strings.Contains(err.Error(), "there is no InstanceSet t") {
		t.Errorf("got %v", err)
	}
}
