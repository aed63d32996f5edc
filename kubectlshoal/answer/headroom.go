package answer

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/kubectlshoal/snapshot"
	"github.com/shoal-dev/shoal/kubectlshoal/trial"
	"github.com/shoal-dev/shoal/placement"
	"github.com/shoal-dev/shoal/slots"
)

const shardLabel = v1alpha1.LabelShard

// HeadroomKind marks the JSON form of a Headroom; its schema is docs/schemas/headroom.v1.json.
const HeadroomKind = "Headroom"

// Headroom is how many more instances fit, for each group of a file.
type Headroom struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	// GroupedBy is the label by which nodes are grouped.
	GroupedBy  string      `json:"groupedBy"`
	Groups     []GroupRoom `json:"groups"`
	Scheduler  string      `json:"scheduler"`
	Incomplete []string    `json:"incomplete,omitempty"`
}

// GroupRoom is how many more instances of one group fit, or of one set that is in no group.
type GroupRoom struct {
	Sets []string `json:"sets"`
	// Fits is how many instances fit beyond those that have a place; of these, Outstanding are wanted already: they wait, or are
	// still to be created. AtLeast is set when more may fit: no more were tried.
	Fits        int  `json:"fits"`
	AtLeast     bool `json:"atLeast"`
	Outstanding int  `json:"outstanding"`
	// RoomFor is how many would fit by free room, taints, node affinity and the limits of the group alone.
	RoomFor int `json:"roomFor"`
	// ShardSize is the number of instances that come together; 0 for one by one.
	ShardSize int `json:"shardSize"`
	// AskEach is what one instance asks for.
	AskEach string `json:"askEach"`
	// Refusal is what the scheduler says to the next instance when something else than RoomFor counts limits; First is empty then.
	Refusal string `json:"refusal,omitempty"`
	// First are what limits first: each, were it lifted alone, would let more instances fit; the one that gives most first.
	First []Bound `json:"first"`
	// ByGroup is how many would fit if only the nodes of one group were used.
	ByGroup []GroupSpace `json:"byGroup"`
	// Nodes that may be used, and those that may not: cordoned, tainted, or excluded by affinity.
	Usable   int `json:"usable"`
	Unusable int `json:"unusable"`
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
	// AtLeast is set when more may fit: no more were tried.
	AtLeast bool `json:"atLeast"`
}

// Bad reports whether of a group not even the instances fit that are wanted already.
func (h *Headroom) Bad() bool { return slices.ContainsFunc(h.Groups, GroupRoom.bad) }

func (r GroupRoom) bad() bool { return r.Fits < r.Outstanding && !r.open() }

// open reports whether all that were tried of those that are wanted already fit, and the others were not tried.
func (r GroupRoom) open() bool { return r.Fits < r.Outstanding && r.AtLeast && r.Refusal == "" }

// Partial reports whether something could not be read, or was not tried, on which the answer may depend.
func (h *Headroom) Partial() bool {
	return len(h.Incomplete) > 0 || slices.ContainsFunc(h.Groups, GroupRoom.open)
}

// HeadroomFor says how many more instances of the sets of a file fit, group by group, each as if it were alone. It counts on the
// room that is free now, with the limits of the group, and places instances like those of the set's own template one by one
// with the scheduler, tries of them at most; 0 for a bound that keeps the time at about a minute.
func HeadroomFor(ctx context.Context, c *snapshot.Cluster, config *trial.Config, file *snapshot.Cluster, namespace, groupBy string, tries int) (*Headroom, error) {
	h := &Headroom{APIVersion: ExplainVersion, Kind: HeadroomKind, GroupedBy: groupBy, Groups: []GroupRoom{}, Scheduler: config.Source}
	h.Incomplete = slices.Concat(c.Unreadable, config.Unread)
	units := unitsOf(file, namespace)
	if len(units) == 0 {
		units = []unit{{file: file}} // apply says what is missing
	}
	for _, u := range units {
		n, err := newCounting(config, c, u, namespace, tries)
		if err != nil {
			return nil, err
		}
		r, err := roomOf(ctx, n, groupBy)
		if err != nil {
			return nil, err
		}
		h.Groups = append(h.Groups, *r)
	}
	return h, nil
}

func roomOf(ctx context.Context, n *counting, groupBy string) (*GroupRoom, error) {
	r := &GroupRoom{Sets: n.wanted.names, ShardSize: n.wanted.shardSize, Outstanding: len(n.outstanding), First: []Bound{}, ByGroup: []GroupSpace{}}
	limits := placement.Limits{}
	if policy := snapshot.Find(n.after.Policies, n.own.Namespace, n.own.Policy); n.grouped && policy != nil {
		limits = slots.LimitsOf(policy.Spec.PlacementLimits, replicasOf(policy))
	}
	g := groundFor(n.after, n.own, n.next)
	r.AskEach = textOf(g.room.Request())
	r.RoomFor = g.capacity(limits, r.ShardSize, g.size, nil)
	r.Fits = r.RoomFor
	plain, few := n.plain(), r.RoomFor <= n.tries && r.Outstanding <= n.tries
	var err error
	if !plain && !few {
		if plain, err = n.apart(ctx, &g); err != nil {
			return nil, err
		}
		r.Fits = g.capacity(limits, r.ShardSize, g.size, nil)
	}
	if !plain || few {
		var refused *trial.Verdict
		if r.Fits, r.AtLeast, refused, err = n.fits(ctx, r.RoomFor); err != nil {
			return nil, err
		}
		if refused != nil && (r.Fits < r.RoomFor || r.AtLeast) {
			r.Refusal = whyNot(*refused, nil)
		}
	}
	if r.Refusal == "" && !r.AtLeast {
		r.bounds(g, limits)
	}
	r.byGroup(g, limits, groupBy)
	if plain && r.Refusal == "" {
		return r, nil
	}
	for i := range r.ByGroup {
		s := &r.ByGroup[i]
		if s.Fits, s.AtLeast, err = n.alone(ctx, groupBy, s.Group, s.Fits, n.tries/len(r.ByGroup)); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// bounds lifts each limit and each dimension alone, and keeps those that would help.
func (r *GroupRoom) bounds(g ground, l placement.Limits) {
	try := func(what string, nodes int, l placement.Limits, size placement.Amounts) {
		if fits := g.capacity(l, r.ShardSize, size, nil); fits > r.Fits {
			r.First = append(r.First, Bound{what, nodes, fits})
		}
	}
	without := l
	without.MaxPerNode = 0
	try(fmt.Sprintf("maxInstancesPerNode %d", l.MaxPerNode), 0, without, g.size)
	without = l
	without.MaxNodes = 0
	try(fmt.Sprintf("maxNodes %d", l.MaxNodes), 0, without, g.size)
	if r.ShardSize > 0 {
		without = l
		without.MaxPerShard = 0
		try(fmt.Sprintf("at most %d of a shard on one node", l.MaxPerShard), 0, without, g.size)
	}
	for d := range g.size {
		size := slices.Clone(g.size)
		size[d] = 0
		try(g.titles[d], g.scarcest(d), l, size)
	}
	slices.SortStableFunc(r.First, func(a, b Bound) int { return cmp.Compare(b.Fits, a.Fits) })
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

func (r *GroupRoom) byGroup(g ground, l placement.Limits, groupBy string) {
	nodes := map[string]int{}
	label := func(i int) string {
		if g.nodes[i] == nil {
			return ""
		}
		return g.nodes[i].Labels[groupBy]
	}
	for i, m := range g.machines {
		if m.Unusable {
			r.Unusable++
			continue
		}
		r.Usable++
		nodes[label(i)]++
	}
	for _, group := range sortedKeys(nodes) {
		fits := g.capacity(l, r.ShardSize, g.size, func(i int) bool { return label(i) == group })
		r.ByGroup = append(r.ByGroup, GroupSpace{Group: group, Nodes: nodes[group], Fits: fits})
	}
}

// Print writes the headroom for people. Its error is that of out.
func (h *Headroom) Print(out io.Writer, p Paint, wide bool) error {
	for i := range h.Groups {
		if i > 0 {
			fmt.Fprintln(out)
		}
		if err := h.Groups[i].print(out, p, wide); err != nil {
			return err
		}
	}
	return printIncomplete(out, h.Incomplete)
}

func (r *GroupRoom) print(out io.Writer, p Paint, wide bool) error {
	answer := fmt.Sprintf("%s fit", count(r.Fits, "more instance"))
	if r.AtLeast {
		answer = "at least " + answer
	}
	if r.ShardSize > 1 {
		answer += fmt.Sprintf(", in shards of %d", r.ShardSize)
	}
	if r.bad() {
		answer = p.bad(answer)
	}
	fmt.Fprintf(out, "%s: %s", strings.Join(r.Sets, ", "), answer)
	switch {
	case r.open():
		fmt.Fprintf(out, "; %d of the set are still to come, of which no more were tried", r.Outstanding)
	case r.Outstanding > 0:
		fmt.Fprintf(out, "; %d of the set are still to come, so %d beyond those", r.Outstanding, max(0, r.Fits-r.Outstanding))
	}
	fmt.Fprintf(out, "\nEach asks for %s. %s may be used, %d may not (cordoned, tainted, or excluded by affinity).\n", r.AskEach, count(r.Usable, "node"), r.Unusable)
	if r.AtLeast || r.Refusal != "" {
		fmt.Fprintf(out, "\n%s\n", r.rules())
	}
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	if r.Refusal == "" && !r.AtLeast {
		r.printBounds(table, wide)
	}
	if len(r.ByGroup) > 1 {
		fmt.Fprintf(table, "\n%s\tNODES\tFIT THERE ALONE\n", "GROUP OF NODES")
		for _, g := range r.ByGroup {
			fits := manyAs(g.Fits)
			if g.AtLeast {
				fits = "at least " + fits
			}
			fmt.Fprintf(table, "%s\t%d\t%s\n", cmp.Or(g.Group, "(none)"), g.Nodes, fits)
		}
	}
	return table.Flush()
}

// rules says what limits where free room and the limits of the group are not all.
func (r *GroupRoom) rules() string {
	room := fmt.Sprintf("would allow %d", r.RoomFor)
	if r.RoomFor >= placement.MaxReplicas/2 {
		room = "set no limit"
	}
	if r.Refusal == "" {
		return fmt.Sprintf("No more were tried (--tries raises that); free room and the limits of the group alone %s.", room)
	}
	return fmt.Sprintf("Limits first: the next one would wait: %s\nFree room and the limits of the group alone %s.", r.Refusal, room)
}

func (r *GroupRoom) printBounds(table io.Writer, wide bool) {
	fmt.Fprintln(table, "\nLIMITS FIRST\tSCARCEST ON\tWITHOUT IT WOULD FIT")
	for i, b := range r.First {
		if i == 3 && !wide {
			break
		}
		on := "-"
		if b.Nodes > 0 {
			on = count(b.Nodes, "node")
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", b.What, on, manyAs(b.Fits))
	}
	if len(r.First) == 0 {
		fmt.Fprintln(table, "several things at once\t-\tlifting one alone helps nothing")
	}
}

// manyAs is a number of instances; without any limit it would be meaningless.
func manyAs(n int) string {
	if n >= placement.MaxReplicas/2 {
		return "no limit"
	}
	return fmt.Sprint(n)
}
