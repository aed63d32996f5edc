package realnode

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/shoal-dev/shoal/playground/cgroup"
)

// programs are those that the machine has to have: by name where they are, and the directory of the CNI plugins.
type programs struct {
	paths map[string]string
	cni   string
}

// wanted are the programs in the packages that `make real-node-deps` installs.
var wanted = []string{"containerd", "ctr", "containerd-shim-runc-v2", "runc", "iptables", "mkfs.ext4", "e2fsck", "mount", "nsenter"}

// plugins of CNI that the nodes' network is made of.
var plugins = []string{"ptp", "host-local", "portmap", "loopback"}

// searchPath has the directories of an administrator too: sudo and cron leave them out on some distributions.
var searchPath = []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}

// pluginDirs are where distributions, and the plugins' own installer, put them.
var pluginDirs = []string{"/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni"}

func (p programs) path(name string) string { return p.paths[name] }

func findPrograms() (programs, []string) {
	found := programs{paths: map[string]string{}}
	var missing []string
	for _, name := range wanted {
		path, err := findProgram(name)
		if err != nil {
			missing = append(missing, name)
		}
		found.paths[name] = path
	}
	for _, dir := range pluginDirs {
		if complete(dir) {
			found.cni = dir
			return found, missing
		}
	}
	return found, append(missing, "the CNI plugins "+strings.Join(plugins, ", "))
}

func findProgram(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	for _, dir := range searchPath {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return "", exec.ErrNotFound
}

func complete(dir string) bool {
	for _, name := range plugins {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return false
		}
	}
	return true
}

// without says what goes on working.
const without = "simulated nodes work without: up without --real-nodes, demo without REAL=1, make test"

// Check says in one sentence why this machine cannot have real nodes, how to change that, and what works without.
func Check() error {
	if os.Geteuid() != 0 {
		return errors.New("real nodes need root, for namespaces, mounts and cgroups: run this with sudo; " + without)
	}
	if _, missing := findPrograms(); len(missing) > 0 {
		return fmt.Errorf("real nodes need %s (run: make real-node-deps); %s", strings.Join(missing, ", "), without)
	}
	if _, err := cgroup.Detect(); err != nil {
		return fmt.Errorf("real nodes need cgroups: %w (mount them, or allow them to this container); %s", err, without)
	}
	for what, path := range map[string]string{
		"loop devices (load the module: modprobe loop)": "/dev/loop-control",
		"network namespaces":                            "/proc/self/ns/net",
		"process namespaces":                            "/proc/self/ns/pid",
	} {
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("real nodes need %s: there is no %s; %s", what, path, without)
		}
	}
	return nil
}
