package answer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/kubectlshoal/snapshot"
	"github.com/shoal-dev/shoal/kubectlshoal/trial"
	"github.com/shoal-dev/shoal/slots"
)

// PlanKind marks the JSON form of a Plan; its schema is docs/schemas/placementplan.v1.json.
const PlanKind = "PlacementPlan"

// Plan is what would become of sets.
type Plan struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Sets       []string `json:"sets"`
	// Existing instances stay where they are, Waiting ones exist without a node, and New would be created, also in place of pods that have
	// ended. Of Waiting and New, Placed find a node, and Refused do not.
	Existing int `json:"existing"`
	Waiting  int `json:"waiting"`
	New      int `json:"new"`
	Placed   int `json:"placed"`
	Refused  int `json:"refused"`
	// Foreign are pods of the sets that no scheduler of Shoal places: they are in none of these numbers.
	Foreign []ForeignPods `json:"foreign,omitempty"`
	// Certain is false when the scheduler may choose otherwise; Uncertain and Incomplete say why.
	Certain   bool     `json:"certain"`
	Uncertain []string `json:"uncertain,omitempty"`
	// NodesUsed is how many nodes hold instances of the groups in the end, or pods of sets without a group, and PerNode how many each of them.
	NodesUsed int            `json:"nodesUsed"`
	PerNode   []NodeFill     `json:"perNode"`
	Instances []PlanInstance `json:"instances"`
	Refusals  []PlanRefusal  `json:"refusals"`
	// Advice is what the scheduler says about the whole group.
	Advice     string   `json:"advice,omitempty"`
	Scheduler  string   `json:"scheduler"`
	Incomplete []string `json:"incomplete,omitempty"`
}

// ForeignPods are pods of a set that ask for another scheduler.
type ForeignPods struct {
	Set       string `json:"set"`
	Scheduler string `json:"scheduler"`
	Pods      int    `json:"pods"`
}

func (f ForeignPods) String() string {
	return fmt.Sprintf("%s: %s for the scheduler %s, which knows nothing of placement groups: set schedulerName of the pods to %s",
		f.Set, count(f.Pods, "pod")+" "+map[bool]string{true: "asks", false: "ask"}[f.Pods == 1], f.Scheduler, v1alpha1.SchedulerName)
}

// Why a plan may come otherwise.
const (
	equalNodes = "Some nodes are equally good: others may be taken than those named here, with the same numbers."
	hasBegun   = "A part of %s is placed: the scheduler goes on with the plan that it made when the group began, and one that has just started " +
		"makes a new one, as here. Nodes may be others, and their numbers too."
	ofOrder  = "Instances of %s come at once, in any order: others may wait than those named here, as many and for the same reasons."
	ofShards = "Instances of %s come at once, in any order, which decides where siblings are: others may wait than those named here, and for other " +
		"rules, and other nodes may be taken, with the same numbers."
	ofSizes = "Instances of %s ask for different amounts, and which of them the scheduler knows when it places the first depends on how fast they " +
		"come. Nodes and numbers may be others, and also how many wait."
)

// NodeFill is what a node holds of the groups before and after.
type NodeFill struct {
	Node   string `json:"node"`
	Before int    `json:"before"`
	After  int    `json:"after"`
}

// PlanInstance is an instance that waits or is new, and its node, "" for one that would wait.
type PlanInstance struct {
	Instance string `json:"instance"`
	Shard    string `json:"shard,omitempty"`
	Node     string `json:"node,omitempty"`
}

// PlanRefusal is why instances wait: those that hear the same stand together.
type PlanRefusal struct {
	Instances []string `json:"instances"`
	Why       string   `json:"why"`
}

// Bad reports whether an instance would wait, or is not for Shoal to place.
func (p *Plan) Bad() bool { return p.Refused > 0 || len(p.Foreign) > 0 }

// Partial reports whether something could not be read on which the answer may depend.
func (p *Plan) Partial() bool { return len(p.Incomplete) > 0 }

// PlanSets says what would become of the sets of a file: the pods that wait already, and then those that their controllers would
// create, ask the scheduler in the order of their ordinals. It knows all of them from the beginning or, with oneByOne, each when the one
// before has its answer.
func PlanSets(ctx context.Context, c *snapshot.Cluster, config *trial.Config, file *snapshot.Cluster, namespace string, oneByOne bool) (*Plan, error) {
	after, w, err := apply(c, file, namespace)
	if err != nil {
		return nil, err
	}
	p := &Plan{
		APIVersion: ExplainVersion, Kind: PlanKind, Sets: w.names, Existing: len(w.placed), Waiting: len(w.waiting), New: len(w.pods),
		Foreign: w.foreign, PerNode: []NodeFill{}, Instances: []PlanInstance{}, Refusals: []PlanRefusal{}, Scheduler: config.Source,
		Incomplete: slices.Concat(c.Unreadable, config.Unread),
	}
	before := heldOf(c, w)
	s, err := trial.New(ctx, config, after)
	if err != nil {
		return nil, err
	}
	own, _ := w.group()
	if err := s.Consider(ctx, after, own); err != nil {
		return nil, err
	}
	for _, claim := range w.claims {
		after.Put(claim)
		if err := s.Put(claim); err != nil {
			return nil, err
		}
	}
	p.foresee(c, after, w, oneByOne)
	waiters, err := p.placeAll(ctx, s, after, w, oneByOne)
	if err == nil && !oneByOne {
		waiters, err = p.settle(ctx, s, after, waiters)
		p.doubtOrder(after, w)
	}
	if err != nil {
		return nil, err
	}
	p.refuse(waiters)
	p.Certain = len(p.Uncertain) == 0 && len(p.Incomplete) == 0
	p.PerNode = fills(before, heldOf(after, w))
	for _, n := range p.PerNode {
		if n.After > 0 {
			p.NodesUsed++
		}
	}
	return p, nil
}

// doubt notes, once, why the plan may come otherwise.
func (p *Plan) doubt(why string) {
	if !slices.Contains(p.Uncertain, why) {
		p.Uncertain = append(p.Uncertain, why)
	}
}

// foresee notes why the scheduler may choose otherwise, before it is asked.
func (p *Plan) foresee(before, after *snapshot.Cluster, w *wanted, oneByOne bool) {
	first := map[slots.Group]slots.Amount{}
	for _, pod := range w.all() {
		g, grouped := slots.GroupOf(pod.Namespace, pod.Labels)
		policy := snapshot.Find(after.Policies, g.Namespace, g.Policy)
		if !grouped || policy == nil {
			continue
		}
		name, asked := nameOf(g), slots.RequestOf(pod)
		other, seen := first[g]
		switch {
		case seen && !oneByOne && !asked.Equal(other):
			p.doubt(fmt.Sprintf(ofSizes, name))
		case !seen:
			if first[g] = asked; plans(policy, pod) && len(heldBy(before, g)) > 0 {
				p.doubt(fmt.Sprintf(hasBegun, name))
			}
		}
	}
}

func nameOf(g slots.Group) string { return "group " + g.Namespace + "/" + cmp.Or(g.Policy, g.Cluster) }

// plans reports whether the scheduler may keep a plan for a group: it does not where only the number of instances per node limits, and the
// emptiest node is as good as any.
func plans(policy *v1alpha1.PlacementPolicy, pod *corev1.Pod) bool {
	l := slots.LimitsOf(policy.Spec.PlacementLimits, replicasOf(policy))
	return l.MaxNodes > 0 || l.MaxPerShard > 0 && pod.Labels[shardLabel] != "" || policy.Spec.Mode == v1alpha1.PlacementStrict
}

// heldOf is how many instances of the groups of the sets each node holds, and how many pods of the sets without a group.
func heldOf(c *snapshot.Cluster, w *wanted) map[string]int {
	groups, loose := map[slots.Group]bool{}, map[string]int{}
	for _, pod := range slices.Concat(w.placed, w.all()) {
		if g, grouped := slots.GroupOf(pod.Namespace, pod.Labels); grouped {
			groups[g] = true
			continue
		}
		if now := snapshot.Find(c.Pods, pod.Namespace, pod.Name); now != nil && now.Spec.NodeName != "" && !snapshot.Ended(now) {
			loose[now.Spec.NodeName]++
		}
	}
	perNode := slots.PerNode(slices.DeleteFunc(slots.Count(c.World()), func(s slots.Slot) bool { return !groups[s.Group] }))
	for node, n := range loose {
		perNode[node] += n
	}
	return perNode
}

func fills(before, after map[string]int) []NodeFill {
	list := []NodeFill{}
	for _, node := range sortedKeys(after) {
		list = append(list, NodeFill{node, before[node], after[node]})
	}
	return list
}

// errNoExample is returned where there is nothing whose size could be counted with.
var errNoExample = errors.New("the set wants no instance that does not exist already: raise its replicas, so that there is one to count with")
