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
	view   View
	floor  int64
	plan   []Step
	knows  map[string]bool // the names of the pods in the snapshot from which the plan was made
	hushed bool
}

func newWorld(t *rapid.T, static bool) *world {
	w := &world{t: t, now: time.Unix(1000, 0), pods: map[string]*pod{}, elections: []string{"r-0"}, static: static}
	for _, name := range []string{"r-0", "r-1", "r-2"} {
		w.create(name)
	}
	w.pods["r-0"].role, w.pods["r-0"].was = Master, true
	for n := range w.sentinels {
		w.sentinels[n] = belief{master: "r-0"}
	}
	for n := range w.managers {
		w.managers[n] = newManager(fmt.Sprintf("m%d", n), static)
	}
	return w
}

func newManager(name string, static bool) *manager {
	return &manager{
		name: name, cache: map[string]pod{}, order: map[string]agent.Order{}, heard: map[string]Report{},
		at: map[string]time.Time{}, view: View{Static: static}, hushed: true,
	}
}

func (w *world) create(name string) {
	w.lives++
	w.version++
	w.pods[name] = &pod{uid: fmt.Sprintf("%s/%d", name, w.lives), version: w.version, role: Replica}
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

// promote is an election that one Sentinel has won, or without Sentinels a person: the old master has yet to hear.
func (w *world) promote() {
	name := w.anyPod()
	p := w.pods[name]
	if p.ended || p.orphan {
		return
	}
	w.elections = append(w.elections, name)
	epoch := int64(len(w.elections) - 1)
	if w.static {
		epoch = 0
	} else {
		w.sentinels[w.draw("leader", 3)] = belief{name, epoch}
	}
	p.role, p.epoch, p.was = Master, epoch, true
	w.say("%s is promoted by election %d", name, epoch)
}

// hear lets an engine follow whom it should.
func (w *world) hear(name string) {
	last := len(w.elections) - 1
	if p := w.pods[name]; w.elections[last] != name && !p.ended {
		p.role, p.epoch = Replica, int64(last)
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
	r := agent.Report{Role: agent.Role(p.role), Epoch: p.epoch, BootID: fmt.Sprint(p.uid, p.boot), Sequence: p.seq}
	if p.deaf {
		r.Role = agent.RoleUnknown
	}
	w.network = append(w.network, letter{p.uid, r})
}

func (m *manager) receive(w *world, l letter) {
	order, err := m.order[l.uid].Next(l.report)
	m.order[l.uid] = order
	if err != nil {
		return
	}
	m.heard[l.uid] = Report{Role: Role(l.report.Role), Epoch: l.report.Epoch}
	m.at[l.uid] = w.now
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
	s := Snapshot{Now: w.now, Silence: 150 * time.Second, Hushed: m.hushed, HA: m.view, Complete: len(m.cache) == 3}
	for name, p := range m.cache {
		at, heard := m.at[p.uid]
		s.Instances = append(s.Instances, Instance{
			Name: name, UID: p.uid, Version: fmt.Sprint(p.version), Label: p.label, Running: true, Ready: true, Ended: p.ended, Stranger: p.orphan,
			Heard: heard, HeardAt: at, Report: m.heard[p.uid],
		})
	}
	return s
}

func (m *manager) decide(w *world) {
	s := m.snapshot(w)
	m.plan, m.knows = Decide(s).Steps, map[string]bool{}
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
