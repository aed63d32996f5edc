package slots

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// Ledger keeps the slots of a world that changes object by object. A change costs as much as the few instances that it
// concerns, however many there are. It gives the same slots as Count, which is a Ledger that is filled at once.
//
// It is told of pods and claims; volumes and nodes it looks up, and is told when one of them changed. It must not be used
// from several goroutines.
type Ledger struct {
	volume    func(name string) *corev1.PersistentVolume
	nodes     Nodes
	nominated func(*corev1.Pod) bool

	claims    map[claimKey]*corev1.PersistentVolumeClaim
	mounts    map[claimKey][]*corev1.Pod // the pods that mount a claim, by name
	instances map[Instance]*holding
	byVolume  map[string][]*holding // by the name of the volume that a claim names
	byHost    map[string][]*holding // by each name under which a node matters to an instance
	groups    map[Group]*Tally
	booked    func(slot Slot, by int)
}

// comparePods orders pods, so that what follows does not depend on the order in which they came.
func comparePods(a, b *corev1.Pod) int {
	return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.UID, b.UID))
}

// claimKey is namespace and name of a claim.
type claimKey struct{ namespace, name string }

// holding is what there is of one instance, and the slots that follow from it.
type holding struct {
	instance Instance
	pods     []*corev1.Pod // of a group, and not ended
	claims   []*corev1.PersistentVolumeClaim
	slots    []Slot
	volumes  []string // in byVolume
	hosts    []string // in byHost
}

// version is the place of a pod among those of its instance: as it was when it was put, and not its successor of the same name. It
// is -1 for one that is not known.
func (h *holding) version(pod *corev1.Pod) int {
	if h == nil {
		return -1
	}
	return slices.IndexFunc(h.pods, func(known *corev1.Pod) bool { return known.UID == pod.UID })
}

// Tally is what one group holds. It is only read.
type Tally struct {
	// Instances with at least one slot.
	Instances map[Instance][]Slot
	// PerNode is the number of slots on each node in use.
	PerNode map[string]int
	// PerShard is the same for each shard.
	PerShard map[string]map[string]int
	// Promised is the number of slots on each node that only a claim holds: their pods will come back and need the room.
	Promised map[string]int
}

// NewLedger makes an empty ledger. Nominated may be nil, see World.
func NewLedger(volume func(name string) *corev1.PersistentVolume, nodes Nodes, nominated func(*corev1.Pod) bool) *Ledger {
	return &Ledger{
		volume: volume, nodes: nodes, nominated: nominated,
		claims: map[claimKey]*corev1.PersistentVolumeClaim{}, mounts: map[claimKey][]*corev1.Pod{},
		instances: map[Instance]*holding{}, byVolume: map[string][]*holding{}, byHost: map[string][]*holding{},
		groups: map[Group]*Tally{},
	}
}

// OnBook calls f for every slot that is added (+1) or taken away (-1), after it was. A slot may be taken away and added
// again although nothing about it has changed.
func (l *Ledger) OnBook(f func(slot Slot, by int)) { l.booked = f }

// Group is the tally of a group, nil while it holds nothing.
func (l *Ledger) Group(g Group) *Tally { return l.groups[g] }

// PutPod adds a pod, or replaces what was known of it.
func (l *Ledger) PutPod(pod *corev1.Pod) {
	instance := InstanceOfPod(pod)
	h := l.instances[instance]
	n := h.version(pod)
	_, counts := GroupOf(pod.Namespace, pod.Labels)
	counts = counts && !Ended(pod)
	switch claims := ClaimNames(pod); {
	case n >= 0 && Interchangeable(h.pods[n], pod):
		l.exchange(h, n, pod)
	case n >= 0 && counts && slices.Equal(claims, ClaimNames(h.pods[n])): // most often it only got a node
		l.replace(h, n, pod)
		l.derive(h)
		for _, name := range claims { // one of them may be another instance's, by its labels
			if claim := l.claims[claimKey{pod.Namespace, name}]; claim != nil {
				if other := l.instances[instanceOfClaim(claim, l.mounter(claim))]; other != h {
					l.derive(other)
				}
			}
		}
	case !counts:
		l.takeOff(h, n)
		if n >= 0 {
			l.deriveAgain(instance)
		}
	default:
		l.takeOff(h, n)
		l.add(instance, pod, claims)
	}
}

// add adds a pod that is not known, with the claims that it mounts.
func (l *Ledger) add(instance Instance, pod *corev1.Pod, claims []string) {
	h := l.holding(instance)
	h.pods = append(h.pods, pod)
	slices.SortFunc(h.pods, comparePods)
	for _, name := range claims {
		l.remount(claimKey{pod.Namespace, name}, func(pods []*corev1.Pod) []*corev1.Pod {
			pods = append(pods, pod)
			slices.SortFunc(pods, comparePods)
			return pods
		})
	}
	l.derive(h)
}

// exchange puts a pod in place of the version of it from which the same slots follow.
func (l *Ledger) exchange(h *holding, version int, pod *corev1.Pod) {
	old := h.pods[version]
	l.replace(h, version, pod)
	for i := range h.slots {
		if h.slots[i].Pod != old {
			continue
		}
		h.slots[i].Pod = pod
		own := l.groups[h.slots[i].Group].Instances[h.instance]
		for j := range own {
			if own[j].Pod == old {
				own[j].Pod = pod
			}
		}
	}
}

// replace puts a pod in place of a version of it that mounts the same claims.
func (l *Ledger) replace(h *holding, version int, pod *corev1.Pod) {
	old := h.pods[version]
	h.pods[version] = pod
	for _, name := range ClaimNames(pod) {
		pods := l.mounts[claimKey{pod.Namespace, name}]
		if i := slices.Index(pods, old); i >= 0 {
			pods[i] = pod
		}
	}
}

// DropPod forgets a pod, known by its name and UID.
func (l *Ledger) DropPod(pod *corev1.Pod) {
	h := l.instances[InstanceOfPod(pod)]
	if n := h.version(pod); n >= 0 {
		l.takeOff(h, n)
		l.deriveAgain(h.instance)
	}
}

// deriveAgain derives an instance of which nothing may be left: its claims may have become others' with a pod.
func (l *Ledger) deriveAgain(i Instance) {
	if h := l.instances[i]; h != nil {
		l.derive(h)
	}
}

// takeOff forgets a pod, and leaves it to the caller to derive its instance anew. A version of -1 is none.
func (l *Ledger) takeOff(h *holding, version int) {
	if version < 0 {
		return
	}
	pod := h.pods[version]
	h.pods = slices.Delete(h.pods, version, version+1)
	for _, name := range ClaimNames(pod) {
		l.remount(claimKey{pod.Namespace, name}, func(pods []*corev1.Pod) []*corev1.Pod {
			return slices.DeleteFunc(pods, func(other *corev1.Pod) bool { return other == pod })
		})
	}
}

// remount changes which pods mount a claim. The claim may belong to another instance afterwards.
func (l *Ledger) remount(key claimKey, change func([]*corev1.Pod) []*corev1.Pod) {
	claim := l.claims[key]
	if claim != nil {
		l.detach(claim)
	}
	if l.mounts[key] = change(l.mounts[key]); len(l.mounts[key]) == 0 {
		delete(l.mounts, key)
	}
	if claim != nil {
		l.attach(claim)
	}
}

// PutClaim adds a claim, or replaces what was known of it.
func (l *Ledger) PutClaim(claim *corev1.PersistentVolumeClaim) {
	key := claimKey{claim.Namespace, claim.Name}
	if old := l.claims[key]; old != nil {
		l.detach(old)
	}
	l.claims[key] = claim
	l.attach(claim)
}

// Claim is a claim as it was put last, nil for none.
func (l *Ledger) Claim(namespace, name string) *corev1.PersistentVolumeClaim {
	return l.claims[claimKey{namespace, name}]
}

// DropClaim forgets a claim.
func (l *Ledger) DropClaim(namespace, name string) {
	key := claimKey{namespace, name}
	if claim := l.claims[key]; claim != nil {
		l.detach(claim)
		delete(l.claims, key)
	}
}

func (l *Ledger) attach(claim *corev1.PersistentVolumeClaim) {
	instance := instanceOfClaim(claim, l.mounter(claim))
	h := l.holding(instance)
	h.claims = append(h.claims, claim)
	slices.SortFunc(h.claims, func(a, b *corev1.PersistentVolumeClaim) int { return cmp.Compare(a.Name, b.Name) })
	l.derive(h)
}

func (l *Ledger) detach(claim *corev1.PersistentVolumeClaim) {
	instance := instanceOfClaim(claim, l.mounter(claim))
	if h := l.instances[instance]; h != nil {
		h.claims = slices.DeleteFunc(h.claims, func(c *corev1.PersistentVolumeClaim) bool { return c.Name == claim.Name })
		l.derive(h)
	}
}

// mounter is the pod that mounts a claim, nil when none of a group does.
func (l *Ledger) mounter(claim *corev1.PersistentVolumeClaim) *corev1.Pod {
	if pods := l.mounts[claimKey{claim.Namespace, claim.Name}]; len(pods) > 0 {
		return pods[0]
	}
	return nil
}

// TouchVolume is called when a volume came, changed or went.
func (l *Ledger) TouchVolume(name string) { l.deriveAll(l.byVolume[name]) }

// TouchNode is called when a node came or went, or its taints or its hostname label changed, with its name and the old
// and the new value of that label.
func (l *Ledger) TouchNode(names ...string) {
	for _, name := range names {
		l.deriveAll(l.byHost[name])
	}
}

func (l *Ledger) deriveAll(instances []*holding) {
	for _, h := range slices.Clone(instances) { // derive changes the list
		l.derive(h)
	}
}

func (l *Ledger) holding(i Instance) *holding {
	h := l.instances[i]
	if h == nil {
		h = &holding{instance: i}
		l.instances[i] = h
	}
	return h
}

// derive applies the rule to one instance: its slots come from its placed pods, and from those of its claims that do not go
// along with one of them.
func (l *Ledger) derive(h *holding) {
	i := h.instance
	l.book(h, -1)
	h.unlist(l.byVolume, h.volumes)
	h.unlist(l.byHost, h.hosts)
	h.slots, h.volumes, h.hosts = nil, nil, nil
	if len(h.pods)+len(h.claims) == 0 {
		delete(l.instances, i)
		return
	}
	for _, pod := range h.pods {
		node := l.nodeOf(pod)
		if node == "" {
			continue
		}
		h.hosts = append(h.hosts, node)
		if !Lost(pod.Labels, l.nodes.Get(node)) {
			group, _ := GroupOf(pod.Namespace, pod.Labels)
			h.slots = append(h.slots, Slot{i, group, pod.Labels[v1alpha1.LabelShard], node, pod})
		}
	}
	for _, claim := range h.claims {
		volume := l.volumeOf(claim)
		h.dependOn(claim, volume, l.nodes)
		if slot, ok := l.heldByClaim(i, claim, volume); ok && (Stays(claim, volume, l.nodes) || !l.follows(claim, slot)) {
			h.slots = append(h.slots, slot)
		}
	}
	slices.SortStableFunc(h.slots, compare)
	h.slots = slices.CompactFunc(h.slots, func(a, b Slot) bool { return compare(a, b) == 0 })
	l.book(h, +1)
	h.volumes, h.hosts = distinct(h.volumes), distinct(h.hosts)
	h.list(l.byVolume, h.volumes)
	h.list(l.byHost, h.hosts)
}

// distinct are the keys without "" and without those that stand there before.
func distinct(keys []string) []string {
	slices.Sort(keys)
	return slices.DeleteFunc(slices.Compact(keys), func(key string) bool { return key == "" })
}

// follows reports whether a claim goes along with a placed pod, which mounts it and is of the slot's instance and group. A
// pod that has no more than the name of the instance frees nothing: whoever may create pods could give places away.
func (l *Ledger) follows(claim *corev1.PersistentVolumeClaim, slot Slot) bool {
	for _, pod := range l.mounts[claimKey{claim.Namespace, claim.Name}] {
		group, _ := GroupOf(pod.Namespace, pod.Labels)
		if l.nodeOf(pod) != "" && group == slot.Group && InstanceOfPod(pod) == slot.Instance {
			return true
		}
	}
	return false
}

// Keeps reports whether a claim of the instance would hold the group's slot on the node if no pod of it were placed.
func (l *Ledger) Keeps(group Group, i Instance, node string) bool {
	return len(l.ClaimsAt(group, i, node)) > 0
}

// ClaimsAt are the claims of the instance that would hold the group's slot on the node if no pod of it were placed.
func (l *Ledger) ClaimsAt(group Group, i Instance, node string) []*corev1.PersistentVolumeClaim {
	h := l.instances[i]
	if h == nil {
		return nil
	}
	var claims []*corev1.PersistentVolumeClaim
	for _, claim := range h.claims {
		if slot, ok := l.heldByClaim(i, claim, l.volumeOf(claim)); ok && slot.Group == group && slot.Node == node {
			claims = append(claims, claim)
		}
	}
	return claims
}

func (l *Ledger) nodeOf(pod *corev1.Pod) string {
	if pod.Spec.NodeName != "" {
		return pod.Spec.NodeName
	}
	if l.nominated != nil && l.nominated(pod) {
		return pod.Status.NominatedNodeName
	}
	return ""
}

// Promised is the slot that a claim would hold if it were promised to the node: none if it is retired or lost, or goes along
// with a placed pod.
func (l *Ledger) Promised(claim *corev1.PersistentVolumeClaim, node string) (Slot, bool) {
	claim = claim.DeepCopy()
	claim.Spec.VolumeName, claim.Annotations = "", map[string]string{SelectedNode: node}
	slot, held := l.heldByClaim(instanceOfClaim(claim, l.mounter(claim)), claim, nil)
	return slot, held && !l.follows(claim, slot)
}

// volumeOf is the volume that a claim names, nil when it names none or the volume is unknown.
func (l *Ledger) volumeOf(claim *corev1.PersistentVolumeClaim) *corev1.PersistentVolume {
	if claim.Spec.VolumeName == "" {
		return nil
	}
	return l.volume(claim.Spec.VolumeName)
}

// dependOn notes what the slot of a claim depends on.
func (h *holding) dependOn(claim *corev1.PersistentVolumeClaim, volume *corev1.PersistentVolume, nodes Nodes) {
	if claim.Spec.VolumeName != "" {
		h.volumes = append(h.volumes, claim.Spec.VolumeName)
	}
	if volume != nil {
		h.hosts = append(h.hosts, hostnameOf(volume))
	}
	h.hosts = append(h.hosts, NodeOfClaim(claim, volume, nodes))
}

// heldByClaim is the slot that a claim holds for its instance while no pod takes it along.
func (l *Ledger) heldByClaim(i Instance, claim *corev1.PersistentVolumeClaim, volume *corev1.PersistentVolume) (Slot, bool) {
	node := NodeOfClaim(claim, volume, l.nodes)
	if node == "" || claim.Labels[v1alpha1.LabelRetired] != "" || Lost(claim.Labels, l.nodes.Get(node)) {
		return Slot{}, false
	}
	labels := claim.Labels
	group, grouped := GroupOf(claim.Namespace, labels)
	if !grouped { // a StatefulSet's claims have the labels of their template only: the pod knows
		pod := l.mounter(claim)
		if pod == nil {
			return Slot{}, false
		}
		labels = pod.Labels
		group, _ = GroupOf(pod.Namespace, labels)
	}
	return Slot{i, group, labels[v1alpha1.LabelShard], node, nil}, true
}

// book adds the slots of an instance to the tallies of their groups, or takes them off.
func (l *Ledger) book(h *holding, by int) {
	for _, s := range h.slots {
		t := l.groups[s.Group]
		if t == nil {
			t = &Tally{Instances: map[Instance][]Slot{}, PerNode: map[string]int{}, PerShard: map[string]map[string]int{}, Promised: map[string]int{}}
			l.groups[s.Group] = t
		}
		add(t.PerNode, s.Node, by)
		if s.Pod == nil {
			add(t.Promised, s.Node, by)
		}
		if s.Shard != "" {
			if t.PerShard[s.Shard] == nil {
				t.PerShard[s.Shard] = map[string]int{}
			}
			if add(t.PerShard[s.Shard], s.Node, by); len(t.PerShard[s.Shard]) == 0 {
				delete(t.PerShard, s.Shard)
			}
		}
		if by > 0 && len(h.slots) == 1 {
			t.Instances[s.Instance] = h.slots[:1:1] // of every tally and holding, only what derive has made anew is written
		} else if by > 0 {
			t.Instances[s.Instance] = append(t.Instances[s.Instance], s)
		} else if delete(t.Instances, s.Instance); len(t.PerNode) == 0 {
			delete(l.groups, s.Group)
		}
		if l.booked != nil {
			l.booked(s, by)
		}
	}
}

func add(m map[string]int, key string, by int) {
	if m[key] += by; m[key] == 0 {
		delete(m, key)
	}
}

// list adds the instance under each key. There are few at one node, and one at a volume.
func (h *holding) list(m map[string][]*holding, keys []string) {
	for _, key := range keys {
		m[key] = append(m[key], h)
	}
}

// unlist takes it away.
func (h *holding) unlist(m map[string][]*holding, keys []string) {
	for _, key := range keys {
		left := slices.DeleteFunc(m[key], func(other *holding) bool { return other == h })
		if m[key] = left; len(left) == 0 {
			delete(m, key)
		}
	}
}

// Slots are all slots, sorted by instance and node.
func (l *Ledger) Slots() []Slot {
	var held []Slot
	for _, h := range l.instances { // sorted below
		held = append(held, h.slots...)
	}
	slices.SortFunc(held, compare)
	return held
}
