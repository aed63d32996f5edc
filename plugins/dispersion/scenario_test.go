package dispersion

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/shoal-dev/shoal/api/config"
	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/placement"
	"github.com/shoal-dev/shoal/slots"
)

// TestScenarios runs testdata/scenarios over the scheduler's cache and snapshot. The verbs:
//
//	world [total=3] [defaults-M=2]                      a new world; total is the cap over all groups
//	policy p R=6 [M=2] [K=3] [m=1] [shards=2] [version=1] [uncounted] [mode=Strict] [anew]
//	                                                    comes, or changes; anew: another one of that name, deleted and created
//	                                                    while nobody watched
//	unpolicy p                                          the policy is deleted
//	node a cpu=4 [cordoned] [out-of-service] [blocked]  a node with room for 4 instances; blocked: another plugin refuses it
//	gone a                                              the Node object is deleted, its pods stay
//	pod r-0 policy=p [cluster=c] [shard=s] [on=a] [priority=1] [mounts=claim] [version=1] [lost] [terminating] [cpu=2] [rebuilt]
//	    [says=r-1]                                      its labels are those of another instance
//	claim data-r-0 policy=p node=a [lost] [retired]     a claim that is bound to a local volume of node a
//	delete r-0 ...                                      pods that are gone at once
//	schedule r-1 ...                                    places the pod, or says how many nodes were refused, and why
//	woken                                               the pods that the plugin wanted to be tried again since it was last asked
func TestScenarios(t *testing.T) {
	datadriven.Walk(t, "testdata/scenarios", func(t *testing.T, path string) {
		var s script
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			a := arguments{t, d}
			switch d.Cmd {
			case "world":
				args := config.DispersionArgs{MaxInstancesPerNode: int32(a.number("total", 0))}
				if m := a.number("defaults-M", 0); m > 0 {
					args.Defaults.MaxInstancesPerNode = ptr.To(int32(m))
				}
				s = script{newWorld(t, args)}
			case "policy":
				s.policy(a)
			case "unpolicy":
				s.unpolicy(a.name())
			case "node":
				s.node(a.name(), int64(a.number("cpu", 4)), 110, a.changeNode)
				if d.HasArg("blocked") {
					s.blocked[a.name()] = true
				}
			case "gone":
				s.gone(a.name())
			case "pod":
				s.pod(a)
			case "claim":
				s.claim(a)
			case "delete":
				s.deletePods(a)
			case "woken":
				return s.woken()
			case "schedule":
				return s.scheduleAll(a)
			default:
				t.Fatalf("%s: unknown command %q", d.Pos, d.Cmd)
			}
			return "ok"
		})
	})
}

type arguments struct {
	t *testing.T
	d *datadriven.TestData
}

func (a arguments) name() string { return a.d.CmdArgs[0].Key }

func (a arguments) text(key string) string {
	for _, arg := range a.d.CmdArgs {
		if arg.Key == key && len(arg.Vals) > 0 {
			return arg.Vals[0]
		}
	}
	return ""
}

func (a arguments) number(key string, otherwise int) int {
	text := a.text(key)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		a.t.Fatalf("%s: %v", a.d.Pos, err)
	}
	return n
}

func (a arguments) changeNode(n *corev1.Node) {
	n.Spec.Unschedulable = a.d.HasArg("cordoned")
	if a.d.HasArg("out-of-service") {
		n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: corev1.TaintNodeOutOfService, Effect: corev1.TaintEffectNoExecute})
	}
}

func (a arguments) labels() map[string]string {
	labels := map[string]string{}
	for key, label := range map[string]string{"policy": v1alpha1.LabelPlacementPolicy, "cluster": v1alpha1.LabelCluster, "shard": v1alpha1.LabelShard} {
		if v := a.text(key); v != "" {
			labels[label] = v
		}
	}
	for key, label := range map[string]string{"lost": v1alpha1.LabelLost, "retired": v1alpha1.LabelRetired} {
		if a.d.HasArg(key) {
			labels[label] = "x"
		}
	}
	if set, ordinal, found := strings.Cut(strings.TrimPrefix(a.name(), "data-"), "-"); found && set == "r" { // r-<n> belongs to the InstanceSet r
		labels[v1alpha1.LabelInstanceSet], labels[v1alpha1.LabelOrdinal] = set, ordinal
	}
	if other := a.text("says"); other != "" {
		labels[v1alpha1.LabelInstanceSet], labels[v1alpha1.LabelOrdinal], _ = strings.Cut(other, "-")
	}
	return labels
}

type script struct{ *world }

func (s script) policy(a arguments) {
	g := slots.Group{Namespace: "ns", Policy: a.name()}
	_, known := s.policies[g]
	s.policies[g] = policy{
		version: a.text("version"), counted: !a.d.HasArg("uncounted"), replicas: a.number("R", 0), shards: a.number("shards", 0),
		mode:   v1alpha1.PlacementMode(a.text("mode")),
		limits: fixed(placement.Limits{MaxPerNode: a.number("M", 0), MaxNodes: a.number("K", 0), MaxPerShard: a.number("m", 1)}),
	}
	before, after := objectOf(g), objectOf(g)
	switch {
	case !known:
		before = nil
	case a.d.HasArg("anew"):
		after.UID = "another"
	default:
		after.Generation++
	}
	s.plugin.wake(s.t.Context(), before, after)
}

func (s script) unpolicy(name string) {
	g := slots.Group{Namespace: "ns", Policy: name}
	delete(s.policies, g)
	s.plugin.wake(s.t.Context(), objectOf(g), nil)
}

// objectOf is the policy of a group as far as events of it matter.
func objectOf(g slots.Group) *v1alpha1.PlacementPolicy {
	return &v1alpha1.PlacementPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: g.Namespace, Name: g.Policy, UID: "first", Generation: 1}}
}

func (s script) gone(name string) {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if err := s.cache.RemoveNode(loggerOf(s.t.Context()), n); err != nil {
		s.t.Fatal(err)
	}
}

func (s script) pod(a arguments) {
	p := instance(a.name(), "", "")
	p.Labels = a.labels()
	p.Annotations = map[string]string{v1alpha1.AnnotationPolicyVersion: a.text("version")}
	if a.d.HasArg("rebuilt") {
		p.Annotations[v1alpha1.AnnotationRebuildGeneration] = "1"
	}
	if cpu := a.text("cpu"); cpu != "" {
		p.Spec.Containers[0].Resources.Requests[corev1.ResourceCPU] = resource.MustParse(cpu)
	}
	if a.d.HasArg("priority") {
		p.Spec.Priority = ptr.To(int32(a.number("priority", 0)))
	}
	if a.d.HasArg("terminating") {
		p.DeletionTimestamp = ptr.To(metav1.Now())
	}
	if claim := a.text("mounts"); claim != "" {
		source := &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim}
		p.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: source}}}
	}
	if node := a.text("on"); node != "" {
		s.bind(p, node)
		return
	}
	s.arrive(p)
}

func (s script) claim(a arguments) {
	volume := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "pv-" + a.name()}}
	volume.Spec.NodeAffinity = &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
		MatchExpressions: []corev1.NodeSelectorRequirement{{Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{a.text("node")}}},
	}}}}
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: a.name(), Labels: a.labels()}}
	claim.Spec.VolumeName = volume.Name
	s.add(s.plugin.claims, claim)
	s.add(s.factory.Core().V1().PersistentVolumes().Informer().GetIndexer(), volume)
}

// scheduleAll schedules pods that arrived before, one after the other.
func (s script) scheduleAll(a arguments) string {
	var b strings.Builder
	for _, arg := range a.d.CmdArgs {
		o, found, err := s.plugin.pods.GetByKey("ns/" + arg.Key)
		if err != nil || !found {
			a.t.Fatalf("%s: no pod %q has arrived", a.d.Pos, arg.Key)
		}
		s.said = ""
		node, refused := s.schedule(o.(*corev1.Pod))
		if node != "" {
			fmt.Fprintf(&b, "%s on %s\n", arg.Key, node)
			continue
		}
		count := map[string]int{}
		for _, status := range refused {
			count[status.Code().String()+": "+status.Message()]++
		}
		fmt.Fprintf(&b, "%s refused\n", arg.Key)
		for _, message := range slices.Sorted(maps.Keys(count)) {
			fmt.Fprintf(&b, "  %d %s\n", count[message], message)
		}
		if s.said != "" {
			fmt.Fprintf(&b, "  %s\n", s.said)
		}
	}
	return b.String()
}

func (s script) deletePods(a arguments) {
	for _, arg := range a.d.CmdArgs {
		o, found, err := s.plugin.pods.GetByKey("ns/" + arg.Key)
		if err != nil || !found {
			a.t.Fatalf("%s: no pod %q has arrived", a.d.Pos, arg.Key)
		}
		s.remove(o.(*corev1.Pod))
	}
}

func (s script) woken() string {
	h := s.plugin.handle.(*handle)
	names := slices.Sorted(maps.Keys(h.activated))
	h.activated = nil
	if len(names) == 0 {
		return "nobody"
	}
	return strings.ReplaceAll(strings.Join(names, " "), "ns/", "")
}
