//go:build e2e

package e2e

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/shoal-dev/shoal/playground"
)

// residue is what a cluster with real nodes makes on the machine, and what may not be left of it. Other clusters may run
// beside it: only its own counts.
type residue struct {
	dir        string
	cgroup     string
	namespaces map[string]bool // network namespaces, by their names in /proc
	before     map[string]bool // mounts and network interfaces of the machine, which must stay as they were
}

// machine lists the mounts and network interfaces that the machine has now.
func machine(t *testing.T) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	interfaces, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range interfaces {
		found["network interface "+i.Name] = true
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		found["mount at "+strings.Fields(line)[4]] = true
	}
	return found
}

// notes what the running cluster is made of.
func residueOf(t *testing.T, before map[string]bool, dir string) residue {
	t.Helper()
	report, err := playground.Status(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	r := residue{dir: dir, cgroup: report.Cgroup, namespaces: map[string]bool{}, before: before}
	own, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	for pid := range processesOf(dir) {
		if name, err := os.Readlink("/proc/" + pid + "/ns/net"); err == nil && name != own {
			r.namespaces[name] = true
		}
	}
	// The playground's own, and one for each node.
	if len(r.namespaces) != 1+len(report.RealNodes) {
		t.Fatalf("this test does not see the network namespaces of a cluster: %+v", r)
	}
	// A kind that is not seen now would not be seen if it was left either. What must stay as it was cannot be seen here.
	left := fmt.Sprint(r.left(t))
	for _, kind := range []string{"process ", "network namespace ", "loop device ", "cgroup "} {
		if !strings.Contains(left, kind) {
			t.Fatalf("this test does not see any %sof a cluster that runs: %s", kind, left)
		}
	}
	return r
}

// left says what of it is still there.
func (r residue) left(t *testing.T) error {
	t.Helper()
	var left []string
	for _, command := range processesOf(r.dir) {
		left = append(left, "process "+command)
	}
	for name := range machine(t) {
		if !r.before[name] {
			left = append(left, name)
		}
	}
	links, _ := filepath.Glob("/proc/[0-9]*/ns/net")
	for _, link := range links {
		if name, err := os.Readlink(link); err == nil && r.namespaces[name] { // or it has ended meanwhile
			left = append(left, "network namespace of "+link)
		}
	}
	backings, _ := filepath.Glob("/sys/block/loop*/loop/backing_file")
	for _, backing := range backings {
		if text, err := os.ReadFile(backing); err == nil && strings.HasPrefix(string(text), r.dir) {
			left = append(left, "loop device of "+strings.TrimSpace(string(text)))
		}
	}
	for _, pattern := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/*"} { // version 2, version 1
		groups, _ := filepath.Glob(filepath.Join(pattern, r.cgroup))
		for _, group := range groups {
			left = append(left, "cgroup "+group)
		}
	}
	if len(left) == 0 {
		return nil
	}
	slices.Sort(left)
	return fmt.Errorf("left are %s", strings.Join(left, ", "))
}

// processesOf are the processes that have the directory in their command line, by pid.
func processesOf(dir string) map[string]string {
	found := map[string]string{}
	names, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, name := range names {
		text, _ := os.ReadFile(name)
		if strings.Contains(string(text), dir) {
			found[filepath.Base(filepath.Dir(name))] = strings.ReplaceAll(string(text), "\x00", " ")
		}
	}
	return found
}
