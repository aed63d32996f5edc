package answer

import (
	"cmp"
	"context"
	"errors"
	"slices"

	corev1 "k8s.io/api/core/v1"

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
	// Certain is false when an instance could as well go to another node of the same score. The numbers per node hold then,
	// the names of nodes need not.
	Certain bool `json:"certain"`
	// NodesUsed is how many nodes hold instances in the end, and PerNode how many each of them.
	NodesUsed int            `json:"nodesUsed"`
	PerNode   []NodeFill     `json:"perNode"`
	Instances []PlanInstance `json:"instances"`
	Refusals  []PlanRefusal  `json:"refusals"`
	// Advice is what the scheduler says about the whole group.
	Advice     string   `json:"advice,omitempty"`
	Scheduler  string   `json:"scheduler"`
	Incomplete []string `json:"incomplete,omitempty"`
}

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

// Bad reports whether an instance would wait.
func (p *Plan) Bad() bool { return p.Refused > 0 }

// Partial reports whether something could not be read on which the answer may depend.
func (p *Plan) Partial() bool { return len(p.Incomplete) > 0 }

// PlanSets says what would become of the sets of a file: the pods that wait already, and then those that their controllers would
// create, are given to the scheduler one by one, in the order of their ordinals.
func PlanSets(ctx context.Context, c *snapshot.Cluster, config *trial.Config, file *snapshot.Cluster, namespace string) (*Plan, error) {
	after, w, err := apply(c, file, namespace)
	if err != nil {
		return nil, err
	}
	p := &Plan{
		APIVersion: ExplainVersion, Kind: PlanKind, Sets: w.names, Existing: w.exist, Waiting: len(w.waiting), New: len(w.pods), Certain: true,
		PerNode: []NodeFill{}, Instances: []PlanInstance{}, Refusals: []PlanRefusal{}, Scheduler: config.Source, Incomplete: c.Unreadable,
	}
	before := slots.PerNode(ofGroups(c, w.all()))
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
	for _, pod := range w.waiting {
		if err := p.place(ctx, s, after, pod); err != nil {
			return nil, err
		}
	}
	for _, pod := range w.pods {
		if err := create(s, after, pod); err != nil {
			return nil, err
		}
		if err := p.place(ctx, s, after, pod); err != nil {
			return nil, err
		}
	}
	p.PerNode = fills(before, slots.PerNode(ofGroups(after, w.all())))
	for _, n := range p.PerNode {
		if n.After > 0 {
			p.NodesUsed++
		}
	}
	return p, nil
}

// create makes a pod, in place of the one of its name.
func create(s *trial.Scheduler, after *snapshot.Cluster, pod *corev1.Pod) error {
	if old := snapshot.Find(after.Pods, pod.Namespace, pod.Name); old != nil {
		if err := s.Remove(old); err != nil {
			return err
		}
		pod.UID = old.UID + "-again"
	}
	after.Put(pod)
	return s.Put(pod)
}

// place finds a node for one pod.
func (p *Plan) place(ctx context.Context, s *trial.Scheduler, after *snapshot.Cluster, pod *corev1.Pod) error {
	v, err := s.Place(ctx, pod)
	if err != nil {
		return err
	}
	p.Instances = append(p.Instances, PlanInstance{Instance: pod.Name, Shard: pod.Labels[shardLabel], Node: v.Node})
	if v.Node == "" {
		p.Refused++
		p.Advice = cmp.Or(v.Advice, p.Advice)
		why := whyNot(v, nil)
		i := slices.IndexFunc(p.Refusals, func(r PlanRefusal) bool { return r.Why == why })
		if i < 0 {
			i, p.Refusals = len(p.Refusals), append(p.Refusals, PlanRefusal{Why: why})
		}
		p.Refusals[i].Instances = append(p.Refusals[i].Instances, pod.Name)
		return nil
	}
	p.Placed++
	p.Certain = p.Certain && v.Equals == 1
	bound := pod.DeepCopy()
	bound.Spec.NodeName = v.Node
	after.Put(bound)
	return nil
}

// ofGroups are the slots of the groups to which pods belong.
func ofGroups(c *snapshot.Cluster, pods []*corev1.Pod) []slots.Slot {
	groups := map[slots.Group]bool{}
	for _, pod := range pods {
		if g, grouped := slots.GroupOf(pod.Namespace, pod.Labels); grouped {
			groups[g] = true
		}
	}
	return slices.DeleteFunc(slots.Count(c.World()), func(s slots.Slot) bool { return !groups[s.Group] })
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
