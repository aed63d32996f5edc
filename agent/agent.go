package agent

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/shoal-dev/shoal/agent/configuration"
	"github.com/shoal-dev/shoal/agent/mtls"
	"github.com/shoal-dev/shoal/agent/probe"
	"github.com/shoal-dev/shoal/api/agent"
)

// Engine is what is asked (agent/probe has them). Look returns the fields of a report that are about the engine; its error
// is a *probe.Failure.
type Engine interface {
	Look(context.Context) (agent.Report, error)
	Close() error
}

// actor is an engine that does what is asked for.
type actor interface {
	Act(context.Context, agent.Request) (agent.Answer, error)
}

// Options say whom an agent serves.
type Options struct {
	Engine Engine
	// Manager is host:port of the manager's endpoint.
	Manager string
	// Own reads the agent's certificate and roots; it is called for each connection.
	Own func() (mtls.Own, error)
	// Elections asks the HA system who was elected; nil if there is none. One asks any one member, whose word decides nothing;
	// otherwise all are asked, and it is what most of them name. Self are how the HA system may call this instance: host:port or
	// host, where of a name its beginning will do, if it ends with a label.
	Elections func(ctx context.Context, one bool) (probe.Election, error)
	Self      []string
	// Poll is between two looks at the engine, Heartbeat between two reports of the same.
	Poll, Heartbeat time.Duration
	// Failures is how many looks in a row must fail for the role to be unknown.
	Failures int
	// Configuration keeps the configuration of the engine, and says its revision; nil if nobody does. Then Revision is reported as it
	// is, and so is Start: when this process started, the zero value if that is not known.
	Configuration *configuration.Keeper
	Revision      string
	Start         agent.Start
	Registry      prometheus.Registerer
}

// Agent is one agent, from the start of its process to the end.
type Agent struct {
	o       Options
	boot    string
	metrics metrics
	// changed and moved have room for one: whoever listens looks at everything again. changed is for whoever reports, moved for
	// whoever asks about elections.
	changed, moved chan struct{}

	sessions mtls.Sessions // with the manager

	acting  chan struct{} // has room for one action after the other
	looking sync.Mutex    // and one look: a probe has one connection

	mu       sync.Mutex // of what is known:
	known    agent.Report
	reason   string // of the failure that known tells of, or notLooked
	failures int
	election probe.Election // the latest
	lower    lower
	// tried are the highest epoch and lock of the actions that were tried in this boot.
	tried struct {
		epoch int64
		lock  uint64
	}
	sequence uint64
	looked   time.Time // when the last look ended

	configured configured // of whoever keeps the configuration
}

// notLooked is the reason before the first look that says anything: until then there is nothing to report.
const notLooked = "not looked"

// New makes an agent. It does nothing until Run.
func New(o Options) (*Agent, error) {
	id := make([]byte, 16)
	if _, err := rand.Read(id); err != nil {
		return nil, fmt.Errorf("choosing the id of this boot: %w", err)
	}
	if len(o.Self) == 0 {
		o.Self = []string{"self"} // the address of nobody: what is promoted by an action is known all the same
	}
	a := &Agent{
		o: o, boot: hex.EncodeToString(id), acting: make(chan struct{}, 1), changed: make(chan struct{}, 1), moved: make(chan struct{}, 1),
		known: agent.Report{Role: agent.RoleUnknown, Problem: "the engine was not looked at yet"}, reason: notLooked,
	}
	var err error
	if a.metrics, err = newMetrics(o.Registry); err != nil {
		return nil, fmt.Errorf("registering metrics: %w", err)
	}
	return a, nil
}

// Run looks and reports until ctx ends.
func (a *Agent) Run(ctx context.Context) {
	var all sync.WaitGroup
	all.Go(func() { a.watch(ctx) })
	all.Go(func() { a.report(ctx) })
	if a.o.Elections != nil {
		all.Go(func() { a.follow(ctx) })
	}
	if a.o.Configuration != nil {
		all.Go(func() { a.keep(ctx) })
	}
	all.Wait()
	_ = a.o.Engine.Close() // it is the end
}

// Healthy is an error until the engine may start, and if it was not looked at for ten times the interval: whether it answers does not
// matter.
func (a *Agent) Healthy() error {
	if a.o.Configuration != nil {
		if err := a.o.Configuration.Ready(); err != nil {
			return err
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.looked.IsZero() {
		return errors.New("the engine was not looked at yet")
	}
	if since := time.Since(a.looked); since > 10*a.o.Poll+maxLook {
		return fmt.Errorf("the last look at the engine was %s ago", since.Round(time.Second))
	}
	return nil
}

// maxLook bounds one look, and one action, whatever the engine's own bounds are.
const maxLook = 5 * time.Second

func (a *Agent) watch(ctx context.Context) {
	ticker := time.NewTicker(a.o.Poll)
	defer ticker.Stop()
	for ctx.Err() == nil {
		a.look(ctx)
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
}

// look asks the engine and remembers what it is.
func (a *Agent) look(ctx context.Context) {
	a.looking.Lock()
	defer a.looking.Unlock()
	bounded, cancel := context.WithTimeout(ctx, maxLook)
	defer cancel()
	found, err := a.o.Engine.Look(bounded)
	if ctx.Err() != nil {
		return // it failed because the agent ends
	}
	if err == nil {
		// What is sent is judged as whoever reads it will.
		if err = a.complete(found, 1).Validate(); err != nil {
			err = &probe.Failure{Reason: "answer", Err: err}
		}
	}
	a.learn(logr.FromContextOrDiscard(ctx), found, err)
}

func (a *Agent) learn(log logr.Logger, found agent.Report, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.looked = time.Now()
	reason := ""
	if err != nil {
		reason = "answer"
		if failure := (*probe.Failure)(nil); errors.As(err, &failure) {
			reason = failure.Reason
		}
		a.metrics.failures.WithLabelValues(reason).Inc()
		if a.failures++; a.failures < a.o.Failures {
			return
		}
		found = agent.Report{Role: agent.RoleUnknown, Problem: agent.Clip(err.Error())}
	} else {
		a.failures = 0
	}
	before := a.known
	a.known = found
	found.Offset, before.Offset, found.Holds, before.Holds, found.Problem, before.Problem = 0, 0, "", "", "", ""
	if found == before && reason == a.reason {
		return
	}
	a.reason = reason
	log.Info("The engine has changed", "role", found.Role, "master", found.MasterAddr, "linkUp", found.LinkUp, "loading", found.Loading, "problem", a.known.Problem)
	a.metrics.changes.WithLabelValues(string(found.Role)).Inc()
	signal(a.changed)
	if found.Role != before.Role || found.MasterAddr != before.MasterAddr {
		signal(a.moved)
	}
}

func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default: // it was signalled already, and not heard yet
	}
}

// anything reports whether there is anything to report.
func (a *Agent) anything() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.reason != notLooked
}

// next is a report of what is known now, with a number of its own.
func (a *Agent) next() agent.Report {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sequence++
	r := a.complete(a.known, a.sequence)
	r.Epoch = a.epoch()
	if a.configured != (configured{}) { // what is known was looked at since
		r.Revision, r.Configuration = a.configured.revision, a.configured.state
	}
	return r
}

func (a *Agent) complete(r agent.Report, sequence uint64) agent.Report {
	r.Version, r.BootID, r.Start, r.Sequence, r.Revision = agent.Version, a.boot, a.o.Start, sequence, a.o.Revision
	if a.o.Configuration != nil {
		r.Revision, r.Configuration = a.o.Configuration.Report()
	}
	return r
}

// epoch is that of the latest election if the instance, or its master, is who was elected. The caller holds mu.
func (a *Agent) epoch() int64 {
	elected := a.election.Master
	if elected == "" {
		return 0
	}
	if a.known.Role == agent.RoleMaster && a.isSelf(elected) || a.known.Role == agent.RoleReplica && elected == a.known.MasterAddr {
		return a.election.Epoch
	}
	return 0
}

// isSelf reports whether the HA system means this instance by an address.
func (a *Agent) isSelf(address string) bool {
	for _, self := range a.o.Self {
		if address == self {
			return true
		}
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			continue
		}
		own, ownPort, err := net.SplitHostPort(self)
		if err != nil {
			own, ownPort = self, port // an instance has one port
		}
		if port == ownPort && sameHost(host, own) {
			return true
		}
	}
	return false
}

// sameHost: the same IP address, or names of which one is the beginning of the other: r-1.r and r-1.r.shop.svc.
func sameHost(a, b string) bool {
	if x, y := net.ParseIP(a), net.ParseIP(b); x != nil || y != nil {
		return x != nil && x.Equal(y)
	}
	a, b = strings.ToLower(strings.TrimSuffix(a, "."))+".", strings.ToLower(strings.TrimSuffix(b, "."))+"."
	return strings.HasPrefix(a, b) || strings.HasPrefix(b, a)
}

// elect remembers an election, if it is later than what is known.
func (a *Agent) elect(e probe.Election) {
	a.mu.Lock()
	defer a.mu.Unlock()
	before := a.epoch()
	if e.Epoch >= a.election.Epoch {
		a.election = e
	}
	if a.epoch() != before {
		signal(a.changed)
	}
}

// lower is an election that most members of the HA system name, before the one that is known, and since when they do.
type lower struct {
	probe.Election
	since time.Time
}

// hear is elect of what most members name. If they name an earlier election than the one that is known for askEvery, the
// known one is lost: they have all started anew without what they knew, and count from the beginning. To wait for it to come
// back would be to refuse whatever follows for ever. Until then they may be the ones who have yet to hear of it.
func (a *Agent) hear(e probe.Election, now time.Time) {
	a.mu.Lock()
	switch {
	case e.Epoch >= a.election.Epoch:
		a.lower = lower{}
	case a.lower.Election != e:
		a.lower = lower{e, now}
	case now.Sub(a.lower.since) >= a.asks():
		a.lower, a.election, a.tried.epoch = lower{}, probe.Election{}, e.Epoch
	}
	a.mu.Unlock()
	a.elect(e)
}

// isManager is for mtls.
func isManager(c *x509.Certificate) error {
	if !agent.IsManager(c) {
		return errors.New("it is not the manager's")
	}
	return nil
}
