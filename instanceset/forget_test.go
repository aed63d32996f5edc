package instanceset

import (
	"context"
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/instanceset/decide"
)

// noLists is an API server that answers no list.
type noLists struct{ client.Reader }

func (noLists) List(context.Context, client.ObjectList, ...client.ListOption) error {
	return errors.New("etcdserver: request timed out")
}

// The cache has nothing left of r-3, and the plan forgets that it held data.
func TestNothingIsForgottenOnTheWordOfTheCache(t *testing.T) {
	claim := func(namespace, set, shard string) client.Object {
		return &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "data-r-3", Labels: map[string]string{
			v1alpha1.LabelInstanceSet: set, v1alpha1.LabelOrdinal: "3", v1alpha1.LabelShard: shard,
		}}}
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "r-2", Labels: map[string]string{
		v1alpha1.LabelInstanceSet: "r", v1alpha1.LabelOrdinal: "2", v1alpha1.LabelShard: "r-1",
	}}}
	for what, c := range map[string]struct {
		there     client.Object
		noShards  bool
		unheard   bool
		keeps     string
		wantError bool
	}{
		"nothing is left":                      {keeps: "0-1"},
		"its claim is left":                    {there: claim("ns", "r", "r-1"), keeps: "0-1,3"},
		"a sibling is left":                    {there: pod, keeps: "0-1,3"},
		"a claim of another shard is left":     {there: claim("ns", "r", "r-0"), keeps: "0-1"},
		"a claim of another set is left":       {there: claim("ns", "q", "r-1"), keeps: "0-1"},
		"a claim of another namespace is left": {there: claim("other", "r", "r-1"), keeps: "0-1"},
		"without shards, any claim is of it":   {there: claim("ns", "r", "r-0"), noShards: true, keeps: "0-1,3"},
		"the API server does not say":          {unheard: true, keeps: "0-1,3", wantError: true},
	} {
		t.Run(what, func(t *testing.T) {
			set := testSet(2)
			set.Spec.ShardSize = ptr.To[int32](2)
			if c.noShards {
				set.Spec.ShardSize = nil
			}
			set.Status.Bootstrapped = "0-1,3"
			objects := []client.Object{set}
			if c.there != nil {
				objects = append(objects, c.there)
			}
			h := newHarness(t, objects...)
			if c.unheard {
				h.live = noLists{h.client}
			}
			var stored v1alpha1.InstanceSet
			if err := h.client.Get(t.Context(), client.ObjectKeyFromObject(set), &stored); err != nil {
				t.Fatal(err)
			}
			plan := decide.Plan{Status: v1alpha1.InstanceSetStatus{Bootstrapped: "0-1"}}
			_, err := h.commit(t.Context(), decide.Objects{Set: &stored}, decide.Snapshot{Set: &stored}, plan)
			if (err != nil) != c.wantError {
				t.Errorf("the error is %v", err)
			}
			if err := h.client.Get(t.Context(), client.ObjectKeyFromObject(set), &stored); err != nil {
				t.Fatal(err)
			}
			if stored.Status.Bootstrapped != c.keeps {
				t.Errorf("the record is %q, want %q", stored.Status.Bootstrapped, c.keeps)
			}
		})
	}
}
