package realnode

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// Where things are on a node. The directories of the machine that programs insist on are empty there, see isolateMounts.
const (
	containerdSocket = "/run/containerd/containerd.sock"
	containerdRoot   = "/var/lib/containerd"
	kubeletRoot      = "/var/lib/kubelet"
	podLogs          = "/var/log/pods"
	// DiskPath is where the node's disk is mounted.
	DiskPath = "/var/lib/playground/disk"
	// PauseImage is the image of the container that holds a pod's namespaces.
	PauseImage = "localhost/pause:1"
)

// containerdConfig is of version 2, which containerd 2.x migrates by itself. Raising the priority for the OOM killer
// needs a capability that root has not everywhere, hence restrict_oom_score_adj.
const containerdConfig = `version = 2
root = %q
state = "/run/containerd"
disabled_plugins = ["io.containerd.nri.v1.nri", "io.containerd.tracing.processor.v1.otlp", "io.containerd.internal.v1.tracing"]
[grpc]
  address = %q
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = %q
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = %q
    conf_dir = %q
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
        BinaryName = %q
`

// cniConfig gives each pod a link of its own to the node (ptp), not a bridge: every packet between two pods of a node is
// then routed, and meets the rules of kube-proxy also on kernels whose bridges do not call iptables.
const cniConfig = `{"cniVersion": "0.4.0", "name": "playground", "plugins": [
  {"type": "ptp", "ipMasq": false, "mtu": 1500,
   "ipam": {"type": "host-local", "dataDir": "/var/lib/cni/networks", "ranges": [[{"subnet": %q}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}
]}
`

// proxyConfig leaves the connection tracking as it is: its size is the machine's, not the node's.
const proxyConfig = `apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: iptables
hostnameOverride: %q
clientConnection: {kubeconfig: %q}
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
healthzBindAddress: 127.0.0.1:10256
metricsBindAddress: 127.0.0.1:10249
detectLocalMode: InterfaceNamePrefix
detectLocal: {interfaceNamePrefix: veth}
`

// Heartbeats of a node: it renews its lease every quarter of the lease's duration.
const (
	leaseSeconds     = 8
	statusEvery      = "2s"
	kubeletPort      = 10250
	kubeletAnonymous = false
)

// kubeletConfig has fields of KubeletConfiguration that differ from the defaults.
func (c Config) kubeletConfig() map[string]any {
	return map[string]any{
		"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
		"failCgroupV1": false, "cgroupDriver": "cgroupfs", "cgroupRoot": c.Cgroup,
		"address": Address(c.Index).String(), "port": kubeletPort, "readOnlyPort": 0, "healthzBindAddress": "127.0.0.1",
		"containerRuntimeEndpoint": "unix://" + containerdSocket,
		"tlsCertFile":              c.path(ServingCert), "tlsPrivateKeyFile": c.path(ServingKey),
		"authentication": map[string]any{
			"anonymous": map[string]any{"enabled": kubeletAnonymous},
			"webhook":   map[string]any{"enabled": true},
			"x509":      map[string]any{"clientCAFile": c.path(Authority)},
		},
		"authorization":         map[string]any{"mode": "Webhook"},
		"failSwapOn":            false,
		"protectKernelDefaults": true, // look at the tunables, and do not write them: they are the machine's
		"oomScoreAdj":           0,
		// The disk that the kubelet watches is the machine's, and so is the memory: other programs fill it.
		"evictionHard": map[string]any{
			"memory.available": "50Mi", "nodefs.available": "1%", "imagefs.available": "1%", "nodefs.inodesFree": "1%",
		},
		"imageGCHighThresholdPercent": 100, "imageGCLowThresholdPercent": 99, // what is collected cannot be fetched again
		"systemReserved":            map[string]any{"memory": fmt.Sprint(c.ReservedMemory)},
		"nodeStatusUpdateFrequency": statusEvery, "nodeLeaseDurationSeconds": leaseSeconds,
		"resolvConf": c.path("resolv.conf"), "clusterDNS": []string{Gateway().String()}, "clusterDomain": "cluster.local",
		"maxPods": 110,
	}
}

func (c Config) kubeletArgs() []string {
	var labels []string
	for _, key := range slices.Sorted(maps.Keys(c.Labels)) {
		labels = append(labels, key+"="+c.Labels[key])
	}
	return []string{
		"--config=" + c.path("kubelet.yaml"), "--kubeconfig=" + c.path(KubeletAccess), "--root-dir=" + kubeletRoot,
		"--hostname-override=" + c.Name, "--node-ip=" + Address(c.Index).String(), "--node-labels=" + strings.Join(labels, ","),
	}
}

// writeFiles writes what the node's programs read.
func (c Config) writeFiles(p programs) error {
	kubelet, err := json.Marshal(c.kubeletConfig()) // JSON is YAML
	if err != nil {
		return fmt.Errorf("encoding the configuration of the kubelet: %w", err)
	}
	if err := os.MkdirAll(c.path("cni"), 0o700); err != nil {
		return fmt.Errorf("configuring the node: %w", err)
	}
	files := map[string][]byte{
		"containerd.toml":            fmt.Appendf(nil, containerdConfig, containerdRoot, containerdSocket, PauseImage, p.cni, c.path("cni"), p.path("runc")),
		"cni/10-playground.conflist": fmt.Appendf(nil, cniConfig, PodRange(c.Index).String()),
		"kube-proxy.yaml":            fmt.Appendf(nil, proxyConfig, c.Name, c.path(ProxyAccess)),
		"kubelet.yaml":               kubelet,
		// For pods that ask for the node's own DNS: the machine's would lead outside.
		"resolv.conf": fmt.Appendf(nil, "nameserver %s\n", Gateway()),
	}
	for name, text := range files {
		if err := os.WriteFile(c.path(name), text, 0o600); err != nil {
			return fmt.Errorf("configuring the node: %w", err)
		}
	}
	return nil
}
