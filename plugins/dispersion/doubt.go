package dispersion

import (
	"context"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	fwk "k8s.io/kube-scheduler/framework"
)

// doubts are placements that failed in the scheduler's eyes and may have been stored all the same: the answer of the API
// server was lost on its way. The scheduler forgets such a pod at once, while the watch that would show it bound, or its
// claim promised to the node, is still to come. If its slot were taken for free in between, the next pod of the group would
// exceed a limit. So the slot counts until the pod is seen on a node, or is gone. The pod itself is not held by it.
type doubts struct {
	mu   sync.Mutex
	pods map[types.UID]doubt
}

type doubt struct {
	key   string
	nodes []string // one for each attempt that failed; few
}

var _ fwk.ReservePlugin = &Plugin{}

// Reserve ends the pod's hold on its siblings. There is nothing to count: the scheduler's cache does so with what it assumes.
func (p *Plugin) Reserve(ctx context.Context, _ fwk.CycleState, pod *corev1.Pod, _ string) *fwk.Status {
	p.release(ctx, pod)
	return nil
}

// Unreserve remembers where the pod may be.
func (p *Plugin) Unreserve(_ context.Context, _ fwk.CycleState, pod *corev1.Pod, node string) {
	p.index.doubts.mu.Lock()
	defer p.index.doubts.mu.Unlock()
	for uid, d := range p.index.doubts.pods {
		if o, there, err := p.pods.GetByKey(d.key); err == nil && (!there || !isPending(o, uid)) {
			delete(p.index.doubts.pods, uid)
		}
	}
	if p.index.doubts.pods == nil {
		p.index.doubts.pods = map[types.UID]doubt{}
	}
	d := p.index.doubts.pods[pod.UID]
	p.index.doubts.pods[pod.UID] = doubt{pod.Namespace + "/" + pod.Name, append(d.nodes, node)}
}

func isPending(o any, uid types.UID) bool {
	pod, ok := o.(*corev1.Pod)
	return ok && pod.UID == uid && pod.Spec.NodeName == ""
}

// unsure is a pending pod with the nodes where it may be.
type unsure struct {
	pod   *corev1.Pod
	nodes []string
}

// doubtful are the pending pods, other than the one that is judged, that may be placed all the same.
func (p *Plugin) doubtful(judged types.UID) []unsure {
	p.index.doubts.mu.Lock()
	defer p.index.doubts.mu.Unlock()
	var all []unsure
	for uid, d := range p.index.doubts.pods {
		o, _, err := p.pods.GetByKey(d.key)
		if pod, ok := o.(*corev1.Pod); err == nil && ok && uid != judged && isPending(o, uid) {
			all = append(all, unsure{pod, d.nodes})
		}
	}
	return all
}
