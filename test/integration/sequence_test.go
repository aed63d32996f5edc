//go:build integration

package integration

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/playground"
	"github.com/shoal-dev/shoal/playground/history"
	"github.com/shoal-dev/shoal/reason"
)

// TestOneAfterTheOther runs two stories side by side, each on nodes of its own. The limits hold at every moment of both.
func TestOneAfterTheOther(t *testing.T) {
	k := start(t, playground.Options{
		Nodes:   []playground.Shape{{Prefix: "left-", Count: 5, Labels: map[string]string{"side": "left"}}, {Prefix: "right-", Count: 3, Labels: map[string]string{"side": "right"}}},
		Install: true, Schedulers: 1, Managers: 1, NodeGrace: 8 * time.Second,
	})
	check := k.record(t)
	var scaled, gone string
	t.Run("stories", func(t *testing.T) {
		scaled, gone = k.namespace(t, "scaled"), k.namespace(t, "gone")
		t.Run("scale in, lose a node, scale out", func(t *testing.T) { t.Parallel(); k.scaleInLoseANodeScaleOut(t, scaled) })
		t.Run("a deleted node whose pods are collected", func(t *testing.T) { t.Parallel(); k.deletedNodeComesBack(t, gone) })
	})
	events := check()
	retained(t, onlyIn(scaled, events), scaled)
	nothingEverLost(t, events, gone)
}

func onSide(side string) func(*v1alpha1.InstanceSet) {
	return func(s *v1alpha1.InstanceSet) { s.Spec.Template.Spec.NodeSelector = map[string]string{"side": side} }
}

// scaleInLoseANodeScaleOut has no slack: 9 instances are all that 3 nodes may hold. The node that dies keeps a retired volume
// and instances of several shards. Unless those are given up together, the first has no node to go to.
func (k kit) scaleInLoseANodeScaleOut(t *testing.T, ns string) {
	auto := rebuilt(v1alpha1.RebuildAutomatic, v1alpha1.HolderCheckNone)
	k.create(t, set(ns, "r", 9, shards(3), volumes, limits(3, 3), auto, onSide("left")))
	k.eventually(t, time.Minute, "9 instances", k.ready(ns, "r"))
	node := k.nodeOf(t, ns, "r-6")

	k.scale(t, ns, "r", 6)
	k.eventually(t, time.Minute, "the volumes of the surplus to be retired", func(ctx context.Context) error {
		return errors.Join(k.ready(ns, "r")(ctx), k.counts(ctx, ns, v1alpha1.LabelRetired, 3), k.podCount(ctx, ns, "r", 6))
	})
	k.fail(t, node, playground.OutOfService)
	k.eventually(t, 30*time.Second, "the instances of the node to be rebuilt", func(ctx context.Context) error {
		return errors.Join(k.readyWithout(ns, "r", node)(ctx), k.podCount(ctx, ns, "r", 6))
	})

	k.scale(t, ns, "r", 9)
	// A volume that was retired on the dead node cannot be used. Its instance is rebuilt like any other.
	k.eventually(t, 30*time.Second, "9 instances again", func(ctx context.Context) error {
		return errors.Join(k.readyWithout(ns, "r", node)(ctx), k.counts(ctx, ns, v1alpha1.LabelRetired, 0), k.podCount(ctx, ns, "r", 9))
	})
}

// deletedNodeComesBack: the pod garbage collector takes the pods of a Node that does not exist. That proves nothing about the
// machine, which still has the data.
func (k kit) deletedNodeComesBack(t *testing.T, ns string) {
	auto := rebuilt(v1alpha1.RebuildAutomatic, v1alpha1.HolderCheckNone)
	k.create(t, set(ns, "r", 3, shards(3), volumes, limits(1, 3), auto, onSide("right")))
	k.eventually(t, time.Minute, "3 instances", k.ready(ns, "r"))
	node, before := k.nodeOf(t, ns, "r-1"), k.volumeOf(t, ns, "data-r-1")

	k.fail(t, node, playground.Deleted)
	k.eventually(t, 30*time.Second, "the condition", k.says(ns, "r", v1alpha1.ConditionRebuilding, reason.NodeDeleted))
	k.eventually(t, 2*time.Minute, "the pod to be collected", func(ctx context.Context) error {
		var pod corev1.Pod
		if err := k.get(ctx, ns, "r-1", &pod); !apierrors.IsNotFound(err) {
			return fmt.Errorf("r-1 is there: %w", err)
		}
		return nil
	})
	k.eventually(t, 30*time.Second, "the exception", k.exception(ns, "r", 1, reason.VolumeGoneNodeDeleted))
	k.never(t, 5*time.Second, "rebuilding without a proof", func(ctx context.Context) error {
		return errors.Join(k.nothingLost(ns)(ctx), k.podCount(ctx, ns, "r", 2))
	})

	if err := k.RecoverNode(t.Context(), node); err != nil {
		t.Fatal(err)
	}
	k.eventually(t, time.Minute, "r-1 to return", func(ctx context.Context) error {
		return errors.Join(k.ready(ns, "r")(ctx), k.podCount(ctx, ns, "r", 3))
	})
	if now := k.nodeOf(t, ns, "r-1"); now != node {
		t.Errorf("r-1 is back on %s, its volume is on %s", now, node)
	}
	if after := k.volumeOf(t, ns, "data-r-1"); after != before {
		t.Errorf("r-1 is back with volume %s, it had %s", after, before)
	}
}

func (k kit) scale(t *testing.T, namespace, name string, replicas int32) {
	t.Helper()
	var s v1alpha1.InstanceSet
	if err := k.get(t.Context(), namespace, name, &s); err != nil {
		t.Fatal(err)
	}
	before := client.MergeFrom(s.DeepCopy())
	s.Spec.Replicas = &replicas
	if err := k.client.Patch(t.Context(), &s, before); err != nil {
		t.Fatal(err)
	}
}

// counts is nil when so many claims have the label.
func (k kit) counts(ctx context.Context, namespace, label string, want int) error {
	var claims corev1.PersistentVolumeClaimList
	if err := k.client.List(ctx, &claims, client.InNamespace(namespace), client.HasLabels{label}); err != nil {
		return err
	}
	if len(claims.Items) != want {
		return fmt.Errorf("%d claims have %s, wanted %d", len(claims.Items), label, want)
	}
	return nil
}

func (k kit) podCount(ctx context.Context, namespace, name string, want int) error {
	pods, err := k.pods(ctx, namespace, name)
	if err != nil {
		return err
	}
	if len(pods) != want {
		return fmt.Errorf("%s has %d pods, wanted %d", name, len(pods), want)
	}
	return nil
}

func (k kit) nodeOf(t *testing.T, namespace, name string) string {
	t.Helper()
	var pod corev1.Pod
	if err := k.get(t.Context(), namespace, name, &pod); err != nil {
		t.Fatal(err)
	}
	return pod.Spec.NodeName
}

func (k kit) volumeOf(t *testing.T, namespace, name string) string {
	t.Helper()
	var claim corev1.PersistentVolumeClaim
	if err := k.get(t.Context(), namespace, name, &claim); err != nil {
		t.Fatal(err)
	}
	return claim.Spec.VolumeName + " of claim " + string(claim.UID)
}

// exception is nil when the status tells about the ordinal for that reason.
func (k kit) exception(namespace, name string, ordinal int32, code reason.Code) func(context.Context) error {
	return func(ctx context.Context) error {
		var s v1alpha1.InstanceSet
		if err := k.get(ctx, namespace, name, &s); err != nil {
			return err
		}
		for _, e := range s.Status.Exceptions {
			if e.Ordinal == ordinal && e.Reason == code.String() {
				return nil
			}
		}
		return fmt.Errorf("the exceptions are %+v, wanted %s of %d", s.Status.Exceptions, code, ordinal)
	}
}

func onlyIn(namespace string, events []history.Event) []history.Event {
	var here []history.Event
	for _, e := range events {
		if _, volume := e.Object.(*corev1.PersistentVolume); volume || e.Object.GetNamespace() == namespace {
			here = append(here, e)
		}
	}
	return here
}

// nothingEverLost looks at every moment and not only at those at which a test asks.
func nothingEverLost(t *testing.T, events []history.Event, namespace string) {
	t.Helper()
	for _, e := range events {
		_, lost := e.Object.GetLabels()[v1alpha1.LabelLost]
		_, claim := e.Object.(*corev1.PersistentVolumeClaim)
		if e.Object.GetNamespace() == namespace && (lost || claim && e.Object.GetDeletionTimestamp() != nil) {
			t.Errorf("at version %d: %T %s was given up", e.Version, e.Object, e.Object.GetName())
		}
	}
}
