//go:build redis

package roles

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	goredis "github.com/redis/go-redis/v9"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	sidecar "github.com/shoal-dev/shoal/agent"
	"github.com/shoal-dev/shoal/agent/mtls"
	"github.com/shoal-dev/shoal/agent/mtls/mtlstest"
	"github.com/shoal-dev/shoal/agent/probe"
	"github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/redis"
	"github.com/shoal-dev/shoal/roles/orders"
	"github.com/shoal-dev/shoal/switchover"
)

// realShard is three Redis servers that start protected, each with a real agent, and the reconciler that gives them orders. Who is
// master says the test, as Sentinels or a person would.
type realShard struct {
	*harness
	t       *testing.T
	ca      *mtlstest.Authority
	manager string
	orders  *orders.Client
	lock    uint64
	nodes   map[string]*realNode
}

// realNode is one instance: a server with its volume, and the agent beside it.
type realNode struct {
	ip, port, dir, actions string
	server                 *exec.Cmd
	redis                  *goredis.Client
	stopAgent              func()
}

func newRealShard(t *testing.T) *realShard {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("REQUIRE_REDIS") == "1" {
			t.Fatal("there is no redis-server on the PATH: `sudo make redis-deps` installs it")
		}
		t.Skip("there is no redis-server on the PATH")
	}
	s := &realShard{t: t, ca: mtlstest.New(t), nodes: map[string]*realNode{}, lock: 1}
	number := 2 + rand.IntN(250)
	var pods []string
	for n := range 3 {
		name := fmt.Sprintf("r-%d", n)
		pods = append(pods, name)
		node := &realNode{ip: fmt.Sprintf("127.%d.77.%d", number, n+1), dir: t.TempDir()}
		node.port = free(t, node.ip)
		s.nodes[name] = node
	}
	var made []*corev1.Pod
	for _, name := range pods {
		pod := aPod(name)
		pod.Status.PodIP = s.nodes[name].ip
		made = append(made, pod)
	}
	s.harness = newHarness(t, aSet(), made[0], made[1], made[2])
	s.naming = Naming{Trouble: "nobody was elected"}
	s.reconciler.now = time.Now
	s.ledger = newLedger(s.cache, time.Now, func(shardKey) {}, func(string) {})
	s.ledger.since = time.Now().Add(-time.Hour)
	s.manager = s.listen()
	s.orders = s.newClient(func() (uint64, error) { return s.lock, nil })
	s.joiner = newJoiner(s.orders.Do, s.ledger.boot, s.told, time.Now, func(shardKey) {})
	s.joiner.target = func(pod *corev1.Pod) (orders.Target, error) { return s.target(pod.Name, string(pod.UID)), nil }
	for _, name := range pods {
		s.start(name)
		s.startAgent(name)
	}
	return s
}

func (s *realShard) newClient(lock func() (uint64, error)) *orders.Client {
	own := s.ca.Own(s.t, agent.ManagerURI)
	c, err := orders.New(orders.Options{
		Own: func() (mtls.Own, error) { return own, nil }, Lock: lock, Registry: prometheus.NewRegistry(),
		Heard: func(ctx context.Context, id agent.Identity, r agent.Report) { _ = s.ledger.Accept(ctx, id, r) },
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

func (s *realShard) target(name, uid string) orders.Target {
	return orders.Target{Identity: agent.Identity{Namespace: "ns", Pod: name, UID: uid}, Address: s.nodes[name].actions}
}

func free(t *testing.T, ip string) string {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(ip, "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// listen takes reports, as roles/receive does.
func (s *realShard) listen() string {
	own := s.ca.Own(s.t, agent.ManagerURI)
	l, err := tls.Listen("tcp", "127.0.0.1:0", mtls.Server(func() (mtls.Own, error) { return own, nil }, isAPod, nil))
	if err != nil {
		s.t.Fatal(err)
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, _ := agent.IdentityOf(r.TLS.PeerCertificates[0])
		report, err := agent.DecodeReport(r.Body)
		if err == nil {
			err = s.ledger.Accept(r.Context(), id, report)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})}
	s.t.Cleanup(func() { _ = server.Close() })
	go func() { _ = server.Serve(l) }()
	return l.Addr().String()
}

// start starts a server with the volume that it had: protected, and without stale reads.
func (s *realShard) start(name string) {
	s.t.Helper()
	n := s.nodes[name]
	n.server = exec.Command("redis-server", "--bind", n.ip, "--bind-source-addr", n.ip, "--port", n.port, "--dir", n.dir, "--appendonly", "yes", "--save", "", "--protected-mode", "no",
		"--repl-diskless-sync-delay", "0", "--replicaof", "127.0.0.1", "1", "--replica-serve-stale-data", "no")
	n.server.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := n.server.Start(); err != nil {
		s.t.Fatal(err)
	}
	server := n.server
	s.t.Cleanup(func() { kill(server) })
	n.redis = goredis.NewClient(&goredis.Options{Addr: net.JoinHostPort(n.ip, n.port), Protocol: 2, DisableIdentity: true, MaxRetries: -1})
	s.t.Cleanup(func() { _ = n.redis.Close() })
	s.until(name+" answers", func() bool { return n.redis.Info(s.t.Context(), "server").Err() == nil })
}

func kill(c *exec.Cmd) {
	if c.ProcessState == nil {
		_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
		_ = c.Wait() // it was killed, and says so
	}
}

// startAgent starts an agent, of another boot than any before.
func (s *realShard) startAgent(name string) {
	s.t.Helper()
	n := s.nodes[name]
	own := s.ca.Own(s.t, agent.Identity{Namespace: "ns", Pod: name, UID: string(s.pod(s.t, name).UID)}.String())
	a, err := sidecar.New(sidecar.Options{
		Engine: probe.NewRedis(net.JoinHostPort(n.ip, n.port), func() (redis.Access, error) {
			return redis.Access{Dial: 5 * time.Second, IO: 5 * time.Second}, nil
		}),
		Manager: s.manager, Own: func() (mtls.Own, error) { return own, nil },
		Poll: 50 * time.Millisecond, Heartbeat: time.Second, Failures: 3, Registry: prometheus.NewRegistry(),
	})
	if err != nil {
		s.t.Fatal(err)
	}
	l, err := net.Listen("tcp", n.ip+":0")
	if err != nil {
		s.t.Fatal(err)
	}
	n.actions = l.Addr().String()
	ctx, stop := context.WithCancel(context.WithoutCancel(s.t.Context()))
	var all sync.WaitGroup
	all.Go(func() { a.Run(ctx) })
	all.Go(func() { _ = a.Serve(ctx, l) })
	n.stopAgent = sync.OnceFunc(func() { stop(); all.Wait() })
	s.t.Cleanup(n.stopAgent)
}

// down kills server and agent, and empties the volume if that is wanted. up starts both.
func (s *realShard) down(name string, empty bool) {
	s.t.Helper()
	n := s.nodes[name]
	if !empty { // what a replica was sent is on its disk when its file was written anew, which it does beside its work
		s.until(name+" has its data on the disk", func() bool {
			return s.info(name, "aof_rewrite_in_progress") == "0" && s.info(name, "aof_rewrite_scheduled") == "0"
		})
	}
	n.stopAgent()
	kill(n.server)
	_ = n.redis.Close()
	if empty {
		n.dir = s.t.TempDir()
	}
}

func (s *realShard) up(name string) {
	s.t.Helper()
	s.start(name)
	s.startAgent(name)
}

func (s *realShard) do(name string, args ...any) {
	s.t.Helper()
	if err := s.nodes[name].redis.Do(s.t.Context(), args...).Err(); err != nil {
		s.t.Fatalf("%s: %v: %v", name, args, err)
	}
}

// info is one line of INFO.
func (s *realShard) info(name, key string) string {
	text, _ := s.nodes[name].redis.Info(s.t.Context()).Result()
	for line := range strings.Lines(text) {
		if value, is := strings.CutPrefix(line, key+":"); is {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func (s *realShard) keys(name string) string {
	keys, _, _ := strings.Cut(s.info(name, "db0"), ",")
	return keys
}

// isElected has the HA system name an instance, by an election.
func (s *realShard) isElected(name string, epoch int64) {
	n := s.nodes[name]
	s.naming = Naming{Heard: true, Agreed: true, Addr: net.JoinHostPort(n.ip, n.port), Epoch: epoch, Since: time.Now()}
}

// until reconciles until something is so.
func (s *realShard) until(what string, is func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(60 * time.Second); !is(); {
		if time.Now().After(deadline) {
			s.t.Fatalf("not so: %s; labels %s, events %q", what, s.labels(s.t), s.told.lines)
		}
		s.pass(50 * time.Millisecond)
	}
}

// pass lets time pass, and reconciles.
func (s *realShard) pass(d time.Duration) {
	s.t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); {
		<-time.After(20 * time.Millisecond)
		if s.harness == nil || s.joiner == nil {
			continue
		}
		if _, err := s.Reconcile(s.t.Context(), shardZero); err != nil {
			s.t.Fatal(err)
		}
	}
}

// nobodyIsMaster for a while, and nobody follows anybody.
func (s *realShard) nobodyIsMaster(long time.Duration) {
	s.t.Helper()
	for end := time.Now().Add(long); time.Now().Before(end); {
		s.pass(100 * time.Millisecond)
		for name := range s.nodes {
			if s.info(name, "role") != "slave" || s.info(name, "master_port") != "1" || s.labels(s.t) != ",," {
				s.t.Fatalf("%s is a %s of port %s, labels %s", name, s.info(name, "role"), s.info(name, "master_port"), s.labels(s.t))
			}
		}
	}
}

// served are 1,000 keys at the master, and a shard in sync.
func served(t *testing.T) *realShard {
	t.Helper()
	s := newRealShard(t)
	s.nobodyIsMaster(2 * time.Second)
	s.do("r-0", "REPLICAOF", "NO", "ONE") // the first master is a person's to choose
	for n := range 1000 {
		s.do("r-0", "SET", fmt.Sprint("key", n), n)
	}
	if err := s.nodes["r-1"].redis.Get(t.Context(), "key1").Err(); err == nil || !strings.HasPrefix(err.Error(), "MASTERDOWN") {
		t.Errorf("a protected instance answers a read: %v", err)
	}
	s.isElected("r-0", 1)
	s.inSync("master,replica,replica")
	return s
}

// inSync waits for these labels, with all keys everywhere.
func (s *realShard) inSync(labels string) {
	s.t.Helper()
	s.until(labels+" in sync", func() bool {
		for name := range s.nodes {
			if s.keys(name) != "keys=1000" {
				return false
			}
		}
		return s.labels(s.t) == labels
	})
}

// An instance that was made anew joins, and has no label before it has everything.
func TestARealReplicaJoins(t *testing.T) {
	s := served(t)
	s.down("r-2", true)
	pod := s.pod(t, "r-2")
	if err := s.harness.client.Delete(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
	again := aPod("r-2")
	again.UID, again.Status.PodIP = types.UID("8d7f1c1e-2c5b-4a53-9d0e-000000000099"), s.nodes["r-2"].ip
	if err := s.harness.client.Create(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	s.up("r-2")
	s.until("r-2 is in sync and has the label", func() bool {
		// What is asked first is older: a label that is there now must not be there before the keys are.
		label := strings.Split(s.labels(t), ",")[2]
		if label == "replica" && (s.keys("r-2") != "keys=1000" || s.info("r-2", "master_link_status") != "up") {
			t.Fatalf("r-2 has the label, and %s, link %s", s.keys("r-2"), s.info("r-2", "master_link_status"))
		}
		return label == "replica"
	})
	if s.info("r-2", "master_host") != s.nodes["r-0"].ip || s.info("r-0", "role") != "master" {
		t.Errorf("r-2 follows %s", s.info("r-2", "master_host"))
	}
}

// All instances start anew, one of them, which was master, without its data. Nobody is made master; when a person promotes the empty
// one, it gets no label and nobody with data follows it; when a person promotes one with data, all have everything.
func TestARealShardThatStartedAnew(t *testing.T) {
	s := served(t)
	for name := range s.nodes {
		s.down(name, name == "r-0")
	}
	for name := range s.nodes {
		s.up(name)
	}
	s.until("nobody has a label", func() bool { return s.labels(t) == ",," })
	s.nobodyIsMaster(5 * time.Second)
	if s.keys("r-0") != "" || s.keys("r-1") != "keys=1000" || s.keys("r-2") != "keys=1000" {
		t.Fatalf("they started with %q, %q and %q", s.keys("r-0"), s.keys("r-1"), s.keys("r-2"))
	}
	if no := fmt.Sprint(s.verdicts.of(shardZero.owner())); !strings.Contains(no, "protected until then: r-0, r-1, r-2") {
		t.Errorf("the condition says %s", no)
	}
	s.do("r-0", "REPLICAOF", "NO", "ONE")
	s.isElected("r-0", 2)
	s.until("it is known that the empty one is empty", func() bool {
		return strings.Contains(fmt.Sprint(s.verdicts.of(shardZero.owner())), "r-0; data is held by r-1, r-2")
	})
	s.pass(5 * time.Second)
	if got := s.labels(t); got != ",," {
		t.Errorf("labels %s", got)
	}
	for _, name := range []string{"r-1", "r-2"} {
		if s.info(name, "master_port") != "1" || s.keys(name) != "keys=1000" {
			t.Fatalf("%s follows port %s and has %s", name, s.info(name, "master_port"), s.keys(name))
		}
	}
	s.do("r-0", "REPLICAOF", "127.0.0.1", "1")
	s.do("r-1", "REPLICAOF", "NO", "ONE")
	s.isElected("r-1", 3)
	s.inSync("replica,master,replica")
}

// Over a line to a real server an order is carried out that was decided from what it is, and no other.
func TestALineToARealServer(t *testing.T) {
	s := served(t)
	ctx := t.Context()
	target := s.target("r-1", string(s.pod(t, "r-1").UID))
	open := func(c *orders.Client) *orders.Line {
		t.Helper()
		l, err := c.Open(ctx, target)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		return l
	}
	first := open(s.orders)
	state, err := first.State(ctx)
	if err != nil || state.Kind != redis.Replica || !state.LinkUp || state.History != s.info("r-0", "master_replid") || state.Priority != 100 {
		t.Fatalf("%+v, %v", state, err)
	}
	if err := first.SetMinReplicas(ctx, 1, 7*time.Second); err != nil {
		t.Fatal(err)
	}
	if state, err = first.State(ctx); err != nil || state.MinReplicas != 1 || state.MaxLag != 7*time.Second {
		t.Errorf("%+v, %v", state, err)
	}
	second := open(s.orders)
	if err := first.Promote(ctx); orders.OutcomeOf(err) != orders.Refused {
		t.Errorf("after somebody else looked: %v", err)
	}
	direct, err := redis.Connect(ctx, net.JoinHostPort(s.nodes["r-1"].ip, s.nodes["r-1"].port), redis.Access{Name: switchover.ConnectionName, Generation: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer direct.Close()
	if n, err := direct.Evict(ctx); n != 1 || err != nil {
		t.Errorf("%d evicted, %v", n, err)
	}
	if err := second.Promote(ctx); err == nil {
		t.Error("it was carried out after somebody had ended the line at the server")
	}
	s.lock = 2
	third := open(s.orders)
	old := s.newClient(func() (uint64, error) { return 1, nil })
	if _, err := old.Open(ctx, target); orders.OutcomeOf(err) != orders.Refused {
		t.Errorf("with a lock of before: %v", err)
	}
	kill(s.nodes["r-1"].server)
	_ = s.nodes["r-1"].redis.Close()
	s.start("r-1")
	if err := third.Promote(ctx); err == nil {
		t.Error("it was carried out by a server that has started anew since")
	}
	if role := s.info("r-1", "role"); role != "slave" {
		t.Errorf("r-1 is a %s", role)
	}
	fourth := open(s.orders)
	if state, err = fourth.State(ctx); err != nil || state.Master != redis.Nobody {
		t.Fatalf("%+v, %v", state, err)
	}
	if err := fourth.Follow(ctx, net.JoinHostPort(s.nodes["r-0"].ip, s.nodes["r-0"].port)); err != nil {
		t.Fatal(err)
	}
	s.inSync("master,replica,replica")
	if err := fourth.Follow(ctx, redis.Nobody); orders.OutcomeOf(err) != orders.Refused { // Demote, of a replica of somebody
		t.Errorf("%v", err)
	}
}

func isAPod(c *x509.Certificate) error { _, err := agent.IdentityOf(c); return err }
