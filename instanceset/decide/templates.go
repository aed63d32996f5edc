package decide

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
