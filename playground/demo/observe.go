package demo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/reason"
)

// placed are the pods of a set that have a node, by name; terminating ones are among them.
func (d *demo) placed(ctx context.Context, set string) ([]corev1.Pod, error) {
	var list corev1.PodList
	if err := d.client.List(ctx, &list, client.InNamespace(namespace), client.MatchingLabels{v1alpha1.LabelInstanceSet: set}); err != nil {
		return nil, fmt.Errorf("listing the pods of %s: %w", set, err)
	}
	pods := slices.DeleteFunc(list.Items, func(p corev1.Pod) bool { return p.Spec.NodeName == "" })
	slices.SortFunc(pods, func(a, b corev1.Pod) int { return strings.Compare(a.Name, b.Name) })
	return pods, nil
}

func perNode(pods []corev1.Pod) map[string]int {
	n := map[string]int{}
	for i := range pods {
		n[pods[i].Spec.NodeName]++
	}
	return n
}

func (d *demo) pod(ctx context.Context, name string) (*corev1.Pod, error) {
	p := &corev1.Pod{}
	if err := d.client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, p); err != nil {
		return nil, fmt.Errorf("getting pod %s: %w", name, err)
	}
	return p, nil
}

// waitReady waits until the sets are Ready at their current generation, and says how far they are.
func (d *demo) waitReady(ctx context.Context, sets ...string) error {
	last := ""
	return d.until(ctx, strings.Join(sets, " and ")+" to be Ready", func(ctx context.Context) error {
		var waiting, progress []string
		for _, name := range sets {
			var set v1alpha1.InstanceSet
			if err := d.client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &set); err != nil {
				return err
			}
			ready := meta.FindStatusCondition(set.Status.Conditions, v1alpha1.ConditionReady)
			done := ready != nil && ready.ObservedGeneration == set.Generation && string(ready.Status) == "True" && !d.pendingRebuild(ctx, name)
			if !done {
				waiting = append(waiting, name)
			}
			progress = append(progress, fmt.Sprintf("%s %d/%d on %d nodes", name, set.Status.ReadyReplicas, *set.Spec.Replicas, set.Status.Nodes))
		}
		if text := strings.Join(progress, "   "); text != last {
			last = text
			d.say("%6.1fs  %s", time.Since(d.began).Seconds(), text)
		}
		if len(waiting) > 0 {
			return fmt.Errorf("%s: not yet", strings.Join(waiting, ", "))
		}
		return nil
	})
}

// pendingRebuild is true while the node is out of service and instances are still on it: the set can look Ready for a
// moment, before its controller has seen the taint.
func (d *demo) pendingRebuild(ctx context.Context, set string) bool {
	if d.victim == "" || set != cache {
		return false
	}
	pods, err := d.placed(ctx, set)
	return err != nil || perNode(pods)[d.victim] > 0
}

// waitTaint waits until the control plane has noticed that a node is silent.
func (d *demo) waitTaint(ctx context.Context, name, key string) error {
	return d.until(ctx, "the taint "+key+" on "+name, func(ctx context.Context) error {
		var node corev1.Node
		if err := d.client.Get(ctx, client.ObjectKey{Name: name}, &node); err != nil {
			return err
		}
		if !slices.ContainsFunc(node.Spec.Taints, func(t corev1.Taint) bool { return t.Key == key }) {
			return errors.New("it is not there yet")
		}
		return nil
	})
}

// waitRefused waits until a pod is Pending because of the limit of nodes, and returns the scheduler's words.
func (d *demo) waitRefused(ctx context.Context, name string) (string, error) {
	message := ""
	err := d.until(ctx, name+" to be refused", func(ctx context.Context) error {
		p, err := d.pod(ctx, name)
		if err != nil {
			return err
		}
		for _, c := range p.Status.Conditions {
			if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && strings.Contains(c.Message, reason.NodeCountLimit.String()) {
				message = c.Message
				return nil
			}
		}
		return fmt.Errorf("no condition with %s yet", reason.NodeCountLimit)
	})
	return message, err
}

func (d *demo) stillPending(ctx context.Context, names []string) error {
	for _, name := range names {
		p, err := d.pod(ctx, name)
		if err != nil {
			return err
		}
		if p.Spec.NodeName != "" {
			return fmt.Errorf("%s was placed on %s", name, p.Spec.NodeName)
		}
	}
	return nil
}

func (d *demo) stillTerminating(ctx context.Context, name string) error {
	p, err := d.pod(ctx, name)
	if err != nil {
		return err
	}
	if p.DeletionTimestamp == nil || p.Spec.NodeName != d.victim {
		return fmt.Errorf("%s should stay Terminating on %s", name, d.victim)
	}
	d.say("%s is Terminating on %s and stays so: nobody knows whether its process still runs.", name, d.victim)
	return nil
}

// untouched makes sure that nothing was rebuilt and no further node was used.
func (d *demo) untouched(ctx context.Context) error {
	pods, err := d.placed(ctx, cache)
	if err != nil {
		return err
	}
	var errs []error
	for i := range pods {
		if !d.before[pods[i].Spec.NodeName] {
			errs = append(errs, fmt.Errorf("%s is on %s, a node that the set did not use before", pods[i].Name, pods[i].Spec.NodeName))
		}
		if pods[i].Labels[v1alpha1.LabelLost] != "" {
			errs = append(errs, fmt.Errorf("%s was declared lost, and nobody vouched for it", pods[i].Name))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return wants("instances on the silent node", perNode(pods)[d.victim], func(n int) bool { return n == len(d.held) }, fmt.Sprint(len(d.held)))
}

func (d *demo) oneNodeReplaced(ctx context.Context) error {
	pods, err := d.placed(ctx, cache)
	if err != nil {
		return err
	}
	after, fresh := perNode(pods), map[string]bool{}
	for node := range after {
		if !d.before[node] {
			fresh[node] = true
		}
	}
	if len(pods) != 40 || len(after) != 20 || len(fresh) != 1 || after[d.victim] != 0 {
		return fmt.Errorf("%d instances on %d nodes, %d of them new, %d instances on %s: wanted 40, 20, 1 and 0",
			len(pods), len(after), len(fresh), after[d.victim], d.victim)
	}
	for i := range pods {
		if slices.Contains(d.held, pods[i].Name) {
			if !fresh[pods[i].Spec.NodeName] {
				return fmt.Errorf("%s is on %s, which is not the new node", pods[i].Name, pods[i].Spec.NodeName)
			}
			d.say("%s is back, on %s, as generation %s of its data.", pods[i].Name, pods[i].Spec.NodeName, pods[i].Annotations[v1alpha1.AnnotationRebuildGeneration])
		}
	}
	return nil
}

func (d *demo) scale(ctx context.Context, replicas int32) error {
	patch := fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, replicas)
	set := &v1alpha1.InstanceSet{}
	set.Namespace, set.Name = namespace, cache
	if err := d.client.Patch(ctx, set, client.RawPatch("application/merge-patch+json", patch)); err != nil {
		return fmt.Errorf("scaling %s: %w", cache, err)
	}
	return nil
}

func (d *demo) waitGone(ctx context.Context, names ...string) error {
	return d.until(ctx, strings.Join(names, " and ")+" to go", func(ctx context.Context) error {
		for _, name := range names {
			if _, err := d.pod(ctx, name); !apierrors.IsNotFound(err) {
				return errors.Join(err, fmt.Errorf("%s is still there", name))
			}
		}
		return nil
	})
}

// until polls; the error of the last try explains why it gave up.
func (d *demo) until(ctx context.Context, what string, try func(context.Context) error) error {
	var last error
	err := wait.PollUntilContextTimeout(ctx, 500*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		last = try(ctx)
		return last == nil, nil
	})
	if err != nil {
		return fmt.Errorf("waiting for %s: %w", what, errors.Join(err, last))
	}
	return nil
}

func (d *demo) pause(ctx context.Context, long time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(long):
		return nil
	}
}

// neighboursWait tells of the other cluster's instances on the dead node, if it has any there. Its rebuild.mode is Manual: they
// keep their places until a person decides.
func (d *demo) neighboursWait(ctx context.Context) error {
	pods, err := d.placed(ctx, sharded)
	if err != nil {
		return err
	}
	if len(pods) != 120 {
		return fmt.Errorf("%s has %d instances with a place, wanted 120: its rebuild.mode is Manual, nothing of it may be given up", sharded, len(pods))
	}
	if n := perNode(pods)[d.victim]; n > 0 {
		d.say("%s has %d instances there. Its rebuild.mode is Manual: they keep their places, and wait for a person.", sharded, n)
	}
	return nil
}
