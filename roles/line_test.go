package roles

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/redis"
)

// reply is an error that a server said.
type reply string

func (r reply) Error() string { return string(r) }
func (reply) RedisError()     {}

// fakes are Sentinels by address, and a clock that only the test moves.
type fakes struct {
	clock time.Time
	by    map[string]*fakeSentinel
	p     *providers
}

func newFakes(addresses ...string) *fakes {
	f := &fakes{clock: time.Unix(1000, 0), by: map[string]*fakeSentinel{}}
	for _, a := range addresses {
		f.by[a] = &fakeSentinel{view: map[string]redis.View{}, asked: make(chan struct{}, 100)}
	}
	f.p = newProviders(func() time.Time { return f.clock }, func(_ context.Context, addr string, _ redis.Access) (asker, error) { return f.by[addr].dial() }, nil, nil)
	return f
}

func (f *fakes) say(master string, epoch uint64, addresses ...string) {
	for _, a := range addresses {
		f.by[a].view["r-0"] = redis.View{ID: a, Master: master, Epoch: epoch, Peers: 2}
	}
}

func asking(name string, addresses ...string) *v1alpha1.InstanceSet {
	set := aSet()
	set.Name = name
	set.Spec.RoleProvider = &v1alpha1.RoleProvider{Type: v1alpha1.RoleProviderSentinel, Sentinel: &v1alpha1.SentinelProvider{Addresses: addresses, Monitor: "{shard}"}}
	return set
}

// A Sentinel that blocks delays one question of one shard, by no more than the patience. Neither other shards nor other sets wait
// for it, and the others of its set name the master meanwhile.
func TestASlowSentinelHoldsUpNobody(t *testing.T) {
	f := newFakes("a", "b", "c", "d")
	f.say("r-0:1", 3, "a", "b", "c", "d")
	f.by["c"].block = make(chan struct{})
	defer close(f.by["c"].block)
	set, other := asking("r", "a", "b", "c"), asking("q", "d")
	first := make(chan Naming, 1)
	go func() { first <- f.p.of(set).Naming(t.Context(), shardZero) }()
	<-f.by["c"].asked
	if got := f.p.of(other).Naming(t.Context(), shardKey{"ns", "q", "r-0"}); !got.Heard {
		t.Errorf("another set: %+v", got)
	}
	select {
	case got := <-first:
		if !got.Agreed || got.Epoch != 3 {
			t.Errorf("%+v", got)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("the shard waits for it")
	}
	for range 5 {
		if got := f.p.of(set).Naming(t.Context(), shardZero); !got.Agreed {
			t.Errorf("%+v", got)
		}
	}
	if more := len(f.by["c"].asked); more != 0 {
		t.Errorf("%d more questions: it is not left alone", more)
	}
	// After a while one question tries it, and others do not wait for that one.
	f.clock = f.clock.Add(leftAlone)
	go func() { first <- f.p.of(set).Naming(t.Context(), shardZero) }()
	<-f.by["c"].asked
	f.p.of(set).Naming(t.Context(), shardZero)
	if more := len(f.by["c"].asked); more != 0 {
		t.Errorf("%d questions beside the one that tries", more)
	}
	<-first
}

// Questions do not wait for each other, and what they were asked on is used again.
func TestQuestionsAtTheSameTime(t *testing.T) {
	f := newFakes("a")
	f.say("r-0:1", 3, "a")
	block := make(chan struct{})
	f.by["a"].block = block
	set := asking("r", "a")
	done := make(chan Naming, 8)
	for range cap(done) {
		go func() { done <- f.p.of(set).Naming(t.Context(), shardZero) }()
	}
	for range cap(done) {
		<-f.by["a"].asked
	}
	close(block)
	for range cap(done) {
		if got := <-done; !got.Heard {
			t.Errorf("%+v", got)
		}
	}
	f.p.of(set).Naming(t.Context(), shardZero)
	if dials, open := f.by["a"].counts(); dials > cap(done) || open != dials {
		t.Errorf("%d dials, %d open", dials, open)
	}
}

// An answer that took long counts, and is the last one for a while.
func TestAnAnswerThatTookLong(t *testing.T) {
	f := newFakes("a")
	f.say("r-0:1", 3, "a")
	f.by["a"].took = func() { f.clock = f.clock.Add(slow) }
	provider := f.p.of(asking("r", "a"))
	if got := provider.Naming(t.Context(), shardZero); !got.Heard {
		t.Errorf("%+v", got)
	}
	f.by["a"].took = nil
	if got := provider.Naming(t.Context(), shardZero); got.Heard {
		t.Errorf("%+v: it is not left alone", got)
	}
	f.clock = f.clock.Add(leftAlone)
	for range 2 {
		if got := provider.Naming(t.Context(), shardZero); !got.Heard {
			t.Errorf("%+v", got)
		}
	}
	if dials, open := f.by["a"].counts(); dials != 1 || open != 1 {
		t.Errorf("%d dials, %d open", dials, open)
	}
}

// A Sentinel that does not know a shard has answered: its connection is kept, and the next shard is asked for.
func TestAShardThatASentinelDoesNotKnow(t *testing.T) {
	f := newFakes("a")
	provider := f.p.of(asking("r", "a"))
	f.by["a"].err = nil
	provider.Naming(t.Context(), shardZero)
	f.by["a"].err = fmt.Errorf("asking: %w", reply("ERR No such master with that name"))
	for range 3 {
		if got := provider.Naming(t.Context(), shardZero); got.Heard {
			t.Errorf("%+v", got)
		}
	}
	f.by["a"].err = nil
	f.say("r-0:1", 3, "a")
	if got := provider.Naming(t.Context(), shardZero); !got.Heard {
		t.Errorf("%+v", got)
	}
	if dials, _ := f.by["a"].counts(); dials != 1 {
		t.Errorf("%d dials", dials)
	}
}

// A set that names other Sentinels keeps what was heard of elections, unless shards have other names there; and no connection of
// those before stays, not that of a question that is under way either.
func TestASetThatNamesOthers(t *testing.T) {
	f := newFakes("a", "b")
	f.say("r-1:1", 7, "a")
	f.say("r-0:1", 6, "b")
	set := asking("r", "a")
	before := f.p.of(set)
	before.Naming(t.Context(), shardZero)
	block := make(chan struct{})
	f.by["a"].block = block
	<-f.by["a"].asked
	done := make(chan Naming, 1)
	go func() { done <- before.Naming(t.Context(), shardZero) }()
	<-f.by["a"].asked
	set = asking("r", "b")
	if got := f.p.of(set).Naming(t.Context(), shardZero); got.Epoch != 6 || got.Floor != 7 {
		t.Errorf("%+v: the election is forgotten", got)
	}
	close(block)
	<-done
	before.Naming(t.Context(), shardZero)
	if dials, open := f.by["a"].counts(); open != 0 || dials != 1 {
		t.Errorf("%d dials, %d open", dials, open)
	}
	set.Spec.RoleProvider.Sentinel.Monitor = "x-{shard}"
	if got := f.p.of(set).Naming(t.Context(), shardZero); got.Floor != 0 {
		t.Errorf("%+v", got)
	}
	set.Spec.RoleProvider = &v1alpha1.RoleProvider{Type: v1alpha1.RoleProviderStatic}
	if got := f.p.of(set).Naming(t.Context(), shardZero); !got.Static {
		t.Errorf("%+v", got)
	}
	if _, open := f.by["b"].counts(); open != 0 || len(f.p.sets) != 0 {
		t.Errorf("%d open, %d providers", open, len(f.p.sets))
	}
}

// Sentinels that lost what they knew begin at a low election again. That counts when all have said so for long.
func TestSentinelsThatWereMadeAnew(t *testing.T) {
	f := newFakes("a", "b", "c")
	f.say("r-0:1", 7, "a", "b", "c")
	provider := f.p.of(asking("r", "a", "b", "c"))
	ask := func() Naming { return provider.Naming(t.Context(), shardZero) }
	if got := ask(); !got.Agreed || got.Sure || got.Floor != 7 {
		t.Errorf("%+v", got)
	}
	f.say("r-1:1", 1, "a", "b", "c")
	for n, want := range []int64{7, 7, 1} {
		if got := ask(); got.Floor != want || got.Sure != (want == 1) {
			t.Errorf("look %d: %+v", n, got)
		}
		f.clock = f.clock.Add(settled / 2)
	}
	// One that does not answer may know of a later one, and one that says something else does.
	for name, make := range map[string]func(){
		"silent":  func() { f.by["c"].err = errors.New("timeout") },
		"another": func() { f.say("r-2:1", 1, "c") },
		"earlier": func() { f.say("r-1:1", 0, "c") },
	} {
		f.by["c"].err = nil
		f.clock = f.clock.Add(leftAlone)
		f.say("r-0:1", 7, "a", "b", "c")
		ask()
		f.say("r-1:1", 1, "a", "b", "c")
		make()
		for range 5 {
			if got := ask(); got.Floor != 7 || got.Sure {
				t.Errorf("%s: %+v", name, got)
			}
			f.clock = f.clock.Add(settled / 2)
		}
	}
}

// What one Sentinel says of an election counts for as long as the others may have yet to hear, and no longer: its word may be
// nobody's.
func TestWhatOneSentinelSays(t *testing.T) {
	f := newFakes("a", "b", "c")
	f.say("r-0:1", 6, "a", "b", "c")
	f.by["a"].view["r-0"] = redis.View{ID: "a", Master: "r-1:1", Epoch: 1 << 62, Peers: 2}
	provider := f.p.of(asking("r", "a", "b", "c"))
	ask := func() Naming { return provider.Naming(t.Context(), shardZero) }
	if got := ask(); got.Agreed || got.Floor != 1<<62 {
		t.Errorf("%+v", got)
	}
	f.say("r-0:1", 6, "a")
	if got := ask(); got.Epoch != 6 || got.Floor != 1<<62 {
		t.Errorf("%+v", got)
	}
	f.by["c"].err = errors.New("timeout") // not all say so
	f.clock = f.clock.Add(settled)
	if got := ask(); got.Floor != 6 || !got.Agreed || got.Sure {
		t.Errorf("%+v: what nobody confirmed still counts", got)
	}
}
