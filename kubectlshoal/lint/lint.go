package lint

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/crd"
	"github.com/shoal-dev/shoal/manifests"
	"github.com/shoal-dev/shoal/plugins/registry"
	"github.com/shoal-dev/shoal/spelling"
)

// Source is a file.
type Source struct {
	Name string
	Text []byte
}

// Finding is one thing that is wrong.
type Finding struct {
	File string `json:"file"`
	// Line of the file, from 1.
	Line int `json:"line"`
	// Object is "PlacementPolicy ns/cache"; empty for what is no object.
	Object string `json:"object,omitempty"`
	// Path is the field, as in "spec.maxNodes".
	Path    string `json:"path,omitempty"`
	Message string `json:"message"`
	// Code is the reason's, SHOAL1201, where the catalogue has one.
	Code string `json:"code,omitempty"`
}

// kinds are those that ship, compiled once.
var kinds = sync.OnceValues(func() ([]*crd.Kind, error) { return crd.Load(manifests.Files) })

// linter collects what is found.
type linter struct {
	*Report
	kinds []*crd.Kind
	only  bool // objects of our kinds, and nothing else
	groups
}

// object is one object of a document: the document itself, or an item of a List.
type object struct {
	*document
	at    *yaml.Node
	value map[string]any
}

// Check says what is wrong with files. What they name and what is in none of them is not looked for: it may be in the cluster.
func Check(ctx context.Context, sources []Source) (*Report, error) {
	kinds, err := kinds()
	if err != nil {
		return nil, err
	}
	l := &linter{Report: newReport(len(sources)), kinds: kinds}
	for _, s := range sources {
		for _, d := range split(s.Name, s.Text) {
			if f := d.parse(); f != nil {
				l.Findings = append(l.Findings, *f)
				continue
			}
			if d.root != nil {
				l.check(ctx, object{d, d.root, d.value})
			}
		}
	}
	l.groups.assess(l.add)
	l.sort()
	return l.Report, nil
}

func (l *linter) sort() {
	slices.SortStableFunc(l.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
}

// Refusals are what the API server would say against the objects of Shoal's kinds in a file, and fields that it would drop. Limits that are
// too tight, and what other kinds carry, are not among them.
func Refusals(ctx context.Context, s Source) ([]Finding, error) {
	kinds, err := kinds()
	if err != nil {
		return nil, err
	}
	l := &linter{Report: newReport(1), kinds: kinds, only: true}
	for _, d := range split(s.Name, s.Text) {
		if d.parse() == nil && d.root != nil { // what is no YAML, its reader refuses
			l.check(ctx, object{d, d.root, d.value})
		}
	}
	l.sort()
	return l.Findings, nil
}

func (o object) text(field string) string {
	text, _ := o.value[field].(string)
	return text
}

// name is "kind namespace/name", as far as the object has them.
func (o object) name() string {
	meta, _ := o.value["metadata"].(map[string]any)
	name, _ := meta["name"].(string)
	if namespace, _ := meta["namespace"].(string); namespace != "" {
		name = namespace + "/" + name
	}
	return strings.TrimSpace(o.text("kind") + " " + name)
}

func (l *linter) add(o object, path, message, code string) {
	f := o.finding(lineOf(o.at, path), path, message)
	f.Object, f.Code = o.name(), code
	if !slices.Contains(l.Findings, *f) {
		l.Findings = append(l.Findings, *f)
	}
}

// check judges one object by its kind.
func (l *linter) check(ctx context.Context, o object) {
	gv, err := schema.ParseGroupVersion(o.text("apiVersion"))
	if err != nil {
		l.add(o, "apiVersion", err.Error(), "")
		return
	}
	kind := o.text("kind")
	switch {
	case kind == "List" || strings.HasSuffix(kind, "List") && nodeAt(o.at, "items") != nil:
		l.items(ctx, o)
	case l.only:
		l.ours(ctx, o, gv, kind)
	case kind == registry.Kind || gv.Group == registry.GroupVersion.Group:
		l.scheduler(o.document, o)
	case l.ours(ctx, o, gv, kind):
	case kind == "ConfigMap":
		l.configMap(o)
	case kind == "" && (gv.Version != "" || o.value["spec"] != nil):
		l.add(o, "", "it has no kind", "")
	default:
		l.Others++
		l.workload(o)
	}
	if !l.only {
		l.keys(o)
	}
}

func (l *linter) items(ctx context.Context, o object) {
	nodes, values := nodeAt(o.at, "items"), o.value["items"]
	list, ok := values.([]any)
	if !ok || nodes == nil || len(nodes.Content) != len(list) {
		return
	}
	for i, item := range list {
		if value, ok := item.(map[string]any); ok {
			l.check(ctx, object{o.document, nodes.Content[i], value})
		}
	}
}

// ours judges an object of one of our kinds, or one that was meant to be.
func (l *linter) ours(ctx context.Context, o object, gv schema.GroupVersion, kind string) bool {
	var names []string
	for _, k := range l.kinds {
		names = append(names, k.GVK.Kind)
		switch {
		case k.GVK.Kind != kind:
		case k.GVK.GroupVersion() == gv:
			l.custom(ctx, o, k)
			return true
		default:
			l.add(o, "apiVersion", fmt.Sprintf("%s has no %s: expected %s", cmp.Or(gv.String(), "no version"), kind, k.GVK.GroupVersion()), "")
			return true
		}
	}
	if gv.Group != v1alpha1.GroupName {
		return false
	}
	l.add(o, "kind", fmt.Sprintf("%s has no kind %q%s", v1alpha1.GroupVersion, kind, cmp.Or(spelling.Guess(kind, names), ": it has "+strings.Join(names[:len(names)-1], ", ")+" and "+names[len(names)-1])), "")
	return true
}
