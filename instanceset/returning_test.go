package instanceset

import (
	"context"
	"errors"
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/instanceset/decide"
	"github.com/shoal-dev/shoal/podspec"
)

// race is a world in which the pod of a retired claim goes, and the scheduler asks about its slot, at one moment of the manager's
// work. Whatever the scheduler was told holds: a slot that was given away must never be held again by the claim.
type race struct {
	*harness
	t       *testing.T
	stale   *corev1.Pod // what the manager's cache has of the pod: it lags
	calls   int
	goes    int // the call before which the pod goes
	fails   int // the call at which the manager dies, 0 for none
	ended   bool
	then    func() // what comes right after it went, nil for nothing
	free    bool   // the scheduler was told so
	claimed bool   // the claim held its slot after that
}

var errDied = errors.New("the manager is gone")

// step is called before each call of the API server.
func (r *race) step() error {
	r.calls++
	if r.calls == r.goes {
		r.podGoes()
	}
	if r.calls == r.fails {
		return errDied
	}
	return nil
}

func (r *race) claim() *corev1.PersistentVolumeClaim {
	var claim corev1.PersistentVolumeClaim
	if err := r.client.Get(context.Background(), types.NamespacedName{Namespace: "ns", Name: "data-r-0"}, &claim); err != nil {
		r.t.Fatal(err)
	}
	return &claim
}

// podGoes is the kubelet's or a person's doing; and then the scheduler's next cycle.
func (r *race) podGoes() {
	var pod corev1.Pod
	if err := r.client.Get(context.Background(), client.ObjectKeyFromObject(r.stale), &pod); err != nil {
		return
	}
	if r.ended {
		pod.Status.Phase = corev1.PodFailed
		if err := r.client.Status().Update(context.Background(), &pod); err != nil {
			r.t.Fatal(err)
		}
	} else if err := r.client.Delete(context.Background(), &pod); err != nil {
		r.t.Fatal(err)
	}
	r.free = r.claim().Labels[v1alpha1.LabelRetired] == v1alpha1.RetiredValue // as the scheduler's plugin has it
	if r.then != nil {
		r.then()
	}
}

func (r *race) check() {
	r.claimed = r.claimed || r.free && r.claim().Labels[v1alpha1.LabelRetired] == ""
}

// asked is the API server as the manager asks it.
type asked struct {
	client.Reader
	race *race
}

func (a asked) Get(ctx context.Context, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
	if _, ok := o.(*corev1.Pod); ok {
		if err := a.race.step(); err != nil {
			return err
		}
	}
	return a.Reader.Get(ctx, key, o, opts...)
}

// lagging is the manager's cache, which has the pod all the time.
type lagging struct {
	client.Reader
	pod *corev1.Pod
}

func (l lagging) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	if pods, ok := list.(*corev1.PodList); ok && l.pod != nil {
		pods.Items = []corev1.Pod{*l.pod}
		return nil
	}
	return l.Reader.List(ctx, list, opts...)
}

func newRace(t *testing.T, goes, fails int, ended bool) *race {
	set := testSet(1)
	claim := podspec.Claim(set, &set.Spec.VolumeClaimTemplates[0], podspec.Instance{Ordinal: 0})
	claim.UID, claim.Labels[v1alpha1.LabelRetired] = "c", v1alpha1.RetiredValue
	claim.Spec.VolumeName = "pv"
	pod := podspec.Pod(set, podspec.Instance{Ordinal: 0})
	pod.UID, pod.Spec.NodeName, pod.Status.Phase = "p", "n", corev1.PodRunning
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n"}}
	node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	volume := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "pv", UID: "v"}}
	r := &race{harness: newHarness(t, set, podspec.Service(set), claim, pod, node, volume), t: t, stale: pod, goes: goes, fails: fails, ended: ended}
	r.writer = interceptor.NewClient(r.client, interceptor.Funcs{
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			if _, ok := o.(*corev1.PersistentVolumeClaim); ok {
				if err := r.step(); err != nil {
					return err
				}
			}
			return c.Patch(ctx, o, p, opts...)
		},
	})
	r.live = asked{r.client, r}
	r.cache = lagging{r.client, pod}
	return r
}

// reconcile is what the manager does until nothing is left to do: with a cache that shows the pod after it went, and then without.
func (r *race) reconcile() {
	request := ctrl.Request{NamespacedName: types.NamespacedName{Namespace: "ns", Name: "r"}}
	for round := range 8 {
		if round == 3 {
			r.cache = r.client
		}
		if _, err := r.Reconcile(r.t.Context(), request); err != nil && !errors.Is(err, errDied) && !apierrors.IsAlreadyExists(err) {
			r.t.Fatal(err)
		}
		r.refused = refusals{}
		r.check()
	}
}

// However the moments fall, and wherever a manager dies, no slot that was given away is held again, and no claim stays in between.
func TestNoSlotIsHeldAgainThatWasGivenAway(t *testing.T) {
	told := map[bool]int{}
	for goes := 1; goes <= 6; goes++ {
		for fails := range 6 {
			for _, ended := range []bool{false, true} {
				t.Run(fmt.Sprintf("goes=%d fails=%d ended=%v", goes, fails, ended), func(t *testing.T) {
					r := newRace(t, goes, fails, ended)
					r.reconcile()
					if r.claimed {
						t.Errorf("the scheduler gave the place away, and the claim holds it")
					}
					if value := r.claim().Labels[v1alpha1.LabelRetired]; value == v1alpha1.ReturningValue {
						t.Errorf("the claim is still between retired and not")
					}
					if r.calls >= goes {
						told[r.free]++
					}
				})
			}
		}
	}
	if told[true] == 0 || told[false] == 0 {
		t.Errorf("how often the scheduler was told that the place is free, or not: %v", told)
	}
}

// A manager that was suspended between its look at the pod and its write does not get through after another one took the mark back.
func TestASuspendedManagerIsRefused(t *testing.T) {
	r := newRace(t, 3, 0, false) // mark, look, write
	r.then = func() {
		claim := r.claim()
		claim.Labels[v1alpha1.LabelRetired] = v1alpha1.RetiredValue
		if err := r.client.Update(t.Context(), claim); err != nil {
			t.Fatal(err)
		}
	}
	again, err := r.carryOut(t, decide.Change{
		Kind: decide.UnlabelClaim, Object: "data-r-0", UID: "c", Version: r.claim().ResourceVersion,
		Label: v1alpha1.LabelRetired, Pod: "r-0", PodUID: "p",
	})
	if value := r.claim().Labels[v1alpha1.LabelRetired]; !again || err != nil || value != v1alpha1.RetiredValue {
		t.Errorf("again %v, %v, the label is %q", again, err, value)
	}
}
