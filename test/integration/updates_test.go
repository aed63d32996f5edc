//go:build integration

package integration

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/playground"
	"github.com/shoal-dev/shoal/podspec"
)

// TestTableOfUpdates tries every row of podspec's table on the real API server. Each change is one that a new pod may have, so that
// a refusal is about the pod's age and not about the value.
func TestTableOfUpdates(t *testing.T) {
	k := start(t, playground.Options{Args: map[string][]string{"kube-apiserver": {"--feature-gates=GenericWorkload=true,EvictionRequestAPI=true"}}})
	k.create(t, &schedulingv1.PriorityClass{ObjectMeta: metav1.ObjectMeta{Name: "high"}, Value: 7},
		&nodev1.RuntimeClass{ObjectMeta: metav1.ObjectMeta{Name: "gvisor"}, Handler: "runsc"})
	ns := k.namespace(t, "updates")
	k.eventually(t, patience, "the namespace's ServiceAccount", k.exists(ns, "default", &corev1.ServiceAccount{}))
	k.create(t, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "other"}})
	proven := map[string]bool{}
	for i, trial := range trials() {
		name := fmt.Sprintf("t-%d", i)
		t.Run(trial.row+" "+trial.class.String(), func(t *testing.T) { k.try(t, trial, ns, name) })
		proven[trial.row+" "+trial.class.String()] = true
	}
	for _, f := range podspec.Fields() {
		for _, class := range classesOf(f) {
			if !proven[f.Path+" "+class.String()] && !claimed(f.Path) && class != podspec.NothingToDo {
				t.Errorf("no trial of %s, %s", f.Path, class)
			}
		}
	}
	t.Run("claims", func(t *testing.T) { k.tryClaims(t, ns) })
}

func claimed(path string) bool { return strings.HasPrefix(path, "claim.") }

func classesOf(f podspec.Field) []podspec.Class {
	if f.Only == "" {
		return []podspec.Class{f.Class}
	}
	return []podspec.Class{f.Class, f.Else}
}

func (k kit) exists(namespace, name string, into client.Object) func(context.Context) error {
	return func(ctx context.Context) error { return k.get(ctx, namespace, name, into) }
}

// trial is a change that a row speaks of.
type trial struct {
	row    string
	class  podspec.Class
	from   func(*corev1.Pod) // changes the pod that exists, nil for as it is
	change func(*corev1.Pod)
}

// try makes a pod, and the change by the verb of its class. What takes a new pod is tried by both verbs.
func (k kit) try(t *testing.T, trial trial, ns, name string) {
	was := basePod(ns, name)
	if trial.from != nil {
		trial.from(was)
	}
	want := was.DeepCopy()
	trial.change(want)
	fresh := want.DeepCopy()
	if err := k.client.Create(t.Context(), fresh, client.DryRunAll); err != nil {
		t.Fatalf("no pod can be like this, so that nothing is proven: %v", err)
	}
	if d := podspec.Diff(was, fresh, want); len(d) > 0 {
		t.Errorf("a new pod is not as wanted: %v", d)
	}
	live := was.DeepCopy()
	k.create(t, live)
	if d := podspec.Diff(was, live, was); len(d) > 0 {
		t.Errorf("the pod that was made is not what it was made from: %v", d)
	}
	found := podspec.Diff(was, live, want)
	if trial.class == podspec.NothingToDo {
		if len(found) > 0 {
			t.Errorf("differences %v", found)
		}
		return
	}
	if err := onlyOf(found, trial); err != nil {
		t.Fatal(err)
	}
	if trial.class.InPlace() {
		k.inPlace(t, trial, was, live, want, found)
		return
	}
	k.refuses(t, trial, live)
}

var keys = regexp.MustCompile(`\[[^]]*\]`)

// onlyOf: what was found is of the trial's class, and the row is that of one difference at least.
func onlyOf(found []podspec.Difference, trial trial) error {
	row := false
	for _, d := range found {
		row = row || strings.HasPrefix(keys.ReplaceAllString(d.Path, "[]"), trial.row)
		if d.Class != trial.class {
			return fmt.Errorf("%s, want class %s", d, trial.class)
		}
	}
	if !row {
		return fmt.Errorf("the differences %v are not about %s", found, trial.row)
	}
	return nil
}

func (k kit) inPlace(t *testing.T, trial trial, was, live, want *corev1.Pod, found []podspec.Difference) {
	uid := live.UID
	next := podspec.Applied(live, want, found, trial.class)
	err := k.client.Update(t.Context(), next)
	if trial.class == podspec.InPlaceResize {
		if err == nil {
			t.Error("the API server resizes without the subresource: the row could be simpler")
		}
		next = podspec.Applied(live, want, found, trial.class)
		err = k.client.SubResource("resize").Update(t.Context(), next)
	}
	if err != nil {
		t.Fatalf("the API server refuses it: %v", err)
	}
	if err := k.get(t.Context(), live.Namespace, live.Name, next); err != nil {
		t.Fatal(err)
	}
	if d := podspec.Diff(was, next, want); len(d) > 0 || next.UID != uid {
		t.Errorf("after the change: %v", d)
	}
}

// refuses: neither verb makes the change. What the API server drops instead has not changed the pod's generation.
func (k kit) refuses(t *testing.T, trial trial, live *corev1.Pod) {
	if strings.HasPrefix(trial.row, "metadata.") {
		return // the API server would do it, and an admission policy of ours stands before it
	}
	changed := live.DeepCopy()
	trial.change(changed)
	err := k.client.Update(t.Context(), changed, client.DryRunAll)
	if kept := err == nil && changed.Generation == live.Generation; !kept && !apierrors.IsInvalid(err) {
		t.Errorf("an update is not refused (%v): the row could be in place", err)
	}
	changed = live.DeepCopy()
	trial.change(changed)
	err = k.client.SubResource("resize").Update(t.Context(), changed, &client.SubResourceUpdateOptions{UpdateOptions: client.UpdateOptions{DryRun: []string{metav1.DryRunAll}}})
	if err == nil && changed.Generation != live.Generation {
		t.Error("a resize is not refused: the row could be in place")
	}
}

// tryClaims: of a claim that is bound, every field but those that can change is refused.
func (k kit) tryClaims(t *testing.T, ns string) {
	k.create(t, &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: "grows"}, Provisioner: "shoal.dev/none", AllowVolumeExpansion: ptr.To(true)})
	size := func(c *corev1.PersistentVolumeClaim, text string) {
		c.Spec.Resources.Requests = corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(text)}
	}
	was := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "bound"}}
	was.Spec.AccessModes, was.Spec.StorageClassName, was.Spec.VolumeName = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}, ptr.To("grows"), "none"
	size(was, "2Gi")
	volume := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: was.Spec.VolumeName}}
	volume.Spec.Capacity, volume.Spec.AccessModes, volume.Spec.StorageClassName = was.Spec.Resources.Requests.DeepCopy(), was.Spec.AccessModes, "grows"
	volume.Spec.HostPath = &corev1.HostPathVolumeSource{Path: "/nowhere"}
	live := was.DeepCopy()
	k.create(t, volume, live)
	k.eventually(t, patience, "the claim", func(ctx context.Context) error {
		if err := k.get(ctx, ns, live.Name, live); err != nil || live.Status.Phase == corev1.ClaimBound {
			return err
		}
		return fmt.Errorf("it is %s", live.Status.Phase)
	})
	for row, change := range map[string]func(*corev1.PersistentVolumeClaim){
		"claim.spec.accessModes": func(c *corev1.PersistentVolumeClaim) { c.Spec.AccessModes[0] = corev1.ReadWriteMany },
		"claim.spec.selector": func(c *corev1.PersistentVolumeClaim) {
			c.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"a": "b"}}
		},
		"claim.spec.storageClassName":          func(c *corev1.PersistentVolumeClaim) { c.Spec.StorageClassName = ptr.To("other") },
		"claim.spec.volumeMode":                func(c *corev1.PersistentVolumeClaim) { c.Spec.VolumeMode = ptr.To(corev1.PersistentVolumeBlock) },
		"claim.spec.resources.requests[]":      func(c *corev1.PersistentVolumeClaim) { size(c, "3Gi") },
		"claim.spec.resources.requests[] less": func(c *corev1.PersistentVolumeClaim) { size(c, "1Gi") },
		"claim.spec.resources": func(c *corev1.PersistentVolumeClaim) {
			c.Spec.Resources.Limits = corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("9Gi")}
		},
		"claim.spec.volumeAttributesClassName": func(c *corev1.PersistentVolumeClaim) { c.Spec.VolumeAttributesClassName = ptr.To("fast") },
	} {
		want, changed := was.DeepCopy(), live.DeepCopy()
		change(want)
		change(changed)
		changed.ResourceVersion = "" // the controller of volumes writes to it too
		found := podspec.DiffClaim(was, live, want)
		if len(found) != 1 || !strings.HasPrefix(row, keys.ReplaceAllString(found[0].Path, "[]")) && !strings.HasPrefix(keys.ReplaceAllString(found[0].Path, "[]"), row) {
			t.Errorf("%s: %v", row, found)
			continue
		}
		err := k.client.Update(t.Context(), changed, client.DryRunAll)
		if found[0].Class.InPlace() != (err == nil) || err != nil && !apierrors.IsInvalid(err) {
			t.Errorf("%s: %s, and the API server says %v", row, found[0], err)
		}
	}
}
