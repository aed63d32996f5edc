package roles

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/redis"
)

// sentinels is the provider of one set: its Sentinels, each with a connection that is kept, and what was heard of each shard.
type sentinels struct {
	spec  v1alpha1.SentinelProvider
	lines []*line
	now   func() time.Time

	mu     sync.Mutex
	shards map[string]past
}

// past is what was heard of a shard before: an election is not forgotten because the Sentinel that told of it is gone.
type past struct {
	floor int64
	since time.Time
}

func newSentinels(spec v1alpha1.SentinelProvider, now func() time.Time, connect connector) *sentinels {
	s := &sentinels{spec: *spec.DeepCopy(), now: now, shards: map[string]past{}}
	for _, addr := range spec.Addresses {
		s.lines = append(s.lines, &line{addr: addr, connect: connect, now: now})
	}
	return s
}

// Naming asks all Sentinels at the same time.
func (s *sentinels) Naming(ctx context.Context, shard shardKey) Naming {
	name := monitor(&s.spec, shard)
	answers := make([]answer, len(s.lines))
	var all sync.WaitGroup
	for n, l := range s.lines {
		all.Go(func() { answers[n].view, answers[n].err = l.ask(ctx, name) })
	}
	all.Wait()
	for n, a := range answers {
		if a.err != nil {
			log.FromContext(ctx).V(2).Info("a Sentinel did not say who is master", "sentinel", s.lines[n].addr, "monitor", name, "error", a.err.Error())
		}
	}
	named := merge(answers)
	s.mu.Lock()
	defer s.mu.Unlock()
	before, known := s.shards[name]
	after := before
	if named.Heard && (!known || named.Epoch > before.floor) {
		after = past{named.Epoch, s.now()}
		s.shards[name] = after
	}
	named.Floor, named.Since = after.floor, after.since
	return named
}

// close ends the connections.
func (s *sentinels) close() {
	for _, l := range s.lines {
		l.drop(nil)
	}
}

type answer struct {
	view redis.View
	err  error
}

// merge takes the latest election that any Sentinel knows of, and of those who know of it the opinion of most. Most of all
// that anybody knows of must have it for Agreed.
func merge(answers []answer) Naming {
	var n Naming
	known := len(answers)
	opinions := map[string]int{}
	for _, a := range answers {
		if a.err != nil {
			continue
		}
		known = max(known, a.view.Peers+1)
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
	return n
}

func epochOf(v redis.View) int64 { return int64(min(v.Epoch, math.MaxInt64)) }

// asker is a connection to a Sentinel.
type asker interface {
	View(ctx context.Context, shard string) (redis.View, error)
	Close() error
}

type connector func(ctx context.Context, addr string) (asker, error)

// connect reaches a Sentinel that asks for no password.
func connect(ctx context.Context, addr string) (asker, error) {
	return redis.Connect(ctx, addr, redis.Access{Name: "shoal-roles"})
}

// line is the connection to one Sentinel, nil while there is none. One that does not answer is left alone for a moment, or
// each of thousands of shards would wait for it.
type line struct {
	addr    string
	connect connector
	now     func() time.Time

	mu      sync.Mutex
	conn    asker
	until   time.Time
	trouble error
}

const leftAlone = 2 * time.Second

func (l *line) ask(ctx context.Context, shard string) (redis.View, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn == nil {
		if l.trouble != nil && l.now().Before(l.until) {
			return redis.View{}, l.trouble
		}
		conn, err := l.connect(ctx, l.addr)
		if err != nil {
			l.rest(err)
			return redis.View{}, err
		}
		l.conn = conn
	}
	v, err := l.conn.View(ctx, shard)
	if err != nil {
		l.hangUp()
		// One that does not know this shard may know the next one.
		if !strings.Contains(err.Error(), "No such master") {
			l.rest(err)
		}
		return redis.View{}, fmt.Errorf("asking who is master: %w", err)
	}
	return v, nil
}

func (l *line) rest(err error) { l.trouble, l.until = err, l.now().Add(leftAlone) }

// hangUp closes a connection on which an answer may still be to come.
func (l *line) hangUp() {
	if l.conn != nil {
		_ = l.conn.Close()
		l.conn = nil
	}
}

func (l *line) drop(trouble error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hangUp()
	l.trouble = trouble
}

// providers are the RoleProviders of sets, made anew when a set names other Sentinels.
type providers struct {
	now     func() time.Time
	connect connector

	mu   sync.Mutex
	sets map[types.NamespacedName]*sentinels
}

func newProviders(now func() time.Time, connect connector) *providers {
	return &providers{now: now, connect: connect, sets: map[types.NamespacedName]*sentinels{}}
}

// of is the provider of a set.
func (p *providers) of(set *v1alpha1.InstanceSet) RoleProvider {
	spec := set.Spec.RoleProvider
	if spec == nil || spec.Sentinel == nil {
		return static{}
	}
	name := client.ObjectKeyFromObject(set)
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.sets[name]
	if s == nil || !equality.Semantic.DeepEqual(s.spec, *spec.Sentinel) {
		if s != nil {
			s.close()
		}
		s = newSentinels(*spec.Sentinel, p.now, p.connect)
		p.sets[name] = s
	}
	return s
}

// forget is for a set that is gone.
func (p *providers) forget(set types.NamespacedName) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.sets[set]; s != nil {
		s.close()
		delete(p.sets, set)
	}
}
