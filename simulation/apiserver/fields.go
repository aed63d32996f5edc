package apiserver

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/controller/openapi/builder"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/client-go/applyconfigurations"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// Who owns which field is kept from the first apply of an object on, and not before: hardly anything is ever applied in a
// simulation, and to keep it for every write would cost more than the write. A client that applies cannot tell, for the
// server remembers who wrote what, and makes the entries up at the first apply, as the writes would have left them. One
// that reads metadata.managedFields of an object that was never applied can: they are empty.

// write is who made a change, for the managed fields that may have to be made of it.
type write struct {
	manager, sub string         // no manager for what the real server does not record: bindings and deletions
	sent         runtime.Object // what a creation had in it before admission added to it
	at           time.Time
}

// managerOf is the field manager of a request that names none: the real server takes the program's name from the user
// agent, and this one the last part of the user's name.
func managerOf(user string) string { return user[strings.LastIndex(user, ":")+1:] }

// fieldKinds are the parts from which the real server makes the field manager of a resource.
type fieldKinds struct {
	types     func() (managedfields.TypeConverter, error)
	converter runtime.ObjectConvertor
	defaulter runtime.ObjectDefaulter
	maker     runtime.ObjectCreater
	hub       schema.GroupVersion
	custom    bool
}

var builtInTypes = sync.OnceValue(func() managedfields.TypeConverter { return applyconfigurations.NewTypeConverter(legacyscheme.Scheme) })

func builtInFields(group string) fieldKinds {
	return fieldKinds{
		types:     func() (managedfields.TypeConverter, error) { return builtInTypes(), nil },
		converter: runtime.UnsafeObjectConvertor(legacyscheme.Scheme), defaulter: legacyscheme.Scheme, maker: legacyscheme.Scheme,
		hub: schema.GroupVersion{Group: group, Version: runtime.APIVersionInternal},
	}
}

// customFields are those of a CRD. The types of its fields come from its schema, which says which lists are sets or maps.
func customFields(crd *apiextensionsv1.CustomResourceDefinition, version string, kind schema.GroupVersionKind, s *structuralschema.Structural) fieldKinds {
	u := customObjects{kind, s}
	return fieldKinds{
		types: sync.OnceValues(func() (managedfields.TypeConverter, error) {
			spec, err := builder.BuildOpenAPIV3(crd, version, builder.Options{})
			if err != nil {
				return nil, fmt.Errorf("describing the fields of %s: %w", kind.Kind, err)
			}
			return managedfields.NewTypeConverter(spec.Components.Schemas, crd.Spec.PreserveUnknownFields)
		}),
		converter: u, defaulter: u, maker: u, hub: kind.GroupVersion(), custom: true,
	}
}

// fieldsOf is the field manager for what a subresource shows, "" for the resource itself.
func (r *resource) fieldsOf(sub string) (*managedfields.FieldManager, error) {
	if known := r.fields[sub]; known != nil {
		return known, nil
	}
	types, err := r.fieldKinds.types()
	if err != nil {
		return nil, err
	}
	var reset map[fieldpath.APIVersion]fieldpath.Filter
	switch s := r.updates[sub].(type) {
	case rest.ResetFieldsStrategy:
		reset = fieldpath.NewExcludeFilterSetMap(s.GetResetFields())
	case rest.ResetFieldsFilterStrategy:
		reset = s.GetResetFieldsFilter()
	}
	newManager, k := managedfields.NewDefaultFieldManager, r.fieldKinds
	if k.custom {
		newManager = managedfields.NewDefaultCRDFieldManager
	}
	made, err := newManager(types, k.converter, k.defaulter, k.maker, r.kind, k.hub, sub, reset)
	if err != nil {
		return nil, fmt.Errorf("making the field manager of %s: %w", r.name.Resource, err)
	}
	if r.fields == nil {
		r.fields = map[string]*managedfields.FieldManager{}
	}
	r.fields[sub] = made
	return made, nil
}

// new is an empty object, as the merge of a first apply begins with it.
func (r *resource) new() (runtime.Object, error) { return r.maker.New(r.kind) }

func managed(o runtime.Object) bool {
	accessor, err := meta.Accessor(o)
	return err == nil && len(accessor.GetManagedFields()) > 0
}

// tracked keeps who owns what when something that was applied before is written in another way. Of all other objects nothing
// is kept, and what a client sends is dropped.
func (c call) tracked(_ context.Context, object, current runtime.Object) (runtime.Object, error) {
	if !managed(current) {
		return object, dropManaged(object)
	}
	fields, err := c.fieldsOf(c.sub)
	if err != nil {
		return nil, err
	}
	return fields.UpdateNoErrors(current, object, managerOf(c.user.GetName())), nil
}

func dropManaged(object runtime.Object) error {
	accessor, err := meta.Accessor(object)
	if err != nil {
		return err
	}
	accessor.SetManagedFields(nil)
	return nil
}

// remembered is an object with the managed fields that all writes to it until now would have left.
func (c call) remembered(current runtime.Object) (runtime.Object, error) {
	before, err := c.new()
	if err != nil {
		return nil, err
	}
	for n, e := range c.s.events {
		if c.s.byKind(e.Object) != c.resource || e.Object.GetUID() != uidOf(current) {
			continue
		}
		if len(e.Object.GetManagedFields()) > 0 { // it was applied before, and then somebody cleared them: nobody knows any more
			return current, nil
		}
		if before, err = c.replayed(before, e.Object, c.s.writes[n]); err != nil {
			return nil, err
		}
	}
	entries, err := meta.Accessor(before)
	if err != nil {
		return nil, err
	}
	remembering := current.DeepCopyObject()
	accessor, err := meta.Accessor(remembering)
	if err != nil {
		return nil, err
	}
	accessor.SetManagedFields(entries.GetManagedFields())
	return remembering, nil
}

// replayed is an object after one of the writes to it, with the managed fields that this write would have left.
func (c call) replayed(before runtime.Object, after client.Object, by write) (runtime.Object, error) {
	object, err := c.fromClient(after)
	if err != nil {
		return nil, err
	}
	written := object
	if by.sent != nil {
		written = by.sent.DeepCopyObject()
	}
	old, err := meta.Accessor(before)
	if err != nil {
		return nil, err
	}
	entries := old.GetManagedFields()
	if by.manager != "" {
		fields, err := c.fieldsOf(by.sub)
		if err != nil {
			return nil, err
		}
		now, err := meta.Accessor(fields.UpdateNoErrors(before, written, by.manager))
		if err != nil {
			return nil, err
		}
		entries = now.GetManagedFields()
		for n := range entries { // those that this write has made or changed say that it was now
			if at := metav1.NewTime(by.at.UTC()); entries[n].Time != nil && entries[n].Time.After(by.at) {
				entries[n].Time = &at
			}
		}
	}
	accessor, err := meta.Accessor(object)
	if err != nil {
		return nil, err
	}
	accessor.SetManagedFields(entries)
	return object, nil
}

// customObjects makes, converts and completes objects of a CRD as its handler does: of the one version, pruned, and with
// defaults.
type customObjects struct {
	kind       schema.GroupVersionKind
	structural *structuralschema.Structural
}

// New makes an empty object.
func (c customObjects) New(kind schema.GroupVersionKind) (runtime.Object, error) {
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(kind)
	return u, nil
}

// Default fills in defaults.
func (c customObjects) Default(o runtime.Object) {
	if u, ok := o.(*unstructured.Unstructured); ok {
		defaulting.Default(u.Object, c.structural)
	}
}

// ConvertToVersion has one version only.
func (c customObjects) ConvertToVersion(o runtime.Object, _ runtime.GroupVersioner) (runtime.Object, error) {
	u, ok := o.(*unstructured.Unstructured)
	if !ok {
		return nil, fmt.Errorf("converting a %T: it is no custom resource", o)
	}
	u.SetGroupVersionKind(c.kind)
	pruning.Prune(u.Object, c.structural, true)
	return u, nil
}

// Convert is not needed: nothing converts into an object that is there.
func (c customObjects) Convert(in, _, _ any) error {
	return fmt.Errorf("converting a %T into another object: not offered", in)
}

// ConvertFieldLabel is not needed: nothing is selected.
func (c customObjects) ConvertFieldLabel(_ schema.GroupVersionKind, label, value string) (string, string, error) {
	return label, value, nil
}
