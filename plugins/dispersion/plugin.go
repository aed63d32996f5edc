package dispersion

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/tools/cache"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/shoal-dev/shoal/api/config"
	"github.com/shoal-dev/shoal/api/config/validation"
	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/slots"
)

// Name of the plugin in a KubeSchedulerConfiguration.
const Name = "Dispersion"

const (
	podIndex   = "shoal.dev/group"
	claimIndex = "shoal.dev/group"
)

// Plugin implements the rules of a placement group.
type Plugin struct {
	args     *config.DispersionArgs
	handle   fwk.Handle
	policies policySource
	pods     cache.Indexer
	claims   cache.Indexer
	index    *index
	holds    holds
	wishes   wishes
	due      due
	latest   atomic.Pointer[latest]
	now      func() time.Time

	cutAbove, cutTo int
}

// policySource finds policies: the informer of the running scheduler, or what a test hands over.
type policySource interface {
	policyOf(slots.Group) (policy, bool)
}

var (
	_ fwk.PreFilterPlugin     = &Plugin{}
	_ fwk.PreFilterExtensions = &Plugin{}
	_ fwk.FilterPlugin        = &Plugin{}
	_ fwk.PreScorePlugin      = &Plugin{}
	_ fwk.ScorePlugin         = &Plugin{}
	_ fwk.EnqueueExtensions   = &Plugin{}
	_ fwk.SignPlugin          = &Plugin{}
)

// Shared makes plugins that share one index: one for each profile of a process. Profiles are made one after the other.
func Shared() func(context.Context, runtime.Object, fwk.Handle) (fwk.Plugin, error) {
	var shared *index
	return func(ctx context.Context, args runtime.Object, h fwk.Handle) (fwk.Plugin, error) {
		p, err := start(ctx, args, h, shared)
		if err != nil {
			return nil, err
		}
		shared = p.index
		return p, nil
	}
}

// New makes the plugin and starts its informer of PlacementPolicies, which waits for the CRD if it is missing.
func New(ctx context.Context, args runtime.Object, h fwk.Handle) (fwk.Plugin, error) {
	return start(ctx, args, h, nil)
}

func start(ctx context.Context, args runtime.Object, h fwk.Handle, shared *index) (*Plugin, error) {
	informer, err := newPolicyInformer(h.KubeConfig())
	if err != nil {
		return nil, err
	}
	p, err := newPlugin(args, h, shared)
	if err != nil {
		return nil, err
	}
	if err := p.listen(ctx, informer.informer); err != nil {
		return nil, err
	}
	go informer.run(ctx)
	go wait.UntilWithContext(ctx, p.tryDue, time.Second)
	return p, nil
}

// NewWith makes the plugin on an informer of PlacementPolicies that somebody else runs.
func NewWith(ctx context.Context, args runtime.Object, h fwk.Handle, policies cache.SharedIndexInformer) (fwk.Plugin, error) {
	p, err := newPlugin(args, h, nil)
	if err != nil {
		return nil, err
	}
	return p, p.listen(ctx, policies)
}

func (p *Plugin) listen(ctx context.Context, policies cache.SharedIndexInformer) error {
	_, err := p.handle.SharedInformerFactory().Core().V1().Pods().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		DeleteFunc: func(o any) { p.podGone(ctx, o) },
	})
	if err != nil {
		return fmt.Errorf("listening to pods: %w", err)
	}
	if _, err := p.handle.SharedInformerFactory().Core().V1().Pods().Informer().AddEventHandler(p.releasing(ctx)); err != nil {
		return fmt.Errorf("listening to pods: %w", err)
	}
	if _, err := p.handle.SharedInformerFactory().Core().V1().Pods().Informer().AddEventHandler(p.tellingOverlooked(ctx)); err != nil {
		return fmt.Errorf("listening to pods: %w", err)
	}
	source := &policyInformer{informer: policies}
	p.policies = source
	return source.notify(func(before, after *v1alpha1.PlacementPolicy) { p.wake(ctx, before, after) })
}

func newPlugin(args runtime.Object, h fwk.Handle, shared *index) (*Plugin, error) {
	typed, ok := args.(*config.DispersionArgs)
	if !ok {
		return nil, fmt.Errorf("reading the arguments of %s: want DispersionArgs, got %T", Name, args)
	}
	if err := validation.Validate(typed, field.NewPath("pluginConfig").Key(Name).Child("args")).ToAggregate(); err != nil {
		return nil, err
	}
	measured() // served from the start, or a first increase would not show
	core := h.SharedInformerFactory().Core().V1()
	p := &Plugin{args: typed, handle: h, now: time.Now, cutAbove: cutAboveNodes, cutTo: cutToNodes}
	var err error
	if p.pods, err = indexed(core.Pods().Informer(), podIndex); err != nil {
		return nil, fmt.Errorf("indexing pods by group: %w", err)
	}
	if p.claims, err = indexed(core.PersistentVolumeClaims().Informer(), claimIndex); err != nil {
		return nil, fmt.Errorf("indexing claims by group: %w", err)
	}
	if shared != nil && shared.pods == p.pods {
		p.index = shared
		return p, nil
	}
	p.index = newIndex(p.pods, p.claims, core.PersistentVolumes().Lister())
	return p, p.index.notes.listen(core)
}

// indexed adds the index of groups to an informer, once: every profile of the scheduler makes a plugin of its own.
func indexed(informer cache.SharedIndexInformer, name string) (cache.Indexer, error) {
	if _, there := informer.GetIndexer().GetIndexers()[name]; there {
		return informer.GetIndexer(), nil
	}
	return informer.GetIndexer(), informer.AddIndexers(cache.Indexers{name: byGroup})
}

func byGroup(obj any) ([]string, error) {
	object, ok := obj.(interface {
		GetNamespace() string
		GetLabels() map[string]string
	})
	if !ok {
		return nil, fmt.Errorf("indexing %T by group: it has no labels", obj)
	}
	if g, grouped := slots.GroupOf(object.GetNamespace(), object.GetLabels()); grouped {
		return []string{g.String()}, nil
	}
	return nil, nil
}

// Name of the plugin.
func (p *Plugin) Name() string { return Name }

// SignPod refuses to sign pods of a group: their verdict depends on where their siblings are, so that a result cannot
// be reused for the next pod. Other pods are none of the plugin's business and need no fragment.
func (p *Plugin) SignPod(_ context.Context, pod *corev1.Pod) ([]fwk.SignFragment, *fwk.Status) {
	if _, grouped := slots.GroupOf(pod.Namespace, pod.Labels); grouped {
		return nil, fwk.NewStatus(fwk.Unschedulable, "the verdict depends on where the other pods of the group are")
	}
	return nil, nil
}

// wake retries the waiting pods of a group, because its policy came (before is nil), changed, or is gone (after is nil): then
// they are told so. The scheduler registers its own events only at start, when the CRD may not exist yet. A status that
// changed without another total wakes only the pods that were created under a newer version of the policy than the one before:
// the manager writes the status whenever a pod is placed, and waking all pods each time would be a hot loop.
func (p *Plugin) wake(ctx context.Context, before, after *v1alpha1.PlacementPolicy) {
	one := after
	if one == nil {
		one = before
	}
	all := before == nil || after == nil || replans(before, after)
	if all {
		p.index.notes.policy(one)
		p.index.news.Add(1)
		p.feed(ctx, nil, nil) // what the group had planned may be free
	}
	waiting := map[string]*corev1.Pod{}
	for _, pod := range p.podsOf(slots.Group{Namespace: one.Namespace, Policy: one.Name}) {
		if pod.Spec.NodeName == "" && (all || olderThan(before.ResourceVersion, pod.Annotations[v1alpha1.AnnotationPolicyVersion])) {
			waiting[pod.Namespace+"/"+pod.Name] = pod
		}
	}
	if len(waiting) > 0 {
		p.handle.Activate(loggerOf(ctx), waiting)
	}
}

// replans reports whether a policy that changed says something else about its group. One that was deleted and created anew while
// the watch was interrupted comes as a change, with the same generation and other limits. What the status counts matters only to one
// that does not say itself how many there are: else the first write of a status would drop the plan between two pods of the group.
func replans(before, after *v1alpha1.PlacementPolicy) bool {
	counted := before.Status.ObservedGeneration != after.Status.ObservedGeneration || before.Status.Replicas != after.Status.Replicas
	return before.UID != after.UID || before.Generation != after.Generation || after.Spec.Replicas == nil && counted
}

func (p *Plugin) podsOf(g slots.Group) []*corev1.Pod {
	return listed[*corev1.Pod](p.pods, podIndex, g.String())
}

// podsIn are all pods of a namespace, of whichever group.
func (p *Plugin) podsIn(namespace string) []*corev1.Pod {
	return listed[*corev1.Pod](p.pods, cache.NamespaceIndex, namespace)
}

func (p *Plugin) claimsOf(g slots.Group) []*corev1.PersistentVolumeClaim {
	return listed[*corev1.PersistentVolumeClaim](p.claims, claimIndex, g.String())
}

func listed[T any](indexer cache.Indexer, index, value string) []T {
	objects, err := indexer.ByIndex(index, value)
	if err != nil { // only for an index that does not exist: newPlugin makes those of groups, and informers that of namespaces
		return nil
	}
	typed := make([]T, 0, len(objects))
	for _, o := range objects {
		if t, ok := o.(T); ok {
			typed = append(typed, t)
		}
	}
	return typed
}
