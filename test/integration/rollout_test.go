//go:build integration

package integration

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// testRollout: labels and images change in pods that stay (resources do not: the simulated kubelets have no resize), under the rights that the manager is installed with; what needs
// new pods is refused as a whole, until the set allows it.
func testRollout(t *testing.T, k kit) {
	ns := k.namespace(t, "rollout")
	k.create(t, set(ns, "u", 6, shards(3), limits(2, 3)))
	k.eventually(t, time.Minute, "the pods", k.ready(ns, "u"))
	before := k.uids(t, ns)

	k.edit(t, ns, "u", func(s *v1alpha1.InstanceSet) {
		s.Spec.Template.Labels = map[string]string{"tier": "gold"}
		s.Spec.Template.Spec.Containers[0].Image = "redis:8"
	})
	k.eventually(t, time.Minute, "the update", k.updated(ns, "u"))
	k.everyPod(t, ns, func(pod *corev1.Pod) error {
		if pod.UID != before[pod.Name] || pod.Labels["tier"] != "gold" || pod.Spec.Containers[0].Image != "redis:8" {
			return fmt.Errorf("%s has UID %s (before: %s), labels %v, %+v", pod.Name, pod.UID, before[pod.Name], pod.Labels, pod.Spec.Containers[0])
		}
		return nil
	})
	var revisions appsv1.ControllerRevisionList
	if err := k.client.List(t.Context(), &revisions, client.InNamespace(ns), client.MatchingLabels{v1alpha1.LabelInstanceSet: "u"}); err != nil || len(revisions.Items) != 2 {
		t.Errorf("%d revisions (%v)", len(revisions.Items), err)
	}

	k.edit(t, ns, "u", func(s *v1alpha1.InstanceSet) {
		s.Spec.Template.Labels["tier"] = "silver"
		s.Spec.Template.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "SIZE", Value: "big"}}
	})
	k.eventually(t, 5*time.Second, "the refusal", k.updating(ns, "u", "UpdateBlocked", "spec.containers[redis].env[SIZE]", "0-5"))
	k.everyPod(t, ns, func(pod *corev1.Pod) error {
		if pod.UID != before[pod.Name] || pod.Labels["tier"] != "gold" {
			return fmt.Errorf("%s was written to", pod.Name)
		}
		return nil
	})
	k.edit(t, ns, "u", func(s *v1alpha1.InstanceSet) { s.Spec.UpdateStrategy.InPlace = v1alpha1.InPlacePrefer })
	k.eventually(t, 2*time.Minute, "new pods", k.updated(ns, "u"))
	k.everyPod(t, ns, func(pod *corev1.Pod) error {
		if pod.UID == before[pod.Name] || len(pod.Spec.Containers[0].Env) != 1 {
			return fmt.Errorf("%s was not made anew", pod.Name)
		}
		return nil
	})
}

func (k kit) edit(t *testing.T, namespace, name string, change func(*v1alpha1.InstanceSet)) {
	t.Helper()
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		var s v1alpha1.InstanceSet
		if err := k.get(t.Context(), namespace, name, &s); err != nil {
			return err
		}
		change(&s)
		return k.client.Update(t.Context(), &s)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (k kit) uids(t *testing.T, namespace string) map[string]types.UID {
	t.Helper()
	all := map[string]types.UID{}
	k.everyPod(t, namespace, func(pod *corev1.Pod) error {
		all[pod.Name] = pod.UID
		return nil
	})
	return all
}

func (k kit) everyPod(t *testing.T, namespace string, check func(*corev1.Pod) error) {
	t.Helper()
	pods, err := k.pods(t.Context(), namespace, "u")
	if err != nil || len(pods) != 6 {
		t.Fatalf("%d pods (%v)", len(pods), err)
	}
	for i := range pods {
		if err := check(&pods[i]); err != nil {
			t.Error(err)
		}
	}
}

// updated is nil when every instance has the template of today and is Ready.
func (k kit) updated(namespace, name string) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := k.ready(namespace, name)(ctx); err != nil {
			return err
		}
		return k.updating(namespace, name, "UpToDate")(ctx)
	}
}

// updating is nil when the condition Updating has a reason, and words in its message, at the current generation.
func (k kit) updating(namespace, name, reason string, words ...string) func(context.Context) error {
	return func(ctx context.Context) error {
		var s v1alpha1.InstanceSet
		if err := k.get(ctx, namespace, name, &s); err != nil {
			return err
		}
		c := meta.FindStatusCondition(s.Status.Conditions, v1alpha1.ConditionUpdating)
		if c == nil || c.ObservedGeneration != s.Generation || c.Reason != reason {
			return fmt.Errorf("the condition is %+v", c)
		}
		for _, word := range words {
			if !strings.Contains(c.Message, word) {
				return fmt.Errorf("%q is not in %q", word, c.Message)
			}
		}
		return nil
	}
}
