package snapshot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// inMemory tells client-go that the client has no watches that begin with a list.
type inMemory struct{ client.WithWatch }

// IsWatchListSemanticsUnSupported is true.
func (inMemory) IsWatchListSemanticsUnSupported() bool { return true }

func aPodOf(set, name, node string) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name, Labels: map[string]string{v1alpha1.LabelInstanceSet: set}}}
	pod.Spec.NodeName = node
	return pod
}

func namesIn(c *Cluster) string {
	var all []string
	for _, pod := range c.Pods {
		all = append(all, pod.Name+"@"+pod.Spec.NodeName)
	}
	return strings.Join(all, " ")
}

// What is created, changed and deleted is shown, and the sets beside it stay away from it.
func TestFollowShowsWhatChanges(t *testing.T) {
	c, ok := clusterOf(t, interceptor.Funcs{},
		&v1alpha1.InstanceSet{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "s"}}, aPodOf("s", "s-0", "n1"), aPodOf("t", "t-0", "n1")).(client.WithWatch)
	if !ok {
		t.Fatal("the client cannot watch")
	}
	steps := []struct {
		want string
		then func(ctx context.Context) error
	}{
		{"s-0@n1", func(ctx context.Context) error { return c.Create(ctx, aPodOf("s", "s-1", "")) }},
		{"s-0@n1 s-1@", func(ctx context.Context) error {
			pod := &corev1.Pod{}
			if err := c.Get(ctx, client.ObjectKey{Namespace: "ns", Name: "s-1"}, pod); err != nil {
				return err
			}
			pod.Spec.NodeName = "n2"
			return c.Update(ctx, pod)
		}},
		{"s-0@n1 s-1@n2", func(ctx context.Context) error { return c.Delete(ctx, aPodOf("s", "s-0", "")) }},
		{"s-1@n2", nil},
	}
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	step, done := 0, errors.New("enough was seen")
	err := Follow(ctx, inMemory{c}, time.Now, "ns", "s", func(s *Cluster) error {
		s.Pods = slices.DeleteFunc(s.Pods, func(p *corev1.Pod) bool { return p.Labels[v1alpha1.LabelInstanceSet] != "s" }) // the fake watches all
		if namesIn(s) != steps[step].want {
			return nil
		}
		then := steps[step].then
		if step++; then == nil {
			return done
		}
		return then(ctx)
	})
	if !errors.Is(err, done) {
		t.Errorf("after step %d of %d: %v", step, len(steps), err)
	}
}

// Without the sets or the pods there is no answer; without nodes or Switchovers there is one, that says so.
func TestReadSetWithFewRights(t *testing.T) {
	for kind, want := range map[string]string{
		"nodes": "", "switchovers": "", "pods": "listing pods in namespace ns", "instancesets": "listing instancesets in namespace ns",
	} {
		forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: kind}, "", nil)
		c := clusterOf(t, interceptor.Funcs{List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			if kindOf(list) == kind {
				return forbidden
			}
			return c.List(ctx, list)
		}}, &v1alpha1.InstanceSet{
			ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "s"}, Spec: v1alpha1.InstanceSetSpec{Roles: []v1alpha1.InstanceRole{{Name: v1alpha1.RoleMaster}}},
		})
		s, err := ReadSet(t.Context(), c, time.Unix(0, 0), "ns", "s")
		if want == "" && (err != nil || fmt.Sprint(s.Unreadable) == "[]") || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: got %v, want %q", kind, err, want)
		}
	}
}
