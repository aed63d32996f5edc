package roles

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/reason"
	"github.com/shoal-dev/shoal/roles/decide"
	"github.com/shoal-dev/shoal/roles/orders"
)

type (
	// Shard is one shard of a set.
	Shard = shardKey
	// Asker is a connection to a Sentinel.
	Asker = asker
	// Connector makes one.
	Connector = connector
)

// Deps are what the controllers need of the world. Setup takes them from a manager; the simulation hands over its own.
type Deps struct {
	Cache   client.Reader // with the indexes of Indexes
	Live    client.Reader // straight from the API server
	Writer  client.Client
	Events  events.EventRecorder
	Metrics prometheus.Registerer
	Now     func() time.Time
	Connect Connector
	// News is told of a shard of which an agent says something new, and Judged of a set of which a shard is judged differently.
	// Neither may wait.
	News   func(Shard)
	Judged func(types.NamespacedName)
	// Configured is told of a set of which an agent says something new about its engine's configuration. It may not wait; nil for nobody.
	Configured func(types.NamespacedName)
	// Order gives an order to an agent, HandingOver reports whether a switchover of a shard is under way; see Options. Nil for neither.
	Order       func(context.Context, orders.Target, agent.Request) (agent.Answer, error)
	HandingOver func(shard types.NamespacedName) bool
	// Planned is told each plan before it is carried out; nil tells nobody.
	Planned func(Shard, decide.Plan)
}

// Controllers are both controllers, and the ledger that whoever receives reports of agents hands them to.
type Controllers struct {
	Ledger *Ledger
	shards *reconciler
	sets   *setReconciler
}

// New makes the controllers. Nothing wakes them yet.
func New(d Deps) (*Controllers, error) {
	m, err := newMetrics(d.Metrics)
	if err != nil {
		return nil, fmt.Errorf("registering metrics of roles: %w", err)
	}
	writer := client.WithFieldOwner(d.Writer, FieldOwner)
	ledger := newLedger(d.Cache, d.Now, d.News, func(outcome string) { m.reports.WithLabelValues(outcome).Inc() })
	ledger.configured, ledger.distrusted = d.Configured, tellDistrust(d.Events, m)
	v, p := newVerdicts(d.Judged), newProviders(d.Now, d.Connect, d.Live, func(set *v1alpha1.InstanceSet, trouble string) {
		d.Events.Eventf(set, nil, corev1.EventTypeWarning, reason.SentinelSecret.Name(), "AskSentinels", "%s", reason.SentinelSecret.Because("%s", trouble))
	})
	shards := &reconciler{
		cache: d.Cache, live: d.Live, writer: writer, events: d.Events, metrics: m, now: d.Now, planned: d.Planned,
		ledger: ledger, provider: p.of, gone: p.forget, verdicts: v, hushes: map[types.NamespacedName]hush{}, handingOver: d.HandingOver,
	}
	if d.Order != nil {
		shards.joiner = newJoiner(d.Order, ledger.boot, d.Events, d.Now, d.News)
	}
	return &Controllers{
		Ledger: ledger,
		shards: shards,
		sets:   &setReconciler{cache: d.Cache, writer: writer, events: d.Events, now: d.Now, verdicts: v},
	}, nil
}

// tellDistrust counts the reports of engines that are not trusted, and makes an event of the first.
func tellDistrust(e events.EventRecorder, m metrics) func(*corev1.Pod, string, string, bool) {
	return func(pod *corev1.Pod, cause, problem string, first bool) {
		m.distrusted.WithLabelValues(cause).Inc()
		if first {
			e.Eventf(pod, nil, corev1.EventTypeWarning, reason.EngineDistrusted.Name(), "HearAgents", "%s", reason.EngineDistrusted.Because("%s", problem))
		}
	}
}

// Shards is the controller of the labels.
func (c *Controllers) Shards() reconcile.TypedReconciler[Shard] { return c.shards }

// Sets is the controller of what belongs to a set as a whole. Who rings for one waits for Debounce first.
func (c *Controllers) Sets() reconcile.Reconciler { return c.sets }

// Debounce gathers what many shards of a set have to say.
const Debounce = debounce

// Watch is one kind of objects whose changes wake the controller of the labels.
type Watch struct {
	Object     client.Object
	Handler    handler.TypedEventHandler[client.Object, Shard]
	Predicates []predicate.Predicate
}

// Watches are all that wake it, beside reports.
func (c *Controllers) Watches() []Watch {
	of := handler.TypedEnqueueRequestsFromMapFunc[client.Object, Shard]
	r := c.shards
	return []Watch{
		{&corev1.Pod{}, of(r.ofPod), []predicate.Predicate{r.podChanges()}},
		{&corev1.Node{}, of(r.ofNode), []predicate.Predicate{nodeChanges()}},
		{&v1alpha1.InstanceSet{}, of(r.ofSet), []predicate.Predicate{predicate.GenerationChangedPredicate{}}},
	}
}

// RateLimiter says how long a shard or a set waits after it failed.
func RateLimiter[K comparable]() workqueue.TypedRateLimiter[K] {
	return workqueue.NewTypedItemExponentialFailureRateLimiter[K](minBackoff, maxBackoff)
}

// Listen begins to hear reports, as Start does, and Sweep forgets pods that are gone, as Start does once a minute: for whoever
// has the time in his own hands.
func (l *Ledger) Listen() { l.listening() }

// Sweep see Listen.
func (l *Ledger) Sweep(ctx context.Context) { l.sweep(ctx) }
