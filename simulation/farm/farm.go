package farm

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// patience is how long a seed may take. Most take a fraction of a second.
const patience = 3 * time.Minute

// folder is where the tests of the simulation run, seen from the root of the repository.
const folder = "simulation"

// Build makes the test binary that Run starts. The overlay, "" for none, is a file for the go command that says which
// sources to take in place of others.
func Build(ctx context.Context, pkg, overlay, out string) error {
	args := []string{"test", "-c", "-ldflags=-s -w", "-o", out}
	if overlay != "" {
		args = append(args, "-overlay", overlay)
	}
	if text, err := exec.CommandContext(ctx, "go", append(args, pkg)...).CombinedOutput(); err != nil {
		return fmt.Errorf("building %s: %w\n%s", pkg, err, text)
	}
	return nil
}

// Run has so many processes play the jobs, until there are no more or the context ends, and hands over each result, one
// at a time, in the order in which they come.
func Run(ctx context.Context, binary string, workers int, jobs <-chan Job, done func(Result)) error {
	var group sync.WaitGroup
	var one sync.Mutex
	failures := make([]error, workers)
	for n := range workers {
		group.Go(func() {
			w := &Worker{Binary: binary}
			defer w.Close()
			for job := range jobs {
				r, err := w.Play(ctx, job)
				if err != nil {
					failures[n] = err
					return
				}
				one.Lock()
				done(r)
				one.Unlock()
			}
		})
	}
	group.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return errors.Join(failures...)
}

// Worker is one process that plays seeds; it starts with the first, and anew when a seed has ended it.
type Worker struct {
	Binary string // the absolute path of what Build has made

	process *exec.Cmd
	in      io.WriteCloser
	pipe    *os.File // of out: closed when the process is killed, whatever else holds its other end
	out     *bufio.Reader
	said    *bytes.Buffer // what the process printed
}

// Play plays a seed.
func (w *Worker) Play(ctx context.Context, j Job) (Result, error) {
	if w.process == nil {
		if err := w.start(ctx); err != nil {
			return Result{}, fmt.Errorf("starting a worker: %w", err)
		}
	}
	process := w.process
	var late atomic.Bool
	alarm := time.AfterFunc(patience, func() {
		late.Store(true)
		_ = process.Cancel()
	})
	r, err := w.ask(j)
	if alarm.Stop(); err == nil {
		return r, nil
	}
	text := w.end()
	if ctx.Err() != nil {
		return Result{}, ctx.Err()
	}
	failure := "it ended: " + lastLines(text, 60)
	if late.Load() {
		failure = fmt.Sprintf("it did not end within %s", patience)
	}
	return Result{Job: j, Invariant: Ended, Failure: failure}, nil
}

func (w *Worker) start(ctx context.Context) error {
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer write.Close()
	// A world is one goroutine at a time, and its garbage is young: a second thread for it would only take time from the
	// worker beside this one.
	p := exec.CommandContext(ctx, w.Binary, "-test.run=^TestWorker$", "-test.timeout=0", "-worker")
	p.Env = append(p.Environ(), "GOMAXPROCS=1", "GOGC=800", "GOMEMLIMIT=1500MiB")
	p.Dir = folder
	p.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // or Ctrl-C would end it first, and its seed would seem to have failed
	p.ExtraFiles = []*os.File{write}
	p.Cancel = func() error { return errors.Join(p.Process.Kill(), read.Close()) }
	p.WaitDelay = time.Second
	w.said = &bytes.Buffer{}
	p.Stdout, p.Stderr = w.said, w.said
	if w.in, err = p.StdinPipe(); err != nil {
		return errors.Join(err, read.Close())
	}
	if err := p.Start(); err != nil {
		return errors.Join(err, read.Close())
	}
	w.process, w.pipe, w.out = p, read, bufio.NewReader(read)
	return nil
}

func (w *Worker) ask(j Job) (Result, error) {
	var r Result
	if err := json.NewEncoder(w.in).Encode(j); err != nil {
		return r, err
	}
	line, err := w.out.ReadBytes('\n')
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(line, &r)
}

// end waits for the process and returns what it said.
func (w *Worker) end() string {
	_ = w.in.Close()
	_ = w.process.Wait()
	_ = w.pipe.Close()
	w.process = nil
	return w.said.String()
}

// Close ends the process.
func (w *Worker) Close() {
	if w.process != nil {
		w.end()
	}
}

// Serve is the other end: it reads jobs and writes what the function makes of them, until there are no more.
func Serve(in io.Reader, out io.Writer, play func(Job) Result) error {
	jobs, results := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var j Job
		if err := jobs.Decode(&j); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("reading a job: %w", err)
		}
		if err := results.Encode(play(j)); err != nil {
			return fmt.Errorf("writing a result: %w", err)
		}
	}
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
