package answer

import (
	"context"
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/kubectlshoal/snapshot"
	"github.com/shoal-dev/shoal/podspec"
)

// Undo is what puts the template of a revision back.
type Undo struct {
	Set *v1alpha1.InstanceSet
	// Revision is what is put back, Template its pod template as it is stored, and Change what would come of it.
	Revision PastRevision
	Template json.RawMessage
	// Configuration is spec.configuration as the revision has it, nil for none.
	Configuration *v1alpha1.Configuration
	Change        *SetDiff
}

// UndoOf says what putting back a revision of spec.template takes; 0 is the one that the last update ended with or, where that is
// asked for, the one before. What cannot be put back is an error.
func UndoOf(ctx context.Context, c *snapshot.Cluster, namespace, name string, number int64, judge Judge) (*Undo, error) {
	set := snapshot.Find(c.Sets, namespace, name)
	switch {
	case set == nil:
		return nil, fmt.Errorf("there is no InstanceSet %s in namespace %s%s", name, namespace, similarSets(c, namespace, name))
	case set.DeletionTimestamp != nil:
		return nil, fmt.Errorf("InstanceSet %s is being deleted: there is nothing to go back to", name)
	}
	p, err := target(c, set, number)
	if err != nil {
		return nil, err
	}
	text, err := podspec.TemplateIn(p.Text)
	if err != nil {
		return nil, err
	}
	was, err := untyped(set)
	if err != nil {
		return nil, err
	}
	becomes := was.DeepCopy()
	var template map[string]any
	if err := utiljson.Unmarshal(text, &template); err != nil {
		return nil, fmt.Errorf("reading revision %d: %w", p.Number, err)
	}
	spec, _ := becomes.Object["spec"].(map[string]any)
	spec["template"] = template
	configuration, err := withConfiguration(p, spec)
	if err != nil {
		return nil, err
	}
	after, err := typedSet(becomes)
	if err != nil {
		return nil, err
	}
	if !isAskedFor(p, after) {
		return nil, fmt.Errorf("revision %d cannot be put back by its template and configuration alone: since then spec.roles, redis, roleProvider or rebuild.port have changed, "+
			"which stand in it too. Put those back in the set's file", p.Number)
	}
	change, err := changeOf(ctx, c, set, becomes, judge)
	if err != nil {
		return nil, err
	}
	d := &SetDiff{APIVersion: ExplainVersion, Kind: ChangeKind, Differs: change.Differs, Sets: []SetChange{*change}, Incomplete: c.Unreadable}
	return &Undo{Set: set, Revision: p.shown, Template: text, Configuration: configuration, Change: d}, nil
}

// withConfiguration puts the configuration of a revision into a spec.
func withConfiguration(p past, spec map[string]any) (*v1alpha1.Configuration, error) {
	asked := p.Asked()
	if asked == nil || asked.Configuration == nil {
		delete(spec, "configuration")
		return nil, nil
	}
	object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(asked.Configuration)
	if err != nil {
		return nil, fmt.Errorf("reading revision %d: %w", p.Number, err)
	}
	spec["configuration"] = object
	return asked.Configuration, nil
}

// isAskedFor reports whether a revision is what spec.template of a set asks for.
func isAskedFor(p past, set *v1alpha1.InstanceSet) bool {
	asks, asked := string(podspec.Ask(set, nil).Encode()), p.Asked()
	return string(p.Text) == asks || asked != nil && string(asked.Encode()) == asks
}

// target is the revision that is to be put back.
func target(c *snapshot.Cluster, set *v1alpha1.InstanceSet, number int64) (past, error) {
	all := pastOf(c, set)
	if number > 0 {
		p, err := find(all, set.Name, number)
		switch {
		case err != nil:
			return past{}, err
		case p.shown.Template != "":
			return past{}, fmt.Errorf("revision %d is of template %s: undo puts back spec.template alone. What it asked for: "+
				"kubectl shoal rollout history %s --revision %d", number, p.shown.Template, set.Name, number)
		case !p.shown.Readable:
			return past{}, fmt.Errorf("revision %d cannot be read: its text is not what its name is a hash of", number)
		case isAskedFor(p, set):
			return past{}, fmt.Errorf("revision %d (%s) is what the set asks for already", number, p.Name)
		}
		return p, nil
	}
	best := -1
	for i, p := range all {
		if p.shown.Template != "" || !p.shown.Readable || isAskedFor(p, set) {
			continue
		}
		if p.Name == set.Status.CurrentRevision {
			return p, nil
		}
		best = i // they are by number
	}
	if best < 0 {
		return past{}, fmt.Errorf("InstanceSet %s has no other revision of spec.template to go back to (kubectl shoal rollout history %s)", set.Name, set.Name)
	}
	return all[best], nil
}
