package configuration

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/redis"
)

// said is an error that a server answers with.
type said string

func (s said) Error() string { return string(s) }
func (said) RedisError()     {}

// server is a Redis that starts from a file.
type server struct {
	world  *world
	up     bool
	runs   int
	values map[string]string // of the run
	state  redis.State
	// others hand over a master. stuck: it refuses to end. deaf: it does not end, and says nothing. Its answer to new values does
	// not arrive, as broken after it has them, as lost before.
	others, stuck, deaf, broken, lost bool
	promoted                          bool              // it becomes a master while it is about to be told to end
	late                              bool              // it runs, and does not answer yet
	refuses                           map[string]string // values that it refuses, while it runs and in a file
	forced                            map[string]string // what its command line has beside the file
	did                               []string
}

// defaults are all the parameters that the server knows.
var defaults = map[string]string{
	"maxmemory": "0", "hz": "10", "save": "3600 1", "appendonly": "no", "databases": "16", "tcp-backlog": "511", "io-threads": "1", "min-replicas-to-write": "0",
}

func (s *server) do(format string, args ...any) { s.did = append(s.did, fmt.Sprintf(format, args...)) }

// start is the kubelet's: it starts with the file, if that is good.
func (s *server) start() string {
	if s.up {
		return "it runs"
	}
	text, there := s.world.files[engineFile]
	if !there {
		return "there is no file"
	}
	values := maps.Clone(defaults)
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if strings.HasPrefix(name, "#") {
			continue
		}
		if _, known := defaults[name]; !known || s.refuses[name] == value && value != "" {
			return "it ends at once: Bad directive: " + strings.TrimSpace(line)
		}
		values[name] = number(value)
	}
	maps.Copy(values, s.forced)
	s.up, s.values = true, values
	s.runs++
	s.state.RunID = "run" + strconv.Itoa(s.runs)
	return s.state.RunID + s.changed()
}

// number is a value as CONFIG GET has it.
func number(value string) string {
	if digits, unit := strings.CutSuffix(value, "gb"); unit {
		if n, err := strconv.Atoi(digits); err == nil {
			return strconv.Itoa(n << 30)
		}
	}
	if value == `""` {
		return ""
	}
	return value
}

// changed are the values that are none of the defaults.
func (s *server) changed() (out string) {
	for _, name := range slices.Sorted(maps.Keys(s.values)) {
		if value := s.values[name]; value != defaults[name] {
			out += " " + name + "=" + value
		}
	}
	return out
}

func (s *server) reached() error {
	switch {
	case !s.up || s.late:
		return fmt.Errorf("connecting: %w", syscall.ECONNREFUSED)
	case s.others:
		return redis.ErrOthers
	}
	return nil
}

func (s *server) Inspect(_ context.Context, names ...string) (redis.State, map[string]string, error) {
	s.world.call()
	if err := s.reached(); err != nil {
		return redis.State{}, nil, err
	}
	out := map[string]string{}
	for _, name := range names {
		if value, known := s.values[name]; known {
			out[name] = value
		}
	}
	return s.state, out, nil
}

func (s *server) Configure(_ context.Context, settings map[string]string) (map[string]string, error) {
	s.world.call()
	if err := s.reached(); err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		s.do("CONFIG SET %s %s", name, settings[name])
		if s.refuses[name] == settings[name] && settings[name] != "" {
			return nil, said("CONFIG SET failed (possibly related to argument '" + name + "') - argument couldn't be parsed")
		}
		out[name] = number(settings[name])
		if n, err := strconv.Atoi(out[name]); name == "hz" && err == nil {
			out[name] = strconv.Itoa(min(n, 500))
		}
	}
	if s.lost {
		return nil, errors.New("connection reset by peer")
	}
	maps.Copy(s.values, out)
	if s.broken {
		return nil, errors.New("i/o timeout")
	}
	s.world.call() // it is done, and the answer is on its way
	return out, nil
}

func (s *server) Shutdown(_ context.Context, run string, may func(redis.State) error) error {
	s.world.call()
	if err := s.reached(); err != nil {
		return err
	}
	if s.state.RunID != run {
		return nil
	}
	if s.promoted {
		s.state.Kind, s.promoted = redis.Master, false
	}
	if err := may(s.state); err != nil {
		return err
	}
	s.do("SHUTDOWN")
	s.world.judge()
	switch {
	case s.stuck:
		return said("ERR Errors trying to SHUTDOWN. Check logs.")
	case s.deaf:
		return nil
	}
	s.up = false
	s.world.call()
	return nil
}

// world is an agent beside a server.
type world struct {
	testing.TB
	files   map[string]string
	server  *server
	keeper  *Keeper
	clock   time.Time
	last    string // what was told
	file    string // what was rendered
	wanted  agent.Configuration
	allowed string
	// crash ends the agent at the n-th thing from now that it does; 0 never.
	crash int
	judge func() // of each SHUTDOWN
}

// crashed is what an agent that ends in the middle of something panics with.
type crashed struct{}

func (w *world) call() {
	if w.crash > 0 {
		if w.crash--; w.crash == 0 {
			panic(crashed{})
		}
	}
}

// shelf is a Store whose agent may end before and after each write.
type shelf struct{ w *world }

func (s shelf) Wanted() (string, string, error) {
	return s.w.files[wantedFile], s.w.files[allowedFile], nil
}
func (s shelf) Recall() ([]byte, error)    { return []byte(s.w.files[rememberFile]), nil }
func (s shelf) Remember(text []byte) error { return s.write(rememberFile, text) }
func (s shelf) Render(text []byte) error   { return s.write(engineFile, text) }

func (s shelf) write(name string, text []byte) error {
	s.w.call()
	s.w.files[name] = string(text)
	s.w.call()
	return nil
}

func newWorld(t testing.TB) *world {
	w := &world{TB: t, clock: time.Unix(0, 0), files: map[string]string{}, judge: func() {}}
	w.server = &server{world: w, refuses: map[string]string{}, forced: map[string]string{}}
	w.server.state = redis.State{Kind: redis.Replica, Master: "10.0.0.1:6379", LinkUp: true, Keys: 3}
	w.boot()
	return w
}

// boot starts the agent anew.
func (w *world) boot() {
	w.keeper = New(shelf{w}, w.server, 2*time.Minute)
	w.keeper.now = func() time.Time { return w.clock }
}

// want is what the manager does. The two files change together in a pod.
func (w *world) want(c agent.Configuration, allowed string) {
	w.wanted, w.allowed = c, allowed
	w.files[wantedFile], w.files[allowedFile] = c.Encode(), allowed
}

// step is what the agent does each second. It may end meanwhile.
func (w *world) step() {
	defer func() {
		if r := recover(); r != nil {
			if _, it := r.(crashed); !it {
				panic(r)
			}
			w.boot()
		}
	}()
	if w.keeper.Due(w.Context()) {
		w.keeper.Step(w.Context())
	}
}

// news is what has happened since.
func (w *world) news() (out string) {
	for _, line := range w.server.did {
		out += line + "\n"
	}
	w.server.did = nil
	if text := w.files[engineFile]; text != w.file {
		_, body, _ := strings.Cut(text, "\n")
		out += "file: " + strings.ReplaceAll(strings.TrimSpace(body), "\n", ", ") + "\n"
		w.file = text
	}
	revision, state := w.keeper.Report()
	told := "reports " + w.name(revision)
	if state != nil {
		told += ", " + state.State + " " + w.name(state.Wanted) + ": " + state.Problem
	}
	if err := w.keeper.Ready(); err != nil {
		told += "; not ready"
	}
	if told != w.last {
		out += told + "\n"
		w.last = told
	}
	return out
}

// name is a revision in a story: the wanted one, none, or another.
func (w *world) name(revision string) string {
	switch revision {
	case "":
		return "none"
	case w.wanted.Revision:
		return "wanted"
	}
	return "another"
}
