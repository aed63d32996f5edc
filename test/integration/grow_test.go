//go:build integration

package integration

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// testGrow is about volumes that grow. The test is their driver: what a real one answers, it writes to the claims' status.
func testGrow(t *testing.T, k kit) {
	ns := k.namespace(t, "grow")
	k.create(t, set(ns, "g", 4, shards(2), volumes))
	k.eventually(t, time.Minute, "the pods", k.ready(ns, "g"))
	before := k.uidsOf(t, ns, "g")
	ask := func(size string) {
		k.edit(t, ns, "g", func(s *v1alpha1.InstanceSet) {
			s.Spec.VolumeClaimTemplates[0].Spec.Resources.Requests[corev1.ResourceStorage] = resource.MustParse(size)
		})
	}
	asked := func(want ...string) func(context.Context) error { return k.askedSizes(ns, "g", want) }

	ask("2Gi")
	k.eventually(t, 5*time.Second, "that nothing is asked of a class that cannot", k.updating(ns, "g", "VolumeFixed"))
	k.expands(t, "local")
	k.eventually(t, 2*time.Minute, "the first one", asked("1Gi", "1Gi", "1Gi", "2Gi"))
	k.never(t, 2*time.Second, "one alone", asked("1Gi", "1Gi", "1Gi", "2Gi"))
	k.drive(t, ns, "data-g-3", "2Gi", "")
	k.eventually(t, 10*time.Second, "one of each shard", asked("1Gi", "2Gi", "2Gi", "2Gi"))
	k.drive(t, ns, "data-g-2", "2Gi", "")
	k.drive(t, ns, "data-g-1", "2Gi", "")
	k.eventually(t, 10*time.Second, "the last one", asked("2Gi", "2Gi", "2Gi", "2Gi"))
	k.eventually(t, 10*time.Second, "the status", k.updating(ns, "g", "VolumeGrows"))
	k.drive(t, ns, "data-g-0", "2Gi", "")
	k.eventually(t, 10*time.Second, "the end", k.updating(ns, "g", "UpToDate"))

	ask("900Gi")
	k.eventually(t, 10*time.Second, "the first one", asked("2Gi", "2Gi", "2Gi", "900Gi"))
	k.drive(t, ns, "data-g-3", "2Gi", "the pool has 5Gi left")
	k.eventually(t, 10*time.Second, "the cause", k.updating(ns, "g", "VolumeGrowthFailed", "the pool has 5Gi left", "g-3"))
	k.never(t, 2*time.Second, "nobody follows", asked("2Gi", "2Gi", "2Gi", "900Gi"))
	ask("3Gi") // the API server takes less back, while it is more than the volume has
	k.eventually(t, 10*time.Second, "the way back", asked("2Gi", "2Gi", "2Gi", "3Gi"))
	k.drive(t, ns, "data-g-3", "3Gi", "")
	k.eventually(t, 10*time.Second, "the others", asked("2Gi", "3Gi", "3Gi", "3Gi"))
	if after := k.uidsOf(t, ns, "g"); !maps.Equal(before, after) {
		t.Errorf("pods were replaced: %v, before %v", after, before)
	}
}

func (k kit) uidsOf(t *testing.T, namespace, name string) map[string]types.UID {
	t.Helper()
	pods, err := k.pods(t.Context(), namespace, name)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]types.UID{}
	for n := range pods {
		all[pods[n].Name] = pods[n].UID
	}
	return all
}

// expands lets volumes of a StorageClass grow.
func (k kit) expands(t *testing.T, name string) {
	t.Helper()
	var class storagev1.StorageClass
	if err := k.get(t.Context(), "", name, &class); err != nil {
		t.Fatal(err)
	}
	class.AllowVolumeExpansion = ptr.To(true)
	if err := k.client.Update(t.Context(), &class); err != nil {
		t.Fatal(err)
	}
}

// drive writes what the driver and the kubelet have done: the size that a volume has now, or why it could not grow.
func (k kit) drive(t *testing.T, namespace, name, size, trouble string) {
	t.Helper()
	k.eventually(t, 10*time.Second, "the claim's status", func(ctx context.Context) error {
		var claim corev1.PersistentVolumeClaim
		if err := k.get(ctx, namespace, name, &claim); err != nil {
			return err
		}
		status := &claim.Status
		status.Capacity[corev1.ResourceStorage] = resource.MustParse(size)
		status.Conditions, status.AllocatedResources, status.AllocatedResourceStatuses = nil, nil, nil
		if trouble != "" {
			status.Conditions = []corev1.PersistentVolumeClaimCondition{{Type: corev1.PersistentVolumeClaimControllerResizeError, Status: corev1.ConditionTrue, Message: trouble}}
			status.AllocatedResourceStatuses = map[corev1.ResourceName]corev1.ClaimResourceStatus{corev1.ResourceStorage: corev1.PersistentVolumeClaimControllerResizeInfeasible}
			status.AllocatedResources = claim.Spec.Resources.Requests
		}
		return k.client.Status().Update(ctx, &claim)
	})
}

// askedSizes is nil when the claims of a set ask for these sizes, by ordinals.
func (k kit) askedSizes(namespace, name string, want []string) func(context.Context) error {
	return func(ctx context.Context) error {
		var all []string
		for n := range want {
			var claim corev1.PersistentVolumeClaim
			if err := k.get(ctx, namespace, fmt.Sprintf("data-%s-%d", name, n), &claim); err != nil {
				return err
			}
			all = append(all, claim.Spec.Resources.Requests.Storage().String())
		}
		if !slices.Equal(all, want) {
			return fmt.Errorf("claims ask for %v, want %v", all, want)
		}
		return nil
	}
}
