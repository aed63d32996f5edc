package simulation

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// The containers of pods, where templates change; elsewhere a pod is one process. As the real kubelet does, it first says which
// generation it has seen. Then it stops a container whose image is another one now, pulls that, and starts it; the others run on. An
// image that cannot be pulled leaves the container down, and is tried again. Redis is the first container.

// containers is what a world has where templates change.
type containers struct {
	started int           // how many, of all pods
	behind  time.Duration // by how much replicas lag at most
}

// container is one of a process.
type container struct {
	name, image string
	id          string // of the one that runs, or ran last
	state       containerState
	trouble     string // why it is not started
	since       time.Time
	ended       time.Time // when the run before ended by itself, which began at since
	tries       int
	has         corev1.ResourceRequirements
}

type containerState int

const (
	pulling containerState = iota
	running
	stopping
	waiting // it cannot be started
)

// BadImage is the beginning of the names of images that cannot be pulled.
const BadImage = "bad"

// WithContainers has kubelets know of containers from now on: templates may change. Pods that run already do so as before.
func (w *World) WithContainers() {
	if w.containers == nil {
		w.containers = &containers{}
	}
}

// unpack makes the containers of a pod that starts.
func (w *World) unpack(m *machine, pod *corev1.Pod, p *process) {
	if w.containers == nil {
		return
	}
	for _, c := range pod.Spec.Containers {
		made := &container{name: c.Name, image: c.Image, has: c.Resources}
		p.containers = append(p.containers, made)
		w.after(w.between(100*time.Millisecond, 3*time.Second), "pull", func() { w.pulled(m, p, made) })
	}
}

// mayRun: its own container runs, where there are containers.
func (p *process) mayRun() bool { return len(p.containers) == 0 || p.containers[0].state == running }

// alive reports whether a process is still there.
func (m *machine) alive(p *process) bool { return !m.off && m.running[p.pod] == p && !p.stopping }

// pulled is when an image is there, or cannot be had.
func (w *World) pulled(m *machine, p *process, c *container) {
	if !m.alive(p) || c.state != pulling {
		return
	}
	if strings.HasPrefix(c.image, BadImage) {
		c.state, c.trouble = waiting, []string{"ErrImagePull", "ImagePullBackOff"}[min(c.tries, 1)]
		c.tries++
		image := c.image
		w.after(w.between(10*time.Second, 40*time.Second), "pull again", func() {
			if m.alive(p) && c.state == waiting && c.image == image {
				c.state = pulling
				w.pulled(m, p, c)
			}
		})
		w.kubelet(m.name, p.name)
		return
	}
	w.containers.started++
	c.state, c.trouble, c.tries, c.id, c.since = running, "", 0, fmt.Sprintf("containerd://c%d", w.containers.started), time.Now()
	if c == p.containers[0] {
		if p.engine != nil {
			p.engine.down = false
		}
		w.after(w.between(200*time.Millisecond, 4*time.Second), "sync "+p.name.Name, func() { w.sync(m, p) })
	}
	w.kubelet(m.name, p.name)
}

// tend brings containers nearer to what the pod asks for, and says how they are.
func (w *World) tend(m *machine, pod *corev1.Pod, p *process) {
	for _, want := range pod.Spec.Containers {
		n := slices.IndexFunc(p.containers, func(c *container) bool { return c.name == want.Name })
		if n < 0 || p.containers[n].image == want.Image {
			continue
		}
		switch c := p.containers[n]; c.state {
		case running:
			c.state = stopping
			w.after(w.between(100*time.Millisecond, 2*time.Second), "stop container", func() { w.exchange(m, p, c) })
		case pulling, waiting:
			c.image, c.state, c.tries = want.Image, pulling, 0
			w.after(w.between(100*time.Millisecond, 4*time.Second), "pull", func() { w.pulled(m, p, c) })
		}
	}
	w.resize(m, pod, p)
	w.report(pod, p)
}

// exchange is when a container has stopped whose image is to be another one.
func (w *World) exchange(m *machine, p *process, c *container) {
	if !m.alive(p) || c.state != stopping {
		return
	}
	pod, there := find[*corev1.Pod](w, p.name)
	if !there || pod.UID != p.pod {
		return
	}
	if c == p.containers[0] {
		w.stopRedis(p)
	}
	for _, want := range pod.Spec.Containers {
		if want.Name == c.name {
			c.image = want.Image
		}
	}
	c.state, c.trouble, c.tries = pulling, "ContainerCreating", 0
	w.tell(m.name, "container %s of %s becomes %s", c.name, p.name.Name, c.image)
	w.after(w.between(100*time.Millisecond, 4*time.Second), "pull", func() { w.pulled(m, p, c) })
	w.kubelet(m.name, p.name)
}

// stopRedis ends the Redis of a process, whose pod stays.
func (w *World) stopRedis(p *process) {
	w.replicate()
	if p.engine != nil {
		w.ends(p)
		return
	}
	p.synced, p.ready, p.waited = false, false, 0
}

// beginReport is what a kubelet says first of a pod.
func (w *World) beginReport(pod *corev1.Pod, p *process, to *corev1.Pod) {
	for _, c := range p.containers {
		to.Status.ObservedGeneration = pod.Generation
		to.Status.ContainerStatuses = append(to.Status.ContainerStatuses, c.status(false))
	}
}

// report writes the status of a pod, if there is news. The kubelet says what it sees; that it has seen the pod as it is does not mean
// that it has done anything about it.
func (w *World) report(pod *corev1.Pod, p *process) {
	changed := pod.DeepCopy()
	s := &changed.Status
	s.ObservedGeneration = pod.Generation
	s.ContainerStatuses = nil
	all := p.synced && !p.stopping
	for _, c := range p.containers {
		s.ContainerStatuses = append(s.ContainerStatuses, c.status(c != p.containers[0] || p.synced))
		all = all && (c.state == running || c.state == stopping)
	}
	w.reportResize(pod, p, changed)
	if p.ready = all; all {
		w.wasReady[pod.UID] = true
	}
	if isReady(pod) != all {
		setReady(changed, map[bool]corev1.ConditionStatus{true: corev1.ConditionTrue, false: corev1.ConditionFalse}[all])
	}
	if !equality.Semantic.DeepEqual(changed.Status, pod.Status) {
		w.systemUpdate(changed, "status")
	}
}

func (c *container) status(ready bool) corev1.ContainerStatus {
	s := corev1.ContainerStatus{Name: c.name, Image: c.image, ImageID: "sha256:" + c.image, ContainerID: c.id, RestartCount: 0, Resources: c.has.DeepCopy()}
	switch c.state {
	case running, stopping:
		s.Ready, s.State.Running = ready, &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(c.since.Truncate(time.Second))}
	default:
		trouble := c.trouble
		if trouble == "" {
			trouble = "ContainerCreating"
		}
		s.State.Waiting = &corev1.ContainerStateWaiting{Reason: trouble}
		if c.ended.After(c.since) {
			s.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{
				ExitCode: 137, Reason: "Error", StartedAt: metav1.NewTime(c.since.Truncate(time.Second)), FinishedAt: metav1.NewTime(c.ended.Truncate(time.Second)),
			}
		}
	}
	return s
}

// crashes is a container whose process has ended by itself: it is started again after a while.
func (p *process) crashes() {
	if len(p.containers) > 0 && p.containers[0].state == running {
		p.containers[0].state, p.containers[0].trouble, p.containers[0].ended = waiting, "CrashLoopBackOff", time.Now()
	}
}

// restarts is a container that is started again. False if there is one and it is about to be another one.
func (w *World) restarts(m *machine, p *process) bool {
	if len(p.containers) == 0 {
		return true
	}
	if c := p.containers[0]; c.state == waiting && c.trouble == "CrashLoopBackOff" {
		c.state = pulling
		w.pulled(m, p, c)
	}
	return false
}

// Containers says of each container of a pod which image it has and how it is.
func (w *World) Containers(name string) string {
	pod, there := find[*corev1.Pod](w, types.NamespacedName{Namespace: Namespace, Name: name})
	if !there {
		return "there is no pod " + name + "\n"
	}
	var words []string
	for _, s := range pod.Status.ContainerStatuses {
		how := "runs"
		if s.State.Waiting != nil {
			how = s.State.Waiting.Reason
		}
		words = append(words, fmt.Sprintf("%s=%s %s", s.Name, s.Image, how))
	}
	return strings.Join(words, ", ")
}
