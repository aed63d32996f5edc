package decide

import (
	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/reason"
)

// assignTemplates decides which instances are made from which of spec.templates. An instance keeps the template that its
// pod, or else its claims, record, as long as that template wants it; lower ordinals first. What a template still wants
// is taken from instances that have neither pod nor claim, then from the others: nobody becomes outdated if somebody new
// can take the place.
func (v *view) assignTemplates() {
	left := make([]int32, len(v.spec.Templates))
	position := map[string]int{}
	for t := range v.spec.Templates {
		left[t] = 1
		if n := v.spec.Templates[t].Replicas; n != nil {
			left[t] = *n
		}
		left[t] -= v.Rest.of(t).size()
		position[v.spec.Templates[t].Name] = t
	}
	take := func(i *instance, t int) {
		i.template = t
		left[t]--
	}
	for n := range v.instances {
		i := &v.instances[n]
		if t, known := position[i.recordedTemplate()]; known && i.wanted && left[t] > 0 {
			take(i, t)
		}
	}
	for _, fresh := range []bool{true, false} {
		next := 0
		for n := range v.instances {
			i := &v.instances[n]
			for next < len(left) && left[next] <= 0 {
				next++
			}
			if next == len(left) {
				break
			}
			if i.wanted && i.template == plain && i.gone() == fresh {
				take(i, next)
			}
		}
	}
}

func (i *instance) recordedTemplate() string {
	if i.pod != nil {
		return i.pod.Template
	}
	for _, c := range i.claims {
		if c != nil {
			return c.Template
		}
	}
	return ""
}

// keepTemplates writes onto claims from which template the pod beside them is: they are what is left of that while it is away. Otherwise another
// instance would be found in its place meanwhile, and be changed though nobody changed a template.
func (p *planner) keepTemplates() {
	written := 0
	for n := range p.instances {
		i := &p.instances[n]
		if p.spec.Paused || !i.online() || i.foreign != "" || i.pod == nil || i.pod.Terminating || i.lost() || i.pod.ended() || p.deleted[i.ordinal] {
			continue
		}
		for _, c := range i.claims {
			if c == nil || c.Terminating || c.Retired || c.Template == i.pod.Template {
				continue
			}
			if written++; written > patchesPerPlan {
				p.again(soon)
				return
			}
			change := p.claimChange(LabelClaim, c, reason.UpdateMetadata)
			change.Label, change.Value = v1alpha1.LabelTemplate, i.pod.Template // "" for spec.template
			p.add(change)
		}
	}
}

// revision is the hash of the template that the instance should be made from.
func (v *view) revision(i *instance) string { return v.revisions[i.template+1] }

// templateName is the name of the instance's entry in spec.templates, "" without one.
func (v *view) templateName(i *instance) string {
	if i.template == plain {
		return ""
	}
	return v.spec.Templates[i.template].Name
}

// current reports whether the pod is as the templates of today would make it, and no longer on its way there.
func (v *view) current(i *instance) bool {
	return i.pod.Revision == v.revision(i) && i.pod.Template == v.templateName(i) && i.pod.Target == ""
}
