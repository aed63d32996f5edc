package playground

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/shoal-dev/shoal/playground/process"
)

func TestNodesOfAShape(t *testing.T) {
	nodes := Shape{Prefix: "big-", First: 998, Count: 4, Zones: 2, Pods: 20, Labels: map[string]string{"size": "big"}}.nodes()
	var names, zones []string
	for _, node := range nodes {
		names = append(names, node.Name)
		zones = append(zones, node.Labels[corev1.LabelTopologyZone])
	}
	if want := []string{"big-0998", "big-0999", "big-1000", "big-1001"}; !slices.Equal(names, want) {
		t.Errorf("names are %v, want %v", names, want)
	}
	if want := []string{"zone-a", "zone-b", "zone-a", "zone-b"}; !slices.Equal(zones, want) {
		t.Errorf("zones are %v, want %v", zones, want)
	}
	node := nodes[0]
	if node.Labels[corev1.LabelHostname] != node.Name || node.Labels["size"] != "big" || node.Labels[KubeletLabel] != "running" {
		t.Errorf("labels are %v", node.Labels)
	}
	if pods := node.Status.Allocatable[corev1.ResourcePods]; pods.Value() != 20 {
		t.Errorf("it takes %s pods, want 20", pods.String())
	}
	if first := (Shape{Count: 3}).withDefaults().names()[0]; first != "node-000" {
		t.Errorf("the first of three nodes is called %s", first)
	}
}

func TestImpossibleOptionsAreRefusedInWords(t *testing.T) {
	for _, test := range []struct {
		name    string
		options Options
		want    string
	}{
		{"count", Options{Nodes: []Shape{{Count: -1}}}, "nodes -1: between 0 and 10000"},
		{"zones", Options{Nodes: []Shape{{Count: 1, Zones: 27}}}, "zones 27: between 1 and 26"},
		{"cpu", Options{Nodes: []Shape{{Count: 1, CPU: "lots"}}}, `node cpu "lots"`},
		{"memory", Options{Nodes: []Shape{{Count: 1, Memory: "0"}}}, `node memory "0"`},
		{"grace", Options{NodeGrace: time.Second}, "node grace 1s: at least 4s"},
		{"nothing installed", Options{Managers: 1}, "set Install too"},
		{"control plane", Options{}, "run: make controlplane"},
		{"manifests", Options{Install: true}, "manifests/install is missing"},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.options.Dir, test.options.Root = t.TempDir(), t.TempDir()
			if err := test.options.Check(); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want it to contain %q", err, test.want)
			}
		})
	}
}

func TestWhatIsNotBuiltIsNamedWithHowToBuildIt(t *testing.T) {
	deployed := Options{Root: t.TempDir(), Install: true, RealNodes: 1}
	processes, simulated := deployed, deployed
	processes.Managers = 1
	simulated.RealNodes, simulated.Schedulers = 0, 1
	for _, test := range []struct {
		name    string
		options Options
		want    []string
	}{
		{"on real nodes", deployed, []string{"make controlplane", "make real-nodes-bin", "make build", "make images"}},
		{"as processes beside real nodes", processes, []string{"make controlplane", "make real-nodes-bin", "make build"}},
		{"on simulated nodes", simulated, []string{"make controlplane", "make build"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := test.options.unbuilt()
			if err == nil || !strings.HasSuffix(err.Error(), "(run: "+strings.Join(test.want, "; ")+")") {
				t.Errorf("got %v, want it to say %v", err, test.want)
			}
		})
	}
}

func TestManyNodesGetALongerGrace(t *testing.T) {
	for nodes, want := range map[int]time.Duration{0: 12 * time.Second, 100: 12 * time.Second, 300: 36 * time.Second} {
		if got := grace(nodes); got != want {
			t.Errorf("grace of %d nodes is %s, want %s", nodes, got, want)
		}
	}
}

func TestOnlyOneClusterInADirectory(t *testing.T) {
	l := layout(filepath.Join(t.TempDir(), "cluster"))
	lock, err := l.claim()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.claim(); err == nil || !strings.Contains(err.Error(), "in use by a running cluster") {
		t.Errorf("claiming it twice: %v", err)
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := l.claim()
	if err != nil {
		t.Fatalf("after its end: %v", err)
	}
	defer func() { _ = again.Close() }()
	if err := l.remove(false); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(string(l)); !os.IsNotExist(err) {
		t.Errorf("the directory is still there: %v", err)
	}
}

func TestFilesOfOthersAreLeftAlone(t *testing.T) {
	l := layout(t.TempDir())
	theirs := l.path("kubeconfig")
	if err := os.WriteFile(theirs, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := l.claim(); err == nil || !strings.Contains(err.Error(), "no cluster's") {
		t.Errorf("claiming the directory: %v", err)
	}
	if err := Remove(context.Background(), string(l), false); err != nil {
		t.Errorf("down where nothing is up: %v", err)
	}
	if _, err := os.Stat(theirs); err != nil {
		t.Errorf("their file: %v", err)
	}
}

func TestLogsCanBeKept(t *testing.T) {
	l := layout(t.TempDir())
	lock, err := l.claim()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = lock.Close() }()
	if err := os.WriteFile(l.path("logs", "etcd.log"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := l.remove(true); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(string(l))
	if err != nil || len(entries) != 1 || entries[0].Name() != "logs" {
		t.Errorf("left are %v, %v, want the logs", entries, err)
	}
	if err := l.refuseForeign(); err != nil {
		t.Errorf("a directory with only logs is refused: %v", err)
	}
}

func TestNothingOfAnEarlierClusterIsTakenOver(t *testing.T) {
	l := layout(t.TempDir())
	lock, err := l.claim()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = lock.Close() }()
	for _, path := range []string{l.state(), l.lostNode("node-000"), l.path("logs", "audit.log"), l.path("logs", SupervisorLog)} {
		if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.empty(); err != nil {
		t.Fatal(err)
	}
	for path, there := range map[string]bool{
		l.state(): false, l.lostNode("node-000"): false, l.path("logs", "audit.log"): false,
		l.lock(): true, l.path("lost-nodes"): true, l.path("logs", SupervisorLog): true,
	} {
		if _, err := os.Stat(path); (err == nil) != there {
			t.Errorf("%s: there is %v, want %v", path, err == nil, there)
		}
	}
}

func TestStateIsReadAsItWasWritten(t *testing.T) {
	l := layout(t.TempDir())
	if _, err := l.readState(); err == nil || !strings.Contains(err.Error(), "run 'playground up'") {
		t.Errorf("without a cluster: %v", err)
	}
	want := State{
		Supervisor: process.Identity{PID: 1, Start: 2}, Ready: true, NodeGrace: time.Second,
		Components: []process.Status{{Name: "etcd", Exit: &process.Exit{How: "killed", Tail: []string{"a"}}}},
	}
	if err := l.writeState(want); err != nil {
		t.Fatal(err)
	}
	got, err := l.readState()
	if err != nil || got.Supervisor != want.Supervisor || got.Components[0].Exit.Tail[0] != "a" || !got.Ready {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestPortsAreDifferentAndOutsideTheKernelsRange(t *testing.T) {
	ports, err := freePorts(50)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(ports)
	if len(slices.Compact(ports)) != 50 || ports[0] < lowestPort || ports[49] >= 32768 {
		t.Errorf("ports are %v", ports)
	}
}

func TestSchedulerConfigKeepsEverythingButTheKubeconfig(t *testing.T) {
	const shipped = `apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
clientConnection: {qps: 500}
profiles: [{schedulerName: shoal-scheduler}]
`
	text, err := withKubeconfig(shipped, "/a/b")
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Kind             string
		ClientConnection struct {
			Kubeconfig string
			QPS        int
		}
		Profiles []struct{ SchedulerName string }
	}
	if err := yaml.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if got.ClientConnection.Kubeconfig != "/a/b" || got.ClientConnection.QPS != 500 || got.Kind == "" || got.Profiles[0].SchedulerName != "shoal-scheduler" {
		t.Errorf("got %s", text)
	}
	if _, err := withKubeconfig("", "/a/b"); err == nil {
		t.Error("an empty configuration is accepted")
	}
}

func TestAnUnreachableNodeIsNotUsable(t *testing.T) {
	ready := corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}}
	tainted := corev1.NodeSpec{Taints: []corev1.Taint{{Key: corev1.TaintNodeUnreachable}}}
	nodes := []corev1.Node{
		{ObjectMeta: metav1.ObjectMeta{Name: "a"}, Status: ready},
		{ObjectMeta: metav1.ObjectMeta{Name: "b"}, Status: ready, Spec: tainted},
		{ObjectMeta: metav1.ObjectMeta{Name: "c"}},
	}
	wanted := map[string]bool{"a": true, "b": true, "c": true, "d": true}
	if err := missingNodes(wanted, nodes); err == nil || err.Error() != "3 of 4 are not: b, c, d" {
		t.Errorf("got %v", err)
	}
	delete(wanted, "b")
	delete(wanted, "c")
	delete(wanted, "d")
	if err := missingNodes(wanted, nodes); err != nil {
		t.Error(err)
	}
}
