package answer

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/instanceset/decide"
	"github.com/shoal-dev/shoal/kubectlshoal/snapshot"
	"github.com/shoal-dev/shoal/podspec"
)

// HistoryKind marks the JSON form of a SetHistory; its schema is docs/schemas/sethistory.v1.json.
const HistoryKind = "SetHistory"

// SetHistory is what the templates of a set have asked for.
type SetHistory struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Namespace  string `json:"namespace"`
	Set        string `json:"set"`
	// Revisions by number: what was asked for last comes last.
	Revisions  []PastRevision `json:"revisions"`
	Incomplete []string       `json:"incomplete,omitempty"`

	now time.Time
	one bool // it is about one revision
}

// PastRevision is what a template has asked for.
type PastRevision struct {
	// Revision is the number by which people name it. What is asked for again gets a new one.
	Revision int64 `json:"revision"`
	// Name is what pods carry in the label shoal.dev/revision.
	Name string `json:"name"`
	// Template is the entry of spec.templates, "" for spec.template.
	Template string      `json:"template,omitempty"`
	Created  metav1.Time `json:"created,omitzero"`
	// Cause is what a person said of the change (kubernetes.io/change-cause).
	Cause string `json:"cause,omitempty"`
	// AskedFor: a template asks for it now. Completed: the last update ended with it.
	AskedFor  bool `json:"askedFor"`
	Completed bool `json:"completed"`
	// Instances whose pod is of it.
	Instances int    `json:"instances"`
	Ordinals  string `json:"ordinals,omitempty"`
	// Readable: it is known what it asked for.
	Readable bool `json:"readable"`
	// Changes are what is different in it from what its template asks for now; only where one revision was asked for.
	Changes []TemplateChange `json:"changes,omitempty"`
	// PodTemplate is what it asked for, as it is stored; only where one revision was asked for.
	PodTemplate json.RawMessage `json:"podTemplate,omitempty"`
}

// Bad is false: history is what it is.
func (h *SetHistory) Bad() bool { return false }

// Partial reports whether something could not be read.
func (h *SetHistory) Partial() bool { return len(h.Incomplete) > 0 }

// HistoryOf says what the templates of a set have asked for; with a number, what that revision is.
func HistoryOf(c *snapshot.Cluster, namespace, name string, number int64, now time.Time) (*SetHistory, error) {
	set := snapshot.Find(c.Sets, namespace, name)
	if set == nil {
		return nil, fmt.Errorf("there is no InstanceSet %s in namespace %s%s", name, namespace, similarSets(c, namespace, name))
	}
	h := &SetHistory{
		APIVersion: ExplainVersion, Kind: HistoryKind, Namespace: namespace, Set: name, Revisions: []PastRevision{}, now: now,
		Incomplete: slices.Clone(c.Unreadable),
	}
	past := pastOf(c, set)
	for _, p := range past {
		h.Revisions = append(h.Revisions, p.shown)
	}
	if len(past) == 0 && set.Status.ObservedGeneration > 0 {
		h.Incomplete = append(h.Incomplete, "controllerrevisions: there are none of this set: the manager has not written any, or the file leaves them out")
	}
	if number == 0 {
		return h, nil
	}
	p, err := find(past, name, number)
	if err != nil {
		return nil, err
	}
	h.Revisions, h.one = []PastRevision{p.shown}, true
	if asked := p.Asked(); asked != nil {
		h.Revisions[0].Changes = templateChanges(differences(set, asked, p.shown), nil)
		h.Revisions[0].PodTemplate = p.Text
	}
	return h, nil
}

// past is a revision of the history, as the manager sees it, and as it is shown.
type past struct {
	decide.Revision
	shown PastRevision
}

// pastOf is the history of a set, by number.
func pastOf(c *snapshot.Cluster, set *v1alpha1.InstanceSet) []past {
	observed := observe(c, set)
	ordinals := map[string][]int32{}
	for _, pod := range observed.Pods {
		if !pod.Foreign && !pod.Terminating {
			ordinals[pod.Revision] = append(ordinals[pod.Revision], pod.Ordinal)
		}
	}
	wanted := map[string]bool{set.Status.UpdateRevision: true}
	completed := map[string]bool{set.Status.CurrentRevision: true}
	for _, t := range set.Status.TemplateRevisions {
		wanted[t.UpdateRevision], completed[t.CurrentRevision] = true, true
	}
	var all []past
	for _, r := range observed.Revisions {
		p := past{Revision: r, shown: PastRevision{
			Revision: r.Number, Name: r.Name, AskedFor: wanted[r.Name], Completed: completed[r.Name],
			Instances: len(ordinals[r.Name]), Ordinals: decide.FormatOrdinals(ordinals[r.Name]), Readable: r.Asked() != nil,
		}}
		if stored := snapshot.Find(c.Revisions, set.Namespace, r.Object); stored != nil {
			p.shown.Template, p.shown.Created = stored.Labels[v1alpha1.LabelTemplate], stored.CreationTimestamp
			p.shown.Cause = stored.Annotations[v1alpha1.AnnotationChangeCause]
		}
		all = append(all, p)
	}
	return all
}

// find is the revision of a number.
func find(all []past, set string, number int64) (past, error) {
	if i := slices.IndexFunc(all, func(p past) bool { return p.Number == number }); i >= 0 {
		return all[i], nil
	}
	var known []string
	for _, p := range all {
		known = append(known, fmt.Sprint(p.Number))
	}
	return past{}, fmt.Errorf("InstanceSet %s has no revision %d: it has %s", set, number, cmp.Or(strings.Join(known, ", "), "none"))
}

// differences are what a pod of what a template asks for now would have to become, for it to be of a revision.
func differences(set *v1alpha1.InstanceSet, asked *podspec.Asked, r PastRevision) []podspec.Difference {
	template, _ := templateOf(set, r.Template)
	is := podspec.Pod(set, podspec.Instance{Template: template, Agent: anAgent})
	was := podspec.Pod(set, podspec.Instance{Template: template, Asked: asked, Revision: r.Name, Agent: anAgent})
	return podspec.Diff(is, is, was)
}

// Print writes the history for people. Its error is that of out.
func (h *SetHistory) Print(out io.Writer, p Paint, wide bool) error {
	if h.one {
		return h.printOne(out, &h.Revisions[0], wide)
	}
	fmt.Fprintf(out, "InstanceSet %s/%s: %s\n", h.Namespace, h.Set, count(len(h.Revisions), "revision"))
	if len(h.Revisions) > 0 {
		entries := slices.ContainsFunc(h.Revisions, func(r PastRevision) bool { return r.Template != "" })
		table := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
		template := map[bool]string{true: "TEMPLATE\t"}[entries]
		fmt.Fprintln(table, "\nREVISION\tNAME\t"+template+"AGE\tINSTANCES\tIS\tCHANGE CAUSE")
		for _, r := range h.Revisions {
			if entries {
				template = cmp.Or(r.Template, "spec.template") + "\t"
			}
			cause := strings.Join(strings.Fields(r.Cause), " ")
			fmt.Fprintf(table, "%d\t%s\t%s%s\t%s\t%s\t%s\n", r.Revision, r.Name, template, h.age(r), r.who(wide), r.is(), cmp.Or(cutText(cause, wide), "-"))
		}
		if err := table.Flush(); err != nil {
			return err
		}
		fmt.Fprintf(out, "\nWhat is different in one of them: kubectl shoal rollout history %s --revision N\n", h.Set)
	}
	return printIncomplete(out, h.Incomplete)
}

func (h *SetHistory) age(r PastRevision) string {
	if r.Created.IsZero() {
		return "-"
	}
	return duration.HumanDuration(h.now.Sub(r.Created.Time))
}

func (r *PastRevision) who(wide bool) string {
	if r.Instances == 0 {
		return "-"
	}
	return fmt.Sprintf("%d (%s)", r.Instances, cutOrdinals(r.Ordinals, wide))
}

// cutOrdinals shortens ranges, unless wide.
func cutOrdinals(ordinals string, wide bool) string {
	const enough = 24
	if wide || len(ordinals) <= enough {
		return ordinals
	}
	return ordinals[:strings.LastIndexByte(ordinals[:enough], ',')+1] + "..."
}

func (r *PastRevision) is() string {
	switch {
	case !r.Readable:
		return "not readable"
	case r.AskedFor:
		return "asked for now"
	case r.Completed:
		return "what the last update ended with"
	}
	return "past"
}

func (h *SetHistory) printOne(out io.Writer, r *PastRevision, wide bool) error {
	template := "spec.template"
	if r.Template != "" {
		template = "template " + r.Template
	}
	fmt.Fprintf(out, "Revision %d of InstanceSet %s/%s: %s, of %s, %s\n", r.Revision, h.Namespace, h.Set, r.Name, template, r.is())
	fmt.Fprintf(out, "  age %s, instances %s, change cause %s\n", h.age(*r), r.who(wide), cmp.Or(r.Cause, "-"))
	switch {
	case !r.Readable:
		fmt.Fprintln(out, "\nWhat it asked for is not known: its text is not what its name is a hash of, or the file leaves it out.")
	case len(r.Changes) == 0:
		fmt.Fprintln(out, "\nNothing of it differs from what is asked for now.")
	default:
		table := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
		fmt.Fprintln(table, "\nFIELD\tNOW\tIN REVISION "+fmt.Sprint(r.Revision))
		for _, c := range r.Changes {
			fmt.Fprintf(table, "%s\t%s\t%s\n", c.Path, cmp.Or(c.Before, "-"), cmp.Or(c.After, "-"))
		}
		if err := table.Flush(); err != nil {
			return err
		}
	}
	if r.Readable {
		fmt.Fprintln(out, "\nThe whole of it: -o yaml")
	}
	return printIncomplete(out, h.Incomplete)
}
