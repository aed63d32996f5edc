package roles

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/redis"
)

const (
	// patience is for how long the answers of Sentinels are waited for. Who needs longer did not answer: the workers that wait are
	// those of all sets.
	patience = 300 * time.Millisecond
	// settled is for how long all Sentinels must say the same before it counts against a later election that is known, and for
	// how long an election counts that too few of them told of. They tell each other within two seconds.
	settled = 30 * time.Second
)

// sentinels is the provider of one set: its Sentinels, and what was heard of each shard.
type sentinels struct {
	spec  v1alpha1.SentinelProvider
	lines []*line
	login *login
	now   func() time.Time

	mu     sync.Mutex
	shards map[string]past
}

func newSentinels(spec v1alpha1.SentinelProvider, now func() time.Time, connect connector, l *login) *sentinels {
	s := &sentinels{spec: *spec.DeepCopy(), login: l, now: now, shards: map[string]past{}}
	for _, addr := range spec.Addresses {
		s.lines = append(s.lines, &line{addr: addr, connect: connect.with(l), now: now})
	}
	return s
}

// Naming asks all Sentinels at the same time.
func (s *sentinels) Naming(ctx context.Context, shard shardKey) Naming {
	name := Monitor(&s.spec, shard.shard)
	answers := s.ask(ctx, name)
	for n, a := range answers {
		if a.err != nil {
			log.FromContext(ctx).V(2).Info("a Sentinel did not say who is master", "sentinel", s.lines[n].addr, "monitor", name, "error", a.err.Error())
		}
	}
	named, all := merge(answers)
	if !named.Heard {
		named.Trouble = cmp.Or(s.login.trouble(), named.Trouble)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shards[name], named = s.shards[name].hear(named, all, s.now())
	return named
}

// ask waits for the answers of all, and not for long. Those that are late are left alone.
func (s *sentinels) ask(ctx context.Context, name string) []answer {
	type numbered struct {
		answer
		of int
	}
	answers, came := make([]answer, len(s.lines)), make(chan numbered, len(s.lines))
	open := map[int]bool{}
	for n, l := range s.lines {
		open[n] = true
		go func() {
			v, err := l.ask(ctx, name)
			came <- numbered{answer{v, err}, n}
		}()
	}
	enough := time.NewTimer(patience)
	defer enough.Stop()
	for range s.lines {
		select {
		case a := <-came:
			answers[a.of] = a.answer
			delete(open, a.of)
			continue
		case <-enough.C:
		}
		break
	}
	for n := range open {
		answers[n].err = errLate
		s.lines[n].rest(errLate)
	}
	return answers
}

// close ends the connections.
func (s *sentinels) close() {
	for _, l := range s.lines {
		l.close()
	}
}

// past is what was heard of a shard before: an election is not forgotten because the Sentinel that told of it is gone.
type past struct {
	floor  int64     // the latest election that most Sentinels agreed on
	rumour int64     // the latest that too few of them told of,
	told   time.Time // and when they last did
	since  time.Time // when the latest of both was first heard of
	// all Sentinels name addr by epoch since then; the zero time if they do not
	addr  string
	epoch int64
	all   time.Time
}

// hear adds what was heard now, and completes it with what was heard before. One that says what no other one confirms has
// heard early, or is nobody's Sentinel: its word counts for a while. And when all say the same for long, nobody is left who
// could know of a later election: those that knew were made anew.
func (p past) hear(n Naming, all bool, now time.Time) (past, Naming) {
	if n.Heard && (p.since.IsZero() || n.Epoch > p.latest(now)) {
		p.since = now
	}
	switch {
	case n.Heard && n.Agreed:
		p.floor = max(p.floor, n.Epoch)
	case n.Heard && (n.Epoch >= p.rumour || now.Sub(p.told) >= settled):
		p.rumour, p.told = n.Epoch, now
	}
	if !all || p.all.IsZero() || n.Addr != p.addr || n.Epoch != p.epoch {
		p.addr, p.epoch, p.all = n.Addr, n.Epoch, time.Time{}
	}
	if all && p.all.IsZero() {
		p.all = now
	}
	if n.Sure = all && now.Sub(p.all) >= settled; n.Sure {
		p.floor, p.rumour = n.Epoch, 0
	}
	n.Floor, n.Since = p.latest(now), p.since
	return p, n
}

func (p past) latest(now time.Time) int64 {
	if now.Sub(p.told) < settled {
		return max(p.floor, p.rumour)
	}
	return p.floor
}

type answer struct {
	view redis.View
	err  error
}

// merge takes the latest election that any Sentinel knows of, and of those who know of it the opinion of most. Most of all
// that anybody knows of must have it for Agreed. All says that each of them has it.
func merge(answers []answer) (n Naming, all bool) {
	known := len(answers)
	opinions, seen := map[string]int{}, map[string]bool{}
	for _, a := range answers {
		if a.err != nil {
			continue
		}
		known = max(known, a.view.Peers+1)
		if seen[a.view.ID] && a.view.ID != "" {
			continue // two addresses of one Sentinel are one vote
		}
		seen[a.view.ID] = true
		epoch := epochOf(a.view)
		if n.Heard && epoch < n.Epoch {
			continue
		}
		if epoch > n.Epoch {
			clear(opinions)
		}
		n.Heard, n.Epoch = true, epoch
		opinions[a.view.Master]++
	}
	for _, addr := range slices.Sorted(maps.Keys(opinions)) {
		if opinions[addr] > opinions[n.Addr] {
			n.Addr = addr
		}
	}
	n.Agreed = opinions[n.Addr] > known/2
	if !n.Heard { // without the errors, which are never twice the same: this stands in a condition
		n.Trouble = fmt.Sprintf("none of %d Sentinels says who is master", len(answers))
	}
	return n, n.Heard && opinions[n.Addr] == known
}

func epochOf(v redis.View) int64 { return int64(min(v.Epoch, math.MaxInt64)) }
