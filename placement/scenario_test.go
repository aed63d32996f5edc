package placement

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestScenarios runs testdata/scenarios. The verbs:
//
//	group M=3 K=4 m=1 shards=2 replicas=12     the limits, and what the group wants
//	nodes 3x free=2, 1x held=1 free=1          the nodes it sees; instances with a slot are taken off the remaining ones
//	guard                                      which nodes it may open
//	assess                                     whether it can be completed, and what would help
//	place                                      places the rest, always on the smallest node that is allowed
//	rows 2x remaining=3, 1x remaining=1 held=0,2   the shards; held are nodes by index; they replace what nodes said of held
//	plan                                       how many instances each node gets, and where the shards' copies go
func TestScenarios(t *testing.T) {
	datadriven.Walk(t, "testdata/scenarios", func(t *testing.T, path string) {
		var g Group
		replicas := 0
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "group":
				g, replicas = Group{}, 0
				scan(t, d, map[string]*int{"M": &g.MaxPerNode, "K": &g.MaxNodes, "m": &g.MaxPerShard, "shards": &g.Shards, "replicas": &replicas})
				return "ok"
			case "nodes":
				g.Nodes = parseNodes(t, d.Input)
				g.Remaining = replicas
				for _, n := range g.Nodes {
					g.Remaining -= n.Held
				}
				return fmt.Sprintf("%d nodes, %d instances remain", len(g.Nodes), g.Remaining)
			case "guard":
				return describe(NewGuard(g))
			case "assess":
				return describeAssessment(Assess(g, replicas))
			case "place":
				return place(&g, smallestFirst, d.HasArg("unguarded"))
			case "rows":
				return parseRows(t, &g, d.Input)
			case "plan":
				return describePlan(NewPlan(g))
			}
			t.Fatalf("%s: unknown command %q", d.Pos, d.Cmd)
			return ""
		})
	})
}

func scan(t *testing.T, d *datadriven.TestData, into map[string]*int) {
	t.Helper()
	for _, arg := range d.CmdArgs {
		target, known := into[arg.Key]
		if !known {
			t.Fatalf("%s: unknown argument %q", d.Pos, arg.Key)
		}
		n, err := strconv.Atoi(arg.Vals[0])
		if err != nil {
			t.Fatalf("%s: %v", d.Pos, err)
		}
		*target = n
	}
}

func parseNodes(t *testing.T, input string) []Node {
	t.Helper()
	var nodes []Node
	for line := range strings.SplitSeq(strings.TrimSpace(input), "\n") {
		var times int
		var n Node
		for _, word := range strings.Fields(line) {
			var err error
			switch key, value, _ := strings.Cut(word, "="); {
			case strings.HasSuffix(word, "x"):
				times, err = strconv.Atoi(strings.TrimSuffix(word, "x"))
			case word == "unusable":
				n.Unusable = true
			case word == "cordoned":
				n.Unusable, n.Cordoned = true, true
			case key == "held":
				n.Held, err = strconv.Atoi(value)
			case key == "free":
				n.Free, err = strconv.Atoi(value)
			case key == "load":
				n.Load, err = strconv.Atoi(value)
			default:
				err = fmt.Errorf("unknown word %q", word)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		for range times {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

func parseRows(t *testing.T, g *Group, input string) string {
	t.Helper()
	g.Rows, g.Remaining = nil, 0
	for line := range strings.SplitSeq(strings.TrimSpace(input), "\n") {
		var times int
		var row Row
		for _, word := range strings.Fields(line) {
			var err error
			switch key, value, _ := strings.Cut(word, "="); {
			case strings.HasSuffix(word, "x"):
				times, err = strconv.Atoi(strings.TrimSuffix(word, "x"))
			case key == "remaining":
				row.Remaining, err = strconv.Atoi(value)
			case key == "held":
				for node := range strings.SplitSeq(value, ",") {
					n, convErr := strconv.Atoi(node)
					err = convErr
					row.Held = append(row.Held, n)
				}
			default:
				err = fmt.Errorf("unknown word %q", word)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		for range times {
			g.Rows = append(g.Rows, row)
			g.Remaining += row.Remaining
			for _, n := range row.Held {
				g.Nodes[n].Held++
			}
		}
	}
	g.Shards = len(g.Rows)
	return fmt.Sprintf("%d shards, %d instances remain", g.Shards, g.Remaining)
}

func describePlan(p Plan) string {
	text := fmt.Sprintf("quotas %v, at most %d", p.Quota, p.Level)
	if p.Unplaceable > 0 {
		text += fmt.Sprintf(", %d without a node", p.Unplaceable)
	}
	for j, row := range p.Rows {
		text += fmt.Sprintf("\nshard %d: %v", j, row)
	}
	return text
}

func describeAssessment(a Assessment) string {
	text := fmt.Sprintf("fewest nodes %d, %d without a place", a.FewestNodes, a.Unplaceable)
	if advice := a.Advice(); advice != "" {
		text += "\n" + advice
	}
	return text
}

func describe(g Guard) string {
	need := fmt.Sprintf("with room for %d or more", g.Need)
	if g.Need <= 1 {
		need = "of any size"
	}
	if g.Openable == 0 {
		return fmt.Sprintf("%d can be placed; no further node may be opened", g.Reachable)
	}
	return fmt.Sprintf("%d can be placed; %d more nodes may be opened, now one %s", g.Reachable, g.Openable, need)
}

// place puts the remaining instances one after the other on a node that choose picks among the allowed ones.
func place(g *Group, choose func(allowed []int, g Group) int, unguarded bool) string {
	placed := 0
	for g.Remaining > 0 {
		allowed := allowedNodes(*g, unguarded)
		if len(allowed) == 0 {
			return fmt.Sprintf("%d placed, stuck with %d", placed, g.Remaining)
		}
		i := choose(allowed, *g)
		g.Nodes[i].Held++
		g.Nodes[i].Free--
		g.Remaining--
		placed++
	}
	return fmt.Sprintf("%d placed, none remains", placed)
}

func allowedNodes(g Group, unguarded bool) []int {
	guard, used := NewGuard(g), 0
	for _, n := range g.Nodes {
		if n.Held > 0 {
			used++
		}
	}
	var allowed []int
	for i, n := range g.Nodes {
		c := g.Capacity(n)
		switch {
		case c == 0:
		case n.Held > 0, guard.Opens(c), unguarded && (g.MaxNodes == 0 || used < g.MaxNodes):
			allowed = append(allowed, i)
		}
	}
	return allowed
}

func smallestFirst(allowed []int, g Group) int {
	best := allowed[0]
	for _, i := range allowed {
		if g.Capacity(g.Nodes[i]) < g.Capacity(g.Nodes[best]) {
			best = i
		}
	}
	return best
}
