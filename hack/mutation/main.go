// Command mutation plants bugs, one at a time, and sees whether the tests catch them: first the scenarios, which are quick,
// and then the seeds of the simulation. A suite that lets a planted bug pass proves nothing by passing. Sources are not
// touched: the go command compiles the planted file in place of the real one (-overlay).
//
//	go run ./hack/mutation [-seeds 300] [-few 3 -turn 17 -for 4m] [-redis] [name ...]
//
// A bug that neither finds is a failure. One that the seeds do not find says why, in the list of bugs.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/shoal-dev/shoal/simulation/farm"
)

type options struct {
	seeds     int64
	few, turn int
	most      time.Duration
	redis     bool
	names     []string
}

func main() {
	var o options
	flag.Int64Var(&o.seeds, "seeds", 300, "seeds that are played against each bug before it counts as missed by them; 0 asks the scenarios alone")
	flag.IntVar(&o.few, "few", 0, "take so many bugs only, other ones at each turn")
	flag.IntVar(&o.turn, "turn", 0, "which ones, with -few")
	flag.DurationVar(&o.most, "for", 0, "begin with no bug after so long")
	flag.BoolVar(&o.redis, "redis", false, "take the bugs of switchovers alone, and ask the tests on real Redis servers")
	flag.Parse()
	o.names = flag.Args()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	escaped, err := run(ctx, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutation:", err)
		os.Exit(2)
	}
	if escaped > 0 {
		os.Exit(1)
	}
}

// chosen are the bugs of this run.
func chosen(o options) ([]bug, error) {
	for _, name := range o.names {
		if !slices.ContainsFunc(bugs, func(b bug) bool { return b.name == name }) {
			return nil, fmt.Errorf("there is no bug %s", name)
		}
	}
	var out []bug
	for n, b := range bugs {
		few := o.few > 0 && n%max(1, len(bugs)/o.few) != o.turn%max(1, len(bugs)/o.few)
		if o.redis && b.onRedis == "" || few || len(o.names) > 0 && !slices.Contains(o.names, b.name) {
			continue
		}
		out = append(out, b)
	}
	return out, nil
}

func run(ctx context.Context, o options) (escaped int, err error) {
	folder, err := os.MkdirTemp("", "mutation")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(folder)
	list, err := chosen(o)
	if err != nil {
		return 0, err
	}
	fmt.Printf("%-24s %-44s %-24s %s\n", "planted bug", "caught by scenario", "caught by seed", "time")
	began := time.Now()
	for _, b := range list {
		if o.most > 0 && time.Since(began) > o.most {
			fmt.Printf("no time for the others: %s from here on\n", b.name)
			break
		}
		begun := time.Now()
		v, err := judge(ctx, folder, b, o)
		if err != nil {
			return escaped, fmt.Errorf("planting %s: %w", b.name, err)
		}
		if v.scenario == "" && v.seed == "" {
			escaped++
			v.seed = "ESCAPED"
		}
		note := ""
		if v.seed == "" {
			note = "  seeds: " + cmp.Or(b.why, "no reason is given")
		}
		fmt.Printf("%-24s %-44s %-24s %.0fs%s\n", b.name, cmp.Or(v.scenario, "-"), cmp.Or(v.seed, "-"), time.Since(begun).Seconds(), note)
	}
	return escaped, nil
}

// verdict is who has caught a bug, "" for nobody.
type verdict struct{ scenario, seed string }

func judge(ctx context.Context, folder string, b bug, o options) (v verdict, err error) {
	overlay, err := plant(folder, b)
	if err != nil {
		return v, err
	}
	if o.redis {
		v.scenario, err = scenario(ctx, overlay, "./test/realredis "+b.onRedis, "-tags=redis")
		return v, err
	}
	packages := slices.Clone(b.scenarios)
	if !b.apart {
		packages = append(packages, "./test/scenario")
	}
	for _, pkg := range packages {
		if v.scenario, err = scenario(ctx, overlay, pkg); err != nil {
			return v, err
		}
		if v.scenario != "" {
			break
		}
	}
	if b.apart {
		return v, nil
	}
	v.seed, err = seed(ctx, folder, overlay, b, o.seeds)
	return v, err
}

// ended is how go test names what failed. Tests inside of others come after them.
var ended = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)

// scenario returns the test that fails.
func scenario(ctx context.Context, overlay, pkg string, flags ...string) (string, error) {
	pkg, tests, _ := strings.Cut(pkg, " ")
	args := append([]string{"test", "-ldflags=-s -w", "-count=1", "-run", cmp.Or(tests, ".")}, append(flags, pkg)...)
	c := exec.CommandContext(ctx, "go", args...)
	c.Env = append(os.Environ(), "GOFLAGS="+os.Getenv("GOFLAGS")+" -overlay="+overlay) // for programs that the tests build, too
	out, err := c.CombinedOutput()
	if err == nil {
		return "", nil
	}
	if found := ended.FindAllSubmatch(out, -1); found != nil {
		return strings.TrimPrefix(pkg, "./") + " " + string(found[min(1, len(found)-1)][1]), nil
	}
	if strings.Contains(string(out), "panic:") {
		return strings.TrimPrefix(pkg, "./") + " panics", nil
	}
	return "", fmt.Errorf("%w: %s", err, out)
}

// first is the first seed that may catch a bug. One about roles is not met where no set has any, nor one about updates and Switchovers where
// nobody changes a template: those are known by their names, and by their rooms.
func (b bug) first() int64 {
	in := func(rooms ...string) bool {
		return slices.ContainsFunc(rooms, func(room string) bool { return strings.HasPrefix(b.file, room) })
	}
	switch {
	case b.why == noUpdates, strings.HasPrefix(b.name, "update-"), in("switchover/", "roles/switchovers/", "roles/handover/"):
		return farm.FirstWithUpdates
	case in("roles/", "agent/", "api/agent/"):
		return farm.FirstWithRoles
	}
	return 0
}

// seed returns the first seed that fails, and what does not hold in it. The one that has caught the bug before goes first.
func seed(ctx context.Context, folder, overlay string, b bug, seeds int64) (string, error) {
	if seeds == 0 {
		return "", nil
	}
	binary := filepath.Join(folder, b.name+".test")
	defer os.Remove(binary)
	if err := farm.Build(ctx, "./simulation", overlay, binary); err != nil {
		return "", err
	}
	playing, stop := context.WithCancel(ctx)
	defer stop()
	jobs := make(chan farm.Job)
	go func() {
		defer close(jobs)
		for n := int64(-1); n < seeds; n++ {
			job := farm.Job{Seed: b.first() + n}
			if n < 0 {
				job.Seed = b.seed
			}
			select {
			case jobs <- job:
			case <-playing.Done():
				return
			}
		}
	}()
	caught, clean := "", filepath.Join(folder, "clean.test")
	var trouble error
	err := farm.Run(playing, binary, runtime.NumCPU(), jobs, func(r farm.Result) {
		if !r.Failed() || caught != "" || trouble != nil {
			return
		}
		fails, err := failsWithout(playing, clean, r.Job)
		switch {
		case err != nil:
			trouble = err
			stop()
		case !fails:
			caught = fmt.Sprintf("%d: %s", r.Seed, r.Invariant)
			stop()
		}
	})
	if trouble != nil {
		return "", trouble
	}
	if caught != "" {
		err = nil
	}
	return caught, err
}

// failsWithout plays a seed without the bug: one that fails all the same has caught nothing.
func failsWithout(ctx context.Context, clean string, job farm.Job) (fails bool, err error) {
	if _, err := os.Stat(clean); err != nil {
		if err := farm.Build(ctx, "./simulation", "", clean); err != nil {
			return false, err
		}
	}
	jobs := make(chan farm.Job, 1)
	jobs <- job
	close(jobs)
	err = farm.Run(ctx, clean, 1, jobs, func(r farm.Result) { fails = r.Failed() })
	return fails, err
}

// plant writes the file with the bug in it, and says where to find it.
func plant(folder string, b bug) (string, error) {
	text, err := os.ReadFile(b.file)
	if err != nil {
		return "", err
	}
	if n := strings.Count(string(text), b.is); n != 1 {
		return "", fmt.Errorf("%s has the place %d times: %s", b.file, n, b.is)
	}
	with := strings.Replace(string(text), b.is, b.becomes, 1)
	if n := strings.Count(with, b.too[0]); b.too[0] != "" && n != 1 {
		return "", fmt.Errorf("%s has the place %d times: %s", b.file, n, b.too[0])
	} else if b.too[0] != "" {
		with = strings.Replace(with, b.too[0], b.too[1], 1)
	}
	planted := filepath.Join(folder, b.name+".go")
	if err := os.WriteFile(planted, []byte(with), 0o600); err != nil {
		return "", err
	}
	path, err := filepath.Abs(b.file)
	if err != nil {
		return "", err
	}
	list, err := json.Marshal(map[string]any{"Replace": map[string]string{path: planted}})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(folder, b.name+".json")
	return overlay, os.WriteFile(overlay, list, 0o600)
}
