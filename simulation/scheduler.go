package simulation

import (
	"context"
	"fmt"
	"reflect"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/events"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/queuesort"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/plugins/dispersion"
	"github.com/shoal-dev/shoal/plugins/loadbalance"
)

// placer is one life of shoal-scheduler: the real kube-scheduler with its queue, cache and plugins as the shipped
// configuration has them, on replicas that the simulation moves on.
type placer struct {
	*access
	sched   *scheduler.Scheduler
	stop    context.CancelFunc
	ctx     context.Context //nolint:containedctx // the life of the process
	due     bool            // a cycle stands on the agenda
	ticking bool

	dispersion *dispersion.Plugin
}

// cut has the scheduler name some nodes for a pod, as it does in clusters that are larger than any of the simulation, in a seed
// that has drawn that.
func (p *placer) cut() {
	if p.w.cuts {
		p.dispersion.CutTo(3, 4)
	}
}

const schedulerUser = "system:serviceaccount:shoal-system:shoal-scheduler"

func (w *World) newPlacer(ctx context.Context) (*placer, error) {
	p := &placer{access: &access{w: w, process: "scheduler", user: schedulerUser}}
	p.ctx, p.stop = context.WithCancel(context.WithValue(ctx, ownTurn{}, true))
	notEnded := func(o client.Object) bool {
		phase := o.(*corev1.Pod).Status.Phase
		return phase != corev1.PodSucceeded && phase != corev1.PodFailed
	}
	p.replicas = map[reflect.Type]*informer{
		reflect.TypeFor[*corev1.Pod]():                   newInformer(notEnded),
		reflect.TypeFor[*corev1.Node]():                  newInformer(nil),
		reflect.TypeFor[*corev1.PersistentVolume]():      newInformer(nil),
		reflect.TypeFor[*corev1.PersistentVolumeClaim](): newInformer(nil),
		reflect.TypeFor[*storagev1.StorageClass]():       newInformer(nil),
		reflect.TypeFor[*v1alpha1.PlacementPolicy]():     newInformer(nil),
	}
	kube := p.clientset()
	factory := informers.NewSharedInformerFactory(kube, 0)
	for _, o := range []client.Object{&corev1.Pod{}, &corev1.Node{}, &corev1.PersistentVolume{}, &corev1.PersistentVolumeClaim{}, &storagev1.StorageClass{}} {
		factory.InformerFor(o, func(kubernetes.Interface, time.Duration) cache.SharedIndexInformer {
			return p.replicas[reflect.TypeOf(o)]
		})
	}
	if err := p.replicas[reflect.TypeFor[*corev1.Pod]()].AddIndexers(cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc}); err != nil {
		return nil, err
	}
	// What New starts beside the queue ends at once: metrics that are gathered every second, of which nobody looks at any,
	// would cost more than everything else.
	making, made := context.WithCancel(ctx)
	defer made()
	var err error
	p.sched, err = scheduler.New(making, kube, factory, nil,
		func(string) events.EventRecorderLogger { return silent{} },
		scheduler.WithProfiles(w.assets.profiles...),
		scheduler.WithParallelism(1),
		scheduler.WithFrameworkOutOfTreeRegistry(map[string]func(context.Context, runtime.Object, fwk.Handle) (fwk.Plugin, error){
			dispersion.Name: func(_ context.Context, args runtime.Object, h fwk.Handle) (fwk.Plugin, error) {
				plugin, err := dispersion.NewWith(asideOf(p.ctx), args, h, p.replicas[reflect.TypeFor[*v1alpha1.PlacementPolicy]()])
				if err == nil {
					p.dispersion = plugin.(*dispersion.Plugin)
					p.cut()
				}
				return plugin, err
			},
			loadbalance.Name: loadbalance.New,
			byName: func(context.Context, runtime.Object, fwk.Handle) (fwk.Plugin, error) {
				return observing{checker: w.checker, w: w}, nil
			},
		}))
	if err != nil {
		return nil, fmt.Errorf("making the scheduler: %w", err)
	}
	p.sched.SchedulingQueue.Run(klog.Background())
	return p, nil
}

// silent drops events.
type silent struct{}

// Eventf drops an event.
func (silent) Eventf(_, _ runtime.Object, _, _, _, _ string, _ ...any) {}

// WithLogger changes nothing.
func (s silent) WithLogger(klog.Logger) events.EventRecorderLogger { return s }

// byName is the order of the scheduler's queue in the simulation: upstream's, and by name where that leaves a tie. Time
// stands still while the simulation computes, so that ties are the rule, and upstream breaks them by the order of a map. The
// plugin also tells the checker of each decision.
const byName = "SimulationSort"

type observing struct {
	queuesort.PrioritySort
	checker *checker
	w       *World
}

// Name of the plugin.
func (observing) Name() string { return byName }

// Reserve tells the checker that a node is chosen.
func (s observing) Reserve(_ context.Context, _ fwk.CycleState, pod *corev1.Pod, _ string) *fwk.Status {
	s.checker.decides(pod)
	return nil
}

// Unreserve tells the checker that nothing more will come of it. It does where a binding that was sent twice was refused the second time.
func (s observing) Unreserve(ctx context.Context, _ fwk.CycleState, pod *corev1.Pod, _ string) {
	if now, err := s.w.api.Get(ctx, keyOf(pod), &corev1.Pod{}); err == nil && now.GetUID() == pod.UID && now.(*corev1.Pod).Spec.NodeName != "" {
		return
	}
	delete(s.checker.decided, pod.UID)
}

// Score prefers the first by name where the scheduler names some nodes for a pod: upstream looks at those in the order of a map, and
// draws lots among equal ones. They are equally good for the group. In those seeds the plugins' scores decide nothing, also where all
// nodes are looked at: what is played is that limits hold and that everybody finds a place. See nodeName.
func (s observing) Score(_ context.Context, _ fwk.CycleState, _ *corev1.Pod, info fwk.NodeInfo) (int64, *fwk.Status) {
	if !s.w.cuts {
		return 0, nil
	}
	score := fwk.MaxScore
	for _, letter := range info.Node().Name {
		score -= int64(letter-'a') + 1
	}
	return score, nil
}

// ScoreExtensions is nil: the score depends on the node alone.
func (observing) ScoreExtensions() fwk.ScoreExtensions { return nil }

// Less reports whether a comes before b.
func (s observing) Less(a, b fwk.QueuedEntityInfo) bool {
	if s.PrioritySort.Less(a, b) {
		return true
	}
	return !s.PrioritySort.Less(b, a) && nameOf(a) < nameOf(b)
}

func nameOf(e fwk.QueuedEntityInfo) string {
	if named, ok := e.(framework.QueuedEntityInfo); ok {
		return named.GetName()
	}
	return ""
}

// sortedByName puts the order of the simulation in place of upstream's, and its eyes beside the plugins.
func sortedByName(profiles []schedulerconfig.KubeSchedulerProfile) {
	for i := range profiles {
		profiles[i].Plugins.QueueSort = schedulerconfig.PluginSet{
			Enabled: []schedulerconfig.Plugin{{Name: byName}}, Disabled: []schedulerconfig.Plugin{{Name: "*"}},
		}
		reserve := &profiles[i].Plugins.Reserve
		reserve.Enabled = append(reserve.Enabled, schedulerconfig.Plugin{Name: byName})
		score := &profiles[i].Plugins.Score
		score.Enabled = append(score.Enabled, schedulerconfig.Plugin{Name: byName, Weight: 1_000_000}) // more than all others together
	}
}

// schedule puts a cycle onto the agenda when a pod waits for one. The cycles are a little more than a millisecond apart,
// each at a fraction of a millisecond of its own: a binding that waits for a volume looks at it at whole seconds from
// there, and two of them must not look at the same time.
func (p *placer) schedule() {
	if p.crashed || p.due {
		return
	}
	if p.ready() {
		p.due = true
		p.w.cycles++
		at := time.Now().Truncate(time.Millisecond).Add(2*time.Millisecond + time.Duration(10+p.w.cycles%900)*time.Microsecond)
		p.w.agenda.exactly(at, "scheduler: cycle", func() {
			p.due = false
			if !p.crashed && p.ready() {
				p.w.living(p.access, func() { p.sched.ScheduleOne(p.ctx) })
			}
		})
		return
	}
	if pending, _ := p.sched.SchedulingQueue.PendingPods(); len(pending) > 0 && !p.ticking {
		p.ticking = true // the queue's own timers act on whole seconds
		at := time.Now().Truncate(time.Second).Add(time.Second + 3*time.Millisecond + offset)
		p.w.agenda.exactly(at, "scheduler: tick", func() { p.ticking = false })
	}
}

// ready reports whether the queue would hand out a pod at once.
func (p *placer) ready() bool {
	queue := p.sched.SchedulingQueue
	if len(queue.PodsInActiveQ()) > 0 {
		return true
	}
	for _, pod := range queue.PodsInBackoffQ() { // those that were refused may go early, those that met an error may not
		if info, known := queue.GetPod(pod.Name, pod.Namespace, nil); known && info.ConsecutiveErrorsCount == 0 {
			return true
		}
	}
	return false
}

func (p *placer) crash() {
	p.crashed = true
	p.stop()
	p.sched.SchedulingQueue.Close()
}

// clientset is the scheduler's client: client-go's, with the server of the simulation behind it.
func (p *placer) clientset() kubernetes.Interface {
	c := &fake.Clientset{}
	c.AddReactor("*", "*", func(a clienttesting.Action) (bool, runtime.Object, error) {
		o, err := p.react(a)
		p.w.agenda.poked()
		return true, o, err
	})
	return inTurn{c}
}

var kindsOfScheduler = map[string]func() client.Object{
	"pods":                   func() client.Object { return &corev1.Pod{} },
	"persistentvolumes":      func() client.Object { return &corev1.PersistentVolume{} },
	"persistentvolumeclaims": func() client.Object { return &corev1.PersistentVolumeClaim{} },
}

func (p *placer) react(a clienttesting.Action) (runtime.Object, error) {
	if create, ok := a.(clienttesting.CreateAction); ok {
		if b, ok := create.GetObject().(*corev1.Binding); ok {
			b = b.DeepCopy()
			b.Namespace = a.GetNamespace()
			return b, p.bind(p.ctx, b)
		}
	}
	kind := kindsOfScheduler[a.GetResource().Resource]
	if kind == nil {
		return nil, apierrors.NewNotFound(a.GetResource().GroupResource(), a.GetVerb())
	}
	o := kind()
	o.SetNamespace(a.GetNamespace())
	switch a := a.(type) {
	case clienttesting.PatchAction:
		o.SetName(a.GetName())
		return o, p.patch(p.ctx, o, a.GetSubresource(), a.GetPatchType(), a.GetPatch())
	case clienttesting.UpdateAction:
		o = a.GetObject().DeepCopyObject().(client.Object)
		return o, p.update(p.ctx, o, a.GetSubresource())
	case clienttesting.DeleteAction:
		o.SetName(a.GetName())
		return o, p.remove(p.ctx, o, a.GetDeleteOptions())
	case clienttesting.ListAction:
		if _, claims := o.(*corev1.PersistentVolumeClaim); claims {
			return p.listClaims(a.GetNamespace())
		}
	case clienttesting.GetAction:
		return o, p.get(p.ctx, types.NamespacedName{Namespace: a.GetNamespace(), Name: a.GetName()}, o)
	}
	return nil, apierrors.NewMethodNotSupported(a.GetResource().GroupResource(), a.GetVerb())
}
