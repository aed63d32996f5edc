//go:build integration

package integration

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/playground"
	"github.com/shoal-dev/shoal/playground/history"
	"github.com/shoal-dev/shoal/reason"
)

// TestRebuild loses nodes in every way that there is. Only a node that somebody declared out of service gives its
// instances up, one of a shard at a time, and never the data.
func TestRebuild(t *testing.T) {
	k := start(t, playground.Options{
		Nodes: []playground.Shape{{Count: 6}}, Install: true, Schedulers: 1, Managers: 1, NodeGrace: 8 * time.Second,
	})
	ns := k.namespace(t, "rebuild")
	check := k.record(t)
	auto := rebuilt(v1alpha1.RebuildAutomatic, v1alpha1.HolderCheckNone)
	k.create(t,
		set(ns, "sharded", 12, shards(3), volumes, limits(3, 5), auto),
		set(ns, "careful", 6, shards(3), volumes, limits(3, 5), rebuilt(v1alpha1.RebuildAutomatic, v1alpha1.HolderCheckRedis)),
		set(ns, "manual", 6, volumes, limits(2, 5), rebuilt(v1alpha1.RebuildManual, v1alpha1.HolderCheckNone)),
	)
	for _, name := range []string{"sharded", "careful", "manual"} {
		k.eventually(t, time.Minute, name+" to be Ready", k.ready(ns, name))
	}
	victims := k.commonNodes(t, ns, "sharded", "careful", "manual")
	silent, deleted := victims[0], victims[1]

	t.Run("unreachable", func(t *testing.T) {
		k.fail(t, silent, playground.Unreachable)
		k.eventually(t, time.Minute, "the reason", k.says(ns, "sharded", v1alpha1.ConditionRebuilding, reason.NodeUnreachable))
		k.never(t, 5*time.Second, "unreachable", k.nothingLost(ns))
	})
	t.Run("deleted", func(t *testing.T) {
		k.fail(t, deleted, playground.Deleted)
		k.eventually(t, 3*time.Minute, "the reason", k.says(ns, "sharded", v1alpha1.ConditionRebuilding, reason.NodeDeleted))
		k.never(t, 5*time.Second, "deleted", k.nothingLost(ns))
		if err := k.RecoverNode(t.Context(), deleted); err != nil {
			t.Fatal(err)
		}
		k.eventually(t, time.Minute, "the instances of the node to come back", func(ctx context.Context) error {
			return errors.Join(k.nothingLost(ns)(ctx), k.absent(ctx, ns, deleted))
		})
	})
	t.Run("out of service", func(t *testing.T) {
		k.fail(t, silent, playground.OutOfService)
		k.eventually(t, 2*time.Minute, "sharded to be Ready again", k.readyWithout(ns, "sharded", silent))
		k.eventually(t, time.Minute, "the manual set to wait", k.says(ns, "manual", v1alpha1.ConditionRebuilding, reason.RebuildManual))
		k.eventually(t, time.Minute, "the careful set to wait", k.says(ns, "careful", v1alpha1.ConditionRebuilding, reason.HolderUnproven))
	})
	events := check()
	oneOfAShard(t, events, "sharded")
	retained(t, events, ns)
}

func (k kit) fail(t *testing.T, node string, fault playground.Fault) {
	t.Helper()
	if err := k.FailNode(t.Context(), node, fault); err != nil {
		t.Fatal(err)
	}
}

// commonNodes are nodes on which all the sets have instances.
func (k kit) commonNodes(t *testing.T, namespace string, sets ...string) []string {
	t.Helper()
	on := map[string]map[string]bool{}
	for _, name := range sets {
		pods, err := k.pods(t.Context(), namespace, name)
		if err != nil {
			t.Fatal(err)
		}
		for i := range pods {
			if on[pods[i].Spec.NodeName] == nil {
				on[pods[i].Spec.NodeName] = map[string]bool{}
			}
			on[pods[i].Spec.NodeName][name] = true
		}
	}
	var common []string
	for node, here := range on {
		if len(here) == len(sets) {
			common = append(common, node)
		}
	}
	if len(common) < 2 {
		t.Fatalf("only %v hold instances of all sets", common)
	}
	return common
}

// says is nil when a condition has the reason.
func (k kit) says(namespace, name, condition string, code reason.Code) func(context.Context) error {
	return func(ctx context.Context) error {
		var s v1alpha1.InstanceSet
		if err := k.get(ctx, namespace, name, &s); err != nil {
			return err
		}
		c := meta.FindStatusCondition(s.Status.Conditions, condition)
		if c == nil || c.Reason != code.Name() {
			return fmt.Errorf("%s of %s is %+v, wanted %s", condition, name, c, code.Name())
		}
		return nil
	}
}

func (k kit) nothingLost(namespace string) func(context.Context) error {
	return func(ctx context.Context) error {
		var pods corev1.PodList
		var claims corev1.PersistentVolumeClaimList
		lost := []client.ListOption{client.InNamespace(namespace), client.HasLabels{v1alpha1.LabelLost}}
		if err := errors.Join(k.client.List(ctx, &pods, lost...), k.client.List(ctx, &claims, lost...)); err != nil {
			return err
		}
		if len(pods.Items)+len(claims.Items) > 0 {
			return fmt.Errorf("%d pods and %d claims were declared lost", len(pods.Items), len(claims.Items))
		}
		return nil
	}
}

// absent is nil when the node has its share of pods again.
func (k kit) absent(ctx context.Context, namespace, node string) error {
	for _, name := range []string{"sharded", "careful", "manual"} {
		pods, err := k.pods(ctx, namespace, name)
		if err != nil {
			return err
		}
		here := 0
		for i := range pods {
			if pods[i].Spec.NodeName == node && pods[i].DeletionTimestamp == nil {
				here++
			}
		}
		if here == 0 {
			return fmt.Errorf("%s has no pod on %s", name, node)
		}
	}
	return nil
}

func (k kit) readyWithout(namespace, name, node string) func(context.Context) error {
	return func(ctx context.Context) error {
		pods, err := k.pods(ctx, namespace, name)
		if err != nil {
			return err
		}
		for i := range pods {
			if pods[i].Spec.NodeName == node {
				return fmt.Errorf("%s is still on %s", pods[i].Name, node)
			}
		}
		return k.ready(namespace, name)(ctx)
	}
}

// oneOfAShard: from the moment an instance is declared lost until it is Ready again, no other of its shard is.
func oneOfAShard(t *testing.T, events []history.Event, set string) {
	t.Helper()
	inFlight := map[string]string{} // shard -> instance
	rebuilds := 0
	for _, e := range events {
		pod, ok := e.Object.(*corev1.Pod)
		if !ok || e.Deleted || pod.Labels[v1alpha1.LabelInstanceSet] != set {
			continue
		}
		shard := pod.Labels[v1alpha1.LabelShard]
		switch {
		case pod.Labels[v1alpha1.LabelLost] != "":
			if other := inFlight[shard]; other != "" && other != pod.Name {
				t.Errorf("at version %d: %s was declared lost while %s of %s was not Ready again", e.Version, pod.Name, other, shard)
			}
			if inFlight[shard] == "" {
				rebuilds++
			}
			inFlight[shard] = pod.Name
		case inFlight[shard] == pod.Name && podReady(pod):
			inFlight[shard] = ""
			if pod.Annotations[v1alpha1.AnnotationRebuildGeneration] != "1" {
				t.Errorf("%s is back as generation %q, wanted 1", pod.Name, pod.Annotations[v1alpha1.AnnotationRebuildGeneration])
			}
		}
	}
	if rebuilds == 0 {
		t.Errorf("nothing of %s was rebuilt: the test proves nothing", set)
	}
	t.Logf("%d instances of %s were rebuilt", rebuilds, set)
}

// retained: no claim goes before its volume is set to Retain, and no volume of a claim goes at all.
func retained(t *testing.T, events []history.Event, namespace string) {
	t.Helper()
	policy := map[string]corev1.PersistentVolumeReclaimPolicy{}
	deleted := 0
	for _, e := range events {
		switch o := e.Object.(type) {
		case *corev1.PersistentVolume:
			policy[o.Name] = o.Spec.PersistentVolumeReclaimPolicy
			if e.Deleted && o.Spec.ClaimRef != nil && o.Spec.ClaimRef.Namespace == namespace {
				t.Errorf("the volume %s of %s was deleted", o.Name, o.Spec.ClaimRef.Name)
			}
		case *corev1.PersistentVolumeClaim:
			if o.Namespace != namespace || o.DeletionTimestamp == nil {
				continue
			}
			deleted++
			if o.Spec.VolumeName != "" && policy[o.Spec.VolumeName] != corev1.PersistentVolumeReclaimRetain {
				t.Errorf("%s was deleted while its volume %s was set to %s", o.Name, o.Spec.VolumeName, policy[o.Spec.VolumeName])
			}
		}
	}
	if deleted == 0 {
		t.Error("no claim was deleted: the test proves nothing")
	}
}

func podReady(pod *corev1.Pod) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue && pod.DeletionTimestamp == nil
		}
	}
	return false
}
