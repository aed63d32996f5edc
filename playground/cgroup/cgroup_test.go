package cgroup

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

const (
	version1 = `30 23 0:26 / /sys/fs/cgroup ro,nosuid shared:9 - tmpfs tmpfs ro,mode=755
32 30 0:28 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:11 - cgroup cgroup rw,cpu,cpuacct
33 30 0:29 / /sys/fs/cgroup/memory rw,nosuid shared:12 - cgroup cgroup rw,memory
34 30 0:30 / /sys/fs/cgroup/cpuset rw,nosuid shared:13 - cgroup cgroup rw,cpuset
35 30 0:31 / /sys/fs/cgroup/pids rw,nosuid - cgroup cgroup rw,pids
`
	version2 = "31 23 0:27 / /sys/fs/cgroup rw,nosuid,nodev shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
	unified  = "31 30 0:27 / /sys/fs/cgroup/unified rw,nosuid shared:10 - cgroup2 cgroup2 rw,nsdelegate\n"
)

func TestParse(t *testing.T) {
	roots := []string{"/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup/memory", "/sys/fs/cgroup/cpuset", "/sys/fs/cgroup/pids"}
	for _, test := range []struct {
		name, mountinfo string
		version         int
		hierarchies     []string
		missing         []string
	}{
		{"version 1", version1, 1, roots, nil},
		{"version 1, and an empty version 2 before it", unified + version1, 1, slices.Concat([]string{"/sys/fs/cgroup/unified"}, roots), nil},
		{"version 1, and an empty version 2 after it", version1 + unified, 1, slices.Concat(roots, []string{"/sys/fs/cgroup/unified"}), nil},
		{
			"version 1 without most controllers", "35 30 0:31 / /c/pids rw - cgroup cgroup rw,pids\n",
			1, []string{"/c/pids"}, []string{"cpu", "cpuacct", "cpuset", "memory"},
		},
		{"version 2", version2, 2, []string{"/sys/fs/cgroup"}, nil},
		{"lines that are none", "garbage\n1 2 - cgroup\n31 23 0:27 / /c rw - cgroup\n", 2, nil, neededUnified},
	} {
		t.Run(test.name, func(t *testing.T) {
			tree := parse(test.mountinfo)
			if tree.Version() != test.version || !slices.Equal(tree.hierarchies, test.hierarchies) {
				t.Errorf("got version %d at %q, want %d at %q", tree.Version(), tree.hierarchies, test.version, test.hierarchies)
			}
			if test.name == "version 2" {
				return // what it has stands in a file of this machine
			}
			if missing := tree.missing(); !slices.Equal(missing, test.missing) {
				t.Errorf("missing are %q, want %q", missing, test.missing)
			}
		})
	}
}

func TestControllersOfVersion2StandInAFile(t *testing.T) {
	root := t.TempDir()
	write(t, filepath.Join(root, "cgroup.controllers"), "cpuset cpu io pids\n")
	tree := parse("31 23 0:27 / " + root + " rw - cgroup2 cgroup2 rw\n")
	if missing := tree.missing(); !slices.Equal(missing, []string{"memory"}) {
		t.Errorf("missing are %q, want memory", missing)
	}
}

func TestRemoveTouchesOnlyItsGroup(t *testing.T) {
	root := t.TempDir()
	tree := Tree{hierarchies: []string{root}}
	for _, dir := range []string{"mine/real-0/pod", "mine/real-1", "mine-too"} {
		if err := tree.Make(dir); err != nil {
			t.Fatal(err)
		}
	}
	if err := tree.Make("mine/real-1"); err != nil {
		t.Errorf("a group that is there: %v", err)
	}
	if err := tree.Remove("/mine"); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(root); err != nil || len(entries) != 1 || entries[0].Name() != "mine-too" {
		t.Errorf("left are %v, %v, want only mine-too", entries, err)
	}
	if err := tree.Remove("/mine"); err != nil {
		t.Errorf("a group that is gone: %v", err)
	}
}

func TestANewCpusetInherits(t *testing.T) {
	root := t.TempDir()
	write(t, filepath.Join(root, "cpuset.cpus"), "0-1\n")
	write(t, filepath.Join(root, "cpuset.mems"), "0\n")
	dir := filepath.Join(root, "real-0")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "tasks"), "") // the kernel makes it
	if err := inheritCPUs(root, dir); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"cpuset.cpus": "0-1\n", "cpuset.mems": "0\n"} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
			t.Errorf("%s is %q, %v, want %q", name, got, err, want)
		}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
