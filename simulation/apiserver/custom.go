package apiserver

import (
	"fmt"
	"io/fs"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/crd"
)

// customKind is a kind of a CRD, compiled once for all servers.
type customKind struct {
	*crd.Kind
	fields fieldKinds
}

func loadCRDs(manifests fs.FS) ([]customKind, error) {
	compiled, err := crd.Load(manifests)
	if err != nil {
		return nil, err
	}
	var kinds []customKind
	for _, k := range compiled {
		kinds = append(kinds, customKind{k, customFields(k.CRD, k.GVK.Version, k.GVK, k.Structural)})
	}
	return kinds, nil
}

func (s *Server) addCustom(k customKind) error {
	prototype, err := s.scheme.New(k.GVK)
	if err != nil {
		return fmt.Errorf("serving %s: %w", k.GVK.Kind, err)
	}
	empty, ok := prototype.(client.Object)
	if !ok {
		return fmt.Errorf("serving %s: %T has no metadata", k.GVK.Kind, prototype)
	}
	r := &resource{kind: k.GVK, name: k.Resource, namespaced: true, empty: empty, fieldKinds: k.fields}
	stores, err := k.Storage(s.options(r))
	if err != nil {
		return fmt.Errorf("making the registry of %s: %w", k.Resource.Resource, err)
	}
	r.main = stores.CustomResource
	r.updates = map[string]updater{"": stores.CustomResource, "status": stores.Status}
	r.scale = stores.Scale
	r.fromClient = func(o client.Object) (runtime.Object, error) { return k.decode(o) }
	r.toClient = func(o runtime.Object) (client.Object, error) {
		u, ok := o.(*unstructured.Unstructured)
		if !ok {
			return nil, fmt.Errorf("converting a %T: it is no custom resource", o)
		}
		typed := r.newEmpty()
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, typed); err != nil {
			return nil, err
		}
		typed.GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{})
		return typed, nil
	}
	s.add(r)
	return nil
}

// decode makes of an object what decoding a request does.
func (k customKind) decode(o client.Object) (*unstructured.Unstructured, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
	if err != nil {
		return nil, fmt.Errorf("reading a %s: %w", k.GVK.Kind, err)
	}
	u := &unstructured.Unstructured{Object: content}
	u.SetGroupVersionKind(k.GVK)
	if t := o.GetCreationTimestamp(); t.IsZero() {
		u.SetCreationTimestamp(metav1.Time{})
	}
	k.Complete(u)
	return u, nil
}
