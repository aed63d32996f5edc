package agent

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func kernel(n int) string { return fmt.Sprintf("%032x", n) }

// Boots of one run of a kernel are in the order in which they started, whoever is heard first.
func TestOrderOfBoots(t *testing.T) {
	boots := []string{strings.Repeat("a", 32), strings.Repeat("b", 32), strings.Repeat("c", 32)}
	first, second, third := Start{kernel(1), 10}, Start{kernel(1), 20}, Start{kernel(1), 30}
	for name, steps := range map[string][]struct {
		boot     int
		start    Start
		sequence uint64
		epoch    int64
		old      bool
	}{
		"a former boot that was never heard": {
			{1, second, 1, 0, false},
			{0, first, 9, 7, true}, // whatever epoch it was at
			{0, first, 9, 7, true}, // and if it arrives twice
			{1, second, 2, 0, false},
		},
		"one of before that goes on reporting": {
			{1, second, 1, 0, false},
			{0, first, 9, 0, true},
			{0, first, 10, 0, false}, // both live
			{1, second, 2, 0, false}, // and the later one is heard at once
			{0, first, 11, 0, true},
		},
		"a later boot": {
			{0, first, 9, 7, false},
			{1, second, 1, 3, false}, // it is no less believed for its epoch
			{2, third, 1, 0, false},
			{0, first, 10, 7, true},
			{1, second, 2, 7, true},
		},
		"another run of the kernel": {
			{0, Start{kernel(1), 50}, 9, 7, false},
			{1, Start{kernel(2), 10}, 1, 0, false}, // nobody knows: a reboot of the node is likely
			{0, Start{kernel(1), 50}, 10, 7, true},
		},
		"the same moment": {
			{0, first, 9, 7, false},
			{1, first, 1, 3, true}, // as where nothing is known
			{1, first, 2, 3, false},
		},
		"an agent that does not know its start": {
			{0, first, 9, 7, false},
			{1, Start{}, 1, 7, false},
			{0, first, 10, 7, true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var o Order
			for i, step := range steps {
				next, err := o.Next(Report{BootID: boots[step.boot], Start: step.start, Sequence: step.sequence, Epoch: step.epoch})
				if (err != nil) != step.old {
					t.Errorf("step %d: %v, want old: %v", i, err, step.old)
				}
				o = next
			}
		})
	}
}

func TestStartsThatAreRefused(t *testing.T) {
	for want, s := range map[string]Start{
		"start: kernel: \"\"": {"", 1},
		"start: kernel: \"x":  {strings.Repeat("x", 32), 1},
		"start: 0 ns":         {kernel(1), 0},
		"start: -1 ns":        {kernel(1), -1},
	} {
		r := aReport()
		r.Start = s
		if err := r.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", s, err, want)
		}
	}
}

// history is what a pod's agent does over its life: boots one after the other, on nodes whose clocks are off by anything, because
// no report has a time in it. Of a boot that has ended the last report may still be under way, once or twice.
type history struct {
	order   Order
	boots   []Start
	sent    uint64   // by the boot that lives
	flying  []Report // the last one of each boot that is over
	heard   map[string]bool
	latest  int // the latest boot that was believed since the manager started, -1 for none
	last    int // the one that was believed last, -1 for none
	refused int // how many reports of the boot that lives were refused in a row
}

func (h *history) now() int { return len(h.boots) - 1 }

func (h *history) report() Report {
	return Report{BootID: kernel(1000 + h.now()), Start: h.boots[h.now()], Sequence: h.sent}
}

// deliver hands a report over, and judges.
func (h *history) deliver(t *rapid.T, boot int, r Report) {
	next, err := h.order.Next(r)
	h.order = next
	if boot == h.now() {
		if h.refused++; err == nil {
			h.refused = 0
		}
		same := h.last < 0 || h.boots[h.last].Kernel == r.Start.Kernel
		if h.refused > 1 || h.refused > 0 && same {
			t.Fatalf("the boot that lives was refused %d times: %v", h.refused, err)
		}
	}
	if err != nil {
		return
	}
	if later := h.latest; later > boot && (h.heard[r.BootID] || h.boots[later].Kernel == r.Start.Kernel) {
		t.Fatalf("boot %d is believed after boot %d", boot, later)
	}
	h.heard[r.BootID] = true
	h.latest, h.last = max(h.latest, boot), boot
}

// Whatever is lost, late and doubled, and whenever the manager starts anew: once a boot was believed, none from before it is, if
// both are of one run of the kernel, or the manager has heard both; and the boot that lives is heard.
func TestAFormerBootIsNotBelieved(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := &history{boots: []Start{{kernel(0), 1}}, heard: map[string]bool{}, latest: -1, last: -1}
		run, since := 0, int64(1)
		t.Repeat(map[string]func(*rapid.T){
			"report": func(t *rapid.T) {
				h.sent++
				if rapid.Float64Range(0, 1).Draw(t, "lost") > 0.3 {
					h.deliver(t, h.now(), h.report())
				}
			},
			"start again": func(t *rapid.T) {
				if len(h.boots) > maxOver {
					t.Skip("no more of them are remembered")
				}
				if h.sent > 0 {
					h.flying = append(h.flying, h.report())
				}
				if since += rapid.Int64Range(1, 1e12).Draw(t, "later"); rapid.Float64Range(0, 1).Draw(t, "reboot") < 0.2 {
					run, since = run+1, rapid.Int64Range(1, 1e12).Draw(t, "since")
				}
				h.boots, h.sent, h.refused = append(h.boots, Start{kernel(run), since}), 0, 0
			},
			"late": func(t *rapid.T) {
				if len(h.flying) == 0 {
					t.Skip("nothing is under way")
				}
				r := h.flying[rapid.IntRange(0, len(h.flying)-1).Draw(t, "which")]
				for boot, s := range h.boots[:h.now()] {
					if kernel(1000+boot) == r.BootID && s == r.Start {
						h.deliver(t, boot, r)
					}
				}
			},
			"manager starts": func(*rapid.T) {
				h.order, h.heard, h.latest, h.last, h.refused = Order{}, map[string]bool{}, -1, -1, 0
			},
		})
	})
}
