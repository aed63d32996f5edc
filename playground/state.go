package playground

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/shoal-dev/shoal/playground/process"
)

// layout is the directory of a cluster.
type layout string

func (l layout) path(name ...string) string {
	return filepath.Join(append([]string{string(l)}, name...)...)
}

func (l layout) kubeconfig() string { return l.path("kubeconfig") }
func (l layout) logs() string       { return l.path("logs") }
func (l layout) state() string      { return l.path("state.json") }
func (l layout) lock() string       { return l.path("lock") }
func (l layout) pki(name string) string {
	return l.path("pki", name)
}

// component is the kubeconfig of a component.
func (l layout) component(name string) string { return l.path("kubeconfigs", name) }

// node is where a real node has its state.
func (l layout) node(name string) string { return l.path("nodes", name) }

// control is the socket on which the supervisor takes orders for real nodes.
func (l layout) control() string { return l.path("control.sock") }

// lostNode keeps a node that was deleted, so that it can come back as it was.
func (l layout) lostNode(name string) string { return l.path("lost-nodes", name+".json") }

// entries are all that a cluster ever has in its directory, without the logs: what Down removes, and nothing else. The
// lock goes last: as long as it is there nobody else comes in.
func (l layout) entries() []string {
	return []string{"kubeconfig", "state.json", "state.json.next", "pki", "kubeconfigs", "config", "etcd", "certs", "lost-nodes", "nodes", "control.sock", "lock"}
}

// SupervisorLog is the name of the log, beside those of the components, of a supervisor that has a process of its own.
const SupervisorLog = "supervisor.log"

// State is what is recorded of a running cluster, for other processes.
type State struct {
	Supervisor process.Identity `json:"supervisor"`
	Detached   bool             `json:"detached"` // the supervisor serves this cluster only: Remove may end it
	Root       string           `json:"root"`
	Started    time.Time        `json:"started"`
	Ready      bool             `json:"ready"`
	Server     string           `json:"server"`
	Simulator  string           `json:"simulator"` // where kwok answers
	NodeGrace  time.Duration    `json:"nodeGrace"`
	Components []process.Status `json:"components"`
	RealNodes  []RealNode       `json:"realNodes,omitempty"`
	Cgroup     string           `json:"cgroup,omitempty"` // of all real nodes, below each hierarchy
}

func (l layout) writeState(state State) error {
	text, err := json.MarshalIndent(state, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the state: %w", err)
	}
	// Readers must never see half a file.
	next := l.state() + ".next"
	if err := os.WriteFile(next, text, 0o600); err != nil {
		return fmt.Errorf("writing the state: %w", err)
	}
	if err := os.Rename(next, l.state()); err != nil {
		return fmt.Errorf("writing the state: %w", err)
	}
	return nil
}

// errNotUp says that there is no cluster in the directory.
var errNotUp = errors.New("no cluster is up")

func (l layout) readState() (State, error) {
	var state State
	text, err := os.ReadFile(l.state())
	if errors.Is(err, fs.ErrNotExist) {
		return state, fmt.Errorf("%w in %s: run 'playground up', or name its directory with --dir", errNotUp, l)
	}
	if errors.Is(err, fs.ErrPermission) {
		return state, fmt.Errorf("reading the state: %w (the cluster is another user's: with real nodes it is root's, so use sudo)", err)
	}
	if err != nil {
		return state, fmt.Errorf("reading the state: %w", err)
	}
	if err := json.Unmarshal(text, &state); err != nil {
		return state, fmt.Errorf("reading %s: %w", l.state(), err)
	}
	return state, nil
}

// claim makes the directory this process's own until the returned file is closed, which the kernel does at the latest
// when the process ends. Files that are not a cluster's are never touched: such a directory is refused.
func (l layout) claim() (*os.File, error) {
	if err := l.refuseForeign(); err != nil {
		return nil, err
	}
	if err := l.makeDirs(); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(l.lock(), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking %s: %w", l, err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = lock.Close()
		return nil, fmt.Errorf("%s is in use by a running cluster: run 'playground down' first, or choose another --dir", l)
	}
	return lock, nil
}

func (l layout) makeDirs() error {
	for _, dir := range []string{"logs", "pki", "kubeconfigs", "config", "certs", "lost-nodes"} {
		if err := os.MkdirAll(l.path(dir), 0o700); err != nil {
			return fmt.Errorf("making the directory of the cluster: %w", err)
		}
	}
	return nil
}

// empty removes what an earlier cluster left, but for the lock, and the log that this process may be writing already.
func (l layout) empty() error {
	logs, err := filepath.Glob(l.path("logs", "*"))
	if err != nil {
		return fmt.Errorf("listing the logs: %w", err)
	}
	paths := slices.DeleteFunc(logs, func(path string) bool { return filepath.Base(path) == SupervisorLog })
	for _, name := range l.entries() {
		if l.path(name) != l.lock() {
			paths = append(paths, l.path(name))
		}
	}
	for _, path := range paths {
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("removing what an earlier cluster left: %w", err)
		}
	}
	return l.makeDirs()
}

func (l layout) refuseForeign() error {
	entries, err := os.ReadDir(string(l))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading %s: %w", l, err)
	}
	foreign := false
	for _, entry := range entries {
		if entry.Name() == filepath.Base(l.lock()) {
			return nil
		}
		foreign = foreign || entry.Name() != filepath.Base(l.logs())
	}
	if foreign {
		return fmt.Errorf("%s has files in it that are no cluster's: choose another --dir", l)
	}
	return nil
}

// isOurs says whether a cluster was here, though perhaps only its logs are left. Of other directories nothing may be
// removed.
func (l layout) isOurs() bool {
	for _, mark := range []string{l.lock(), l.path("logs", etcd+".log")} {
		if _, err := os.Stat(mark); err == nil {
			return true
		}
	}
	return false
}

// remove deletes the cluster's files, and the directory if nothing else is in it.
func (l layout) remove(keepLogs bool) error {
	names := l.entries()
	if !keepLogs {
		names = append([]string{"logs"}, names...)
	}
	var errs []error
	for _, name := range names {
		errs = append(errs, os.RemoveAll(l.path(name)))
	}
	if err := os.Remove(string(l)); err != nil && !isNotEmpty(err) {
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("removing the files of the cluster: %w", err)
	}
	return nil
}

func isNotEmpty(err error) bool {
	return errors.Is(err, syscall.ENOTEMPTY) || errors.Is(err, syscall.EEXIST) || errors.Is(err, fs.ErrNotExist)
}

// explain makes one error of a component's end: what happened, then the last lines of its log.
func explain(status process.Status, doing string) error {
	text := fmt.Sprintf("%s ended while %s (%s)", status.Name, doing, status.Exit.How)
	if len(status.Exit.Tail) == 0 {
		return fmt.Errorf("%s; it wrote nothing to %s", text, status.Log)
	}
	return fmt.Errorf("%s; the end of %s:\n  %s", text, status.Log, strings.Join(status.Exit.Tail, "\n  "))
}
