package simulation

import (
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/slots"
)

// machine is what stands behind a Node: a kubelet and the processes that really run, whatever the API server thinks.
type machine struct {
	name    string
	off     bool // no power: nothing runs
	silent  bool // it runs, but its kubelet reaches nobody
	runs    int  // how often it has got its power back
	running map[types.UID]*process
	// forgotten is a machine whose Node a person has deleted, which says that nothing runs there.
	forgotten bool
}

// process is a Redis that runs.
type process struct {
	pod      types.UID
	name     types.NamespacedName
	ip       string
	volumes  []string
	synced   bool  // it has the data of its shard
	offset   int64 // as far as this
	ready    bool
	stopping bool
	waited   time.Duration // for another one that has the data
	engine   *engine       // nil where its set has no roles
	// containers are those of the pod, none in a world where no template changes.
	containers []*container
}

// A process looks so often for another one that has the data of its shard, and after so long it takes it that the data is
// gone: the machines that had it have burnt, and a person would start anew.
const (
	syncPeriod = 5 * time.Second
	patience   = 8 * time.Minute
)

func (m *machine) reachable() bool { return !m.off && !m.silent }

// now is when an agent that starts at this moment has started. Bubbles have a clock that nobody sets.
func (m *machine) now() agent.Start {
	h := fnv.New64a()
	_, _ = h.Write([]byte(m.name)) // a hash takes everything
	return agent.Start{Kernel: fmt.Sprintf("%016x%016x", h.Sum64(), m.runs), Since: time.Now().UnixNano()}
}

// kubeletSees has the kubelet of a node look at a pod a little later, if there is a kubelet.
func (w *World) kubeletSees(pod *corev1.Pod) {
	if pod.Spec.NodeName == "" || w.machines[pod.Spec.NodeName] == nil {
		return
	}
	key, node := keyOf(pod), pod.Spec.NodeName
	w.once("kubelet "+node+" "+key.String(), w.between(50*time.Millisecond, 2*time.Second), func() { w.kubelet(node, key) })
}

// kubeletLooks has a kubelet that is back look at everything that runs: its pods may be gone.
func (w *World) kubeletLooks(m *machine) {
	for _, p := range sorted(m.running) {
		w.after(w.between(50*time.Millisecond, 2*time.Second), "kubelet looks", func() { w.kubelet(m.name, p.name) })
	}
}

// kubelet brings what runs on a machine nearer to what the API server has of one pod.
func (w *World) kubelet(node string, key types.NamespacedName) {
	m := w.machines[node]
	if m == nil || !m.reachable() {
		return
	}
	pod, there := find[*corev1.Pod](w, key)
	for _, p := range sorted(m.running) { // force-deleted, or replaced by another one of the name
		if p.name == key && (!there || pod.UID != p.pod || pod.Spec.NodeName != node) {
			w.tell(node, "kills %s, which is gone from the API server", p.name.Name)
			w.replicate()
			delete(m.running, p.pod)
		}
	}
	if !there || pod.Spec.NodeName != node || ended(pod) {
		return
	}
	p := m.running[pod.UID]
	switch {
	case pod.DeletionTimestamp != nil:
		w.stop(m, pod, p)
	case p == nil:
		w.start(m, pod)
	default:
		w.configures(m, pod, p)
		w.reportReady(m, pod, p)
	}
}

func ended(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

func (w *World) stop(m *machine, pod *corev1.Pod, p *process) {
	key := keyOf(pod)
	if p != nil && !p.stopping {
		p.stopping, p.ready = true, false
		w.after(w.between(100*time.Millisecond, 3*time.Second), "stop "+key.Name, func() {
			w.replicate()
			delete(m.running, pod.UID)
			w.kubelet(m.name, key)
		})
		return
	}
	if p == nil {
		uid := pod.UID
		w.systemDelete(pod, metav1.DeleteOptions{GracePeriodSeconds: ptr.To[int64](0), Preconditions: &metav1.Preconditions{UID: &uid}})
	}
}

// start starts a pod when its volumes are there.
func (w *World) start(m *machine, pod *corev1.Pod) {
	var volumes []string
	for _, name := range slots.ClaimNames(pod) {
		claim, there := find[*corev1.PersistentVolumeClaim](w, types.NamespacedName{Namespace: pod.Namespace, Name: name})
		if !there || claim.Status.Phase != corev1.ClaimBound {
			w.after(time.Second, "kubelet waits for volumes", func() { w.kubelet(m.name, keyOf(pod)) })
			return
		}
		volumes = append(volumes, claim.Spec.VolumeName)
	}
	w.ips++
	p := &process{pod: pod.UID, name: keyOf(pod), ip: fmt.Sprintf("10.0.%d.%d", w.ips/250, w.ips%250+1), volumes: volumes}
	m.running[pod.UID] = p
	w.equip(m, p)
	w.configures(m, pod, p)
	w.unpack(m, pod, p)
	changed := pod.DeepCopy()
	changed.Status.Phase = corev1.PodRunning
	changed.Status.PodIP, changed.Status.PodIPs = p.ip, []corev1.PodIP{{IP: p.ip}}
	changed.Status.StartTime = ptr.To(metav1.Now())
	w.beginReport(pod, p, changed)
	setReady(changed, corev1.ConditionFalse)
	w.systemUpdate(changed, "status")
	if len(p.containers) == 0 {
		w.after(w.between(200*time.Millisecond, 4*time.Second), "sync "+p.name.Name, func() { w.sync(m, p) })
	}
}

// sync lets a process get the data of its shard: from its volume, from another process, or, at the very first start, from
// nowhere.
func (w *World) sync(m *machine, p *process) {
	if m.running[p.pod] != p || m.off || !p.mayRun() || p.synced && len(p.containers) > 0 {
		return
	}
	if p.engine != nil {
		w.syncEngine(m, p)
		return
	}
	shard := w.shardOf(p.name)
	offset, kept := w.copyOf(p)
	if !kept && w.born[shard] && len(w.holders(p.name)) == 0 && p.waited < patience {
		p.waited += syncPeriod // nobody to get it from
		w.after(syncPeriod, "sync "+p.name.Name, func() { w.sync(m, p) })
		return
	}
	w.replicate()
	w.born[shard], p.synced, p.offset = true, true, offset
	for _, v := range p.volumes {
		w.data[v] = offset
	}
	w.replicate()
	w.kubelet(m.name, p.name)
}

func (w *World) reportReady(m *machine, pod *corev1.Pod, p *process) {
	if len(p.containers) > 0 {
		w.tend(m, pod, p)
		return
	}
	if !p.synced || p.stopping {
		return
	}
	p.ready = true
	w.wasReady[pod.UID] = true
	if isReady(pod) {
		return
	}
	changed := pod.DeepCopy()
	setReady(changed, corev1.ConditionTrue)
	w.systemUpdate(changed, "status")
}

func isReady(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

func setReady(pod *corev1.Pod, status corev1.ConditionStatus) {
	c := corev1.PodCondition{Type: corev1.PodReady, Status: status, LastTransitionTime: metav1.NewTime(time.Now().Truncate(time.Second))}
	for i := range pod.Status.Conditions {
		if pod.Status.Conditions[i].Type == corev1.PodReady {
			pod.Status.Conditions[i] = c
			return
		}
	}
	pod.Status.Conditions = append(pod.Status.Conditions, c)
}

// sorted are the processes in the order of their UIDs.
func sorted(running map[types.UID]*process) []*process {
	var out []*process
	for _, uid := range slices.Sorted(maps.Keys(running)) {
		out = append(out, running[uid])
	}
	return out
}

// holders are the processes that run, have the data, and belong to the shard of an instance, itself excepted.
func (w *World) holders(of types.NamespacedName) []*process {
	var out []*process
	for _, name := range slices.Sorted(maps.Keys(w.machines)) {
		m := w.machines[name]
		if m.off {
			continue
		}
		for _, p := range sorted(m.running) {
			if p.synced && p.name != of && w.shardOf(p.name) == w.shardOf(of) {
				out = append(out, p)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b *process) int { return ordinalOf(a.name.Name) - ordinalOf(b.name.Name) })
	return out
}

func ordinalOf(name string) int {
	_, ordinal := splitName(name)
	return ordinal
}

// splitName is the set and the ordinal in the name of an instance; -1 when it is no such name.
func splitName(name string) (string, int) {
	for i := len(name) - 1; i > 0; i-- {
		if name[i] == '-' {
			n, err := strconv.Atoi(name[i+1:])
			if err != nil {
				return name, -1
			}
			return name[:i], n
		}
	}
	return name, -1
}
