package apiserver

import (
	"context"
	"fmt"
	"reflect"

	"k8s.io/apiextensions-apiserver/pkg/registry/customresource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/apiserver/pkg/registry/generic"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/storage/storagebackend"
	"k8s.io/apiserver/pkg/storage/storagebackend/factory"
	"k8s.io/client-go/tools/cache"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	"k8s.io/kubernetes/pkg/apis/apps"
	"k8s.io/kubernetes/pkg/apis/core"
	policyapi "k8s.io/kubernetes/pkg/apis/policy"
	storageapi "k8s.io/kubernetes/pkg/apis/storage"
	"k8s.io/kubernetes/pkg/registry/apps/controllerrevision"
	"k8s.io/kubernetes/pkg/registry/apps/statefulset"
	"k8s.io/kubernetes/pkg/registry/core/node"
	"k8s.io/kubernetes/pkg/registry/core/persistentvolume"
	"k8s.io/kubernetes/pkg/registry/core/persistentvolumeclaim"
	podstorage "k8s.io/kubernetes/pkg/registry/core/pod/storage"
	"k8s.io/kubernetes/pkg/registry/core/service"
	"k8s.io/kubernetes/pkg/registry/policy/poddisruptionbudget"
	"k8s.io/kubernetes/pkg/registry/storage/storageclass"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	storagev1 "k8s.io/api/storage/v1"

	"github.com/shoal-dev/shoal/api/v1alpha1"

	_ "k8s.io/kubernetes/pkg/apis/apps/install"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	_ "k8s.io/kubernetes/pkg/apis/policy/install"
	_ "k8s.io/kubernetes/pkg/apis/storage/install"
)

// updater is what subresources and resources have in common.
type updater interface {
	Update(ctx context.Context, name string, info rest.UpdatedObjectInfo, create rest.ValidateObjectFunc,
		update rest.ValidateObjectUpdateFunc, force bool, o *metav1.UpdateOptions) (runtime.Object, bool, error)
}

// registry is what every resource can do.
type registry interface {
	updater
	rest.Getter
	rest.GracefulDeleter
	Create(ctx context.Context, obj runtime.Object, validate rest.ValidateObjectFunc, o *metav1.CreateOptions) (runtime.Object, error)
}

// resource is one resource of the server.
type resource struct {
	kind       schema.GroupVersionKind
	name       schema.GroupVersionResource
	namespaced bool
	empty      client.Object // of the type that clients use

	main    registry
	updates map[string]updater        // by subresource; "" is the resource itself
	binding rest.NamedCreater         // pods only
	scale   *customresource.ScaleREST // custom resources that can be scaled only
	store   *memory
	fieldKinds
	fields map[string]*managedfields.FieldManager // by subresource, made when the first of that kind is applied

	fromClient func(client.Object) (runtime.Object, error) // decoded, with defaults
	toClient   func(runtime.Object) (client.Object, error)
}

// newEmpty is an empty object of the type that clients use.
func (r *resource) newEmpty() client.Object {
	return reflect.New(reflect.TypeOf(r.empty).Elem()).Interface().(client.Object)
}

func (s *Server) add(r *resource) {
	s.resources = append(s.resources, r)
	s.byType[reflect.TypeOf(r.empty)] = r
}

// prefix is where the real server keeps the objects, below /registry. Messages name it.
func (r *resource) prefix() string {
	switch r.name.Resource {
	case "nodes":
		return "minions"
	case "services":
		return "services/specs"
	}
	if r.name.Group == v1alpha1.GroupName {
		return r.name.Group + "/" + r.name.Resource
	}
	return r.name.Resource
}

// options make a registry store into memory.
func (s *Server) options(r *resource) generic.RESTOptions {
	r.store = &memory{server: s, resource: r, objects: map[string]runtime.Object{}}
	return generic.RESTOptions{
		StorageConfig:           &storagebackend.ConfigForResource{},
		EnableGarbageCollection: true,
		DeleteCollectionWorkers: 1,
		ResourcePrefix:          r.prefix(),
		Decorator: func(*storagebackend.ConfigForResource, string, func(runtime.Object) (string, error), func() runtime.Object,
			func() runtime.Object, storage.AttrFunc, storage.IndexerFuncs, *cache.Indexers) (storage.Interface, factory.DestroyFunc, error) {
			return r.store, func() {}, nil
		},
	}
}

// strategy is what the registries of Kubernetes export for each resource.
type strategy interface {
	rest.RESTCreateStrategy
	rest.RESTUpdateStrategy
	rest.RESTDeleteStrategy
}

func builtIn(empty client.Object, group, kind, plural string) *resource {
	gv := schema.GroupVersion{Group: group, Version: "v1"}
	r := &resource{kind: gv.WithKind(kind), name: gv.WithResource(plural), empty: empty, updates: map[string]updater{}, fieldKinds: builtInFields(group)}
	r.fromClient = func(o client.Object) (runtime.Object, error) {
		decoded := o.DeepCopyObject()
		legacyscheme.Scheme.Default(decoded)
		return legacyscheme.Scheme.ConvertToVersion(decoded, schema.GroupVersion{Group: group, Version: runtime.APIVersionInternal})
	}
	r.toClient = func(o runtime.Object) (client.Object, error) {
		versioned, err := legacyscheme.Scheme.ConvertToVersion(o, gv)
		if err != nil {
			return nil, err
		}
		typed, ok := versioned.(client.Object)
		if !ok {
			return nil, fmt.Errorf("converting a %T: it has no metadata", versioned)
		}
		typed.GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{})
		return typed, nil
	}
	return r
}

func (s *Server) addStore(r *resource, object, list func() runtime.Object, main strategy, status rest.RESTUpdateStrategy) error {
	r.namespaced = main.NamespaceScoped()
	store := &genericregistry.Store{
		NewFunc: object, NewListFunc: list,
		DefaultQualifiedResource:  r.name.GroupResource(),
		SingularQualifiedResource: r.name.GroupResource(),
		CreateStrategy:            main, UpdateStrategy: main, DeleteStrategy: main,
		TableConvertor: rest.NewDefaultTableConvertor(r.name.GroupResource()),
	}
	if err := store.CompleteWithOptions(&generic.StoreOptions{RESTOptions: s.options(r)}); err != nil {
		return fmt.Errorf("making the registry of %s: %w", r.name.Resource, err)
	}
	store.ResetFieldsStrategy, _ = main.(rest.ResetFieldsStrategy)
	r.main, r.updates[""] = store, store
	if status != nil {
		statusStore := *store
		statusStore.UpdateStrategy = status
		statusStore.ResetFieldsStrategy, _ = status.(rest.ResetFieldsStrategy)
		r.updates["status"] = &statusStore
	}
	s.add(r)
	return nil
}

// addBuiltIn adds the resources of Kubernetes that Shoal and the models of the simulation use.
func (s *Server) addBuiltIn() error {
	for _, add := range []func() error{
		s.addPods,
		func() error {
			return s.addStore(builtIn(&corev1.Node{}, "", "Node", "nodes"),
				func() runtime.Object { return &core.Node{} }, func() runtime.Object { return &core.NodeList{} }, node.Strategy, node.StatusStrategy)
		},
		func() error {
			return s.addStore(builtIn(&corev1.PersistentVolumeClaim{}, "", "PersistentVolumeClaim", "persistentvolumeclaims"),
				func() runtime.Object { return &core.PersistentVolumeClaim{} }, func() runtime.Object { return &core.PersistentVolumeClaimList{} },
				persistentvolumeclaim.Strategy, persistentvolumeclaim.StatusStrategy)
		},
		func() error {
			return s.addStore(builtIn(&corev1.PersistentVolume{}, "", "PersistentVolume", "persistentvolumes"),
				func() runtime.Object { return &core.PersistentVolume{} }, func() runtime.Object { return &core.PersistentVolumeList{} },
				persistentvolume.Strategy, persistentvolume.StatusStrategy)
		},
		func() error {
			return s.addStore(builtIn(&corev1.Service{}, "", "Service", "services"),
				func() runtime.Object { return &core.Service{} }, func() runtime.Object { return &core.ServiceList{} }, service.Strategy, service.StatusStrategy)
		},
		func() error {
			return s.addStore(builtIn(&storagev1.StorageClass{}, "storage.k8s.io", "StorageClass", "storageclasses"),
				func() runtime.Object { return &storageapi.StorageClass{} }, func() runtime.Object { return &storageapi.StorageClassList{} }, storageclass.Strategy, nil)
		},
		func() error {
			return s.addStore(builtIn(&appsv1.StatefulSet{}, "apps", "StatefulSet", "statefulsets"),
				func() runtime.Object { return &apps.StatefulSet{} }, func() runtime.Object { return &apps.StatefulSetList{} }, statefulset.Strategy, statefulset.StatusStrategy)
		},
		func() error {
			return s.addStore(builtIn(&appsv1.ControllerRevision{}, "apps", "ControllerRevision", "controllerrevisions"),
				func() runtime.Object { return &apps.ControllerRevision{} }, func() runtime.Object { return &apps.ControllerRevisionList{} },
				controllerrevision.Strategy, nil)
		},
		func() error {
			return s.addStore(builtIn(&policyv1.PodDisruptionBudget{}, "policy", "PodDisruptionBudget", "poddisruptionbudgets"),
				func() runtime.Object { return &policyapi.PodDisruptionBudget{} }, func() runtime.Object { return &policyapi.PodDisruptionBudgetList{} },
				poddisruptionbudget.Strategy, poddisruptionbudget.StatusStrategy)
		},
	} {
		if err := add(); err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) addPods() error {
	r := builtIn(&corev1.Pod{}, "", "Pod", "pods")
	r.namespaced = true
	pods, err := podstorage.NewStorage(s.options(r), nil, nil, nil, nil)
	if err != nil {
		return fmt.Errorf("making the registry of pods: %w", err)
	}
	r.main, r.binding = pods.Pod, pods.Binding
	r.updates = map[string]updater{"": pods.Pod, "status": pods.Status, "resize": pods.Resize}
	s.add(r)
	return nil
}
