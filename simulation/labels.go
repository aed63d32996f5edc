package simulation

import (
	"errors"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/roles"
	"github.com/shoal-dev/shoal/slots"
)

// What holds of the label shoal.dev/role, whatever goes wrong.

const masterLabel = string(v1alpha1.RoleMaster)

// oneMaster: never do two pods of a shard carry the label master.
func (c *checker) oneMaster() {
	if c.w.ha == nil {
		return
	}
	who := map[string]string{}
	for _, pod := range all[*corev1.Pod](c.w) {
		if pod.Labels[v1alpha1.LabelRole] != masterLabel {
			continue
		}
		shard := pod.Labels[v1alpha1.LabelInstanceSet] + " " + pod.Labels[v1alpha1.LabelShard]
		if other, two := who[shard]; two {
			c.fail("one label master", "%s and %s of shard %s carry it", other, pod.Name, pod.Labels[v1alpha1.LabelShard])
		}
		who[shard] = pod.Name
	}
}

// relabels judges a write of the manager to a pod by what it does to the label.
func (c *checker) relabels(before *corev1.Pod, after client.Object) {
	if c.w.ha == nil || before.UID != after.GetUID() {
		return
	}
	had, has := before.Labels[v1alpha1.LabelRole] == masterLabel, after.GetLabels()[v1alpha1.LabelRole] == masterLabel
	switch {
	case has && !had:
		c.mayHave(before)
	case had && !has:
		c.mayLose(before)
	}
}

// mayHave: the label goes to whom most Sentinels name at this moment, and who said lately that it is master. Where nobody can be
// asked, the second is all.
func (c *checker) mayHave(pod *corev1.Pod) {
	h := c.w.ha
	set, shard := pod.Labels[v1alpha1.LabelInstanceSet], pod.Labels[v1alpha1.LabelShard]
	x := h.sets[set]
	if x == nil {
		c.fail("only sets with roles are labelled", "%s", pod.Name)
		return
	}
	c.w.replicate()
	if last := h.mastered[pod.UID]; last.IsZero() || time.Since(last) > reportsForgotten {
		c.fail("the label is for a master", "%s gets it, and was none at any moment of the last %s", pod.Name, reportsForgotten)
	}
	addr := pod.Status.PodIP + ":6379"
	if x.names {
		addr = pod.Name + "." + set + ":6379"
	}
	votes := 0
	for _, s := range x.sentinels {
		if known := s.shards[shard]; known != nil && known.master == addr {
			votes++
		}
	}
	if !x.people && votes <= len(x.sentinels)/2 {
		c.fail("the label is for whom the HA system names", "%s gets it, and %d of %d Sentinels name it\n%s", pod.Name, votes, len(x.sentinels), c.w.Roles())
	}
}

// mayLose: an instance of which nobody has doubted for long that it is master keeps the label, whoever is silent.
func (c *checker) mayLose(pod *corev1.Pod) {
	s := c.w.ha.steady[pod.Labels[v1alpha1.LabelShard]]
	if s.uid == pod.UID && time.Since(s.since) > reportsForgotten && c.w.ha.undoubted(pod.Labels[v1alpha1.LabelShard]) == pod.UID {
		c.fail("silence takes no label away", "%s loses it, and has been master for %s by all that anybody says", pod.Name, time.Since(s.since).Round(time.Second))
	}
}

// heard: what a former boot of an agent says is not believed, once one after it was. Whether a boot that was never heard came first
// can be known within one run of a machine alone (api/agent/order.go): else the ledger may be wrong until the next report but one.
func (c *checker) heard(by *operator, r *reporter, err error) {
	known := by.roles.boots[r.at.pod]
	later := slices.IndexFunc(known, func(other *reporter) bool {
		return other.boot > r.boot && (other.kernel == r.kernel || slices.Contains(known, r))
	})
	switch {
	case err == nil && later >= 0:
		c.fail("a former boot is not believed", "boot %d of the agent of %s is heard after boot %d", r.boot, r.at.name.Name, known[later].boot)
	case err == nil && !slices.Contains(known, r):
		by.roles.boots[r.at.pod] = append(known, r)
	case err != nil && !errors.Is(err, roles.ErrOld) && !errors.Is(err, roles.ErrStranger):
		c.fail("model", "a report of %s: %v", r.at.name.Name, err)
	}
}

// isRole reports whether a write changes what is about roles alone, which goes on while a set is paused.
func isRole(before, after client.Object) bool {
	strip := func(o client.Object) (labels, notes map[string]string) {
		labels, notes = map[string]string{}, map[string]string{}
		for key, value := range o.GetLabels() {
			if key != v1alpha1.LabelRole {
				labels[key] = value
			}
		}
		for key, value := range o.GetAnnotations() {
			if key != v1alpha1.AnnotationRoleClaim {
				notes[key] = value
			}
		}
		return labels, notes
	}
	la, na := strip(before)
	lb, nb := strip(after)
	return sameWords(la, lb) && sameWords(na, nb)
}

func sameWords(a, b map[string]string) bool {
	if len(a) != len(b) {
		return false
	}
	for key, value := range a {
		if other, there := b[key]; !there || other != value {
			return false
		}
	}
	return true
}

func (w *World) outOfService(name string) bool {
	node, there := find[*corev1.Node](w, types.NamespacedName{Name: name})
	return there && slots.OutOfService(node)
}

// rolesSettled reports whether each shard of a set with roles has the label where it belongs, and its conditions say so.
func (p *play) rolesSettled(name string) bool {
	if p.ha == nil || p.ha.sets[name] == nil {
		return true
	}
	set, there := find[*v1alpha1.InstanceSet](p.World, types.NamespacedName{Namespace: Namespace, Name: name})
	return there && meta.FindStatusCondition(set.Status.Conditions, v1alpha1.ConditionNoMaster) != nil && !slices.ContainsFunc(set.Status.Conditions, isRoleTrouble)
}

// isRoleTrouble: a condition of roles that says that something is not well.
func isRoleTrouble(c metav1.Condition) bool {
	switch c.Type {
	case v1alpha1.ConditionNoMaster, v1alpha1.ConditionTwoMasters:
		return c.Status == metav1.ConditionTrue
	case v1alpha1.ConditionInSync:
		return c.Status != metav1.ConditionTrue
	}
	return false
}
