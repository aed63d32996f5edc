package kubectlshoal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/klog/v2"
	"sigs.k8s.io/yaml"
)

func TestMain(m *testing.M) {
	klog.SetLogger(logr.Discard())
	os.Exit(m.Run())
}

// TestScenarios runs testdata. `cluster` takes a cluster as YAML, and `run` a command line, whose output it prints, with
// the exit code if it is not 0. `file NAME` writes a file that commands can name. `write` takes a command line that writes to the
// cluster, and prints the writes as well; `write forbidden` refuses them, and with `write meanwhile` somebody else is quicker.
//
// Beside Kubernetes' objects, the YAML may have two kinds that stand for many: Nodes (names, zone, cpu, memory, pods) and Pods
// (names, namespace, node, cpu, memory, labels, volume: a local volume on the node). A PastTemplate is what a set has asked for once,
// with the pods that are of it.
func TestScenarios(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		dir := t.TempDir()
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "cluster":
				if err := os.WriteFile(filepath.Join(dir, "cluster.yaml"), []byte(expanded(t, d.Input)), 0o600); err != nil {
					t.Fatal(err)
				}
				return "ok"
			case "file":
				if err := os.WriteFile(filepath.Join(dir, d.CmdArgs[0].Key), []byte(d.Input), 0o600); err != nil {
					t.Fatal(err)
				}
				return "ok"
			case "run":
				args := append(strings.Fields(d.Input), "--cluster-dump", "cluster.yaml")
				for i, arg := range args {
					if _, err := os.Stat(filepath.Join(dir, arg)); err == nil {
						args[i] = filepath.Join(dir, arg)
					}
				}
				text := strings.ReplaceAll(run(t, "", args...), dir+"/", "")
				if strings.Contains(d.Input, "-o json") {
					published(t, text)
				}
				return text
			case "write":
				return written(t, filepath.Join(dir, "cluster.yaml"), d)
			}
			t.Fatalf("%s: unknown command %q", d.Pos, d.Cmd)
			return ""
		})
	})
}

// published holds an answer against the schema of its kind.
func published(t *testing.T, text string) {
	t.Helper()
	var value map[string]any
	if err := json.NewDecoder(strings.NewReader(text)).Decode(&value); err != nil {
		t.Fatalf("the answer is not JSON: %v", err)
	}
	kind, _ := value["kind"].(string)
	conforms(t, schemaOf(t, strings.ToLower(kind)+".v1.json"), value)
}

// run runs a command and gives back what it printed.
func run(t *testing.T, in string, args ...string) string {
	t.Helper()
	var out, errors bytes.Buffer
	cmd := New(Environment{
		Streams: genericiooptions.IOStreams{In: strings.NewReader(in), Out: &out, ErrOut: &errors},
		Version: "test", Now: func() time.Time { return time.Unix(1_700_000_000, 0) },
	})
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(t.Context())
	code, tell := ExitCode(err)
	text := out.String() + errors.String()
	if tell {
		text += "kubectl shoal: " + Told(err) + "\n"
	}
	if code != 0 {
		text += fmt.Sprintf("exit %d\n", code)
	}
	return text
}

// many is a document that stands for many objects.
type many struct {
	Kind, Namespace, Zone, Node string
	Names                       []string
	CPU, Memory, Pods           string
	Labels                      map[string]string
	Volume                      bool
}

func expanded(t *testing.T, text string) string {
	t.Helper()
	var documents []string
	for document := range strings.SplitSeq(text, "\n---\n") {
		var m many
		if err := yaml.Unmarshal([]byte(document), &m); err != nil {
			t.Fatal(err)
		}
		switch m.Kind {
		case "Nodes":
			for _, name := range m.Names {
				documents = append(documents, printed(t, m.aNode(name)))
			}
		case "Pods":
			for _, name := range m.Names {
				for _, o := range m.aPod(name) {
					documents = append(documents, printed(t, o))
				}
			}
		default:
			documents = append(documents, document)
		}
	}
	return strings.Join(withHistory(t, documents), "\n---\n")
}

func printed(t *testing.T, o any) string {
	t.Helper()
	text, err := yaml.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func or(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

func (m many) aNode(name string) *corev1.Node {
	n := &corev1.Node{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Node"}, ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelHostname: name}}}
	if m.Zone != "" {
		n.Labels[corev1.LabelTopologyZone] = m.Zone
	}
	n.Status.Allocatable = corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse(or(m.CPU, "8")), corev1.ResourceMemory: resource.MustParse(or(m.Memory, "32Gi")),
		corev1.ResourcePods: resource.MustParse(or(m.Pods, "110")),
	}
	return n
}

func (m many) aPod(name string) []any {
	p := &corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{Namespace: or(m.Namespace, "default"), Name: name, Labels: m.Labels},
	}
	p.Spec.SchedulerName, p.Spec.NodeName = "shoal-scheduler", m.Node
	p.Spec.Containers = []corev1.Container{{Name: "redis", Image: "redis:7", Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse(or(m.CPU, "1")), corev1.ResourceMemory: resource.MustParse(or(m.Memory, "1Gi")),
	}}}}
	if !m.Volume {
		return []any{p}
	}
	claim, volume := localVolume(p, m.Node)
	return []any{claim, volume, p}
}

// localVolume gives a pod a claim that is bound to a local volume of a node.
func localVolume(p *corev1.Pod, node string) (*corev1.PersistentVolumeClaim, *corev1.PersistentVolume) {
	size := corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("10Gi")}
	class, modes := "local", []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
	claim := &corev1.PersistentVolumeClaim{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "PersistentVolumeClaim"},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: p.Namespace, Name: "data-" + p.Name, Labels: p.Labels, Annotations: map[string]string{"pv.kubernetes.io/bind-completed": "yes"},
		},
	}
	claim.Spec = corev1.PersistentVolumeClaimSpec{
		StorageClassName: &class, AccessModes: modes, VolumeName: "pv-" + p.Name, Resources: corev1.VolumeResourceRequirements{Requests: size},
	}
	claim.Status = corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimBound, AccessModes: modes, Capacity: size}
	volume := &corev1.PersistentVolume{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "PersistentVolume"}, ObjectMeta: metav1.ObjectMeta{Name: claim.Spec.VolumeName}}
	volume.Spec = corev1.PersistentVolumeSpec{
		Capacity: size, AccessModes: modes, StorageClassName: class, PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimRetain,
		ClaimRef:               &corev1.ObjectReference{Kind: "PersistentVolumeClaim", Namespace: claim.Namespace, Name: claim.Name},
		PersistentVolumeSource: corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: "/data"}},
		NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
			MatchExpressions: []corev1.NodeSelectorRequirement{{Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{node}}},
		}}}},
	}
	p.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{
		PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim.Name},
	}}}
	return claim, volume
}
