package slots

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// TestScenarios runs testdata/scenarios. `count` takes a world, one object a line, and prints the slots that are held:
//
//	node a [hostname=x] [out-of-service]
//	pod r-0 [set=r] [policy=p|cluster=c] [shard=s] [node=a] [nominated=a] [mounts=claim] [lost] [terminating] [phase=Failed]
//	claim data-r-0 [set=r ordinal=0] [policy=p] [volume=pv] [selected=a] [lost] [retired]
//	volume pv [host=a] [zone=z]
func TestScenarios(t *testing.T) {
	datadriven.Walk(t, "testdata/scenarios", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd != "count" {
				t.Fatalf("%s: unknown command %q", d.Pos, d.Cmd)
			}
			return printed(Count(parseWorld(t, d.Input, d.HasArg("nominated"))))
		})
	})
}

func printed(held []Slot) string {
	if len(held) == 0 {
		return "no slots"
	}
	var b strings.Builder
	for _, s := range held {
		by := "volume"
		if s.Pod != nil {
			by = "pod"
		}
		fmt.Fprintf(&b, "%s on %s by its %s, group %s", s.Instance.Name, s.Node, by, s.Group)
		if s.Shard != "" {
			fmt.Fprintf(&b, ", shard %s", s.Shard)
		}
		b.WriteString("\n")
	}
	return b.String()
}

func parseWorld(t *testing.T, input string, nominated bool) World {
	t.Helper()
	var w World
	var nodes []*corev1.Node
	volumes := map[string]*corev1.PersistentVolume{}
	for line := range strings.SplitSeq(strings.TrimSpace(input), "\n") {
		words := strings.Fields(line)
		o := object{t: t, name: words[1], args: map[string]string{}}
		for _, word := range words[2:] {
			key, value, _ := strings.Cut(word, "=")
			o.args[key] = value
		}
		switch words[0] {
		case "node":
			nodes = append(nodes, o.node())
		case "pod":
			w.Pods = append(w.Pods, o.pod())
		case "claim":
			w.Claims = append(w.Claims, o.claim())
		case "volume":
			volumes[o.name] = o.volume()
		default:
			t.Fatalf("unknown object %q", words[0])
		}
	}
	w.Nodes = NewNodeMap(nodes)
	w.Volume = func(name string) *corev1.PersistentVolume { return volumes[name] }
	if nominated {
		w.Nominated = func(p *corev1.Pod) bool { return p.Status.NominatedNodeName != "" }
	}
	return w
}

type object struct {
	t    *testing.T
	name string
	args map[string]string
}

func (o object) has(flag string) bool { _, ok := o.args[flag]; return ok }

func (o object) meta() metav1.ObjectMeta {
	labels := map[string]string{}
	for arg, label := range map[string]string{
		"set": v1alpha1.LabelInstanceSet, "ordinal": v1alpha1.LabelOrdinal, "policy": v1alpha1.LabelPlacementPolicy,
		"cluster": v1alpha1.LabelCluster, "shard": v1alpha1.LabelShard,
	} {
		if o.has(arg) {
			labels[label] = o.args[arg]
		}
	}
	if o.has("lost") {
		labels[v1alpha1.LabelLost] = "node-uid"
	}
	if o.has("retired") {
		labels[v1alpha1.LabelRetired] = v1alpha1.RetiredValue
	}
	return metav1.ObjectMeta{Namespace: "ns", Name: o.name, Labels: labels}
}

func (o object) node() *corev1.Node {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: o.name, Labels: map[string]string{corev1.LabelHostname: o.name}}}
	if o.has("hostname") {
		n.Labels[corev1.LabelHostname] = o.args["hostname"]
	}
	if o.has("out-of-service") {
		n.Spec.Taints = []corev1.Taint{{Key: corev1.TaintNodeOutOfService, Effect: corev1.TaintEffectNoExecute}}
	}
	return n
}

func (o object) pod() *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: o.meta()}
	p.Spec.NodeName = o.args["node"]
	p.Status.NominatedNodeName = o.args["nominated"]
	p.Status.Phase = corev1.PodPhase(o.args["phase"])
	if o.has("terminating") {
		p.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
	}
	if o.has("mounts") {
		source := &corev1.PersistentVolumeClaimVolumeSource{ClaimName: o.args["mounts"]}
		p.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: source}}}
	}
	return p
}

func (o object) claim() *corev1.PersistentVolumeClaim {
	c := &corev1.PersistentVolumeClaim{ObjectMeta: o.meta()}
	c.Spec.VolumeName = o.args["volume"]
	if o.has("selected") {
		c.Annotations = map[string]string{SelectedNode: o.args["selected"]}
	}
	return c
}

func (o object) volume() *corev1.PersistentVolume {
	key, value := corev1.LabelHostname, o.args["host"]
	if o.has("zone") {
		key, value = corev1.LabelTopologyZone, o.args["zone"]
	}
	if value == "" {
		return &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: o.name}}
	}
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: o.name},
		Spec: corev1.PersistentVolumeSpec{NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{
			NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{
				{Key: key, Operator: corev1.NodeSelectorOpIn, Values: []string{value}},
			}}},
		}}},
	}
}
