package simulation

import (
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/simulation/farm"
)

// roled are the seeds, modulo 43, whose sets have roles, from firstRoled on: seeds of other numbers are what they were. CI
// plays the first ones of all, and the first ones of farm.FirstWithRoles.
var roled = []int64{2, 12, 16, 19, 27, 32, 35, 36, 37, 40, 41}

// firstRoled is a multiple of 43.
const firstRoled = 1_000_008

// hasRoles reports whether the sets of a seed have roles.
func hasRoles(seed int64) bool {
	return seed >= farm.FirstWithRoles || seed >= firstRoled && slices.Contains(roled, seed%43)
}

// giveRoles has some sets of a seed have roles, before anything is made of them.
func (p *play) giveRoles(sets []*v1alpha1.InstanceSet) error {
	if !hasRoles(p.choice.seed) || !p.choice.happens("roles") {
		return nil
	}
	if err := p.withRoles(); err != nil {
		return err
	}
	d := p.choice.of("roles")
	for n, s := range sets {
		size, shards, m := int32(2+d.Intn(2)), int32(1+d.Intn(3)), int32(1+d.Intn(2))
		names, people := d.chance(0.6), d.chance(0.2)
		if n > 0 && d.chance(0.3) {
			continue
		}
		s.Spec.ShardSize, s.Spec.Replicas = &size, ptr.To(size*shards)
		s.Spec.Placement.MaxInstancesPerNode, s.Spec.Placement.MaxNodes = ptr.To(intstr.FromInt32(m)), ptr.To(max((size*shards+m-1)/m, size)+int32(d.Intn(2)))
		p.haveRoles(s, names, people)
	}
	if p.choice.of("clock").chance(0.5) && p.choice.happens("clock") {
		p.ha.skew = func() time.Duration { return p.choice.of("clock").between(-10*time.Minute, 10*time.Minute) }
	}
	return nil
}

// haveRoles gives a set roles, and Sentinels; or people in their place.
func (w *World) haveRoles(s *v1alpha1.InstanceSet, names, people bool) {
	s.Spec.Roles = []v1alpha1.InstanceRole{{Name: v1alpha1.RoleMaster, Exclusive: true}, {Name: v1alpha1.RoleReplica}}
	x := w.newWatchers(s.Name, names, people)
	w.ha.sets[s.Name] = x
	s.Spec.RoleProvider = &v1alpha1.RoleProvider{Type: v1alpha1.RoleProviderStatic}
	if people {
		return
	}
	s.Spec.RoleProvider = &v1alpha1.RoleProvider{Type: v1alpha1.RoleProviderSentinel, Sentinel: &v1alpha1.SentinelProvider{}}
	for _, sentinel := range x.sentinels {
		s.Spec.RoleProvider.Sentinel.Addresses = append(s.Spec.RoleProvider.Sentinel.Addresses, sentinel.addr)
	}
}

// roleTroubles are what befalls Redis, agents and Sentinels, beside what befalls everybody.
var roleTroubles = []struct {
	name   string
	weight int
	do     func(*play, dice)
}{
	{"kill", 4, (*play).killRedis},
	{"reboot", 3, (*play).rebootAgent},
	{"claim", 2, (*play).claimMaster},
	{"hush", 2, (*play).hush},
	{"island", 3, (*play).cutMaster},
	{"sentinel", 3, (*play).silenceSentinels},
	{"deaf", 2, (*play).deafenSentinel},
	{"anew", 2, (*play).sentinelsAnew},
}

// drawRoleTroubles draws what goes wrong with roles, from dice of its own.
func (p *play) drawRoleTroubles() {
	if p.ha == nil {
		return
	}
	if d := p.choice.of("report faults"); d.chance(0.6) && p.choice.happens("reports") {
		p.ha.reports = reportFaults{d.Float64() * 0.2, d.Float64() * 0.3, d.Float64() * 0.2, d.between(2*time.Second, time.Minute)}
	}
	for _, t := range drawnRoleTroubles(p.choice.of("troubles of roles")) {
		p.after(t.at, "trouble of roles", func() {
			if !p.over && p.choice.happens(t.name) {
				t.do(p, p.choice.of(t.name))
			}
		})
	}
}

// drawnTrouble is one that befalls a seed: when, and what. Its name is that of its dice.
type drawnTrouble struct {
	at   time.Duration
	name string
	do   func(*play, dice)
}

// drawnRoleTroubles are those of a seed, one after the other.
func drawnRoleTroubles(d dice) []drawnTrouble {
	var bag []int
	for n, t := range roleTroubles {
		for range t.weight {
			bag = append(bag, n)
		}
		if d.chance(0.3) {
			bag = bag[:len(bag)-t.weight]
		}
	}
	var drawn []drawnTrouble
	for n, at := 0, d.between(0, 60*time.Second); at < trouble && len(bag) > 0; n, at = n+1, at+d.between(time.Second, 90*time.Second) {
		t := roleTroubles[bag[d.Intn(len(bag))]]
		drawn = append(drawn, drawnTrouble{at, fmt.Sprintf("%s.%d", t.name, n), t.do})
	}
	return drawn
}

// someEngine is a Redis that answers and is wanted, if there is one.
func (p *play) someEngine(d dice, wanted func(copied) bool) (copied, bool) {
	var found []copied
	for _, name := range p.machineNames() {
		m := p.machines[name]
		for _, q := range sorted(m.running) {
			if c := (copied{q, m}); q.engine != nil && !m.off && q.up() && wanted(c) {
				found = append(found, c)
			}
		}
	}
	if len(found) == 0 {
		return copied{}, false
	}
	return found[d.Intn(len(found))], true
}

// killRedis kills a Redis: a master mostly.
func (p *play) killRedis(d dice) {
	masters := d.chance(0.6)
	if c, there := p.someEngine(d, func(c copied) bool { return c.engine.master || !masters }); there {
		p.kill(c.on, c.process)
	}
}

// rebootAgent has an agent start anew beside its Redis, which goes on.
func (p *play) rebootAgent(d dice) {
	if c, there := p.someEngine(d, func(copied) bool { return true }); there {
		p.tell("fault", "the agent of %s starts again", c.name.Name)
		p.bootAgent(c, c.engine.agent.set)
	}
}

// claimMaster has a person make a replica a master, and tell nobody.
func (p *play) claimMaster(d dice) {
	if c, there := p.someEngine(d, func(c copied) bool { return !c.engine.master }); there {
		p.tell("user", "makes %s a master, and tells nobody", c.name.Name)
		p.promote(c.process, c.engine.term+1)
	}
}

// hushed is for how long no agent reaches the manager: mostly for less than the silence after which nothing is known of them, sometimes for so
// long that all are silent.
func hushed(d dice) time.Duration {
	if d.chance(0.4) {
		return d.between(8*time.Minute, trouble)
	}
	return d.between(30*time.Second, 6*time.Minute)
}

// hush cuts all agents off from the manager.
func (p *play) hush(d dice) {
	p.tell("fault", "no agent reaches the manager")
	p.ha.agentsCut = true
	p.after(hushed(d), "hush", func() {
		p.tell("fault", "agents reach the manager again")
		p.ha.agentsCut = false
	})
}

// cutMaster cuts the node of a master off, for as long as it takes to elect another one, or less. Then it is back, and does not
// know.
func (p *play) cutMaster(d dice) {
	c, there := p.someEngine(d, func(c copied) bool { return c.engine.master && c.on.reachable() })
	if !there || p.away >= 2 {
		return
	}
	p.away++
	m := c.on
	p.tell("fault", "node %s is cut off, with the master %s", m.name, c.name.Name)
	p.silence(m.name, false)
	p.after(d.between(2*time.Second, 4*time.Minute), "back", func() {
		p.away--
		if !m.off && p.machines[m.name] == m {
			p.tell("fault", "node %s is back", m.name)
			p.restore(m.name)
		}
	})
}

// someSentinels are one, two or all of a set; none where people stand in their place.
func (p *play) someSentinels(d dice) []*sentinel {
	names := p.ha.names()
	x := p.ha.sets[names[d.Intn(len(names))]]
	first, n := d.Intn(3), 1+d.Intn(3)
	if x.people {
		return nil
	}
	var some []*sentinel
	for i := range n {
		some = append(some, x.sentinels[(first+i)%3])
	}
	return some
}

// silenceSentinels has some reach nobody for a while.
func (p *play) silenceSentinels(d dice) {
	for _, s := range p.someSentinels(d) {
		p.tell("fault", "sentinel %d reaches nobody", s.number)
		s.silent = true
		p.after(d.between(time.Second, 5*time.Minute), "sentinel", func() {
			p.tell("fault", "sentinel %d is back", s.number)
			s.silent = false
		})
	}
}

// deafenSentinel has one hear nothing of the others for a while: it falls behind.
func (p *play) deafenSentinel(d dice) {
	some := p.someSentinels(d)
	if len(some) == 0 {
		return
	}
	s := some[0]
	p.tell("fault", "sentinel %d does not hear the others", s.number)
	s.deaf = true
	p.after(d.between(10*time.Second, 5*time.Minute), "sentinel", func() {
		p.tell("fault", "sentinel %d hears the others", s.number)
		s.deaf = false
	})
}

// sentinelsAnew makes some anew, or all: they have forgotten what they knew.
func (p *play) sentinelsAnew(d dice) {
	for _, s := range p.someSentinels(d) {
		p.tell("fault", "sentinel %d is made anew", s.number)
		s.anew()
	}
}

// healRoles ends what goes wrong with roles.
func (p *play) healRoles() {
	if p.ha == nil {
		return
	}
	p.ha.agentsCut, p.ha.reports = false, reportFaults{}
	for _, name := range p.ha.names() {
		for _, s := range p.ha.sets[name].sentinels {
			s.silent, s.deaf = false, false
		}
	}
}
