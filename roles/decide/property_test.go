package decide

import (
	"math/rand"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Whatever happens, and in whichever order it is heard, no two pods carry the label master at any moment, and none that has
// never been master.
func TestNeverTwoLabelledMasters(t *testing.T) { rapid.Check(t, func(t *rapid.T) { play(t, false) }) }

// The same without Sentinels, where people promote.
func TestNeverTwoLabelledMastersWithoutSentinels(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { play(t, true) })
}

func play(t *rapid.T, static bool) {
	w := newWorld(t, static)
	for range rapid.IntRange(10, 250).Draw(t, "events") {
		w.event()
	}
	w.settle()
}

func (w *world) event() {
	m := w.managers[w.draw("manager", 2)]
	switch w.draw("event", 38) {
	case 0:
		w.promote()
	case 1, 2:
		w.hear(w.anyPod())
	case 3:
		w.gossip()
	case 4, 5, 6:
		w.report(w.anyPod())
	case 7, 8, 9:
		if len(w.network) > 0 {
			m.receive(w, w.network[max(0, len(w.network)-1-w.draw("letter", 12))])
		}
	case 10, 11:
		m.ask(w, rapid.SampledFrom([][]int{{}, {0}, {1}, {2}, {0, 1}, {1, 2}, {0, 1, 2}}).Draw(w.t, "sentinels"))
	case 12, 13:
		m.look(w, w.anyPod())
	case 14:
		for _, name := range []string{"r-0", "r-1", "r-2"} {
			m.look(w, name)
		}
	case 15, 16:
		m.decide(w)
	case 17, 18, 19:
		m.step(w, false)
	case 20:
		m.step(w, true)
	case 21:
		if len(w.late) > 0 {
			n := w.draw("write", len(w.late))
			write := w.late[n]
			w.late = slices.Delete(w.late, n, n+1)
			write()
		}
	case 22:
		w.rare()
	case 24, 25, 26, 27: // what single events seldom come to: a failover that one manager hears all of
		w.failover()
		w.attend(m)
	case 28, 29:
		w.attend(m)
	case 30, 31:
		for range w.draw("steps", 4) {
			m.step(w, false)
		}
	case 32, 33:
		w.deliver()
	case 34, 35:
		w.sync(w.anyPod())
	case 36:
		w.restart(w.anyPod(), w.draw("empty", 2) == 0)
	case 37:
		if w.draw("all", 4) == 0 {
			w.restartAll()
		}
	case 23:
		w.now = w.now.Add(time.Duration(w.draw("seconds", int(silence/time.Second))) * time.Second)
		m.hushed = rapid.Bool().Draw(w.t, "hushed")
	}
}

// failover is an election of which everybody has heard.
func (w *world) failover() {
	w.promote()
	last := len(w.elections) - 1
	if p := w.pods[w.elections[last]]; p.role != Master || p.orphan {
		return
	}
	for n := range w.sentinels {
		if !w.static {
			w.sentinels[n] = belief{w.elections[last], int64(last)}
		}
	}
	for _, name := range w.names() {
		w.hear(name)
		w.sync(name)
	}
}

// attend has a manager hear everybody, look at all pods or at all but one, and decide.
func (w *world) attend(m *manager) {
	for _, name := range w.names() {
		w.report(name)
		m.receive(w, w.network[len(w.network)-1])
	}
	m.ask(w, []int{0, 1, 2})
	skip := w.draw("skip", 9)
	for n, name := range w.names() {
		if n != skip {
			m.look(w, name)
		}
	}
	m.decide(w)
}

func (w *world) rare() {
	name := w.anyPod()
	p := w.pods[name]
	switch w.draw("rare", 6) {
	case 0: // the pod is deleted, and made again
		w.create(name)
	case 1:
		p.boot, p.seq = p.boot+1, 0
	case 2:
		p.deaf = !p.deaf
	case 3: // an end is a write to the pod, by its kubelet
		w.version++
		p.ended, p.version = true, w.version
	case 5: // somebody takes the owner away
		w.version++
		p.orphan, p.version = true, w.version
	case 4: // a manager is restarted
		n := w.draw("manager", 2)
		w.managers[n] = w.newManager(w.managers[n].name)
	}
	w.say("rare: %s %+v", name, *p)
}

// settle ends all trouble. What is left is one manager that hears everybody: it labels who was elected last, and then has
// nothing more to do.
func (w *world) settle() {
	for _, write := range w.late {
		write()
	}
	w.late = nil
	for _, name := range w.names() {
		if w.pods[name].ended || w.pods[name].orphan {
			w.create(name)
		}
		w.pods[name].deaf = false
	}
	w.elections = append(w.elections, "r-1")
	last := belief{"r-1", int64(len(w.elections) - 1)}
	if w.static {
		last.epoch = 0
	}
	w.sentinels = [3]belief{last, last, last}
	one := w.pods["r-1"]
	one.role, one.epoch, one.was, one.linked, one.protected, one.unlinked, one.full = Master, last.epoch, true, true, false, false, true
	w.hear("r-0")
	w.restart("r-2", rapid.Bool().Draw(w.t, "empty"))
	m := w.managers[0]
	w.locks++
	m.hushed, m.plan, m.lock = false, nil, w.locks
	m.ask(w, []int{0, 1, 2})
	for range 2 { // of a boot that is doubted, the second report counts
		for _, name := range w.names() {
			w.report(name)
			m.receive(w, w.network[len(w.network)-1])
		}
	}
	for round := 0; ; round++ {
		for _, name := range w.names() {
			m.look(w, name)
			w.sync(name)
			w.report(name)
			m.receive(w, w.network[len(w.network)-1])
		}
		w.orders = nil
		m.decide(w)
		if len(m.plan) == 0 && len(w.orders) == 0 {
			break
		}
		if round == 6 {
			w.fail("after %d rounds there is still something to do: %v", round, m.plan)
		}
		for len(m.plan) > 0 {
			m.step(w, false)
		}
		for _, o := range w.orders {
			w.obey(o)
		}
	}
	for name, want := range map[string]Role{"r-0": Replica, "r-1": Master, "r-2": Replica} {
		if got := w.pods[name].label; got != want {
			w.fail("in the end %s has the label %q, want %q", name, got, want)
		}
	}
}

// When everybody falls silent, nothing is written, whatever the labels and the last words were: a manager that is restarted
// or cut off changes nothing by that.
func TestMassSilenceChangesNothing(t *testing.T) {
	fallSilent(t, func(t *rapid.T, s *Snapshot) { s.Hushed = true })
}

// Silence of some takes no label either, and gives none.
func TestSilenceAloneMovesNoLabel(t *testing.T) {
	fallSilent(t, func(*rapid.T, *Snapshot) {})
}

// fallSilent carries plans out until there are none, and lets time pass. Those that come to rest must do nothing then; a property
// that no case comes to proves nothing, so they are counted.
func fallSilent(t *testing.T, arrange func(*rapid.T, *Snapshot)) {
	rested, moved := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		s := anySnapshot(t)
		s.Now = s.Now.Add(patience) // a claim that has just begun is looked at again: that is no silence
		for n := range s.Instances {
			s.Instances[n].HeardAt = s.Now
		}
		arrange(t, &s)
		before := carryOut(t, &s)
		rested++
		if slices.ContainsFunc(s.Instances, func(i Instance) bool { return i.Label == Master }) {
			moved++
		}
		s.Now = s.Now.Add(time.Hour)
		later := Decide(s)
		if len(later.Steps) > 0 || s.Hushed && len(later.Unknown) > len(before.Unknown) {
			t.Fatalf("silence does something: %v, unknown %v, before %v", later.Steps, later.Unknown, before.Unknown)
		}
	})
	t.Logf("%d came to rest, %d of them with a master", rested, moved)
	if rested < 50 || moved < 5 {
		t.Errorf("%d came to rest, %d of them with a master: too few to prove anything", rested, moved)
	}
}

// carryOut does what plans want until there is none, and returns the last one.
func carryOut(t *rapid.T, s *Snapshot) Plan {
	for range 4 {
		plan := Decide(*s)
		if len(plan.Steps) == 0 {
			return plan
		}
		for _, step := range plan.Steps {
			for n := range s.Instances {
				if s.Instances[n].Name == step.Instance {
					s.Instances[n].Label = step.To
				}
			}
		}
	}
	t.Fatalf("after four plans there is still something to do: %v", Decide(*s).Steps)
	return Plan{}
}

// At rest, whoever has the label replica serves: the Services of the role lead there, whatever the kubelet says of the pod.
func TestWhoHasTheLabelReplicaServes(t *testing.T) {
	labelled := 0
	rapid.Check(t, func(t *rapid.T) {
		s := anySnapshot(t)
		carryOut(t, &s)
		for _, i := range s.Instances {
			if i.Label != Replica {
				continue
			}
			labelled++
			if !i.Running || !i.Ready || i.Going || i.Node == NodeSilent && !s.Dark || i.Node == NodeLost || i.Ended || i.Heard && i.Report.Loading && i.Report.Role == Replica {
				t.Fatalf("%+v", i)
			}
		}
	})
	if labelled < 5 {
		t.Errorf("%d have the label: too few to prove anything", labelled)
	}
}

// A plan that sets strips whoever has the label in its snapshot, writes once to each other pod before it sets, and sets last.
func TestThePlanHasItsOrder(t *testing.T) {
	rank := map[Kind]int{Strip: 1, Relabel: 2, Census: 3, Confirm: 4, Set: 5}
	rapid.Check(t, func(t *rapid.T) {
		s := anySnapshot(t)
		plan := Decide(s)
		written, sets := map[string]int{}, 0
		for n, step := range plan.Steps {
			if n > 0 && rank[plan.Steps[n-1].Do] > rank[step.Do] {
				t.Fatalf("%v comes after %v", step, plan.Steps[n-1])
			}
			written[step.Instance]++
			if (step.To == Master) != (step.Do == Set) || (step.From == Master) != (step.Do == Strip) {
				t.Fatalf("%v", step)
			}
			if step.Do == Set {
				sets++
			}
		}
		for _, i := range s.Instances {
			stripped := slices.ContainsFunc(plan.Steps, func(s Step) bool { return s.Do == Strip && s.Instance == i.Name })
			if sets > 0 && (i.Label == Master && !stripped || written[i.Name] != 1) || written[i.Name] > 1 {
				t.Fatalf("%s has label %q and is written to %d times: %v", i.Name, i.Label, written[i.Name], plan.Steps)
			}
		}
		if sets > 1 || sets == 1 && !s.Complete != (written[""] == 1) {
			t.Fatalf("%v", plan.Steps)
		}
		// The order of the instances means nothing.
		rand.New(rand.NewSource(1)).Shuffle(len(s.Instances), func(a, b int) { s.Instances[a], s.Instances[b] = s.Instances[b], s.Instances[a] })
		if again := Decide(s); !slices.Equal(plan.Steps, again.Steps) || again.NoMaster != plan.NoMaster || again.TwoMasters != plan.TwoMasters || again.Behind != plan.Behind {
			t.Fatalf("%v\n%v", plan, again)
		}
	})
}

func anySnapshot(t *rapid.T) Snapshot {
	s := Snapshot{Now: time.Unix(5000, 0), Silence: silence, Hushed: rapid.Bool().Draw(t, "hushed"), Dark: rapid.IntRange(0, 4).Draw(t, "dark") == 0, Complete: rapid.Bool().Draw(t, "complete")}
	epochs := rapid.Int64Range(0, 3)
	roles := rapid.SampledFrom([]Role{Master, Master, Replica, Replica, None, Unknown})
	for _, name := range []string{"r-0", "r-1", "r-2"}[:rapid.IntRange(1, 3).Draw(t, "instances")] {
		s.Instances = append(s.Instances, Instance{
			Name: name, UID: name, Version: name, Label: rapid.SampledFrom([]Role{NoLabel, Master, Replica}).Draw(t, "label"),
			Running: rapid.IntRange(0, 5).Draw(t, "running") > 0, Ready: rapid.IntRange(0, 5).Draw(t, "ready") > 0, Going: rapid.IntRange(0, 5).Draw(t, "going") == 0, Ended: rapid.IntRange(0, 9).Draw(t, "ended") == 0,
			Stranger: rapid.IntRange(0, 9).Draw(t, "stranger") == 0,
			Node:     rapid.SampledFrom([]NodeState{NodeHealthy, NodeHealthy, NodeHealthy, NodeSilent, NodeLost}).Draw(t, "node"), Heard: rapid.IntRange(0, 4).Draw(t, "heard") > 0,
			HeardAt: s.Now.Add(-time.Duration(rapid.IntRange(0, 2*int(silence/time.Second)).Draw(t, "ago")) * time.Second),
			Report: Report{
				Role: roles.Draw(t, "role"), Epoch: epochs.Draw(t, "epoch"),
				Loading: rapid.IntRange(0, 9).Draw(t, "loading") == 0, Protected: rapid.IntRange(0, 9).Draw(t, "protected") == 0,
				Unlinked: rapid.IntRange(0, 4).Draw(t, "unlinked") == 0, Holds: rapid.SampledFrom([]Holding{HoldsUnknown, HoldsNothing, HoldsData}).Draw(t, "holds"),
			},
			EmptyAt: s.sometimes(t, "empty since"), FullAt: s.sometimes(t, "full since"),
			ClaimedAt:  s.Now.Add(-time.Duration(rapid.IntRange(0, 4000).Draw(t, "claims")) * time.Millisecond),
			UnlinkedAt: s.Now.Add(-time.Duration(rapid.IntRange(0, 120).Draw(t, "cut")) * time.Second),
			BehindAt:   s.Now.Add(-time.Duration(rapid.IntRange(0, 120).Draw(t, "behind")) * time.Second),
			BegunAt:    s.Now.Add(-time.Duration(rapid.IntRange(0, 120).Draw(t, "runs for")) * time.Second),
			Follows:    rapid.SampledFrom([]string{"", "r-0", "r-1", "r-2"}).Draw(t, "follows"),
			FollowsAt:  s.Now.Add(-time.Duration(rapid.IntRange(0, 120).Draw(t, "follows for")) * time.Second),
		})
	}
	s.HA = View{
		Static: rapid.Bool().Draw(t, "static"), Heard: rapid.IntRange(0, 4).Draw(t, "HA") > 0, Agreed: rapid.Bool().Draw(t, "agreed"),
		Master: rapid.SampledFrom([]string{"", "r-0", "r-1", "r-2"}).Draw(t, "names"), Epoch: epochs.Draw(t, "election"), Floor: epochs.Draw(t, "floor"),
		Sure: rapid.IntRange(0, 4).Draw(t, "sure") == 0,
	}
	return s
}

// joining is a shard with a master and two that wait for it, of which something may be otherwise.
func joining(t *rapid.T) Snapshot {
	s, other := anySnapshot(t), anySnapshot(t)
	s.HA = View{Static: s.HA.Static, Heard: true, Agreed: true, Master: "r-0", Epoch: 2}
	s.Instances = nil
	for _, name := range []string{"r-0", "r-1", "r-2"} {
		s.Instances = append(s.Instances, Instance{
			Name: name, UID: name, Version: name, Running: true, Ready: true, Heard: true, HeardAt: s.Now,
			Report: Report{Role: Replica, Protected: true, Holds: rapid.SampledFrom([]Holding{HoldsUnknown, HoldsNothing, HoldsData}).Draw(t, "holds")},
		})
	}
	s.Instances[0].Label, s.Instances[0].Report = Master, Report{Role: Master, Epoch: 2, Holds: rapid.SampledFrom([]Holding{HoldsNothing, HoldsData}).Draw(t, "feeds")}
	for n := range other.Instances {
		if rapid.IntRange(0, 5).Draw(t, "otherwise") == 0 {
			s.Instances[n] = other.Instances[n]
		}
	}
	if rapid.IntRange(0, 5).Draw(t, "HA otherwise") == 0 {
		s.HA = other.HA
	}
	s.HandingOver = rapid.IntRange(0, 9).Draw(t, "handing over") == 0
	return s
}

// Whatever a snapshot says: who is told to join is protected, lives, and is told of one who has the label and claims it, and loses
// nothing by it. Who is protected and gets no order is told why.
func TestWhoIsToldToJoin(t *testing.T) {
	told, waiting := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		s := joining(t)
		plan := Decide(s)
		by := map[string]Instance{}
		for _, i := range s.Instances {
			by[i.Name] = i
		}
		for _, j := range plan.Joins {
			told++
			if s.HandingOver {
				t.Fatalf("%v, while the master is handed over", j)
			}
			i, m := by[j.Instance], by[j.Master]
			if i.Report.Role != Replica || !i.Report.Protected || i.Ended || i.Going || i.Stranger || i.Node == NodeLost || i.UID != j.UID {
				t.Fatalf("%v: %+v", j, i)
			}
			if m.Label != Master || m.Report.Role != Master || m.Report.Protected || m.UID != j.MasterUID || plan.Master != m.Name || plan.NoMaster.True {
				t.Fatalf("%v: %+v", j, m)
			}
			if i.Report.Holds != HoldsNothing && m.Report.Holds != HoldsData || i.Report.Loading || m.Report.Loading {
				t.Fatalf("%v: %+v, %+v", j, i, m)
			}
			if !s.HA.Static && (s.HA.Master != m.Name || s.HA.Epoch != j.Epoch || !s.HA.Agreed || !s.HA.Heard) || s.HA.Static && j.Epoch != 0 {
				t.Fatalf("%v: %+v", j, s.HA)
			}
		}
		for _, w := range plan.Waits {
			waiting++
			if w.Reason == 0 || slices.ContainsFunc(plan.Joins, func(j Join) bool { return j.Instance == w.Instance }) {
				t.Fatalf("%+v, %v", w, plan.Joins)
			}
		}
	})
	if t.Logf("%d were told, %d wait", told, waiting); told < 20 || waiting < 20 {
		t.Errorf("%d were told and %d wait: too few to prove anything", told, waiting)
	}
}

func TestHush(t *testing.T) {
	for _, c := range []struct {
		silent, running int
		listening       time.Duration
		hushed          bool
	}{
		{0, 10, time.Hour, false}, {5, 10, time.Hour, false}, {6, 10, time.Hour, true}, {10, 10, time.Hour, true},
		{0, 10, silence - 1, true}, {0, 10, silence, false}, {1, 1, time.Hour, true}, {0, 0, time.Hour, false},
	} {
		if got := Hush(c.silent, c.running, c.listening, silence); got != c.hushed {
			t.Errorf("%+v: %t", c, got)
		}
	}
}

// Nobody says that all replicas are in sync in a shard without a master, or where of one that has run for a minute nobody knows it now, or
// that has followed somebody else than the master for a minute.
func TestInSyncIsNotSaidOfWhoIsNotKnown(t *testing.T) {
	said, kept := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		s := anySnapshot(t)
		plan := Decide(s)
		if plan.NoMaster.True && !plan.Behind.True {
			t.Fatalf("there is no master: %+v", s)
		}
		if plan.Behind.True {
			kept++
			return
		}
		said++
		for _, i := range s.Instances {
			if i.Name == plan.Master || i.out() || i.Going || !i.Running || !i.Heard && i.Label == NoLabel && s.Now.Sub(i.BegunAt) < lagLimit {
				continue
			}
			others := i.Follows != "" && i.Follows != plan.Master && i.Report.Role == Replica
			if master := s.Instances[slices.IndexFunc(s.Instances, func(m Instance) bool { return m.Name == plan.Master })]; others &&
				s.Now.Sub(i.FollowsAt) >= lagLimit && s.Now.Sub(master.ClaimedAt) >= lagLimit {
				t.Fatalf("%+v", i)
			}
			long := s.Now.Sub(i.BehindAt) >= lagLimit
			if !s.fresh(&i) || long && (i.Report.Role == Unknown || i.Report.Role == None || i.Report.Role == Replica && !i.inSync()) {
				t.Fatalf("%+v", i)
			}
		}
	})
	if said < 5 || kept < 5 {
		t.Errorf("it was said %d times and not %d times: too few to prove anything", said, kept)
	}
}
