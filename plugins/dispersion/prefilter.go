package dispersion

import (
	"context"
	"math"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	corev1helpers "k8s.io/component-helpers/scheduling/corev1"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/reason"
	"github.com/shoal-dev/shoal/slots"
)

// PreFilter brings the index up to date and computes the guard. A pod that must wait for its policy is refused here, so that
// the reason stands in its event; wake retries it.
func (p *Plugin) PreFilter(ctx context.Context, cs fwk.CycleState, pod *corev1.Pod, nodes []fwk.NodeInfo) (*fwk.PreFilterResult, *fwk.Status) {
	group, grouped := slots.GroupOf(pod.Namespace, pod.Labels)
	if !grouped {
		return nil, fwk.NewStatus(fwk.Skip)
	}
	rules, wait := p.rulesOf(group, pod)
	if wait != 0 {
		refused(wait)
		return nil, fwk.NewStatus(fwk.UnschedulableAndUnresolvable, wait.Message())
	}
	news := p.index.news.Load()
	defer p.feedFreed(ctx, pod) // also when the pod is refused: nobody else may come that would feed
	if !cs.IsPodGroupSchedulingCycle() && p.mayGlance(group, pod, len(nodes)) {
		p.index.update(nodes, false, true)
		p.askReturning(ctx, group, rules, pod)
		s, status := p.stateFor(group, rules, pod, news)
		if status != nil {
			return nil, status
		}
		if result := p.cut(s, pod); result != nil && s.mix == nil {
			return p.decided(cs, s, result)
		}
	}
	p.index.update(nodes, pod.Spec.SchedulingGroup != nil, false)
	p.audit(ctx, group, nodes)
	p.askReturning(ctx, group, rules, pod)
	s, status := p.stateFor(group, rules, pod, news)
	if status != nil {
		return nil, status
	}
	if cs.IsPodGroupSchedulingCycle() && s.pinned == "" {
		return p.decided(cs, s, nil) // no PostFilter follows there, that would try the pod again with all nodes
	}
	return p.decided(cs, s, p.cut(s, pod))
}

// decided hands the state over to the rest of the cycle.
func (p *Plugin) decided(cs fwk.CycleState, s *state, result *fwk.PreFilterResult) (*fwk.PreFilterResult, *fwk.Status) {
	p.index.known(s.group).memo.cut = result != nil && s.mix == nil
	cs.Write(stateKey, s)
	p.latest.Store(&latest{cs, s})
	return result, nil
}

// stateFor is what the group looks like to the pod.
func (p *Plugin) stateFor(group slots.Group, rules policy, pod *corev1.Pod, news int64) (*state, *fwk.Status) {
	s := &state{base: &base{
		index: p.index, news: news, group: group, instance: slots.InstanceOfPod(pod), shard: pod.Labels[v1alpha1.LabelShard],
		total: int(p.args.MaxInstancesPerNode), priority: corev1helpers.PodPriority(pod), mode: rules.mode,
		tally: p.index.ledger.Group(group), cutTo: p.cutTo,
	}}
	for _, claim := range p.claimsOfPod(pod) {
		if claim.Labels[v1alpha1.LabelLost] != "" {
			refused(reason.VolumeLost)
			return nil, fwk.NewStatus(fwk.UnschedulableAndUnresolvable, reason.VolumeLost.Message())
		}
		if node := p.index.pinnedBy(claim); node != "" {
			s.pinned = node
		}
	}
	if s.tally == nil {
		s.tally = &slots.Tally{}
	}
	s.siblings = s.tally.PerShard[s.shard]
	s.holds = s.pinned != "" && s.base.counts(taken{s.instance, s.pinned})
	p.overlay(s, pod)
	for _, v := range p.index.views[group] {
		p.index.expire(v, p.now())
	}
	s.judge(rules, pod)
	return s, nil
}

// overlay counts what only some pods see: other pods that are nominated to a node, with at least the priority of this one,
// and other placements that are in doubt. Both are rare.
func (p *Plugin) overlay(s *state, pod *corev1.Pod) {
	var seen []slots.Slot
	for uid, other := range p.index.nominated {
		if uid != pod.UID && corev1helpers.PodPriority(other) >= s.priority {
			seen = p.withSlot(seen, other, other.Status.NominatedNodeName)
		}
	}
	for _, slot := range append(seen, p.doubtful(pod)...) {
		t := taken{slot.Instance, slot.Node}
		if slot.Group != s.group && s.total == 0 || s.counts(slot.Group, t) {
			continue
		}
		s.delta.add(s, change{slot.Group, t}, slot.Shard, +1)
		if slot.Group == s.group && slot.Pod == nil {
			s.promised = append(s.promised, slot.Instance)
		}
	}
}

// judge computes the guard, and the plan where there is one.
func (s *state) judge(rules policy, pod *corev1.Pod) {
	x := s.index
	counted, replicas, shards := s.totals(rules)
	s.limits = rules.limits(replicas)
	s.view = x.viewOf(s.group, pod, s.limits, shards, s.total)
	remaining := replicas - counted
	s.replicas, s.shards, s.remaining = replicas, shards, remaining
	if s.blend(pod) {
		return
	}
	sums := s.sums()
	most := sums.closed.Guard(s.limits.MaxNodes, sums.used, sums.left, math.MaxInt32).Reachable

	// A shard's instance is refused by the nodes that hold its siblings. With more room than those can have among them, there
	// is another node, whatever the order in which the instances come. The guard keeps that much; where it is not there, only
	// the plan is safe.
	slack := 0
	if shards > 0 && replicas%shards == 0 && s.limits.MaxPerShard > 0 {
		slack = (replicas/shards - 1) / s.limits.MaxPerShard * s.view.peak
	}
	tight := slack > 0 && most < remaining+slack
	last := slack > 0 && remaining <= lastFew && (s.limits.MaxNodes > 0 || replicas > len(x.marks))
	if s.group.Policy == "" && remaining == 1 {
		last = false // nobody knows whether it is the last, and there is nobody to go around
	}
	if tight {
		slack = 0
	}
	s.guard = sums.closed.Guard(s.limits.MaxNodes, sums.used, sums.left, remaining+slack)
	s.level = level(s.limits, replicas, len(x.marks))
	if s.limits.MaxNodes == 0 && !tight && !last && s.mode != v1alpha1.PlacementStrict {
		x.unplan(s.view)
		return // every node may be used: the emptiest is as good as any plan
	}
	shard := s.shard
	if s.pinned != "" {
		shard = ""
	}
	s.plan = x.planOf(s.view, tight || last, shard, shards, replicas, remaining, min(most, remaining), s)
	s.level = max(1, min(s.plan.level, maxLevel))
	if s.plan.rows != nil && shard != "" {
		s.fixed, s.row = tight, s.plan.row(shard)
	}
}

// met reports whether siblings keep the pod from a node.
func (s *state) met(number int) bool {
	return s.shard != "" && s.limits.MaxPerShard > 0 && s.siblings[s.index.nodes[number].name] >= s.limits.MaxPerShard
}

// lastFew is how many instances may remain when each shard gets a row of its own although there is room to spare. Without rows
// the very last ones may find that the nodes which still want one hold their siblings, and the counts end two apart. That many are
// enough for a way around it, and few enough for their flow to cost nothing.
const lastFew = 64

// totals are the instances that hold a slot, R, and the number of shards. Policy and pods come by different watches, so R is
// never less than the instances that are known.
func (s *state) totals(rules policy) (counted, replicas, shards int) {
	k := s.index.known(s.group)
	counted = len(s.tally.Instances)
	known := counted + k.absent
	if _, held := s.tally.Instances[s.instance]; !held && !k.isAbsent(s.instance) {
		known++
	}
	extra := map[slots.Instance]bool{}
	for slot, on := range s.delta.changed {
		if _, held := s.tally.Instances[slot.instance]; on && slot.group == s.group && !held && k.waiting[slot.instance] != nil {
			extra[slot.instance] = true
		}
	}
	for _, instance := range s.promised { // of these there may be no pod
		if _, held := s.tally.Instances[instance]; !held && !extra[instance] {
			extra[instance] = true
			known++
		}
	}
	counted += len(extra)
	replicas = max(rules.replicas, known)
	names := len(k.shards)
	if s.shard != "" && k.shards[s.shard] == 0 {
		names++
	}
	switch {
	case s.shard == "":
		return counted, replicas, 0
	case rules.shards > 0:
		return counted, replicas, max(rules.shards, names)
	case known >= replicas: // every instance is known, so every shard is
		return counted, replicas, names
	}
	return counted, replicas, 0
}

// sums are those of the view, with what the overlay adds.
func (s *state) sums() *sums {
	if len(s.delta.held) == 0 {
		return &s.view.sums
	}
	t := s.view.sums
	t.closed = t.closed.Clone()
	for node, by := range s.delta.held {
		number, there := s.index.names[node]
		if !there || number >= len(s.view.seats) {
			t.used++
			continue
		}
		seat := s.view.seats[number]
		t.book(seat, -1)
		seat.held += int32(by)
		t.book(s.view.worked(seat), +1)
	}
	return &t
}

const (
	// cutAboveNodes is the number of nodes from which it pays to name those that are worth a look. Below it, upstream looks at
	// all nodes anyway, and the events have a reason for each.
	cutAboveNodes = 100
	// cutToNodes is how many are named. They are equally good for the group, and the least loaded. More would change the order in which
	// those nodes get their instances, and little else: each of them is to have as many as the others before any gets more.
	cutToNodes = 16
)

// CutTo has PreFilter name at most so many nodes, in clusters with more nodes than above. It is for worlds that are smaller than
// real ones, and is called before the first pod.
func (p *Plugin) CutTo(most, above int) { p.cutTo, p.cutAbove = most, above }

// cut names the nodes that the group would use next, so that a cycle costs the same on 500 and on 5,000 nodes. When none of
// them suits the other plugins, the pod is tried once more without it (PostFilter).
func (p *Plugin) cut(s *state, pod *corev1.Pod) *fwk.PreFilterResult {
	if p.index.known(s.group).memo.isWide(pod) || len(p.index.marks) <= p.cutAbove {
		return nil
	}
	var numbers []int
	switch {
	case s.pinned != "":
		if number, there := p.index.names[s.pinned]; there && p.index.nodes[number].info != nil {
			numbers = []int{number}
		}
	case s.mix != nil: // a row of many nodes
		ranks := make([]rank, len(s.row))
		for i, number := range s.row {
			ranks[i] = s.view.ranks[number]
		}
		numbers = s.lowest(s.row, ranks)
	case s.fixed, len(s.row) > 0:
		numbers = s.row
	case s.plan != nil:
		numbers = s.lowest(s.plan.opened, s.plan.ranks)
	case s.limits.MaxNodes == 0 && !prefersNodes(pod):
		numbers = s.lowest(s.view.all(), s.view.ranks)
	}
	var result *fwk.PreFilterResult
	for _, number := range numbers {
		n := p.index.nodes[number]
		if !p.index.current(number) {
			return nil // it was only glanced at
		}
		if n.info == nil || s.refusal(number, n.name) != nil {
			continue
		}
		if result == nil {
			result = &fwk.PreFilterResult{NodeNames: make(sets.Set[string], len(numbers))}
			s.named = make([]place, 0, len(numbers))
		}
		result.NodeNames.Insert(n.name)
		s.named = append(s.named, place{n.info, number})
	}
	s.narrow = result != nil
	return result
}

// lowest are those of the nodes with these ranks that have room and hold the fewest, the least loaded of them.
func (s *state) lowest(of []int, ranks []rank) []int {
	fewest, best := noRank.held(), s.view.best[:0] // places in of
	for i, r := range ranks {
		if r.held() > fewest || r == noRank {
			continue
		}
		if r.held() < fewest {
			fewest, best = r.held(), best[:0]
		}
		best = append(best, i)
	}
	s.view.best = best
	var byLoad [mostLoad + 1]int32
	for _, i := range best {
		byLoad[ranks[i].load()]++
	}
	less, top := 0, 0 // nodes with less than the highest load that is still taken, and that load
	for ; top < len(byLoad)-1 && less+int(byLoad[top]) < s.cutTo; top++ {
		less += int(byLoad[top])
	}
	numbers, left := make([]int, 0, s.cutTo), s.cutTo-less
	for _, i := range best {
		switch load := ranks[i].load(); {
		case load < top:
			numbers = append(numbers, of[i])
		case load == top && left > 0:
			left--
			numbers = append(numbers, of[i])
		}
	}
	return numbers
}

// prefersNodes reports whether the pod asks to be near something, or away from it, without requiring it. Which of the emptiest
// nodes is best for it, we do not know.
func prefersNodes(pod *corev1.Pod) bool {
	for _, c := range pod.Spec.TopologySpreadConstraints {
		if c.WhenUnsatisfiable == corev1.ScheduleAnyway {
			return true
		}
	}
	a := pod.Spec.Affinity
	return a != nil && (a.NodeAffinity != nil && len(a.NodeAffinity.PreferredDuringSchedulingIgnoredDuringExecution) > 0 ||
		a.PodAffinity != nil && len(a.PodAffinity.PreferredDuringSchedulingIgnoredDuringExecution) > 0 ||
		a.PodAntiAffinity != nil && len(a.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution) > 0)
}

func (p *Plugin) claimsOfPod(pod *corev1.Pod) []*corev1.PersistentVolumeClaim {
	var claims []*corev1.PersistentVolumeClaim
	for _, name := range slots.ClaimNames(pod) {
		o, ok, err := p.claims.GetByKey(pod.Namespace + "/" + name)
		if claim, typed := o.(*corev1.PersistentVolumeClaim); err == nil && ok && typed {
			claims = append(claims, claim)
		}
	}
	return claims
}
