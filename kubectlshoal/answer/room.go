package answer

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/shoal-dev/shoal/kubectlshoal/snapshot"
	"github.com/shoal-dev/shoal/placement"
	"github.com/shoal-dev/shoal/slots"
)

// ground is the nodes of a cluster as instances like one pod see them, for package placement.
type ground struct {
	room     slots.Room
	names    []string // of machines
	machines []placement.Machine
	nodes    []*corev1.Node // of machines; nil for one that was deleted and still holds instances
	size     placement.Amounts
	titles   []string // of the dimensions
}

// groundFor is the ground of a group. Room that absent instances of the group will need for their volumes is taken off.
func groundFor(c *snapshot.Cluster, group slots.Group, example *corev1.Pod) ground {
	g := ground{room: slots.RoomFor(example), titles: []string{"cpu", "memory", "ephemeral-storage", "pods"}}
	request := g.room.Request()
	extended := sortedKeys(request.Extended)
	for _, name := range extended {
		g.titles = append(g.titles, string(name))
	}
	amounts := func(a slots.Amount) placement.Amounts {
		list := placement.Amounts{a.MilliCPU, a.Memory, a.EphemeralStorage, a.Pods}
		for _, name := range extended {
			list = append(list, a.Extended[name])
		}
		return list
	}
	g.size = amounts(request)
	held := heldBy(c, group)
	perNode, requested := slots.PerNode(held), c.Requested()
	for _, s := range held {
		if s.Pod == nil {
			requested[s.Node] = requested[s.Node].Plus(request)
		}
	}
	for _, n := range c.Nodes {
		g.names, g.nodes = append(g.names, n.Name), append(g.nodes, n)
		g.machines = append(g.machines, placement.Machine{
			Held: perNode[n.Name], Free: amounts(slots.AmountOf(n.Status.Allocatable).Minus(requested[n.Name])), Unusable: !g.room.Usable(n),
		})
	}
	for _, name := range sortedKeys(perNode) {
		if snapshot.Find(c.Nodes, "", name) == nil {
			g.names, g.nodes = append(g.names, name), append(g.nodes, nil)
			g.machines = append(g.machines, placement.Machine{Held: perNode[name], Free: make(placement.Amounts, len(g.size)), Unusable: true})
		}
	}
	return g
}

// capacity is how many more instances fit on the nodes that use allows; nil allows all.
func (g ground) capacity(l placement.Limits, shardSize int, size placement.Amounts, use func(int) bool) int {
	machines := slices.Clone(g.machines)
	for i := range machines {
		machines[i].Unusable = machines[i].Unusable || use != nil && !use(i)
	}
	return placement.Capacity(machines, l, shardSize, size)
}
