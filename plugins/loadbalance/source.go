package loadbalance

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/transport"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/shoal-dev/shoal/api/config"
	"github.com/shoal-dev/shoal/load"
	"github.com/shoal-dev/shoal/reason"
)

// failOpenPercent is how many nodes may lack a fresh reading of a dimension before its threshold is no longer believed: the
// nodes that are still measured would have to take what the others may not be asked to.
const failOpenPercent = 30

// SourceOf makes the source of load that the arguments name. The metrics API is asked at cluster, with its credentials;
// Prometheus does not need it.
func SourceOf(from *config.LoadSource, cluster *rest.Config) (load.Source, error) {
	if from.Type == config.SourceMetricsAPI {
		return metricsAPI(cluster)
	}
	p := &from.Prometheus
	o := load.PrometheusOptions{
		URL: p.URL, NodeLabel: p.NodeLabel, Percentile: p.Percentile, Devices: p.Devices,
		Window: seconds(p.WindowSeconds), RateWindow: seconds(p.RateWindowSeconds), Step: seconds(p.StepSeconds),
		Queries: map[load.Dimension]string{},
	}
	for _, q := range p.Queries {
		if q.Name == config.QueryAge {
			o.AgeQuery = q.Query
		} else {
			o.Queries[dimensions[q.Name]] = q.Query
		}
	}
	carrier, err := transport.New(&transport.Config{BearerTokenFile: p.BearerTokenFile, TLS: transport.TLSConfig{CAFile: p.CAFile}})
	if err != nil {
		return nil, fmt.Errorf("reaching Prometheus: %w", err)
	}
	return load.NewPrometheus(&http.Client{Transport: carrier}, o)
}

func metricsAPI(c *rest.Config) (load.Source, error) {
	client, err := rest.HTTPClientFor(c)
	if err != nil {
		return nil, fmt.Errorf("reaching the metrics API: %w", err)
	}
	server, _, err := rest.DefaultServerUrlFor(c)
	if err != nil {
		return nil, fmt.Errorf("reaching the metrics API: %w", err)
	}
	return load.NewMetricsAPI(client, server.String()), nil
}

func seconds(n int32) time.Duration { return time.Duration(n) * time.Second }

// measure starts to refresh in the background, from when the nodes of the cluster are known.
func (p *Plugin) measure(ctx context.Context, source load.Source, h fwk.Handle) {
	from := p.args.Load
	p.maxAge = seconds(from.MaxAgeSeconds)
	nodes := h.SharedInformerFactory().Core().V1().Nodes()
	lister, synced := nodes.Lister(), nodes.Informer().HasSynced
	tells := &teller{handle: h, plugin: p, logger: klog.FromContext(ctx)}
	p.refresher = load.NewRefresher(source, load.RefreshOptions{
		Interval: seconds(from.IntervalSeconds), Timeout: seconds(from.TimeoutSeconds), MaxAge: p.maxAge,
		Nodes:  func() ([]*corev1.Node, error) { return lister.List(labels.Everything()) },
		Report: tells.report,
	})
	go func() {
		if cache.WaitForCacheSync(ctx.Done(), synced) {
			p.refresher.Run(ctx)
		}
	}()
}

func (p *Plugin) measured() *load.Snapshot {
	if p.refresher == nil {
		return nil
	}
	return p.refresher.Latest()
}

// teller says what becomes of the measurements: one event when requests take over for a resource, one when its load is known again.
// Resources that are lost at the same time share one.
type teller struct {
	handle fwk.Handle
	plugin *Plugin
	logger klog.Logger
	lost   [load.Dimensions]bool // an event said so
}

// scheduler is what the events are about: the lease, as for those about who leads.
var scheduler = &corev1.ObjectReference{
	Kind: "Lease", APIVersion: "coordination.k8s.io/v1", Namespace: "shoal-system", Name: "shoal-scheduler"}

// report is called after each refresh, by one goroutine.
func (t *teller) report(r load.Report) {
	record(r)
	var lost, back []load.Dimension
	for _, d := range r.Measures {
		enough := wide(r.Fresh[d], r.Nodes)
		t.plugin.wide[d].Store(r.Nodes > 0 && enough)
		if enough != t.lost[d] || !t.plugin.active.Load() { // in a scheduler that only stands by, the one that schedules will say it
			continue
		}
		if t.lost[d] = !enough; enough {
			back = append(back, d)
		} else {
			lost = append(lost, d)
		}
	}
	if r.Err != nil {
		t.logger.V(2).Info("Measuring load failed", "error", r.Err.Error(), "nodes", r.Nodes)
	}
	t.sayLost(lost, r)
	t.sayBack(back, r)
	t.wake() // also after an error: what was measured in spite of it may have opened a node, and so may a reading that got too old
}

// wide reports whether so many of the nodes are enough.
func wide(known, nodes int) bool { return (nodes-known)*100 <= failOpenPercent*nodes }

func (t *teller) sayLost(lost []load.Dimension, r load.Report) {
	if len(lost) == 0 {
		return
	}
	why := "the readings are too old"
	if r.Err != nil {
		why = r.Err.Error()
	}
	t.logger.Info("Load is not measured, so that requests decide", "dimensions", joined(lost), "known", known(lost, r), "why", why)
	t.event(corev1.EventTypeWarning, reason.LoadUnknown, lost, reason.LoadUnknown.Because(
		"%s, for the others requests decide: %.500s", known(lost, r), why))
}

func (t *teller) sayBack(back []load.Dimension, r load.Report) {
	if len(back) == 0 {
		return
	}
	t.logger.Info("Load is measured again", "dimensions", joined(back), "known", known(back, r))
	t.event(corev1.EventTypeNormal, reason.LoadKnown, back, reason.LoadKnown.Because("%s", known(back, r)))
}

// known is of how many nodes the load is known, in words.
func known(of []load.Dimension, r load.Report) string {
	text := ""
	for i, d := range of {
		if i == 0 {
			text = fmt.Sprintf("%s is known of %d of %d nodes", d, r.Fresh[d], r.Nodes)
			continue
		}
		text += fmt.Sprintf(", %s of %d", d, r.Fresh[d])
	}
	return text
}

func joined(of []load.Dimension) string {
	var all []string
	for _, d := range of {
		all = append(all, d.String())
	}
	return strings.Join(all, ",")
}

// event says of which resources it is in its action: events that differ in their text alone are counted as one that occurs again, and
// the second text is never read.
func (t *teller) event(kind string, code reason.Code, about []load.Dimension, text string) {
	if recorder := t.handle.EventRecorder(); recorder != nil {
		recorder.Eventf(scheduler, nil, kind, code.Name(), "Measuring:"+joined(about), "%s", text)
	}
}

// wake lets pods be tried again that thresholds held back: no event of the API tells the queue that a node has become idle.
func (t *teller) wake() {
	if pods := t.plugin.waiting.take(); len(pods) > 0 {
		t.handle.Activate(t.logger, pods)
	}
}

// waiting are pods that were refused some node for its load since the last measurement. Those that found another are
// among them: the queue does not know them any more, and passes them over.
type waiting struct {
	mu   sync.Mutex
	pods map[string]*corev1.Pod
}

// maxWaiting bounds what is remembered; others are tried again by the queue's own time.
const maxWaiting = 1000

// add gives way to whoever holds the lock: the pod is refused by other nodes too.
func (w *waiting) add(pod *corev1.Pod) {
	if !w.mu.TryLock() {
		return
	}
	defer w.mu.Unlock()
	if w.pods == nil {
		w.pods = map[string]*corev1.Pod{}
	}
	if key := pod.Namespace + "/" + pod.Name; len(w.pods) < maxWaiting || w.pods[key] != nil {
		w.pods[key] = pod
	}
}

func (w *waiting) take() map[string]*corev1.Pod {
	w.mu.Lock()
	defer w.mu.Unlock()
	pods := w.pods
	w.pods = nil
	return pods
}
