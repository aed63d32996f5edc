package instanceset

import (
	"context"
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/shoal-dev/shoal/instanceset/decide"
	"github.com/shoal-dev/shoal/podspec"
)

// The agent of a sibling is read from the API server, once for all pods of a commit, and from no other pod of that name.
func TestTheAgentOfASibling(t *testing.T) {
	always := corev1.ContainerRestartPolicyAlways
	sibling := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "r-0", UID: "u"}}
	sibling.Spec.InitContainers = []corev1.Container{{Name: podspec.AgentContainer, Image: "agent:v0", Args: []string{"--old"}, RestartPolicy: &always}}
	without := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "r-1", UID: "w"}}
	reads := 0
	c := fake.NewClientBuilder().WithObjects(sibling, without).WithInterceptorFuncs(interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			reads++
			return c.Get(ctx, key, o, opts...)
		},
	}).Build()
	a := &agents{live: c, namespace: "ns"}
	change := func(name, uid string) decide.Change {
		return decide.Change{Kind: decide.CreatePod, Instance: podspec.Instance{AgentOf: name, AgentOfUID: types.UID(uid)}}
	}
	for range 3 {
		if spec, err := a.like(t.Context(), change("r-0", "u")); err != nil || spec == nil || spec.InitContainers[0].Args[0] != "--old" {
			t.Fatalf("%+v, %v", spec, err)
		}
	}
	if reads != 1 {
		t.Errorf("it was read %d times", reads)
	}
	for name, one := range map[string]decide.Change{"another of that name": change("r-0", "v"), "gone": change("r-9", "u9"), "without an agent": change("r-1", "w")} {
		var late *lateError
		if _, err := a.like(t.Context(), one); !errors.As(err, &late) {
			t.Errorf("%s: %v", name, err)
		}
	}
	reads = 0
	claim := change("r-0", "u")
	claim.Kind = decide.CreateClaim
	for _, none := range []decide.Change{claim, {Kind: decide.CreatePod}} {
		if spec, err := a.like(t.Context(), none); spec != nil || err != nil || reads != 0 {
			t.Errorf("%+v: %+v, %v", none, spec, err)
		}
	}
}
