package placement

import (
	"fmt"
	"strings"
)

// Advice says in one sentence what would let the whole group be placed, in the words of a PlacementPolicy: exact numbers
// where the nodes of today allow some, and otherwise the least that arithmetic demands. It is empty when nothing is missing.
// The status of a policy and the event of a pod that waits both say this.
func (a Assessment) Advice() string {
	var ways []string
	if a.NeedMaxNodes > 0 {
		ways = append(ways, fmt.Sprintf("maxNodes %d%s", a.NeedMaxNodes, at(a.limits.MaxPerNode, " at maxInstancesPerNode %d")))
	}
	if a.NeedPerNode > 0 {
		ways = append(ways, fmt.Sprintf("maxInstancesPerNode %d%s", a.NeedPerNode, at(a.limits.MaxNodes, " on %d "+plural(a.limits.MaxNodes, "node"))))
	}
	if len(ways) == 0 && a.LimitsTooTight {
		k, m := a.limits.MaxNodes, a.limits.MaxPerNode
		ways = append(ways, fmt.Sprintf("at least maxNodes %d or maxInstancesPerNode %d", (a.replicas+m-1)/m, (a.replicas+k-1)/k))
	}
	if a.NeedNewNodes > 0 {
		ways = append(ways, fmt.Sprintf("%d more %s with room for %d", a.NeedNewNodes, plural(a.NeedNewNodes, "node"), a.NewNodeRoom))
	}
	if len(ways) == 0 {
		if a.Feasible {
			return ""
		}
		ways = append(ways, "more or larger nodes")
	}
	text := "needs " + strings.Join(ways, ", or ")
	if a.Cordoned == 0 {
		return text
	}
	text += fmt.Sprintf("; %d %s cordoned", a.Cordoned, plural(a.Cordoned, "node is"))
	switch {
	case a.NeedUncordoned == 0:
		return text
	case a.Cordoned == 1:
		return text + ", which would be enough"
	}
	return text + fmt.Sprintf(", %d of them would be enough", a.NeedUncordoned)
}

// TooTight says in one sentence how far the limits of a group are from its replicas, if LimitsTooTight.
func (a Assessment) TooTight() string {
	k, m := a.limits.MaxNodes, a.limits.MaxPerNode
	return fmt.Sprintf("%d nodes of at most %d instances hold %d of %d replicas", k, m, k*m, a.replicas)
}

// Shortage says in one sentence how much of a mixed group has no place in a packing: left of the replicas, and of these how many
// have none in any packing. The status of a policy and the event of a pod that waits both say this.
func Shortage(left, replicas, least int) string {
	return fmt.Sprintf("found no place for %d of %d replicas, which ask for different amounts; %d of them cannot be placed in any way", left, replicas, least)
}

func at(limit int, format string) string {
	if limit == 0 {
		return ""
	}
	return fmt.Sprintf(format, limit)
}

// plural is the noun, and the verb after it, for that many.
func plural(n int, noun string) string {
	if n == 1 {
		return noun
	}
	word, verb, _ := strings.Cut(noun, " ")
	if verb == "is" {
		return word + "s are"
	}
	return word + "s"
}
