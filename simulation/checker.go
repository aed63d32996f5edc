package simulation

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/simulation/apiserver"
	"github.com/shoal-dev/shoal/slots"
)

// Foreign is the label of objects that belong to somebody else: nobody of ours may write them.
const Foreign = "simulation.shoal.dev/foreign"

// checker holds every step against the invariants, by what the store and the machines really have.
type checker struct {
	w       *World
	failure error
	usage   map[slots.Group]usage
	decided map[types.UID]decision
	// anyUsage leaves the limits unchecked.
	anyUsage bool
	// mayGo are the claims that a scale-in or the deletion of their set has condemned at some moment.
	mayGo map[types.UID]bool
	// mostReady is the most instances of a set that were Ready at any moment, and everReady which ones.
	mostReady map[string]int32
	everReady map[string]map[int32]bool
	formerly  map[string]bool // sets that were deleted
	writes    int             // of our processes
	lastWrite time.Time       // of our processes
	pace      pace
	recreated map[types.UID]bool // pods that an update wants to be made anew
	touched   map[string]touch   // by instance
}

// Violation is an invariant that did not hold.
type Violation struct {
	Invariant string
	Text      string
	At        time.Duration
}

// Error names the invariant and what broke it.
func (v *Violation) Error() string {
	return fmt.Sprintf("%s, at %.3fs: %s", v.Invariant, v.At.Seconds(), v.Text)
}

var typeOfSet = reflect.TypeFor[*v1alpha1.InstanceSet]()

func newChecker(w *World) *checker {
	return &checker{
		w: w, usage: map[slots.Group]usage{}, decided: map[types.UID]decision{}, mayGo: map[types.UID]bool{},
		mostReady: map[string]int32{}, everReady: map[string]map[int32]bool{}, formerly: map[string]bool{},
		recreated: map[types.UID]bool{}, touched: map[string]touch{},
	}
}

// fail keeps the first violation.
func (c *checker) fail(invariant, format string, args ...any) {
	if c.failure == nil {
		v := &Violation{invariant, fmt.Sprintf(format, args...), time.Since(c.w.begun)}
		c.w.tell("BROKEN", "%s: %s", v.Invariant, v.Text)
		c.failure = v
	}
}

// observe looks at the world after an event of the store.
func (c *checker) observe(before any, e apiserver.Event) {
	switch o := e.Object.(type) {
	case *corev1.Pod:
		c.labelStays(before, e)
		c.noteLost(o.Labels)
		c.startsAsFirst(e)
		c.countReady()
		c.oneMaster()
		c.forgetTouches()
		c.limits(false)
		c.oneProcess()
	case *corev1.PersistentVolumeClaim:
		c.labelStays(before, e)
		c.noteLost(o.Labels)
		c.startsAsFirst(e)
		c.limits(false)
	case *corev1.PersistentVolume, *corev1.Node:
		c.limits(false)
	case *v1alpha1.PlacementPolicy:
		c.limits(true)
	case *v1alpha1.InstanceSet:
		c.condemn(o, e.Type)
		c.statusIsTrue(before, o)
		c.recordIsKept(before, o)
		if e.Type == apiserver.Deleted { // the next one of its name begins anew
			delete(c.mostReady, o.Name)
			c.formerly[o.Name] = true
		}
	}
}

// labelStays: what was declared lost is never taken back.
func (c *checker) labelStays(before any, e apiserver.Event) {
	old, ok := before.(client.Object)
	if ok && e.Type == apiserver.Modified && old.GetLabels()[v1alpha1.LabelLost] != "" && e.Object.GetLabels()[v1alpha1.LabelLost] == "" {
		c.fail("lost stays lost", "%s %s lost its label", kindOf(e.Object), e.Object.GetName())
	}
}

// oneProcess: an instance never runs twice, except where its old node is proven dead.
func (c *checker) oneProcess() {
	where := map[types.NamespacedName]string{}
	for _, name := range c.w.machineNames() {
		node, there := find[*corev1.Node](c.w, types.NamespacedName{Name: name})
		m := c.w.machines[name]
		if m.off || m.forgotten || there && slots.OutOfService(node) {
			continue
		}
		for _, p := range sorted(m.running) {
			if other, twice := where[p.name]; twice {
				c.fail("one process for each instance", "%s runs on %s and on %s", p.name.Name, other, name)
			}
			where[p.name] = name
		}
	}
}

// noteLost: an instance that was declared lost is recorded like one that was Ready: it must never start as a first one.
func (c *checker) noteLost(labels map[string]string) {
	set := labels[v1alpha1.LabelInstanceSet]
	if labels[v1alpha1.LabelLost] != "" {
		ordinal, _ := strconv.Atoi(labels[v1alpha1.LabelOrdinal])
		c.onceReady(set, int32(ordinal))
	}
}

func (c *checker) onceReady(set string, ordinal int32) {
	if c.everReady[set] == nil {
		c.everReady[set] = map[int32]bool{}
	}
	c.everReady[set][ordinal] = true
}

func (c *checker) countReady() {
	ready := map[string]int32{}
	for _, pod := range all[*corev1.Pod](c.w) {
		set, ordinal := splitName(pod.Name)
		if pod.Labels[v1alpha1.LabelInstanceSet] != set || !isReady(pod) {
			continue
		}
		ready[set]++
		c.mostReady[set] = max(c.mostReady[set], ready[set])
		c.onceReady(set, int32(ordinal))
	}
}

// statusIsTrue: the status never claims a readiness that never was.
func (c *checker) statusIsTrue(before any, set *v1alpha1.InstanceSet) {
	if set.Status.ReadyReplicas > c.mostReady[set.Name] {
		c.fail("status is true", "%s claims %d ready instances, there were never more than %d", set.Name, set.Status.ReadyReplicas, c.mostReady[set.Name])
	}
	var known []int32
	if old, ok := before.(*v1alpha1.InstanceSet); ok && old.UID == set.UID {
		known = recorded(old)
	}
	for _, o := range recorded(set) {
		if !slices.Contains(known, o) && !c.everReady[set.Name][o] && !c.formerLife(set, o) {
			c.fail("status is true", "%s claims that instance %d was ready, it never was", set.Name, o)
		}
	}
}

// formerLife reports whether a set that was made again may take it that an instance held data: it finds a claim of the shard,
// and cannot know whether there ever was data on its volume.
func (c *checker) formerLife(set *v1alpha1.InstanceSet, ordinal int32) bool {
	return c.formerly[set.Name] && c.anyLeft(set, ordinal)
}

// condemn notes the claims that the spec of a set allows to delete.
func (c *checker) condemn(set *v1alpha1.InstanceSet, kind apiserver.EventType) {
	deleting := kind == apiserver.Deleted || set.DeletionTimestamp != nil
	retention := set.Spec.PersistentVolumeClaimRetentionPolicy
	for _, claim := range all[*corev1.PersistentVolumeClaim](c.w) {
		if claim.Labels[v1alpha1.LabelInstanceSet] != set.Name {
			continue
		}
		ordinal, _ := strconv.Atoi(claim.Labels[v1alpha1.LabelOrdinal])
		unwanted := set.Spec.Ordinals == nil && int32(ordinal) >= deref(set.Spec.Replicas)
		if unwanted && retention.WhenScaled == v1alpha1.DeleteClaims || deleting && retention.WhenDeleted == v1alpha1.DeleteClaims {
			c.mayGo[claim.UID] = true
		}
	}
}

// called judges a call that one of ours has made. The truth is still what it was before the call.
func (w *World) called(a *access, r request, o client.Object, err error) {
	if a == w.system || a == w.user || r.verb == "get" || r.verb == "list" {
		return
	}
	c := w.checker
	if err == nil {
		c.writes++
		c.lastWrite = time.Now()
		c.changesSomething(r, o)
	}
	if err != nil || a.process != "manager" {
		return
	}
	key := keyOf(o)
	switch r.kind {
	case "pod":
		if pod, there := find[*corev1.Pod](w, key); there {
			if r.verb != "patch" || !isRole(pod, o) {
				c.manages(a, r, pod, takesLeave(pod, o))
			}
			c.relabels(pod, o)
			c.touches(a, r, pod, o)
			c.forced(r, pod)
			c.declaresLost(r, pod, o)
		}
	case "persistentvolumeclaim":
		if claim, there := find[*corev1.PersistentVolumeClaim](w, key); there {
			c.manages(a, r, claim, false)
			c.deletesClaim(r, claim)
			c.recordedFirst(r, claim)
			c.followsItsPod(a, r, claim)
			c.declaresLost(r, claim, o)
		}
	case "service":
		if service, there := find[*corev1.Service](w, key); there {
			c.manages(a, r, service, false)
		}
	}
}

// manages: objects of somebody else are not touched, and neither is anything of a set whose pause was seen, but that a leave is taken back.
func (c *checker) manages(a *access, r request, o client.Object, takesBack bool) {
	if o.GetLabels()[Foreign] != "" && r.verb != "create" {
		c.fail("foreign objects are left alone", "%s", r)
	}
	set := o.GetLabels()[v1alpha1.LabelInstanceSet]
	for _, known := range a.replicas[typeOfSet].GetIndexer().List() {
		if s := known.(*v1alpha1.InstanceSet); s.Name == set && s.Spec.Paused && r.kind != "service" && !takesBack {
			c.fail("a paused set rests", "%s", r)
		}
	}
}

// forced: only a node that is out of service, at this moment, has its pods taken by force.
func (c *checker) forced(r request, pod *corev1.Pod) {
	if r.verb != "delete" || r.sub != force || pod.Spec.NodeName == "" {
		return
	}
	node, there := find[*corev1.Node](c.w, types.NamespacedName{Name: pod.Spec.NodeName})
	if !there || !slots.OutOfService(node) {
		c.fail("force only where proven dead", "%s on node %s", r, pod.Spec.NodeName)
	}
}

// declaresLost: what is given up was on a node that is out of service, at this moment.
func (c *checker) declaresLost(r request, before, after client.Object) {
	lost := after.GetLabels()[v1alpha1.LabelLost]
	if r.verb != "patch" || lost == "" || before.GetLabels()[v1alpha1.LabelLost] != "" {
		return
	}
	c.oneOfAShard(before.GetLabels(), lost)
	for _, node := range all[*corev1.Node](c.w) {
		if string(node.UID) == lost && slots.OutOfService(node) {
			return
		}
	}
	c.fail("lost only where proven dead", "%s: no node with the UID %s is out of service", r, lost)
}

// deletesClaim: a claim with data goes only by a scale-in or a rebuild, and a rebuild keeps the volume and leaves somebody
// who has the data.
func (c *checker) deletesClaim(r request, claim *corev1.PersistentVolumeClaim) {
	if r.verb != "delete" || claim.Spec.VolumeName == "" || c.mayGo[claim.UID] {
		return
	}
	if claim.Labels[v1alpha1.LabelLost] == "" {
		c.fail("data is kept", "%s: no scale-in and no rebuild wants that", r)
		return
	}
	volume, there := find[*corev1.PersistentVolume](c.w, types.NamespacedName{Name: claim.Spec.VolumeName})
	if there && volume.Spec.PersistentVolumeReclaimPolicy != corev1.PersistentVolumeReclaimRetain {
		c.fail("data is kept", "%s: its volume %s would be deleted with it", r, volume.Name)
	}
	instance := types.NamespacedName{Namespace: claim.Namespace, Name: claim.Labels[v1alpha1.LabelInstanceSet] + "-" + claim.Labels[v1alpha1.LabelOrdinal]}
	if _, has := c.w.data[claim.Spec.VolumeName]; has && len(c.w.holders(instance)) == 0 {
		c.fail("the last holder is kept", "%s: nobody else has the data of %s", r, instance.Name)
	}
}

// conditionsOf is a set's conditions in a line, for traces.
func conditionsOf(set *v1alpha1.InstanceSet) string {
	var words []string
	for _, c := range set.Status.Conditions {
		words = append(words, fmt.Sprintf("%s=%s/%s", c.Type, c.Status, c.Reason))
	}
	for _, e := range set.Status.Exceptions {
		words = append(words, fmt.Sprintf("%d:%s", e.Ordinal, e.Reason))
	}
	slices.Sort(words)
	return strings.Join(words, " ")
}
