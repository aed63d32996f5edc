//go:build integration

package integration

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/playground"
	"github.com/shoal-dev/shoal/podspec"
)

// The API server takes the pod of a set with a configuration, and each write by which another one reaches it: what it has made of the pod
// meanwhile is no difference.
func TestPodsWithConfigurations(t *testing.T) {
	k := start(t, playground.Options{})
	ns := k.namespace(t, "configured")
	k.eventually(t, patience, "the namespace's ServiceAccount", k.exists(ns, "default", &corev1.ServiceAccount{}))
	set := &v1alpha1.InstanceSet{}
	set.Namespace, set.Name, set.UID = ns, "r", "0b7d9d0e-7a5c-4f0e-9f0a-000000000001"
	set.Spec.ShardSize = new(int32(3))
	set.Spec.Roles = []v1alpha1.InstanceRole{{Name: v1alpha1.RoleMaster, Exclusive: true}}
	set.Spec.Template.Spec.Containers = []corev1.Container{{Name: "redis", Image: "redis:7"}}
	set.Spec.Configuration = &v1alpha1.Configuration{Parameters: []v1alpha1.ConfigurationParameter{{Name: "maxmemory", Value: "1gb"}}}
	made := func() *corev1.Pod {
		return podspec.Pod(set, podspec.Instance{Revision: podspec.Revision(set, nil), Agent: podspec.Agent{Image: "agent:1", Manager: "m:1"}})
	}
	was, live := made(), made()
	k.create(t, live)
	if d := podspec.Diff(was, live, was); len(d) > 0 {
		t.Errorf("the pod that was made is not what it was made from: %v", d)
	}
	set.Spec.Configuration.Parameters[0].Value = "2gb"
	want := made()
	found := podspec.Diff(was, live, want)
	if len(found) != 1 || found[0].Class != podspec.InPlaceConfiguration {
		t.Fatalf("differences %v", found)
	}
	after := podspec.Applied(live, want, found, podspec.InPlaceConfiguration)
	if err := k.client.Patch(t.Context(), after, client.StrategicMergeFrom(live, client.MergeFromWithOptimisticLock{})); err != nil {
		t.Fatal(err)
	}
	if d := podspec.Diff(was, after, want); len(d) > 0 || podspec.GivenConfiguration(after) != podspec.ConfigurationRevision(set.Spec.Configuration) {
		t.Errorf("what was written is not what is wanted: %v", d)
	}
	set.Spec.Configuration = nil
	if d := podspec.Diff(was, live, made()); !slices.ContainsFunc(d, func(d podspec.Difference) bool { return d.Class == podspec.Recreate }) {
		t.Errorf("without a configuration: %v", d)
	}
}
