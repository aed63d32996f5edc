package dispersion

import (
	"context"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// due are pods that found no node, and may find one at a time of which no event tells: nodes that were not counted on are again, or
// the API server may be asked again about claims whose slots count as long as it was not.
type due struct {
	mu sync.Mutex
	of map[string]appointment
}

type appointment struct {
	pod *corev1.Pod
	at  time.Time
}

// maxDue bounds what is remembered. Pods beyond it wait for the scheduler's own retry, which takes up to five minutes.
const maxDue = 10000

// add makes an appointment, instead of the one that there was under the name; at the zero time there is none.
func (d *due) add(name string, pod *corev1.Pod, at time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if delete(d.of, name); at.IsZero() || len(d.of) >= maxDue {
		return
	}
	if d.of == nil {
		d.of = map[string]appointment{}
	}
	d.of[name] = appointment{pod, at}
}

// take hands over those whose time has come.
func (d *due) take(now time.Time) map[string]*corev1.Pod {
	d.mu.Lock()
	defer d.mu.Unlock()
	pods := map[string]*corev1.Pod{}
	for name, a := range d.of {
		if !now.Before(a.at) {
			pods[a.pod.Namespace+"/"+a.pod.Name] = a.pod
			delete(d.of, name)
		}
	}
	return pods
}

// appoint makes the appointments of a pod that found no node. Of a group, one pod is enough to ask: the answers wake the others.
func (p *Plugin) appoint(s *state, pod *corev1.Pod) {
	p.due.add("node/"+pod.Namespace+"/"+pod.Name, pod, s.view.nextReturn())
	p.due.add("claim/"+s.group.String(), pod, p.stillToAsk(s))
}

// tryDue has the pods tried again whose time has come. One that does not wait any more is none to the queue.
func (p *Plugin) tryDue(ctx context.Context) {
	if pods := p.due.take(p.now()); len(pods) > 0 {
		p.handle.Activate(loggerOf(ctx), pods)
	}
}
