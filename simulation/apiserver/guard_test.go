package apiserver

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// instance is a pod of a set, on a node: its deletion takes as long as its grace.
func (f fixture) instance(name string, change ...func(*corev1.Pod)) *corev1.Pod {
	f.t.Helper()
	pod := testPod(name, change...)
	pod.Labels = map[string]string{v1alpha1.LabelInstanceSet: "r", v1alpha1.LabelOrdinal: "3", v1alpha1.LabelRevision: "abc", "app": "redis"}
	pod.Spec.NodeName = "n-0"
	created, err := f.Create(f.t.Context(), manager, pod)
	if err != nil {
		f.t.Fatal(err)
	}
	return created.(*corev1.Pod)
}

// forced deletes without grace.
func forced() metav1.DeleteOptions {
	return metav1.DeleteOptions{GracePeriodSeconds: ptr.To[int64](0)}
}

// TestWhoDeletesInstances: the manager, and who deletes pods by trade; nobody else, however.
func TestWhoDeletesInstances(t *testing.T) {
	for user, may := range map[string]bool{
		manager: true,
		"system:serviceaccount:shoal-system:shoal-scheduler": true, // preempts
		"system:node:n-0":                                                    true,
		"system:kube-controller-manager":                                     true,
		"system:serviceaccount:kube-system:pod-garbage-collector":            true,
		"system:serviceaccount:kube-system:node-controller":                  true,
		"system:serviceaccount:kube-system:device-taint-eviction-controller": true,
		"system:serviceaccount:kube-system:generic-garbage-collector":        true,
		"system:serviceaccount:kube-system:namespace-controller":             true,
		"system:serviceaccount:kube-system:descheduler":                      false,
		"system:serviceaccount:kube-system:shoal-manager":                    false,
		"system:serviceaccount:default:namespace-controller":                 false,
		"system:kube-scheduler":                                              false,
		"system:admin":                                                       false,
		somebody:                                                             false,
	} {
		for how, options := range map[string]metav1.DeleteOptions{"": {}, " by force": forced()} {
			f := newFixture(t)
			pod := f.instance("r-3")
			err := f.Delete(t.Context(), user, pod, options)
			if may && err != nil {
				t.Errorf("%s may not delete an instance%s: %v", user, how, err)
			}
			if !may {
				refused(t, err, apierrors.IsForbidden, "pod r-3 is an instance of InstanceSet r: only the ServiceAccount shoal-system/shoal-manager deletes it. "+
					"To have fewer, lower spec.replicas of the set; to delete this one, say so first: kubectl annotate pod r-3 -n ns shoal.dev/allow-disruption=true")
			}
		}
	}
}

// TestInstancesThatMayGo: what is allowed before, what goes already, and what is no instance.
func TestInstancesThatMayGo(t *testing.T) {
	f := newFixture(t)
	for value, may := range map[string]bool{v1alpha1.AllowDisruption: true, "false": false, "": false} {
		pod := f.instance("r-" + value + "x")
		f.mustPatch(pod, "", `{"metadata":{"annotations":{"shoal.dev/allow-disruption":"`+value+`"}}}`)
		if err := f.Delete(t.Context(), somebody, pod, forced()); (err == nil) != may {
			t.Errorf("an instance with the annotation %q: %v", value, err)
		}
	}
	going := f.instance("going")
	if err := f.Delete(t.Context(), manager, going, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := f.Delete(t.Context(), somebody, going, forced()); err != nil {
		t.Errorf("an instance that terminates may not be deleted by force: %v", err)
	}
	other := testPod("other")
	other.Labels = map[string]string{v1alpha1.LabelShard: "r-0", v1alpha1.LabelCluster: "r"}
	f.create(other)
	if err := f.Delete(t.Context(), somebody, other, forced()); err != nil {
		t.Errorf("a pod that is no instance of a set may not be deleted: %v", err)
	}
}

// TestInstancesOfANamespaceThatGoesMayGo: whoever deletes them: the namespace's controller deletes all of them.
func TestInstancesOfANamespaceThatGoesMayGo(t *testing.T) {
	f := newFixture(t)
	for name, since := range map[string]*metav1.Time{"stays": nil, "goes": ptr.To(metav1.Unix(1, 0))} {
		if err := f.policies.namespaces.Add(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, DeletionTimestamp: since}}); err != nil {
			t.Fatal(err)
		}
		pod := f.instance("r-3", func(p *corev1.Pod) { p.Namespace = name })
		if err := f.Delete(t.Context(), somebody, pod, forced()); (err == nil) != (since != nil) {
			t.Errorf("an instance in a namespace that %s: %v", name, err)
		}
	}
}

// TestWhoRelabelsInstances: labels of Shoal are the manager's; those of others are free.
func TestWhoRelabelsInstances(t *testing.T) {
	f := newFixture(t)
	pod := f.instance("r-3")
	const words = "only the ServiceAccount shoal-system/shoal-manager changes its label "
	for label, value := range map[string]string{
		v1alpha1.LabelRevision: `"def"`, v1alpha1.LabelTemplate: `"large"`, v1alpha1.LabelComponent: `"server"`, "shoal.dev/anything": `"x"`,
	} {
		for _, sub := range []string{"", "status"} {
			for _, user := range []string{somebody, "system:node:n-0", "system:kube-controller-manager", "system:serviceaccount:shoal-system:shoal-scheduler"} {
				_, err := f.patch(user, pod, sub, `{"metadata":{"labels":{"`+label+`":`+value+`}}}`)
				refused(t, err, apierrors.IsForbidden, words+label)
			}
		}
	}
	_, err := f.patch(somebody, pod, "", `{"metadata":{"labels":{"shoal.dev/revision":null}}}`)
	refused(t, err, apierrors.IsForbidden, words+v1alpha1.LabelRevision)
	_, err = f.patch(somebody, pod, "", `{"metadata":{"annotations":{"shoal.dev/allow-disruption":"true"},"labels":{"shoal.dev/revision":"def"}}}`)
	refused(t, err, apierrors.IsForbidden, words+v1alpha1.LabelRevision) // it was not there before

	for _, annotation := range []string{v1alpha1.AnnotationConfiguration, v1alpha1.AnnotationRestartMaster} {
		for _, sub := range []string{"", "status"} {
			_, err := f.patch(somebody, pod, sub, `{"metadata":{"annotations":{"`+annotation+`":"x"}}}`)
			refused(t, err, apierrors.IsForbidden, "only the ServiceAccount shoal-system/shoal-manager changes its annotation "+annotation)
		}
		if _, err := f.patch(manager, pod, "", `{"metadata":{"annotations":{"`+annotation+`":"x"}}}`); err != nil {
			t.Errorf("the manager may not tell an agent: %v", err)
		}
		_, err := f.patch(somebody, pod, "", `{"metadata":{"annotations":{"`+annotation+`":null}}}`)
		refused(t, err, apierrors.IsForbidden, "changes its annotation "+annotation)
	}
	for _, unhindered := range []string{
		`{"metadata":{"labels":{"app":"other"},"annotations":{"shoal.dev/revision":"x"}}}`,
		`{"metadata":{"finalizers":["example.com/f"]}}`, `{"metadata":{"finalizers":null}}`,
	} {
		f.mustPatch(pod, "", unhindered)
	}
	if _, err := f.patch("system:node:n-0", pod, "status", `{"status":{"phase":"Running"}}`); err != nil {
		t.Errorf("a kubelet may not write the status of an instance: %v", err)
	}
	if _, err := f.patch(manager, pod, "", `{"metadata":{"labels":{"shoal.dev/revision":"def","shoal.dev/template":"large"}}}`); err != nil {
		t.Errorf("the manager may not label an instance: %v", err)
	}
	f.mustPatch(pod, "", `{"metadata":{"annotations":{"shoal.dev/allow-disruption":"true"}}}`)
	f.mustPatch(pod, "", `{"metadata":{"labels":{"shoal.dev/revision":"ghi"}}}`)
	if _, err := f.patch(somebody, pod, "", `{"metadata":{"labels":{"shoal.dev/ordinal":"4"}}}`); err == nil || !strings.Contains(err.Error(), "its slot would be counted nowhere") {
		t.Errorf("the annotation lets somebody move a slot: %v", err)
	}
}

// TestBindingsBringNoLabels: those of a Binding overwrite the pod's.
func TestBindingsBringNoLabels(t *testing.T) {
	f := newFixture(t)
	f.create(testPod("r-3"))
	binding := &corev1.Binding{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "r-3"}, Target: corev1.ObjectReference{Kind: "Node", Name: "n-0"}}
	for _, label := range []string{v1alpha1.LabelRevision, v1alpha1.LabelShard, v1alpha1.LabelRole} {
		binding.Labels = map[string]string{label: "x"}
		if err := f.Bind(t.Context(), somebody, binding); err == nil || !strings.Contains(err.Error(), "only the ServiceAccount shoal-system/shoal-manager may") {
			t.Errorf("a Binding hands the label %s to a pod: %v", label, err)
		}
	}
	binding.Labels = map[string]string{"app": "redis"}
	if err := f.Bind(t.Context(), somebody, binding); err != nil {
		t.Error(err)
	}
}
