package realnode

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
)

// Config is all that a node needs to know. It is the supervisor's to write, and lies in the node's directory.
type Config struct {
	Name  string `json:"name"`
	Index int    `json:"index"` // of the node among those of the playground, from 0: its addresses follow from it
	Count int    `json:"count"` // how many there are

	Dir  string   `json:"dir"`  // where its state is, over restarts
	Logs string   `json:"logs"` // where its programs write theirs
	Keep []string `json:"keep"` // directories of the machine that must stay visible on the node

	Self    string `json:"self"`    // the playground's own program
	Kubelet string `json:"kubelet"` // programs
	Proxy   string `json:"proxy"`
	Images  string `json:"images"` // directory of archives that are imported at each start

	ServiceRange   string            `json:"serviceRange"`
	Labels         map[string]string `json:"labels"`
	Cgroup         string            `json:"cgroup"` // path of its group
	DiskBytes      int64             `json:"diskBytes"`
	ReservedMemory int64             `json:"reservedMemory"` // of the machine, not offered to pods; bytes
}

const configFile = "node.json"

// Write writes the configuration into the node's directory.
func (c Config) Write() error {
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the configuration of %s: %w", c.Name, err)
	}
	if err := os.WriteFile(c.path(configFile), text, 0o600); err != nil {
		return fmt.Errorf("writing the configuration of %s: %w", c.Name, err)
	}
	return nil
}

// Read reads the configuration of the node in a directory.
func Read(dir string) (Config, error) {
	var c Config
	text, err := os.ReadFile(filepath.Join(dir, configFile))
	if err != nil {
		return c, fmt.Errorf("reading the configuration of a node: %w", err)
	}
	if err := json.Unmarshal(text, &c); err != nil {
		return c, fmt.Errorf("reading the configuration of a node: %w", err)
	}
	return c, nil
}

func (c Config) path(name ...string) string {
	return filepath.Join(append([]string{c.Dir}, name...)...)
}

// Names of files in a node's directory that the supervisor writes.
const (
	Authority       = "ca.crt"
	ServingCert     = "kubelet.crt"
	ServingKey      = "kubelet.key"
	KubeletAccess   = "kubelet.kubeconfig"
	ProxyAccess     = "kube-proxy.kubeconfig"
	PauseArchive    = "pause.tar"
	controlSocket   = "control.sock"
	diskImage       = "disk.img"
	mostNodes       = 40
	firstNodeHost   = 10
	bridgePrefixLen = 24
)

// Most is how many nodes the addresses are enough for.
const Most = mostNodes

// Socket is the control socket of the node in a directory.
func Socket(dir string) string { return filepath.Join(dir, controlSocket) }

// Gateway is the playground's own address on the bridge: there the API server and the DNS answer.
func Gateway() netip.Addr { return netip.AddrFrom4([4]byte{10, 137, 0, 1}) }

// Address is the node's address on the bridge.
func Address(index int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, 137, 0, byte(firstNodeHost + index)})
}

// PodRange is the range from which the node's pods have their addresses.
func PodRange(index int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 200, byte(index), 0}), 24)
}
