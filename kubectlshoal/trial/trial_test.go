package trial

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/component-helpers/storage/volume"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/kubectlshoal/snapshot"
	"github.com/shoal-dev/shoal/simulation/fidelity"
	"github.com/shoal-dev/shoal/slots"
)

func TestMain(m *testing.M) {
	klog.SetLogger(logr.Discard())
	os.Exit(m.Run())
}

// TestPlacesLikeTheRealScheduler places the pods of 200 small clusters one by one, and compares every node and every refusal
// with what the program shoal-scheduler did on a real control plane: the recording against which the simulation is held. In
// these clusters no two nodes are equally good for a pod, so that there is one right answer.
func TestPlacesLikeTheRealScheduler(t *testing.T) {
	text, err := os.ReadFile("../../simulation/fidelity/testdata/bindings.json")
	if err != nil {
		t.Fatal(err)
	}
	var want map[int64][]string
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	config, err := LoadConfig("")
	if err != nil {
		t.Fatal(err)
	}
	pods, refused := 0, 0
	for _, seed := range slices.Sorted(maps.Keys(want)) {
		s, err := New(t.Context(), config, &snapshot.Cluster{})
		if err != nil {
			t.Fatal(err)
		}
		trace := fidelity.TraceOf(seed)
		got, err := trace.Bindings(t.Context(), &ground{s, map[string]*corev1.Pod{}, 0})
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want[seed], got); d != "" {
			t.Errorf("trace %d: the real scheduler (-) and the trial (+) differ:\n%s", seed, d)
		}
		for _, line := range got {
			if pods++; strings.HasSuffix(line, " -") {
				refused++
			}
		}
	}
	t.Logf("%d clusters with %d pods, of which %d are refused", len(want), pods, refused)
	if len(want) < 200 || refused == 0 || refused > pods/2 {
		t.Errorf("%d clusters with %d pods, of which %d are refused, prove little", len(want), pods, refused)
	}
}

// ground is a trial on which traces are placed.
type ground struct {
	s       *Scheduler
	pods    map[string]*corev1.Pod // as they are after their try
	created int
}

// Create makes an object known, and tries it if it is a pod.
func (g *ground) Create(ctx context.Context, o client.Object) error {
	g.created++
	o.SetUID(types.UID(fmt.Sprint(g.created)))
	o.SetResourceVersion(fmt.Sprint(1000 * g.created))
	if err := g.s.Put(o); err != nil {
		return err
	}
	pod, ok := o.(*corev1.Pod)
	if !ok {
		return nil
	}
	v, err := g.s.Place(ctx, pod)
	if err != nil {
		return err
	}
	after := pod.DeepCopy()
	after.Spec.NodeName = v.Node
	if v.Node == "" {
		if len(v.Nodes) == 0 && v.Before == nil {
			return fmt.Errorf("%s is refused without a reason", pod.Name)
		}
		after.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse}}
	}
	g.pods[pod.Name] = after
	return g.provision(ctx, after)
}

// provision makes the volumes of a placed pod, as a provisioner of local volumes does.
func (g *ground) provision(ctx context.Context, pod *corev1.Pod) error {
	for _, name := range slots.ClaimNames(pod) {
		o, there, err := g.s.replicas[reflect.TypeFor[*corev1.PersistentVolumeClaim]()].GetIndexer().GetByKey(pod.Namespace + "/" + name)
		claim, ok := o.(*corev1.PersistentVolumeClaim)
		if err != nil || !there || !ok || claim.Spec.VolumeName != "" || pod.Spec.NodeName == "" {
			continue
		}
		claim = claim.DeepCopy()
		claim.Spec.VolumeName = fmt.Sprintf("pvc-%s", claim.UID)
		pv := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: claim.Spec.VolumeName}}
		pv.Spec = corev1.PersistentVolumeSpec{
			Capacity: claim.Spec.Resources.Requests, AccessModes: claim.Spec.AccessModes, StorageClassName: *claim.Spec.StorageClassName,
			PersistentVolumeSource: corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: "/data"}},
			ClaimRef:               &corev1.ObjectReference{Kind: "PersistentVolumeClaim", APIVersion: "v1", Namespace: claim.Namespace, Name: claim.Name},
			NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
				MatchExpressions: []corev1.NodeSelectorRequirement{{Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{pod.Spec.NodeName}}},
			}}}},
		}
		if err := g.bound(ctx, claim, pv); err != nil {
			return err
		}
	}
	return nil
}

// AddVolume adds a claim that is bound to a volume.
func (g *ground) AddVolume(ctx context.Context, c *corev1.PersistentVolumeClaim, v *corev1.PersistentVolume) error {
	g.created++
	c.UID = types.UID(fmt.Sprint(g.created))
	return g.bound(ctx, c, v)
}

func (g *ground) bound(ctx context.Context, c *corev1.PersistentVolumeClaim, v *corev1.PersistentVolume) error {
	g.created++
	c.ResourceVersion = fmt.Sprint(1000 * g.created)
	metav1.SetMetaDataAnnotation(&c.ObjectMeta, volume.AnnBindCompleted, "yes")
	c.Status.Phase = corev1.ClaimBound
	v.Spec.ClaimRef.UID = c.UID
	if err := g.Create(ctx, v); err != nil {
		return err
	}
	return g.s.Put(c)
}

// AddNode adds a node, and with it the class of local volumes.
func (g *ground) AddNode(ctx context.Context, n *corev1.Node) error {
	class := &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: "local"}, Provisioner: "example.com/local"}
	class.VolumeBindingMode = ptr.To(storagev1.VolumeBindingWaitForFirstConsumer)
	if err := g.Create(ctx, class); err != nil {
		return err
	}
	return g.Create(ctx, n)
}

// Label labels a claim.
func (g *ground) Label(_ context.Context, o client.Object, key string) error {
	last, _, err := g.s.replicas[reflect.TypeOf(o)].GetIndexer().Get(o)
	known, ok := last.(*corev1.PersistentVolumeClaim)
	if err != nil || !ok {
		return fmt.Errorf("there is no claim %s to label: %w", o.GetName(), err)
	}
	g.created++
	known = known.DeepCopy()
	known.Labels[key], known.ResourceVersion = v1alpha1.RetiredValue, fmt.Sprint(1000*g.created)
	return g.s.Put(known)
}

// Remove deletes an object.
func (g *ground) Remove(_ context.Context, o client.Object) error { return g.s.Remove(o) }

// Settle has nothing to wait for.
func (g *ground) Settle(context.Context) error { return nil }

// Look is the pod after its try.
func (g *ground) Look(_ context.Context, name string) (*corev1.Pod, error) { return g.pods[name], nil }
