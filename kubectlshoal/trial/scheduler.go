package trial

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/events"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/scheduler"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	internalcache "k8s.io/kubernetes/pkg/scheduler/backend/cache"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/kubectlshoal/snapshot"
	"github.com/shoal-dev/shoal/replica"
	"github.com/shoal-dev/shoal/slots"
)

// Scheduler is shoal-scheduler on a snapshot. It must not be used from several goroutines.
type Scheduler struct {
	sched     *scheduler.Scheduler
	framework framework.Framework
	snapshot  *internalcache.Snapshot
	replicas  map[reflect.Type]*replica.Informer
	trying    string // namespace and name of the pod
	again     bool   // a plugin wants it to be tried once more
	tried     func()
	noClasses bool // the storage classes could not be read
}

// New makes a scheduler that knows a cluster.
func New(ctx context.Context, config *Config, c *snapshot.Cluster) (*Scheduler, error) {
	s := &Scheduler{replicas: map[reflect.Type]*replica.Informer{}, tried: config.Tried, noClasses: hidden(c, "storageclasses")}
	kube := s.server()
	factory := informers.NewSharedInformerFactory(kube, 0)
	for _, o := range []client.Object{
		&corev1.Pod{}, &corev1.Node{}, &corev1.PersistentVolume{}, &corev1.PersistentVolumeClaim{}, &storagev1.StorageClass{}, &v1alpha1.PlacementPolicy{},
		&corev1.Service{}, &appsv1.StatefulSet{}, // whose pods one of the scores spreads over zones and nodes
	} {
		r := replica.New(nil)
		if err := r.AddIndexers(cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc}); err != nil {
			return nil, fmt.Errorf("indexing what the scheduler knows: %w", err)
		}
		s.replicas[reflect.TypeOf(o)] = r
		if _, ours := o.(*v1alpha1.PlacementPolicy); !ours {
			factory.InformerFor(o, func(kubernetes.Interface, time.Duration) cache.SharedIndexInformer {
				return s.replicas[reflect.TypeOf(o)]
			})
		}
	}
	if err := s.assemble(ctx, config, kube, factory); err != nil {
		return nil, err
	}
	for _, o := range c.Objects() {
		if pod, ok := o.(*corev1.Pod); ok && snapshot.Ended(pod) {
			continue // the scheduler does not watch them
		}
		if err := s.Put(o); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *Scheduler) assemble(ctx context.Context, config *Config, kube kubernetes.Interface, factory informers.SharedInformerFactory) error {
	// What New starts in the background keeps metrics, of which nobody looks at any: it ends at once.
	making, made := context.WithCancel(ctx)
	defer made()
	var err error
	s.sched, err = scheduler.New(making, kube, factory, nil,
		func(string) events.EventRecorderLogger { return silent{} },
		scheduler.WithProfiles([]schedulerconfig.KubeSchedulerProfile{config.profile}...),
		scheduler.WithParallelism(1),
		scheduler.WithFrameworkOutOfTreeRegistry(s.plugins()))
	if err != nil {
		return fmt.Errorf("making the scheduler of %s: %w", config.Source, err)
	}
	s.framework = s.sched.Profiles[config.profile.SchedulerName]
	s.framework.SetPodActivator(s)
	var ok bool
	if s.snapshot, ok = s.framework.SnapshotSharedLister().(*internalcache.Snapshot); !ok {
		return errors.New("making the scheduler: its snapshot is of an unknown form")
	}
	return nil
}

// Activate is called by plugins for pods that are to be tried again.
func (s *Scheduler) Activate(_ klog.Logger, pods map[string]*corev1.Pod) {
	s.again = s.again || pods[s.trying] != nil
}

// silent drops events.
type silent struct{}

// Eventf drops an event.
func (silent) Eventf(_, _ runtime.Object, _, _, _, _ string, _ ...any) {}

// WithLogger changes nothing.
func (s silent) WithLogger(klog.Logger) events.EventRecorderLogger { return s }

// Put makes an object known, or its new state. Kinds that the scheduler does not look at are passed over.
func (s *Scheduler) Put(o client.Object) error {
	r := s.replicas[reflect.TypeOf(o)]
	if r == nil {
		return nil
	}
	if err := r.Put(o); err != nil {
		return fmt.Errorf("telling the scheduler of %s: %w", o.GetName(), err)
	}
	return nil
}

// bind makes the pod known on its node, with its claims where they will be.
func (s *Scheduler) bind(pod *corev1.Pod, node string) error {
	bound := pod.DeepCopy()
	bound.Spec.NodeName = node
	if err := s.Put(bound); err != nil {
		return err
	}
	claims := s.replicas[reflect.TypeFor[*corev1.PersistentVolumeClaim]()]
	for _, name := range slots.ClaimNames(pod) {
		o, there, err := claims.GetIndexer().GetByKey(pod.Namespace + "/" + name)
		if err != nil {
			return fmt.Errorf("finding claim %s: %w", name, err)
		}
		claim, ok := o.(*corev1.PersistentVolumeClaim)
		if !there || !ok || claim.Spec.VolumeName != "" {
			continue
		}
		promised := claim.DeepCopy()
		if promised.Annotations == nil {
			promised.Annotations = map[string]string{}
		}
		promised.Annotations[slots.SelectedNode] = node
		version, _ := strconv.ParseUint(promised.ResourceVersion, 10, 64) // one that is no number starts anew
		promised.ResourceVersion = strconv.FormatUint(version+1, 10)
		if err := s.Put(promised); err != nil {
			return err
		}
	}
	return nil
}

// Consider lets the scheduler see one waiting pod of each group but one, as it has when it runs: from then on it keeps the
// room that those groups need.
func (s *Scheduler) Consider(ctx context.Context, c *snapshot.Cluster, but slots.Group) error {
	seen := map[slots.Group]bool{but: true}
	for _, pod := range c.Pods {
		g, grouped := slots.GroupOf(pod.Namespace, pod.Labels)
		if !grouped || seen[g] || pod.Spec.NodeName != "" || pod.DeletionTimestamp != nil || snapshot.Ended(pod) || pod.Spec.SchedulerName != v1alpha1.SchedulerName {
			continue
		}
		seen[g] = true
		if _, err := s.Judge(ctx, pod); err != nil {
			return err
		}
	}
	return nil
}

// Remove forgets an object, whatever state it is in.
func (s *Scheduler) Remove(o client.Object) error {
	r := s.replicas[reflect.TypeOf(o)]
	if r == nil {
		return nil
	}
	last, there, err := r.GetIndexer().Get(o)
	if known, ok := last.(client.Object); err == nil && there && ok {
		err = r.Remove(known)
	}
	if err != nil {
		return fmt.Errorf("telling the scheduler that %s is gone: %w", o.GetName(), err)
	}
	return nil
}
