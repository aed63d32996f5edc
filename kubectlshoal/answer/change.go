package answer

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/instanceset/decide"
	"github.com/shoal-dev/shoal/kubectlshoal/snapshot"
	"github.com/shoal-dev/shoal/podspec"
	"github.com/shoal-dev/shoal/reason"
	"github.com/shoal-dev/shoal/slots"
)

// ChangeKind marks the JSON form of a SetDiff; its schema is docs/schemas/setdiff.v1.json.
const ChangeKind = "SetDiff"

// SetDiff is what would come of InstanceSets as files have them.
type SetDiff struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	// Differs: applying the files would change something.
	Differs    bool        `json:"differs"`
	Sets       []SetChange `json:"sets"`
	Incomplete []string    `json:"incomplete,omitempty"`
}

// SetChange is what would come of one set.
type SetChange struct {
	Namespace string `json:"namespace"`
	Set       string `json:"set"`
	// New: there is no such set yet.
	New     bool `json:"new"`
	Differs bool `json:"differs"`
	// Refused is what the API server would say against the change: nothing of it would come.
	Refused []string `json:"refused"`
	// Fields of the set that differ; those of spec.template and spec.configuration stand in Updates.
	Fields []FieldChange `json:"fields"`
	// Creates and Removes are the ordinals of instances that would come and go, as ranges; TakenOffline and BroughtOnline of those that
	// would lose their pod, and keep their volumes, and get one again.
	Creates       string `json:"creates,omitempty"`
	Removes       string `json:"removes,omitempty"`
	TakenOffline  string `json:"takenOffline,omitempty"`
	BroughtOnline string `json:"broughtOnline,omitempty"`
	// Strategy, InPlace and MaxUnavailable (in instances) are those by which the update would go.
	Strategy       string `json:"strategy"`
	InPlace        string `json:"inPlace"`
	MaxUnavailable int    `json:"maxUnavailable"`
	Paused         bool   `json:"paused"`
	// Updates are the instances that run and would get another template, those with the same way together.
	Updates []InstanceChange `json:"updates"`
	// Blocked are fields for which nothing at all would be written to instances.
	Blocked []BlockedField `json:"blocked"`
	// Order of those that are disturbed, as long as each comes up again.
	Order []OrderedInstance `json:"order"`
}

// FieldChange is a field of the set, and what comes of its change.
type FieldChange struct {
	Path   string `json:"path"`
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
	Effect string `json:"effect"`
}

// InstanceChange is what instances of one revision and template would become.
type InstanceChange struct {
	// FromTemplate and Template are entries of spec.templates, "" for spec.template.
	FromTemplate string `json:"fromTemplate,omitempty"`
	Template     string `json:"template,omitempty"`
	FromRevision string `json:"fromRevision,omitempty"`
	Revision     string `json:"revision"`
	// Instances is 0 where none runs: new ones would be made so.
	Instances int    `json:"instances"`
	Ordinals  string `json:"ordinals,omitempty"`
	// Held are those of them that the partition holds back.
	Held string `json:"held,omitempty"`
	// UnderWay: they are to become that without the change, too.
	UnderWay bool `json:"underWay"`
	// Recreated: their pods are made anew, on their volumes.
	Recreated bool `json:"recreated"`
	// Waits says why they stay as they are.
	Waits []Wait `json:"waits"`
	// Later says why their last step, a lower limit of memory, would not be taken for now. Nothing else waits for it.
	Later   []Wait           `json:"later,omitempty"`
	Changes []TemplateChange `json:"changes"`
}

// TemplateChange is a field of pods.
type TemplateChange struct {
	Path   string `json:"path"`
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
	// Class is what it takes: patch, configuration, image, resize, volume, recreate or refused (docs/updates.md).
	Class string `json:"class"`
	// Container is the one that the kubelet changes, and Restarts says whether it restarts.
	Container string `json:"container,omitempty"`
	Restarts  bool   `json:"restarts"`
	Why       string `json:"why"`
	// Blocked: it is why nothing would be written.
	Blocked bool `json:"blocked"`
}

// BlockedField is a field that the set refuses of its instances.
type BlockedField struct {
	Path     string `json:"path"`
	Why      string `json:"why"`
	Ordinals string `json:"ordinals"`
}

// OrderedInstance is an instance that is disturbed. Who has the same turn may be disturbed together.
type OrderedInstance struct {
	Instance string `json:"instance"`
	Turn     int    `json:"turn"`
	// HandsOver: it is master, and another one of its shard is before it is touched.
	HandsOver bool `json:"handsOver"`
}

// Bad reports whether something would not be done.
func (d *SetDiff) Bad() bool {
	stays := func(u InstanceChange) bool { return len(u.Waits)+len(u.Later) > 0 && !u.UnderWay }
	return slices.ContainsFunc(d.Sets, func(s SetChange) bool {
		return s.Differs && (len(s.Refused)+len(s.Blocked) > 0 || slices.ContainsFunc(s.Updates, stays))
	})
}

// Hopeless reports whether nothing at all would be done for a set.
func (d *SetDiff) Hopeless() bool {
	return slices.ContainsFunc(d.Sets, func(s SetChange) bool { return len(s.Refused)+len(s.Blocked) > 0 })
}

// Partial reports whether something could not be read.
func (d *SetDiff) Partial() bool { return len(d.Incomplete) > 0 }

// Different reports whether anything would change.
func (d *SetDiff) Different() bool { return d.Differs }

// Judge says what the API server has against an object that takes the place of one that is stored, and gives both their defaults.
type Judge func(ctx context.Context, stored, becomes *unstructured.Unstructured) ([]string, error)

// ChangesBy says what would come of InstanceSets as they stand in files; namespace is that of those without one.
func ChangesBy(ctx context.Context, c *snapshot.Cluster, wanted []*unstructured.Unstructured, namespace string, judge Judge) (*SetDiff, error) {
	d := &SetDiff{APIVersion: ExplainVersion, Kind: ChangeKind, Sets: []SetChange{}, Incomplete: c.Unreadable}
	for _, file := range wanted {
		file = file.DeepCopy()
		file.SetNamespace(cmp.Or(file.GetNamespace(), namespace))
		stored := snapshot.Find(c.Sets, file.GetNamespace(), file.GetName())
		becomes, err := afterApply(stored, file)
		if err != nil {
			return nil, err
		}
		s, err := changeOf(ctx, c, stored, becomes, judge)
		if err != nil {
			return nil, err
		}
		d.Sets, d.Differs = append(d.Sets, *s), d.Differs || s.Differs
	}
	return d, nil
}

// changeOf says what would come of a stored set, nil for none, if it became another one.
func changeOf(ctx context.Context, c *snapshot.Cluster, stored *v1alpha1.InstanceSet, becomes *unstructured.Unstructured, judge Judge) (*SetChange, error) {
	s := &SetChange{
		Namespace: becomes.GetNamespace(), Set: becomes.GetName(), New: stored == nil, Refused: []string{}, Fields: []FieldChange{},
		Updates: []InstanceChange{}, Blocked: []BlockedField{}, Order: []OrderedInstance{},
	}
	if stored != nil {
		was, err := untyped(stored)
		if err == nil {
			s.Refused, err = judge(ctx, was, becomes)
		}
		if err == nil {
			stored, err = typedSet(was)
		}
		if err != nil {
			return nil, err
		}
	}
	set, err := typedSet(becomes)
	if err != nil {
		return nil, err
	}
	if stored != nil {
		set.Status, set.UID = stored.Status, stored.UID
	}
	s.Strategy, s.InPlace, s.Paused = string(set.Spec.UpdateStrategy.Type), string(set.Spec.UpdateStrategy.InPlace), set.Spec.Paused
	s.population(stored, set)
	if stored != nil {
		s.Fields = fieldChanges(stored, set, len(s.Refused) > 0)
		s.foresee(c, stored, set)
	}
	s.Differs = s.New || len(s.Fields) > 0 || slices.ContainsFunc(s.Updates, func(u InstanceChange) bool { return !u.UnderWay })
	return s, nil
}

// population says which instances come and go.
func (s *SetChange) population(stored, set *v1alpha1.InstanceSet) {
	var before, wereOffline []int32
	if stored != nil {
		before, wereOffline = decide.WantedOrdinals(&stored.Spec), stored.Spec.OfflineInstances
	}
	after := decide.WantedOrdinals(&set.Spec)
	without := func(all []int32, drop func(int32) bool) string {
		return decide.FormatOrdinals(slices.DeleteFunc(slices.Clone(all), drop))
	}
	in := func(sorted []int32, o int32) bool { _, found := slices.BinarySearch(sorted, o); return found }
	s.Creates = without(after, func(o int32) bool { return in(before, o) })
	s.Removes = without(before, func(o int32) bool { return in(after, o) })
	off := func(o int32) bool { return slices.Contains(set.Spec.OfflineInstances, o) }
	wasOff := func(o int32) bool { return slices.Contains(wereOffline, o) }
	s.TakenOffline = without(after, func(o int32) bool { return !in(before, o) || !off(o) || wasOff(o) })
	s.BroughtOnline = without(after, func(o int32) bool { return !in(before, o) || off(o) || !wasOff(o) })
}

// anAgent stands for that of the manager, which nobody here knows: it is the same before and after, but for sets that had none.
var anAgent = podspec.Agent{Image: "shoal-agent", Manager: "shoal-manager"}

// observe is what the manager decides from, as far as it was read.
func observe(c *snapshot.Cluster, set *v1alpha1.InstanceSet) decide.Snapshot {
	ours := func(labels map[string]string, namespace string) bool {
		return namespace == set.Namespace && labels[v1alpha1.LabelInstanceSet] == set.Name
	}
	o := decide.Objects{Set: set, Nodes: slots.NewNodeMap(nil), Agent: anAgent}
	o.Pods = snapshot.Without(c.Pods, func(p *corev1.Pod) bool { return !ours(p.Labels, p.Namespace) })
	o.Claims = snapshot.Without(c.Claims, func(p *corev1.PersistentVolumeClaim) bool { return p.Namespace != set.Namespace })
	o.Revisions = snapshot.Without(c.Revisions, func(r *appsv1.ControllerRevision) bool { return !ours(r.Labels, r.Namespace) })
	return decide.Observe(c.TakenAt, o)
}

// foresee asks the manager's own rules what the update takes.
func (s *SetChange) foresee(c *snapshot.Cluster, stored, set *v1alpha1.InstanceSet) {
	already := map[int32]decide.Foreseen{}
	for _, i := range decide.Foresee(observe(c, stored)).Instances {
		already[i.Ordinal] = i
	}
	f := decide.Foresee(observe(c, set))
	s.MaxUnavailable = f.MaxUnavailable
	blocked := map[string]bool{}
	for _, b := range f.Blocked {
		blocked[b.Path] = true
		s.Blocked = append(s.Blocked, BlockedField{b.Path, b.Why, decide.FormatOrdinals(b.Ordinals)})
	}
	s.group(f.Instances, already, blocked)
	s.templates(stored, set)
	if len(blocked) > 0 || s.Paused || s.Strategy == string(v1alpha1.UpdateOnDelete) {
		return
	}
	for _, i := range slices.Backward(f.Instances) {
		if i.Turn > 0 && !i.Held {
			s.Order = append(s.Order, OrderedInstance{podspec.Name(set.Name, i.Ordinal), i.Turn, i.HandsOver})
		}
	}
	slices.SortStableFunc(s.Order, func(a, b OrderedInstance) int { return cmp.Compare(a.Turn, b.Turn) })
}

// way is what instances of one InstanceChange have in common.
type way struct {
	from, to, revision, wanted string
	underWay, recreated        bool
	waits, later               reason.Code
	differences                string // an update that was interrupted has left some with fewer
}

func (s *SetChange) group(all []decide.Foreseen, already map[int32]decide.Foreseen, blocked map[string]bool) {
	ordinals, held := map[way][]int32{}, map[way][]int32{}
	at := map[way]int{}
	for _, i := range all {
		before, was := already[i.Ordinal]
		w := way{i.From, i.To, i.Revision, i.Wanted, was && before.Wanted == i.Wanted && before.To == i.To, i.Recreated, i.Code, i.Later, fmt.Sprint(i.Differences)}
		if _, known := at[w]; !known {
			u := InstanceChange{FromTemplate: i.From, Template: i.To, FromRevision: i.Revision, Revision: i.Wanted, UnderWay: w.underWay, Recreated: i.Recreated, Waits: []Wait{}}
			if i.Code != 0 {
				u.Waits = append(u.Waits, waitFor(i.Code, i.Code.Text()))
			}
			if i.Later != 0 {
				u.Later = append(u.Later, waitFor(i.Later, i.Later.Text()))
			}
			u.Changes = templateChanges(i.Differences, blocked)
			at[w], s.Updates = len(s.Updates), append(s.Updates, u)
		}
		ordinals[w] = append(ordinals[w], i.Ordinal)
		if i.Held {
			held[w] = append(held[w], i.Ordinal)
		}
	}
	for w, n := range at {
		u := &s.Updates[n]
		u.Instances, u.Ordinals, u.Held = len(ordinals[w]), decide.FormatOrdinals(ordinals[w]), decide.FormatOrdinals(held[w])
	}
}

func templateChanges(all []podspec.Difference, blocked map[string]bool) []TemplateChange {
	changes := []TemplateChange{}
	for _, d := range all {
		changes = append(changes, TemplateChange{
			d.Path, d.Before, d.After, d.Class.String(), d.Container, d.Restarts, d.Why, blocked[d.Path] && d.Class >= podspec.Recreate,
		})
	}
	return changes
}

// templates adds those that change where no instance runs.
func (s *SetChange) templates(stored, set *v1alpha1.InstanceSet) {
	names := []string{""}
	for _, t := range set.Spec.Templates {
		names = append(names, t.Name)
	}
	for _, name := range names {
		was, had := templateOf(stored, name)
		wants, _ := templateOf(set, name)
		before, after := podspec.Revision(stored, was), podspec.Revision(set, wants)
		if !had || before == after || slices.ContainsFunc(s.Updates, func(u InstanceChange) bool { return u.Revision == after && u.Template == name }) {
			continue
		}
		old := podspec.Pod(stored, podspec.Instance{Template: was, Revision: before, Agent: anAgent})
		diffs := podspec.Diff(old, old, podspec.Pod(set, podspec.Instance{Template: wants, Revision: after, Agent: anAgent}))
		s.Updates = append(s.Updates, InstanceChange{
			FromTemplate: name, Template: name, FromRevision: before, Revision: after, Waits: []Wait{}, Changes: templateChanges(diffs, nil),
		})
	}
}

func templateOf(set *v1alpha1.InstanceSet, name string) (*v1alpha1.InstanceTemplate, bool) {
	for i := range set.Spec.Templates {
		if set.Spec.Templates[i].Name == name {
			return &set.Spec.Templates[i], true
		}
	}
	return nil, name == ""
}
