package trial

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/kubectlshoal/snapshot"
)

// BenchmarkPlace is what one instance costs that is placed, on nodes of which each holds 4 pods, and one that is refused by all nodes. It keeps
// apart from others of its kind between hosts, and spreads over three zones.
//
//	go test ./kubectlshoal/trial -run NONE -bench Place -count 10 | tee new.txt && go run golang.org/x/perf/cmd/benchstat@latest new.txt
func BenchmarkPlace(b *testing.B) {
	for _, nodes := range []int{100, 1000, 5000} {
		for _, cpu := range []string{"1", "100"} {
			b.Run(fmt.Sprintf("nodes=%d/%s", nodes, map[string]string{"1": "fits", "100": "refused"}[cpu]), func(b *testing.B) {
				config, err := LoadConfig("")
				if err != nil {
					b.Fatal(err)
				}
				c := benchCluster(nodes)
				s, err := New(b.Context(), config, c)
				if err != nil {
					b.Fatal(err)
				}
				i, before := 0, used(b)
				for b.Loop() {
					pod := benchPod(fmt.Sprintf("x-%d", i), "", cpu)
					i++
					if err := s.Put(pod); err != nil {
						b.Fatal(err)
					}
					if v, err := s.Place(b.Context(), pod); err != nil || (v.Node == "") != (cpu != "1") {
						b.Fatal(v, err)
					}
					b.StopTimer()
					if err := s.Remove(pod); err != nil {
						b.Fatal(err)
					}
					b.StartTimer()
				}
				b.ReportMetric(float64((used(b)-before).Microseconds())/1000/float64(b.N), "cpu-ms/op") // also where others work on the machine
			})
		}
	}
}

// used is the time on processors that this process has had.
func used(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func benchCluster(nodes int) *snapshot.Cluster {
	c := &snapshot.Cluster{}
	for i := range nodes {
		n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("n%04d", i)}}
		n.Labels = map[string]string{corev1.LabelHostname: n.Name, corev1.LabelTopologyZone: fmt.Sprintf("z%d", i%3)}
		n.Status.Allocatable = corev1.ResourceList{
			corev1.ResourceCPU: resource.MustParse("64"), corev1.ResourceMemory: resource.MustParse("256Gi"), corev1.ResourcePods: resource.MustParse("110"),
		}
		c.Nodes = append(c.Nodes, n)
		for j := range 4 {
			pod := benchPod(fmt.Sprintf("o-%d-%d", i, j), n.Name, "1")
			pod.Labels, pod.Spec.Affinity, pod.Spec.TopologySpreadConstraints = nil, nil, nil
			c.Pods = append(c.Pods, pod)
		}
	}
	policy := &v1alpha1.PlacementPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "x"}}
	policy.Spec.Replicas, policy.Spec.MaxInstancesPerNode = ptr.To(int32(nodes)), ptr.To(intstr.FromInt32(2))
	c.Policies = append(c.Policies, policy)
	return c
}

func benchPod(name, node, cpu string) *corev1.Pod {
	labels := map[string]string{v1alpha1.LabelPlacementPolicy: "x"}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name, UID: types.UID(name), Labels: labels}}
	pod.Spec.SchedulerName, pod.Spec.NodeName = v1alpha1.SchedulerName, node
	pod.Spec.Containers = []corev1.Container{{Name: "c", Image: "i", Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse("1Gi"),
	}}}}
	selector := &metav1.LabelSelector{MatchLabels: labels}
	pod.Spec.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{
		RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{TopologyKey: corev1.LabelHostname, LabelSelector: selector}},
	}}
	pod.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{
		MaxSkew: 1, TopologyKey: corev1.LabelTopologyZone, WhenUnsatisfiable: corev1.DoNotSchedule, LabelSelector: selector,
	}}
	return pod
}
