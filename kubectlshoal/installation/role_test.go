package installation

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/kubectlshoal/snapshot"
	"github.com/shoal-dev/shoal/load"
)

// request is what the API server is asked for. The name is that of the object, "" for a list.
type request struct{ verb, group, resource, name string }

func (r request) String() string {
	return strings.TrimSpace(fmt.Sprintf("%s %s.%s %s", r.verb, r.resource, r.group, r.name))
}

func (w *world) record(verb string, o runtime.Object, name string) {
	w.t.Helper()
	scheme, err := snapshot.Scheme()
	if err != nil {
		w.t.Fatal(err)
	}
	gvk, err := apiutil.GVKForObject(o, scheme)
	if err != nil {
		w.t.Fatal(err)
	}
	gvk.Kind = strings.TrimSuffix(gvk.Kind, "List")
	resource, _ := meta.UnsafeGuessKindToResource(gvk)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked[request{verb, gvk.Group, resource.Resource, name}] = true
}

// only hides one kind.
func only(hidden string) func(string) bool { return func(kind string) bool { return kind == hidden } }

// The ClusterRole shoal-kubectl has each right that a command asks for, and no other.
func TestRoleHasTheRightsThatAreUsed(t *testing.T) {
	w := newWorld(t)
	w.check(false)
	w.check(true)
	w.snapshot()
	w.history()
	w.measure()
	w.follow()
	var granted []string
	for _, rule := range w.role().Rules {
		for _, r := range expanded(rule) {
			granted = append(granted, r.String())
			if !w.asked[r] {
				t.Errorf("nobody asks for %s", r)
			}
		}
	}
	for r := range maps.Keys(w.asked) {
		if !slices.Contains(granted, r.String()) {
			t.Errorf("not granted: %s", r)
		}
	}
	if len(granted) < 35 {
		t.Errorf("only %d rights: %v", len(granted), granted)
	}
}

// What the check says of your rights to list is about what the other commands list.
func TestReadablesAreWhatASnapshotLists(t *testing.T) {
	w := newWorld(t)
	w.snapshot()
	if len(w.asked) != len(readables) {
		t.Errorf("a snapshot lists %d kinds, and the check asks for %d", len(w.asked), len(readables))
	}
	for _, r := range readables {
		if !w.asked[request{"list", r.group, r.resource, ""}] {
			t.Errorf("a snapshot lists no %s", r.resource)
		}
	}
}

func (w *world) snapshot() {
	w.t.Helper()
	c, err := snapshot.Read(w.t.Context(), w, now)
	if err == nil {
		err = c.ReadSwitchovers(w.t.Context(), w, "")
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// history asks for what diff is made of.
func (w *world) history() {
	w.t.Helper()
	if _, err := snapshot.ReadHistory(w.t.Context(), w, now, "ns", "s"); err != nil {
		w.t.Fatal(err)
	}
}

// watcher tells which kinds are watched, and has nothing to say of them.
type watcher struct {
	*world
	kinds chan client.ObjectList
}

// Watch waits for the end.
func (w watcher) Watch(ctx context.Context, list client.ObjectList, _ ...client.ListOption) (watch.Interface, error) {
	select {
	case w.kinds <- list:
		<-ctx.Done()
	case <-ctx.Done():
	}
	return nil, ctx.Err()
}

// follow watches a set until each kind is watched.
func (w *world) follow() {
	w.t.Helper()
	set := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"roles": []any{map[string]any{"name": "master"}}}}}
	set.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("InstanceSet"))
	set.SetNamespace("ns")
	set.SetName("s")
	w.objects["followed"] = set
	ctx, stop := context.WithCancel(w.t.Context())
	kinds := make(chan client.ObjectList)
	go func() {
		defer stop()
		for range 4 {
			w.record("watch", <-kinds, "")
		}
	}()
	quiet := func(*snapshot.Cluster) error { return nil }
	if err := snapshot.Follow(ctx, watcher{w, kinds}, func() time.Time { return now }, "ns", "s", quiet); err != nil {
		w.t.Error(err)
	}
}

// measure asks a metrics API for the load of nodes.
func (w *world) measure() {
	w.t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/apis/"), "/")
		if len(parts) == 3 && r.Method == http.MethodGet {
			w.asked[request{"list", parts[0], parts[2], ""}] = true
		}
	}))
	defer s.Close()
	_, _ = load.NewMetricsAPI(s.Client(), s.URL).Measure(w.t.Context()) // it answers nothing
}

func (w *world) role() *rbacv1.ClusterRole {
	w.t.Helper()
	role := &rbacv1.ClusterRole{}
	if err := copyInto(w.objects["ClusterRole shoal-kubectl"], role); err != nil {
		w.t.Fatal(err)
	}
	return role
}

func expanded(rule rbacv1.PolicyRule) []request {
	names := rule.ResourceNames
	if len(names) == 0 {
		names = []string{""}
	}
	var all []request
	for _, verb := range rule.Verbs {
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				for _, name := range names {
					all = append(all, request{verb, group, resource, name})
				}
			}
		}
	}
	return all
}
