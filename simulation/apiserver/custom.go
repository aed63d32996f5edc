package apiserver

import (
	"fmt"
	"io/fs"
	"strings"

	apiextensionsinternal "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	apiservervalidation "k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apiextensions-apiserver/pkg/registry/customresource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/registry/generic"
	"k8s.io/apiserver/pkg/registry/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// customKind is a kind of a CRD, compiled once for all servers: its CEL rules take long.
type customKind struct {
	kind       schema.GroupVersionKind
	name       schema.GroupVersionResource
	structural *structuralschema.Structural
	fields     fieldKinds
	storage    func(generic.RESTOptionsGetter) (customresource.CustomResourceStorage, error)
}

func loadCRDs(manifests fs.FS) ([]customKind, error) {
	files, err := fs.Glob(manifests, "crds/shoal.dev_*.yaml")
	if err != nil {
		return nil, fmt.Errorf("looking for CRDs: %w", err)
	}
	var kinds []customKind
	for _, file := range files {
		text, err := fs.ReadFile(manifests, file)
		if err != nil {
			return nil, fmt.Errorf("reading a CRD: %w", err)
		}
		var crd apiextensionsv1.CustomResourceDefinition
		if err := yaml.UnmarshalStrict(text, &crd); err != nil {
			return nil, fmt.Errorf("reading %s: %w", file, err)
		}
		apiextensionsv1.SetDefaults_CustomResourceDefinition(&crd)
		kind, err := compile(&crd)
		if err != nil {
			return nil, fmt.Errorf("compiling %s: %w", file, err)
		}
		kinds = append(kinds, kind)
	}
	return kinds, nil
}

// compile does for the one version of a CRD what the API server does when it begins to serve it.
func compile(crd *apiextensionsv1.CustomResourceDefinition) (customKind, error) {
	v := crd.Spec.Versions[0]
	gv := schema.GroupVersion{Group: crd.Spec.Group, Version: v.Name}
	k := customKind{kind: gv.WithKind(crd.Spec.Names.Kind), name: gv.WithResource(crd.Spec.Names.Plural)}

	var validation apiextensionsinternal.CustomResourceValidation
	if err := apiextensionsv1.Convert_v1_CustomResourceValidation_To_apiextensions_CustomResourceValidation(v.Schema, &validation, nil); err != nil {
		return k, err
	}
	var err error
	if k.structural, err = structuralschema.NewStructural(validation.OpenAPIV3Schema); err != nil {
		return k, err
	}
	validator, _, err := apiservervalidation.NewSchemaValidator(validation.OpenAPIV3Schema)
	if err != nil {
		return k, err
	}
	statusSchema := validation.OpenAPIV3Schema.Properties["status"]
	statusValidator, _, err := apiservervalidation.NewSchemaValidator(&statusSchema)
	if err != nil {
		return k, err
	}
	var subresources apiextensionsinternal.CustomResourceSubresources
	if err := apiextensionsv1.Convert_v1_CustomResourceSubresources_To_apiextensions_CustomResourceSubresources(v.Subresources, &subresources, nil); err != nil {
		return k, err
	}
	strategy := customresource.NewStrategy(unstructuredTyper{}, crd.Spec.Scope == apiextensionsv1.NamespaceScoped, k.kind,
		validator, statusValidator, k.structural, subresources.Status, subresources.Scale, v.SelectableFields)
	k.fields = customFields(crd, v.Name, k.kind, k.structural)
	singular := schema.GroupResource{Group: gv.Group, Resource: strings.ToLower(crd.Spec.Names.Kind)}
	k.storage = func(o generic.RESTOptionsGetter) (customresource.CustomResourceStorage, error) {
		return customresource.NewStorage(k.name.GroupResource(), singular, k.kind, gv.WithKind(crd.Spec.Names.ListKind), strategy, o,
			crd.Spec.Names.Categories, rest.NewDefaultTableConvertor(k.name.GroupResource()), nil)
	}
	return k, nil
}

// unstructuredTyper takes the kind of an object from the object.
type unstructuredTyper struct{}

// ObjectKinds is the kind that the object names.
func (unstructuredTyper) ObjectKinds(o runtime.Object) ([]schema.GroupVersionKind, bool, error) {
	return []schema.GroupVersionKind{o.GetObjectKind().GroupVersionKind()}, false, nil
}

// Recognizes accepts every kind.
func (unstructuredTyper) Recognizes(schema.GroupVersionKind) bool { return true }

func (s *Server) addCustom(k customKind) error {
	prototype, err := s.scheme.New(k.kind)
	if err != nil {
		return fmt.Errorf("serving %s: %w", k.kind.Kind, err)
	}
	empty, ok := prototype.(client.Object)
	if !ok {
		return fmt.Errorf("serving %s: %T has no metadata", k.kind.Kind, prototype)
	}
	r := &resource{kind: k.kind, name: k.name, namespaced: true, empty: empty, fieldKinds: k.fields}
	stores, err := k.storage(s.options(r))
	if err != nil {
		return fmt.Errorf("making the registry of %s: %w", k.name.Resource, err)
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

// decode prunes unknown fields and fills in defaults, as decoding a request does.
func (k customKind) decode(o client.Object) (*unstructured.Unstructured, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
	if err != nil {
		return nil, fmt.Errorf("reading a %s: %w", k.kind.Kind, err)
	}
	u := &unstructured.Unstructured{Object: content}
	u.SetGroupVersionKind(k.kind)
	if t := o.GetCreationTimestamp(); t.IsZero() {
		u.SetCreationTimestamp(metav1.Time{})
	}
	pruning.Prune(u.Object, k.structural, true)
	defaulting.Default(u.Object, k.structural)
	return u, nil
}
