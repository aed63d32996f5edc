package decide

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/shoal-dev/shoal/api/agent"
)

// world is one shard in a model: pods with versions at an API server, engines, Sentinels, agents whose reports arrive in any
// order and more than once, and two managers, of which one should not be there any more. Each manager sees its own, old
// copy of each pod, and a write of it may arrive at any later time.
type world struct {
	t         *rapid.T
	now       time.Time
	version   int
	lives     int
	pods      map[string]*pod
	sentinels [3]belief
	elections []string // who was elected, by epoch; index 0 is who was configured
	network   []letter // reports that were sent: each may arrive, at any time and again
	late      []func() // writes that are under way
	orders    []order  // to join, which were sent: each may arrive, at any time and again
	locks     int      // how many times the managers' lock has changed hands
	managers  [2]*manager
	trace     []string
	static    bool
}

type pod struct {
	uid     string
	version int
	label   Role
	ended   bool
	orphan  bool // somebody took its owner away: it is no instance any more, and keeps its labels

	role  Role // the engine
	epoch int64
	deaf  bool // its engine does not answer its agent
	boot  int
	seq   uint64
	was   bool // it has been master

	// protected: it follows nobody. unlinked: it follows somebody, and is not in sync. linked: it has been. full: it holds data.
	protected, unlinked, linked, full bool
	triedEpoch                        int64 // of the orders that its agent has tried
	triedLock                         int
}

type belief struct {
	master string
	epoch  int64
}

type letter struct {
	uid    string
	report agent.Report
}

// manager is a process with its cache, its ledger and the rest of the plan that it carries out.
type manager struct {
	name   string
	cache  map[string]pod
	order  map[string]agent.Order
	heard  map[string]Report
	at     map[string]time.Time
	claims map[string]time.Time // since when it says that it is master
	view   View
	floor  int64
	plan   []Step
	knows  map[string]bool // the names of the pods in the snapshot from which the plan was made
	hushed bool
	boots  map[string]string // of agents, by UID of the pod
	lock   int
}

func newWorld(t *rapid.T, static bool) *world {
	w := &world{t: t, now: time.Unix(1000, 0), pods: map[string]*pod{}, elections: []string{"r-0"}, static: static}
	for _, name := range []string{"r-0", "r-1", "r-2"} {
		w.create(name)
	}
	for _, p := range w.pods {
		p.full, p.linked, p.protected = true, true, false
	}
	w.pods["r-0"].role, w.pods["r-0"].was = Master, true
	for n := range w.sentinels {
		w.sentinels[n] = belief{master: "r-0"}
	}
	for n := range w.managers {
		w.managers[n] = w.newManager(fmt.Sprintf("m%d", n))
	}
	return w
}

func (w *world) newManager(name string) *manager {
	w.locks++
	return &manager{
		lock: w.locks, boots: map[string]string{}, name: name, cache: map[string]pod{}, order: map[string]agent.Order{}, heard: map[string]Report{},
		at: map[string]time.Time{}, claims: map[string]time.Time{}, view: View{Static: w.static}, hushed: true,
	}
}

func (w *world) create(name string) {
	w.lives++
	w.version++
	w.pods[name] = &pod{uid: fmt.Sprintf("%s/%d", name, w.lives), version: w.version, role: Replica, protected: true}
}

func (w *world) say(format string, args ...any) {
	w.trace = append(w.trace, fmt.Sprintf(format, args...))
}

func (w *world) fail(format string, args ...any) {
	w.t.Fatalf("%s\n%s", fmt.Sprintf(format, args...), strings.Join(w.trace[max(0, len(w.trace)-60):], "\n"))
}

// patch is what the API server does with a write: it looks at the preconditions, and nothing else.
func (w *world) patch(by string, s Step) bool {
	p := w.pods[s.Instance]
	if p == nil || p.uid != s.UID || fmt.Sprint(p.version) != s.Version {
		w.say("%s: %s is refused", by, s)
		return false
	}
	w.version++
	p.version, p.label = w.version, s.To
	if s.To == Replica && s.From != Replica && !p.linked {
		w.fail("%s gets the label replica, and has never been in sync", s.Instance)
	}
	w.say("%s: %s", by, s)
	w.check()
	return true
}

// check is what must hold after every write.
func (w *world) check() {
	var labelled []string
	for _, name := range w.names() {
		if p := w.pods[name]; p.label == Master {
			labelled = append(labelled, name)
			if !p.was {
				w.fail("%s has the label and has never been master", name)
			}
		}
	}
	if len(labelled) > 1 {
		w.fail("two masters have the label: %v", labelled)
	}
}

func (w *world) names() []string {
	var all []string
	for name := range w.pods {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

func (w *world) draw(label string, n int) int { return rapid.IntRange(0, n-1).Draw(w.t, label) }

func (w *world) anyPod() string { return rapid.SampledFrom(w.names()).Draw(w.t, "pod") }

// promote is an election that one Sentinel has won, or a person decides: the old master has yet to hear. One that holds nothing is
// seldom promoted, by mistake; and that it was is the only way in which it becomes master.
func (w *world) promote() {
	name := w.anyPod()
	p := w.pods[name]
	if p.ended || p.orphan || !p.full && w.draw("mistake", 8) > 0 {
		return
	}
	w.elections = append(w.elections, name)
	epoch := int64(len(w.elections) - 1)
	if w.static {
		epoch = 0
	} else {
		w.sentinels[w.draw("leader", 3)] = belief{name, epoch}
	}
	p.role, p.epoch, p.was, p.linked, p.protected, p.unlinked = Master, epoch, true, true, false, false
	w.say("%s is promoted by election %d, with data: %t", name, epoch, p.full)
}

// hear lets an engine follow whom it should.
func (w *world) hear(name string) {
	last := len(w.elections) - 1
	if p := w.pods[name]; w.elections[last] != name && !p.ended {
		p.role, p.epoch, p.protected, p.unlinked = Replica, int64(last), false, true
		if w.static {
			p.epoch = 0
		}
		w.say("%s follows", name)
	}
}

func (w *world) gossip() {
	from, to := w.sentinels[w.draw("from", 3)], w.draw("to", 3)
	if from.epoch > w.sentinels[to].epoch {
		w.sentinels[to] = from
	}
}

func (w *world) report(name string) {
	p := w.pods[name]
	p.seq++
	w.network = append(w.network, letter{p.uid, w.asked(p)})
}

func (m *manager) receive(w *world, l letter) {
	order, err := m.order[l.uid].Next(l.report)
	m.order[l.uid] = order
	if err != nil {
		return
	}
	m.heard[l.uid], m.boots[l.uid] = said(l.report), l.report.BootID
	m.at[l.uid] = w.now
	if _, known := m.claims[l.uid]; l.report.Role != agent.RoleMaster {
		delete(m.claims, l.uid)
	} else if !known {
		m.claims[l.uid] = w.now
	}
	w.say("%s hears %s %s %d", m.name, l.uid, l.report.Role, l.report.Epoch)
}

// ask has the manager ask some of the Sentinels, and take the one that knows of the latest election.
func (m *manager) ask(w *world, which []int) {
	if w.static {
		return
	}
	v := View{Floor: m.floor, Trouble: "nobody answers"}
	for _, n := range which {
		if s := w.sentinels[n]; !v.Heard || s.epoch > v.Epoch {
			v.Heard, v.Master, v.Addr, v.Epoch = true, s.master, s.master, s.epoch
		}
	}
	named := 0
	for _, n := range which {
		if s := w.sentinels[n]; s.master == v.Master && s.epoch == v.Epoch {
			named++
		}
	}
	v.Agreed = named >= 2
	if v.Sure = named == 3 && rapid.Bool().Draw(w.t, "sure"); v.Sure {
		m.floor = 0
	}
	m.floor = max(m.floor, v.Epoch)
	v.Since = m.view.Since
	if v.Epoch != m.view.Epoch {
		v.Since = w.now
	}
	m.view = v
}

// look copies one pod to the manager's cache.
func (m *manager) look(w *world, name string) {
	if p := w.pods[name]; p == nil {
		delete(m.cache, name)
	} else {
		m.cache[name] = *p
	}
}

func (m *manager) snapshot(w *world) Snapshot {
	s := Snapshot{Now: w.now, Silence: silence, Hushed: m.hushed, HA: m.view, Complete: len(m.cache) == 3}
	for name, p := range m.cache {
		at, heard := m.at[p.uid]
		s.Instances = append(s.Instances, Instance{
			Name: name, UID: p.uid, Version: fmt.Sprint(p.version), Label: p.label, Running: true, Ready: true, Ended: p.ended, Stranger: p.orphan,
			Heard: heard, HeardAt: at, Report: m.heard[p.uid], ClaimedAt: m.claims[p.uid],
		})
	}
	return s
}

func (m *manager) decide(w *world) {
	s := m.snapshot(w)
	plan := Decide(s)
	m.plan, m.knows = plan.Steps, map[string]bool{}
	m.send(w, plan)
	for _, i := range s.Instances {
		m.knows[i.Name] = true
	}
}

// step carries out the next step of the plan, or sends it off and hears of it no more.
func (m *manager) step(w *world, delayed bool) {
	if len(m.plan) == 0 {
		return
	}
	s := m.plan[0]
	m.plan = m.plan[1:]
	switch {
	case s.Do == Census:
		for name := range w.pods { // as roles does it: by name, and only those that the cache lacks
			if !m.knows[name] {
				m.plan = nil
			}
		}
	case delayed:
		w.say("%s: %s is sent", m.name, s)
		w.late = append(w.late, func() { w.patch(m.name+" (late)", s) })
		m.plan = nil
	case !w.patch(m.name, s):
		m.plan = nil
	}
}
