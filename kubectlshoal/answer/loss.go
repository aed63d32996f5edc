package answer

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/kubectlshoal/snapshot"
	"github.com/shoal-dev/shoal/kubectlshoal/trial"
	"github.com/shoal-dev/shoal/placement"
	"github.com/shoal-dev/shoal/slots"
	"github.com/shoal-dev/shoal/spelling"
)

// LossKind marks the JSON form of a Loss; its schema is docs/schemas/nodeloss.v1.json.
const LossKind = "NodeLoss"

// Loss is what the loss of nodes takes, if they never come back.
type Loss struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Nodes      []string `json:"nodes"`
	// Groups that lose instances, the one that loses shards first, then by name.
	Groups []GroupLoss `json:"groups"`
	// OtherPods is how many pods of no group run there.
	OtherPods int `json:"otherPods"`
	// Rivals want the room at the same time in which instances could be rebuilt.
	Rivals     Rivals   `json:"rivals"`
	Scheduler  string   `json:"scheduler"`
	Incomplete []string `json:"incomplete,omitempty"`
}

// GroupLoss is what one group loses.
type GroupLoss struct {
	Namespace string `json:"namespace"`
	Group     string `json:"group"`
	// Replicas wanted, Instances that hold a slot now, Lost of them and that in percent of the replicas.
	Replicas  int `json:"replicas"`
	Instances int `json:"instances"`
	Lost      int `json:"lost"`
	Percent   int `json:"percent"`
	// ShardsHit lose at least one instance, ShardsGone their last.
	Shards     int `json:"shards"`
	ShardsHit  int `json:"shardsHit"`
	ShardsGone int `json:"shardsGone"`
	// ShardsDown lose one, and all others that they have are on nodes that are down already, which DownNodes names with their states.
	ShardsDown int      `json:"shardsDown"`
	DownNodes  []string `json:"downNodes,omitempty"`
	// MajorityHit says that the lost nodes hold instances of so many shards that the majority of masters may be there.
	MajorityHit bool `json:"majorityHit"`
	// Rebuild is rebuild.mode of the set, "" for a group without an InstanceSet.
	Rebuild   string         `json:"rebuild,omitempty"`
	Losses    []LostInstance `json:"losses"`
	CanReturn int            `json:"canReturn"`
	// RoomLeft is how many instances like these still fit on the other nodes, within the limits.
	RoomLeft int `json:"roomLeft"`
}

// LostInstance is one instance on a lost node.
type LostInstance struct {
	Instance string `json:"instance"`
	Node     string `json:"node"`
	Shard    string `json:"shard,omitempty"`
	// Volumes are local to the node, and lost with it.
	Volumes []string `json:"volumes"`
	// LastCopy says that no instance of its shard is elsewhere, on a node that is up.
	LastCopy bool `json:"lastCopy"`
	// Returns is the node on which the scheduler would place it, "" for none; then Why says why.
	Returns string `json:"returns,omitempty"`
	Why     string `json:"why,omitempty"`
}

// Bad reports whether data is lost for good, or would be with nodes that are down, or an instance has no place to return to.
func (l *Loss) Bad() bool {
	return slices.ContainsFunc(l.Groups, func(g GroupLoss) bool { return g.ShardsGone+g.ShardsDown > 0 || g.CanReturn < g.Lost })
}

// Partial reports whether something could not be read, or was not tried, on which the answer may depend.
func (l *Loss) Partial() bool { return len(l.Incomplete) > 0 || l.Rivals.Untried > 0 }

// LoseNodes says what the loss of nodes takes, and where the instances could be rebuilt.
func LoseNodes(ctx context.Context, c *snapshot.Cluster, config *trial.Config, names []string) (*Loss, error) {
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	all := slots.Count(c.World())
	for _, name := range names {
		held := slices.ContainsFunc(all, func(s slots.Slot) bool { return s.Node == name }) // also on a node that was deleted
		if !held && snapshot.Find(c.Nodes, "", name) == nil {
			return nil, fmt.Errorf("there is no node %s%s", name, alikeNode(c, name))
		}
	}
	l := &Loss{APIVersion: ExplainVersion, Kind: LossKind, Nodes: names, Groups: []GroupLoss{}, Scheduler: config.Source}
	l.Incomplete = slices.Concat(c.Unreadable, config.Unread)
	gone := func(node string) bool { return slices.Contains(names, node) }
	byGroup := map[slots.Group][]slots.Slot{}
	for _, s := range all {
		byGroup[s.Group] = append(byGroup[s.Group], s)
	}
	for _, pod := range c.Pods {
		if _, grouped := slots.GroupOf(pod.Namespace, pod.Labels); !grouped && gone(pod.Spec.NodeName) && !snapshot.Ended(pod) {
			l.OtherPods++
		}
	}
	groups := make([]slots.Group, 0, len(byGroup))
	for g, held := range byGroup { // sorted below
		if slices.ContainsFunc(held, func(s slots.Slot) bool { return gone(s.Node) }) {
			groups = append(groups, g)
		}
	}
	slices.SortFunc(groups, func(a, b slots.Group) int { return cmp.Compare(a.String(), b.String()) })
	for _, g := range groups {
		l.Groups = append(l.Groups, groupLoss(c, g, byGroup[g], gone))
	}
	if err := l.returning(ctx, c, config, groups); err != nil {
		return nil, err
	}
	slices.SortStableFunc(l.Groups, func(a, b GroupLoss) int {
		return cmp.Or(cmp.Compare(b.ShardsGone, a.ShardsGone), cmp.Compare(b.ShardsDown, a.ShardsDown))
	})
	return l, nil
}

func alikeNode(c *snapshot.Cluster, name string) string {
	var near []string
	for _, n := range c.Nodes {
		if spelling.Distance(n.Name, name) <= 2 {
			near = append(near, n.Name)
		}
	}
	return meant(near)
}

func groupLoss(c *snapshot.Cluster, g slots.Group, held []slots.Slot, gone func(string) bool) GroupLoss {
	loss := GroupLoss{Namespace: g.Namespace, Group: cmp.Or(g.Policy, g.Cluster), Instances: instances(held), Losses: []LostInstance{}}
	loss.Replicas = loss.Instances
	policy := snapshot.Find(c.Policies, g.Namespace, g.Policy)
	if policy != nil {
		loss.Replicas = max(replicasOf(policy), loss.Instances)
	}
	places, nodes, shards := make([]placement.Place, 0, len(held)), map[string]int{}, map[string]int{}
	lost := map[int]bool{}
	for _, s := range held {
		p := placement.Place{Node: numberOf(nodes, s.Node), Shard: -1}
		if s.Shard != "" {
			p.Shard = numberOf(shards, s.Shard)
		}
		lost[p.Node] = gone(s.Node)
		places = append(places, p)
	}
	blast := placement.LossOf(places, loss.Replicas, func(n int) bool { return lost[n] })
	loss.Lost, loss.Percent = blast.Instances, blast.Percent
	loss.Shards, loss.ShardsHit, loss.ShardsGone = len(shards), blast.Shards, blast.LastInstances
	loss.MajorityHit = blast.HoldsMajority(len(shards))
	if len(shards) == 0 && loss.Lost == loss.Instances {
		loss.ShardsGone = 1 // without shards, the group is one
	}
	left := loss.copiesLeft(c, held, gone)
	for _, s := range held {
		if gone(s.Node) {
			loss.Losses = append(loss.Losses, LostInstance{
				Instance: s.Instance.Name, Node: s.Node, Shard: s.Shard, LastCopy: !left[s.Shard], Volumes: localVolumes(c, s),
			})
			if set := setOf(c, s); set != nil {
				loss.Rebuild = string(cmp.Or(set.Spec.Rebuild.Mode, v1alpha1.RebuildManual))
			}
		}
	}
	return loss
}

// copiesLeft says which shards keep a copy on a node that is up, and counts those that are hit and keep copies only on nodes that are
// down: whether these come back, nobody knows.
func (loss *GroupLoss) copiesLeft(c *snapshot.Cluster, held []slots.Slot, gone func(string) bool) map[string]bool {
	left, hit, down := map[string]bool{}, map[string]bool{}, map[string]map[string]bool{}
	for _, s := range held {
		switch state := downState(c, s.Node); {
		case gone(s.Node):
			hit[s.Shard] = true
		case state == "":
			left[s.Shard] = true
		default:
			if down[s.Shard] == nil {
				down[s.Shard] = map[string]bool{}
			}
			down[s.Shard][s.Node+" ("+state+")"] = true
		}
	}
	nodes := map[string]bool{}
	for shard, names := range down { // sorted below
		if !hit[shard] || left[shard] || shard == "" && loss.Shards > 0 {
			continue
		}
		loss.ShardsDown++
		maps.Copy(nodes, names)
	}
	loss.DownNodes = sortedKeys(nodes)
	return left
}

// downState is why the pods on a node may be dead, "" when they need not be. A node that says nothing about itself is up: files that
// people write have no conditions.
func downState(c *snapshot.Cluster, name string) string {
	node := snapshot.Find(c.Nodes, "", name)
	if node == nil {
		return "deleted"
	}
	if slots.OutOfService(node) {
		return "out of service"
	}
	silent := slices.ContainsFunc(node.Spec.Taints, func(t corev1.Taint) bool {
		return t.Key == corev1.TaintNodeUnreachable || t.Key == corev1.TaintNodeNotReady
	})
	if silent || slices.ContainsFunc(node.Status.Conditions, notReady) {
		return "not ready"
	}
	return ""
}

func numberOf(numbers map[string]int, name string) int {
	n, known := numbers[name]
	if !known {
		n = len(numbers)
		numbers[name] = n
	}
	return n
}

// setOf is the InstanceSet of a slot's instance, nil for none.
func setOf(c *snapshot.Cluster, s slots.Slot) *v1alpha1.InstanceSet {
	i := strings.LastIndexByte(s.Instance.Name, '-')
	if i < 0 {
		return nil
	}
	return snapshot.Find(c.Sets, s.Instance.Namespace, s.Instance.Name[:i])
}

// localVolumes are the volumes of an instance that are local to its node.
func localVolumes(c *snapshot.Cluster, s slots.Slot) []string {
	volumes, world := []string{}, c.World()
	for _, claim := range claimsOf(c, s) {
		volume := world.Volume(claim.Spec.VolumeName)
		if volume != nil && slots.NodeOfVolume(volume, world.Nodes) == s.Node {
			volumes = append(volumes, volume.Name)
		}
	}
	return volumes
}

// claimsOf are the claims that the pod of a slot mounts, or, while there is none, that hold the slot.
func claimsOf(c *snapshot.Cluster, s slots.Slot) []*corev1.PersistentVolumeClaim {
	var claims []*corev1.PersistentVolumeClaim
	if s.Pod != nil {
		for _, name := range slots.ClaimNames(s.Pod) {
			if claim := snapshot.Find(c.Claims, s.Pod.Namespace, name); claim != nil {
				claims = append(claims, claim)
			}
		}
		return claims
	}
	for _, claim := range c.Claims {
		set, ordinal := claim.Labels[v1alpha1.LabelInstanceSet], claim.Labels[v1alpha1.LabelOrdinal]
		if claim.Namespace == s.Instance.Namespace && set+"-"+ordinal == s.Instance.Name {
			claims = append(claims, claim)
		}
	}
	return claims
}

// roomLeft is how many instances like the lost ones fit on what is left, those that want to return included.
func roomLeft(c *snapshot.Cluster, g slots.Group, losses []LostInstance) int {
	var example *corev1.Pod
	for _, lost := range losses {
		if example = snapshot.Find(c.Pods, g.Namespace, lost.Instance); example != nil {
			break
		}
	}
	if example == nil {
		return 0
	}
	limits := placement.Limits{}
	if policy := snapshot.Find(c.Policies, g.Namespace, g.Policy); policy != nil {
		limits = slots.LimitsOf(policy.Spec.PlacementLimits, replicasOf(policy))
	}
	ground := groundFor(c, g, example)
	return ground.capacity(limits, 0, ground.size, nil)
}
