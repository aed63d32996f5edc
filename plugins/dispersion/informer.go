package dispersion

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/slots"
)

const (
	policyResource = "placementpolicies"
	// crdPollPeriod is how often a missing CRD is looked for.
	crdPollPeriod = 2 * time.Second
)

// policyInformer is an informer of PlacementPolicies that waits for the CRD. The scheduler's own dynamic informers
// would never report that they are synced while a CRD is missing, and the scheduler would hang at start.
type policyInformer struct {
	discovery discovery.DiscoveryInterface
	informer  cache.SharedIndexInformer
}

func newPolicyInformer(config *rest.Config) (*policyInformer, error) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("registering the kinds of %s: %w", v1alpha1.GroupName, err)
	}
	c := rest.CopyConfig(config)
	c.APIPath = "/apis"
	c.GroupVersion = &v1alpha1.GroupVersion
	c.ContentType = runtime.ContentTypeJSON // custom resources have no protobuf form
	c.AcceptContentTypes = runtime.ContentTypeJSON
	c.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	client, err := rest.RESTClientFor(c)
	if err != nil {
		return nil, fmt.Errorf("making a client for %s: %w", policyResource, err)
	}
	source := &policyInformer{
		discovery: discovery.NewDiscoveryClient(client),
		informer: cache.NewSharedIndexInformer(
			cache.NewListWatchFromClient(client, policyResource, "", fields.Everything()),
			&v1alpha1.PlacementPolicy{}, 0, cache.Indexers{}),
	}
	if err := source.informer.SetTransform(stripped); err != nil {
		return nil, fmt.Errorf("setting up the informer of %s: %w", policyResource, err)
	}
	return source, nil
}

// notify calls changed for every policy that comes (before is nil then), changes, or goes (after is nil then).
func (s *policyInformer) notify(changed func(before, after *v1alpha1.PlacementPolicy)) error {
	_, err := s.informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(o any) {
			if typed, ok := o.(*v1alpha1.PlacementPolicy); ok {
				changed(nil, typed)
			}
		},
		UpdateFunc: func(before, after any) {
			old, ok1 := before.(*v1alpha1.PlacementPolicy)
			typed, ok2 := after.(*v1alpha1.PlacementPolicy)
			if ok1 && ok2 {
				changed(old, typed)
			}
		},
		DeleteFunc: func(o any) {
			if gone, ok := o.(cache.DeletedFinalStateUnknown); ok {
				o = gone.Obj
			}
			if typed, ok := o.(*v1alpha1.PlacementPolicy); ok {
				changed(typed, nil)
			}
		},
	})
	if err != nil {
		return fmt.Errorf("setting up the informer of %s: %w", policyResource, err)
	}
	return nil
}

// run waits for the CRD, says once that it is missing, and then watches until ctx ends.
func (s *policyInformer) run(ctx context.Context) {
	logger := loggerOf(ctx)
	said := false
	err := wait.PollUntilContextCancel(ctx, crdPollPeriod, true, func(context.Context) (bool, error) {
		served, err := s.served()
		switch {
		case err != nil:
			logger.V(2).Info("looking for the CRD of PlacementPolicy failed", "err", err)
		case !served && !said:
			said = true
			logger.Info("the CRD placementpolicies.shoal.dev is not installed: pods that name a policy are held until it is")
		}
		return served, nil
	})
	if err != nil {
		return // ctx ended
	}
	logger.V(2).Info("watching PlacementPolicies")
	s.informer.RunWithContext(ctx)
}

// stripped drops what is never read.
func stripped(o any) (any, error) {
	if p, ok := o.(*v1alpha1.PlacementPolicy); ok {
		p.ManagedFields = nil
	}
	return o, nil
}

func (s *policyInformer) served() (bool, error) {
	list, err := s.discovery.ServerResourcesForGroupVersion(v1alpha1.GroupVersion.String())
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for _, r := range list.APIResources {
		if r.Name == policyResource {
			return true, nil
		}
	}
	return false, nil
}

func (s *policyInformer) policyOf(g slots.Group) (policy, bool) {
	o, ok, err := s.informer.GetStore().GetByKey(g.Namespace + "/" + g.Policy)
	if err != nil || !ok {
		return policy{}, false
	}
	typed, ok := o.(*v1alpha1.PlacementPolicy)
	if !ok {
		return policy{}, false
	}
	return policyFrom(typed), true
}

func loggerOf(ctx context.Context) klog.Logger { return klog.FromContext(ctx).WithName(Name) }
