package loadbalance

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shoal-dev/shoal/load"
)

// losesMemory measures nodes once more, without their memory.
func (l *lab) losesMemory(cpu int64) {
	for _, name := range l.names {
		l.reads(name, cpu, 0)
		l.readings[name] = only(l.readings[name], load.CPU)
	}
	l.err = errors.New("asking Prometheus for memory: too late")
	l.refresh()
}

// A dimension that is not measured any more counts as it was until it is too old, and then requests stand in for it; the
// other one is as fresh as ever.
func TestADimensionThatIsLostIsAloneInIt(t *testing.T) {
	l := newLab(t, "a")
	lands, n := pod([2]string{"1", "4Gi"}), named("a", running(pod([2]string{"3", "12Gi"}), l.clock.Add(-time.Hour)))
	l.reads("a", 1000, 4*gib)
	l.refresh()
	for _, c := range []struct {
		after time.Duration
		cpu   int64
		want  int64
		why   string
	}{
		{0, 3000, score([]dimension{{4000, 8000, 1}, {8 * gib, 32 * gib, 1}}, 70), "new cpu, memory as it was"},
		{2 * time.Minute, 5000, score([]dimension{{6000, 8000, 1}, {8 * gib, 32 * gib, 1}}, 70), "new cpu, memory as it was two minutes ago"},
		{61 * time.Second, 1000, score([]dimension{{2000, 8000, 1}, {16 * gib, 32 * gib, 1}}, 70), "new cpu, memory by requests"},
	} {
		l.clock = l.clock.Add(c.after)
		l.losesMemory(c.cpu)
		if got := l.scores(lands, n)[0]; got != c.want {
			t.Errorf("%s: %d, want %d", c.why, got, c.want)
		}
	}
}

// A pod that began after the last reading of memory and before that of CPU is in one and not in the other.
func TestAPodIsInTheReadingOfOneDimension(t *testing.T) {
	l := newLab(t, "a")
	l.reads("a", 1000, gib)
	l.refresh()
	began := l.clock.Add(-30 * time.Second) // a reading covers pods that ran a minute before
	l.clock = l.clock.Add(time.Minute)
	l.losesMemory(2000)
	lands, n := pod([2]string{"1", "4Gi"}), named("a", running(pod([2]string{"1", "3Gi"}), began))
	want := score([]dimension{{3000, 8000, 1}, {(1 + 3 + 4) * gib, 32 * gib, 1}}, 70)
	if got := l.scores(lands, n)[0]; got != want {
		t.Errorf("%d, want %d", got, want)
	}
}

// Thresholds hold by the dimension: that of CPU closes busy nodes while memory is too old, and that of memory closes none.
func TestAThresholdHoldsWhileAnotherDimensionIsLost(t *testing.T) {
	l, lands := newLab(t, "a", "b"), pod([2]string{"1", "1Gi"})
	l.thresholds = append(l.thresholds, threshold{load.Memory, 10 * whole / 100})
	for _, c := range []struct {
		cpu             int64
		ofCPU, ofMemory time.Duration // ages
		closed          bool
		why             string
	}{
		{1000, 0, 0, true, "too much memory"},
		{1000, 0, 4 * time.Minute, false, "memory is too old, and closes the node"},
		{8000, 0, 4 * time.Minute, true, "too busy"},
		{8000, 4 * time.Minute, 4 * time.Minute, false, "nothing is young enough, and the node is closed"},
	} {
		for _, name := range l.names {
			l.reads(name, c.cpu, 8*gib)
			r := l.readings[name]
			r[load.CPU].At, r[load.Memory].At = l.clock.Add(-c.ofCPU), l.clock.Add(-c.ofMemory)
			l.readings[name] = r
		}
		l.refresh()
		if got := l.filter(lands, named("a")); strings.Contains(got, "SHOAL1115") != c.closed {
			t.Errorf("%s: %q", c.why, got)
		}
	}
}

// While a dimension is lost but still young enough, pods that another one held back are tried again all the same.
func TestAnErrorDoesNotKeepPodsWaiting(t *testing.T) {
	l, lands := newLab(t, "a"), pod([2]string{"1", "1Gi"})
	l.reads("a", 8000, gib)
	l.refresh()
	if got := l.filter(lands, named("a")); !strings.Contains(got, "SHOAL1115") {
		t.Errorf("too busy: %q", got)
	}
	if l.losesMemory(1000); l.woken["ns/p"] == nil {
		t.Error("the node is idle, and the pod waits for the queue's own time")
	}
}

// Memory is lost, and CPU some time later: each has an event of its own, and so has its return.
func TestEachDimensionHasItsEvents(t *testing.T) {
	l := newLab(t, "a")
	l.active.Store(true)
	const lost = ", for the others requests decide: the readings are too old (SHOAL1301)"
	for i, step := range []struct {
		ofCPU, ofMemory time.Duration // ages
		want            string        // empty: nothing new
	}{
		{0, 0, ""},
		{0, 4 * time.Minute, "Warning LoadUnknown memory is known of 0 of 1 nodes" + lost},
		{0, 5 * time.Minute, ""},
		{4 * time.Minute, 6 * time.Minute, "Warning LoadUnknown cpu is known of 0 of 1 nodes" + lost},
		{0, 6 * time.Minute, "Normal LoadKnown cpu is known of 1 of 1 nodes (SHOAL1302)"},
		{0, 0, "Normal LoadKnown memory is known of 1 of 1 nodes (SHOAL1302)"},
	} {
		l.reads("a", 1000, gib)
		r := l.readings["a"]
		r[load.CPU].At, r[load.Memory].At = l.clock.Add(-step.ofCPU), l.clock.Add(-step.ofMemory)
		l.readings["a"], l.events = r, nil
		l.refresh()
		if got := strings.TrimPrefix(strings.Join(l.events, "\n"), "shoal-system/shoal-scheduler "); got != step.want {
			t.Errorf("step %d: %q, want %q", i, got, step.want)
		}
	}
	if want := []string{"Measuring:memory", "Measuring:cpu", "Measuring:cpu", "Measuring:memory"}; !slices.Equal(l.actions, want) {
		t.Errorf("the actions are %q: events that differ in the text alone are counted as one", l.actions)
	}
}
