package loadbalance

import (
	"context"
	"fmt"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/shoal-dev/shoal/api/config"
	"github.com/shoal-dev/shoal/api/config/validation"
	"github.com/shoal-dev/shoal/slots"
)

// Name of the plugin in a KubeSchedulerConfiguration.
const Name = "LoadBalance"

const stateKey fwk.StateKey = "PreScore" + Name

// Plugin prefers nodes by the load of their resources.
type Plugin struct {
	args *config.LoadBalanceArgs
	// last saves the sum for pods of one template that come one after the other. Cycles and signatures may run at the same time.
	last atomic.Pointer[asked]
}

// asked is what a pod requests.
type asked struct {
	pod *corev1.Pod
	request
}

var (
	_ fwk.PreScorePlugin = &Plugin{}
	_ fwk.ScorePlugin    = &Plugin{}
	_ fwk.SignPlugin     = &Plugin{}
)

// New makes the plugin. Arguments out of range are an error that names the field.
func New(_ context.Context, args runtime.Object, _ fwk.Handle) (fwk.Plugin, error) {
	typed, ok := args.(*config.LoadBalanceArgs)
	if !ok {
		return nil, fmt.Errorf("reading the arguments of %s: want LoadBalanceArgs, got %T", Name, args)
	}
	if err := validation.Validate(typed, field.NewPath("pluginConfig").Key(Name).Child("args")).ToAggregate(); err != nil {
		return nil, err
	}
	return &Plugin{args: typed}, nil
}

// Name of the plugin.
func (p *Plugin) Name() string { return Name }

// SignPod: the score depends on what the pod requests.
func (p *Plugin) SignPod(_ context.Context, pod *corev1.Pod) ([]fwk.SignFragment, *fwk.Status) {
	if !ours(pod) {
		return nil, nil
	}
	r, status := p.requestOf(pod)
	if !status.IsSuccess() {
		return nil, status
	}
	return []fwk.SignFragment{{Key: Name, Value: []int64{r.cpu, r.memory}}}, nil
}

// request is what the pod adds to a node: thousandths of a CPU, and bytes.
type request struct{ cpu, memory int64 }

// Clone returns the request itself: nobody changes it.
func (r *request) Clone() fwk.StateData { return r }

// requestOf counts a pod that requests nothing as upstream does (100m and 200Mi), or many of them would pile up on one
// node.
func (p *Plugin) requestOf(pod *corev1.Pod) (*request, *fwk.Status) {
	if last := p.last.Load(); last != nil && slots.AskAlike(last.pod, pod) {
		return &last.request, nil
	}
	info, err := framework.NewPodInfo(pod)
	if err != nil {
		return nil, fwk.AsStatus(fmt.Errorf("reading the requests of the pod: %w", err))
	}
	r := info.CalculateResource()
	now := &asked{pod, request{cpu: r.Non0CPU, memory: r.Non0Mem}}
	p.last.Store(now)
	return &now.request, nil
}

// ours is false for pods of no group: they are scheduled as they would be without the plugin.
func ours(pod *corev1.Pod) bool {
	_, grouped := slots.GroupOf(pod.Namespace, pod.Labels)
	return grouped
}

// PreScore computes once what the pod requests.
func (p *Plugin) PreScore(_ context.Context, cs fwk.CycleState, pod *corev1.Pod, _ []fwk.NodeInfo) *fwk.Status {
	if !ours(pod) {
		return fwk.NewStatus(fwk.Skip)
	}
	r, status := p.requestOf(pod)
	if status.IsSuccess() {
		cs.Write(stateKey, r)
	}
	return status
}

// Score judges one node as it would be with the pod.
func (p *Plugin) Score(_ context.Context, cs fwk.CycleState, _ *corev1.Pod, node fwk.NodeInfo) (int64, *fwk.Status) {
	data, err := cs.Read(stateKey)
	if err != nil {
		return 0, fwk.AsStatus(err)
	}
	adds, ok := data.(*request)
	if !ok {
		return 0, fwk.AsStatus(fmt.Errorf("reading the state of %s: it is a %T", Name, data))
	}
	used, has := node.GetNonZeroRequested(), node.GetAllocatable()
	var room [maxResources]dimension // Score runs for every node: it allocates nothing
	dimensions := room[:0]
	for _, r := range p.args.Resources {
		switch corev1.ResourceName(r.Name) {
		case corev1.ResourceCPU:
			dimensions = append(dimensions, dimension{used.GetMilliCPU() + adds.cpu, has.GetMilliCPU(), int64(r.Weight)})
		case corev1.ResourceMemory:
			dimensions = append(dimensions, dimension{used.GetMemory() + adds.memory, has.GetMemory(), int64(r.Weight)})
		}
	}
	return score(dimensions, int64(p.args.WorstDimensionPercent)), nil
}

// ScoreExtensions is nil: the score depends on the node alone, so that it can be reused for the next equal pod.
func (p *Plugin) ScoreExtensions() fwk.ScoreExtensions { return nil }
