package fidelity

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

var upstreamPlugin = regexp.MustCompile(`^[A-Z][A-Za-z]+: `)

// Told is how kube-scheduler's message begins for what `kubectl shoal plan` says of a pod that waits: it has no names of plugins, and counts
// each reason of a node that has several.
func Told(why string, nodes int) string {
	counts := map[string]int{}
	for _, part := range strings.Split(why, "; ") {
		n := 0
		if _, err := fmt.Sscanf(part, "%d ", &n); err != nil {
			return fmt.Sprintf("0/%d nodes are available: %s.", nodes, upstreamPlugin.ReplaceAllString(why, "")) // before any node was looked at
		}
		text := strings.TrimLeft(part, "0123456789 ")
		texts := []string{text}
		if upstreamPlugin.MatchString(text) {
			texts = strings.Split(upstreamPlugin.ReplaceAllString(text, ""), ", ")
		}
		for _, text := range texts {
			counts[text] += n
		}
	}
	var reasons []string
	for text, n := range counts {
		reasons = append(reasons, fmt.Sprintf("%d %s", n, text))
	}
	slices.Sort(reasons)
	return fmt.Sprintf("0/%d nodes are available: %s.", nodes, strings.Join(reasons, ", "))
}
