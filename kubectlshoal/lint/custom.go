package lint

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/crd"
	"github.com/shoal-dev/shoal/spelling"
)

// metaFields are those of metadata that a person writes.
var metaFields = []string{"name", "generateName", "namespace", "labels", "annotations", "finalizers", "ownerReferences"}

// custom judges an object of one of our kinds as the API server would when it is created.
func (l *linter) custom(ctx context.Context, o object, k *crd.Kind) {
	l.Objects++
	u := &unstructured.Unstructured{Object: runtime.DeepCopyJSON(o.value)}
	if u.GetNamespace() == "" {
		u.SetNamespace("default") // whoever applies it says where
	}
	if u.GetName() == "" && u.GetGenerateName() != "" {
		u.SetName(u.GetGenerateName() + "xxxxx") // as the API server makes one, before it looks at it
	}
	unknown, wrong := k.Judge(ctx, u)
	for _, path := range unknown {
		l.add(o, path, "unknown field"+guess(k.Structural, path), "")
	}
	bad := false
	for _, err := range wrong {
		if strings.HasPrefix(err.Detail, "some validation rules were not checked") {
			continue // they will be, when the rest is right
		}
		if len(wrong) > 1 && strings.Contains(err.Detail, "accessor error") {
			continue // of the subresource scale, which finds no number where the schema has said so
		}
		l.add(o, strings.Trim(strings.TrimPrefix(err.Field, "<nil>"), "."), textOf(err), "")
		bad = true
	}
	if bad {
		return
	}
	switch k.GVK.Kind {
	case "PlacementPolicy":
		p := &v1alpha1.PlacementPolicy{}
		if runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, p) == nil {
			l.policies = append(l.policies, policy{o, p})
		}
	case "InstanceSet":
		s := &v1alpha1.InstanceSet{}
		if runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, s) == nil {
			l.sets = append(l.sets, set{o, s})
			l.configuration(set{o, s})
		}
	}
}

// textOf leaves out the value where it is a whole object: it stands in the file.
func textOf(err *field.Error) string {
	switch value := err.BadValue.(type) {
	case map[string]any, []any, nil:
		if err.Detail != "" {
			return err.Detail
		}
	case string:
		if value == "object" || value == "array" {
			return err.Detail
		}
	}
	return err.ErrorBody()
}

// guess offers the nearest field that exists beside an unknown one.
func guess(s *structuralschema.Structural, path string) string {
	if name, inMeta := strings.CutPrefix(path, "metadata."); inMeta {
		return spelling.Guess(name, metaFields)
	}
	words := strings.Split(path, ".")
	for _, word := range words[:len(words)-1] {
		name, _, listed := strings.Cut(word, "[")
		if s = below(s, name); s != nil && listed {
			s = s.Items
		}
	}
	if s == nil {
		return ""
	}
	known := slices.Sorted(maps.Keys(s.Properties))
	last := words[len(words)-1]
	if near := spelling.Guess(last, known); near != "" || len(known) > 8 {
		return near
	}
	return fmt.Sprintf(": expected %s", strings.Join(known, ", "))
}

func below(s *structuralschema.Structural, name string) *structuralschema.Structural {
	if s == nil {
		return nil
	}
	if p, ok := s.Properties[name]; ok {
		return &p
	}
	if s.AdditionalProperties != nil {
		return s.AdditionalProperties.Structural
	}
	return nil
}

// Unchangeable are what the API server would say against an InstanceSet that takes the place of one that is stored. Both get their defaults.
func Unchangeable(ctx context.Context, stored, becomes *unstructured.Unstructured) ([]string, error) {
	kinds, err := kinds()
	if err != nil {
		return nil, err
	}
	k := kinds[slices.IndexFunc(kinds, func(k *crd.Kind) bool { return k.GVK.Kind == "InstanceSet" })]
	k.Complete(stored)
	k.Complete(becomes)
	said := []string{}
	for _, err := range k.JudgeUpdate(ctx, becomes, stored) {
		if !strings.HasPrefix(err.Detail, "some validation rules were not checked") {
			said = append(said, strings.Trim(strings.TrimPrefix(err.Field, "<nil>"), ".")+": "+textOf(err))
		}
	}
	return said, nil
}
