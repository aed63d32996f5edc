package installation

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// page is how many objects are asked for at once.
const page = 500

func (c Cluster) eachNode(ctx context.Context, look func(*corev1.Node)) error {
	list := &corev1.NodeList{}
	for {
		if err := c.Client.List(ctx, list, client.Limit(page), client.Continue(list.Continue)); err != nil {
			return err
		}
		for i := range list.Items {
			look(&list.Items[i])
		}
		if list.Continue == "" {
			return nil
		}
	}
}

// nodes asks for two that can take pods: there are two schedulers and two managers.
func (c Cluster) nodes(ctx context.Context) []Result {
	ready, all := 0, 0
	err := c.eachNode(ctx, func(n *corev1.Node) {
		all++
		if !n.Spec.Unschedulable && slices.ContainsFunc(n.Status.Conditions, func(c corev1.NodeCondition) bool {
			return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
		}) {
			ready++
		}
	})
	switch {
	case err != nil:
		return []Result{unread("nodes", err)}
	case ready == 0:
		return []Result{failure("kubectl get nodes", "none of %d nodes takes pods", all)}
	case ready == 1:
		return []Result{warning("add a node, if the loss of one is to be survived", "one node takes pods: both schedulers and both managers would run there")}
	}
	return []Result{ok("%d of %d take pods", ready, all)}
}

// storage looks at the classes. A class that does not wait for its first consumer has the volume made before the scheduler
// chose a node: the pod must go where the volume is, whatever the limits say.
func (c Cluster) storage(ctx context.Context) []Result {
	classes := &storagev1.StorageClassList{}
	if err := c.Client.List(ctx, classes); err != nil {
		return []Result{unread("storage classes", err)}
	}
	const next = "make a class with volumeBindingMode: WaitForFirstConsumer, and name it in volumeClaimTemplates"
	var results []Result
	used, err := c.classesInUse(ctx)
	if err != nil {
		results = append(results, unread("instancesets, so which class they use is not known", err))
	}
	var waiting, eager []string
	for _, class := range classes.Items {
		text := class.Name
		if !ptr.Deref(class.AllowVolumeExpansion, false) {
			text += " (cannot grow)"
		}
		set, isUsed := used[class.Name]
		delete(used, class.Name)
		switch {
		case ptr.Deref(class.VolumeBindingMode, storagev1.VolumeBindingImmediate) == storagev1.VolumeBindingWaitForFirstConsumer:
			waiting = append(waiting, text)
		case isUsed:
			results = append(results, warning(next, "class %s, which InstanceSet %s uses, makes volumes before a node is chosen (Immediate): limits cannot be kept where volumes are bound to nodes", class.Name, set))
		default:
			eager = append(eager, class.Name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(used)) {
		results = append(results, failure("kubectl get storageclasses", "InstanceSet %s wants class %s, which does not exist", used[name], name))
	}
	switch {
	case len(waiting) == 0:
		results = append(results, warning(next, "no class waits for its first consumer: only instances without volumes can be placed within limits"))
	case len(results) == 0 || err != nil:
		text := fmt.Sprintf("%s: bound when a node is chosen", strings.Join(waiting, ", "))
		if len(eager) > 0 {
			text += fmt.Sprintf("; not for Shoal: %s", strings.Join(eager, ", "))
		}
		results = append(results, ok("%s", text))
	}
	return results
}

// classesInUse are the classes that InstanceSets name, with one of those sets each.
func (c Cluster) classesInUse(ctx context.Context) (map[string]string, error) {
	used, sets := map[string]string{}, &v1alpha1.InstanceSetList{}
	for {
		err := c.Client.List(ctx, sets, client.Limit(page), client.Continue(sets.Continue))
		if missing(err) {
			return used, nil // Shoal is not installed yet
		}
		if err != nil {
			return nil, err
		}
		for _, s := range sets.Items {
			for _, t := range s.Spec.VolumeClaimTemplates {
				if name := ptr.Deref(t.Spec.StorageClassName, ""); name != "" {
					used[name] = s.Namespace + "/" + s.Name
				}
			}
		}
		if sets.Continue == "" {
			return used, nil
		}
	}
}

// bandwidth is optional: it is in use when a node advertises it, or is annotated to.
func (c Cluster) bandwidth(ctx context.Context) []Result {
	var all, advertise int
	var waiting []string
	err := c.eachNode(ctx, func(n *corev1.Node) {
		all++
		for _, name := range []corev1.ResourceName{v1alpha1.ResourceNetIngress, v1alpha1.ResourceNetEgress} {
			if _, there := n.Status.Allocatable[name]; there {
				advertise++
				return
			}
			if _, annotated := n.Annotations[string(name)]; annotated {
				waiting = append(waiting, n.Name)
				return
			}
		}
	})
	switch {
	case err != nil:
		return []Result{unread("nodes", err)}
	case len(waiting) > 0:
		return []Result{warning("kubectl describe node "+waiting[0]+" (an event says what is wrong), or see whether the manager runs",
			"%d nodes are annotated with their bandwidth and do not advertise it, such as %s", len(waiting), waiting[0])}
	case advertise == 0:
		return []Result{ok("no node advertises any, so it does not count (optional: docs/bandwidth.md)")}
	case advertise < all:
		return []Result{warning("docs/bandwidth.md", "%d of %d nodes advertise it: pods that ask for bandwidth can run there alone", advertise, all)}
	}
	return []Result{ok("all %d nodes advertise it", all)}
}

// monitoring is optional: whether rules and dashboards are where a Prometheus finds them, Shoal cannot know.
func (c Cluster) monitoring(ctx context.Context) []Result {
	const name = "shoal-metrics-reader"
	switch err := c.Client.Get(ctx, client.ObjectKey{Name: name}, &rbacv1.ClusterRole{}); {
	case missing(err):
		return []Result{ok("alerts and dashboards are not installed (optional: docs/monitoring.md)")}
	case err != nil:
		return []Result{unread("ClusterRole "+name, err)}
	}
	return []Result{ok("the role for a Prometheus is there")}
}
