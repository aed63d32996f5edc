package playground

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/shoal-dev/shoal/playground/process"
)

// Cluster is a running cluster.
type Cluster struct {
	layout  layout
	options Options // of an opened cluster: Root and Progress only
	config  *rest.Config
	client  kubernetes.Interface

	// Only in the process that keeps the cluster.
	ports      ports
	supervisor *process.Supervisor
	lock       *os.File
	janitor    *janitor
	held       []*net.TCPListener // the ports, until the components may have them
	stopOrders context.CancelFunc
	machines   sync.Mutex // one order for a real node at a time

	mu    sync.Mutex
	state State
}

// stopGrace is how long each child has to end by itself. Nothing of it is kept, so there is little to wait for.
const stopGrace = 3 * time.Second

// Up starts a cluster as children of this process and returns when it is ready. When it fails it leaves the logs.
func Up(ctx context.Context, options Options) (*Cluster, error) {
	return up(ctx, options, false)
}

// Supervise runs a cluster until ctx ends, and then stops it. It calls ready when the cluster is ready. It is what a
// process that does nothing else does, and Remove stops that process.
func Supervise(ctx context.Context, options Options, ready func()) error {
	c, err := up(ctx, options, true)
	if err != nil {
		return err
	}
	ready()
	<-ctx.Done()
	defer func() { _ = c.lock.Close() }()
	return c.stop(context.WithoutCancel(ctx))
}

// stop ends all that runs.
func (c *Cluster) stop(ctx context.Context) error {
	if c.stopOrders != nil {
		c.stopOrders()
	}
	if err := c.supervisor.Stop(ctx, stopGrace); err != nil {
		return err
	}
	return errors.Join(closeAll(c.held), c.janitor.finish(ctx))
}

func up(ctx context.Context, options Options, detached bool) (*Cluster, error) {
	options, err := options.withDefaults()
	if err != nil {
		return nil, err
	}
	c := &Cluster{layout: layout(options.Dir), options: options}
	if c.lock, err = c.layout.claim(); err != nil {
		return nil, err
	}
	if err := c.sweep(ctx); err != nil {
		return nil, errors.Join(err, c.lock.Close())
	}
	// A component that ends while the cluster comes up is why it does not come up: say so at once.
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	c.supervisor = process.New(c.layout.logs(), c.record, func(s process.Status) { cancel(explain(s, "the cluster came up")) })
	if err := c.bringUp(ctx, detached); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		c.options.KeepLogs = true
		return nil, errors.Join(err, c.Down(context.WithoutCancel(ctx)))
	}
	return c, nil
}

// sweep removes what a supervisor left that was killed, and the logs of an up that failed. The lock is ours, so nobody is
// there any more.
func (c *Cluster) sweep(ctx context.Context) error {
	state, err := c.layout.readState()
	if err != nil && !errors.Is(err, errNotUp) {
		return err
	}
	if err := endAll(ctx, state.Components); err != nil {
		return err
	}
	if err := c.layout.sweepCgroups(ctx); err != nil {
		return err
	}
	return c.layout.empty()
}

// bringUp is the order in which a cluster starts.
func (c *Cluster) bringUp(ctx context.Context, detached bool) error {
	self, err := process.Identify(os.Getpid())
	if err != nil {
		return err
	}
	if c.ports, c.held, err = choosePorts(c.options); err != nil {
		return err
	}
	started := time.Now()
	c.state = State{
		Supervisor: self, Detached: detached, Root: c.options.Root, Started: started, NodeGrace: c.options.NodeGrace,
		Server: "https://" + loopback(c.ports.apiServer), Simulator: loopback(c.ports.simulator),
	}
	c.record(nil)
	for _, step := range c.steps() {
		if step.skip {
			continue
		}
		if err := step.run(ctx); err != nil {
			return err
		}
		c.say(started, step.done)
	}
	c.mu.Lock()
	c.state.Ready = true
	c.mu.Unlock()
	c.record(c.supervisor.Statuses())
	return nil
}

// step is a part of the way up, and what can be said when it is behind us.
type step struct {
	done string
	run  func(context.Context) error
	skip bool
}

func (c *Cluster) steps() []step {
	o := c.options
	return []step{
		{done: "credentials and configuration are in " + o.Dir, run: c.prepare},
		{done: "nothing in the cluster has a way out of it", run: c.isolate, skip: o.RealNodes == 0},
		{done: "etcd and kube-apiserver answer", run: c.startServer},
		{done: strings.Join(c.controllers(), ", ") + " answer", run: c.startControllers},
		{done: fmt.Sprintf("%d real nodes are ready", o.RealNodes), run: c.startRealNodes, skip: o.RealNodes == 0},
		{done: describe(o.Nodes), run: c.addFirstNodes, skip: len(o.Nodes) == 0},
		{done: o.installed(), run: c.installShoal, skip: !o.Install},
		{
			done: fmt.Sprintf("%d schedulers and %d managers of Shoal answer", o.Schedulers, o.Managers),
			run:  c.startShoal, skip: o.Schedulers+o.Managers == 0,
		},
	}
}

func (c *Cluster) prepare(context.Context) error {
	if err := c.writeCredentials(time.Now()); err != nil {
		return err
	}
	if c.options.RealNodes == 0 {
		if err := closeAll(c.held); err != nil {
			return err
		}
		c.held = nil
	}
	if err := c.writeConfigs(); err != nil {
		return err
	}
	return c.connect()
}

// connect makes the administrator's clients.
func (c *Cluster) connect() error {
	config, err := clientcmd.BuildConfigFromFlags("", c.layout.kubeconfig())
	if err != nil {
		return fmt.Errorf("reading the kubeconfig of the cluster: %w", err)
	}
	config.QPS = -1 // the API server has its own limits
	config.UserAgent = "playground"
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	c.config, c.client = config, client
	return nil
}

// record writes the state after every change of a child.
func (c *Cluster) record(components []process.Status) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state.Components = components
	if err := c.layout.writeState(c.state); err != nil {
		fmt.Fprintln(c.options.Progress, err) // the children go on: nobody is waiting for this answer
	}
}

func (c *Cluster) say(started time.Time, what string) {
	fmt.Fprintf(c.options.Progress, "%6.1fs  %s\n", time.Since(started).Seconds(), what)
}

// Open attaches to a cluster that another process keeps. What takes a while is told to progress, if it is not nil.
func Open(dir string, progress io.Writer) (*Cluster, error) {
	if progress == nil {
		progress = io.Discard
	}
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	c := &Cluster{layout: layout(absolute), options: Options{Progress: progress}}
	if c.state, err = c.layout.readState(); err != nil {
		return nil, err
	}
	c.options.Root = c.state.Root
	if !c.state.Supervisor.Alive() {
		return nil, fmt.Errorf("the supervisor of %s is gone, and the cluster with it: run 'playground down', then 'playground up'", absolute)
	}
	if !c.state.Ready {
		return nil, fmt.Errorf("the cluster in %s is still coming up", absolute)
	}
	return c, c.connect()
}

// Config is the administrator's access to the API server. The caller may change it.
func (c *Cluster) Config() *rest.Config { return rest.CopyConfig(c.config) }

// Kubeconfig is the path of the administrator's kubeconfig.
func (c *Cluster) Kubeconfig() string { return c.layout.kubeconfig() }

// KubeconfigFor is the path of the kubeconfig of a component, for example "shoal-manager".
func (c *Cluster) KubeconfigFor(component string) string { return c.layout.component(component) }

// AuditLog is the path of the API server's audit log: writes of Shoal's objects, of pods, and of claims.
func (c *Cluster) AuditLog() string { return c.layout.path("logs", "audit.log") }

// Components are the processes of the cluster, in the order in which they were started.
func (c *Cluster) Components() ([]process.Status, error) {
	if c.supervisor != nil {
		return c.supervisor.Statuses(), nil
	}
	state, err := c.layout.readState()
	return state.Components, err
}

// Process is one component, for example "shoal-manager-0".
func (c *Cluster) Process(name string) (process.Status, error) {
	components, err := c.Components()
	if err != nil {
		return process.Status{}, err
	}
	var names []string
	for _, status := range components {
		if status.Name == name {
			return status, nil
		}
		names = append(names, status.Name)
	}
	return process.Status{}, fmt.Errorf("no component %q: there are %s", name, strings.Join(names, ", "))
}

// Down stops the cluster that this process keeps and removes its files. A second call does nothing.
func (c *Cluster) Down(ctx context.Context) error {
	if c.supervisor == nil {
		return errors.New("stopping the cluster: another process keeps it, use Remove")
	}
	if err := c.stop(ctx); err != nil {
		return err
	}
	if err := c.layout.remove(c.options.KeepLogs); err != nil {
		return err
	}
	if err := c.lock.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("unlocking %s: %w", c.layout, err)
	}
	return nil
}

// Remove stops the cluster in a directory, whoever keeps it, and removes its files. That there is none is no error.
func Remove(ctx context.Context, dir string, keepLogs bool) error {
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	l := layout(absolute)
	state, err := l.readState()
	if errors.Is(err, errNotUp) {
		if !l.isOurs() {
			return nil
		}
	} else if err != nil {
		return err
	}
	if state.Supervisor.Alive() {
		if !state.Detached {
			return fmt.Errorf("the cluster in %s belongs to process %d, which ends it itself", absolute, state.Supervisor.PID)
		}
		// The supervisor stops the children one after another.
		if err := state.Supervisor.End(ctx, time.Minute); err != nil {
			return err
		}
	}
	if err := endAll(ctx, state.Components); err != nil {
		return err
	}
	if err := l.sweepCgroups(ctx); err != nil {
		return err
	}
	return l.remove(keepLogs)
}

// endAll ends what a supervisor that was killed may have left. The kernel ends the children with it: this is for the
// moment between its end and theirs, and for a bug.
func endAll(ctx context.Context, components []process.Status) error {
	var errs []error
	for _, status := range slices.Backward(components) {
		errs = append(errs, status.Process.End(ctx, stopGrace))
	}
	return errors.Join(errs...)
}
