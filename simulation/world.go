package simulation

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing/synctest"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/cmd/kube-scheduler/app/options"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"sigs.k8s.io/controller-runtime/pkg/client"

	configscheme "github.com/shoal-dev/shoal/api/config/scheme"
	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/instanceset/decide"
	"github.com/shoal-dev/shoal/roles/switchovers"
	"github.com/shoal-dev/shoal/simulation/apiserver"
)

// Namespace is where all namespaced objects of a world are.
const Namespace = "ns"

// Assets are what all worlds of a process share: rules and configuration, compiled once.
type Assets struct {
	rules    *apiserver.Rules
	scheme   *runtime.Scheme
	profiles []schedulerconfig.KubeSchedulerProfile
}

// Load reads the folder manifests of this repository. It is not part of a bubble.
func Load(manifests string) (*Assets, error) {
	if err := configscheme.Register(); err != nil {
		return nil, err
	}
	rules, err := apiserver.LoadRules(os.DirFS(manifests), Namespace)
	if err != nil {
		return nil, err
	}
	scheme, err := apiserver.Scheme()
	if err != nil {
		return nil, err
	}
	config, err := options.LoadConfigFromFile(klog.Background(), filepath.Join(manifests, "scheduler-config", "scheduler-config.yaml"))
	if err != nil {
		return nil, fmt.Errorf("reading the scheduler's configuration: %w", err)
	}
	for i := range config.Profiles {
		config.Profiles[i].PercentageOfNodesToScore = config.PercentageOfNodesToScore
	}
	sortedByName(config.Profiles)
	return &Assets{rules, scheme, config.Profiles}, nil
}

// World is one cluster and what happens in it.
type World struct {
	assets *Assets
	scheme *runtime.Scheme
	ctx    context.Context //nolint:containedctx // the life of the world
	end    context.CancelFunc
	random dice // of the models
	choice *choice
	agenda *agenda
	begun  time.Time

	api      *apiserver.Server
	seen     int // events of the server that were passed on
	truth    map[reflect.Type]*informer
	system   *access
	user     *access
	operator *operator
	placer   *placer
	feeds    []*feed
	past     map[reflect.Type][]moment

	machines      map[string]*machine
	data          map[string]int64 // volumes that hold data, and which offset it reaches
	written       map[string]int64 // of each shard, the offset of its last master
	replicated    time.Time        // until when offsets are worked out
	born          map[string]bool  // shards that ever had data
	shardSize     map[string]int32 // of each set, 0 for none
	muted         map[string]bool  // instances whose Redis answers nobody
	standby       bool             // a second manager waits for the end of the first
	wasReady      map[types.UID]bool
	orphanedSince map[string]time.Time
	scheduled     map[string]bool // tasks that stand on the agenda once
	ips, cycles   int
	turns         int        // reconciles that took time
	histories     int        // of the data of all shards
	lines         uint64     // over which orders were given
	asking        sync.Mutex // what is asked of instances
	calm          time.Time  // nothing goes wrong any more, and nothing that did is on its way; zero while there is no end of it

	containers *containers // nil where no template changes
	ha         *ha         // nil where no set has roles
	cuts       bool        // the scheduler names some nodes for a pod, see placer.cut
	faults     faults
	strokes    map[string]int // how often each kind of fault has struck a call
	checker    *checker
	trace      trace
	told       int           // lines of the trace that Lines has given
	steadyLag  time.Duration // of every event, beside what faults add
}

var kinds = []client.Object{
	&storagev1.StorageClass{}, &corev1.Node{}, &corev1.PersistentVolume{}, &corev1.PersistentVolumeClaim{}, &corev1.Service{},
	&appsv1.StatefulSet{}, &appsv1.ControllerRevision{}, &v1alpha1.InstanceSet{}, &v1alpha1.PlacementPolicy{}, &corev1.Pod{},
	&v1alpha1.Switchover{}, &policyv1.PodDisruptionBudget{},
}

// New makes an empty world, with manager and scheduler running. It must be called inside a bubble of testing/synctest.
func New(ctx context.Context, assets *Assets, seed int64) (*World, error) {
	w := &World{
		assets: assets, scheme: assets.scheme, random: newDice(seed), choice: newChoice(seed, nil), agenda: newAgenda(), begun: time.Now(),
		truth: map[reflect.Type]*informer{}, past: map[reflect.Type][]moment{}, machines: map[string]*machine{}, data: map[string]int64{}, written: map[string]int64{}, replicated: time.Now(), born: map[string]bool{},
		wasReady: map[types.UID]bool{}, shardSize: map[string]int32{}, muted: map[string]bool{}, orphanedSince: map[string]time.Time{},
		scheduled: map[string]bool{}, strokes: map[string]int{},
	}
	w.ctx, w.end = context.WithCancel(ctx)
	w.checker = newChecker(w)
	var err error
	if w.api, err = apiserver.New(w.scheme, assets.rules); err != nil {
		return nil, err
	}
	for _, o := range kinds {
		w.truth[reflect.TypeOf(o)] = newInformer(nil)
	}
	if err := switchovers.Indexes(w.ctx, reader{w.truth}); err != nil { // the API server selects by that field
		return nil, err
	}
	w.system = &access{w: w, process: "cluster", user: "system:kube-controller-manager"}
	w.user = &access{w: w, process: "user", user: "somebody"}
	w.must(w.system.create(w.ctx, storage(storageClass)))
	w.must(w.system.create(w.ctx, storage(networkClass)))
	w.after(podGCPeriod, "pod gc", w.podGC)
	if err := errors.Join(w.startOperator(), w.startPlacer(), w.checker.failure); err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}

// Close ends every goroutine of the world.
func (w *World) Close() {
	if w.placer != nil {
		w.placer.crash()
	}
	w.end()
	synctest.Wait()
}

func (w *World) startOperator() error {
	o, err := w.newOperator(w.ctx)
	if err != nil {
		return err
	}
	w.operator = o
	return w.connect(o.access)
}

func (w *World) startPlacer() error {
	p, err := w.newPlacer(w.ctx)
	if err != nil {
		return err
	}
	w.placer = p
	return w.connect(p.access)
}

// connect lists everything for a process that has just started, as it was at some time, and keeps its replicas up to date
// from then on. A manager may list from a cache of the server that is behind. The scheduler's reflectors ask for the most
// recent state when they start (client-go v0.37, WatchListClient).
func (w *World) connect(process *access) error {
	if err := w.pump(); err != nil {
		return err
	}
	for _, o := range kinds {
		kind := reflect.TypeOf(o)
		to := process.replicas[kind]
		if to == nil {
			continue
		}
		f := &feed{process: process, kind: kind, to: to, last: time.Now()}
		w.feeds = append(w.feeds, f)
		then := time.Now()
		if w.faults.stale > 0 && process.process == "manager" {
			stream := "stale"
			if kind == reflect.TypeFor[*v1alpha1.Switchover]() {
				stream = "stale switchovers" // seeds from before these were there go on as they did
			}
			then = then.Add(-w.choice.of(stream).between(0, w.faults.stale))
		}
		if err := w.listAsOf(f, then); err != nil {
			return err
		}
	}
	return nil
}

// pump passes on what the server has stored since the last time.
func (w *World) pump() error {
	for _, e := range w.api.Events(w.seen) {
		w.seen++
		kind := reflect.TypeOf(e.Object)
		w.past[kind] = append(w.past[kind], moment{time.Now(), e})
		before, _, _ := w.truth[kind].GetIndexer().Get(e.Object)
		if err := w.truth[kind].deliver(e); err != nil {
			return err
		}
		w.trace.event(w, before, e)
		if pod, ok := e.Object.(*corev1.Pod); ok {
			w.kubeletSees(pod)
		}
		w.sweep()
		w.checker.observe(before, e)
		w.feeds = dropCrashed(w.feeds)
		for _, f := range w.feeds {
			if f.kind == kind {
				w.send(f, e)
			}
		}
	}
	return nil
}

func dropCrashed(feeds []*feed) []*feed {
	var alive []*feed
	for _, f := range feeds {
		if !f.process.crashed {
			alive = append(alive, f)
		}
	}
	return alive
}

// Run lets time pass.
func (w *World) Run(long time.Duration) error {
	end := time.Now().Add(long)
	for time.Now().Before(end) && w.checker.failure == nil {
		if err := w.pump(); err != nil {
			return err
		}
		w.placer.schedule()
		if task, due := w.agenda.next(end); due {
			task.do()
			synctest.Wait()
		}
	}
	if err := w.pump(); err != nil {
		return err
	}
	return w.checker.failure
}

// after puts a task onto the agenda.
func (w *World) after(wait time.Duration, name string, do func()) { w.agenda.after(wait, name, do) }

// once is after for tasks of which one on the agenda is enough.
func (w *World) once(name string, wait time.Duration, do func()) {
	if w.scheduled[name] {
		return
	}
	w.scheduled[name] = true
	w.after(wait, name, func() {
		delete(w.scheduled, name)
		do()
	})
}

// between draws how long a model takes.
func (w *World) between(least, most time.Duration) time.Duration {
	return w.random.between(least, most)
}

// must records an error that no fault explains: the models are wrong.
func (w *World) must(err error) {
	if err != nil {
		w.checker.fail("model", "%v", err)
	}
}

// systemUpdate writes for the cluster's own controllers, which try again when they meet a conflict or an object that is
// gone. It reports whether the write was stored.
func (w *World) systemUpdate(o client.Object, sub string) (written bool) {
	copied := o.DeepCopyObject().(client.Object)
	err := w.system.update(w.ctx, copied, sub)
	switch {
	case err == nil:
		o.SetResourceVersion(copied.GetResourceVersion())
	case apierrors.IsConflict(err), apierrors.IsNotFound(err):
		w.sweep()
	default:
		w.must(fmt.Errorf("updating %T %s: %w", o, o.GetName(), err))
	}
	return err == nil
}

func (w *World) systemDelete(o client.Object, options metav1.DeleteOptions) {
	err := w.system.remove(w.ctx, o.DeepCopyObject().(client.Object), options)
	if err != nil && !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
		w.must(fmt.Errorf("deleting %T %s: %w", o, o.GetName(), err))
	}
}

// find is the object as the store has it.
func find[T client.Object](w *World, key types.NamespacedName) (T, bool) {
	var none T
	name := key.Name
	if key.Namespace != "" {
		name = key.String()
	}
	o, there, _ := w.truth[reflect.TypeFor[T]()].GetIndexer().GetByKey(name)
	if !there {
		return none, false
	}
	return o.(T), true
}

// all are the objects of a kind as the store has them, by name.
func all[T client.Object](w *World) []T { return listed[T](w.truth) }

func listed[T client.Object](of map[reflect.Type]*informer) []T {
	var out []T
	for _, o := range of[reflect.TypeFor[T]()].GetIndexer().List() {
		out = append(out, o.(T))
	}
	return out
}

func keyOf(o client.Object) types.NamespacedName { return client.ObjectKeyFromObject(o) }

// planned records a plan in its own words.
func (w *World) planned(_ *access, p decide.Plan) {
	w.checker.toRecreate(p)
	for _, c := range p.Changes {
		w.tell("plan", "%s", strings.Join(strings.Fields(c.String()), " "))
	}
}

// tell writes a line of the trace.
func (w *World) tell(who, format string, args ...any) {
	w.trace.add(time.Since(w.begun), who, fmt.Sprintf(format, args...))
}
