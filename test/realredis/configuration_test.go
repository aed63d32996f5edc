//go:build redis

package realredis

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/redis"
	"github.com/shoal-dev/shoal/switchover"
)

// container is a Redis that is started from the file of its agent as soon as that is there, and again whenever it has ended: what a
// kubelet does.
type container struct {
	t       testing.TB
	in, out string
	addr    string
	agent   *sidecar
	client  *goredis.Client
	log     printed
	wanted  agent.Configuration
	mu      sync.Mutex
	process *exec.Cmd
	starts  int
}

// newContainer waits for nothing. flags are the agent's, and more are arguments of Redis beside the file.
func newContainer(t testing.TB, flags []string, more ...string) *container {
	t.Helper()
	needRedis(t)
	ip, folder := fmt.Sprintf("127.%d.1.1", network(t)), scratch(t)
	port := freePort(t, ip)
	c := &container{t: t, in: filepath.Join(folder, "in"), out: filepath.Join(folder, "out"), addr: net.JoinHostPort(ip, port)}
	for _, name := range []string{c.in, c.out, filepath.Join(folder, "data")} {
		if err := os.Mkdir(name, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	c.client = goredis.NewClient(&goredis.Options{Addr: c.addr, Protocol: 2, DisableIdentity: true, ReadTimeout: 30 * time.Second, MaxRetries: -1})
	t.Cleanup(func() { _ = c.client.Close() })
	c.agent = newSidecar(t, c.addr, append(flags, "--configuration", c.in, "--configuration-out", c.out, "--configuration-deadline", "15s")...)
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	var all sync.WaitGroup
	all.Go(func() {
		c.keep(ctx, append([]string{filepath.Join(c.out, "redis.conf"), "--port", port, "--bind", ip, "--protected-mode", "no", "--dir", filepath.Join(folder, "data")}, more...))
	})
	t.Cleanup(func() {
		stop()
		c.kill()
		all.Wait()
		if t.Failed() {
			lines := strings.Split(c.log.String(), "\n")
			t.Logf("Redis said:\n%s", strings.Join(lines[max(0, len(lines)-20):], "\n"))
		}
	})
	return c
}

// keep starts it, and again a second after it has ended.
func (c *container) keep(ctx context.Context, args []string) {
	for pause := time.Second / 5; ctx.Err() == nil; pause = time.Second {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		if !c.healthy() {
			continue
		}
		p := exec.Command("redis-server", args...)
		p.Stdout, p.Stderr = &c.log, &c.log
		p.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
		failed := make(chan error)
		c.mu.Lock()
		if ctx.Err() != nil {
			c.mu.Unlock()
			return
		}
		starts <- func() { failed <- p.Start() }
		err := <-failed
		c.process = p
		c.starts++
		c.mu.Unlock()
		if err != nil {
			c.t.Error(err)
			return
		}
		_ = p.Wait() // however it ends, it is started again
	}
}

// healthy is the startup probe of the agent.
func (c *container) healthy() bool {
	response, err := http.Get("http://" + c.agent.metrics + "/healthz")
	return err == nil && response.Body.Close() == nil && response.StatusCode == http.StatusOK
}

func (c *container) kill() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.process != nil {
		_ = c.process.Process.Kill() // it may have ended
	}
}

func (c *container) started() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.starts
}

// want is what the manager does: both files change at once.
func (c *container) want(allow bool, parameters ...agent.Parameter) {
	c.t.Helper()
	c.wanted = agent.NewConfiguration(parameters)
	allowed := ""
	if allow {
		allowed = c.wanted.Revision
	}
	for _, file := range [][2]string{{"restart-master", allowed}, {"configuration", c.wanted.Encode()}} {
		draft := filepath.Join(c.in, "..draft")
		if err := os.WriteFile(draft, []byte(file[1]), 0o600); err != nil {
			c.t.Fatal(err)
		}
		if err := os.Rename(draft, filepath.Join(c.in, file[0])); err != nil {
			c.t.Fatal(err)
		}
	}
}

// applied waits for the report that it runs with what is wanted.
func (c *container) applied() agent.Report {
	c.t.Helper()
	return c.agent.until("that it runs with "+c.wanted.Encode(), func(r agent.Report) bool { return r.Revision == c.wanted.Revision && r.Configuration == nil }).Report
}

// inSync waits until it is, if it was not when that was reported.
func (c *container) inSync(r agent.Report) {
	c.t.Helper()
	if !inSync(r) {
		c.agent.until("a replica in sync", inSync)
	}
}

func (c *container) refused() agent.Report {
	c.t.Helper()
	return c.agent.until("that it is refused", func(r agent.Report) bool {
		return r.Configuration != nil && r.Configuration.State == agent.StateRefused && r.Configuration.Wanted == c.wanted.Revision
	}).Report
}

func (c *container) get(name string) string {
	c.t.Helper()
	var found map[string]string
	if err := until(30*time.Second, func() bool {
		var err error
		found, err = c.client.ConfigGet(context.Background(), name).Result()
		return err == nil
	}); err != nil {
		c.t.Fatal(err)
	}
	return found[name]
}

func (c *container) file() string {
	text, err := os.ReadFile(filepath.Join(c.out, "redis.conf"))
	if err != nil {
		c.t.Fatal(err)
	}
	return string(text)
}

func with(name, value string) agent.Parameter { return agent.Parameter{Name: name, Value: value} }

// A replica is configured before it starts, while it runs, and by a restart, from which it goes on where it was. What Redis does not
// take, while it runs or when it starts, is taken back.
func TestAgentConfigures(t *testing.T) {
	t.Parallel()
	s := newShard(t, shape{servers: 1})
	s.do(0, "SET", "key", "value")
	host, port, _ := net.SplitHostPort(s.direct[0].Options().Addr)
	c := newContainer(t, nil, "--replicaof", host, port)
	pass(2 * time.Second)
	if n := c.started(); n != 0 {
		t.Fatal("it has started without a file")
	}
	c.want(false, with("maxmemory", "64mb"), with("save", "3600 1 300 100"), with("databases", "32"), with("tcp-backlog", "100"), with("client-output-buffer-limit", "replica 1gb 512mb 60"))
	r := c.applied()
	if r.MaxMemory != 64<<20 {
		t.Errorf("%+v", r)
	}
	c.inSync(r)
	if c.get("databases") != "32" || c.get("tcp-backlog") != "100" || c.get("save") != "3600 1 300 100" || !strings.Contains(c.get("client-output-buffer-limit"), "slave 1073741824 536870912 60") {
		t.Errorf("it runs with databases %s, tcp-backlog %s, save %s, %s", c.get("databases"), c.get("tcp-backlog"), c.get("save"), c.get("client-output-buffer-limit"))
	}

	// While it runs.
	base := []agent.Parameter{with("save", ""), with("databases", "32")}
	c.want(false, append(base, with("maxmemory", "32mb"), with("tcp-backlog", "100"), with("client-output-buffer-limit", "replica 1gb 512mb 60"))...)
	if r := c.applied(); r.MaxMemory != 32<<20 && c.agent.until("its limit", func(r agent.Report) bool { return r.MaxMemory != 64<<20 }).MaxMemory != 32<<20 {
		t.Errorf("%+v", r)
	}
	if n := c.started(); n != 1 || c.get("maxmemory") != "33554432" || c.get("save") != "" {
		t.Errorf("started %d times, maxmemory %s, save %q", n, c.get("maxmemory"), c.get("save"))
	}

	// By a restart, of a replica that saves nothing by itself: it asks its master for what it lacks alone. A parameter is taken away, too.
	full := s.stat("sync_full")
	c.want(false, append(base, with("maxmemory", "48mb"), with("tcp-backlog", "200"))...)
	if r := c.applied(); !inSync(r) || r.Loading {
		t.Errorf("it is reported to run before it is back: %+v", r)
	}
	if n := c.started(); n != 2 || c.get("tcp-backlog") != "200" || c.get("maxmemory") != "50331648" || !strings.Contains(c.get("client-output-buffer-limit"), "slave 268435456") {
		t.Errorf("started %d times, tcp-backlog %s, maxmemory %s, %s", n, c.get("tcp-backlog"), c.get("maxmemory"), c.get("client-output-buffer-limit"))
	}
	if again := s.stat("sync_full"); again != full {
		t.Errorf("its master had to send %s copies, %s before", again, full)
	}

	// A value that it refuses while it runs.
	good, text := c.wanted, c.file()
	c.want(false, append(base, with("maxmemory", "40mb"), with("maxmemory-policy", "forget-nothing"), with("tcp-backlog", "200"))...)
	r = c.refused()
	if !strings.HasPrefix(r.Configuration.Problem, "maxmemory-policy forget-nothing: ") || r.Revision != good.Revision || c.get("maxmemory") != "50331648" || c.file() != text {
		t.Errorf("%+v %+v, maxmemory %s, and in the file %s", r, r.Configuration, c.get("maxmemory"), c.file())
	}

	// One that it does not start with. (It has no more threads than 128.)
	c.want(false, append(base, with("maxmemory", "48mb"), with("io-threads", "500"), with("tcp-backlog", "200"))...)
	r = c.refused()
	if !strings.Contains(r.Configuration.Problem, "was not back with it within 15s") || c.file() != text {
		t.Errorf("%+v, and in the file %s", r.Configuration, c.file())
	}
	c.inSync(r)
	c.want(false, good.Parameters...)
	c.applied()
	if c.get("io-threads") != "1" || c.get("tcp-backlog") != "200" {
		t.Errorf("io-threads %s, tcp-backlog %s", c.get("io-threads"), c.get("tcp-backlog"))
	}

	// One that never changes, and an agent that starts anew.
	c.want(false, with("databases", "16"))
	if r = c.refused(); r.Configuration.Problem != "databases: it is immutable, and stays 32" {
		t.Errorf("%+v", r.Configuration)
	}
	if log := c.agent.log.String(); strings.Contains(log, "panic") {
		t.Error(log)
	}
}

// A master is restarted when the manager allows it for this configuration, and keeps what was never saved, is in its append-only file, or is
// in one that its next start does not read. While somebody hands over, nothing is done.
func TestAgentConfiguresAMaster(t *testing.T) {
	for _, c := range []struct {
		name    string
		kept    agent.Parameter
		thisRun bool // its append-only file
		from    string
	}{
		{"save", with("save", ""), false, "DB loaded from disk"},
		{"appendonly", with("appendonly", "yes"), false, "DB loaded from base file"},
		{"appendonly for this run", with("save", ""), true, "DB loaded from disk"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			configuresAMaster(t, c.kept, c.thisRun, c.from)
		})
	}
}

func configuresAMaster(t *testing.T, kept agent.Parameter, thisRun bool, from string) {
	c := newContainer(t, nil)
	c.want(false, kept, with("tcp-backlog", "100"))
	c.applied()
	if err := c.client.Set(context.Background(), "key", "value", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if thisRun {
		if err := c.client.ConfigSet(context.Background(), "appendonly", "yes").Err(); err != nil {
			t.Fatal(err)
		}
	}
	c.want(false, kept, with("tcp-backlog", "200"), with("maxmemory", "64mb"))
	c.agent.until("that it waits", func(r agent.Report) bool {
		return r.Configuration != nil && r.Configuration.State == agent.StateMaster
	})
	pass(3 * time.Second)
	if n := c.started(); n != 1 || c.get("tcp-backlog") != "100" || c.get("maxmemory") != "0" {
		t.Errorf("started %d times, tcp-backlog %s, maxmemory %s", n, c.get("tcp-backlog"), c.get("maxmemory"))
	}
	other, err := redis.Connect(t.Context(), c.addr, redis.Access{Name: switchover.ConnectionName})
	if err != nil {
		t.Fatal(err)
	}
	c.want(true, c.wanted.Parameters...)
	c.agent.until("that somebody is at work", func(r agent.Report) bool {
		return r.Configuration != nil && strings.Contains(r.Configuration.Problem, "handing over")
	})
	if _, err := other.State(t.Context()); err != nil || c.started() != 1 {
		t.Errorf("started %d times, %v", c.started(), err)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	c.applied()
	if n := c.started(); n != 2 || c.get("tcp-backlog") != "200" {
		t.Errorf("started %d times, tcp-backlog %s", n, c.get("tcp-backlog"))
	}
	if value := c.client.Get(context.Background(), "key").Val(); value != "value" {
		t.Errorf("after the restart the key is %q", value)
	}
	if log := c.log.String(); !strings.Contains(log, from) {
		t.Errorf("after the restart it does not say %q: %s", from, log)
	}
	// Killed, it comes back with the same; and so does its agent.
	c.kill()
	if err := until(30*time.Second, func() bool { return c.started() == 3 }); err != nil {
		t.Fatal(err)
	}
	if backlog, memory := c.get("tcp-backlog"), c.get("maxmemory"); backlog != "200" || memory != "67108864" {
		t.Errorf("tcp-backlog %s, maxmemory %s", backlog, memory)
	}
	// What was deleted does not come back from the dump of before.
	if err := c.client.Del(context.Background(), "key").Err(); err != nil {
		t.Fatal(err)
	}
	c.want(true, kept, with("tcp-backlog", "300"), with("maxmemory", "64mb"))
	c.applied()
	if n, keys := c.started(), c.client.DBSize(context.Background()).Val(); n != 4 || keys != 0 {
		t.Errorf("started %d times, and %d keys that were deleted are there", n, keys)
	}
}

// The agent needs the rights of whoever hands over, and one more, without which it says so and all stays as it was.
func TestAgentConfiguresWithLeastRights(t *testing.T) {
	t.Parallel()
	const password = "correct-horse-battery"
	file := filepath.Join(scratch(t), "password")
	if err := os.WriteFile(file, []byte(password), 0o600); err != nil {
		t.Fatal(err)
	}
	words := append([]string{"--user", "agent", "on", ">" + password}, strings.Fields(rights)...)
	c := newContainer(t, []string{"--username", "agent", "--password-file", file}, words...)
	c.want(false, with("save", ""), with("tcp-backlog", "100"))
	c.applied()
	c.want(false, with("save", "60 1"), with("tcp-backlog", "100"))
	c.applied()
	c.want(true, with("save", "60 1"), with("tcp-backlog", "200"))
	if r := c.refused(); !strings.Contains(r.Configuration.Problem, "NOPERM") || c.started() != 1 || c.get("tcp-backlog") != "100" || !strings.Contains(c.file(), "tcp-backlog 100") {
		t.Errorf("without the right it says %+v, and runs with %s", r.Configuration, c.get("tcp-backlog"))
	}
	if err := c.client.Do(t.Context(), "ACL", "SETUSER", "agent", "+shutdown").Err(); err != nil {
		t.Fatal(err)
	}
	c.want(true, with("save", "60 1"), with("tcp-backlog", "300"))
	c.applied()
	if n := c.started(); n != 2 || c.get("tcp-backlog") != "300" {
		t.Errorf("started %d times, tcp-backlog %s", n, c.get("tcp-backlog"))
	}
	if text := c.agent.log.String() + c.file() + c.agent.get("/metrics"); strings.Contains(text, password[:7]) {
		t.Errorf("the password is in %s", text)
	}
}

// The table of parameters is true of this Redis: what is dynamic can be set while it runs, what is static cannot, all can stand in the
// file, and what the server reads back counts as the same.
func TestParametersOfARealRedis(t *testing.T) {
	t.Parallel()
	s := newShard(t, shape{servers: 1})
	var all []agent.Parameter
	unknown := 0
	for _, name := range agent.ConfigurationNames() {
		values, err := s.direct[0].ConfigGet(t.Context(), name).Result()
		if err != nil {
			t.Fatal(err)
		}
		value, known := values[name]
		if !known {
			unknown++ // of a later version
			continue
		}
		all = append(all, with(name, value))
		err = s.direct[0].ConfigSet(t.Context(), name, value).Err()
		switch class, _ := agent.ClassOf(name); {
		case class == agent.Dynamic && err != nil:
			t.Errorf("%s is dynamic: %v", name, err)
		case class == agent.Static && (err == nil || !strings.Contains(err.Error(), "immutable")):
			t.Errorf("%s is static: %v", name, err)
		}
	}
	if len(all) < 80 || unknown > 5 {
		t.Errorf("it knows %d parameters, and %d not", len(all), unknown)
	}
	c := newContainer(t, nil)
	c.want(false, all...)
	c.applied()
	for _, p := range all {
		if value := c.get(p.Name); !agent.SameValue(p.Name, p.Value, value) {
			t.Errorf("%s %s is read back as %s", p.Name, p.Value, value)
		}
	}
	for _, p := range []agent.Parameter{
		with("maxmemory", "3gb"), with("maxmemory", "3g"), with("maxmemory-clients", "5%"), with("save", "60 1 30 2"), with("save", ""),
		with("client-output-buffer-limit", "pubsub 1mb 1mb 5 replica 2mb 2mb 6"), with("notify-keyspace-events", "KEA"), with("notify-keyspace-events", "Kg$lshzxetd"),
		with("activerehashing", "NO"), with("maxmemory-policy", "AllKeys-LRU"), with("list-max-listpack-size", "-3"),
	} {
		if err := c.client.ConfigSet(t.Context(), p.Name, p.Value).Err(); err != nil {
			t.Errorf("%+v: %v", p, err)
		}
		if value := c.get(p.Name); !agent.SameValue(p.Name, p.Value, value) {
			t.Errorf("%s %s is read back as %s", p.Name, p.Value, value)
		}
	}
}

// stat is a number of INFO stats of the first server.
func (s *shard) stat(name string) string {
	s.t.Helper()
	text, err := s.direct[0].Info(context.Background(), "stats").Result()
	if err != nil {
		s.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(text, name+":")
	value, _, _ := strings.Cut(rest, "\r\n")
	return value
}
