package handover

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/redis"
	"github.com/shoal-dev/shoal/roles"
	"github.com/shoal-dev/shoal/roles/orders"
	"github.com/shoal-dev/shoal/switchover"
	"github.com/shoal-dev/shoal/switchover/decide"
)

// Shard is one shard of a set; Name is <set>-<i>.
type Shard struct {
	Set  types.NamespacedName
	Name string
}

// String is for logs and errors.
func (s Shard) String() string { return s.Set.Namespace + "/" + s.Name }

// Answers bounds each answer of an agent while a master is handed over: one that takes longer counts as silent. An agent gives up
// on its engine after half a second.
const Answers = 700 * time.Millisecond

// Executor hands over masters. It may be used by several at once, for one shard by one at a time.
type Executor struct {
	cache, live client.Reader
	// open begins a session with a server, and lock is the count of the lock that this process has.
	open func(context.Context, orders.Target) (switchover.Session, error)
	lock func() (uint64, error)
	// grace is for how long one that has begun goes on when its context has ended.
	grace time.Duration

	mu    sync.Mutex
	taken map[Shard]bool
}

// Grace is for how long a switchover that has begun goes on when the process is told to end. Most take a tenth of a second. Whoever
// leads next finishes those that take longer; meanwhile nobody may take writes.
const Grace = 5 * time.Second

// New makes an executor. The cache has the indexes of package roles; live reads straight from the API server the Secrets with which
// a set's Sentinels are asked. The client's timeout should be Answers, and lock is that of the client.
func New(cache, live client.Reader, c *orders.Client, lock func() (uint64, error)) *Executor {
	return &Executor{cache: cache, live: live, lock: lock, grace: Grace, taken: map[Shard]bool{}, open: func(ctx context.Context, to orders.Target) (switchover.Session, error) {
		line, err := c.Open(ctx, to)
		if err != nil {
			return nil, err // not a nil line in an interface that is not nil
		}
		return line, nil
	}}
}

// ErrTaken says that the master of the shard is being handed over already.
var ErrTaken = errors.New("the master of the shard is being handed over already")

// Taken reports whether the master of the shard is being handed over by this executor.
func (e *Executor) Taken(s Shard) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.taken[s]
}

// HandingOver is Taken of a shard by its namespace and name.
func (e *Executor) HandingOver(shard types.NamespacedName) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	for s := range e.taken {
		if s.Set.Namespace == shard.Namespace && s.Name == shard.Name {
			return true
		}
	}
	return false
}

func (e *Executor) take(s Shard) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.taken[s] {
		return false
	}
	e.taken[s] = true
	return true
}

func (e *Executor) giveBack(s Shard) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.taken, s)
}

// Run hands over the master of a shard. The last step says how it ended; step, which must not wait for anything, is told of each
// before it is taken, but of no Wait and no End. An error says that it has not ended: ctx has, or the lock is lost, or the shard
// is not known or is taken. Then whoever holds the lock runs the same request again, until it has ended. The request's Static is
// set here, by the set. It takes at most about twice the timeout of the request.
func (e *Executor) Run(ctx context.Context, s Shard, request decide.Request, step func(decide.Step)) (decide.Step, error) {
	if !e.take(s) {
		return decide.Step{}, fmt.Errorf("handing over in %s: %w", s, ErrTaken)
	}
	defer e.giveBack(s)
	lock, err := e.lock()
	if err != nil {
		return decide.Step{}, fmt.Errorf("handing over in %s: %w", s, err)
	}
	var set v1alpha1.InstanceSet
	if err := e.cache.Get(ctx, s.Set, &set); err != nil {
		return decide.Step{}, fmt.Errorf("reading the set of %s: %w", s, err)
	}
	pods, err := roles.InstancesOf(ctx, e.cache, &set, s.Name)
	if err != nil {
		return decide.Step{}, err
	}
	shard := e.describe(ctx, &set, s, pods)
	shard.Instances = append(shard.Instances, missing(shard, request.From, request.To)...)
	shard.Lock, request.Static = lock, len(shard.Sentinels) == 0
	ctx, cancel := e.outlasting(ctx)
	defer cancel()
	end, err := switchover.Run(ctx, shard, request, switchover.Options{Patience: between, Before: func(_ context.Context, next decide.Step) error {
		if next.Do != decide.End {
			step(next)
		}
		return nil
	}})
	if err != nil {
		return end, err
	}
	// Who has lost the lock reaches nobody, and would take that for how it ended.
	if now, err := e.lock(); err != nil || now != lock {
		return end, fmt.Errorf("handing over in %s: %w", s, errors.Join(redis.ErrLater, err))
	}
	return end, nil
}

// between two looks: an agent has a twentieth of a core.
const between = 10 * time.Millisecond

// outlasting ends a while after ctx.
func (e *Executor) outlasting(ctx context.Context) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(e.grace)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-longer.Done():
		}
		cancel()
	})
	return longer, func() { stop(); cancel() }
}
