//go:build bench

package perf

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/plugins/dispersion"
	"github.com/shoal-dev/shoal/plugins/loadbalance"
)

// patience is how long the pods of one run may take on a machine that does other things too.
const patience = 25 * time.Minute

// size of a run. Background pods are there before anything is measured, on nodes that were chosen for them.
type size struct{ nodes, pods int }

func (s size) background() int { return max(1, s.nodes/5) }

// k is a tenth of the nodes, or as many as it takes for 20 instances on each.
func (s size) k() int { return min(s.nodes, max(s.nodes/10, (s.pods+19)/20)) }

func (s size) m(nodes int) int { return (s.pods+nodes-1)/nodes + 1 }

// benchCase is a profile with the pods that use it.
type benchCase struct {
	name     string
	without  []string // plugins that are taken out of the shipped configuration
	upstream bool     // upstream's default profile instead
	limits   func(size) map[string]any
	sharded  bool
	spec     string // of the pod, as YAML with two spaces before each line
}

const shardSize = 3

// Every three pods are one shard, whose members must not share a node: what is done without Shoal.
const antiAffinity = `
  affinity:
    podAntiAffinity:
      requiredDuringSchedulingIgnoredDuringExecution:
      - topologyKey: kubernetes.io/hostname
        labelSelector:
          matchLabels:
            shoal.dev/shard: "s-{{DivideInt .Index 3}}"`

const topologySpread = `
  topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: DoNotSchedule
    labelSelector:
      matchLabels:
        shoal.dev/placement-policy: group`

func cases() []benchCase {
	onlyM := func(s size) map[string]any { return map[string]any{"maxInstancesPerNode": s.m(s.nodes)} }
	all := func(s size) map[string]any {
		return map[string]any{"maxInstancesPerNode": s.m(s.k()), "maxNodes": s.k(), "shards": (s.pods + shardSize - 1) / shardSize}
	}
	return []benchCase{
		{name: "default", upstream: true},
		{name: "without", without: []string{dispersion.Name, loadbalance.Name}},
		{name: "m", without: []string{loadbalance.Name}, limits: onlyM},
		{name: "m-k-shard", without: []string{loadbalance.Name}, limits: all, sharded: true},
		{name: "shipped", limits: all, sharded: true},
		{name: "antiaffinity", upstream: true, sharded: true, spec: antiAffinity},
		{name: "spread", upstream: true, spec: topologySpread},
	}
}

func chooseCases(names string) ([]benchCase, error) {
	if names == "" {
		return cases(), nil
	}
	var chosen []benchCase
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(cases(), func(c benchCase) bool { return c.name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no case %q", name)
		}
		chosen = append(chosen, cases()[i])
	}
	return chosen, nil
}

// run is one case in one round.
type run struct {
	benchCase
	round int
}

func (r run) name() string { return fmt.Sprintf("%s-%d", r.benchCase.name, r.round) }

// rounds are the runs in their order. Every other round goes backwards: what grows with time, as the load of the machine
// may, favours nobody.
func rounds(chosen []benchCase, repeat int) []run {
	var list []run
	for round := range repeat {
		order := slices.Clone(chosen)
		if round%2 == 1 {
			slices.Reverse(order)
		}
		for _, c := range order {
			list = append(list, run{c, round})
		}
	}
	return list
}

// writeConfiguration writes what scheduler_perf reads, and returns its path.
func writeConfiguration(dir string, s size, runs []run) (string, error) {
	w := writer{dir: dir}
	w.write("node.yaml", nodeTemplate)
	w.write("background.yaml", fmt.Sprintf(podTemplate, "background", "", "default-scheduler", fmt.Sprintf("\n  nodeName: node-{{Mod .Index %d}}", s.nodes)))
	var list []any
	for _, r := range runs {
		list = append(list, w.testCase(r, s))
	}
	text, err := yaml.Marshal(list)
	if err != nil {
		return "", fmt.Errorf("writing the cases: %w", err)
	}
	return w.write("cases.yaml", string(text)), w.err
}

// writer remembers the first error.
type writer struct {
	dir string
	err error
}

func (w *writer) write(name, text string) string {
	path := filepath.Join(w.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil && w.err == nil {
		w.err = fmt.Errorf("writing the configuration: %w", err)
	}
	return path
}

const nodeTemplate = `
apiVersion: v1
kind: Node
metadata:
  name: node-{{.Index}}
  labels: {topology.kubernetes.io/zone: "zone-{{Mod .Index 3}}"}
status:
  capacity: {pods: "110", cpu: "16", memory: 64Gi}
  allocatable: {pods: "110", cpu: "16", memory: 64Gi}
  conditions:
  - {type: Ready, status: "True"}
`

// The name, labels, scheduler and the rest of the spec are filled in.
const podTemplate = `
apiVersion: v1
kind: Pod
metadata:
  generateName: %s-
  labels: {app: bench%s}
spec:
  schedulerName: %s
  containers:
  - name: c
    image: redis:7
    resources:
      requests: {cpu: 100m, memory: 500Mi}%s
`

func (w *writer) testCase(r run, s size) any {
	c := r.benchCase
	const ns = "group"
	labels, scheduler := ", "+v1alpha1.LabelPlacementPolicy+": group", v1alpha1.SchedulerName
	if c.sharded {
		labels += fmt.Sprintf(", %s: \"s-{{DivideInt .Index %d}}\"", v1alpha1.LabelShard, shardSize)
	}
	if c.upstream {
		scheduler = "default-scheduler"
	}
	pod := w.write(c.name+"-pod.yaml", fmt.Sprintf(podTemplate, "pod", labels, scheduler, c.spec))
	type op = map[string]any
	return map[string]any{
		"name": r.name(), "labels": []string{topic}, "schedulerConfigPath": w.config(c),
		"metricsCollectorConfig": op{"metrics": op{}}, // its averages are of all cases so far: upstream cannot reset a plain histogram
		"workloads":              []op{{"name": "run"}},
		"workloadTemplate": []op{
			{"opcode": "createAny", "namespace": ns, "templatePath": w.policy(c, s)},
			{"opcode": "createNodes", "count": s.nodes, "nodeTemplatePath": filepath.Join(w.dir, "node.yaml")},
			{"opcode": "createPods", "namespace": "background", "count": s.background(), "podTemplatePath": filepath.Join(w.dir, "background.yaml")},
			{"opcode": "createPods", "namespace": ns, "count": s.pods, "podTemplatePath": pod, "collectMetrics": true},
		},
	}
}

func (w *writer) policy(c benchCase, s size) string {
	spec := map[string]any{}
	if c.limits != nil {
		spec = c.limits(s)
	}
	spec["replicas"] = s.pods
	text, err := yaml.Marshal(map[string]any{
		"apiVersion": v1alpha1.GroupVersion.String(), "kind": "PlacementPolicy", "metadata": map[string]any{"name": "group"}, "spec": spec,
	})
	if err != nil && w.err == nil {
		w.err = err
	}
	return w.write(c.name+"-policy.yaml", string(text))
}

// config is the path of a scheduler configuration: the shipped one, with some plugins taken out. Empty is upstream's default.
func (w *writer) config(c benchCase) string {
	const shipped = "../../manifests/scheduler-config/scheduler-config.yaml"
	if c.upstream {
		return ""
	}
	if len(c.without) == 0 {
		return shipped
	}
	text, err := os.ReadFile(shipped)
	if err == nil {
		text, err = withoutPlugins(text, c.without)
	}
	if err != nil && w.err == nil {
		w.err = fmt.Errorf("reading the shipped configuration: %w", err)
	}
	return w.write(c.name+"-config.yaml", string(text))
}

func withoutPlugins(text []byte, names []string) ([]byte, error) {
	var config map[string]any
	if err := yaml.Unmarshal(text, &config); err != nil {
		return nil, err
	}
	prune(config, func(entry map[string]any) bool {
		name, _ := entry["name"].(string)
		return slices.Contains(names, name)
	})
	return yaml.Marshal(config)
}

// prune takes what matches out of all lists below.
func prune(below any, matches func(map[string]any) bool) {
	fields, ok := below.(map[string]any)
	if !ok {
		return
	}
	for key, value := range fields {
		list, isList := value.([]any)
		if !isList {
			prune(value, matches)
			continue
		}
		kept := slices.DeleteFunc(list, func(e any) bool {
			entry, isMap := e.(map[string]any)
			return isMap && matches(entry)
		})
		for _, e := range kept {
			prune(e, matches)
		}
		fields[key] = kept
	}
}
