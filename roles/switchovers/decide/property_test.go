package decide

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestWhateverHappens plays what people, managers and failures may do in any order. At each moment at most one of the shard has
// begun and not ended, none begins in a set that is paused or with an instance that is lost, whatever has begun ends, from where it
// began, and in the end nothing is left.
func TestWhateverHappens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld()
		for n := range 3 {
			w.instances = append(w.instances, Instance{Name: fmt.Sprint("r-", n), Master: n == 0})
		}
		made := 0
		froms := map[string]string{}
		steps := rapid.IntRange(1, 60).Draw(t, "steps")
		for range steps {
			switch rapid.IntRange(0, 9).Draw(t, "what") {
			case 0:
				made++
				words := []string{"timeout=" + rapid.SampledFrom([]string{"1s", "10s", "300s"}).Draw(t, "timeout")}
				if to := rapid.SampledFrom([]string{"", "r-0", "r-1", "r-9"}).Draw(t, "to"); to != "" {
					words = append(words, "to="+to)
				}
				_ = w.create(fmt.Sprint("s", made), append(words, "created="+rapid.SampledFrom([]string{"0s", "-1s", "-20m", "10m"}).Draw(t, "created")))
			case 1:
				w.now = w.now.Add(time.Duration(rapid.IntRange(0, 7200).Draw(t, "seconds")) * time.Second)
			case 2:
				w.leader()
			case 3:
				w.paused = !w.paused
			case 4:
				i := &w.instances[rapid.IntRange(0, 2).Draw(t, "instance")]
				i.Lost = !i.Lost
			case 5:
				i := &w.instances[rapid.IntRange(0, 2).Draw(t, "instance")]
				i.Master = !i.Master
			case 6:
				if name := w.any(t); name != "" {
					w.delete(name)
				}
			case 7:
				if w.taken != "" {
					w.end(w.taken)
				}
			default:
				w.checkedStep(t, w.any(t), froms)
			}
			w.oneAtATime(t)
		}
		// People stop, the set is whole, and time passes: all of it goes.
		w.paused = false
		for n := range w.instances {
			w.instances[n].Lost, w.instances[n].Master = false, n == 1
		}
		for range 8 * (made + 1) {
			for _, name := range w.names() {
				w.checkedStep(t, name, froms)
				w.oneAtATime(t)
			}
			if w.taken != "" {
				w.end(w.taken)
			}
			w.now = w.now.Add(20 * time.Minute)
		}
		if len(w.requests) > 0 {
			t.Fatalf("left: %v", w.names())
		}
	})
}

func (w *world) names() (names []string) {
	for name := range w.requests {
		names = append(names, name)
	}
	slices.SortFunc(names, strings.Compare)
	return names
}

func (w *world) any(t *rapid.T) string {
	names := w.names()
	if len(names) == 0 {
		return ""
	}
	return rapid.SampledFrom(names).Draw(t, "name")
}

// checkedStep does what is decided for one, unless the manager is at it just now.
func (w *world) checkedStep(t *rapid.T, name string, froms map[string]string) {
	r := w.requests[name]
	if r == nil || w.taken == name {
		return
	}
	before := *r
	v := w.decide(name)
	switch v.Do {
	case Begin:
		lost := slices.ContainsFunc(w.instances, func(i Instance) bool { return i.Lost })
		if w.paused || lost || before.Deleted || before.ended() || before.begun() {
			t.Fatalf("%s begins: %+v in %+v", name, before, w)
		}
		if n := slices.IndexFunc(w.instances, func(i Instance) bool { return i.Name == v.From }); n < 0 || !w.instances[n].Master {
			t.Fatalf("%s begins from %q, who has no label", name, v.From)
		}
		froms[name] = v.From
	case GoOn:
		if v.From != froms[name] || before.ended() {
			t.Fatalf("%s goes on from %q, and had begun from %q", name, v.From, froms[name])
		}
	case Refuse, Done:
		if before.begun() && !w.noSet {
			t.Fatalf("%s had begun, and is refused: %+v", name, v)
		}
	case Release:
		if before.begun() && !before.ended() {
			t.Fatalf("%s is let go before its end", name)
		}
	case Delete:
		if !before.ended() || w.now.Before(before.Completed.Add(before.TTL)) {
			t.Fatalf("%s is deleted too early", name)
		}
	case Wait, Leave:
		if again := v.Again; v.Do == Wait && (again <= 0 || again > time.Minute) {
			t.Fatalf("%s waits for %s", name, again)
		}
	}
	w.do(name, v)
}

// oneAtATime: never are two under way.
func (w *world) oneAtATime(t *rapid.T) {
	under := 0
	for _, r := range w.requests {
		if r.begun() && !r.ended() {
			under++
		}
	}
	if under > 1 {
		t.Fatalf("%d are under way", under)
	}
}
