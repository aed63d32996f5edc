package simulation

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/placement"
	"github.com/shoal-dev/shoal/slots"
)

// place is where an instance holds a slot.
type place struct {
	instance slots.Instance
	node     string
}

// usage is what a group uses: its slots, each with its shard.
type usage map[place]string

// perNode are the instances on each node, and perShard those of each shard on each node.
func (u usage) perNode() (nodes map[string]int, shards map[[2]string]int) {
	nodes, shards = map[string]int{}, map[[2]string]int{}
	for at, shard := range u {
		nodes[at.node]++
		if shard != "" {
			shards[[2]string{at.node, shard}]++
		}
	}
	return nodes, shards
}

// and is what is in one of them.
func (u usage) and(v usage) usage {
	all := maps.Clone(u)
	if all == nil {
		all = usage{}
	}
	maps.Copy(all, v)
	return all
}

// decision is what the scheduler knew when it chose a node for a pod that is not bound yet.
type decision struct {
	instance slots.Instance
	policy   *v1alpha1.PlacementPolicy
	usage    usage
}

// limits: never more instances on a node than M, nodes than K, copies of a shard on a node. A limit that was lowered below
// what is in use is no violation, going further on any node is.
func (c *checker) limits(policyChanged bool) {
	now := usageIn(c.w.truth)
	byName := func(a, b slots.Group) int { return cmp.Compare(a.Namespace+"/"+a.Policy, b.Namespace+"/"+b.Policy) }
	for _, g := range slices.SortedFunc(maps.Keys(now), byName) {
		used := now[g]
		if policyChanged || c.anyUsage || maps.Equal(used, c.usage[g]) {
			continue
		}
		p, there := find[*v1alpha1.PlacementPolicy](c.w, types.NamespacedName{Namespace: g.Namespace, Name: g.Policy})
		if !there {
			continue
		}
		if err := exceeded(p, c.usage[g], used); err != "" && !c.couldNotKnow(p, c.usage[g], used) {
			c.fail("limits", "%s", err)
		}
	}
	c.usage = now
	for uid, d := range c.decided {
		if d.isDone(c.w, uid) {
			delete(c.decided, uid)
		}
	}
}

// usageIn is what the slots of each group use, in the truth or in what a process knows of it.
func usageIn(of map[reflect.Type]*informer) map[slots.Group]usage {
	world := slots.World{
		Pods: listed[*corev1.Pod](of), Claims: listed[*corev1.PersistentVolumeClaim](of), Nodes: slots.NewNodeMap(listed[*corev1.Node](of)),
		Volume: func(name string) *corev1.PersistentVolume {
			v, there, _ := of[reflect.TypeFor[*corev1.PersistentVolume]()].GetIndexer().GetByKey(name)
			if !there {
				return nil
			}
			return v.(*corev1.PersistentVolume)
		},
	}
	now := map[slots.Group]usage{}
	for _, s := range slots.Count(world) {
		if now[s.Group] == nil {
			now[s.Group] = usage{}
		}
		now[s.Group][place{s.Instance, s.Node}] = s.Shard
	}
	return now
}

// decides notes what the scheduler knows when it has chosen a node for a pod: between that and the binding, which may wait for
// a volume, limits may be lowered. What the group uses matters only when it is beyond its limits already: then a node is one of
// its nodes, and takes another instance, for as long as the scheduler has not heard that the last one there has gone.
func (c *checker) decides(pod *corev1.Pod) {
	group, grouped := slots.GroupOf(pod.Namespace, pod.Labels)
	if !grouped {
		return
	}
	seen, there, _ := c.w.placer.replicas[reflect.TypeFor[*v1alpha1.PlacementPolicy]()].GetIndexer().GetByKey(group.Namespace + "/" + group.Policy)
	if !there {
		return
	}
	d := decision{instance: slots.InstanceOfPod(pod), policy: seen.(*v1alpha1.PlacementPolicy)}
	if exceeded(d.policy, nil, c.usage[group]) != "" {
		d.usage = usageIn(c.w.placer.replicas)[group]
	}
	c.decided[pod.UID] = d
}

// isDone reports whether nothing will follow from the decision any more.
func (d decision) isDone(w *World, pod types.UID) bool {
	for _, p := range all[*corev1.Pod](w) {
		if p.UID == pod {
			return p.Spec.NodeName != ""
		}
	}
	return true
}

// couldNotKnow reports whether the group is within limits that were lowered a moment ago, as the scheduler knows them now, or
// as it knew them when it chose the node of an instance that has a slot now and had none before.
func (c *checker) couldNotKnow(p *v1alpha1.PlacementPolicy, before, now usage) bool {
	seen, there, _ := c.w.placer.replicas[reflect.TypeOf(p)].GetIndexer().Get(p)
	if there && exceeded(seen.(*v1alpha1.PlacementPolicy), before, now) == "" {
		return true
	}
	for _, d := range c.decided {
		came := func(at place) bool {
			_, had := before[at]
			return at.instance == d.instance && !had
		}
		if client.ObjectKeyFromObject(d.policy) != client.ObjectKeyFromObject(p) || exceeded(d.policy, before.and(d.usage), now) != "" {
			continue
		}
		if slices.ContainsFunc(slices.Collect(maps.Keys(now)), came) {
			return true
		}
	}
	return false
}

// exceeded says how a group went beyond its limits, "" if it did not.
func exceeded(p *v1alpha1.PlacementPolicy, before, now usage) (words string) {
	if p.Spec.Mode == v1alpha1.PlacementBestEffort {
		return ""
	}
	hadNodes, hadShards := before.perNode()
	nodes, shards := now.perNode()
	check := func(what string, limit, before, now int) {
		if limit > 0 && now > limit && now > before && words == "" {
			words = fmt.Sprintf("group %s: %d %s, at most %d are allowed", p.Name, now, what, limit)
		}
	}
	for _, node := range slices.Sorted(maps.Keys(nodes)) {
		check("instances on one node", perNodeLimit(p), hadNodes[node], nodes[node])
		if hadNodes[node] == 0 {
			check("nodes in use", int(deref(p.Spec.MaxNodes)), 0, len(nodes))
		}
	}
	for _, s := range p.Spec.ShardSpread {
		for at, n := range shards {
			check("instances of one shard on one node", int(s.Max), hadShards[at], n)
		}
	}
	return words
}

// perNodeLimit is M, 0 for none.
func perNodeLimit(p *v1alpha1.PlacementPolicy) int {
	m := p.Spec.MaxInstancesPerNode
	if m == nil {
		return 0
	}
	if m.Type != intstr.String {
		return m.IntValue()
	}
	percent, _ := strconv.Atoi(strings.TrimSuffix(m.StrVal, "%"))
	return placement.PercentOf(percent, int(deref(p.Spec.Replicas)))
}
