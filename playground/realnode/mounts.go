package realnode

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// hidden are directories of the machine that programs of a node write to by fixed paths. On the node each is an empty one
// in memory, so that nodes do not meet there, and nothing is left on the machine.
var hidden = []string{"/run", "/var/lib", "/var/log"}

// tunables are values of the kernel that a kubelet wants to see. On the node each is a file with that value: nothing of
// the machine changes.
var tunables = map[string]string{
	"vm/overcommit_memory": "1", "vm/panic_on_oom": "0", "kernel/panic": "10", "kernel/panic_on_oops": "1",
	"kernel/keys/root_maxkeys": "1000000", "kernel/keys/root_maxbytes": "25000000",
}

// isolateMounts turns the copy of the machine's mounts, which a new mount namespace begins with, into the node's own.
func (c Config) isolateMounts() error {
	// Without this what is mounted here would appear on the machine.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("separating the mounts: %w", err)
	}
	kept, err := openKept(c.Keep)
	defer func() {
		for _, file := range kept {
			_ = file.Close()
		}
	}()
	if err != nil {
		return err
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mounting /proc: %w", err)
	}
	for _, dir := range hidden {
		if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755"); err != nil {
			return fmt.Errorf("hiding %s: %w", dir, err)
		}
	}
	for _, file := range kept {
		if err := bind(fmt.Sprintf("/proc/self/fd/%d", file.Fd()), file.Name()); err != nil {
			return err
		}
	}
	if err := c.mountState(); err != nil {
		return err
	}
	// Volumes that the kubelet mounts must appear in containers that are running already.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, ""); err != nil {
		return fmt.Errorf("sharing the mounts with containers: %w", err)
	}
	return nil
}

// openKept opens the directories that would be hidden and must not be.
func openKept(dirs []string) ([]*os.File, error) {
	var files []*os.File
	for _, dir := range dirs {
		if !isHidden(dir) {
			continue
		}
		fd, err := unix.Open(dir, unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			return files, fmt.Errorf("opening %s: %w", dir, err)
		}
		files = append(files, os.NewFile(uintptr(fd), dir))
	}
	return files, nil
}

func isHidden(dir string) bool {
	for _, parent := range hidden {
		if dir == parent || strings.HasPrefix(dir, parent+"/") {
			return true
		}
	}
	return false
}

// mountState mounts what outlives a restart of the node where its programs look for it, and the tunables.
func (c Config) mountState() error {
	for name, target := range map[string]string{"containerd": containerdRoot, "kubelet": kubeletRoot, "pods": podLogs} {
		if err := os.MkdirAll(c.path(name), 0o700); err != nil {
			return fmt.Errorf("making the node's directories: %w", err)
		}
		if err := bind(c.path(name), target); err != nil {
			return err
		}
	}
	if err := os.MkdirAll("/run/netns", 0o755); err != nil {
		return fmt.Errorf("making the node's directories: %w", err)
	}
	for name, value := range tunables {
		target := filepath.Join("/proc/sys", name)
		if _, err := os.Stat(target); errors.Is(err, fs.ErrNotExist) {
			continue // this kernel was built without
		}
		file := filepath.Join("/run/tunables", strings.ReplaceAll(name, "/", "_"))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return fmt.Errorf("making the node's directories: %w", err)
		}
		if err := os.WriteFile(file, []byte(value+"\n"), 0o644); err != nil {
			return fmt.Errorf("writing the tunable %s: %w", name, err)
		}
		if err := unix.Mount(file, target, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("showing the tunable %s: %w", name, err)
		}
	}
	return nil
}

// bind makes a directory visible at another path, which is made if need be.
func bind(source, target string) error {
	if err := os.MkdirAll(target, 0o755); err != nil {
		return fmt.Errorf("making the node's directories: %w", err)
	}
	if err := unix.Mount(source, target, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("mounting %s at %s: %w", source, target, err)
	}
	return nil
}
