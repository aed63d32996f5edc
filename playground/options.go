package playground

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/shoal-dev/shoal/playground/realnode"
)

// Options is what a cluster should be. The zero value is a control plane without nodes and without Shoal.
type Options struct {
	Dir  string // where the cluster lives; made by Up, removed by Down
	Root string // the repository, where bin/ and manifests/ are; if empty, found above the working directory

	Nodes     []Shape
	NodeGrace time.Duration // without a heartbeat for this long a node is NotReady; 0 picks 12 s, and more for more than 100 nodes

	RealNodes int    // nodes with a real kubelet, beside the simulated ones: needs root, see realnode.Check
	RealDisk  string // size of each one's disk; "2Gi" if empty

	KubeScheduler bool // run the stock kube-scheduler, for pods that name no scheduler

	// Shoal. With real nodes and neither schedulers nor managers it runs as the Deployments of its manifests.
	Install    bool // apply manifests/install
	Schedulers int  // processes of shoal-scheduler; needs Install
	Managers   int  // processes of shoal-manager; needs Install

	// Binaries replaces programs by component, for example "shoal-scheduler": a build with a planted bug.
	Binaries map[string]string
	// Args adds arguments by component.
	Args map[string][]string

	KeepLogs bool      // Down leaves the logs
	Progress io.Writer `json:"-"` // a line for each step; nil for silence
}

// Shape is a number of equal nodes.
type Shape struct {
	Prefix string            // of the names; "node-" if empty
	First  int               // number of the first name, so that nodes can be added later
	Count  int               // how many
	CPU    string            // "8" if empty
	Memory string            // "32Gi" if empty
	Pods   int               // 110 if zero
	Zones  int               // number of zones that the nodes take turns in; 3 if zero
	Labels map[string]string // beside the usual ones
	Taints []corev1.Taint
}

// A failed node should be noticed soon, but every heartbeat is a write that costs the control plane 4 to 8 ms of CPU:
// 75 in a second kept half a core busy.
const (
	shortestGrace       = 12 * time.Second
	heartbeatsPerSecond = 25
)

// grace is the time without heartbeats after which a node is NotReady, if there are so many of them.
func grace(nodes int) time.Duration {
	seconds := leaseRenewals * nodes / heartbeatsPerSecond
	return max(shortestGrace, time.Duration(seconds)*time.Second)
}

// withDefaults fills in what is empty, and makes the paths absolute.
func (o Options) withDefaults() (Options, error) {
	if o.Dir == "" {
		return o, errors.New("no directory is given")
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return o, fmt.Errorf("resolving %s: %w", o.Dir, err)
	}
	o.Dir = dir
	if o.Root == "" {
		if o.Root, err = FindRoot(); err != nil {
			return o, err
		}
	}
	if o.Root, err = filepath.Abs(o.Root); err != nil {
		return o, fmt.Errorf("resolving %s: %w", o.Root, err)
	}
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	nodes := 0
	for i := range o.Nodes {
		nodes += o.Nodes[i].Count
	}
	if o.NodeGrace == 0 {
		o.NodeGrace = grace(nodes)
	}
	return o, o.validate()
}

// Check says in advance, without doing anything, why Up would fail: impossible options, programs that are not built, a
// directory with other files in it.
func (o Options) Check() error {
	filled, err := o.withDefaults()
	if err != nil {
		return err
	}
	return layout(filled.Dir).refuseForeign()
}

func (o Options) validate() error {
	var wrong []string
	if !o.Install && o.Schedulers+o.Managers > 0 {
		wrong = append(wrong, "schedulers and managers of Shoal need its manifests: set Install too")
	}
	if o.Schedulers < 0 || o.Managers < 0 {
		wrong = append(wrong, fmt.Sprintf("schedulers %d and managers %d: neither may be negative", o.Schedulers, o.Managers))
	}
	if o.NodeGrace < 4*time.Second {
		wrong = append(wrong, fmt.Sprintf("node grace %s: at least 4s, or a busy machine looks like a failed node", o.NodeGrace))
	}
	for _, shape := range o.Nodes {
		wrong = append(wrong, shape.wrong()...)
	}
	wrong = append(wrong, o.wrongRealNodes()...)
	if len(wrong) > 0 {
		return errors.New(strings.Join(wrong, "; ")) // one line, however many
	}
	if o.Install {
		if _, err := os.Stat(o.manifests()); err != nil {
			return fmt.Errorf("%s is missing: run this from the repository", o.manifests())
		}
	}
	if o.RealNodes > 0 {
		// Before what is to be built: nobody should wait for a kubelet to compile and then hear that it cannot run.
		if err := realnode.Check(); err != nil {
			return err
		}
	}
	return o.unbuilt()
}

// unbuilt names at once everything that has to be built, and how.
func (o Options) unbuilt() error {
	var missing []string
	targets := map[string]bool{}
	for _, path := range o.files() {
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			continue
		}
		missing = append(missing, path)
		switch filepath.Base(filepath.Dir(path)) {
		case "k8s":
			targets["make controlplane"] = true
		case "node":
			targets["make real-nodes-bin"] = true
		case "images":
			targets["make images"] = true
		default:
			targets["make build"] = true
		}
	}
	if len(missing) == 0 {
		return nil
	}
	var run []string
	for _, target := range []string{"make controlplane", "make real-nodes-bin", "make build", "make images"} {
		if targets[target] {
			run = append(run, target)
		}
	}
	return fmt.Errorf("not built yet: %s (run: %s)", strings.Join(missing, ", "), strings.Join(run, "; "))
}

// files are the programs that run, and the images of Shoal where it runs from images: no node could fetch them.
func (o Options) files() []string {
	var list []string
	for _, component := range o.components() {
		list = append(list, o.binary(component))
	}
	if o.inCluster() {
		for _, program := range []string{shoalScheduler, shoalManager, "shoal-agent"} {
			list = append(list, filepath.Join(o.images(), program+".tar"))
		}
	}
	return list
}

func (o Options) components() []string {
	list := []string{etcd, apiServer, controllerManager, simulator, provisioner}
	if o.KubeScheduler {
		list = append(list, kubeScheduler)
	}
	if o.Install {
		list = append(list, kubectl)
	}
	if o.RealNodes > 0 {
		list = append(list, forwarder, dns, kubelet, kubeProxy, pause)
	}
	if o.Schedulers > 0 {
		list = append(list, shoalScheduler)
	}
	if o.Managers > 0 {
		list = append(list, shoalManager)
	}
	return list
}

// Names of components: of their processes, logs, binaries and kubeconfigs. Shoal's processes have a number appended.
const (
	etcd              = "etcd"
	apiServer         = "kube-apiserver"
	controllerManager = "kube-controller-manager"
	kubeScheduler     = "kube-scheduler"
	simulator         = "kwok"
	provisioner       = "provisioner"
	shoalScheduler    = "shoal-scheduler"
	shoalManager      = "shoal-manager"
	kubectl           = "kubectl"

	// With real nodes only.
	forwarder = "forward"
	dns       = "coredns"
	kubelet   = "kubelet"
	kubeProxy = "kube-proxy"
	pause     = "pause"
)

func (o Options) binary(component string) string {
	if path, ok := o.Binaries[component]; ok {
		return path
	}
	switch component {
	case provisioner, forwarder:
		return filepath.Join(o.Root, "bin", "playground")
	case shoalScheduler, shoalManager:
		return filepath.Join(o.Root, "bin", component)
	case dns, kubelet, kubeProxy, pause:
		return filepath.Join(o.Root, "bin", "node", component)
	}
	return filepath.Join(o.Root, "bin", "k8s", component)
}

// manifests are those that a user applies; without Shoal's pods when its programs run as processes.
func (o Options) manifests() string {
	part := "install"
	if o.Schedulers+o.Managers > 0 {
		part = "prerequisites"
	}
	return filepath.Join(o.Root, "manifests", part)
}

// FindRoot is the closest directory at or above the working directory that holds a go.mod.
func FindRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("finding the repository: %w", err)
	}
	for start := dir; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no go.mod at or above %s: run this from the repository of Shoal", start)
		}
	}
}
