package playground

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"golang.org/x/sys/unix"

	"github.com/shoal-dev/shoal/playground/images"
	"github.com/shoal-dev/shoal/playground/pki"
	"github.com/shoal-dev/shoal/playground/process"
	"github.com/shoal-dev/shoal/playground/realnode"
)

const (
	// RealLabel is on every node that has a real kubelet: what is placed there runs.
	RealLabel = "playground.shoal.dev/real"

	realPrefix      = "real-"
	defaultRealDisk = "2Gi"
	realZones       = 3 // as simulated nodes have
)

// simulatedTaint is on simulated nodes that stand beside real ones: a pod must say that it need not run.
var simulatedTaint = corev1.Taint{Key: SimulatedLabel, Effect: corev1.TaintEffectNoSchedule}

// RealNode is what is recorded of one.
type RealNode struct {
	Name    string `json:"name"`
	Address string `json:"address"`
	Fault   Fault  `json:"fault,omitempty"`
}

func (o Options) wrongRealNodes() []string {
	var wrong []string
	if o.RealNodes < 0 || o.RealNodes > realnode.Most {
		wrong = append(wrong, fmt.Sprintf("real nodes %d: between 0 and %d", o.RealNodes, realnode.Most))
	}
	if quantity, err := resource.ParseQuantity(o.realDisk()); err != nil || quantity.Value() < 64<<20 {
		wrong = append(wrong, fmt.Sprintf("disk %q: a size of at least 64Mi is needed, like 2Gi", o.RealDisk))
	}
	return wrong
}

func (o Options) realDisk() string {
	if o.RealDisk == "" {
		return defaultRealDisk
	}
	return o.RealDisk
}

func (c *Cluster) hasRealNodes() bool {
	nodes, err := c.RealNodes()
	return c.options.RealNodes > 0 || err == nil && len(nodes) > 0
}

func realName(index int) string { return realPrefix + strconv.Itoa(index) }

// realServer is how the API server is reached from nodes and pods.
func (c *Cluster) realServer() string {
	return "https://" + net.JoinHostPort(realnode.Gateway().String(), strconv.Itoa(c.ports.apiServer))
}

const (
	kubeletClientCert = "kubelet-client.crt"
	kubeletClientKey  = "kubelet-client.key"
)

// apiServerForRealNodes are its arguments where pods and kubelets must reach it, and it them.
func (c *Cluster) apiServerForRealNodes() []string {
	return []string{
		"--bind-address=0.0.0.0", // loopback for the components, the bridge for the nodes: there is nothing else in its namespace
		"--advertise-address=" + realnode.Gateway().String(),
		"--kubelet-client-certificate=" + c.layout.pki(kubeletClientCert), "--kubelet-client-key=" + c.layout.pki(kubeletClientKey),
		"--kubelet-certificate-authority=" + c.layout.pki(authorityCert),
		"--kubelet-preferred-address-types=InternalIP",
	}
}

// writeRealNodeCredentials makes the directories of the real nodes, with who their kubelets are, and who they trust.
func (c *Cluster) writeRealNodeCredentials(authority *pki.Authority, now time.Time) error {
	if c.options.RealNodes == 0 {
		return nil
	}
	client, err := authority.Client("playground-"+apiServer, []string{mastersGroup}, now)
	if err != nil {
		return err
	}
	files := map[string][]byte{c.layout.pki(kubeletClientCert): client.Cert, c.layout.pki(kubeletClientKey): client.Key}
	users := []identity{{c.layout.component(dns), dnsUser, ""}}
	for i := range c.options.RealNodes {
		name, address := realName(i), realnode.Address(i)
		dir := c.layout.node(name)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("making the directory of %s: %w", name, err)
		}
		serving, err := authority.Server("system:node:"+name, []string{name}, []net.IP{address.AsSlice()}, now)
		if err != nil {
			return err
		}
		files[filepath.Join(dir, realnode.Authority)] = authority.Cert
		files[filepath.Join(dir, realnode.ServingCert)] = serving.Cert
		files[filepath.Join(dir, realnode.ServingKey)] = serving.Key
		users = append(users,
			identity{filepath.Join(dir, realnode.KubeletAccess), "system:node:" + name, "system:nodes"},
			identity{filepath.Join(dir, realnode.ProxyAccess), "system:kube-proxy", ""})
	}
	for path, text := range files {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			return fmt.Errorf("writing credentials: %w", err)
		}
	}
	return writeUsers(authority, c.realServer(), users, now)
}

// isolate moves all that is started from now on into a network namespace without a way out, and forwards the ports of the
// components from here into it.
func (c *Cluster) isolate(context.Context) error {
	c.mu.Lock()
	c.state.Cgroup = c.layout.cgroup()
	c.mu.Unlock()
	var err error
	if c.janitor, err = startJanitor(c.options.binary(forwarder), c.layout); err != nil {
		return err
	}
	if err := c.supervisor.Inside(func() error { return realnode.MakeNetwork(c.options.RealNodes) }); err != nil {
		return err
	}
	var files []*os.File
	for _, listener := range c.held {
		file, err := listener.File()
		if err != nil {
			return fmt.Errorf("handing over a port: %w", err)
		}
		files = append(files, file)
	}
	if err := closeAll(c.held); err != nil {
		return fmt.Errorf("handing over the ports: %w", err)
	}
	c.held = nil
	return c.start(process.Spec{
		Name: forwarder, Path: c.options.binary(forwarder), Args: []string{"forward", strconv.Itoa(len(files))}, Files: files, Restart: true,
	})
}

// startRealNodes starts the DNS and all real nodes, and returns when the nodes are ready.
func (c *Cluster) startRealNodes(ctx context.Context) error {
	if err := c.startDNS(ctx); err != nil {
		return err
	}
	wanted := map[string]bool{}
	for i := range c.options.RealNodes {
		name := realName(i)
		config, err := c.realNodeConfig(i)
		if err != nil {
			return err
		}
		if err := config.Write(); err != nil {
			return err
		}
		pauseImage := images.Image{
			Ref: realnode.PauseImage, Files: map[string]string{"/pause": c.options.binary(pause)}, Entrypoint: []string{"/pause"},
		}
		if err := images.Write(filepath.Join(config.Dir, realnode.PauseArchive), pauseImage); err != nil {
			return err
		}
		c.mu.Lock()
		c.state.RealNodes = append(c.state.RealNodes, RealNode{Name: name, Address: realnode.Address(i).String()})
		c.mu.Unlock()
		if err := c.powerOn(i); err != nil {
			return err
		}
		wanted[name] = true
	}
	if err := c.takeOrders(ctx); err != nil {
		return err
	}
	return poll(ctx, "the real nodes to become ready", func(ctx context.Context) error {
		list, err := c.client.CoreV1().Nodes().List(ctx, metav1.ListOptions{LabelSelector: RealLabel})
		if err != nil {
			return err
		}
		return missingNodes(wanted, list.Items)
	})
}

func (c *Cluster) realNodeConfig(index int) (realnode.Config, error) {
	name := realName(index)
	disk, err := resource.ParseQuantity(c.options.realDisk())
	if err != nil {
		return realnode.Config{}, fmt.Errorf("reading the size of the disk: %w", err)
	}
	reserved, err := c.reservedMemory()
	if err != nil {
		return realnode.Config{}, err
	}
	return realnode.Config{
		Name: name, Index: index, Count: c.options.RealNodes,
		Dir: c.layout.node(name), Logs: c.layout.path("logs", name), Keep: []string{string(c.layout), c.options.Root},
		Self: c.options.binary(forwarder), Kubelet: c.options.binary(kubelet), Proxy: c.options.binary(kubeProxy),
		Images: c.options.images(), ServiceRange: serviceRange,
		Labels: map[string]string{
			corev1.LabelTopologyZone:   "zone-" + string(rune('a'+index%realZones)),
			corev1.LabelTopologyRegion: region,
			RealLabel:                  "true",
		},
		Cgroup: filepath.Join(c.layout.cgroup(), name), DiskBytes: disk.Value(), ReservedMemory: reserved,
	}, nil
}

// images is the directory of the images that every real node has from its start.
func (o Options) images() string { return filepath.Join(o.Root, "bin", "images") }

// reservedMemory is what a node must not offer to pods, so that all nodes together offer three quarters of the machine's.
func (c *Cluster) reservedMemory() (int64, error) {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return 0, fmt.Errorf("asking for the size of the memory: %w", err)
	}
	total := int64(info.Totalram) * int64(info.Unit)
	return total - total*3/4/int64(c.options.RealNodes), nil
}

// nodeNamespaces are those that a node does not share with the machine. Users are shared: root on a node is root.
const nodeNamespaces = unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS

func (c *Cluster) powerOn(index int) error {
	name := realName(index)
	return c.supervisor.Start(process.Spec{
		Name: name, Path: c.options.binary(forwarder), Args: []string{"node-init", c.layout.node(name)},
		Namespaces: nodeNamespaces,
		Started:    func(pid int) error { return realnode.Plug(index, pid) },
	})
}

// waitDeployments returns when Shoal runs in the cluster.
func (c *Cluster) waitDeployments(ctx context.Context) error {
	deployments := c.client.AppsV1().Deployments(Namespace)
	list, err := deployments.List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("listing the Deployments of %s: %w", Namespace, err)
	}
	if len(list.Items) == 0 {
		return fmt.Errorf("%s has no Deployments: ask for processes instead, with --schedulers and --managers", c.options.manifests())
	}
	return poll(ctx, "Shoal's Deployments to become available", func(ctx context.Context) error {
		list, err := deployments.List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		for _, d := range list.Items {
			if d.Status.ObservedGeneration < d.Generation || d.Status.UpdatedReplicas < *d.Spec.Replicas || d.Status.AvailableReplicas < *d.Spec.Replicas {
				return fmt.Errorf("%s has %d of %d pods available: %s", d.Name, d.Status.AvailableReplicas, *d.Spec.Replicas, c.whyNot(ctx))
			}
		}
		return nil
	})
}

// whyNot is what keeps Shoal's pods from running, for an error.
func (c *Cluster) whyNot(ctx context.Context) string {
	pods, err := c.client.CoreV1().Pods(Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return err.Error()
	}
	var why []string
	for i := range pods.Items {
		pod := &pods.Items[i]
		for _, condition := range pod.Status.Conditions {
			if condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse {
				why = append(why, pod.Name+" is not scheduled: "+condition.Message)
			}
		}
		for _, container := range pod.Status.ContainerStatuses {
			if waiting := container.State.Waiting; waiting != nil {
				why = append(why, fmt.Sprintf("%s waits: %s %s", pod.Name, waiting.Reason, waiting.Message))
			}
		}
	}
	slices.Sort(why)
	return strings.Join(why, "; ")
}

// inCluster says that Shoal runs as its Deployments.
func (o Options) inCluster() bool {
	return o.Install && o.RealNodes > 0 && o.Schedulers+o.Managers == 0
}

// installed is what can be said when Shoal is.
func (o Options) installed() string {
	if o.inCluster() {
		return "Shoal is installed from " + o.manifests() + " and runs in the cluster"
	}
	return "Shoal is installed from " + o.manifests()
}
