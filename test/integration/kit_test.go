//go:build integration

package integration

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/wait"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/playground"
	"github.com/shoal-dev/shoal/playground/history"
)

// kit is a playground with Shoal, and what tests do with it.
type kit struct {
	*playground.Cluster
	client client.Client
}

// start brings a playground up for one test and takes it down after it, also when the test fails.
func start(t *testing.T, options playground.Options) kit {
	t.Helper()
	c := up(t, options)
	log.SetLogger(logr.Discard()) // controller-runtime complains without one; what matters is in errors
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), apiextensionsv1.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	kube, err := client.New(c.Config(), client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	return kit{c, kube}
}

// namespace makes a namespace for one test.
func (k kit) namespace(t *testing.T, name string) string {
	t.Helper()
	k.create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
	return name
}

func (k kit) create(t *testing.T, objects ...client.Object) {
	t.Helper()
	for _, o := range objects {
		if err := k.client.Create(t.Context(), o); err != nil {
			t.Fatalf("creating %T %s: %v", o, o.GetName(), err)
		}
	}
}

// set is an InstanceSet with small instances and without volumes.
func set(namespace, name string, replicas int32, change ...func(*v1alpha1.InstanceSet)) *v1alpha1.InstanceSet {
	s := &v1alpha1.InstanceSet{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	s.Spec.Replicas = ptr.To(replicas)
	s.Spec.Template.Spec.Containers = []corev1.Container{{
		Name: "redis", Image: "redis:7",
		Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
			corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: resource.MustParse("64Mi"),
		}},
	}}
	for _, f := range change {
		f(s)
	}
	return s
}

func limits(m, k int32) func(*v1alpha1.InstanceSet) {
	return func(s *v1alpha1.InstanceSet) {
		s.Spec.Placement = &v1alpha1.PlacementLimits{MaxInstancesPerNode: ptr.To(intstr.FromInt32(m)), MaxNodes: ptr.To(k)}
	}
}

func shards(size int32) func(*v1alpha1.InstanceSet) {
	return func(s *v1alpha1.InstanceSet) { s.Spec.ShardSize = ptr.To(size) }
}

// volumes gives each instance a local volume.
func volumes(s *v1alpha1.InstanceSet) {
	s.Spec.VolumeClaimTemplates = []v1alpha1.VolumeClaimTemplate{{
		Metadata: v1alpha1.VolumeClaimMeta{Name: "data"},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes:      []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			StorageClassName: ptr.To("local"),
			Resources:        corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
		},
	}}
}

func rebuilt(mode v1alpha1.RebuildMode, check v1alpha1.HolderCheck) func(*v1alpha1.InstanceSet) {
	return func(s *v1alpha1.InstanceSet) { s.Spec.Rebuild = v1alpha1.RebuildPolicy{Mode: mode, HolderCheck: check} }
}

func (k kit) get(ctx context.Context, namespace, name string, into client.Object) error {
	return k.client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, into)
}

// eventually tries until it succeeds; the last error explains a failure.
func (k kit) eventually(t *testing.T, patience time.Duration, what string, try func(context.Context) error) {
	t.Helper()
	var last error
	err := wait.PollUntilContextTimeout(t.Context(), 250*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		if err := try(ctx); err == nil || last == nil || ctx.Err() == nil { // that the time is over explains nothing
			last = err
		}
		return last == nil, nil
	})
	if err != nil {
		t.Fatalf("waiting for %s: %v: %v", what, err, last)
	}
}

// never fails as soon as something happens that must not.
func (k kit) never(t *testing.T, watched time.Duration, what string, check func(context.Context) error) {
	t.Helper()
	for end := time.Now().Add(watched); time.Now().Before(end); {
		if err := check(t.Context()); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		select {
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// ready is nil when a set has the condition Ready at its current generation.
func (k kit) ready(namespace, name string) func(context.Context) error {
	return func(ctx context.Context) error {
		var s v1alpha1.InstanceSet
		if err := k.get(ctx, namespace, name, &s); err != nil {
			return err
		}
		c := meta.FindStatusCondition(s.Status.Conditions, v1alpha1.ConditionReady)
		if c == nil || c.ObservedGeneration != s.Generation || c.Status != metav1.ConditionTrue {
			return fmt.Errorf("%s has %d of %d ready: %+v", name, s.Status.ReadyReplicas, *s.Spec.Replicas, s.Status.Conditions)
		}
		return nil
	}
}

func (k kit) pods(ctx context.Context, namespace, name string) ([]corev1.Pod, error) {
	var list corev1.PodList
	err := k.client.List(ctx, &list, client.InNamespace(namespace), client.MatchingLabels{v1alpha1.LabelInstanceSet: name})
	return list.Items, err
}

// record records the history from now on; the check at the end of the test fails if a limit was ever exceeded.
func (k kit) record(t *testing.T) func() []history.Event {
	t.Helper()
	r, err := history.Record(context.Background(), k.Config())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = r.Stop() }) // a test that failed early stops it too
	return func() []history.Event {
		t.Helper()
		events, err := r.Stop()
		if err != nil {
			t.Fatal(err)
		}
		report := history.Check(events)
		t.Logf("%d events, %d moments checked, %d violations", len(events), report.Moments, len(report.Violations))
		if report.Moments == 0 {
			t.Error("no moment was checked: the check proves nothing")
		}
		for _, v := range report.Violations {
			t.Error(v)
		}
		return events
	}
}
