package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/shoal-dev/shoal/simulation/farm"
)

// every is how often progress is told and kept.
const every = 10 * time.Second

// record is how a run goes.
type record struct {
	options
	begun, told time.Time
	done        ranges
	played      int
	failed      []farm.Result
	happened    map[string]int // by kind
}

// hand hands out the seeds that are not done.
func (r *record) hand(ctx context.Context, jobs chan<- farm.Job) {
	defer close(jobs)
	skip := slices.Clone(r.done)
	for seed := r.seed; seed < r.seed+r.seeds; seed++ {
		if end, done := skip.holds(seed); done {
			seed = end
			continue
		}
		if r.most > 0 && time.Since(r.begun) > r.most {
			return
		}
		select {
		case jobs <- farm.Job{Seed: seed}:
		case <-ctx.Done():
			return
		}
	}
}

func (r *record) add(result farm.Result) {
	r.played++
	if r.happened == nil {
		r.happened = map[string]int{}
	}
	for _, name := range result.Happened {
		kind, _, _ := strings.Cut(name, ".")
		r.happened[kind]++
	}
	if result.Failed() {
		r.failed = append(r.failed, result)
		fmt.Println(told(result, r.lines))
	} else {
		r.done = r.done.with(result.Seed)
	}
	if r.told.IsZero() { // the first seed says nothing about how fast it goes
		r.told = time.Now()
	}
	if time.Since(r.told) >= every {
		r.told = time.Now()
		r.progress()
		if err := r.done.write(r.state); err != nil {
			fmt.Fprintln(os.Stderr, "sim:", err)
		}
	}
}

func (r *record) progress() {
	done := r.done.count(r.seed, r.seeds)
	line := fmt.Sprintf("%d of %d seeds done, %d failed, %.1f a second", done, r.seeds, len(r.failed), float64(r.played)/time.Since(r.begun).Seconds())
	if left := remaining(r.seeds-done-int64(len(r.failed)), r.played, time.Since(r.begun)); left > 0 {
		line += fmt.Sprintf(", %s to go", left)
	}
	fmt.Fprintln(os.Stderr, line)
}

// remaining is how long so many seeds take if they go on like those that were played since the run began, to the minute, or
// to the second when it is less; 0 when nobody can say.
func remaining(left int64, played int, since time.Duration) time.Duration {
	if played == 0 || left <= 0 {
		return 0
	}
	long := time.Duration(float64(since) / float64(played) * float64(left))
	if long < 2*time.Minute {
		return long.Round(time.Second)
	}
	return long.Round(time.Minute)
}

// greet says where a run goes on.
func (r *record) greet() {
	if done := r.done.count(r.seed, r.seeds); done > 0 {
		fmt.Fprintf(os.Stderr, "%d of %d seeds were done before (%s)\n", done, r.seeds, r.state)
	}
}

// end makes what failed smaller, and tells how it went.
func (r *record) end(ctx context.Context) error {
	if err := r.done.write(r.state); err != nil {
		return err
	}
	slices.SortFunc(r.failed, func(a, b farm.Result) int { return int(a.Seed - b.Seed) })
	w := &farm.Worker{Binary: r.binary}
	defer w.Close()
	told := map[string]bool{}
	for _, result := range r.failed {
		if told[result.Invariant] || r.shrink == 0 || result.Invariant == farm.Ended || ctx.Err() != nil {
			continue // one of each: they may well have one cause
		}
		told[result.Invariant] = true
		if err := shrink(ctx, w, result, r.options); err != nil {
			return err
		}
	}
	r.progress()
	var words []string
	for _, kind := range slices.Sorted(maps.Keys(r.happened)) {
		words = append(words, fmt.Sprintf("%s %d", kind, r.happened[kind]))
	}
	fmt.Fprintf(os.Stderr, "it happened: %s\n", strings.Join(words, ", "))
	for _, result := range r.failed {
		first, _, _ := strings.Cut(result.Failure, "\n")
		fmt.Printf("seed %d failed: %s\n", result.Seed, first)
	}
	return nil
}
