package dispersion

import (
	"context"
	"maps"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/cache"

	"github.com/shoal-dev/shoal/slots"
)

// starved are pods that no node took while other groups needed room. None of the scheduler's events says that a group needs
// its room no longer: its plan is another one, or its waiting pods were deleted, which raises no event at all.
type starved struct {
	mu sync.Mutex
	of map[slots.Group]map[string]*corev1.Pod // by namespace and name
	n  int
}

// maxStarved bounds what is remembered. Pods beyond it wait for the scheduler's own retry, which takes up to five minutes.
const maxStarved = 10000

func (s *starved) add(pod *corev1.Pod) {
	s.mu.Lock()
	defer s.mu.Unlock()
	group, grouped := slots.GroupOf(pod.Namespace, pod.Labels)
	if !grouped || s.n >= maxStarved {
		return
	}
	if s.of == nil {
		s.of = map[slots.Group]map[string]*corev1.Pod{}
	}
	if s.of[group] == nil {
		s.of[group] = map[string]*corev1.Pod{}
	}
	before := len(s.of[group])
	s.of[group][pod.Namespace+"/"+pod.Name] = pod
	s.n += len(s.of[group]) - before
}

// take hands over those that may profit, and forgets one of them. A group's own needs never keep its pods away: those of a group
// that alone freed something go on waiting. While a promise is in doubt, which counts for all pods but one, each pod of a group may
// have another plan, and they would wake each other without end.
func (s *starved) take(but *corev1.Pod, freed map[slots.Group]bool) map[string]*corev1.Pod {
	s.mu.Lock()
	defer s.mu.Unlock()
	if but != nil {
		if group, grouped := slots.GroupOf(but.Namespace, but.Labels); grouped {
			before := len(s.of[group])
			delete(s.of[group], but.Namespace+"/"+but.Name)
			s.n -= before - len(s.of[group])
		}
	}
	pods := map[string]*corev1.Pod{}
	for group, of := range s.of {
		if len(freed) == 1 && freed[group] && len(of) > 0 {
			continue
		}
		maps.Copy(pods, of)
		s.n -= len(of)
		delete(s.of, group)
	}
	return pods
}

// feedFreed feeds with what groups were found to need no longer since the last time.
func (p *Plugin) feedFreed(ctx context.Context, but *corev1.Pod) {
	if freed := p.index.freed; len(freed) > 0 {
		p.index.freed = nil
		p.feed(ctx, but, freed)
	}
}

// feed tries the starved pods again that may profit from what these groups need no longer, other than the pod that is being tried.
func (p *Plugin) feed(ctx context.Context, but *corev1.Pod, freed map[slots.Group]bool) {
	if pods := p.index.starved.take(but, freed); len(pods) > 0 {
		p.handle.Activate(loggerOf(ctx), pods)
	}
}

// podGone feeds when a pod that waited was deleted, and tries its siblings again from which nodes are kept: less is to come, so
// that guard and plan may let them have those. It is noted first: the handler that notes may come later than this one.
func (p *Plugin) podGone(ctx context.Context, o any) {
	p.index.notes.pod(o)
	if gone, ok := o.(cache.DeletedFinalStateUnknown); ok {
		o = gone.Obj
	}
	pod, ok := o.(*corev1.Pod)
	if !ok {
		return
	}
	p.wishes.drop(pod)
	group, grouped := slots.GroupOf(pod.Namespace, pod.Labels)
	if !grouped || pod.Spec.NodeName != "" {
		return
	}
	p.index.news.Add(1)
	p.feed(ctx, nil, nil)
	if siblings := p.wishes.siblingsOf(group); len(siblings) > 0 {
		p.handle.Activate(loggerOf(ctx), siblings)
	}
}

// lastOfGroup reports whether the group needs no more room for others once the pod of this cycle is placed.
func (s *state) lastOfGroup() bool {
	return s.remaining <= 1 || s.index.known(s.group).absent <= 1
}

// starves reports whether other groups need room that would be free for the view otherwise.
func (v *view) starves() bool {
	for i := range v.seats {
		if v.seats[i].needed > 0 {
			return true
		}
	}
	return false
}
