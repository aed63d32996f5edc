//go:build integration

package integration

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// slotLabels say whose slot an object holds.
var slotLabels = []string{
	v1alpha1.LabelPlacementPolicy, v1alpha1.LabelCluster, v1alpha1.LabelShard, v1alpha1.LabelInstanceSet, v1alpha1.LabelOrdinal,
}

// holder makes a pod and a claim with the labels, as the manager; nobody schedules the pod.
func (k kit) holder(t *testing.T, namespace, name string, labels ...string) []client.Object {
	t.Helper()
	meta := metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{}}
	for _, label := range labels {
		meta.Labels[label] = "1"
	}
	pod := &corev1.Pod{ObjectMeta: *meta.DeepCopy()}
	pod.Spec.SchedulerName, pod.Spec.Containers = "nobody", []corev1.Container{{Name: "c", Image: "redis:7"}}
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: meta}
	claim.Spec.AccessModes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
	claim.Spec.Resources.Requests = corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}
	for _, o := range []client.Object{pod, claim} {
		if err := k.manager(t).Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	return []client.Object{pod, claim}
}

func fresh(o client.Object) client.Object {
	return o.DeepCopyObject().(client.Object) // a deep copy of an object is one
}

func labelled(label, value string) client.Patch {
	return client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"metadata":{"labels":{%q:%s}}}`, label, value))
}

// testSlotLabels: whoever takes a label that holds a slot from a pod or a claim takes the instance out of its group, and
// another one gets its place. So nobody but the manager may; and nobody else who updates pods and claims is hindered.
func testSlotLabels(t *testing.T, k kit) {
	ns := k.namespace(t, "slot-labels")
	for _, o := range k.holder(t, ns, "full", slotLabels...) {
		for _, label := range slotLabels {
			for value, how := range map[string]string{`"2"`: "changing it on", "null": "removing it from"} {
				denied(t, holdsSlot, label, how, k.client.Patch(t.Context(), fresh(o), labelled(label, value)))
				denied(t, holdsSlot, label, how+" the status of", k.client.Status().Patch(t.Context(), fresh(o), labelled(label, value)))
			}
		}
		unhindered(t, k, o)
		k.asManager(t, o)
	}
	for _, o := range k.holder(t, ns, "roleless") {
		denied(t, "may set, change or remove the label LABEL", v1alpha1.LabelRole, "adding it to", k.client.Patch(t.Context(), fresh(o), labelled(v1alpha1.LabelRole, `"master"`)))
	}
	// Into a group, as when StatefulSets are taken over, but neither out of one nor into another set.
	for _, o := range k.holder(t, ns, "bare") {
		for _, label := range []string{v1alpha1.LabelInstanceSet, v1alpha1.LabelOrdinal} {
			denied(t, addsToSet, label, "adding it to", k.client.Patch(t.Context(), fresh(o), labelled(label, `"1"`)))
		}
		for _, label := range []string{v1alpha1.LabelPlacementPolicy, v1alpha1.LabelCluster, v1alpha1.LabelShard} {
			if err := k.client.Patch(t.Context(), fresh(o), labelled(label, `"1"`)); err != nil {
				t.Errorf("adding %s to an object of no set was refused: %v", label, err)
			}
		}
	}
	for _, o := range k.holder(t, ns, "clustered", v1alpha1.LabelCluster) {
		denied(t, addsToSet, v1alpha1.LabelPlacementPolicy, "moving to a policy", k.client.Patch(t.Context(), fresh(o), labelled(v1alpha1.LabelPlacementPolicy, `"1"`)))
	}
	for _, o := range k.holder(t, ns, "owned", v1alpha1.LabelInstanceSet) {
		for _, label := range []string{v1alpha1.LabelPlacementPolicy, v1alpha1.LabelCluster, v1alpha1.LabelShard, v1alpha1.LabelOrdinal} {
			denied(t, addsToSet, label, "adding it to a set's", k.client.Patch(t.Context(), fresh(o), labelled(label, `"1"`)))
		}
	}
	k.bindings(t, ns)
	k.creations(t, ns)
}

// creations: a pod that somebody else makes is none of a set's, and has none of its roles.
func (k kit) creations(t *testing.T, namespace string) {
	t.Helper()
	make := func(name, label string) *corev1.Pod {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{label: "1"}}}
		pod.Spec.SchedulerName, pod.Spec.Containers = "nobody", []corev1.Container{{Name: "c", Image: "redis:7"}}
		return pod
	}
	denied(t, "may create pods with the label LABEL", v1alpha1.LabelInstanceSet, "creating", k.client.Create(t.Context(), make("evil", v1alpha1.LabelInstanceSet)))
	denied(t, "may set, change or remove the label LABEL", v1alpha1.LabelRole, "creating", k.client.Create(t.Context(), make("evil", v1alpha1.LabelRole)))
	if err := k.client.Create(t.Context(), make("of-a-statefulset", v1alpha1.LabelShard)); err != nil {
		t.Errorf("a pod with a label of StatefulSets was refused: %v", err)
	}
	if err := k.manager(t).Create(t.Context(), make("own", v1alpha1.LabelInstanceSet)); err != nil {
		t.Errorf("a pod of the manager was refused: %v", err)
	}
}

// unhindered does what others do to an object: people annotate, the garbage collector takes owners and finalizers, the
// kubelet and the volume controllers write the status.
func unhindered(t *testing.T, k kit, o client.Object) {
	t.Helper()
	// The garbage collector deletes what has an owner that does not exist: this one does.
	owner := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: o.GetNamespace(), GenerateName: "owner-"}}
	k.create(t, owner)
	for _, text := range []string{
		`{"metadata":{"labels":{"other":"x"}}}`,
		`{"metadata":{"annotations":{"volume.kubernetes.io/selected-node":"n"}}}`,
		fmt.Sprintf(`{"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","name":%q,"uid":%q}],"finalizers":["example.com/f"]}}`, owner.Name, owner.UID),
		`{"metadata":{"ownerReferences":null,"finalizers":null}}`,
	} {
		if err := k.client.Patch(t.Context(), fresh(o), client.RawPatch(types.MergePatchType, []byte(text))); err != nil {
			t.Errorf("%T: %s was refused: %v", o, text, err)
		}
	}
	status := client.RawPatch(types.MergePatchType, []byte(`{"status":{"phase":"Pending","conditions":[{"type":"Resizing","status":"True"}]}}`))
	if err := k.client.Status().Patch(t.Context(), fresh(o), status); err != nil {
		t.Errorf("%T: the status was refused: %v", o, err)
	}
}

// asManager: what the manager may do, a person may who impersonates it.
func (k kit) asManager(t *testing.T, o client.Object) {
	t.Helper()
	manager := k.manager(t)
	for _, label := range slotLabels {
		if err := manager.Patch(t.Context(), fresh(o), labelled(label, `"2"`)); err != nil {
			t.Errorf("the manager could not change %s of a %T: %v", label, o, err)
		}
	}
}

func (k kit) manager(t *testing.T) client.Client {
	t.Helper()
	config := rest.CopyConfig(k.Config())
	config.Impersonate.UserName = "system:serviceaccount:shoal-system:shoal-manager"
	manager, err := client.New(config, client.Options{Scheme: k.client.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	return manager
}

// bindings: the API server overwrites a pod's labels with those of its Binding.
func (k kit) bindings(t *testing.T, namespace string) {
	t.Helper()
	pod := k.holder(t, namespace, "unbound", slotLabels...)[0]
	for _, label := range slotLabels {
		binding := &corev1.Binding{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "unbound", Labels: map[string]string{label: "2"}},
			Target:     corev1.ObjectReference{Kind: "Node", Name: "nowhere"},
		}
		denied(t, handsByBind, label, "binding", k.client.SubResource("binding").Create(t.Context(), fresh(pod), binding.DeepCopy()))
		denied(t, handsByBind, label, "binding in the old way", k.client.Create(t.Context(), binding))
	}
	plain := &corev1.Binding{ObjectMeta: metav1.ObjectMeta{Name: "unbound"}, Target: corev1.ObjectReference{Kind: "Node", Name: "nowhere"}}
	if err := k.client.SubResource("binding").Create(t.Context(), fresh(pod), plain); err != nil {
		t.Errorf("a Binding without these labels was refused: %v", err)
	}
}
