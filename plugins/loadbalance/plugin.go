package loadbalance

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/shoal-dev/shoal/api/config"
	"github.com/shoal-dev/shoal/api/config/validation"
	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/load"
	"github.com/shoal-dev/shoal/slots"
)

// Name of the plugin in a KubeSchedulerConfiguration.
const Name = "LoadBalance"

const stateKey fwk.StateKey = Name

// Plugin prefers nodes by the load of their resources.
type Plugin struct {
	args       *config.LoadBalanceArgs
	weighed    []weighed
	thresholds []threshold
	nodes      accounts
	empty      account
	// last saves the sum for pods of one template that come one after the other. Cycles and signatures may run at the same time.
	last atomic.Pointer[asked]

	refresher *load.Refresher // nil: requests decide
	maxAge    time.Duration
	// cutoff is when a reading must have been taken to count, in nanoseconds since 1970: read once per pod.
	cutoff  atomic.Int64
	wide    [load.Dimensions]atomic.Bool // enough nodes are measured for a threshold
	active  atomic.Bool                  // it has scheduled a pod: this is not a scheduler that stands by
	waiting waiting
	now     func() time.Time
}

type weighed struct {
	dimension load.Dimension
	weight    int64
}

type threshold struct {
	dimension load.Dimension
	most      int64 // of whole
}

// dimensions by the names of the arguments.
var dimensions = map[string]load.Dimension{
	string(corev1.ResourceCPU): load.CPU, string(corev1.ResourceMemory): load.Memory,
	v1alpha1.ResourceNetIngress: load.Ingress, v1alpha1.ResourceNetEgress: load.Egress,
}

var (
	_ fwk.PreFilterPlugin   = &Plugin{}
	_ fwk.FilterPlugin      = &Plugin{}
	_ fwk.PreScorePlugin    = &Plugin{}
	_ fwk.ScorePlugin       = &Plugin{}
	_ fwk.ScoreExtensions   = &Plugin{}
	_ fwk.SignPlugin        = &Plugin{}
	_ fwk.EnqueueExtensions = &Plugin{}
)

// New makes the plugin, and starts to measure load in the background until ctx ends, if the arguments say from where.
// Arguments out of range are an error that names the field.
func New(ctx context.Context, args runtime.Object, h fwk.Handle) (fwk.Plugin, error) {
	p, err := newPlugin(args)
	if err != nil || p.args.Load == nil {
		return p, err
	}
	source, err := SourceOf(p.args.Load, h.KubeConfig())
	if err != nil {
		return nil, err
	}
	p.measure(ctx, source, h)
	return p, nil
}

// NewWith makes the plugin on a source of load that somebody else made, and measures by the intervals of the arguments.
func NewWith(ctx context.Context, args runtime.Object, h fwk.Handle, source load.Source) (fwk.Plugin, error) {
	p, err := newPlugin(args)
	if err != nil {
		return nil, err
	}
	if p.args.Load == nil {
		return nil, fmt.Errorf("making %s: there is a source of load, and the arguments have none", Name)
	}
	p.measure(ctx, source, h)
	return p, nil
}

func newPlugin(args runtime.Object) (*Plugin, error) {
	typed, ok := args.(*config.LoadBalanceArgs)
	if !ok {
		return nil, fmt.Errorf("reading the arguments of %s: want LoadBalanceArgs, got %T", Name, args)
	}
	if err := validation.Validate(typed, field.NewPath("pluginConfig").Key(Name).Child("args")).ToAggregate(); err != nil {
		return nil, err
	}
	p := &Plugin{args: typed, now: time.Now}
	p.nodes.byNode = map[string]*account{}
	for _, r := range typed.Resources {
		p.weighed = append(p.weighed, weighed{dimensions[r.Name], int64(r.Weight)})
	}
	for _, t := range typed.Thresholds {
		p.thresholds = append(p.thresholds, threshold{dimensions[t.Name], int64(t.Percent) * whole / 100})
	}
	return p, nil
}

// Name of the plugin.
func (p *Plugin) Name() string { return Name }

// SignPod: the score depends on what the pod requests, and is expected to use.
func (p *Plugin) SignPod(_ context.Context, pod *corev1.Pod) ([]fwk.SignFragment, *fwk.Status) {
	d, status := p.demandOf(pod)
	if !status.IsSuccess() {
		return nil, status
	}
	if !ours(pod) && !d.bandwidth() {
		return nil, nil
	}
	return []fwk.SignFragment{{Key: Name, Value: append(d.requested[:], d.expected[:]...)}}, nil
}

// ours is false for pods of no group: they are scheduled as they would be without the plugin.
func ours(pod *corev1.Pod) bool {
	_, grouped := slots.GroupOf(pod.Namespace, pod.Labels)
	return grouped
}

// PreScore computes once what the pod adds to a node.
func (p *Plugin) PreScore(_ context.Context, cs fwk.CycleState, pod *corev1.Pod, nodes []fwk.NodeInfo) *fwk.Status {
	if !ours(pod) {
		return fwk.NewStatus(fwk.Skip)
	}
	d, status := p.demandOf(pod)
	if status.IsSuccess() {
		p.begin(nodes)
		cs.Write(stateKey, d)
	}
	return status
}

// begin is called before nodes are filtered or scored.
func (p *Plugin) begin(nodes []fwk.NodeInfo) {
	p.nodes.admit(nodes)
	if p.refresher != nil {
		p.active.Store(true)
		p.cutoff.Store(p.now().Add(-p.maxAge).UnixNano())
	}
}

func demandIn(cs fwk.CycleState) (*demand, *fwk.Status) {
	data, err := cs.Read(stateKey)
	if err != nil {
		return nil, fwk.AsStatus(err)
	}
	adds, ok := data.(*demand)
	if !ok {
		return nil, fwk.AsStatus(fmt.Errorf("reading the state of %s: it is a %T", Name, data))
	}
	return adds, nil
}

// accountOf is empty where nothing is added up: load is not measured, and the node advertises no bandwidth.
func (p *Plugin) accountOf(node fwk.NodeInfo) *account {
	if p.refresher == nil && len(node.GetAllocatable().GetScalarResources()) == 0 {
		return &p.empty
	}
	return p.nodes.of(node, p.measured())
}

// Score judges one node as it would be with the pod, in thousandths of a point.
func (p *Plugin) Score(_ context.Context, cs fwk.CycleState, _ *corev1.Pod, node fwk.NodeInfo) (int64, *fwk.Status) {
	adds, status := demandIn(cs)
	if !status.IsSuccess() {
		return 0, status
	}
	account, cutoff := p.accountOf(node), p.cutoff.Load()
	var room [maxResources]dimension // Score runs for every node: it allocates nothing
	dimensions := room[:0]
	for _, w := range p.weighed {
		if used, capacity, has := account.use(node, w.dimension, adds, cutoff); has {
			dimensions = append(dimensions, dimension{used, capacity, w.weight})
		}
	}
	return score(dimensions, int64(p.args.WorstDimensionPercent)), nil
}

// ScoreExtensions compares the candidates. The score of one depends on it alone, so that it can be reused for the next
// equal pod.
func (p *Plugin) ScoreExtensions() fwk.ScoreExtensions { return p }

// NormalizeScore gives the best candidate 100 points.
func (p *Plugin) NormalizeScore(_ context.Context, _ fwk.CycleState, _ *corev1.Pod, scores fwk.NodeScoreList) *fwk.Status {
	spread(scores)
	return nil
}
