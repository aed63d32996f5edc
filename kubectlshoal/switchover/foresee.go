package switchover

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/roles/switchovers/decide"
)

// foresee asks the API server whether it would take the object, and says what the manager would do with it, by its own rules.
// Only the manager can ask the instances: who is in sync is not known here.
func (c *call) foresee(ctx context.Context, cluster client.Client, s *v1alpha1.Switchover) error {
	if err := cluster.Create(ctx, s, client.DryRunAll); err != nil {
		return fmt.Errorf("asking whether the switchover would be taken: %w", err)
	}
	snapshot, pods, err := c.snapshot(ctx, cluster)
	if err != nil {
		return err
	}
	v := decide.Decide(snapshot)
	show := &shown{out: c.Out}
	for _, pod := range pods {
		show.say("%-12s  %-8s  node %s", pod.Name, or(pod.Labels[v1alpha1.LabelRole], "-"), or(pod.Spec.NodeName, "-"))
	}
	bad := false
	switch v.Do {
	case decide.Begin:
		show.say("would begin: %s hands over to %s", v.From, or(c.to, "the replica that suits best"))
	case decide.Done:
		show.say("nothing to do: %s", v.Code.Because("%s is master", c.to))
	case decide.Wait:
		bad = true
		show.say("would wait for %s at most: %s", c.timeout, cause(v))
	default:
		bad = true
		show.say("would be refused: %s", cause(v))
	}
	if show.err != nil {
		return fmt.Errorf("writing the answer: %w", show.err)
	}
	if bad {
		return c.Bad
	}
	return nil
}

func cause(v decide.Verdict) string {
	if v.Text == "" {
		return v.Code.Message()
	}
	return v.Text + ": " + v.Code.Message()
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// snapshot is what the manager would decide from, but for whether it can give orders, which is taken for granted.
func (c *call) snapshot(ctx context.Context, cluster client.Client) (decide.Snapshot, []corev1.Pod, error) {
	now := c.Now()
	out := decide.Snapshot{Now: now, Orders: true, Request: decide.Request{Name: "~", Created: now, Seen: now, To: c.to, Timeout: c.timeout}}
	var sets v1alpha1.InstanceSetList
	if err := cluster.List(ctx, &sets, client.InNamespace(c.namespace)); err != nil {
		return out, nil, fmt.Errorf("reading the InstanceSet %s: %w", c.set, err)
	}
	n := slices.IndexFunc(sets.Items, func(s v1alpha1.InstanceSet) bool { return s.Name == c.set })
	if n < 0 {
		return out, nil, nil
	}
	set := &sets.Items[n]
	out.Set, out.Paused = len(set.Spec.Roles) > 0 && set.DeletionTimestamp == nil, set.Spec.Paused
	var pods corev1.PodList
	if err := cluster.List(ctx, &pods, client.InNamespace(c.namespace), client.MatchingLabels{v1alpha1.LabelInstanceSet: c.set, v1alpha1.LabelShard: c.shard}); err != nil {
		return out, nil, fmt.Errorf("listing the pods of %s: %w", c.shard, err)
	}
	pods.Items = slices.DeleteFunc(pods.Items, func(pod corev1.Pod) bool {
		owner := metav1.GetControllerOf(&pod)
		return owner == nil || owner.UID != set.UID
	})
	slices.SortFunc(pods.Items, func(a, b corev1.Pod) int { return strings.Compare(a.Name, b.Name) })
	for _, pod := range pods.Items {
		out.Instances = append(out.Instances, decide.Instance{
			Name: pod.Name, Master: pod.Labels[v1alpha1.LabelRole] == string(v1alpha1.RoleMaster), Lost: pod.Labels[v1alpha1.LabelLost] != "",
		})
	}
	var others v1alpha1.SwitchoverList
	if err := cluster.List(ctx, &others, client.InNamespace(c.namespace)); err != nil {
		return out, nil, fmt.Errorf("listing Switchovers: %w", err)
	}
	for _, o := range others.Items {
		if o.Spec.Shard == c.shard && o.Status.CompletedAt == nil {
			out.Others = append(out.Others, decide.Request{Name: o.Name, Created: o.CreationTimestamp.Time, Seen: now, From: o.Status.From, Timeout: time.Second, Deleted: o.DeletionTimestamp != nil})
		}
	}
	return out, pods.Items, nil
}
