package roles

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/redis"
)

func says(master string, epoch uint64, peers int) answer {
	return answer{view: redis.View{Master: master, Epoch: epoch, Peers: peers}}
}

func is(id string, a answer) answer {
	a.view.ID = id
	return a
}

func TestMerge(t *testing.T) {
	silent := answer{err: errors.New("timeout")}
	for name, c := range map[string]struct {
		answers []answer
		want    Naming
	}{
		"all":                  {[]answer{says("a:1", 6, 2), says("a:1", 6, 2), says("a:1", 6, 2)}, Naming{Heard: true, Addr: "a:1", Epoch: 6, Agreed: true}},
		"two of three":         {[]answer{says("a:1", 6, 2), silent, says("a:1", 6, 2)}, Naming{Heard: true, Addr: "a:1", Epoch: 6, Agreed: true}},
		"one of three":         {[]answer{silent, silent, says("a:1", 6, 2)}, Naming{Heard: true, Addr: "a:1", Epoch: 6}},
		"the latest counts":    {[]answer{says("a:1", 6, 2), says("b:1", 7, 2), says("a:1", 6, 2)}, Naming{Heard: true, Addr: "b:1", Epoch: 7}},
		"most have heard":      {[]answer{says("b:1", 7, 2), says("b:1", 7, 2), says("a:1", 6, 2)}, Naming{Heard: true, Addr: "b:1", Epoch: 7, Agreed: true}},
		"two opinions":         {[]answer{says("a:1", 7, 2), says("b:1", 7, 2), says("b:1", 7, 2)}, Naming{Heard: true, Addr: "b:1", Epoch: 7, Agreed: true}},
		"peers not named":      {[]answer{says("a:1", 6, 4), says("a:1", 6, 4)}, Naming{Heard: true, Addr: "a:1", Epoch: 6}},
		"one by two addresses": {[]answer{is("a", says("a:1", 6, 2)), is("a", says("a:1", 6, 2)), silent}, Naming{Heard: true, Addr: "a:1", Epoch: 6}},
		"nobody elected":       {[]answer{says("a:1", 0, 0)}, Naming{Heard: true, Addr: "a:1", Agreed: true}},
		"nobody answers":       {[]answer{silent, silent}, Naming{Trouble: "none of 2 Sentinels says who is master"}},
	} {
		got, all := merge(c.answers)
		if got != c.want || all != (name == "all" || name == "nobody elected") {
			t.Errorf("%s: %+v, %t, want %+v", name, got, all, c.want)
		}
	}
}

// fakeSentinel answers by its map, after block is closed if there is one.
type fakeSentinel struct {
	mu    sync.Mutex
	view  map[string]redis.View
	err   error
	block chan struct{}
	asked chan struct{} // is told of each question, if there is room
	took  func()
	dials int
	open  int
}

func (f *fakeSentinel) View(_ context.Context, shard string) (redis.View, error) {
	f.mu.Lock()
	v, err, block, asked, took := f.view[shard], f.err, f.block, f.asked, f.took
	f.mu.Unlock()
	select {
	case asked <- struct{}{}:
	default:
	}
	if block != nil {
		<-block
	}
	if took != nil {
		took()
	}
	return v, err
}

func (f *fakeSentinel) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open--
	return nil
}

func (f *fakeSentinel) dial() (asker, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dials++
	if f.err != nil {
		return nil, f.err
	}
	f.open++
	return f, nil
}

func (f *fakeSentinel) counts() (dials, open int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.dials, f.open
}

// A Sentinel that does not answer is left alone for a while, and what was heard of elections is not forgotten.
func TestSentinels(t *testing.T) {
	clock := time.Unix(1000, 0)
	f := &fakeSentinel{view: map[string]redis.View{"m-r-0": {Master: "r-0:1", Epoch: 6}}}
	p := newProviders(func() time.Time { return clock }, func(context.Context, string, redis.Access) (asker, error) {
		return f.dial()
	}, nil, nil)
	set := aSet()
	set.Spec.RoleProvider = &v1alpha1.RoleProvider{Type: v1alpha1.RoleProviderSentinel, Sentinel: &v1alpha1.SentinelProvider{Addresses: []string{"s:26379"}, Monitor: "m-{shard}"}}
	ask := func() Naming { return p.of(set).Naming(t.Context(), shardZero) }

	want := Naming{Heard: true, Addr: "r-0:1", Epoch: 6, Since: clock, Agreed: true, Floor: 6}
	if got := ask(); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	clock, want.Sure = clock.Add(time.Minute), true
	if got := ask(); got != want || f.dials != 1 {
		t.Errorf("%+v after %d dials", got, f.dials)
	}
	f.err = errors.New("timeout")
	for range 3 {
		if got := ask(); got.Heard || got.Floor != 6 || got.Trouble == "" {
			t.Errorf("%+v", got)
		}
	}
	if f.dials != 1 || f.open != 0 {
		t.Errorf("%d dials, %d open: it is not left alone", f.dials, f.open)
	}
	clock, f.err = clock.Add(leftAlone), nil
	f.view["m-r-0"] = redis.View{Master: "r-1:1", Epoch: 5}
	if got := ask(); !got.Heard || got.Epoch != 5 || got.Floor != 6 {
		t.Errorf("%+v", got)
	}
	f.view["m-r-0"] = redis.View{Master: "r-1:1", Epoch: 7}
	if got := ask(); got.Floor != 7 || !got.Since.Equal(clock) {
		t.Errorf("%+v", got)
	}
	set.Spec.RoleProvider.Sentinel.Monitor = "other"
	if got := ask(); got.Addr != "" || f.open != 1 {
		t.Errorf("%+v, %d open", got, f.open)
	}
	p.forget(shardZero.owner())
	if f.open != 0 || len(p.sets) != 0 {
		t.Errorf("%d open", f.open)
	}
	set.Spec.RoleProvider = &v1alpha1.RoleProvider{Type: v1alpha1.RoleProviderStatic}
	if got := ask(); !got.Static {
		t.Errorf("%+v", got)
	}
}

func TestWhoseAddress(t *testing.T) {
	a, b := aPod("r-1"), aPod("r-11")
	b.Status.PodIP, b.Status.PodIPs = "10.0.1.1", []corev1.PodIP{{IP: "10.0.1.1"}, {IP: "fd00::1"}}
	for addr, want := range map[string]string{
		"10.0.0.11:6379": "r-1", "10.0.1.1:6379": "r-11", "[fd00:0::1]:6379": "r-11", "10.0.9.9:6379": "", "r-1:6379": "r-1", "r-1.r:6379": "r-1",
		"r-1.r.ns:1": "r-1", "R-1.r.ns.svc.cluster.local.:6379": "r-1", "r-11.r.ns.svc:6379": "r-11", "r-1.q:6379": "", "r-1.r.other.svc:6379": "", "r:6379": "", "": "", "r-1": "", ":6379": "",
	} {
		if got := view(Naming{Heard: true, Addr: addr}, []*corev1.Pod{a, b}); got.Master != want || !got.Heard {
			t.Errorf("%s is of %q, want %q", addr, got.Master, want)
		}
	}
	b.Status.PodIP, b.Status.PodIPs = a.Status.PodIP, nil
	got := view(Naming{Heard: true, Addr: a.Status.PodIP + ":6379"}, []*corev1.Pod{a, b})
	if got.Master != "" || got.Heard || got.Trouble != "10.0.0.11:6379, whom Sentinels name, is the address of r-1 and r-11" {
		t.Errorf("an address of two pods is of %+v", got)
	}
}
