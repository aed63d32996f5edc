package loadbalance

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/shoal-dev/shoal/api/config"
	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// pod requests an amount in one container each; two empty strings are a container without requests.
func pod(requests ...[2]string) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "p", Labels: map[string]string{v1alpha1.LabelPlacementPolicy: "orders"}}}
	for _, r := range requests {
		p.Spec.Containers = append(p.Spec.Containers, corev1.Container{Resources: corev1.ResourceRequirements{Requests: amounts(r[0], r[1])}})
	}
	return p
}

func amounts(cpu, memory string) corev1.ResourceList {
	list := corev1.ResourceList{}
	if cpu != "" {
		list[corev1.ResourceCPU] = resource.MustParse(cpu)
	}
	if memory != "" {
		list[corev1.ResourceMemory] = resource.MustParse(memory)
	}
	return list
}

// node has 8 CPUs, 32 GiB, and pods.
func node(pods ...*corev1.Pod) fwk.NodeInfo {
	info := framework.NewNodeInfo(pods...)
	info.SetNode(&corev1.Node{Status: corev1.NodeStatus{Allocatable: amounts("8", "32Gi")}})
	return info
}

func shippedPlugin(t *testing.T) *Plugin {
	t.Helper()
	p, err := New(t.Context(), &config.LoadBalanceArgs{
		Resources: []config.ResourceWeight{{Name: "cpu", Weight: 1}, {Name: "memory", Weight: 1}}, WorstDimensionPercent: 70,
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p.(*Plugin)
}

func scoreOf(t *testing.T, p *corev1.Pod, n fwk.NodeInfo) int64 {
	t.Helper()
	plugin, cs := shippedPlugin(t), framework.NewCycleState()
	if status := plugin.PreScore(t.Context(), cs, p, nil); !status.IsSuccess() {
		t.Fatal(status)
	}
	got, status := plugin.Score(t.Context(), cs, p, n)
	if !status.IsSuccess() {
		t.Fatal(status)
	}
	return got
}

func TestTheExampleOfTheReadme(t *testing.T) {
	lands := pod([2]string{"1", "4Gi"})
	if got := scoreOf(t, lands, node(pod([2]string{"3", "12Gi"}))); got != 65000 {
		t.Errorf("node a scores %d, want 65000", got)
	}
	if got := scoreOf(t, lands, node(pod([2]string{"1", "2Gi"}), pod([2]string{"2", "2Gi"}))); got != 61250 {
		t.Errorf("node b scores %d, want 61250", got)
	}
}

// Ten containers without requests count as 1000m and 2000 MiB: shares 0.125 and 0.061, so
// 100 * (1 - 0.7*0.125 - 0.3*0.032) = 90.291, in thousandths.
func TestPodsThatRequestNothingCount(t *testing.T) {
	var on []*corev1.Pod
	for range 9 {
		on = append(on, pod([2]string{}))
	}
	if got := scoreOf(t, pod([2]string{}), node(on...)); got != 90291 {
		t.Errorf("a node with nine such pods scores %d for a tenth, want 90291", got)
	}
}

func TestPodsOfNoGroupAreLeftAlone(t *testing.T) {
	plugin, p := shippedPlugin(t), pod([2]string{"1", "4Gi"})
	p.Labels = nil
	if status := plugin.PreScore(t.Context(), framework.NewCycleState(), p, nil); !status.IsSkip() {
		t.Errorf("PreScore says %v, want skip", status)
	}
	if fragments, status := plugin.SignPod(t.Context(), p); len(fragments) > 0 || !status.IsSuccess() {
		t.Errorf("the signature depends on %v, %v", fragments, status)
	}
}

func TestSignatureIsWhatThePodRequests(t *testing.T) {
	sign := func(p *corev1.Pod) any {
		fragments, status := shippedPlugin(t).SignPod(t.Context(), p)
		if !status.IsSuccess() || len(fragments) != 1 {
			t.Fatalf("%v, %v", fragments, status)
		}
		return fragments[0].Value.([]int64)[1]
	}
	one, same, more := pod([2]string{"1", "4Gi"}), pod([2]string{"1", "2Gi"}, [2]string{"0", "2Gi"}), pod([2]string{"1", "5Gi"})
	if sign(one) != sign(same) {
		t.Error("two pods with the same requests have different signatures")
	}
	if sign(one) == sign(more) {
		t.Error("two pods with different requests have one signature")
	}
}

func TestArgumentsAreChecked(t *testing.T) {
	const want = `pluginConfig[LoadBalance].args.worstDimensionPercent: Invalid value: 101: must be between 0 and 100`
	args := &config.LoadBalanceArgs{Resources: []config.ResourceWeight{{Name: "cpu", Weight: 1}}, WorstDimensionPercent: 101}
	if _, err := New(t.Context(), args, nil); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if _, err := New(t.Context(), nil, nil); err == nil {
		t.Error("it was made without arguments")
	}
}

func TestScoreWithoutPreScoreIsAnError(t *testing.T) {
	if _, status := shippedPlugin(t).Score(t.Context(), framework.NewCycleState(), pod(), node()); status.Code() != fwk.Error {
		t.Errorf("got %v, want an error", status)
	}
}

// BenchmarkScore is the cost of one node. Compare with
//
//	go test -run '^$' -bench Score -count 10 ./plugins/loadbalance | tee new.txt; benchstat old.txt new.txt
func BenchmarkScore(b *testing.B) {
	p, err := New(b.Context(), &config.LoadBalanceArgs{
		Resources: []config.ResourceWeight{{Name: "cpu", Weight: 1}, {Name: "memory", Weight: 1}}, WorstDimensionPercent: 70,
	}, nil)
	if err != nil {
		b.Fatal(err)
	}
	plugin, cs, lands, n := p.(*Plugin), framework.NewCycleState(), pod([2]string{"1", "4Gi"}), node(pod([2]string{"3", "12Gi"}))
	plugin.PreScore(b.Context(), cs, lands, nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, status := plugin.Score(b.Context(), cs, lands, n); !status.IsSuccess() {
			b.Fatal(status)
		}
	}
}
