package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Tree is where the machine's groups are.
type Tree struct {
	unified     bool     // version 2 has the controllers
	hierarchies []string // mount points
	controllers []string // of version 1
}

// needed are the controllers without which a kubelet does not start.
var needed = []string{"cpu", "cpuacct", "cpuset", "memory", "pids"}

// neededUnified are their names in version 2, where cpu includes cpuacct.
var neededUnified = []string{"cpu", "cpuset", "memory", "pids"}

// Detect reads what the machine has. It is an error if that is not enough for a kubelet.
func Detect() (Tree, error) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return Tree{}, fmt.Errorf("looking for cgroups: %w", err)
	}
	t := parse(string(text))
	if missing := t.missing(); len(missing) > 0 {
		return t, fmt.Errorf("the kernel offers no cgroup controller %s here", strings.Join(missing, ", "))
	}
	return t, nil
}

// Version is 1 or 2.
func (t Tree) Version() int {
	if t.unified {
		return 2
	}
	return 1
}

// parse reads lines of /proc/<pid>/mountinfo, see proc(5). Where both versions are mounted, version 1 has the controllers.
func parse(mountinfo string) Tree {
	t := Tree{unified: true}
	for line := range strings.Lines(mountinfo) {
		before, after, found := strings.Cut(line, " - ")
		fields, kind := strings.Fields(before), strings.Fields(after)
		if !found || len(fields) < 5 || len(kind) < 3 {
			continue
		}
		switch kind[0] {
		case "cgroup":
			t.unified = false
			t.controllers = append(t.controllers, strings.Split(kind[2], ",")...)
			t.hierarchies = append(t.hierarchies, fields[4])
		case "cgroup2":
			t.hierarchies = append(t.hierarchies, fields[4])
		}
	}
	return t
}

func (t Tree) missing() []string {
	have, want := t.controllers, needed
	if t.unified {
		want = neededUnified
		for _, root := range t.hierarchies {
			text, _ := os.ReadFile(filepath.Join(root, "cgroup.controllers")) // without the file there are none
			have = append(have, strings.Fields(string(text))...)
		}
	}
	return slices.DeleteFunc(slices.Clone(want), func(name string) bool { return slices.Contains(have, name) })
}

// Make makes the group with this path in every hierarchy, its parents included. That it exists is no error.
func (t Tree) Make(path string) error {
	for _, root := range t.hierarchies {
		dir := root
		for part := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
			if t.unified {
				if err := passOn(dir); err != nil {
					return err
				}
			}
			parent := dir
			dir = filepath.Join(dir, part)
			if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
				return fmt.Errorf("making a cgroup: %w", err)
			}
			if err := inheritCPUs(parent, dir); err != nil {
				return err
			}
		}
		if t.unified {
			if err := passOn(dir); err != nil {
				return err
			}
		}
	}
	return nil
}

// passOn lets the groups in dir use all controllers that dir has (version 2). It is an error if one is among those that a
// kubelet needs and the kernel refuses, as it does for a group that has processes of its own, unless that is the root: the
// kubelet would start over and over, and only its log would say why.
func passOn(dir string) error {
	text, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	if err != nil {
		return fmt.Errorf("reading the controllers of a cgroup: %w", err)
	}
	for _, name := range strings.Fields(string(text)) {
		err := os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+"+name), 0o644)
		if err != nil && slices.Contains(neededUnified, name) {
			return fmt.Errorf("passing the controller %s on to the groups in %s (do processes run in it?): %w", name, dir, err)
		}
	}
	return nil
}

// inheritCPUs copies what a new cpuset of version 1 has not, and without which no process can enter it.
func inheritCPUs(parent, dir string) error {
	for _, name := range []string{"cpuset.cpus", "cpuset.mems"} {
		if _, err := os.Stat(filepath.Join(dir, "tasks")); err != nil {
			return nil // version 2: empty means inherited
		}
		text, err := os.ReadFile(filepath.Join(parent, name))
		if errors.Is(err, fs.ErrNotExist) {
			return nil // another controller's hierarchy
		}
		if err != nil {
			return fmt.Errorf("reading the cpuset of %s: %w", parent, err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return fmt.Errorf("copying the cpuset to %s: %w", dir, err)
		}
	}
	return nil
}

// Remove removes the group and all groups in it, from every hierarchy. It is an error if a process is still in one of
// them, and none if the group does not exist.
func (t Tree) Remove(path string) error {
	var errs []error
	for _, root := range t.hierarchies {
		errs = append(errs, removeAll(filepath.Join(root, path)))
	}
	return errors.Join(errs...)
}

// removeAll removes directories only: the files in a cgroup go with it and cannot be removed.
func removeAll(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("removing a cgroup: %w", err)
	}
	for _, entry := range entries {
		if entry.IsDir() {
			if err := removeAll(filepath.Join(dir, entry.Name())); err != nil {
				return err
			}
		}
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing a cgroup: %w", err)
	}
	return nil
}
