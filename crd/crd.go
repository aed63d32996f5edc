// Package crd is what the API server makes of Shoal's CRDs: for each kind its schema, with the pruning of unknown fields, the
// defaults, and the validation with CEL rules, all by the API server's own code. The simulated API server stores objects with
// it, and `kubectl shoal lint` judges files by it. It reads CRDs from the files that it is given, and nothing else.
package crd

import (
	"context"
	"fmt"
	"io/fs"
	"strings"

	apiextensionsinternal "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/objectmeta"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	apiservervalidation "k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apiextensions-apiserver/pkg/registry/customresource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/registry/generic"
	"k8s.io/apiserver/pkg/registry/rest"
	"sigs.k8s.io/yaml"
)

// Kind is a kind of a CRD, compiled once: its CEL rules take long. It may be used by several goroutines.
type Kind struct {
	CRD        *apiextensionsv1.CustomResourceDefinition
	GVK        schema.GroupVersionKind
	Resource   schema.GroupVersionResource
	Structural *structuralschema.Structural
	// Storage makes the registry of the kind.
	Storage func(generic.RESTOptionsGetter) (customresource.CustomResourceStorage, error)

	strategy interface {
		rest.RESTCreateStrategy
		rest.RESTUpdateStrategy
	}
}

// Load reads and compiles the CRDs in the folder crds of the folder manifests.
func Load(manifests fs.FS) ([]*Kind, error) {
	files, err := fs.Glob(manifests, "crds/shoal.dev_*.yaml")
	if err != nil {
		return nil, fmt.Errorf("looking for CRDs: %w", err)
	}
	var kinds []*Kind
	for _, file := range files {
		text, err := fs.ReadFile(manifests, file)
		if err != nil {
			return nil, fmt.Errorf("reading a CRD: %w", err)
		}
		definition, err := Parse(text)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", file, err)
		}
		kind, err := compile(definition)
		if err != nil {
			return nil, fmt.Errorf("compiling %s: %w", file, err)
		}
		kinds = append(kinds, kind)
	}
	return kinds, nil
}

// Parse reads one CRD, with the defaults that the API server fills in.
func Parse(text []byte) (*apiextensionsv1.CustomResourceDefinition, error) {
	definition := &apiextensionsv1.CustomResourceDefinition{}
	if err := yaml.UnmarshalStrict(text, definition); err != nil {
		return nil, err
	}
	apiextensionsv1.SetDefaults_CustomResourceDefinition(definition)
	return definition, nil
}

// compile does for the one version of a CRD what the API server does when it begins to serve it.
func compile(crd *apiextensionsv1.CustomResourceDefinition) (*Kind, error) {
	v := crd.Spec.Versions[0]
	gv := schema.GroupVersion{Group: crd.Spec.Group, Version: v.Name}
	k := &Kind{CRD: crd, GVK: gv.WithKind(crd.Spec.Names.Kind), Resource: gv.WithResource(crd.Spec.Names.Plural)}

	var validation apiextensionsinternal.CustomResourceValidation
	if err := apiextensionsv1.Convert_v1_CustomResourceValidation_To_apiextensions_CustomResourceValidation(v.Schema, &validation, nil); err != nil {
		return nil, err
	}
	var err error
	if k.Structural, err = structuralschema.NewStructural(validation.OpenAPIV3Schema); err != nil {
		return nil, err
	}
	validator, _, err := apiservervalidation.NewSchemaValidator(validation.OpenAPIV3Schema)
	if err != nil {
		return nil, err
	}
	statusSchema := validation.OpenAPIV3Schema.Properties["status"]
	statusValidator, _, err := apiservervalidation.NewSchemaValidator(&statusSchema)
	if err != nil {
		return nil, err
	}
	var subresources apiextensionsinternal.CustomResourceSubresources
	if err := apiextensionsv1.Convert_v1_CustomResourceSubresources_To_apiextensions_CustomResourceSubresources(v.Subresources, &subresources, nil); err != nil {
		return nil, err
	}
	strategy := customresource.NewStrategy(unstructuredTyper{}, crd.Spec.Scope == apiextensionsv1.NamespaceScoped, k.GVK,
		validator, statusValidator, k.Structural, subresources.Status, subresources.Scale, v.SelectableFields)
	k.strategy = strategy
	singular := schema.GroupResource{Group: gv.Group, Resource: strings.ToLower(crd.Spec.Names.Kind)}
	k.Storage = func(o generic.RESTOptionsGetter) (customresource.CustomResourceStorage, error) {
		return customresource.NewStorage(k.Resource.GroupResource(), singular, k.GVK, gv.WithKind(crd.Spec.Names.ListKind), strategy, o,
			crd.Spec.Names.Categories, rest.NewDefaultTableConvertor(k.Resource.GroupResource()), nil)
	}
	return k, nil
}

// Complete prunes unknown fields and fills in defaults, as decoding a request does.
func (k *Kind) Complete(u *unstructured.Unstructured) {
	pruning.Prune(u.Object, k.Structural, true)
	defaulting.Default(u.Object, k.Structural)
}

// Judge does to an object what its creation would: unknown fields are taken out and named, defaults filled in, and what is
// wrong with the rest is told. The status is left out, as creations leave it out.
func (k *Kind) Judge(ctx context.Context, u *unstructured.Unstructured) (unknown []string, wrong field.ErrorList) {
	options := structuralschema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true}
	unknown = pruning.PruneWithOptions(u.Object, k.Structural, true, options)
	meta, _, inMeta, err := objectmeta.GetObjectMetaWithOptions(u.Object, objectmeta.ObjectMetaOptions{ReturnUnknownFieldPaths: true})
	if err != nil {
		return unknown, field.ErrorList{field.Invalid(field.NewPath("metadata"), "", err.Error())}
	}
	unknown = append(unknown, inMeta...)
	if err := objectmeta.SetObjectMeta(u.Object, meta); err != nil {
		return unknown, field.ErrorList{field.Invalid(field.NewPath("metadata"), "", err.Error())}
	}
	defaulting.Default(u.Object, k.Structural)
	k.strategy.PrepareForCreate(ctx, u)
	return unknown, k.strategy.Validate(ctx, u)
}

// JudgeUpdate says what is wrong with an object that is to take the place of another one, which is stored: as Judge, and with the rules about
// what cannot be changed. Both have their defaults (Complete).
func (k *Kind) JudgeUpdate(ctx context.Context, u, stored *unstructured.Unstructured) field.ErrorList {
	u, stored = u.DeepCopy(), stored.DeepCopy()
	u.SetResourceVersion(stored.GetResourceVersion())
	u.SetUID(stored.GetUID())
	k.strategy.PrepareForUpdate(ctx, u, stored)
	return k.strategy.ValidateUpdate(ctx, u, stored)
}

// unstructuredTyper takes the kind of an object from the object.
type unstructuredTyper struct{}

// ObjectKinds is the kind that the object names.
func (unstructuredTyper) ObjectKinds(o runtime.Object) ([]schema.GroupVersionKind, bool, error) {
	return []schema.GroupVersionKind{o.GetObjectKind().GroupVersionKind()}, false, nil
}

// Recognizes accepts every kind.
func (unstructuredTyper) Recognizes(schema.GroupVersionKind) bool { return true }
