package playground

import (
	"context"
	"debug/buildinfo"
	"path/filepath"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/shoal-dev/shoal/playground/cgroup"
	"github.com/shoal-dev/shoal/playground/process"
)

// Report is what can be said of a cluster from outside.
type Report struct {
	State

	Dir        string            `json:"dir"`
	Alive      bool              `json:"alive"` // its supervisor runs
	Versions   map[string]string `json:"versions"`
	Nodes      int               `json:"nodes"`
	NodesReady int               `json:"nodesReady"`
	Failed     map[string]Fault  `json:"failed,omitempty"`  // by node
	Problem    string            `json:"problem,omitempty"` // why nothing is known of the nodes
	Stopped    []string          `json:"stopped,omitempty"` // components that should run and do not

	CgroupVersion int `json:"cgroupVersion,omitempty"` // of the cgroups that the real nodes use: 1 or 2; 0 without real nodes, or if it cannot be told
}

// statusTimeout is for a cluster whose API server does not answer: its status is needed most then.
const statusTimeout = 5 * time.Second

// Status reports on the cluster in a directory. It is an error if there is none; that it is broken is in the report.
func Status(ctx context.Context, dir string) (*Report, error) {
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	c := &Cluster{layout: layout(absolute)}
	state, err := c.layout.readState()
	if err != nil {
		return nil, err
	}
	report := &Report{State: state, Dir: absolute, Alive: state.Supervisor.Alive(), Versions: map[string]string{}}
	for _, component := range state.Components {
		report.Versions[component.Name] = version(component)
		if !component.Running() {
			report.Stopped = append(report.Stopped, component.Name)
		}
	}
	if len(state.RealNodes) > 0 {
		if groups, err := cgroup.Detect(); err == nil { // or this was called where the nodes' cgroups are not seen
			report.CgroupVersion = groups.Version()
		}
	}
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	if err := c.countNodes(ctx, report); err != nil {
		report.Problem = err.Error()
	}
	return report, nil
}

func (c *Cluster) countNodes(ctx context.Context, report *Report) error {
	if err := c.connect(); err != nil {
		return err
	}
	c.config.Timeout = statusTimeout
	client, err := kubernetes.NewForConfig(c.config)
	if err != nil {
		return err
	}
	list, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{ResourceVersion: "0"})
	if err != nil {
		return err
	}
	report.Failed = map[string]Fault{}
	for i := range list.Items {
		node := &list.Items[i]
		report.Nodes++
		if isReady(node) {
			report.NodesReady++
		}
		if kubelet := node.Labels[KubeletLabel]; kubelet != kubeletRunning && kubelet != "" {
			report.Failed[node.Name] = Fault(kubelet)
		}
	}
	for _, node := range report.RealNodes {
		if node.Fault != "" {
			report.Failed[node.Name] = node.Fault
		}
	}
	lost, err := filepath.Glob(c.layout.lostNode("*"))
	if err != nil {
		return err
	}
	for _, path := range lost {
		name := filepath.Base(path)
		report.Failed[name[:len(name)-len(".json")]] = Deleted
	}
	return nil
}

// version is the version of the module that the program was built from, as the Go linker recorded it. Programs of this
// repository have none.
func version(component process.Status) string {
	info, err := buildinfo.ReadFile(component.Path)
	if err != nil || info.Main.Version == "(devel)" {
		return ""
	}
	return info.Main.Version
}
