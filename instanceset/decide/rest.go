package decide

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/shoal-dev/shoal/podspec"
)

// Most instances of a large set are at rest: no phase of a plan has anything to do with them, or to say of them, but that there is one more. A thin
// snapshot has them as numbers, and what is decided from it is what is decided from the full one, to the byte:
//
//	Decide(Thin(s)) == Decide(s)
//
// which is tested with every history that a test draws. An instance is left out only with its whole shard, as rules of shards look at the
// other members. And the first at rest of each template stays, so that "is there one that ..." has the same answer: whose agent others get,
// whether a configuration is proven, who else holds the data of a set without shards.

// Rest are the instances that a thin snapshot leaves out.
type Rest struct {
	who       ordinalSet
	templates []ordinalSet     // of spec.template, then of each of spec.templates
	shards    int32            // none without shards
	slots     map[string]int32 // by node
	nodes     map[int32]int32  // by number of slots
	sizes     map[target]int32 // that their volumes have
}

// of are those of a template, by its index in spec.templates or plain.
func (r *Rest) of(template int) ordinalSet {
	if r == nil || template+1 >= len(r.templates) {
		return nil
	}
	return r.templates[template+1]
}

func (r *Rest) all() ordinalSet {
	if r == nil {
		return nil
	}
	return r.who
}

func (r *Rest) has(o int32) bool { return r != nil && r.who.has(o) }

func (r *Rest) shardCount() int32 {
	if r == nil {
		return 0
	}
	return r.shards
}

func (r *Rest) slotsOn(node string) int32 {
	if r == nil {
		return 0
	}
	return r.slots[node]
}

// grown are the sizes as a map that a plan adds to.
func (r *Rest) grown() map[target]bool {
	all := map[target]bool{}
	if r != nil {
		for t := range r.sizes {
			all[t] = true
		}
	}
	return all
}

// count adds them to a tally.
func (r *Rest) count(t *tally) {
	if r == nil {
		return
	}
	n := r.all().size()
	t.online, t.pods, t.ready, t.available, t.updated = t.online+n, t.pods+n, t.ready+n, t.available+n, t.updated+n
	t.nodes = int32(len(r.slots))
	for slots := range r.nodes {
		t.instancesPerNode = max(t.instancesPerNode, slots)
	}
}

// restsIn reports whether a shard is among the rest. Without shards there is one, that of all.
func (v *view) restsIn(index int32) bool {
	if v.Rest == nil {
		return false
	}
	if !v.sharded() {
		return !v.Rest.all().empty()
	}
	for o := index * *v.spec.ShardSize; o < (index+1)**v.spec.ShardSize; o++ {
		if v.Rest.has(o) {
			return true
		}
	}
	return false
}

// atRest reports whether nothing is to be done about an instance, and nothing will be as long as nothing happens.
func (p *planner) atRest(i *instance) bool {
	pod := i.pod
	if !i.online() || i.foreign != "" || pod == nil || !p.recorded.has(i.ordinal) || !p.current(i) || !p.available(i) {
		return false
	}
	if pod.Phase != corev1.PodRunning || pod.Resize != 0 || pod.AgentDown || pod.Agent && !pod.AgentProven || pod.Reported.State != "" || p.nodes[pod.Node].Cordoned {
		return false
	}
	for t, c := range i.claims {
		if !p.settledClaim(i, t, c) {
			return false
		}
	}
	return true
}

// settledClaim reports whether a claim is there, has a volume of the size that is wanted and the template of its pod, and stays.
func (p *planner) settledClaim(i *instance, t int, c *Claim) bool {
	if c == nil || c.Terminating || c.Retired || c.Lost || c.Volume == "" || c.Template != i.pod.Template || c.Node != "" && p.state(c.Node) != NodeHealthy {
		return false
	}
	if !c.Has.IsZero() && (c.grows() || smaller{i, c, t, podspec.Size(p.Set, &p.spec.VolumeClaimTemplates[t], p.templateName(i))}.asks()) {
		return false
	}
	return true
}
