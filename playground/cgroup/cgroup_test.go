package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
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

// A directory that looks like version 2: the files that the kernel would make in each group are there in advance.
func TestVersion2PassesControllersOn(t *testing.T) {
	root := t.TempDir()
	tree := parse("31 23 0:27 / " + root + " rw - cgroup2 cgroup2 rw\n")
	groups := []string{root, filepath.Join(root, "mine"), filepath.Join(root, "mine", "real-0")}
	for _, dir := range groups {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, "cgroup.controllers"), "pids\n")
	}
	if err := tree.Make("/mine/real-0"); err != nil {
		t.Fatal(err)
	}
	for _, dir := range groups {
		if text, err := os.ReadFile(filepath.Join(dir, "cgroup.subtree_control")); err != nil || string(text) != "+pids" {
			t.Errorf("%s passes on %q, %v", dir, text, err)
		}
	}
	refuse := filepath.Join(root, "mine", "cgroup.subtree_control") // in place of a kernel that refuses
	if err := errors.Join(os.Remove(refuse), os.Mkdir(refuse, 0o755)); err != nil {
		t.Fatal(err)
	}
	if err := tree.Make("/mine/real-0"); err == nil || !strings.Contains(err.Error(), "passing the controller pids on") {
		t.Errorf("a controller that a kubelet needs is not passed on: %v", err)
	}
	write(t, filepath.Join(root, "mine", "cgroup.controllers"), "rdma\n")
	if err := tree.Make("/mine/real-0"); err != nil {
		t.Errorf("a controller that nobody needs: %v", err)
	}
}

// The kernel's version 2, which has few controllers, or none, where version 1 has the others.
func TestVersion2OfThisMachine(t *testing.T) {
	root := unifiedRoot(t)
	tree := Tree{unified: true, hierarchies: []string{root}}
	path := fmt.Sprintf("/shoal-test-%d/real-0", os.Getpid())
	parent, passes := filepath.Join(root, filepath.Dir(path)), filepath.Join(root, "cgroup.subtree_control")
	before, _ := os.ReadFile(passes)
	t.Cleanup(func() {
		if err := tree.Remove(filepath.Dir(path)); err != nil {
			t.Error(err)
		}
		after, _ := os.ReadFile(passes)
		for name := range strings.FieldsSeq(string(after)) {
			if !slices.Contains(strings.Fields(string(before)), name) {
				_ = os.WriteFile(passes, []byte("-"+name), 0o644) // or it is in use by now
			}
		}
	})
	if err := tree.Make(path); err != nil {
		t.Skipf("version 2 is there, and not to be written: %v", err)
	}
	has, err := os.ReadFile(filepath.Join(root, "cgroup.controllers"))
	if err != nil {
		t.Fatal(err)
	}
	passed, err := os.ReadFile(filepath.Join(root, path, "cgroup.subtree_control"))
	if err != nil || !slices.Equal(strings.Fields(string(passed)), strings.Fields(string(has))) {
		t.Errorf("the root has %q, and containers of a node would get %q, %v", has, passed, err)
	}
	if err := os.Mkdir(filepath.Join(root, path, "pod"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := tree.Remove(filepath.Dir(path)); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(parent); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the group is still there: %v", err)
	}
}

func unifiedRoot(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if before, _, found := strings.Cut(line, " - cgroup2 "); found && os.Geteuid() == 0 {
			return strings.Fields(before)[4]
		}
	}
	t.Skip("no cgroups of version 2 that this user may write")
	return ""
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
