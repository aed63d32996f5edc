package decide

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/shoal-dev/shoal/reason"
)

// server is a Redis as far as it matters here: its log, whose it is, and what is on its way to it.
type server struct {
	name            string
	master          bool
	of              string // "" is nobody
	log             []int
	history, former int
	formerEnd       int64
	linked          bool
	pausedUntil     time.Time
	fence           Fence
	frozen, cut     bool // stopped; or not reached by whoever hands over
	killed          bool
	past            bool // Sentinels have promoted another one in its place
	down, marked    bool // killed, and not there again; it was master last, and has written that down
	term            int
	late            []func() // orders that were sent and may yet arrive
}

type sentinel struct {
	master       string
	epoch, voted uint64
	hold         time.Time // until when it calls no election, and the others' fail
	cut          bool
	failing      uint64 // the election that it has won, of a failover that is under way
	promoted     string // whom it has promoted in that
}

// world is a master with its replicas, and three Sentinels. Chance is all from one seed.
type world struct {
	*rand.Rand
	now       time.Time
	servers   []*server
	sentinels []*sentinel
	acked     []int
	writes    int
	// failsOver: server 0 is among those that stop, and Sentinels promote somebody in its place. failovers counts that.
	failsOver  bool
	failovers  int
	restart    bool // servers are killed, and start again
	empties    bool // servers are killed, and start again following nobody, with nothing
	kills      int
	calm       bool // nobody is killed any more
	configured Fence
	histories  int
	chain      bool // at first one of the replicas follows the other one
	last       Step
	trace      []string
	wrong      string
}

func newWorld(seed uint64, replicas int) *world {
	w := &world{Rand: rand.New(rand.NewPCG(seed, 1)), now: time.Unix(0, 0), histories: 1}
	w.restart = w.IntN(3) == 0 && replicas > 1 // of two that are killed, each may wait for the other, and for a person
	if w.failsOver = w.restart || w.IntN(2) == 0; w.IntN(2) == 0 {
		w.configured = Fence{1, 10 * time.Second}
	}
	for n := range 1 + replicas {
		w.servers = append(w.servers, &server{name: strconv.Itoa(n), of: "0", history: 1, former: -1, formerEnd: -1, linked: true, fence: w.configured})
	}
	for range 3 {
		w.sentinels = append(w.sentinels, &sentinel{master: "0"})
	}
	if seed%5 == 4 {
		w.empties, w.restart, w.failsOver = true, false, true
	}
	if w.chain = replicas > 1 && seed%7 == 3; w.chain {
		w.servers[2].of = "1" // as one that was told to join during another handover
	}
	w.servers[0].master, w.servers[0].of, w.servers[0].linked, w.servers[0].marked = true, "", false, true
	return w
}

func (w *world) tell(format string, args ...any) {
	w.trace = append(w.trace, fmt.Sprintf(format, args...))
}

func (w *world) by(name string) *server {
	return w.servers[slices.IndexFunc(w.servers, func(s *server) bool { return s.name == name })]
}

func (w *world) followers(m *server) (n int) {
	for _, s := range w.servers {
		if !s.master && s.of == m.name && s.linked {
			n++
		}
	}
	return n
}

func (w *world) writable(s *server) bool {
	return s.master && !s.frozen && !w.now.Before(s.pausedUntil) && (s.fence.Lag == 0 || w.followers(s) >= s.fence.Replicas)
}

// pass lets time pass: late orders arrive, clients write to whoever lets them, and replicas follow.
func (w *world) pass() {
	w.now = w.now.Add(time.Duration(1+w.IntN(60)) * time.Millisecond)
	writable := 0
	for _, s := range w.servers {
		if s.frozen || s.down {
			continue
		}
		for len(s.late) > 0 && w.IntN(3) == 0 {
			w.tell("a late order arrives at %s", s.name)
			s.late[0]()
			s.late = s.late[1:]
		}
		if !w.writable(s) {
			continue
		}
		w.writes++
		s.log = append(s.log, w.writes)
		// What a master of the past takes is lost when Sentinels make it a replica, whether anybody hands over or not.
		if !s.past {
			writable++
			w.acked = append(w.acked, w.writes)
		}
	}
	if writable > 1 {
		w.wrong = "two servers take writes"
	}
	for _, s := range w.servers {
		if w.IntN(2) == 0 {
			w.follow(s)
		}
	}
	if s := w.servers[w.IntN(len(w.servers))]; w.IntN(10) == 0 && !s.frozen && !s.down {
		w.convert(s)
	}
	if w.empties {
		w.restartsEmpty()
	} else {
		w.restarts()
	}
	if w.failsOver && w.IntN(25) == 0 {
		w.failOver()
	}
	for _, s := range w.sentinels {
		if s.failing > 0 && w.IntN(4) == 0 {
			w.goOn(s)
		}
	}
	from, to := w.sentinels[w.IntN(3)], w.sentinels[w.IntN(3)]
	if from.epoch > to.epoch { // they tell each other
		to.epoch, to.master = from.epoch, from.master
	}
}

func (w *world) follow(s *server) {
	if s.master || s.frozen || s.down || s.of == "" {
		return
	}
	m := w.by(s.of)
	if m.frozen || m.down || m == s || !m.master && !m.linked && m.of != "" {
		return
	}
	partial := s.history == m.history && len(s.log) <= len(m.log) || s.history == m.former && int64(len(s.log)) < m.formerEnd
	if !partial && !m.master {
		return
	}
	if !partial {
		s.log = nil
	}
	s.log = append(slices.Clone(s.log), m.log[len(s.log):]...)
	s.history, s.former, s.formerEnd, s.linked = m.history, m.former, m.formerEnd, true
}

func (w *world) promote(s *server) {
	if s.master {
		return
	}
	w.histories++
	s.master, s.of, s.linked, s.past = true, "", false, false
	s.former, s.formerEnd, s.history = s.history, int64(len(s.log))+1, w.histories
	for _, r := range w.servers {
		if r.of == s.name {
			r.linked = false
		}
	}
}

func (w *world) replicaOf(s *server, of string) {
	s.master, s.of, s.linked, s.past = false, of, false, false
}

// look is what a run sees. A server that answers on a new connection has ended the old ones: nothing late follows.
func (w *world) look(broken map[string]bool) (instances []Instance, sentinels []Sentinel) {
	for _, s := range w.servers {
		i := Instance{Name: s.name, Addr: s.name, Reachable: !s.frozen && !s.cut && !s.down}
		if i.Reachable {
			if broken[s.name] {
				s.late, broken[s.name] = nil, false
			}
			i.Master, i.Of, i.Held, i.LinkUp = s.master, s.of, !s.master && s.of == "", s.linked
			i.History, i.Former, i.FormerEnd, i.Offset = strconv.Itoa(s.history), strconv.Itoa(s.former), s.formerEnd, int64(len(s.log))
			i.Followers, i.Priority, i.Fence = w.followers(s), 100, s.fence
		}
		instances = append(instances, i)
		if w.IntN(4) == 0 {
			w.pass()
		}
	}
	for n, s := range w.sentinels {
		sentinels = append(sentinels, Sentinel{Addr: strconv.Itoa(n), Reachable: !s.cut, Master: s.master, Epoch: s.epoch, FailingOver: s.failing > 0, Quorum: 2, Peers: 2, DownAfter: 5 * time.Second, FailoverTimeout: time.Minute})
	}
	return instances, sentinels
}

// order returns what a step does at a server.
func (w *world) order(step Step) (*server, func()) {
	s := w.by(step.Instance)
	return s, map[Action]func(){
		SetFence: func() { s.fence = step.Fence },
		Pause:    func() { s.pausedUntil = w.now.Add(step.Long) },
		Unpause:  func() { s.pausedUntil = time.Time{} },
		Demote:   func() { w.replicaOf(s, "") },
		Promote:  func() { w.promote(s) },
		Return:   func() { w.promote(s) },
		Follow:   func() { w.replicaOf(s, step.Master) },
	}[step.Do]
}

// do carries out a step, or loses the order, or its answer, or delays it.
func (w *world) do(step Step, m Memory, broken map[string]bool, calm bool) (epoch uint64, failed bool) {
	switch step.Do {
	case Elect:
		epoch = m.Epoch + 1
		for _, s := range w.sentinels {
			epoch = max(epoch, s.voted+1, s.epoch+1)
		}
		votes := 0
		for _, s := range w.sentinels {
			if !s.cut {
				s.voted, s.hold = epoch, w.now.Add(12*time.Second)
				votes++
			}
		}
		return epoch, votes < 2
	case Tell:
		for _, s := range w.sentinels {
			if !s.cut && m.Epoch > s.epoch {
				s.epoch, s.master = m.Epoch, step.Instance
			}
		}
		return 0, false
	}
	s, order := w.order(step)
	fate := w.IntN(12)
	switch {
	case s.down:
		broken[s.name] = true
		return 0, true
	case s.frozen && (calm || fate < 8), !calm && fate == 0: // it is in the buffer
		s.late, broken[s.name] = append(s.late, order), true
		return 0, true
	case s.frozen || s.cut || !calm && fate == 1:
		broken[s.name] = true
		return 0, true
	case !calm && fate == 2:
		order()
		broken[s.name] = true
		return 0, true
	}
	order()
	return 0, false
}

// disturb has faults come and go.
func (w *world) disturb() {
	for _, s := range w.servers {
		if w.IntN(12) == 0 {
			s.cut = !s.cut && w.IntN(3) > 0
		}
	}
	if to := w.servers[1+w.IntN(len(w.servers)-1)]; w.IntN(12) == 0 {
		to.frozen = !to.frozen
	}
	if from := w.servers[0]; w.failsOver && w.IntN(12) == 0 {
		from.frozen = !from.frozen
	}
	if s := w.sentinels[w.IntN(3)]; w.IntN(20) == 0 {
		s.cut = !s.cut
	}
}

// run is one run of a request: until it ends, or is killed.
func (w *world) run(r Request, calm bool) Step {
	m := Memory{Began: w.now}
	broken := map[string]bool{"0": true, "1": true, "2": true} // the connections are new
	for range 5000 {
		if !calm {
			w.disturb()
		}
		instances, sentinels := w.look(broken)
		seen := Snapshot{Now: w.now, Request: r, Instances: instances, Sentinels: sentinels}
		m = m.Seen(seen)
		seen.Memory = m
		step := Decide(seen)
		if step.Do != Wait {
			w.tell("%s %s %s %s %v: %s", step.Do, step.Instance, step.Master, step.Result, step.Code, step.Text)
		}
		if step.Result == Refused && !instances[0].Master {
			w.wrong = "refused, and nobody has seen that 0 is master"
		}
		if step.Do == End || w.wrong != "" {
			return step
		}
		if !calm && w.IntN(10) == 0 {
			w.tell("killed")
			return step
		}
		w.pass()
		if step.Do != Wait {
			epoch, failed := w.do(step, m, broken, calm)
			if failed {
				w.tell("  not known whether it was done")
				m = m.After(step, w.now, epoch, "its answer is lost")
			} else {
				m = m.After(step, w.now, epoch, "")
			}
		}
		w.pass()
	}
	w.wrong = "a run does not end"
	return Step{}
}

// play kills runs in all kinds of trouble, and then lets one finish in peace.
func play(seed uint64, replicas int) *world {
	w := newWorld(seed, replicas)
	r := Request{From: "0", Configured: &w.configured}
	if w.IntN(2) == 0 {
		r.To = "1"
	}
	for range 1 + w.IntN(4) {
		for range w.IntN(5) {
			w.pass()
		}
		if w.failsOver && w.IntN(2) == 0 { // long enough for Sentinels
			w.servers[0].frozen = w.IntN(2) == 0
			for range w.IntN(400) {
				w.pass()
			}
		}
		if w.run(r, false); w.wrong != "" {
			return w
		}
	}
	for _, s := range w.servers {
		s.frozen, s.cut = false, false
	}
	for _, s := range w.sentinels {
		s.cut = false
	}
	w.tell("peace")
	w.restart, w.calm = false, true
	for range 40 {
		w.pass()
	}
	for n := 0; w.failsOver && n < 800; n++ { // Sentinels tell each other, call an election if need be, and repair
		w.pass()
	}
	last := w.run(r, true)
	w.last = last
	for range 40 {
		w.pass()
	}
	w.judge(last)
	return w
}

// judge: one master, which has all that was acknowledged, takes writes, and is what Sentinels name.
func (w *world) judge(last Step) {
	if w.wrong != "" {
		return
	}
	var masters []*server
	for _, s := range w.servers {
		if s.master {
			masters = append(masters, s)
		}
	}
	if last.Result == Undecided || len(masters) != 1 {
		w.wrong = fmt.Sprintf("it ends with %d masters: %+v", len(masters), last)
		return
	}
	m := masters[0]
	for _, write := range w.acked {
		if !slices.Contains(m.log, write) {
			w.wrong = fmt.Sprintf("write %d is lost", write)
		}
	}
	if !w.writable(m) {
		w.wrong = "the master takes no writes"
	}
	for _, s := range w.sentinels {
		if s.master != m.name && last.Result == HandedOver {
			w.wrong = "Sentinels name " + s.master
		}
	}
}

// TestWhateverHappens plays seeds in which runs are killed between any two steps, orders and answers are lost or late, and
// servers and Sentinels stop and come back.
func TestWhateverHappens(t *testing.T) {
	t.Run("two replicas", func(t *testing.T) { whateverHappens(t, 4000, 2) })
	t.Run("one replica", func(t *testing.T) { whateverHappens(t, 4000, 1) })
}

func whateverHappens(t *testing.T, seeds uint64, replicas int) {
	failovers, kills, emptied, chains := 0, 0, 0, 0
	defer func() {
		t.Logf("Sentinels promoted somebody of themselves %d times, %d servers were killed, and %d of them started with nothing; %d began with a chain, and handed over", failovers, kills, emptied, chains)
		if emptied == 0 && !t.Failed() {
			t.Error("none started with nothing")
		}
		if replicas > 1 && chains == 0 && !t.Failed() {
			t.Error("none began with a chain and handed over")
		}
	}()
	for seed := range seeds {
		w := play(seed, replicas)
		failovers, kills = failovers+w.failovers, kills+w.kills
		if w.empties {
			emptied += w.kills
		}
		if w.chain && w.last.Result == HandedOver {
			chains++
		}
		if w.wrong != "" {
			t.Errorf("seed %d: %s", seed, w.wrong)
			for _, line := range w.trace {
				t.Log(line)
			}
			for _, s := range w.servers {
				t.Logf("%+v", *s)
			}
			return
		}
	}
}

// TestSteps: what happens when nothing goes wrong, in this order and no other. The one that takes over lags at first.
func TestSteps(t *testing.T) {
	want := []Action{SetFence, Pause, Elect, Demote, Promote, Tell, Follow, Unpause}
	for seed := range uint64(50) {
		w := newWorld(seed, 2)
		w.servers[0].log = []int{-1, -2, -3}
		w.configured, w.failsOver, w.restart, w.empties = Fence{}, false, false, false
		w.servers[2].of = "0"
		for _, s := range w.servers {
			s.fence = Fence{}
		}
		last := w.run(Request{From: "0", To: "1", Configured: &Fence{}}, true)
		var got []Action
		for _, line := range w.trace {
			if action := strings.Fields(line)[0]; action != "Sentinels" {
				got = append(got, Action(action))
			}
		}
		if last.Code != reason.HandedOver || len(got) < len(want) || !slices.Equal(got[:len(want)], want) {
			t.Fatalf("seed %d: %+v after %v", seed, last, w.trace)
		}
		if !w.servers[1].master || w.wrong != "" {
			t.Fatalf("seed %d: %s, %v", seed, w.wrong, w.trace)
		}
	}
}
