package answer

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	corev1 "k8s.io/api/core/v1"
	defaults "k8s.io/kubernetes/pkg/apis/core/v1"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/kubectlshoal/snapshot"
	"github.com/shoal-dev/shoal/placement"
	"github.com/shoal-dev/shoal/podspec"
	"github.com/shoal-dev/shoal/slots"
)

const shardLabel = v1alpha1.LabelShard

// HeadroomKind marks the JSON form of a Headroom; its schema is docs/schemas/headroom.v1.json.
const HeadroomKind = "Headroom"

// Headroom is how many more instances fit.
type Headroom struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Sets       []string `json:"sets"`
	// Fits is how many instances fit beyond those that have a place; of these, Outstanding are wanted already.
	Fits        int `json:"fits"`
	Outstanding int `json:"outstanding"`
	// ShardSize is the number of instances that come together; 0 for one by one.
	ShardSize int `json:"shardSize"`
	// AskEach is what one instance asks for.
	AskEach string `json:"askEach"`
	// First are what limits first: each, were it lifted alone, would let more instances fit; the one that gives most first.
	First []Bound `json:"first"`
	// ByGroup is how many would fit if only the nodes of one group were used.
	GroupedBy string       `json:"groupedBy"`
	ByGroup   []GroupSpace `json:"byGroup"`
	// Nodes that may be used, and those that may not: cordoned, tainted, or excluded by affinity.
	Usable     int      `json:"usable"`
	Unusable   int      `json:"unusable"`
	Incomplete []string `json:"incomplete,omitempty"`
}

// Bound is something that limits.
type Bound struct {
	What string `json:"what"`
	// Nodes on which it is the scarcest, 0 for a limit of the group.
	Nodes int `json:"nodes"`
	// Fits is how many would fit without it.
	Fits int `json:"fits"`
}

// GroupSpace is how many instances fit on the nodes of one node group.
type GroupSpace struct {
	Group string `json:"group"`
	Nodes int    `json:"nodes"`
	Fits  int    `json:"fits"`
}

// Bad reports whether not even the instances fit that are wanted already.
func (h *Headroom) Bad() bool { return h.Fits < h.Outstanding }

// Partial reports whether something could not be read on which the answer may depend.
func (h *Headroom) Partial() bool { return len(h.Incomplete) > 0 }

// HeadroomFor says how many more instances of a set fit. It counts on the room that is free now, with the limits of the
// group, and with instances like those of the set's own template.
func HeadroomFor(c *snapshot.Cluster, file *snapshot.Cluster, namespace, groupBy string) (*Headroom, error) {
	after, w, err := apply(c, file, namespace)
	if err != nil {
		return nil, err
	}
	example := w.example(file)
	if example == nil {
		return nil, errNoExample
	}
	group, _ := slots.GroupOf(example.Namespace, example.Labels)
	limits := placement.Limits{}
	h := &Headroom{APIVersion: ExplainVersion, Kind: HeadroomKind, Sets: w.names, ShardSize: w.shardSize, First: []Bound{}, GroupedBy: groupBy, ByGroup: []GroupSpace{}, Incomplete: c.Unreadable}
	if policy := snapshot.Find(after.Policies, group.Namespace, group.Policy); policy != nil {
		limits = slots.LimitsOf(policy.Spec.PlacementLimits, replicasOf(policy))
		h.Outstanding = max(0, replicasOf(policy)-instances(heldBy(after, group)))
	}
	g := groundFor(after, group, example)
	h.AskEach = textOf(g.room.Request())
	h.Fits = g.capacity(limits, w.shardSize, g.size, nil)
	h.bounds(g, limits)
	h.byGroup(g, limits)
	return h, nil
}

// example is a pod of the set's own template, whether it exists already or not.
func (w *wanted) example(file *snapshot.Cluster) *corev1.Pod {
	if len(w.pods) > 0 {
		return w.pods[len(w.pods)-1] // templates of their own come first
	}
	if len(file.Sets) == 0 {
		return nil
	}
	set, instance := file.Sets[0], podspec.Instance{}
	switch {
	case set.Spec.PlacementPolicyRef != nil:
		instance.Policy = set.Spec.PlacementPolicyRef.Name
	case set.Spec.Placement != nil:
		instance.Policy = set.Name
	}
	pod := podspec.Pod(set, instance)
	defaults.SetObjectDefaults_Pod(pod)
	return pod
}

// bounds lifts each limit and each dimension alone, and keeps those that would help.
func (h *Headroom) bounds(g ground, l placement.Limits) {
	try := func(what string, nodes int, l placement.Limits, size placement.Amounts) {
		if fits := g.capacity(l, h.ShardSize, size, nil); fits > h.Fits {
			h.First = append(h.First, Bound{what, nodes, fits})
		}
	}
	without := l
	without.MaxPerNode = 0
	try(fmt.Sprintf("maxInstancesPerNode %d", l.MaxPerNode), 0, without, g.size)
	without = l
	without.MaxNodes = 0
	try(fmt.Sprintf("maxNodes %d", l.MaxNodes), 0, without, g.size)
	if h.ShardSize > 0 {
		without = l
		without.MaxPerShard = 0
		try(fmt.Sprintf("at most %d of a shard on one node", l.MaxPerShard), 0, without, g.size)
	}
	for d := range g.size {
		size := slices.Clone(g.size)
		size[d] = 0
		try(g.titles[d], g.scarcest(d), l, size)
	}
	slices.SortStableFunc(h.First, func(a, b Bound) int { return cmp.Compare(b.Fits, a.Fits) })
}

// scarcest is on how many usable nodes a dimension allows fewer instances than any other.
func (g ground) scarcest(d int) int {
	n := 0
	for _, m := range g.machines {
		size := slices.Clone(g.size)
		size[d] = 0
		if !m.Unusable && placement.Times(m.Free, size) > placement.Times(m.Free, g.size) {
			n++
		}
	}
	return n
}

func (h *Headroom) byGroup(g ground, l placement.Limits) {
	nodes := map[string]int{}
	label := func(i int) string {
		if g.nodes[i] == nil {
			return ""
		}
		return g.nodes[i].Labels[h.GroupedBy]
	}
	for i, m := range g.machines {
		if m.Unusable {
			h.Unusable++
			continue
		}
		h.Usable++
		nodes[label(i)]++
	}
	for _, group := range sortedKeys(nodes) {
		fits := g.capacity(l, h.ShardSize, g.size, func(i int) bool { return label(i) == group })
		h.ByGroup = append(h.ByGroup, GroupSpace{group, nodes[group], fits})
	}
}

// Print writes the headroom for people. Its error is that of out.
func (h *Headroom) Print(out io.Writer, p Paint, wide bool) error {
	answer := fmt.Sprintf("%s fit", count(h.Fits, "more instance"))
	if h.ShardSize > 1 {
		answer += fmt.Sprintf(", in shards of %d", h.ShardSize)
	}
	if h.Bad() {
		answer = p.bad(answer)
	}
	fmt.Fprintf(out, "%s: %s", strings.Join(h.Sets, ", "), answer)
	if h.Outstanding > 0 {
		fmt.Fprintf(out, "; %d of the set are still to come, so %d beyond those", h.Outstanding, max(0, h.Fits-h.Outstanding))
	}
	fmt.Fprintf(out, "\nEach asks for %s. %s may be used, %d may not (cordoned, tainted, or excluded by affinity).\n", h.AskEach, count(h.Usable, "node"), h.Unusable)
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "\nLIMITS FIRST\tSCARCEST ON\tWITHOUT IT WOULD FIT")
	for i, b := range h.First {
		if i == 3 && !wide {
			break
		}
		on := "-"
		if b.Nodes > 0 {
			on = count(b.Nodes, "node")
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", b.What, on, manyAs(b.Fits))
	}
	if len(h.First) == 0 {
		fmt.Fprintln(table, "several things at once\t-\tlifting one alone helps nothing")
	}
	if len(h.ByGroup) > 1 {
		fmt.Fprintf(table, "\n%s\tNODES\tFIT THERE ALONE\n", "GROUP OF NODES")
		for _, g := range h.ByGroup {
			fmt.Fprintf(table, "%s\t%d\t%d\n", cmp.Or(g.Group, "(none)"), g.Nodes, g.Fits)
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	return printIncomplete(out, h.Incomplete)
}

// manyAs is a number of instances; without any limit it would be meaningless.
func manyAs(n int) string {
	if n >= placement.MaxReplicas/2 {
		return "no limit"
	}
	return fmt.Sprint(n)
}
