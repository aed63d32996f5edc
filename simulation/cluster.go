package simulation

import (
	"maps"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	corev1helpers "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/slots"
)

// How long the node lifecycle and the pod garbage collection of Kubernetes wait.
const (
	nodeMonitorGrace = 50 * time.Second
	orphanQuarantine = 40 * time.Second
	podGCPeriod      = 20 * time.Second
)

// addNode adds a node with a machine behind it.
func (w *World) addNode(name string, allocatable corev1.ResourceList) {
	w.machines[name] = &machine{name: name, running: map[types.UID]*process{}}
	w.register(name, allocatable)
}

// register is a kubelet that makes its Node, if there is none, and looks at the pods that are on it.
func (w *World) register(name string, allocatable corev1.ResourceList) {
	if _, there := find[*corev1.Node](w, types.NamespacedName{Name: name}); there {
		return
	}
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelHostname: name}}}
	n.Status.Capacity, n.Status.Allocatable = allocatable, allocatable
	n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(time.Now().Truncate(time.Second))}}
	w.must(w.system.create(w.ctx, n))
	n.Spec.Taints = slices.DeleteFunc(n.Spec.Taints, func(t corev1.Taint) bool { return t.Key == corev1.TaintNodeNotReady }) // node lifecycle
	w.systemUpdate(n, "")
	for _, pod := range all[*corev1.Pod](w) { // of the Node of that name before it
		if pod.Spec.NodeName == name {
			w.kubeletSees(pod)
		}
	}
}

// silence cuts a machine off, or switches it off. After the grace, the node lifecycle marks its Node.
func (w *World) silence(name string, off bool) {
	m := w.machines[name]
	w.replicate()
	m.silent = true
	if off {
		m.off = true
		clear(m.running)
	}
	w.after(nodeMonitorGrace, "node lifecycle", func() { w.judgeNode(name) })
}

// restore brings a machine back.
func (w *World) restore(name string) {
	w.replicate()
	if m := w.machines[name]; m.off {
		m.runs++
	}
	w.machines[name].silent, w.machines[name].off = false, false
	w.after(w.between(time.Second, 5*time.Second), "node lifecycle", func() {
		w.judgeNode(name)
		w.kubeletLooks(w.machines[name])
	})
}

// judgeNode is the node lifecycle: it writes condition and taints of a Node, and takes Ready from the pods of one that is
// silent.
func (w *World) judgeNode(name string) {
	node, there := find[*corev1.Node](w, types.NamespacedName{Name: name})
	m := w.machines[name]
	if !there || m == nil {
		return
	}
	status := corev1.ConditionTrue
	if !m.reachable() {
		status = corev1.ConditionUnknown
	}
	changed := node.DeepCopy()
	changed.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: status, LastTransitionTime: metav1.NewTime(time.Now().Truncate(time.Second))}}
	if node.Status.Conditions[0].Status != status {
		w.systemUpdate(changed, "status")
	}
	w.must(w.pump())
	w.taintSilent()
	for _, pod := range all[*corev1.Pod](w) {
		switch {
		case pod.Spec.NodeName != name:
		case status == corev1.ConditionTrue:
			w.kubeletSees(pod)
		case isReady(pod):
			changed := pod.DeepCopy()
			setReady(changed, corev1.ConditionFalse)
			w.systemUpdate(changed, "status")
		}
	}
}

// taintSilent taints the Nodes that nobody hears of. When that is all of them, the node lifecycle takes it that it is cut off
// itself, and evicts nobody: the taints for that go from all Nodes, though none is back (handleDisruption in its
// node_lifecycle_controller.go). How slowly it taints one Node after the other is not modelled.
func (w *World) taintSilent() {
	nodes := all[*corev1.Node](w)
	silent := func(n *corev1.Node) bool { return n.Status.Conditions[0].Status != corev1.ConditionTrue }
	effects := []corev1.TaintEffect{corev1.TaintEffectNoSchedule, corev1.TaintEffectNoExecute}
	if !slices.ContainsFunc(nodes, func(n *corev1.Node) bool { return !silent(n) }) {
		effects = effects[:1]
	}
	for _, node := range nodes {
		changed := node.DeepCopy()
		changed.ResourceVersion = ""
		changed.Spec.Taints = slices.DeleteFunc(changed.Spec.Taints, func(t corev1.Taint) bool { return t.Key == corev1.TaintNodeUnreachable })
		if silent(node) {
			for _, effect := range effects {
				changed.Spec.Taints = append(changed.Spec.Taints, corev1.Taint{Key: corev1.TaintNodeUnreachable, Effect: effect})
			}
		}
		w.systemUpdate(changed, "")
	}
}

// taint declares a node out of service, or takes it back. Only whoever has switched the machine off may do so.
func (w *World) taint(name string, out bool) {
	node, there := find[*corev1.Node](w, types.NamespacedName{Name: name})
	if !there {
		return
	}
	changed := node.DeepCopy()
	changed.Spec.Taints = slices.DeleteFunc(changed.Spec.Taints, func(t corev1.Taint) bool { return t.Key == corev1.TaintNodeOutOfService })
	if out {
		changed.Spec.Taints = append(changed.Spec.Taints, corev1.Taint{Key: corev1.TaintNodeOutOfService, Value: "nodeshutdown", Effect: corev1.TaintEffectNoExecute})
	}
	w.systemUpdate(changed, "")
}

// evict is the taint eviction: pods that do not tolerate a taint NoExecute are deleted. Those that tolerate it for a time
// are not made here.
func (w *World) evict() {
	for _, pod := range all[*corev1.Pod](w) {
		node, there := find[*corev1.Node](w, types.NamespacedName{Name: pod.Spec.NodeName})
		if !there || pod.DeletionTimestamp != nil || ended(pod) {
			continue
		}
		_, untolerated := corev1helpers.FindMatchingUntoleratedTaint(klog.Background(), node.Spec.Taints, pod.Spec.Tolerations,
			func(t *corev1.Taint) bool { return t.Effect == corev1.TaintEffectNoExecute }, false)
		if untolerated {
			uid := pod.UID
			w.once("evict "+string(uid), w.between(100*time.Millisecond, time.Second), func() {
				w.systemDelete(pod, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid}})
			})
		}
	}
}

// podGC is the garbage collection of pods: of Nodes that are gone, after a quarantine; and of those that are out of
// service, once they are being deleted and the Node is not Ready.
func (w *World) podGC() {
	w.after(podGCPeriod, "pod gc", w.podGC)
	for _, pod := range all[*corev1.Pod](w) {
		if pod.Spec.NodeName == "" {
			if pod.DeletionTimestamp != nil {
				w.forceDelete(pod)
			}
			continue
		}
		node, there := find[*corev1.Node](w, types.NamespacedName{Name: pod.Spec.NodeName})
		switch {
		case !there:
			since, known := w.orphanedSince[pod.Spec.NodeName]
			if !known {
				w.orphanedSince[pod.Spec.NodeName] = time.Now()
			} else if time.Since(since) >= orphanQuarantine {
				w.forceDelete(pod)
			}
		case pod.DeletionTimestamp != nil && slots.OutOfService(node) && node.Status.Conditions[0].Status != corev1.ConditionTrue:
			w.forceDelete(pod)
		}
	}
	for _, node := range all[*corev1.Node](w) {
		delete(w.orphanedSince, node.Name)
	}
}

func (w *World) forceDelete(pod *corev1.Pod) {
	uid := pod.UID
	w.systemDelete(pod, metav1.DeleteOptions{GracePeriodSeconds: ptr.To[int64](0), Preconditions: &metav1.Preconditions{UID: &uid}})
}

// collect is the garbage collection of objects whose owner is gone.
func (w *World) collect() {
	var objects []client.Object
	for _, o := range all[*v1alpha1.InstanceSet](w) {
		objects = append(objects, o)
	}
	for _, o := range all[*corev1.Pod](w) {
		objects = append(objects, o)
	}
	for _, o := range all[*corev1.Service](w) {
		objects = append(objects, o)
	}
	for _, o := range all[*v1alpha1.PlacementPolicy](w) {
		objects = append(objects, o)
	}
	for _, o := range all[*policyv1.PodDisruptionBudget](w) {
		objects = append(objects, o)
	}
	if w.containers != nil { // Switchovers of updates belong to their set
		for _, o := range all[*v1alpha1.Switchover](w) {
			objects = append(objects, o)
		}
		for _, o := range all[*appsv1.ControllerRevision](w) {
			objects = append(objects, o)
		}
	}
	for _, c := range Chores(objects) {
		uid := c.Object.GetUID()
		late := time.Second // as for events of budgets: they take no chance from others
		if _, budget := c.Object.(*policyv1.PodDisruptionBudget); !budget {
			late = w.between(200*time.Millisecond, 3*time.Second)
		}
		w.once("collect "+string(uid), late, func() {
			if c.Changed != nil {
				w.systemUpdate(c.Changed, "")
				return
			}
			w.systemDelete(c.Object, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid}})
		})
	}
}

// sweep has the controllers of the cluster look at everything, soon after anything has changed.
func (w *World) sweep() {
	w.once("sweep", 100*time.Millisecond, func() {
		w.evict()
		w.collect()
		w.provision()
		w.bindClaims()
		w.protect()
		w.release()
	})
}

// machineNames are the machines by name.
func (w *World) machineNames() []string { return slices.Sorted(maps.Keys(w.machines)) }
