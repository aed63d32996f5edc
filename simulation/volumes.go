package simulation

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	volumehelpers "k8s.io/component-helpers/storage/volume"
	"k8s.io/utils/ptr"

	"github.com/shoal-dev/shoal/slots"
)

// The storage of the cluster: local volumes, made on the node that the scheduler has chosen, and such as may be used everywhere (cordons.go).
const (
	storageClass = "local"
	provisioner  = "simulation.shoal.dev/local"

	claimProtection  = "kubernetes.io/pvc-protection"
	volumeProtection = "kubernetes.io/pv-protection"
)

func storage(class string) *storagev1.StorageClass {
	return &storagev1.StorageClass{
		ObjectMeta: metav1.ObjectMeta{Name: class}, Provisioner: provisioner,
		ReclaimPolicy:     ptr.To(corev1.PersistentVolumeReclaimDelete),
		VolumeBindingMode: ptr.To(storagev1.VolumeBindingWaitForFirstConsumer),
	}
}

// provision makes volumes for claims that have been promised a node. The provisioner of a local volume runs on the node:
// one that nobody reaches makes none.
func (w *World) provision() {
	for _, claim := range all[*corev1.PersistentVolumeClaim](w) {
		node := claim.Annotations[slots.SelectedNode]
		if claim.Spec.VolumeName != "" || node == "" || claim.DeletionTimestamp != nil {
			continue
		}
		if _, made := find[*corev1.PersistentVolume](w, types.NamespacedName{Name: volumeOf(claim)}); made {
			continue
		}
		if m := w.machines[node]; m == nil || !m.reachable() {
			continue
		}
		w.once("provision "+string(claim.UID), w.between(100*time.Millisecond, 3*time.Second), func() { w.makeVolume(claim, node) })
	}
}

func volumeOf(claim *corev1.PersistentVolumeClaim) string { return "pvc-" + string(claim.UID) }

func (w *World) makeVolume(claim *corev1.PersistentVolumeClaim, node string) {
	now, there := find[*corev1.PersistentVolumeClaim](w, keyOf(claim))
	m := w.machines[node]
	if !there || now.UID != claim.UID || now.Annotations[slots.SelectedNode] != node || m == nil || !m.reachable() {
		return
	}
	volume := &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: volumeOf(claim), Annotations: map[string]string{volumehelpers.AnnDynamicallyProvisioned: provisioner}},
		Spec: corev1.PersistentVolumeSpec{
			Capacity: claim.Spec.Resources.Requests, AccessModes: claim.Spec.AccessModes, StorageClassName: storageClass,
			PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimDelete,
			PersistentVolumeSource:        corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: "/data/" + volumeOf(claim)}},
			ClaimRef: &corev1.ObjectReference{
				Kind: "PersistentVolumeClaim", APIVersion: "v1", Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID,
			},
			NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
				MatchExpressions: []corev1.NodeSelectorRequirement{{Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{node}}},
			}}}},
		},
	}
	if *claim.Spec.StorageClassName == networkClass { // it may be used everywhere
		volume.Spec.StorageClassName, volume.Spec.NodeAffinity = networkClass, nil
		volume.Spec.PersistentVolumeSource = corev1.PersistentVolumeSource{CSI: &corev1.CSIPersistentVolumeSource{Driver: "network.shoal.dev", VolumeHandle: volume.Name}}
	}
	w.must(w.system.create(w.ctx, volume))
}

// bindClaims brings claims and the volumes that were made for them together, and marks claims that lost theirs.
func (w *World) bindClaims() {
	for _, claim := range all[*corev1.PersistentVolumeClaim](w) {
		volume, there := find[*corev1.PersistentVolume](w, types.NamespacedName{Name: volumeOf(claim)})
		switch {
		case claim.DeletionTimestamp != nil:
		case there && claim.Status.Phase != corev1.ClaimBound && volume.Spec.ClaimRef.UID == claim.UID:
			w.once("bind "+string(claim.UID), w.between(10*time.Millisecond, time.Second), func() { w.bindClaim(claim, volume) })
		case !there && claim.Spec.VolumeName != "" && claim.Status.Phase != corev1.ClaimLost && !w.exists(claim.Spec.VolumeName):
			changed := claim.DeepCopy()
			changed.Status.Phase = corev1.ClaimLost
			w.systemUpdate(changed, "status")
		}
	}
}

// exists reports whether there is a volume of that name.
func (w *World) exists(volume string) bool {
	_, there := find[*corev1.PersistentVolume](w, types.NamespacedName{Name: volume})
	return there
}

func (w *World) bindClaim(claim *corev1.PersistentVolumeClaim, volume *corev1.PersistentVolume) {
	now, there := find[*corev1.PersistentVolumeClaim](w, keyOf(claim))
	if !there || now.UID != claim.UID || now.DeletionTimestamp != nil {
		return
	}
	changed := now.DeepCopy()
	changed.Spec.VolumeName = volume.Name
	if changed.Annotations == nil {
		changed.Annotations = map[string]string{}
	}
	changed.Annotations[volumehelpers.AnnBindCompleted] = "yes"
	changed.Annotations[volumehelpers.AnnBoundByController] = "yes"
	if !w.systemUpdate(changed, "") {
		return
	}
	changed.Status.Phase, changed.Status.AccessModes, changed.Status.Capacity = corev1.ClaimBound, claim.Spec.AccessModes, volume.Spec.Capacity
	w.systemUpdate(changed, "status")
	bound := volume.DeepCopy()
	bound.ResourceVersion = ""
	bound.Status.Phase = corev1.VolumeBound
	w.systemUpdate(bound, "status")
}

// protect lets claims and volumes go that are being deleted and that nobody uses.
func (w *World) protect() {
	for _, claim := range all[*corev1.PersistentVolumeClaim](w) {
		if claim.DeletionTimestamp == nil || !slices.Contains(claim.Finalizers, claimProtection) {
			continue
		}
		used := slices.ContainsFunc(all[*corev1.Pod](w), func(p *corev1.Pod) bool {
			return p.Namespace == claim.Namespace && p.Spec.NodeName != "" && !ended(p) && slices.Contains(slots.ClaimNames(p), claim.Name)
		})
		if !used {
			changed := claim.DeepCopy()
			changed.Finalizers = slices.DeleteFunc(changed.Finalizers, func(f string) bool { return f == claimProtection })
			w.systemUpdate(changed, "")
		}
	}
	for _, volume := range all[*corev1.PersistentVolume](w) {
		if volume.DeletionTimestamp != nil && volume.Status.Phase != corev1.VolumeBound && slices.Contains(volume.Finalizers, volumeProtection) {
			changed := volume.DeepCopy()
			changed.Finalizers = nil
			w.systemUpdate(changed, "")
		}
	}
}

// release marks volumes whose claim is gone, and deletes those that are not to be kept, which only their node can do if they have one.
func (w *World) release() {
	claims := map[types.UID]bool{}
	for _, claim := range all[*corev1.PersistentVolumeClaim](w) {
		claims[claim.UID] = true
	}
	for _, volume := range all[*corev1.PersistentVolume](w) {
		if volume.Spec.ClaimRef == nil || claims[volume.Spec.ClaimRef.UID] || volume.DeletionTimestamp != nil {
			continue
		}
		if volume.Status.Phase != corev1.VolumeReleased {
			changed := volume.DeepCopy()
			changed.Status.Phase = corev1.VolumeReleased
			w.systemUpdate(changed, "status")
			continue
		}
		m := w.machines[slots.NodeOfVolume(volume, slots.NodeMap{})]
		mayGo := volume.Spec.StorageClassName == networkClass || m != nil && m.reachable()
		if volume.Spec.PersistentVolumeReclaimPolicy == corev1.PersistentVolumeReclaimDelete && mayGo {
			w.once("reclaim "+volume.Name, w.between(100*time.Millisecond, 2*time.Second), func() {
				now, there := find[*corev1.PersistentVolume](w, types.NamespacedName{Name: volume.Name})
				if there && now.Spec.PersistentVolumeReclaimPolicy == corev1.PersistentVolumeReclaimDelete {
					delete(w.data, volume.Name)
					w.systemDelete(volume, metav1.DeleteOptions{})
				}
			})
		}
	}
}
