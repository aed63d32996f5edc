package podspec

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// Difference is something that a template asks for and an instance does not have.
type Difference struct {
	// Path of the field; entries of lists and maps by their key, as in spec.containers[redis].image.
	Path string
	// Before and After are short, for people: "" where there is nothing, and never what may be a secret.
	Before, After string
	Class         Class
	// Parameter of the configuration, "" for what is no parameter.
	Parameter string
	// Container is the one that the kubelet restarts or resizes, or whose engine is configured, "" for none.
	Container string
	// Restarts reports whether the change restarts that container.
	Restarts bool
	// Why the change is of its class.
	Why string

	row  int
	keys []string
}

// String is one line.
func (d Difference) String() string {
	restarts := ""
	if d.Restarts {
		restarts = ", restarts " + d.Container
	}
	return fmt.Sprintf("%s%s: %s: %s", d.Class, restarts, d.what(), d.Why)
}

func (d Difference) what() string {
	switch {
	case d.Before == "":
		return fmt.Sprintf("%s is added%s", d.Path, said(d.After))
	case d.After == "":
		return fmt.Sprintf("%s is removed%s", d.Path, said(d.Before))
	case d.Before == d.After: // hidden, or too long to see it
		return d.Path + " is changed"
	}
	return fmt.Sprintf("%s from %s to %s", d.Path, d.Before, d.After)
}

func said(value string) string {
	if value == present || value == secret {
		return ""
	}
	return " (" + value + ")"
}

// secret stands for a value that may be one.
const secret = "(hidden)"

// Diff compares a pod that exists with the one that is wanted. Was is the pod as it would be made today from the template of its
// revision, with the same Agent and the same Instance as the one that is wanted. The result is in the order of a plan, and
// empty when nothing has to be done. It copies and takes apart all three: call it only for instances that are out of date.
//
// Only what differs between was and want is the template's doing. So a default or an image of the manager, which is in both,
// changes no pod that runs (a pod keeps what its revision was made with), and neither does what the scheduler, admission
// or a person wrote. Of what differs, the pod may have some already: an update that was interrupted goes on.
func Diff(was, live, want *corev1.Pod) []Difference {
	w, l, n := filled(was), filled(live), filled(want)
	fillPullPolicy(w, n)
	out := compare(flattenPod(w), flattenPod(l), flattenPod(n), nil)
	for i := range out {
		explain(&out[i], live)
	}
	out = append(out, configurationDifferences(was, live, want)...)
	refuseOtherQoS(live, n, out)
	slices.SortFunc(out, byPlan)
	return out
}

// DiffClaim compares claims like Diff.
func DiffClaim(was, live, want *corev1.PersistentVolumeClaim) []Difference {
	var all [3]*corev1.PersistentVolumeClaim
	for i, claim := range []*corev1.PersistentVolumeClaim{was, live, want} {
		all[i] = claim.DeepCopy()
		fillPart(&all[i].Spec)
	}
	out := compare(flattenClaim(all[0]), flattenClaim(all[1]), flattenClaim(all[2]), live)
	slices.SortFunc(out, byPlan)
	return out
}

// bookkeeping are keys that say how far the controller is, and are written with what they speak of.
var bookkeeping = []string{
	v1alpha1.LabelRevision, v1alpha1.LabelRole, v1alpha1.LabelLost, v1alpha1.LabelRetired, v1alpha1.LabelMayLeave, v1alpha1.AnnotationRoleClaim,
	v1alpha1.AnnotationPolicyVersion, v1alpha1.AnnotationRebuildGeneration, v1alpha1.AnnotationTerminalFailures,
	v1alpha1.AnnotationTargetRevision, v1alpha1.AnnotationRestarting, v1alpha1.AnnotationRestartMaster,
	v1alpha1.AnnotationConfiguration, // see configurationDifferences
}

// compare gives the differences of three objects, in no order.
func compare(was, live, want flat, claim *corev1.PersistentVolumeClaim) []Difference {
	paths := maps.Clone(was.leaves)
	maps.Copy(paths, want.leaves)
	var out []Difference
	whole := "" // an entry that comes or goes as a whole
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		if whole != "" && (strings.HasPrefix(path, whole+".") || strings.HasPrefix(path, whole+"[")) {
			continue
		}
		at := paths[path]
		if len(at.keys) > 0 && strings.HasPrefix(path, "metadata.") && slices.Contains(bookkeeping, at.keys[0]) {
			continue
		}
		c := change{path: path, keys: at.keys, claim: claim}
		if was.orders[path] != nil || want.orders[path] != nil {
			if !reordered(was.orders[path], want.orders[path]) || !reordered(live.orders[path], want.orders[path]) {
				continue
			}
			c.had, c.wants, c.before, c.after = true, true, "another order", strings.Join(want.orders[path], ", ")
		} else if !differs(&c, was, live, want) {
			continue
		}
		if c.had != c.wants && (c.before == present || c.after == present) {
			whole = path
		}
		if d := difference(rows.row(at.row), c); d.Class != NothingToDo {
			out = append(out, d)
		}
	}
	return out
}

// differs reports whether a leaf has to change, and fills in from what to what. What the template no longer says is taken away
// where the pod has it as the template said it: anything else there is somebody else's.
func differs(c *change, was, live, want flat) bool {
	w, did := was.leaves[c.path]
	n, does := want.leaves[c.path]
	l, has := live.leaves[c.path]
	if did == does && w.value == n.value {
		return false
	}
	c.had, c.before, c.wants, c.after = has, l.value, does, n.value
	if does {
		return !has || l.value != n.value
	}
	return has && (l.value == w.value || strings.HasPrefix(c.path, "metadata."))
}

// reordered reports whether what stands in both lists stands in another order.
func reordered(a, b []string) bool {
	common := func(list, other []string) []string {
		return slices.DeleteFunc(slices.Clone(list), func(key string) bool { return !slices.Contains(other, key) })
	}
	return !slices.Equal(common(a, b), common(b, a))
}

func difference(row int, c change) Difference {
	d := Difference{Path: c.path, row: row, keys: c.keys}
	d.Class, d.Why = judge(row, c)
	hide := row < 0 || fields[row].Hidden
	if c.had {
		d.Before = short(c.before, hide)
	}
	if c.wants {
		d.After = short(c.after, hide)
	}
	return d
}

// short is a value for people. Empty values have to be seen too.
func short(value string, hide bool) string {
	const enough = 60
	switch {
	case value == present:
		return value
	case hide:
		return secret
	case value == "":
		return `""`
	case len(value) > enough:
		return strings.ToValidUTF8(value[:enough], "") + "..."
	}
	return value
}

// explain adds what the change does to the container.
func explain(d *Difference, live *corev1.Pod) {
	if d.Class != InPlaceImage && d.Class != InPlaceResize || !strings.Contains(d.Path, "ontainers[") {
		return
	}
	d.Container = d.keys[0]
	c := container(&live.Spec, d.Path, d.Container)
	if c == nil {
		return
	}
	sidecar := c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
	if d.Class == InPlaceImage {
		d.Restarts = !strings.HasPrefix(d.Path, "spec.init") || sidecar
		return
	}
	name := corev1.ResourceName(d.keys[1])
	d.Restarts = slices.ContainsFunc(c.ResizePolicy, func(p corev1.ContainerResizePolicy) bool {
		return p.ResourceName == name && p.RestartPolicy == corev1.RestartContainer
	})
	if d.LowersMemory() {
		d.Why = "the limit comes down only after Redis' maxmemory did, or the kernel would kill it"
	}
}

// LowersMemory reports whether the change takes memory that Redis may be using: a lower limit, or one where there was none.
func (d Difference) LowersMemory() bool {
	return d.Class == InPlaceResize && strings.HasSuffix(d.Path, ".limits["+string(corev1.ResourceMemory)+"]") &&
		(d.Before == "" || less(d.After, d.Before))
}

func less(a, b string) bool {
	quantity := resource.MustParse(a)
	return quantity.Cmp(resource.MustParse(b)) < 0
}

// container finds one by name in the list that a path speaks of.
func container(spec *corev1.PodSpec, path, name string) *corev1.Container {
	list := spec.Containers
	if strings.HasPrefix(path, "spec.initContainers[") {
		list = spec.InitContainers
	}
	n := slices.IndexFunc(list, func(c corev1.Container) bool { return c.Name == name })
	if n < 0 {
		return nil
	}
	return &list[n]
}

// refuseOtherQoS makes resizes that together change the class of QoS, or that are of a kind of pod without resize, recreations.
func refuseOtherQoS(live, want *corev1.Pod, all []Difference) {
	why := ""
	switch before, after := qos(&live.Spec), qos(&Applied(live, want, all, InPlaceResize).Spec); {
	case before != after:
		why = fmt.Sprintf("the pod would go from %s to %s, and a resize may not change that", before, after)
	case live.Spec.OS != nil && live.Spec.OS.Name == corev1.Windows:
		why = "pods of Windows cannot be resized"
	default:
		return
	}
	for i := range all {
		if all[i].Class == InPlaceResize {
			all[i].Class, all[i].Why, all[i].Restarts, all[i].Container = Recreate, why, false, ""
		}
	}
}
