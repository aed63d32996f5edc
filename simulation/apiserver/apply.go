package apiserver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/apiserver/pkg/registry/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Apply merges what a field manager wants into an object (server-side apply), or creates the object; a subresource creates
// nothing. o says the kind and the name, body is the configuration in JSON or YAML. What another manager has set to another
// value is a conflict (409, with a cause for each field), unless options.Force takes it over. What the manager applied
// before and has left out now goes, unless others have it too.
func (s *Server) Apply(ctx context.Context, as string, o client.Object, sub string, options metav1.PatchOptions, body []byte) (client.Object, error) {
	if errs := metav1validation.ValidatePatchOptions(&options, types.ApplyYAMLPatchType); len(errs) > 0 {
		return nil, apierrors.NewInvalid(schema.GroupKind{Group: metav1.GroupName, Kind: "PatchOptions"}, "", errs)
	}
	c, err := s.begin(ctx, as, o, sub)
	if err != nil {
		return nil, err
	}
	to := c.updates[sub]
	if to == nil {
		return nil, apierrors.NewNotFound(c.name.GroupResource(), c.key.Name+"/"+sub)
	}
	info := rest.DefaultUpdatedObjectInfo(nil,
		func(_ context.Context, _, current runtime.Object) (runtime.Object, error) {
			return c.applied(current, options, body)
		},
		func(_ context.Context, object, current runtime.Object) (runtime.Object, error) {
			if uidOf(current) != "" {
				return object, nil
			}
			return object, c.admit(object)
		})
	update := &metav1.UpdateOptions{FieldManager: options.FieldManager}
	stored, _, err := to.Update(c.ctx, c.key.Name, info, c.onCreate(&metav1.CreateOptions{FieldManager: options.FieldManager}), c.onUpdate(update), sub == "", update)
	if err != nil {
		return nil, err
	}
	return c.toClient(stored)
}

// applied is the object after the merge.
func (c call) applied(current runtime.Object, options metav1.PatchOptions, body []byte) (runtime.Object, error) {
	configuration := &unstructured.Unstructured{Object: map[string]any{}}
	if err := yaml.Unmarshal(body, &configuration.Object); err != nil {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("error decoding patch: %v", err))
	}
	fields, err := c.fieldsOf(c.sub)
	if err != nil {
		return nil, err
	}
	born := uidOf(current) == ""
	switch {
	case born:
		if current, err = c.new(); err != nil {
			return nil, err
		}
	case !managed(current):
		if current, err = c.remembered(current); err != nil {
			return nil, err
		}
	}
	merged, err := fields.Apply(current, configuration, options.FieldManager, options.Force != nil && *options.Force)
	if err != nil {
		return nil, inOrder(err)
	}
	if born && uidOf(merged) != "" {
		return nil, apierrors.NewConflict(c.name.GroupResource(), c.key.Name,
			fmt.Errorf("uid mismatch: the provided object specified uid %s, and no existing object was found", uidOf(merged)))
	}
	return merged, c.sameName(merged)
}

// inOrder sorts the causes of a conflict. The library has them in the order of a map, and a seed must be the same each time.
func inOrder(err error) error {
	if conflict := (*apierrors.StatusError)(nil); errors.As(err, &conflict) && conflict.ErrStatus.Details != nil {
		slices.SortFunc(conflict.ErrStatus.Details.Causes, func(a, b metav1.StatusCause) int {
			return cmp.Or(cmp.Compare(a.Field, b.Field), cmp.Compare(a.Message, b.Message))
		})
	}
	return err
}

// sameName refuses a configuration that is of another object than the request.
func (c call) sameName(object runtime.Object) error {
	o, err := meta.Accessor(object)
	if err != nil {
		return err
	}
	if err := rest.EnsureObjectNamespaceMatchesRequestNamespace(rest.ExpectedNamespaceForResource(c.key.Namespace, c.name), o); err != nil {
		return err
	}
	if o.GetName() != c.key.Name {
		return apierrors.NewBadRequest(fmt.Sprintf("the name of the object (%s) does not match the name on the URL (%s)", o.GetName(), c.key.Name))
	}
	return nil
}

func uidOf(o runtime.Object) types.UID {
	accessor, err := meta.Accessor(o)
	if err != nil {
		return ""
	}
	return accessor.GetUID()
}
