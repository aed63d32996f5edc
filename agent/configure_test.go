package agent

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/shoal-dev/shoal/agent/configuration"
	"github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/redis"
)

// configurable is a Redis that takes what it is told, once it has started.
type configurable struct {
	mu     sync.Mutex
	values map[string]string
}

func (c *configurable) Inspect(context.Context, ...string) (redis.State, map[string]string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.values == nil {
		return redis.State{}, nil, os.ErrDeadlineExceeded
	}
	return redis.State{RunID: "run", Kind: redis.Master}, c.values, nil
}

func (c *configurable) Configure(_ context.Context, settings map[string]string) (map[string]string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.values = settings
	return settings, nil
}

func (c *configurable) Shutdown(context.Context, string, func(redis.State) error) error { return nil }

// An engine may start when its file is there, and what becomes of a configuration is reported at once.
func TestConfigurationsAreReported(t *testing.T) {
	folder := configuration.Folder{In: t.TempDir(), Out: t.TempDir()}
	want := func(value string) agent.Configuration {
		c := agent.NewConfiguration([]agent.Parameter{{Name: "hz", Value: value}})
		if err := os.WriteFile(filepath.Join(folder.In, "configuration"), []byte(c.Encode()), 0o600); err != nil {
			t.Fatal(err)
		}
		return c
	}
	engine := &configurable{}
	w := start(t, func(_ *world, o *Options) {
		o.Configuration, o.Revision = configuration.New(folder, engine, time.Minute), "of the pod"
	})
	w.until(t, "that nothing is wanted yet", func(r agent.Report) bool {
		return r.Configuration != nil && r.Configuration.State == agent.StateRefused && r.Revision == ""
	})
	if err := w.agent.Healthy(); err == nil || !strings.Contains(err.Error(), "file is not there") {
		t.Errorf("without a file: %v", err)
	}
	first := want("20")
	w.until(t, "that the engine has yet to start", func(r agent.Report) bool {
		return r.Configuration != nil && r.Configuration.State == agent.StateApplying && r.Configuration.Wanted == first.Revision
	})
	text, err := os.ReadFile(filepath.Join(folder.Out, "redis.conf"))
	if err != nil || !strings.Contains(string(text), "\nhz 20\n") {
		t.Errorf("%s, %v", text, err)
	}
	if err := w.agent.Healthy(); err != nil {
		t.Error(err)
	}
	engine.mu.Lock()
	engine.values = map[string]string{"hz": "20"}
	engine.mu.Unlock()
	w.until(t, "that it runs", func(r agent.Report) bool { return r.Revision == first.Revision && r.Configuration == nil })
	second := want("30")
	w.until(t, "that it runs with another one", func(r agent.Report) bool { return r.Revision == second.Revision && r.Configuration == nil })
	w.counted(t, "shoal_agent_configurations_total", "applied")
	want("30\n")
	w.until(t, "that it is refused", func(r agent.Report) bool {
		return r.Revision == second.Revision && r.Configuration != nil && r.Configuration.State == agent.StateRefused
	})
	w.counted(t, "shoal_agent_configurations_total", "refused")
}

// peeking does something while it is looked at.
type peeking struct {
	*engine
	during func()
}

func (p *peeking) Look(ctx context.Context) (agent.Report, error) {
	p.during()
	return p.engine.Look(ctx)
}

// Whoever hears that the engine runs with a configuration hears what it has been since, and not what it was before.
func TestConfigurationsAreReportedAfterALook(t *testing.T) {
	folder := configuration.Folder{In: t.TempDir(), Out: t.TempDir()}
	c := agent.NewConfiguration([]agent.Parameter{{Name: "hz", Value: "20"}})
	if err := os.WriteFile(filepath.Join(folder.In, "configuration"), []byte(c.Encode()), 0o600); err != nil {
		t.Fatal(err)
	}
	looks := &peeking{engine: &engine{}, during: func() {}}
	looks.is(agent.Report{Role: agent.RoleReplica, LinkUp: true}, nil)
	server := &configurable{}
	a, err := New(Options{Engine: looks, Registry: prometheus.NewRegistry(), Configuration: configuration.New(folder, server, time.Minute)})
	if err != nil {
		t.Fatal(err)
	}
	a.configure(t.Context())
	server.values = map[string]string{"hz": "20"}
	peeked := false
	looks.during = func() {
		peeked = true
		if r := a.next(); r.Revision != "" {
			t.Errorf("before a look: %+v", r)
		}
	}
	a.configure(t.Context())
	if r := a.next(); !peeked || r.Revision != c.Revision || !r.LinkUp {
		t.Errorf("looked at: %t, %+v", peeked, r)
	}
}

// Nothing is done to the engine while an action is.
func TestConfigurationsWaitForActions(t *testing.T) {
	folder := configuration.Folder{In: t.TempDir(), Out: t.TempDir()}
	a, err := New(Options{Engine: &engine{}, Registry: prometheus.NewRegistry(), Configuration: configuration.New(folder, &configurable{}, time.Minute)})
	if err != nil {
		t.Fatal(err)
	}
	untouched := func() bool {
		_, state := a.o.Configuration.Report()
		return state.Problem == "nothing was read yet"
	}
	a.acting <- struct{}{}
	ctx, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer stop()
	if a.configure(ctx); !untouched() {
		t.Error("it does not wait")
	}
	<-a.acting
	if a.configure(t.Context()); untouched() {
		t.Error("it does nothing afterwards")
	}
}
