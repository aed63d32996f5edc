package answer

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/shoal-dev/shoal/kubectlshoal/trial"
	"github.com/shoal-dev/shoal/slots"
)

func plural(n int, noun string) string {
	if n == 1 {
		return noun
	}
	return noun + "s"
}

// Count is a number with its noun, for other packages.
func Count(n int, noun string) string { return count(n, noun) }

func count(n int, noun string) string { return fmt.Sprintf("%d %s", n, plural(n, noun)) }

// lack is one thing of which a node has too little.
type lack struct {
	name           string
	asked, free    int64
	print          func(int64) string
	shareOfRequest float64
}

// missing is what has to become free: on a node that has promised more than it has, also what it has not.
func (l lack) missing() int64 { return l.asked - l.free }

func (l lack) String() string {
	now := "free " + l.print(l.free)
	if l.free < 0 {
		now = "over by " + l.print(-l.free)
	}
	return fmt.Sprintf("%s more %s (asked %s, %s)", l.print(l.missing()), l.name, l.print(l.asked), now)
}

// lacks are the dimensions in which a request does not fit into what is free.
func lacks(asked, free slots.Amount) []lack {
	all := []lack{
		{name: "cpu", asked: asked.MilliCPU, free: free.MilliCPU, print: milli},
		{name: "memory", asked: asked.Memory, free: free.Memory, print: bytes},
		{name: "ephemeral-storage", asked: asked.EphemeralStorage, free: free.EphemeralStorage, print: bytes},
		{name: "pods", asked: asked.Pods, free: free.Pods, print: plain},
	}
	for _, name := range sortedKeys(asked.Extended) {
		all = append(all, lack{name: string(name), asked: asked.Extended[name], free: free.Extended[name], print: plain})
	}
	var short []lack
	for _, l := range all {
		if l.asked > 0 && l.asked > l.free {
			l.shareOfRequest = float64(l.missing()) / float64(l.asked)
			short = append(short, l)
		}
	}
	return short
}

func milli(n int64) string { return resource.NewMilliQuantity(n, resource.DecimalSI).String() }
func bytes(n int64) string { return resource.NewQuantity(n, resource.BinarySI).String() }
func plain(n int64) string { return fmt.Sprint(n) }

// textOf is what a pod asks for, without the pod itself.
func textOf(a slots.Amount) string {
	var words []string
	for _, l := range lacks(a, slots.Amount{}) {
		if l.name != "pods" {
			words = append(words, l.print(l.asked)+" "+l.name)
		}
	}
	if len(words) == 0 {
		return "nothing"
	}
	return strings.Join(words, ", ")
}

// whyNot is why the nodes refuse a pod, those that are lost left out.
func whyNot(v trial.Verdict, lost []string) string {
	if v.Before != nil {
		return coded(*v.Before)
	}
	n, texts := map[string]int{}, []string{}
	for _, node := range v.Nodes {
		if len(node.Refusals) > 0 && !slices.Contains(lost, node.Node) {
			text := coded(node.Refusals[0])
			if n[text]++; n[text] == 1 {
				texts = append(texts, text)
			}
		}
	}
	slices.SortFunc(texts, func(a, b string) int { return cmp.Or(cmp.Compare(n[b], n[a]), cmp.Compare(a, b)) })
	for i, text := range texts {
		texts[i] = fmt.Sprintf("%d %s", n[text], text)
	}
	return strings.Join(texts, "; ")
}
