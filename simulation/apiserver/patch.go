package apiserver

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/registry/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Patch changes an object, or what a subresource shows of it ("" is the object itself). o says the kind and the name.
// JSON patches, JSON merge patches and, for built-in kinds, strategic merge patches are understood. For server-side apply
// there is Apply, which needs to know the field manager.
func (s *Server) Patch(ctx context.Context, as string, o client.Object, sub string, kind types.PatchType, patch []byte) (client.Object, error) {
	c, err := s.begin(ctx, as, o, sub)
	if err != nil {
		return nil, err
	}
	return c.update(rest.DefaultUpdatedObjectInfo(nil, func(_ context.Context, _, current runtime.Object) (runtime.Object, error) {
		return c.patched(current, kind, patch)
	}, c.tracked))
}

func (c call) patched(current runtime.Object, kind types.PatchType, patch []byte) (runtime.Object, error) {
	versioned, err := c.toClient(current)
	if err != nil {
		return nil, err
	}
	if versioned.GetUID() == "" { // Services may be created by an update, but not by a patch
		return nil, apierrors.NewNotFound(c.name.GroupResource(), c.key.Name)
	}
	before, err := json.Marshal(versioned)
	if err != nil {
		return nil, err
	}
	var after []byte
	switch kind {
	case types.MergePatchType:
		var object map[string]any // what is no object is refused before anything is read of it
		if err := json.Unmarshal(patch, &object); err != nil {
			return nil, apierrors.NewBadRequest("error decoding patch: " + err.Error())
		}
		after, err = jsonpatch.MergePatch(before, patch)
	case types.JSONPatchType:
		if after, err = jsonPatched(before, patch); err != nil {
			return nil, err
		}
	case types.StrategicMergePatchType:
		after, err = strategicpatch.StrategicMergePatch(before, patch, versioned)
	default:
		return nil, apierrors.NewGenericServerResponse(415, "patch", c.name.GroupResource(), c.key.Name, fmt.Sprintf("no such kind of patch: %s", kind), 0, false)
	}
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	changed := c.newEmpty()
	if err := json.Unmarshal(after, changed); err != nil {
		return nil, apierrors.NewInvalid(schema.GroupKind{}, "", field.ErrorList{field.Invalid(field.NewPath("patch"), string(after), err.Error())})
	}
	if changed.GetName() != c.key.Name {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("the name of the object (%s) does not match the name on the URL (%s)", changed.GetName(), c.key.Name))
	}
	return c.fromClient(changed)
}

func jsonPatched(before, patch []byte) ([]byte, error) {
	operations, err := jsonpatch.DecodePatch(patch)
	if err != nil {
		return nil, apierrors.NewBadRequest("error decoding patch: " + err.Error())
	}
	after, err := operations.Apply(before)
	if err != nil {
		return nil, apierrors.NewGenericServerResponse(http.StatusUnprocessableEntity, "", schema.GroupResource{}, "", err.Error(), 0, false)
	}
	return after, nil
}
