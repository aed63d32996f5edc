package bandwidth

import (
	"maps"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

const (
	ingress = corev1.ResourceName(v1alpha1.ResourceNetIngress)
	egress  = corev1.ResourceName(v1alpha1.ResourceNetEgress)
)

func rules(t *testing.T, texts ...string) []Rule {
	t.Helper()
	var parsed []Rule
	for _, text := range texts {
		r, err := ParseRule(text)
		if err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, r)
	}
	return parsed
}

func mbpsList(in, out string) corev1.ResourceList {
	return corev1.ResourceList{ingress: resource.MustParse(in), egress: resource.MustParse(out)}
}

func TestWhatANodeAdvertises(t *testing.T) {
	nodes := rules(t, "type in (large, huge)=25000/10000", "zone=a,!slow=5000", "*=1000")
	for name, c := range map[string]struct {
		labels, annotations map[string]string
		rules               []Rule
		headroom            int
		in, out             int64 // -1: nothing
		err                 string
	}{
		"nothing is known":          {in: -1, out: -1},
		"a rule":                    {labels: map[string]string{"type": "huge"}, rules: nodes, in: 25000, out: 10000},
		"the first rule":            {labels: map[string]string{"type": "large", "zone": "a"}, rules: nodes, in: 25000, out: 10000},
		"a selector with two parts": {labels: map[string]string{"zone": "a"}, rules: nodes, in: 5000, out: 5000},
		"all others":                {labels: map[string]string{"zone": "a", "slow": ""}, rules: nodes, in: 1000, out: 1000},
		"an annotation":             {annotations: map[string]string{v1alpha1.ResourceNetIngress: "40000"}, rules: nodes, in: 40000, out: 1000},
		"an annotation without rules": {
			annotations: map[string]string{v1alpha1.ResourceNetEgress: " 40000 "}, in: -1, out: 40000,
		},
		"none on purpose": {annotations: map[string]string{v1alpha1.ResourceNetIngress: "0"}, rules: nodes, in: 0, out: 1000},
		"head-room":       {annotations: map[string]string{v1alpha1.ResourceNetIngress: "999"}, rules: nodes, headroom: 20, in: 799, out: 800},
		"a unit":          {annotations: map[string]string{v1alpha1.ResourceNetIngress: "40G"}, rules: nodes, headroom: 20, in: 700, out: 800, err: `annotation shoal.dev/net-ingress-mbps: "40G" is no whole number`},
		"bits per second": {annotations: map[string]string{v1alpha1.ResourceNetIngress: "10000000000"}, in: 700, out: -1, err: "is no whole number of Mbit/s from 0 to 10000000"},
	} {
		node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Labels: c.labels, Annotations: c.annotations}}
		node.Status.Capacity = mbpsList("700", "700") // what it advertises now
		want := map[corev1.ResourceName]int64{}
		if c.in >= 0 {
			want[ingress] = c.in
		}
		if c.out >= 0 {
			want[egress] = c.out
		}
		got, err := wanted(node, c.rules, c.headroom)
		if !maps.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
		if (err != nil) != (c.err != "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %v, want %q", name, err, c.err)
		}
	}
}

func TestRulesThatAreNotUnderstood(t *testing.T) {
	for text, want := range map[string]string{
		"":          "want SELECTOR=MBPS",
		"=1000":     "want SELECTOR=MBPS",
		"a=b":       `"b" is no whole number`,
		"a==":       `"" is no whole number`,
		"*=1000/":   `"" is no whole number`,
		"*=1/2/3":   `"2/3" is no whole number`,
		"*=-1":      "is no whole number",
		"*=10Gi":    "is no whole number",
		"a in b=10": "reading the selector",
	} {
		if _, err := ParseRule(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func TestAdvertises(t *testing.T) {
	both, amounts := mbpsList("1000", "1k"), map[corev1.ResourceName]int64{ingress: 1000, egress: 1000}
	for name, c := range map[string]struct {
		capacity, allocatable corev1.ResourceList
		amounts               map[corev1.ResourceName]int64
		want                  bool
	}{
		"as wanted":            {both, both, amounts, true},
		"not yet":              {nil, nil, amounts, false},
		"not allocatable":      {both, nil, amounts, false},
		"set to zero":          {mbpsList("0", "0"), mbpsList("0", "0"), amounts, false},
		"not wanted, not said": {nil, nil, nil, true},
		"not wanted any more":  {both, both, nil, false},
		"zero is not nothing":  {nil, nil, map[corev1.ResourceName]int64{ingress: 0}, false},
	} {
		node := &corev1.Node{Status: corev1.NodeStatus{Capacity: c.capacity, Allocatable: c.allocatable}}
		if got := advertises(node, c.amounts); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
