package decide

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/podspec"
	"github.com/shoal-dev/shoal/reason"
)

// The history keeps what templates asked for, by revision, so that it can be told what a pod was made from. It has
//
//	what is asked for today           recorded before any instance is brought to it
//	what a pod has, or is on its way to, or is made from while an update goes on
//	what was asked for before         the last revisionHistoryLimit of them
//
// Numbers grow with each change: what is asked for again gets a new one, and what is asked for today has the highest.

func observeRevisions(set *v1alpha1.InstanceSet, all []*appsv1.ControllerRevision) []Revision {
	var out []Revision
	for _, r := range all {
		if metav1.IsControlledBy(r, set) && r.DeletionTimestamp == nil {
			out = append(out, Revision{Object: r.Name, UID: r.UID, Name: r.Labels[v1alpha1.LabelRevision], Number: r.Revision, Text: r.Data.Raw})
		}
	}
	return out
}

// readHistory gives each template of today its revision.
func (v *view) readHistory() {
	v.stored, v.known = make(map[string]*Revision, len(v.Revisions)), map[string]*podspec.Asked{}
	for n := range v.Revisions { // by number: the later one of two of a name counts
		v.stored[v.Revisions[n].Name] = &v.Revisions[n]
	}
	v.texts = append(v.texts, podspec.Ask(v.Set, nil).Encode())
	for i := range v.spec.Templates {
		v.texts = append(v.texts, podspec.Ask(v.Set, &v.spec.Templates[i]).Encode())
	}
	for _, text := range v.texts {
		v.revisions = append(v.revisions, v.nameOf(text))
	}
}

// nameOf is the revision of a template: its hash or, where the history has another template under that, the hash with a number.
func (v *view) nameOf(text []byte) string {
	hash := podspec.RevisionOf(text)
	name := hash
	for n := 1; ; n++ {
		r := v.stored[name]
		if r == nil || bytes.Equal(r.Text, text) {
			return name
		}
		if asked := v.asked(name); asked != nil && bytes.Equal(asked.Encode(), text) {
			return name
		}
		name = hash + "-" + strconv.Itoa(n)
	}
}

// asked is what a revision stands for, nil if that is not known, or if it is not what it was made with.
func (v *view) asked(revision string) *podspec.Asked {
	if asked, tried := v.known[revision]; tried {
		return asked
	}
	var asked *podspec.Asked
	if r := v.stored[revision]; r != nil {
		asked = r.Asked()
	}
	v.known[revision] = asked
	return asked
}

// Asked is what the revision stands for, nil if its text is not what its name is a hash of.
func (r *Revision) Asked() *podspec.Asked {
	hash, _, _ := strings.Cut(r.Name, "-")
	asked, err := podspec.ParseAsked(r.Text)
	if err != nil || podspec.RevisionOf(r.Text) != hash && podspec.RevisionOf(asked.Encode()) != hash {
		return nil
	}
	return asked
}

// setBases says what instances keep that are not updated: what the last update ended with, until the next one has.
func (v *view) setBases() {
	v.bases = slices.Clone(v.revisions)
	stored := map[string]string{"": v.Set.Status.CurrentRevision}
	for _, t := range v.Set.Status.TemplateRevisions {
		stored[t.Name] = t.CurrentRevision
	}
	behind := make([]bool, len(v.bases)) // templates of which an instance is not up to date
	for n := range v.instances {
		if i := &v.instances[n]; i.online() && (i.pod == nil || !v.current(i)) {
			behind[i.template+1] = true
		}
	}
	for t := range v.bases {
		name := ""
		if t > 0 {
			name = v.spec.Templates[t-1].Name
		}
		if base := stored[name]; behind[t] && base != "" && v.asked(base) != nil {
			v.bases[t] = base
		}
	}
}

// madeFrom is the revision that a pod of the instance is made from now. An instance that is not updated yet keeps what it has,
// also when its pod has to be made anew: nobody has seen yet that the new template is any good.
func (v *view) madeFrom(i *instance) string {
	if kept := v.left()[i.ordinal]; i.pod == nil && kept != "" && v.canMake(i, kept) { // it left its node, which is no update
		return kept
	}
	want, base := v.revision(i), v.bases[i.template+1]
	if v.unfit[i.template+1] != "" || v.hasRefused() { // nothing is made with that
		want = base
	}
	switch {
	case v.spec.UpdateStrategy.Type == v1alpha1.UpdateOnDelete || base == want:
		return want
	case v.heldBack(i):
		return base
	case v.replacing()[i.ordinal] || !v.bootstrapped.has(i.ordinal):
		return want
	case i.pod != nil && v.canMake(i, i.pod.Revision): // it has ended
		return i.pod.Revision
	}
	if had := v.had()[i.ordinal]; v.canMake(i, had) {
		return had
	}
	return base
}

// canMake reports whether a pod of the instance can be made from a revision, and may be: what was refused is given to no other one.
func (v *view) canMake(i *instance, revision string) bool {
	if revision == v.revision(i) {
		return !v.hasRefused()
	}
	return v.asked(revision) != nil
}

// heldBack reports whether the partition keeps the instance from being updated.
func (v *view) heldBack(i *instance) bool { return i.ordinal < v.spec.UpdateStrategy.Partition }

// replacing are the ordinals whose pod was removed by an update.
func (v *view) replacing() map[int32]bool {
	if v.replaced == nil {
		v.replaced = map[int32]bool{}
		for _, o := range ParseOrdinals(v.Set.Status.Replacing) {
			v.replaced[o] = true
		}
	}
	return v.replaced
}

// had are the revisions of pods as the status tells them, as far as it does.
func (v *view) had() map[int32]string {
	if v.hadOnce == nil {
		v.hadOnce = map[int32]string{}
		for _, r := range v.Set.Status.Revisions {
			for _, o := range ParseOrdinals(strings.TrimSuffix(r.Ordinals, more)) {
				v.hadOnce[o] = r.Name
			}
		}
	}
	return v.hadOnce
}

// keepHistory records what is asked for, and forgets what nobody needs any more.
func (p *planner) keepHistory() {
	today := slices.Compact(slices.Sorted(slices.Values(p.revisions)))
	var last, older int64 // the highest number, and the highest of what is not asked for today
	for n := range p.Revisions {
		last = max(last, p.Revisions[n].Number)
		if !slices.Contains(today, p.Revisions[n].Name) {
			older = max(older, p.Revisions[n].Number)
		}
	}
	done := map[string]bool{}
	for t := len(p.revisions) - 1; t >= 0; t-- { // spec.template last: it has the highest number
		name := p.revisions[t]
		r := p.stored[name]
		if done[name] || r != nil && r.Number > older {
			continue
		}
		done[name] = true
		last++
		c := p.setWide(CreateRevision, reason.RecordRevision)
		c.Object, c.Revision, c.Number, c.Text = p.Set.Name+"-"+name, name, last, p.texts[t]
		if name != p.revisions[0] { // then it is the entry's alone
			c.Template = p.spec.Templates[t-1].Name
		}
		if r != nil {
			c.Kind, c.Object, c.UID, c.Text = UpdateRevision, r.Object, r.UID, nil
		}
		p.add(c)
	}
	p.prune(today)
}

// prune removes revisions that nothing uses, the oldest first.
func (p *planner) prune(today []string) {
	used := map[string]bool{}
	for _, name := range slices.Concat(today, p.bases, []string{p.Set.Status.CurrentRevision}) {
		used[name] = true
	}
	for _, t := range p.Set.Status.TemplateRevisions {
		used[t.CurrentRevision] = true
	}
	for n := range p.Pods {
		used[p.Pods[n].Revision] = true
		for passed := range strings.FieldsSeq(p.Pods[n].Passed) {
			used[passed] = true
		}
	}
	for _, kept := range p.left() {
		used[kept] = true
	}
	var unused []*Revision
	for n := range p.Revisions {
		if !used[p.Revisions[n].Name] {
			unused = append(unused, &p.Revisions[n])
		}
	}
	limit := 10
	if p.spec.RevisionHistoryLimit != nil {
		limit = int(*p.spec.RevisionHistoryLimit)
	}
	for _, r := range unused[:max(0, len(unused)-limit)] {
		c := p.setWide(DeleteRevision, reason.PruneRevision)
		c.Object, c.UID = r.Object, r.UID
		p.add(c)
	}
}
