// Command sim plays seeds of the simulated cluster on all cores, says how it goes, and tells of each seed that fails how it
// failed and how to play it again.
//
//	go run ./hack/sim -seeds 2000                  seeds 0 to 1999
//	go run ./hack/sim -seed 17                     one seed; of one that fails the end of its trace, and the same made smaller
//	go run ./hack/sim -seed 17 -only scale.3,lag   the same, and of what goes wrong in it only that
//	go run ./hack/sim -seeds 200000 -state file    goes on where the run before has ended
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/shoal-dev/shoal/simulation/farm"
)

type options struct {
	seed, seeds int64
	only        string
	lines       int
	workers     int
	most        time.Duration
	state       string
	failures    int
	shrink      int
	binary      string
}

func main() {
	var o options
	flag.Int64Var(&o.seed, "seed", 0, "the first seed")
	flag.Int64Var(&o.seeds, "seeds", 1, "how many seeds")
	flag.StringVar(&o.only, "only", "", "what may happen in a seed, separated by commas, of all that would; empty for everything")
	flag.IntVar(&o.lines, "lines", 60, "how many lines of the trace of a seed that fails are shown")
	flag.IntVar(&o.workers, "workers", runtime.NumCPU(), "how many processes play")
	flag.DurationVar(&o.most, "for", 0, "begin no seed after so long; 0 for no end")
	flag.StringVar(&o.state, "state", "", "the file that knows what is done")
	flag.IntVar(&o.failures, "failures", 10, "end after so many seeds that failed")
	flag.IntVar(&o.shrink, "shrink", 200, "how often a seed that fails may be played to make it smaller; 0 leaves it")
	flag.StringVar(&o.binary, "binary", "", "the test binary of the simulation; empty builds it")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	failed, err := run(ctx, o)
	switch {
	case failed > 0:
		os.Exit(1)
	case ctx.Err() != nil: // not all was played: that is no success
		fmt.Fprintln(os.Stderr, "sim: ended by a signal")
		os.Exit(130)
	case err != nil:
		fmt.Fprintln(os.Stderr, "sim:", err)
		os.Exit(2)
	}
}

func run(ctx context.Context, o options) (failed int, err error) {
	if o.binary == "" {
		folder, err := os.MkdirTemp("", "sim")
		if err != nil {
			return 0, err
		}
		defer os.RemoveAll(folder)
		o.binary = filepath.Join(folder, "simulation.test")
		if err := farm.Build(ctx, "./simulation", "", o.binary); err != nil {
			return 0, err
		}
	}
	if o.seeds == 1 {
		return replay(ctx, o)
	}
	done, err := readState(o.state)
	if err != nil {
		return 0, err
	}
	r := &record{options: o, begun: time.Now(), done: done}
	r.greet()
	running, stop := context.WithCancel(ctx)
	defer stop()
	jobs := make(chan farm.Job)
	go r.hand(running, jobs)
	err = farm.Run(ctx, o.binary, o.workers, jobs, func(result farm.Result) {
		r.add(result)
		if len(r.failed) >= o.failures {
			stop()
		}
	})
	return len(r.failed), errors.Join(err, r.end(ctx))
}

// replay plays one seed.
func replay(ctx context.Context, o options) (failed int, err error) {
	w := &farm.Worker{Binary: o.binary}
	defer w.Close()
	job := farm.Job{Seed: o.seed}
	if o.only != "" {
		job.Only = strings.Split(o.only, ",")
	}
	begun := time.Now()
	result, err := w.Play(ctx, job)
	if err != nil {
		return 0, err
	}
	if !result.Failed() {
		fmt.Printf("seed %d: all invariants held (%.1f s)\nit happened: %s\n", o.seed, time.Since(begun).Seconds(), strings.Join(result.Happened, ","))
		return 0, nil
	}
	fmt.Println(told(result, o.lines))
	if job.Only == nil && o.shrink > 0 {
		return 1, shrink(ctx, w, result, o)
	}
	return 1, nil
}

// shrink makes a seed that failed smaller, and tells of what is left.
func shrink(ctx context.Context, w *farm.Worker, failed farm.Result, o options) error {
	smaller, err := farm.Shrink(failed, o.shrink, func(j farm.Job) (farm.Result, error) { return w.Play(ctx, j) })
	if err != nil {
		return err
	}
	if smaller.Only == nil {
		fmt.Printf("seed %d could not be made smaller\n", failed.Seed)
		return nil
	}
	fmt.Printf("\n%d of %d things that happened are enough:\n%s\n", len(smaller.Only), len(failed.Happened), told(smaller, o.lines))
	return nil
}

// told is what a person needs to know of a seed that failed.
func told(r farm.Result, lines int) string {
	again := fmt.Sprintf("again: make sim SEED=%d", r.Seed)
	if r.Only != nil { // nothing has that name: without any, all would happen
		again += " ONLY=" + cmp.Or(strings.Join(r.Only, ","), "nothing")
	}
	trace := r.Trace[max(0, len(r.Trace)-lines):]
	return fmt.Sprintf("seed %d failed: %s\n%s\n%s", r.Seed, r.Failure, strings.Join(trace, "\n"), again)
}
