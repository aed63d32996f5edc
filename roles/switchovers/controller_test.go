package switchovers

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/reason"
	"github.com/shoal-dev/shoal/roles"
	"github.com/shoal-dev/shoal/roles/handover"
	handing "github.com/shoal-dev/shoal/switchover/decide"
)

var asked = types.NamespacedName{Namespace: "shop", Name: "orders-0-abc"}

// executor does what a test says instead of handing over.
type executor struct {
	mu    sync.Mutex
	runs  []handing.Request
	does  []func(context.Context, handing.Request, func(handing.Step)) (handing.Step, error)
	taken bool
}

func (e *executor) Taken(handover.Shard) bool { return e.taken }

func (e *executor) Run(ctx context.Context, _ handover.Shard, r handing.Request, step func(handing.Step)) (handing.Step, error) {
	e.mu.Lock()
	do := e.does[min(len(e.runs), len(e.does)-1)]
	e.runs = append(e.runs, r)
	e.mu.Unlock()
	return do(ctx, r, step)
}

// ends hands over in two steps, and ends like that.
func ends(result handing.Result, code reason.Code, fenced bool) func(context.Context, handing.Request, func(handing.Step)) (handing.Step, error) {
	return func(_ context.Context, r handing.Request, step func(handing.Step)) (handing.Step, error) {
		step(handing.Step{Do: handing.Pause, Instance: r.From, Target: "orders-1", Text: "so that orders-1 catches up"})
		step(handing.Step{Do: handing.Demote, Instance: r.From, Text: "orders-1 has all of its 7 bytes"})
		return handing.Step{Do: handing.End, Result: result, Code: code, Fenced: fenced, Text: "it is said why"}, nil
	}
}

// world is an API server with a set, its shard and Switchovers, and a manager.
type world struct {
	client.Client
	*reconciler
	executor *executor
	events   *events.FakeRecorder
	at       time.Time
	// beforeStatus is called before each write of a status.
	beforeStatus func() error
}

func newWorld(t *testing.T, do func(context.Context, handing.Request, func(handing.Step)) (handing.Step, error), objects ...client.Object) *world {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	w := &world{at: time.Unix(1_700_000_000, 0), executor: &executor{does: []func(context.Context, handing.Request, func(handing.Step)) (handing.Step, error){do}}}
	set := &v1alpha1.InstanceSet{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "orders", UID: "set"}}
	set.Spec.ShardSize, set.Spec.Roles = ptr.To[int32](2), []v1alpha1.InstanceRole{{Name: v1alpha1.RoleMaster}}
	b := fake.NewClientBuilder().WithScheme(scheme).WithObjects(set, pod(0, v1alpha1.RoleMaster), pod(1, v1alpha1.RoleReplica)).WithObjects(objects...).
		WithStatusSubresource(&v1alpha1.Switchover{}).
		WithInterceptorFuncs(interceptor.Funcs{SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
			if w.beforeStatus != nil {
				if err := w.beforeStatus(); err != nil {
					return err
				}
			}
			return c.SubResource(sub).Patch(ctx, o, p, opts...)
		}})
	i := indexer{b}
	if err := errors.Join(roles.Indexes(t.Context(), i), Indexes(t.Context(), i)); err != nil {
		t.Fatal(err)
	}
	w.Client = b.Build()
	w.restart(t)
	return w
}

// restart is another manager.
func (w *world) restart(t *testing.T) {
	t.Helper()
	w.events = events.NewFakeRecorder(100)
	r, err := New(Deps{
		Cache: w.Client, Live: w.Client, Writer: w.Client, Events: w.events, Metrics: prometheus.NewRegistry(), Now: func() time.Time { return w.at },
		Executor: w.executor,
	})
	if err != nil {
		t.Fatal(err)
	}
	w.reconciler = r.(*reconciler)
}

type indexer struct{ *fake.ClientBuilder }

func (i indexer) IndexField(_ context.Context, o client.Object, field string, of client.IndexerFunc) error {
	i.WithIndex(o, field, of)
	return nil
}

func pod(n int32, role v1alpha1.RoleName) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Namespace: "shop", Name: "orders-" + string('0'+n), UID: types.UID(role),
		Labels:          map[string]string{v1alpha1.LabelInstanceSet: "orders", v1alpha1.LabelShard: "orders-0", v1alpha1.LabelRole: string(role)},
		OwnerReferences: []metav1.OwnerReference{{APIVersion: v1alpha1.GroupVersion.String(), Kind: "InstanceSet", Name: "orders", UID: "set", Controller: ptr.To(true)}},
	}}
}

func (w *world) request(name string, change func(*v1alpha1.SwitchoverSpec)) *v1alpha1.Switchover {
	s := &v1alpha1.Switchover{
		ObjectMeta: metav1.ObjectMeta{Namespace: asked.Namespace, Name: name, UID: types.UID(name), Generation: 1, CreationTimestamp: metav1.NewTime(time.Unix(1_700_000_000, 0))},
		Spec:       v1alpha1.SwitchoverSpec{InstanceSet: "orders", Shard: "orders-0", Policy: v1alpha1.SwitchoverStrict},
	}
	if change != nil {
		change(&s.Spec)
	}
	return s
}

func (w *world) reconcile(t *testing.T) (ctrl.Result, error) {
	t.Helper()
	return w.Reconcile(t.Context(), ctrl.Request{NamespacedName: asked})
}

func (w *world) reconciled(t *testing.T) time.Duration {
	t.Helper()
	result, err := w.reconcile(t)
	if err != nil {
		t.Fatal(err)
	}
	return result.RequeueAfter
}

func (w *world) read(t *testing.T) *v1alpha1.Switchover {
	t.Helper()
	var s v1alpha1.Switchover
	if err := w.Get(t.Context(), asked, &s); err != nil {
		t.Fatal(err)
	}
	return &s
}

// is says which condition is True, and why.
func is(s *v1alpha1.Switchover) string {
	for _, c := range s.Status.Conditions {
		if c.Status == metav1.ConditionTrue {
			return c.Type + "/" + c.Reason
		}
	}
	if len(s.Status.Conditions) == 3 {
		return "none/" + s.Status.Conditions[0].Reason
	}
	return "nothing"
}

func (w *world) told() string {
	var all []string
	for {
		select {
		case e := <-w.events.Events:
			all = append(all, e)
		default:
			return strings.Join(all, "\n")
		}
	}
}

// From the request to its end: what a next leader needs is there before the first step, each step is told, and the object goes.
func TestOneSwitchover(t *testing.T) {
	w := newWorld(t, nil)
	if err := w.Create(t.Context(), w.request(asked.Name, nil)); err != nil {
		t.Fatal(err)
	}
	w.executor.does[0] = func(ctx context.Context, r handing.Request, step func(handing.Step)) (handing.Step, error) {
		if s := w.read(t); !slices.Contains(s.Finalizers, v1alpha1.SwitchoverFinalizer) || s.Status.From != "orders-0" || s.Status.StartedAt == nil || is(s) != "Progressing/SwitchoverRunning" {
			t.Errorf("before the first step: %+v", s)
		}
		if want := (handing.Request{Policy: handing.Strict, From: "orders-0", Timeout: 10 * time.Second}); r != want {
			t.Errorf("%+v, want %+v", r, want)
		}
		return ends(handing.HandedOver, reason.HandedOver, false)(ctx, r, step)
	}
	if again := w.reconciled(t); again == 0 {
		t.Error("nobody will delete it")
	}
	s := w.read(t)
	if is(s) != "Complete/HandedOver" || s.Status.Result != v1alpha1.SwitchoverHandedOver || s.Status.To != "orders-1" || s.Status.CompletedAt == nil ||
		s.Status.ObservedGeneration != 1 || s.Status.Attempts != 1 || len(s.Finalizers) > 0 {
		t.Errorf("at the end: %s %+v", is(s), s)
	}
	if n := len(s.Status.Steps); n != 2 || s.Status.Steps[1].Do != "Demote" || s.Status.Steps[1].Message != "orders-1 has all of its 7 bytes" {
		t.Errorf("steps: %+v", s.Status.Steps)
	}
	text := w.told()
	for _, want := range []string{"Normal SwitchoverRunning from orders-0: the master is being handed over (SHOAL2316)", "Normal HandedOver it is said why", "orders-0: it is said why"} {
		if !strings.Contains(text, want) {
			t.Errorf("no event %q in\n%s", want, text)
		}
	}
	if again := w.reconciled(t); again != time.Hour {
		t.Errorf("it stays for %s", again)
	}
	w.at = w.at.Add(time.Hour)
	w.reconciled(t)
	if err := w.Get(t.Context(), asked, s); !apierrors.IsNotFound(err) {
		t.Errorf("it is still there: %v", err)
	}
	if len(w.executor.runs) != 1 {
		t.Errorf("it was handed over %d times", len(w.executor.runs))
	}
}

// The end is written, and nobody hears of it. What is left of the object goes all the same, though nothing that happens to it wakes
// the controller any more.
func TestAnEndThatNobodyHeardOf(t *testing.T) {
	w := newWorld(t, ends(handing.HandedOver, reason.HandedOver, false))
	ended := w.request(asked.Name, nil)
	ended.Finalizers = []string{v1alpha1.SwitchoverFinalizer}
	if err := w.Create(t.Context(), ended); err != nil {
		t.Fatal(err)
	}
	ended.Status = v1alpha1.SwitchoverStatus{From: "orders-0", StartedAt: ptr.To(metav1.NewTime(w.at)), CompletedAt: ptr.To(metav1.NewTime(w.at)), Result: v1alpha1.SwitchoverHandedOver}
	if err := w.Status().Update(t.Context(), ended); err != nil {
		t.Fatal(err)
	}
	if again := w.reconciled(t); again == 0 {
		t.Error("it is let go, and nobody will delete it")
	}
	if s := w.read(t); len(s.Finalizers) > 0 {
		t.Errorf("it is held by %v", s.Finalizers)
	}
	if again := w.reconciled(t); again != time.Hour {
		t.Errorf("it stays for %s", again)
	}
}

// The manager dies in the middle. The next one asks for the same, though the label has moved and the set is paused since.
func TestTheNextLeaderGoesOn(t *testing.T) {
	w := newWorld(t, func(_ context.Context, r handing.Request, step func(handing.Step)) (handing.Step, error) {
		step(handing.Step{Do: handing.Demote, Instance: r.From})
		return handing.Step{}, context.Canceled
	})
	if err := w.Create(t.Context(), w.request(asked.Name, nil)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.reconcile(t); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if s := w.read(t); s.Status.Ended() || len(s.Finalizers) != 1 || len(s.Status.Steps) != 1 {
		t.Fatalf("after the crash: %+v", s)
	}
	var set v1alpha1.InstanceSet
	if err := w.Get(t.Context(), types.NamespacedName{Namespace: "shop", Name: "orders"}, &set); err != nil {
		t.Fatal(err)
	}
	set.Spec.Paused = true
	moved := pod(0, v1alpha1.RoleReplica)
	if err := errors.Join(w.Update(t.Context(), &set), w.Update(t.Context(), moved), w.Delete(t.Context(), w.read(t))); err != nil {
		t.Fatal(err)
	}
	w.restart(t)
	w.executor.does = append(w.executor.does, ends(handing.HandedOver, reason.HandedOver, false))
	w.reconciled(t)
	if len(w.executor.runs) != 2 || w.executor.runs[0] != w.executor.runs[1] {
		t.Errorf("%+v", w.executor.runs)
	}
	if !strings.Contains(w.told(), "SwitchoverContinued") {
		t.Error("nobody is told that it goes on")
	}
	var s v1alpha1.Switchover
	if err := w.Get(t.Context(), asked, &s); !apierrors.IsNotFound(err) { // it was deleted meanwhile, and is let go at its end
		t.Errorf("%+v %v", s, err)
	}
}

func TestHowItEnds(t *testing.T) {
	for name, c := range map[string]struct {
		policy   v1alpha1.SwitchoverPolicy
		does     []func(context.Context, handing.Request, func(handing.Step)) (handing.Step, error)
		want     string
		result   v1alpha1.SwitchoverResult
		attempts int32
	}{
		"given back":                       {v1alpha1.SwitchoverStrict, all(ends(handing.Refused, reason.TargetBehind, false)), "Failed/TargetBehind", v1alpha1.SwitchoverRefused, 1},
		"given back, and that is enough":   {v1alpha1.SwitchoverBestEffort, all(ends(handing.Refused, reason.TargetBehind, false)), "Complete/TargetBehind", v1alpha1.SwitchoverRefused, 1},
		"needs the old one to take writes": {v1alpha1.SwitchoverStrict, all(ends(handing.HandedOver, reason.HandedOverInPart, true)), "Failed/HandedOverInPart", v1alpha1.SwitchoverHandedOver, 3},
		"left to a person":                 {v1alpha1.SwitchoverBestEffort, all(ends(handing.Undecided, reason.TwoMasters, false)), "Failed/TwoMasters", v1alpha1.SwitchoverUndecided, 1},
		"the second attempt finishes": {
			v1alpha1.SwitchoverStrict, all(ends(handing.Undecided, reason.NoMaster, false), ends(handing.HandedOver, reason.HandedOver, false)),
			"Complete/HandedOver", v1alpha1.SwitchoverHandedOver, 2,
		},
		"the second attempt does not see the old master any more": {
			v1alpha1.SwitchoverStrict, all(ends(handing.HandedOver, reason.HandedOverInPart, false), ends(handing.Undecided, reason.MasterUnreachable, false)),
			"Complete/HandedOverInPart", v1alpha1.SwitchoverHandedOver, 3,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, c.does[0])
			w.executor.does = c.does
			if err := w.Create(t.Context(), w.request(asked.Name, func(s *v1alpha1.SwitchoverSpec) { s.Policy = c.policy })); err != nil {
				t.Fatal(err)
			}
			w.reconciled(t)
			if s := w.read(t); is(s) != c.want || s.Status.Result != c.result || s.Status.Attempts != c.attempts {
				t.Errorf("%s %s after %d attempts, want %s %s after %d", is(s), s.Status.Result, s.Status.Attempts, c.want, c.result, c.attempts)
			}
		})
	}
}

func all[T any](of ...T) []T { return of }

// What has not begun is refused or waits, and no step is taken.
func TestWithoutAStep(t *testing.T) {
	other := (&world{}).request("another", nil)
	other.Status.From = "orders-0"
	lost := pod(1, v1alpha1.RoleReplica)
	lost.Labels[v1alpha1.LabelLost] = "node"
	for name, c := range map[string]struct {
		change func(*testing.T, *world)
		want   string
	}{
		"another one has begun": {func(t *testing.T, w *world) { create(t, w, other.DeepCopy()) }, "Failed/ShardTaken"},
		"an update hands over":  {func(_ *testing.T, w *world) { w.executor.taken = true }, "none/ShardTaken"},
		"paused": {func(t *testing.T, w *world) {
			var set v1alpha1.InstanceSet
			if err := w.Get(t.Context(), types.NamespacedName{Namespace: "shop", Name: "orders"}, &set); err != nil {
				t.Fatal(err)
			}
			set.Spec.Paused = true
			if err := w.Update(t.Context(), &set); err != nil {
				t.Fatal(err)
			}
		}, "none/SwitchoverPaused"},
		"an instance is lost": {func(t *testing.T, w *world) {
			if err := w.Update(t.Context(), lost); err != nil {
				t.Fatal(err)
			}
		}, "none/InstanceLost"},
		"no orders": {func(_ *testing.T, w *world) { w.reconciler.executor = nil }, "Failed/NoOrders"},
		"too old":   {func(_ *testing.T, w *world) { w.at = w.at.Add(time.Hour) }, "Failed/SwitchoverTooOld"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, ends(handing.HandedOver, reason.HandedOver, false))
			create(t, w, w.request(asked.Name, nil))
			c.change(t, w)
			if again := w.reconciled(t); again == 0 {
				t.Error("nobody looks again")
			}
			s := w.read(t)
			if is(s) != c.want || len(w.executor.runs) != 0 || s.Status.Begun() || len(s.Finalizers) != 0 {
				t.Errorf("%s, want %s; %+v; %d runs", is(s), c.want, s.Status, len(w.executor.runs))
			}
		})
	}
}

func create(t *testing.T, w *world, s *v1alpha1.Switchover) {
	t.Helper()
	status := s.Status
	if err := w.Create(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	s.Status = status
	if err := w.Status().Update(t.Context(), s); err != nil {
		t.Fatal(err)
	}
}

// No step waits for the API server: between the pause and the promotion clients wait too.
func TestStepsDoNotWaitForTheirRecord(t *testing.T) {
	w := newWorld(t, nil)
	create(t, w, w.request(asked.Name, nil))
	held, reached := make(chan bool), make(chan bool, 10)
	w.executor.does[0] = func(ctx context.Context, r handing.Request, step func(handing.Step)) (handing.Step, error) {
		w.beforeStatus = func() error { reached <- true; <-held; return nil }
		step(handing.Step{Do: handing.Pause, Instance: r.From})
		<-reached // it is being written, and is not answered
		done := make(chan bool)
		go func() {
			step(handing.Step{Do: handing.Demote, Instance: r.From})
			step(handing.Step{Do: handing.Promote, Instance: "orders-1"})
			close(done)
		}()
		select {
		case <-done:
		case <-time.After(5 * time.Second):
			t.Error("a step waits for the record of the one before")
		}
		close(held)
		<-done
		return handing.Step{Do: handing.End, Result: handing.HandedOver, Code: reason.HandedOver}, nil
	}
	w.reconciled(t)
	if s := w.read(t); len(s.Status.Steps) != 3 {
		t.Errorf("steps: %+v", s.Status.Steps)
	}
}

// Somebody else has written the status: this one leads no more, and writes nothing over it.
func TestOvertaken(t *testing.T) {
	w := newWorld(t, nil)
	create(t, w, w.request(asked.Name, nil))
	w.executor.does[0] = func(ctx context.Context, _ handing.Request, _ func(handing.Step)) (handing.Step, error) {
		s := w.read(t)
		s.Status.Attempts = 7
		if err := w.Status().Update(ctx, s); err != nil {
			t.Fatal(err)
		}
		return handing.Step{Do: handing.End, Result: handing.HandedOver, Code: reason.HandedOver}, nil
	}
	if _, err := w.reconcile(t); !errors.Is(err, errOvertaken) {
		t.Errorf("%v", err)
	}
	if s := w.read(t); s.Status.Ended() || s.Status.Attempts != 7 {
		t.Errorf("%+v", s.Status)
	}
}

// One whose end was written, and whose finalizer was not taken away then: the leader went, or did not hear that it was written. Who comes next
// lets it go, and deletes it when its time has come.
func TestWhatHasEndedIsLetGoAndDeleted(t *testing.T) {
	w := newWorld(t, nil)
	create(t, w, w.request(asked.Name, func(s *v1alpha1.SwitchoverSpec) { s.TTLSecondsAfterFinished = new(int32(60)) }))
	w.executor.does[0] = ends(handing.HandedOver, reason.HandedOver, false)
	w.reconciled(t)
	s := w.read(t)
	s.Finalizers = []string{v1alpha1.SwitchoverFinalizer}
	if err := w.Update(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if again := w.reconciled(t); again == 0 || len(w.read(t).Finalizers) != 0 {
		t.Errorf("let go: %v, and looked at again after %s", w.read(t).Finalizers, again)
	}
	w.at = w.at.Add(2 * time.Minute)
	w.reconciled(t)
	if err := w.Get(t.Context(), asked, &v1alpha1.Switchover{}); !apierrors.IsNotFound(err) {
		t.Errorf("it is still there: %v", err)
	}
}

// A person edits labels while it is handed over: that is no other leader.
func TestMetadataChangesMeanwhile(t *testing.T) {
	w := newWorld(t, nil)
	create(t, w, w.request(asked.Name, nil))
	w.executor.does[0] = func(ctx context.Context, r handing.Request, step func(handing.Step)) (handing.Step, error) {
		s := w.read(t)
		s.Labels = map[string]string{"ticket": "4711"}
		if err := w.Update(ctx, s); err != nil {
			t.Fatal(err)
		}
		return ends(handing.HandedOver, reason.HandedOver, false)(ctx, r, step)
	}
	w.reconciled(t)
	if s := w.read(t); is(s) != "Complete/HandedOver" || s.Labels["ticket"] == "" || !meta.IsStatusConditionTrue(s.Status.Conditions, v1alpha1.ConditionComplete) {
		t.Errorf("%s %+v", is(s), s)
	}
}

// A write that fails for a while is tried again: the end is known to nobody else.
func TestTheEndIsWrittenInTheEnd(t *testing.T) {
	w := newWorld(t, nil)
	create(t, w, w.request(asked.Name, nil))
	w.executor.does[0] = func(ctx context.Context, r handing.Request, step func(handing.Step)) (handing.Step, error) {
		left := 3
		w.beforeStatus = func() error {
			if left--; left >= 0 {
				return errors.New("no connection")
			}
			return nil
		}
		return handing.Step{Do: handing.End, Result: handing.HandedOver, Code: reason.HandedOver}, nil
	}
	w.reconciled(t)
	if s := w.read(t); is(s) != "Complete/HandedOver" {
		t.Errorf("%s", is(s))
	}
}
