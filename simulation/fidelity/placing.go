package fidelity

import (
	"fmt"
	"math/rand"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// TraceOf draws a trace. No two traces share a name, so that one scheduler can place all of them.
//
// The scheduler picks at random among nodes of the highest score. So that there is one such node, each pod prefers every node
// by another weight: that breaks the ties that evenness and load leave.
func TraceOf(seed int64) Trace {
	t := &tracer{Rand: rand.New(rand.NewSource(seed)), seed: seed}
	for n := range 3 + t.Intn(4) {
		t.node(n)
	}
	for n := range 1 + t.Intn(2) {
		t.group(n)
	}
	t.Shuffle(len(t.Moves), func(i, j int) { t.Moves[i], t.Moves[j] = t.Moves[j], t.Moves[i] })
	t.unrest()
	return t.Trace
}

type tracer struct {
	*rand.Rand
	Trace
	seed int64
}

func (t *tracer) name(format string, args ...any) string {
	return fmt.Sprintf("t%d-", t.seed) + fmt.Sprintf(format, args...)
}

func (t *tracer) node(n int) {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: t.name("n%d", n)}}
	node.Labels = map[string]string{corev1.LabelHostname: node.Name}
	node.Status.Allocatable = corev1.ResourceList{
		corev1.ResourceCPU: *resource.NewQuantity(int64(2+t.Intn(7)), resource.DecimalSI), corev1.ResourceMemory: resource.MustParse("32Gi"),
		corev1.ResourcePods: resource.MustParse("20"),
	}
	node.Status.Capacity = node.Status.Allocatable
	t.Nodes = append(t.Nodes, node)
}

// group draws a policy and its pods: with limits that may be too tight, shards or none, and volumes or none. Some of a
// group's volumes are there already; the others are made for their first consumer.
func (t *tracer) group(n int) {
	replicas, m, k := int32(2+t.Intn(8)), int32(1+t.Intn(3)), int32(2+t.Intn(len(t.Nodes)-1))
	p := &v1alpha1.PlacementPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: t.name("g%d", n)}}
	p.Spec.Replicas = &replicas
	p.Spec.MaxInstancesPerNode, p.Spec.MaxNodes = ptr.To(intstr.FromInt32(m)), &k
	if t.Intn(4) == 0 {
		p.Spec.Mode = []v1alpha1.PlacementMode{v1alpha1.PlacementStrict, v1alpha1.PlacementBestEffort}[t.Intn(2)]
	}
	t.Policies = append(t.Policies, p)
	size := int32(t.Intn(4)) // of the shards; 0 for none
	milli, volumes := int64(100*(1+t.Intn(12))), t.Intn(3) == 0
	ofSet := volumes && t.Intn(2) == 0 // with the labels of an InstanceSet; without, only the pod says whose a claim is
	for i := range replicas {
		labels := map[string]string{v1alpha1.LabelPlacementPolicy: p.Name}
		if size > 0 {
			labels[v1alpha1.LabelShard] = fmt.Sprintf("%s-%d", p.Name, i/size)
		}
		if ofSet {
			labels[v1alpha1.LabelInstanceSet], labels[v1alpha1.LabelOrdinal] = p.Name, strconv.Itoa(int(i))
		}
		pod := t.pod(fmt.Sprintf("%s-%d", p.Name, i), labels, milli)
		if volumes {
			t.claim(pod, t.Intn(3) == 0)
		}
	}
}

func (t *tracer) pod(name string, labels map[string]string, milli int64) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: labels}}
	pod.Spec.SchedulerName = v1alpha1.SchedulerName
	pod.Spec.AutomountServiceAccountToken = ptr.To(false)
	pod.Spec.Containers = []corev1.Container{{Name: "c", Image: "c", Resources: corev1.ResourceRequirements{
		Requests: corev1.ResourceList{corev1.ResourceCPU: *resource.NewMilliQuantity(milli, resource.DecimalSI)},
	}}}
	weights := []int32{1, 7, 19, 37, 61, 100}
	var preferred []corev1.PreferredSchedulingTerm
	for i, n := range t.Perm(len(t.Nodes)) {
		preferred = append(preferred, corev1.PreferredSchedulingTerm{Weight: weights[i], Preference: only(t.Nodes[n].Name)})
	}
	pod.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{PreferredDuringSchedulingIgnoredDuringExecution: preferred}}
	if t.Intn(12) == 0 {
		pod.Spec.NodeSelector = map[string]string{corev1.LabelHostname: t.Nodes[t.Intn(len(t.Nodes))].Name}
	}
	t.Moves = append(t.Moves, Move{place, pod})
	return pod
}

func only(node string) corev1.NodeSelectorTerm {
	return corev1.NodeSelectorTerm{MatchExpressions: []corev1.NodeSelectorRequirement{
		{Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{node}},
	}}
}

// class is the class of local volumes, which wait for their first consumer.
const class = "local"

// claim gives a pod a claim: bound to a local volume on some node, which the pod had before, or to none yet.
func (t *tracer) claim(pod *corev1.Pod, bound bool) {
	size := corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}
	modes := []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "data-" + pod.Name, Labels: pod.Labels}}
	claim.Spec = corev1.PersistentVolumeClaimSpec{StorageClassName: ptr.To(class), AccessModes: modes, Resources: corev1.VolumeResourceRequirements{Requests: size}}
	pod.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{
		PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim.Name},
	}}}
	if !bound {
		t.Claims = append(t.Claims, Claim{claim, nil})
		return
	}
	node := t.Nodes[t.Intn(len(t.Nodes))].Name
	claim.Spec.VolumeName = "pv-" + pod.Name
	pv := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: claim.Spec.VolumeName}}
	pv.Spec = corev1.PersistentVolumeSpec{
		Capacity: size, AccessModes: modes, StorageClassName: class, PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimRetain,
		PersistentVolumeSource: corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: "/data"}},
		NodeAffinity:           &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{only(node)}}},
		ClaimRef:               &corev1.ObjectReference{Kind: "PersistentVolumeClaim", APIVersion: "v1", Namespace: namespace, Name: claim.Name},
	}
	t.Claims = append(t.Claims, Claim{claim, pv})
}

// unrest has some pods with a claim go and come back, after others were placed.
func (t *tracer) unrest() {
	if !t.WithVolumes() {
		return
	}
	var moves []Move
	var there []*corev1.Pod // with a claim
	for _, m := range t.Moves {
		moves = append(moves, m)
		if len(m.Pod.Spec.Volumes) > 0 {
			there = append(there, m.Pod)
		}
		if len(there) == 0 || t.Intn(3) > 0 {
			continue
		}
		n := t.Intn(len(there))
		verb := []string{back, back, renew, lost, retire}[t.Intn(5)]
		moves = append(moves, Move{verb, there[n]})
		if verb == lost || verb == retire {
			there = append(there[:n], there[n+1:]...)
		}
	}
	t.Moves = moves
}
