package loadbalance

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/load"
)

func demandFor(t *testing.T, p *corev1.Pod) demand {
	t.Helper()
	info, err := framework.NewPodInfo(p)
	if err != nil {
		t.Fatal(err)
	}
	return newDemand(info)
}

func TestMemoryOfRedis(t *testing.T) {
	for name, c := range map[string]struct {
		args       []string
		annotation string
		want       int64 // expected, with a request of 1 GiB
	}{
		"unknown":                    {nil, "", gib},
		"less than the request":      {[]string{"--maxmemory", "100mb"}, "", gib},
		"more":                       {[]string{"--port", "6379", "--maxmemory", "2gb"}, "", 2*gib + 2*gib/10},
		"joined":                     {[]string{"--maxmemory=2GB"}, "", 2*gib + 2*gib/10},
		"decimal":                    {[]string{"--maxmemory", "2g"}, "", 2_200_000_000},
		"bytes":                      {[]string{"--maxmemory", "2147483648"}, "", 2*gib + 2*gib/10},
		"the last holds":             {[]string{"--maxmemory", "9gb", "--maxmemory", "2gb"}, "", 2*gib + 2*gib/10},
		"no limit":                   {[]string{"--maxmemory", "0"}, "", gib},
		"not a number":               {[]string{"--maxmemory", "much", "--maxmemory-policy", "noeviction"}, "", gib},
		"cut off":                    {[]string{"--maxmemory"}, "", gib},
		"annotation":                 {nil, "4Gi", 4*gib + 4*gib/10},
		"annotation before argument": {[]string{"--maxmemory", "9gb"}, "4Gi", 4*gib + 4*gib/10},
		"a bad annotation":           {nil, "4 GiB", gib},
		"absurd":                     {[]string{"--maxmemory", "9000000000gb"}, "", 1<<61 - 1 + (1<<61-1)/10},
	} {
		p := pod([2]string{"1", "1Gi"})
		p.Spec.Containers[0].Args = c.args
		if c.annotation != "" {
			p.Annotations = map[string]string{v1alpha1.AnnotationMaxMemory: c.annotation}
		}
		d := demandFor(t, p)
		if d.expected[load.Memory] != c.want || d.requested[load.Memory] != gib {
			t.Errorf("%s: expected %d, want %d; requested %d", name, d.expected[load.Memory], c.want, d.requested[load.Memory])
		}
	}
}

// shapedTo has the annotations of CNI plugins, and requests the resource where mbps is not empty.
func shapedTo(ingress, mbps string) *corev1.Pod {
	p := pod([2]string{"1", "1Gi"})
	if ingress != "" {
		p.Annotations = map[string]string{v1alpha1.AnnotationIngressBandwidth: ingress}
	}
	if mbps != "" {
		p.Spec.Containers[0].Resources.Requests[ingressMbps] = resource.MustParse(mbps)
	}
	return p
}

func TestBandwidthIsCountedOnce(t *testing.T) {
	for name, c := range map[string]struct {
		pod                  *corev1.Pod
		requested, annotated int64
	}{
		"nothing":        {shapedTo("", ""), 0, 0},
		"resource":       {shapedTo("", "100"), 100 * mbps, 0},
		"annotation":     {shapedTo("100M", ""), 100 * mbps, 100 * mbps},
		"both":           {shapedTo("200M", "100"), 100 * mbps, 0},
		"rounded up":     {shapedTo("1", ""), mbps, mbps},
		"not understood": {shapedTo("fast", ""), 0, 0},
		"negative":       {shapedTo("-1M", ""), 0, 0},
	} {
		d := demandFor(t, c.pod)
		if d.requested[load.Ingress] != c.requested || d.annotated[load.Ingress] != c.annotated || d.requested[load.Egress] != 0 {
			t.Errorf("%s: %v, in annotations %v", name, d.requested, d.annotated)
		}
	}
}

// withBandwidth advertises 1,000 Mbit/s in.
func withBandwidth(pods ...*corev1.Pod) *framework.NodeInfo {
	info := named("a", pods...)
	n := info.Node().DeepCopy()
	n.Status.Allocatable[ingressMbps] = resource.MustParse("1k")
	info.SetNode(n)
	return info
}

func TestAnnotationsAndResourcesShareTheCapacity(t *testing.T) {
	l := newLab(t, "a")
	for name, c := range map[string]struct {
		pod *corev1.Pod
		on  []*corev1.Pod
		ok  bool
	}{
		"an annotated pod fits":                      {shapedTo("1000M", ""), nil, true},
		"it is too much":                             {shapedTo("1001M", ""), nil, false},
		"beside a pod with the resource":             {shapedTo("500M", ""), []*corev1.Pod{shapedTo("", "500")}, true},
		"more than that leaves":                      {shapedTo("501M", ""), []*corev1.Pod{shapedTo("", "500")}, false},
		"a pod with the resource beside annotations": {shapedTo("", "501"), []*corev1.Pod{shapedTo("200M", ""), shapedTo("300M", "")}, false},
		"pods with both count once":                  {shapedTo("500M", "500"), []*corev1.Pod{shapedTo("500M", "500")}, true},
	} {
		got := l.filter(c.pod, withBandwidth(c.on...))
		if c.ok && got != "" || !c.ok && !strings.Contains(got, "SHOAL1116") {
			t.Errorf("%s: %q", name, got)
		}
	}
	if got := l.filter(shapedTo("", ""), withBandwidth()); got != "skip" {
		t.Errorf("a pod that wants no bandwidth: %q", got)
	}
	if got := l.filter(shapedTo("9000M", ""), named("a")); got != "" {
		t.Errorf("a node that advertises none takes annotated pods as before: %q", got)
	}
	other := shapedTo("1001M", "")
	other.Labels = nil
	if got := l.filter(other, withBandwidth()); !strings.Contains(got, "SHOAL1116") {
		t.Errorf("a pod of no group takes bandwidth from nowhere: %q", got)
	}
	if fragments, _ := l.SignPod(t.Context(), other); len(fragments) != 1 {
		t.Error("and it has the signature of one without")
	}
}

func TestBandwidthIsScoredWhereItIsAdvertised(t *testing.T) {
	l := newLab(t, "a")
	// CPU 2/8, memory 2/32 and 900 of 1,000 Mbit/s: the worst is 0.9
	busy := l.scores(shapedTo("400M", ""), withBandwidth(shapedTo("", "500")))[0]
	if shaped := l.scores(shapedTo("400M", ""), withBandwidth(shapedTo("500M", "")))[0]; shaped != busy {
		t.Errorf("beside annotations %d, beside resources %d", shaped, busy)
	}
	free := l.scores(shapedTo("400M", ""), named("a", shapedTo("", "500")))[0]
	if want := score([]dimension{{2, 8, 1}, {2, 32, 1}, {900, 1000, 1}}, 70); busy != want {
		t.Errorf("%d, want %d", busy, want)
	}
	if want := score([]dimension{{2, 8, 1}, {2, 32, 1}}, 70); free != want {
		t.Errorf("without any advertised: %d, want %d", free, want)
	}
}

func TestPodsOfOneTemplateAreNotMistaken(t *testing.T) {
	l := newLab(t, "a")
	first, other := shapedTo("100M", ""), shapedTo("200M", "")
	a, _ := l.demandOf(first)
	b, _ := l.demandOf(other)
	if a.requested == b.requested {
		t.Error("annotations are passed over")
	}
	larger := shapedTo("200M", "")
	larger.Spec.Containers[0].Args = []string{"--maxmemory", "8gb"}
	c, _ := l.demandOf(larger)
	if c.expected == b.expected {
		t.Error("arguments are passed over")
	}
}
