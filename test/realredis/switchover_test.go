//go:build redis

package realredis

import (
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/shoal-dev/shoal/switchover/decide"
)

const downAfter = 5 * time.Second

// count is RUNS, or otherwise.
func count(t *testing.T, otherwise int) int {
	text := os.Getenv("RUNS")
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("RUNS=%s is no number of runs", text)
	}
	return n
}

func percentile(of []time.Duration, p int) time.Duration {
	of = slices.Sorted(slices.Values(of))
	return of[min(len(of)-1, (len(of)*p+99)/100-1)]
}

// TestPlanned hands over again and again while writers write, and loses nothing that was acknowledged.
func TestPlanned(t *testing.T) {
	s := newShard(t, shape{servers: 3, sentinels: 3, downAfter: downAfter})
	master, n := 0, count(t, 10)
	var gaps, took []time.Duration
	acked, full := 0, s.fullSyncs()
	for run := range n {
		writers := s.write(4)
		atLeast(t, writers, 200)
		begun := time.Now()
		step := s.handOver(s.wanted(master), nil)
		took = append(took, time.Since(begun))
		if step.Result != decide.HandedOver {
			t.Fatalf("run %d: %+v", run, step)
		}
		atLeast(t, writers, writers.acknowledged()+200)
		all := writers.end()
		gaps = append(gaps, writers.gap())
		acked += writers.acknowledged()
		masters := s.masters()
		if len(masters) != 1 || masters[0] == master {
			t.Fatalf("run %d: masters are %v", run, masters)
		}
		master = masters[0]
		if lost, err := s.lost(master, all); err != nil || len(lost) > 0 {
			t.Fatalf("run %d: %d acknowledged writes are lost, such as %v; %v", run, len(lost), lost[:min(5, len(lost))], err)
		}
		s.settled(master)
		s.named(master)
	}
	t.Logf("%d switchovers, %d acknowledged writes, 0 lost; write gap p50 %s p99 %s; a switchover took p50 %s p99 %s; full synchronisations %d",
		n, acked, percentile(gaps, 50), percentile(gaps, 99), percentile(took, 50), percentile(took, 99), s.fullSyncs()-full)
}

// atLeast waits until so many writes are acknowledged.
func atLeast(t *testing.T, l *load, n int) {
	t.Helper()
	if err := until(20*time.Second, func() bool { return l.acknowledged() >= n }); err != nil {
		t.Fatalf("%d writes are acknowledged, not %d", l.acknowledged(), n)
	}
}
