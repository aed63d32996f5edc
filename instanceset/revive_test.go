package instanceset

import (
	"context"
	"errors"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/instanceset/decide"
	"github.com/shoal-dev/shoal/reason"
)

// livePod is what the API server says of pods.
type livePod struct {
	client.Reader
	pod  *corev1.Pod
	fail error
}

func (l livePod) Get(ctx context.Context, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
	pod, ok := o.(*corev1.Pod)
	if !ok {
		return l.Reader.Get(ctx, key, o, opts...)
	}
	if l.fail == nil {
		l.pod.DeepCopyInto(pod)
	}
	return l.fail
}

// The cache still has r-1 on a node. The scheduler gives the slot of its retired claim away once the pod is gone.
func TestAClaimGetsItsSlotBackForAPodThatIsThere(t *testing.T) {
	pod := func(uid types.UID, phase corev1.PodPhase) *corev1.Pod {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "r-1", UID: uid}}
		p.Spec.NodeName, p.Status.Phase = "n", phase
		return p
	}
	lost := pod("u", corev1.PodRunning)
	lost.Labels = map[string]string{v1alpha1.LabelLost: "node"}
	for what, c := range map[string]struct {
		live        livePod
		done, again bool
	}{
		"it is there":          {livePod{pod: pod("u", corev1.PodRunning)}, true, false},
		"it is lost":           {livePod{pod: lost}, false, true},
		"it is gone":           {livePod{fail: apierrors.NewNotFound(corev1.Resource("pods"), "r-1")}, false, true},
		"it is another one":    {livePod{pod: pod("v", corev1.PodRunning)}, false, true},
		"it has ended":         {livePod{pod: pod("u", corev1.PodFailed)}, false, true},
		"nobody says anything": {livePod{fail: errors.New("down")}, false, false},
	} {
		h := newHarness(t, testSet(3), &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{
			Namespace: "ns", Name: "data-r-1", UID: "c1", Labels: map[string]string{v1alpha1.LabelRetired: "true"},
		}})
		c.live.Reader = h.client
		h.live = c.live
		again, err := h.carryOut(t, decide.Change{
			Kind: decide.UnlabelClaim, Ordinal: 1, Object: "data-r-1", UID: "c1", Reason: reason.ReviveClaim,
			Label: v1alpha1.LabelRetired, Pod: "r-1", PodUID: "u",
		})
		var claim corev1.PersistentVolumeClaim
		if err := h.client.Get(t.Context(), types.NamespacedName{Namespace: "ns", Name: "data-r-1"}, &claim); err != nil {
			t.Fatal(err)
		}
		done := claim.Labels[v1alpha1.LabelRetired] == ""
		if done != c.done || again != c.again || (err != nil) != (!done && !again) {
			t.Errorf("%s: again %v, %v, the label is %q", what, again, err, claim.Labels[v1alpha1.LabelRetired])
		}
	}
}

// Who refuses is not asked again at once: a set is looked at with each event of its pods.
func TestARefusedClaimWaits(t *testing.T) {
	h := newHarness(t, testSet(3), &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{
		Namespace: "ns", Name: "data-r-1", UID: "c1", Labels: map[string]string{v1alpha1.LabelRetired: "true"},
	}})
	asked, clock := 0, h.now()
	h.now = func() time.Time { return clock }
	h.live = livePod{h.client, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "r-1", UID: "u"}, Spec: corev1.PodSpec{NodeName: "n"}}, nil}
	refused := errors.New("a webhook says no")
	h.refuse = func(verb string, o client.Object) error {
		if verb == "patch" && o.GetName() == "data-r-1" {
			asked++
			return refused
		}
		return nil
	}
	try := func() error {
		_, err := h.carryOut(t, decide.Change{
			Kind: decide.UnlabelClaim, Ordinal: 1, Object: "data-r-1", UID: "c1", Reason: reason.ReviveClaim,
			Label: v1alpha1.LabelRetired, Pod: "r-1", PodUID: "u",
		})
		return err
	}
	for range 10 {
		if err := try(); !errors.Is(err, refused) {
			t.Errorf("it says %v", err)
		}
	}
	if asked != 1 {
		t.Errorf("asked %d times at one moment", asked)
	}
	clock = clock.Add(refusedFor)
	if err := try(); !errors.Is(err, refused) || asked != 2 {
		t.Errorf("after a while: %v, asked %d times", err, asked)
	}
	h.refuse = nil
	clock = clock.Add(refusedFor)
	if err := try(); err != nil {
		t.Error(err)
	}
}
