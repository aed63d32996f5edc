//go:build redis

package realredis

import (
	"bytes"
	"cmp"
	"context"
	crand "crypto/rand"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/shoal-dev/shoal/agent/mtls/mtlstest"
	"github.com/shoal-dev/shoal/redis"
	"github.com/shoal-dev/shoal/switchover"
	"github.com/shoal-dev/shoal/switchover/decide"
)

const monitor = "shard"

// failoverTimeout is that of the Sentinels, where a test does not wait for them to promote somebody.
const failoverTimeout = 20 * time.Second

// healing is within which Sentinels bring a shard in order whose processes all run. They find its master down after downAfter.
// One that gave its vote, or was not elected, calls no election for twice their failover-timeout, and votes may be split: that
// has happened twice in a row here, and is given three times. Then they ask for roles every ten seconds, and correct a replica
// that follows somebody else when it has done so, and nobody was down, for a failover-timeout.
const healing = downAfter + 3*2*failoverTimeout + failoverTimeout + 20*time.Second

// tilt is for how long a Sentinel does nothing that was not woken for two seconds: it does not trust what it has seen.
const tilt = 30 * time.Second

// heal waits for what Sentinels bring about, from when the machine last let all of them act.
func (s *shard) heal(is func() bool) (err error) {
	for range 4 {
		before := s.said("+tilt")
		if err = until(healing+tilt, is); err == nil || s.said("+tilt") == before {
			break
		}
	}
	return err
}

// said counts how often Sentinels have printed something.
func (s *shard) said(what string) (n int) {
	for name, log := range s.logs {
		if strings.HasPrefix(name, "sentinel") {
			n += strings.Count(log.String(), what)
		}
	}
	return n
}

// shard is servers behind fronts, and three Sentinels. Everybody has an address of 127.0.0.0/8 of their own.
type shard struct {
	t         testing.TB
	dir       string
	net       int
	servers   []*exec.Cmd
	direct    []*goredis.Client // beside the fronts, to look
	fronts    []*front
	is        shape
	ports     []string // of the servers, behind the fronts
	sentinels []string
	monitors  []*exec.Cmd
	logs      map[string]*printed
	agents    []*sidecar
	ca        *mtlstest.Authority
	// io bounds each answer that whoever hands over waits for.
	io time.Duration
	// lock is how many times the lock of the shard has changed hands.
	lock uint64
	// pace is between two writes of a writer, which are not to have all cores to themselves.
	pace time.Duration
}

// printed is what a process has printed so far; it may print while that is read.
type printed struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (p *printed) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(b)
}

func (p *printed) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

// patient is how the tests themselves look: on a machine that does much else, an answer takes its time.
var patient = redis.Access{Dial: 5 * time.Second, IO: 5 * time.Second}

func (s *shard) ip(kind, n int) string { return fmt.Sprintf("127.%d.%d.%d", s.net, kind, n+1) }

// Who connects, by the address.
func (s *shard) server(n int) string   { return s.ip(1, n) }
func (s *shard) writer() string        { return s.ip(2, 0) }
func (s *shard) sentinel(n int) string { return s.ip(3, n) }
func (s *shard) front(n int) string    { return s.ip(4, n) }

// frontPort is any, but for instances with agents: in a cluster all have the same.
func (s *shard) frontPort() string {
	if s.is.agents == 0 || len(s.fronts) == 0 {
		return "0"
	}
	_, port, _ := net.SplitHostPort(s.fronts[0].addr())
	return port
}

const executor = "127.0.0.1"

type shape struct {
	servers   int
	sentinels int
	downAfter time.Duration
	settings  []string
	// failoverTimeout is failoverTimeout if it is not set.
	failoverTimeout time.Duration
	// entrypoint: servers are started by shoal-redis, so that they can start again.
	entrypoint bool
	// agents: the master is handed over through an agent beside each server, which waits for it for so long.
	agents time.Duration
	// user is a user of an ACL for servers and Sentinels, beside the default one: its words.
	user, sentinelUser string
}

func newShard(t testing.TB, is shape) *shard {
	t.Helper()
	needRedis(t)
	s := &shard{t: t, dir: scratch(t), net: network(t), logs: map[string]*printed{}, io: 3 * time.Second, pace: time.Millisecond, is: is}
	for n := range is.servers {
		s.ports = append(s.ports, freePort(t, s.server(n)))
	}
	for n := range is.servers {
		s.addServer(n)
	}
	for n := 1; n < is.servers; n++ {
		s.do(n, "REPLICAOF", s.hostPort(0)...)
	}
	s.settled(0)
	s.addSentinels(is)
	s.addAgents()
	s.sentinelsKnowEachOther(is.sentinels)
	t.Cleanup(func() {
		if t.Failed() {
			for name, text := range s.logs {
				lines := strings.Split(text.String(), "\n")
				t.Logf("%s said:\n%s", name, strings.Join(lines[max(0, len(lines)-12):], "\n"))
			}
		}
	})
	return s
}

// scratchName begins the name of such a folder, before the id of the process that made it.
const scratchName = "shoal-redis-"

func scratchParent() string {
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
		return "/dev/shm"
	}
	return os.TempDir()
}

// scratch is a folder in memory, where there is one: each vote of a Sentinel waits for the disk, which is not what is
// measured.
func scratch(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp(scratchParent(), fmt.Sprintf("%s%d-", scratchName, os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// network is the second byte of 127.0.0.0/8, for the caller alone until its test has ended, on the whole machine: whoever has an
// abstract socket of its name. Two shards in one would reach each other's servers.
func network(t testing.TB) int {
	t.Helper()
	const first, count = 2, 250
	begin := rand.IntN(count)
	for n := range count {
		at := first + (begin+n)%count
		if listener, err := net.Listen("unix", fmt.Sprintf("@shoal-realredis-127.%d", at)); err == nil {
			t.Cleanup(func() { _ = listener.Close() })
			return at
		}
	}
	t.Fatal("all networks are in use")
	return 0
}

// Two shards are never in one network, and one that has ended leaves its own to others.
func TestNetworksAreApart(t *testing.T) {
	all := map[int]bool{}
	if t.Run("all at once", func(t *testing.T) {
		for range 100 { // others may have some too
			n := network(t)
			if all[n] {
				t.Fatalf("%d is there twice", n)
			}
			all[n] = true
		}
	}); len(all) != 100 {
		t.Fatal(len(all))
	}
	for range 3 {
		t.Run("again", func(t *testing.T) {
			for range 100 {
				network(t)
			}
		})
	}
}

func freePort(t testing.TB, ip string) string {
	t.Helper()
	listener, err := net.Listen("tcp", net.JoinHostPort(ip, "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	return port
}

func (s *shard) run(name string, c *exec.Cmd) *exec.Cmd {
	if s.logs[name] == nil {
		s.logs[name] = &printed{}
	}
	c.Stdout, c.Stderr = s.logs[name], s.logs[name]
	start(s.t, c)
	return c
}

func (s *shard) addServer(n int) {
	ip, port := s.server(n), s.ports[n]
	s.fronts = append(s.fronts, newFront(s.t, s.front(n), s.frontPort(), net.JoinHostPort(ip, port)))
	if err := os.Mkdir(s.folder(n), 0o755); err != nil {
		s.t.Fatal(err)
	}
	client := goredis.NewClient(&goredis.Options{Addr: net.JoinHostPort(ip, port), Protocol: 2, DisableIdentity: true, ReadTimeout: 30 * time.Second, MaxRetries: -1})
	s.t.Cleanup(func() { _ = client.Close() })
	s.direct = append(s.direct, client)
	s.servers = append(s.servers, nil)
	s.startServer(n)
	s.answers(n)
}

func (s *shard) folder(n int) string { return filepath.Join(s.dir, "server"+strconv.Itoa(n)) }

// startServer starts one that does not run, with the volume that it had.
func (s *shard) startServer(n int) {
	s.t.Helper()
	host, announced, _ := net.SplitHostPort(s.fronts[n].addr())
	args := append([]string{"--bind", s.server(n), "--bind-source-addr", s.server(n), "--save", "",
		"--replica-announce-ip", host, "--replica-announce-port", announced, "--repl-diskless-sync-delay", "0", "--repl-backlog-size", "64mb",
		"--repl-timeout", "20"}, s.is.settings...)
	if s.is.user != "" {
		args = append(append(args, "--user"), strings.Fields(s.is.user)...)
	}
	c := exec.Command("redis-server", append([]string{"--port", s.ports[n], "--protected-mode", "no", "--dir", s.folder(n)}, args...)...)
	if s.is.entrypoint {
		c = exec.Command("sh", append([]string{"../../images/redis/shoal-redis"}, args...)...)
		var peers []string
		for i, port := range s.ports { // not by the fronts: as in a cluster, replicas call the master by another name than Sentinels do
			peers = append(peers, fmt.Sprintf("%s=%s", name(i), net.JoinHostPort(s.server(i), port)))
		}
		c.Env = append(os.Environ(), "POD_NAME="+name(n), "POD_NAMESPACE=ns", "SHARD=r-0", fmt.Sprintf("SHARD_SIZE=%d", len(s.ports)), "REBUILD_GENERATION=0",
			"DATA_DIR="+s.folder(n), "LOCAL_HOST="+s.server(n), "POLL_SECONDS=1", "LOOK_SECONDS=1", "PEERS="+strings.Join(peers, " "))
	}
	s.servers[n] = s.run("server "+strconv.Itoa(n), c)
}

// answers waits until a server does. One that shoal-redis starts waits for a master, and that may be for Sentinels to promote one.
func (s *shard) answers(n int) {
	s.t.Helper()
	if err := s.heal(func() bool { return s.direct[n].Ping(context.Background()).Err() == nil }); err != nil {
		s.t.Fatalf("server %d does not start: %v", n, err)
	}
}

// addSentinels starts Sentinels that know each other from the beginning, as they do when they start again: to find each other
// would take them the seconds between two messages.
func (s *shard) addSentinels(is shape) {
	var ids, ports []string
	for n := range is.sentinels {
		id := make([]byte, 20)
		_, _ = crand.Read(id) // it never fails
		ids, ports = append(ids, hex.EncodeToString(id)), append(ports, freePort(s.t, s.sentinel(n)))
	}
	for n := range is.sentinels {
		text := s.sentinelConfig(n, is, ports[n]) + "sentinel myid " + ids[n] + "\n"
		for other := range is.sentinels {
			if other != n {
				text += fmt.Sprintf("sentinel known-sentinel %s %s %s %s\n", monitor, s.sentinel(other), ports[other], ids[other])
			}
		}
		file := filepath.Join(s.dir, "sentinel"+strconv.Itoa(n)+".conf")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			s.t.Fatal(err)
		}
		s.monitors = append(s.monitors, s.run("sentinel "+strconv.Itoa(n), exec.Command("redis-sentinel", file)))
		s.sentinels = append(s.sentinels, net.JoinHostPort(s.sentinel(n), ports[n]))
	}
}

func (s *shard) sentinelConfig(n int, is shape, port string) string {
	ip := s.sentinel(n)
	host, master, _ := net.SplitHostPort(s.fronts[0].addr())
	text := fmt.Sprintf("port %s\nbind %s\nbind-source-addr %s\nprotected-mode no\ndir %s\nsentinel announce-ip %s\nsentinel monitor %s %s %s 2\nsentinel down-after-milliseconds %s %d\nsentinel failover-timeout %s %d\n",
		port, ip, ip, s.dir, ip, monitor, host, master, monitor, is.downAfter.Milliseconds(), monitor, cmp.Or(is.failoverTimeout, failoverTimeout).Milliseconds())
	if is.sentinelUser != "" {
		text += "user " + is.sentinelUser + "\n"
	}
	return text
}

func (s *shard) sentinelsKnowEachOther(n int) {
	if err := until(60*time.Second, func() bool {
		for _, addr := range s.sentinels {
			if v, err := s.view(addr); err != nil || v.Peers != n-1 || v.Down {
				return false
			}
		}
		return true
	}); err != nil {
		s.t.Fatal("Sentinels do not find each other")
	}
}

func (s *shard) view(addr string) (redis.View, error) {
	conn, err := redis.Connect(context.Background(), addr, patient)
	if err != nil {
		return redis.View{}, err
	}
	defer conn.Close()
	return conn.View(context.Background(), monitor)
}

func (s *shard) hostPort(n int) []any {
	host, port, _ := net.SplitHostPort(s.fronts[n].addr())
	return []any{host, port}
}

func (s *shard) do(n int, command string, args ...any) any {
	s.t.Helper()
	answer, err := s.direct[n].Do(context.Background(), append([]any{command}, args...)...).Result()
	if err != nil {
		s.t.Fatalf("%s %v at server %d: %v", command, args, n, err)
	}
	return answer
}

func (s *shard) state(n int) (redis.State, error) {
	conn, err := redis.Connect(context.Background(), s.direct[n].Options().Addr, patient)
	if err != nil {
		return redis.State{}, err
	}
	defer conn.Close()
	return conn.State(context.Background())
}

// masters are the servers that say so.
func (s *shard) masters() (out []int) {
	for n := range s.servers {
		if state, err := s.state(n); err == nil && state.Kind == redis.Master {
			out = append(out, n)
		}
	}
	return out
}

// settled: everybody follows the master and is in sync.
func (s *shard) settled(master int) {
	s.t.Helper()
	if err := s.heal(func() bool {
		for n := range s.servers {
			state, err := s.state(n)
			if err != nil || (state.Kind == redis.Master) != (n == master) || n != master && (!state.LinkUp || state.Master != s.fronts[master].addr() && state.Master != s.fronts[master].server) {
				return false
			}
		}
		return true
	}); err != nil {
		for n := range s.servers {
			state, err := s.state(n)
			s.t.Logf("server %d: %+v %v", n, state, err)
		}
		s.t.Fatalf("server %d is not the master of all", master)
	}
}

// named: all Sentinels say so.
func (s *shard) named(master int) {
	s.t.Helper()
	if err := s.heal(func() bool {
		for _, addr := range s.sentinels {
			if v, err := s.view(addr); err != nil || v.Master != s.fronts[master].addr() {
				return false
			}
		}
		return true
	}); err != nil {
		s.t.Fatalf("Sentinels do not name server %d", master)
	}
}

func name(n int) string { return "r-" + strconv.Itoa(n) }

func (s *shard) described() switchover.Shard {
	access := redis.Access{Dial: s.io, IO: s.io}
	out := switchover.Shard{Sentinels: s.sentinels, Monitor: monitor, Access: access, SentinelAccess: access, Lock: s.lock}
	for n, f := range s.fronts {
		out.Instances = append(out.Instances, switchover.Instance{Name: name(n), Addr: f.addr(), Aliases: []string{f.server}})
	}
	return out
}

// wanted is a request of one that is configured to take writes alone. The replica has a second to catch up, as the machine
// may do much else.
func (s *shard) wanted(from int) decide.Request {
	return decide.Request{From: name(from), Configured: &decide.Fence{Lag: 10 * time.Second}, CatchUp: time.Second}
}

func (s *shard) fullSyncs() (sum int) {
	for n := range s.servers {
		text, _ := s.direct[n].Info(context.Background(), "stats").Result()
		for line := range strings.Lines(text) {
			if value, ok := strings.CutPrefix(strings.TrimSpace(line), "sync_full:"); ok {
				count, _ := strconv.Atoi(value)
				sum += count
			}
		}
	}
	return sum
}
