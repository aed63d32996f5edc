package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"
)

// Spec is a program to run.
type Spec struct {
	Name    string // unique within a supervisor; names the log file too
	Path    string
	Args    []string
	Port    int  // where it listens on loopback, for the status; 0 if it does not
	Restart bool // start it again when it ends, after a pause that doubles each time, as a Deployment would

	Files      []*os.File          // the child has them as descriptors 3, 4 and so on; they stay open here, for restarts
	Namespaces uintptr             // CLONE_NEW* flags: namespaces that begin with the child
	Started    func(pid int) error // runs on the thread that forks, after each start; an error ends the child
}

// Status is what is known of a child. A child that has Exit and no Restart pending does not run.
type Status struct {
	Name     string    `json:"name"`
	Path     string    `json:"path"`
	Process  Identity  `json:"process"`
	Port     int       `json:"port,omitempty"`
	Log      string    `json:"log"`
	Started  time.Time `json:"started"`
	Restarts int       `json:"restarts"`
	Exit     *Exit     `json:"exit,omitempty"` // of the last run that ended; kept over a restart
}

// Exit is how a run of a child ended.
type Exit struct {
	Time time.Time `json:"time"`
	How  string    `json:"how"`            // "exit status 1", "signal: killed"
	Tail []string  `json:"tail,omitempty"` // the last lines of its log
}

// Running says whether the child runs now.
func (s Status) Running() bool { return s.Process.Alive() }

// The pause before a restart. A Deployment's container waits 10 s, 20 s and so on up to five minutes, which is longer
// than anybody wants to watch; the shape is the same.
const (
	firstPause   = time.Second
	longestPause = time.Minute
	healthyRun   = 2 * time.Minute // a run of this length starts the pauses from the beginning
)

// Supervisor runs children until Stop.
type Supervisor struct {
	logDir  string
	record  func([]Status) // after every change, one call at a time
	exited  func(Status)   // after every end of a child that nobody asked for
	forks   chan func()
	stopped chan struct{}
	watches sync.WaitGroup

	mu       sync.Mutex
	stopping bool
	children []*child
}

type child struct {
	spec    Spec
	command *exec.Cmd
	status  Status
	ending  bool          // somebody asked for its end
	gone    chan struct{} // closed when the child has ended for good
}

// New makes a supervisor that writes the children's output to logDir. It tells record about every change, and exited
// about every child that ended by itself.
func New(logDir string, record func([]Status), exited func(Status)) *Supervisor {
	s := &Supervisor{logDir: logDir, record: record, exited: exited, forks: make(chan func()), stopped: make(chan struct{})}
	go s.fork()
	return s
}

// fork starts all children on one thread that lives as long as the supervisor. The parent death signal comes when the
// thread that forked ends, not the process: on a thread of Go's pool the children would die at any moment.
//
// It is not the main thread. That one's namespaces are taken for the whole process's by everybody outside, and it cannot
// end: a network namespace, with the bridge in it, would outlive its cluster.
func (s *Supervisor) fork() {
	runtime.LockOSThread()
	if syscall.Gettid() == os.Getpid() {
		elsewhere := make(chan struct{})
		go func() { // this thread is taken until that one has started
			close(elsewhere)
			s.fork()
		}()
		<-elsewhere
		runtime.UnlockOSThread()
		return
	}
	for {
		select {
		case start := <-s.forks:
			start()
		case <-s.stopped:
			return // the thread ends with its locked goroutine; by then no child is left
		}
	}
}

// Inside runs f on the thread that forks. Whatever f changes of the thread's namespaces, all children that are started
// later have from their beginning.
func (s *Supervisor) Inside(f func() error) error {
	done := make(chan error, 1)
	select {
	case s.forks <- func() { done <- f() }:
		return <-done
	case <-s.stopped:
		return errors.New("the supervisor has stopped")
	}
}

// Start runs a program. An error means that it could not be started; what becomes of it later is told to exited.
func (s *Supervisor) Start(spec Spec) error {
	c := &child{spec: spec, gone: make(chan struct{}), status: Status{
		Name: spec.Name, Path: spec.Path, Port: spec.Port, Log: filepath.Join(s.logDir, spec.Name+".log"),
	}}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return fmt.Errorf("starting %s: the supervisor is stopping", spec.Name)
	}
	if err := s.launch(c); err != nil {
		return err
	}
	s.children = append(s.children, c)
	s.record(s.statuses())
	s.watches.Go(func() { s.watch(c) })
	return nil
}

// launch starts one run of the child. The caller holds the lock.
func (s *Supervisor) launch(c *child) error {
	log, err := os.OpenFile(c.status.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("opening the log of %s: %w", c.spec.Name, err)
	}
	defer func() { _ = log.Close() }()
	command := exec.Command(c.spec.Path, c.spec.Args...)
	command.Stdout, command.Stderr = log, log
	// A group of its own, or Ctrl-C in the terminal would reach the children before the supervisor.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL, Cloneflags: c.spec.Namespaces}
	command.ExtraFiles = c.spec.Files
	if err := s.Inside(command.Start); err != nil {
		return fmt.Errorf("starting %s: %w", c.spec.Name, err)
	}
	// Until Wait is called the pid cannot be given out again, so this is the child for certain.
	identity, err := Identify(command.Process.Pid)
	if err == nil && c.spec.Started != nil {
		err = s.Inside(func() error { return c.spec.Started(identity.PID) })
	}
	if err != nil {
		return errors.Join(err, command.Process.Kill(), ignoreExit(command.Wait()))
	}
	c.command, c.status.Process, c.status.Started = command, identity, time.Now()
	return nil
}

// ignoreExit drops the error that tells only that the child was killed.
func ignoreExit(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil
	}
	return err
}

// watch waits for the end of each run, and starts the next one where that is wanted.
func (s *Supervisor) watch(c *child) {
	defer close(c.gone)
	pause := firstPause
	for {
		how := "exit status 0"
		if err := c.command.Wait(); err != nil {
			how = err.Error()
		}
		if time.Since(c.status.Started) >= healthyRun {
			pause = firstPause
		}
		if !s.noteEnd(c, how) || !c.spec.Restart {
			return
		}
		for !s.relaunch(c, pause) {
			if s.isEnding(c) {
				return
			}
			pause = min(2*pause, longestPause)
		}
		pause = min(2*pause, longestPause)
	}
}

// noteEnd records the end of a run. It says whether the run ended by itself.
func (s *Supervisor) noteEnd(c *child, how string) bool {
	s.mu.Lock()
	if s.stopping || c.ending {
		s.mu.Unlock()
		return false
	}
	c.status.Exit = &Exit{Time: time.Now(), How: how, Tail: Tail(c.status.Log)}
	status := c.status
	s.record(s.statuses())
	s.mu.Unlock()
	s.exited(status)
	return true
}

// relaunch starts the child again after the pause. It says whether it did.
func (s *Supervisor) relaunch(c *child, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-s.stopped:
		return false
	case <-timer.C:
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping || c.ending {
		return false
	}
	if err := s.launch(c); err != nil {
		c.status.Exit = &Exit{Time: time.Now(), How: err.Error()}
		s.record(s.statuses())
		return false
	}
	c.status.Restarts++
	s.record(s.statuses())
	return true
}

func (s *Supervisor) isEnding(c *child) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopping || c.ending
}

// Kill ends one child at once, returns when it is gone, and forgets it: its name is free then. That there is no such
// child is no error.
func (s *Supervisor) Kill(ctx context.Context, name string) error {
	s.mu.Lock()
	i := slices.IndexFunc(s.children, func(c *child) bool { return c.spec.Name == name })
	if i < 0 {
		s.mu.Unlock()
		return nil
	}
	c := s.children[i]
	c.ending = true
	target := c.status.Process
	s.mu.Unlock()
	if err := target.Signal(syscall.SIGKILL); err != nil {
		return fmt.Errorf("killing %s: %w", name, err)
	}
	if err := target.waitGone(ctx, killTimeout); err != nil {
		return fmt.Errorf("killing %s: %w", name, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.children = slices.DeleteFunc(s.children, func(other *child) bool { return other == c })
	s.record(s.statuses())
	return nil
}

// Statuses are all children in the order in which they were first started.
func (s *Supervisor) Statuses() []Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.statuses()
}

func (s *Supervisor) statuses() []Status {
	list := make([]Status, 0, len(s.children))
	for _, c := range s.children {
		list = append(list, c.status)
	}
	return list
}

// Stop ends all children, the youngest first, and returns when none is left. Each has the grace to end by itself.
func (s *Supervisor) Stop(ctx context.Context, grace time.Duration) error {
	s.mu.Lock()
	if s.stopping {
		s.mu.Unlock()
		return nil
	}
	s.stopping = true
	children := slices.Clone(s.children)
	s.mu.Unlock()
	var errs []error
	for _, c := range slices.Backward(children) {
		if err := c.status.Process.End(ctx, grace); err != nil {
			errs = append(errs, fmt.Errorf("stopping %s: %w", c.spec.Name, err))
		}
	}
	close(s.stopped)
	if len(errs) == 0 {
		s.watches.Wait()
	}
	return errors.Join(errs...)
}
