package dispersion

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	corev1helpers "k8s.io/component-helpers/scheduling/corev1"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/shoal-dev/shoal/slots"
)

// seen is a node of the snapshot, and its generation when it was last looked at.
type seen struct {
	info       *framework.NodeInfo
	generation int64
}

// mark is what else tells whether a node of the snapshot has changed.
type mark struct {
	pods   int
	last   fwk.PodInfo
	number int
}

// node is a node as it was last seen.
type node struct {
	name     string
	info     *framework.NodeInfo // nil for a node that is not in the snapshot
	object   *corev1.Node
	host     string
	off      bool                // out of service
	at       int                 // its place in the snapshot's list when that was taken in
	noted    int                 // the cycle in which it was noted last; 0 once it is no longer asked
	pods     []tenant            // in the order of the snapshot
	requests requested           // of its pods, when it was looked at
	all      int                 // slots of all groups
	promised map[slots.Group]int // those that only a claim holds
}

// tenant is a pod on a node.
type tenant struct {
	info     fwk.PodInfo
	pod      *corev1.Pod // nil for a pod of no group
	group    int32       // see index.id
	priority int32
}

// scan finds the nodes of the snapshot that have changed.
func (x *index) scan(list []fwk.NodeInfo, thorough bool) {
	x.stir.scanned(list)
	if len(list) != len(x.marks) {
		x.relist(list)
		return
	}
	for i, listed := range list {
		info, ok := listed.(*framework.NodeInfo)
		if !ok || info != x.seen[i].info {
			x.relist(list)
			return
		}
		if info.Generation != x.seen[i].generation || thorough && x.marks[i].reassumed(info) {
			x.look(i)
		}
	}
}

// reassumed reports whether pods were assumed on the node, or forgotten, in the snapshot alone.
func (m *mark) reassumed(info *framework.NodeInfo) bool {
	n := len(info.Pods)
	return n != m.pods || n > 0 && info.Pods[n-1] != m.last
}

// relist takes in a snapshot whose list of nodes is another one.
func (x *index) relist(list []fwk.NodeInfo) {
	x.renumber(len(list))
	x.enroll(list)
	before := make(map[int]int, len(x.marks))
	for i, m := range x.marks {
		before[m.number] = i
	}
	marks, known := x.marks, x.seen
	x.marks, x.seen = make([]mark, 0, len(list)), make([]seen, 0, len(list))
	for _, listed := range list {
		info, ok := listed.(*framework.NodeInfo)
		if !ok { // the snapshot holds nothing else
			continue
		}
		number := x.number(info.Node().Name)
		m, s := mark{number: number}, seen{info, -1}
		if i, there := before[number]; there && known[i].info == info {
			m, s = marks[i], known[i]
		}
		delete(before, number)
		x.nodes[number].at = len(x.marks)
		x.marks, x.seen = append(x.marks, m), append(x.seen, s)
	}
	for number := range before { // the order does not matter: each is a node of its own
		x.gone(number)
	}
	for i, s := range x.seen {
		if s.generation != s.info.Generation || x.marks[i].reassumed(s.info) {
			x.look(i)
		}
	}
	x.stir.askAnew(x.nodes)
}

// renumber starts anew when most numbers belong to nodes that are long gone.
func (x *index) renumber(live int) {
	if len(x.nodes) > 2*live+1024 {
		x.reset()
	}
}

// enroll numbers nodes that are new by their names, one of each zone after the other. Of equally good nodes a plan takes those of
// lower numbers: in the order of the snapshot, which also goes from zone to zone and otherwise is that of their arrival, the plan
// would be another one after every restart, and in kubectl-shoal. Nodes that come later have higher numbers until the next start.
func (x *index) enroll(list []fwk.NodeInfo) {
	fresh := map[string][]string{} // by zone
	most := 0
	for _, info := range list {
		if node := info.Node(); !x.has(node.Name) {
			zone := node.Labels[corev1.LabelTopologyZone]
			fresh[zone] = append(fresh[zone], node.Name)
			most = max(most, len(fresh[zone]))
		}
	}
	zones := slices.Sorted(maps.Keys(fresh))
	for _, zone := range zones {
		slices.Sort(fresh[zone])
	}
	for i := range most {
		zones = slices.DeleteFunc(zones, func(zone string) bool { return i >= len(fresh[zone]) })
		for _, zone := range zones {
			x.number(fresh[zone][i])
		}
	}
}

func (x *index) has(name string) bool {
	_, there := x.names[name]
	return there
}

// number is the number of a node, a new one if it has none.
func (x *index) number(name string) int {
	number, there := x.names[name]
	if !there {
		number = len(x.nodes)
		x.names[name] = number
		x.nodes = append(x.nodes, &node{name: name})
	}
	return number
}

// look takes in a node that has changed.
func (x *index) look(i int) {
	info, m := x.seen[i].info, &x.marks[i]
	x.seen[i].generation = info.Generation
	m.pods, m.last = len(info.Pods), nil
	if m.pods > 0 {
		m.last = info.Pods[m.pods-1]
	}
	n := x.nodes[m.number]
	n.info = info
	object := info.Node()
	told := object != n.object || n.requests.differs(info)
	if object != n.object {
		x.setObject(n, object)
	}
	came, left, others := x.take(n, info.Pods)
	for _, pod := range came {
		x.comes(pod)
	}
	for _, pod := range left {
		if !slices.Contains(came, pod) { // it may only have another place in the list
			x.goes(pod)
		}
	}
	x.missed(n.name, info.Pods)
	if told || others { // a pod that is shown bound is the one that was assumed
		x.changes.add(m.number)
	}
}

// gone takes in that a node is no longer in the snapshot.
func (x *index) gone(number int) {
	n := x.nodes[number]
	_, left, _ := x.take(n, nil)
	n.info, n.requests = nil, requested{}
	x.setObject(n, nil)
	for _, pod := range left {
		x.goes(pod)
	}
	x.orphaned(n.name, left)
	x.missed(n.name, nil)
	x.changes.add(number)
}

// take replaces the pods of a node, and returns those of groups that were not in the same place of the list before, and those
// that are no longer, and whether others mean anything else to a view. Most pods of a node that has changed are the same as before.
func (x *index) take(n *node, infos []fwk.PodInfo) (came, left []*corev1.Pod, others bool) {
	others = len(infos) != len(n.pods)
	for i, info := range infos {
		if i < len(n.pods) && n.pods[i].info == info {
			continue
		}
		now := tenant{info: info}
		if pod := info.GetPod(); grouped(pod.Labels) {
			if i < len(n.pods) && x.again(&n.pods[i], info, pod) {
				continue
			}
			now.pod, now.priority = pod, corev1helpers.PodPriority(pod)
			group, _ := slots.GroupOf(pod.Namespace, pod.Labels)
			now.group = x.id(group)
			came = append(came, pod)
		}
		if i == len(n.pods) {
			n.pods = append(n.pods, now)
			continue
		}
		was := n.pods[i]
		if was.pod != nil {
			left = append(left, was.pod)
		}
		others = others || (was.pod == nil) != (now.pod == nil) || was.group != now.group || was.priority != now.priority
		n.pods[i] = now
	}
	for _, gone := range n.pods[len(infos):] {
		if gone.pod != nil {
			left = append(left, gone.pod)
		}
	}
	clear(n.pods[len(infos):])
	n.pods = n.pods[:len(infos)]
	return came, left, others
}

// id is the number of a group.
func (x *index) id(g slots.Group) int32 {
	id, there := x.ids[g]
	if !there {
		id = int32(len(x.ids))
		x.ids[g] = id
	}
	return id
}

// setObject replaces the Node, and looks again at the slots that depend on what has changed about it.
func (x *index) setObject(n *node, object *corev1.Node) {
	host := ""
	if object != nil {
		host = object.Labels[corev1.LabelHostname]
	}
	off := slots.OutOfService(object)
	same := (object == nil) == (n.object == nil) && host == n.host && off == n.off
	n.object = object
	if same {
		return
	}
	old := n.host
	n.host, n.off = host, off
	if old != host {
		x.rehost(n.name, old, host)
	}
	x.ledger.TouchNode(n.name, old, host)
}

func (x *index) rehost(name, before, after string) {
	if before != "" {
		if x.hosts[before] = slices.DeleteFunc(x.hosts[before], func(n string) bool { return n == name }); len(x.hosts[before]) == 0 {
			delete(x.hosts, before)
		}
	}
	if after != "" {
		x.hosts[after] = append(x.hosts[after], name)
		slices.Sort(x.hosts[after])
	}
}

// Get returns the node of that name, nil when the snapshot has none.
func (x *index) Get(name string) *corev1.Node {
	if number, there := x.names[name]; there {
		return x.nodes[number].object
	}
	return nil
}

// ByHostname returns the name of the node with that hostname label, "" when there is none.
func (x *index) ByHostname(value string) string {
	if names := x.hosts[value]; len(names) > 0 {
		return names[0]
	}
	return ""
}
