package shoal_test

// The rules of docs/architecture.md and docs/style.md that a machine can check. Each rule is one test. The tests read
// the sources and nothing else: no build, no module graph, so that they also hold for files behind build tags.

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"
)

// rooms lists every room from the top down: a package may import only packages of its own room and of rooms above it.
// A room that does not exist yet has its place already.
var rooms = []string{
	"manifests", // embeds files, imports nothing of ours
	"crd",
	"api/v1alpha1",
	"api/config",
	"api/agent",
	"reason",
	"collectors",
	"spelling",
	"placement",
	"load",
	"podspec",
	"redis",
	"switchover/decide",
	"switchover",
	"slots",
	"plugins/dispersion",
	"plugins/loadbalance",
	"plugins/registry",
	"agent",
	"policy",
	"bandwidth",
	"signer",
	"roles/decide",
	"roles/switchovers/decide",
	"roles",
	"instanceset/decide",
	"instanceset",
	"cluster/decide",
	"cluster",
	"opsrequest/decide",
	"opsrequest",
	"federation/decide",
	"federation",
	"replica",
	"kubectlshoal",
	"simulation",
	"playground",
	"cmd",
	"test",
	"hack",
}

// purity says what a pure room may import from outside this repository and the standard library.
type purity struct {
	room    string
	imports []string // module path prefixes
}

// kubernetesTypes are Kubernetes' types, and the decoder of JSON that they use: package api/agent has it too.
var kubernetesTypes = []string{"k8s.io/api", "k8s.io/apimachinery", "sigs.k8s.io/json"}

// kubernetesFunctions adds the pure functions of component-helpers (requests of a pod, taints, node affinity), and the
// logger type that some of them take.
var kubernetesFunctions = append([]string{"k8s.io/component-helpers", "github.com/go-logr/logr"}, kubernetesTypes...)

var pureRooms = []purity{
	{"api/v1alpha1", kubernetesTypes},
	{"api/agent", []string{"sigs.k8s.io/json"}},
	{"reason", nil},
	{"spelling", nil},
	{"placement", nil},
	{"podspec", kubernetesTypes},
	{"switchover/decide", nil},
	{"slots", kubernetesFunctions},
	{"roles/decide", nil},
	{"roles/switchovers/decide", nil},
	{"instanceset/decide", kubernetesFunctions},
	{"cluster/decide", kubernetesFunctions},
	{"opsrequest/decide", kubernetesFunctions},
	{"federation/decide", kubernetesFunctions},
}

// impureStd are the packages of the standard library, with everything below them, through which the world leaks in.
var impureStd = []string{"context", "crypto/rand", "log", "math/rand", "net", "os", "runtime", "syscall", "unsafe"}

// pureStd are the exceptions: below an impure path, but only values.
var pureStd = []string{"net/netip", "net/url"}

// clockCalls read the clock or wait for it. Now is a field of the snapshot instead.
var clockCalls = map[string][]string{
	"time":                                 {"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"},
	"k8s.io/apimachinery/pkg/apis/meta/v1": {"Now", "NowMicro"},
}

// impureMachinery are packages of apimachinery that a pure room may not use although it may use its neighbours.
var impureMachinery = []string{
	"k8s.io/apimachinery/pkg/util/rand",
	"k8s.io/apimachinery/pkg/util/uuid",
	"k8s.io/apimachinery/pkg/util/wait",
	"k8s.io/apimachinery/pkg/watch",
}

var forbiddenNames = []string{"util", "utils", "common", "helper", "helpers", "misc", "core", "base", "types"}

const (
	maxFileLines     = 500
	maxFunctionLines = 80
)

// longFunctions may exceed the limit, each for a reason. The key is "file: name", with the
// receiver's type before the name of a method ("reason/reason.go: Code.Page").
var longFunctions = map[string]string{
	"reason/placement.go: ofPlacement":     "a table of reasons",
	"reason/instances.go: ofInstances":     "a table of reasons",
	"reason/switchovers.go: ofSwitchovers": "a table of reasons",
	"reason/roles.go: ofRoles":             "a table of reasons",
	"reason/updates.go: ofUpdates":         "a table of reasons",
}

func TestEveryPackageIsInARoom(t *testing.T) {
	for _, p := range repository(t).packages {
		if p.dir != "." && roomOf(p.dir) < 0 {
			t.Errorf("%s is in no room: move it into one, or give the new room its place in `rooms` (arch_test.go) and in docs/architecture.md", p.dir)
		}
	}
}

func TestImportsPointUp(t *testing.T) {
	for _, p := range repository(t).packages {
		from := roomOf(p.dir)
		for _, f := range p.files {
			if f.test {
				continue
			}
			for _, imp := range f.ourImports() {
				to := roomOf(imp)
				if from >= 0 && to > from {
					t.Errorf("%s imports %s, but the room %s stands below %s: move the shared part up, or pass it in as a value", f.name, imp, rooms[to], rooms[from])
				}
			}
		}
	}
}

func TestNobodyImportsCommands(t *testing.T) {
	for _, p := range repository(t).packages {
		for _, f := range p.files {
			for _, imp := range f.ourImports() {
				if isBelow(imp, "cmd") && imp != p.dir {
					t.Errorf("%s imports %s: commands are for people to run. Move what is needed into a room, or run the binary", f.name, imp)
				}
			}
		}
	}
}

func TestEveryPackageHasADocComment(t *testing.T) {
	for _, p := range repository(t).packages {
		if !p.hasCode() {
			continue
		}
		doc := p.doc()
		switch {
		case doc == "":
			t.Errorf("%s has no package comment: say what it decides, from what, and what it never does", p.dir)
		case p.name() != "main" && !strings.HasPrefix(doc, "Package "+p.name()+" "):
			t.Errorf("%s: its package comment must begin with \"Package %s\"", p.dir, p.name())
		}
	}
}

func TestPackageNamesSayWhatIsInside(t *testing.T) {
	for _, p := range repository(t).packages {
		names := append(strings.Split(p.dir, "/"), p.name())
		for _, name := range slices.Compact(names) {
			if slices.Contains(forbiddenNames, name) {
				t.Errorf("%s: %q names no idea. Name the package after what it is about, or put the function beside its only user", p.dir, name)
			}
		}
	}
}

// Purity is inherited: a pure room must not reach the world through another room of ours either.
func TestPureRoomsImportNoWorld(t *testing.T) {
	repo := repository(t)
	for _, room := range pureRooms {
		for _, dir := range repo.closure(room.room) {
			for _, f := range repo.byDir(dir).files {
				if f.test {
					continue
				}
				for _, imp := range f.imports {
					if why := room.refuses(imp); why != "" {
						t.Errorf("%s imports %s, but %s is pure and reaches this file: %s", f.name, imp, room.room, why)
					}
				}
			}
		}
	}
}

func TestPureRoomsReadNoClock(t *testing.T) {
	repo := repository(t)
	for _, room := range pureRooms {
		for _, dir := range repo.closure(room.room) {
			for _, f := range repo.byDir(dir).files {
				if f.test {
					continue
				}
				for _, call := range f.calls(clockCalls) {
					t.Errorf("%s, but %s is pure and reaches this file: take the time from the snapshot (Now)", call, room.room)
				}
			}
		}
	}
}

func TestPureRoomsStartNoGoroutines(t *testing.T) {
	repo := repository(t)
	for _, room := range pureRooms {
		for _, p := range repo.inRoom(room.room) {
			for _, f := range p.files {
				if f.test {
					continue
				}
				for _, at := range f.goStatements() {
					t.Errorf("%s starts a goroutine, but %s is pure: its answer must not depend on the order of anything", at, room.room)
				}
			}
		}
	}
}

func TestFilesAreShort(t *testing.T) {
	for _, f := range repository(t).handwritten() {
		if f.lines > maxFileLines {
			t.Errorf("%s has %d lines, the limit is %d: split it by topic", f.name, f.lines, maxFileLines)
		}
	}
}

func TestFunctionsAreShort(t *testing.T) {
	exempt := newExemptions(longFunctions)
	for _, f := range repository(t).handwritten() {
		for _, fn := range f.functions() {
			if fn.lines <= maxFunctionLines || exempt.covers(f.name+": "+fn.name) {
				continue
			}
			t.Errorf("%s: %s has %d lines, the limit is %d: name its parts. A table or a flat switch may be longer: list it in `longFunctions` (arch_test.go) with the reason", f.name, fn.name, fn.lines, maxFunctionLines)
		}
	}
	exempt.reportUnused(t, "longFunctions")
}

// The kinds that a reader must look up to understand are forbidden by name: a Manager manages, a Service serves.
func TestTypeNamesSayWhatTheyAre(t *testing.T) {
	for _, f := range repository(t).handwritten() {
		for _, name := range f.typeNames() {
			for _, suffix := range []string{"Manager", "Factory", "Helper", "Util", "Utils"} {
				if strings.HasSuffix(name, suffix) {
					t.Errorf("%s: type %s says only that it is a %s: name it after the thing that it holds or decides", f.name, name, suffix)
				}
			}
		}
	}
}

// An architecture decision that is not in the index is not found by anybody.
func TestDecisionsAreIndexed(t *testing.T) {
	const index = "docs/adr/README.md"
	text := readFile(t, index)
	for _, name := range listFiles(t, "docs/adr") {
		if name != "README.md" && name != "template.md" && !strings.Contains(text, "("+name+")") {
			t.Errorf("docs/adr/%s is not in %s: add a line with its number, title, date and state", name, index)
		}
	}
}

// A decision is read for one of four things, and each stands where the reader has learned to look.
func TestDecisionsFollowTheTemplate(t *testing.T) {
	headsOf := func(name string) (heads []string) {
		for line := range strings.Lines(readFile(t, "docs/adr/"+name)) {
			if strings.HasPrefix(line, "## ") {
				heads = append(heads, strings.TrimSpace(line))
			}
		}
		return heads
	}
	want := headsOf("template.md")
	for _, name := range listFiles(t, "docs/adr") {
		if got := headsOf(name); name != "README.md" && !slices.Equal(got, want) {
			t.Errorf("docs/adr/%s has the heads %q, want those of the template: %q", name, got, want)
		}
	}
}

// roomOf is the index in rooms of the room that holds dir, the most specific one; -1 if none does.
func roomOf(dir string) int {
	found := -1
	for i, room := range rooms {
		if isBelow(dir, room) && (found < 0 || len(room) > len(rooms[found])) {
			found = i
		}
	}
	return found
}

func isBelow(dir, parent string) bool {
	return dir == parent || strings.HasPrefix(dir, parent+"/")
}

// refuses says why a package must not be imported, or nothing if it may.
func (p purity) refuses(imp string) string {
	if isOurs(imp) {
		return ""
	}
	if !strings.Contains(strings.Split(imp, "/")[0], ".") {
		if inAny(imp, impureStd) && !inAny(imp, pureStd) {
			return "it decides from values that it is given. Do this in the shell, and hand over the result"
		}
		return ""
	}
	switch {
	case inAny(imp, impureMachinery):
		return "this part of apimachinery has a clock, chance or a watch in it"
	case inAny(imp, p.imports):
		return ""
	case len(p.imports) == 0:
		return "it may import the standard library and nothing else"
	}
	return fmt.Sprintf("beside the standard library it may import only %s", strings.Join(p.imports, " and "))
}

func inAny(imp string, prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(prefix string) bool { return isBelow(path.Clean(imp), prefix) })
}
