package kubectlshoal

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/shoal-dev/shoal/kubectlshoal/installation"
)

func TestEveryCommandHasAnExample(t *testing.T) {
	commands := New(Environment{}).Commands()
	for _, c := range commands {
		commands = append(commands, c.Commands()...)
	}
	if len(commands) == 0 {
		t.Fatal("there are no commands")
	}
	for _, c := range commands {
		if c.Example == "" {
			t.Errorf("%s has no example", c.CommandPath())
		}
	}
}

// One scheme of exit codes holds for all commands, and is told where people look.
func TestExitCodesAreTold(t *testing.T) {
	docs := read(t, "../docs/kubectl-shoal.md")
	for _, code := range []int{ExitFine, ExitError, ExitBad, ExitPartial, ExitNotYet, ExitNoAnswer} {
		if !strings.Contains(docs, fmt.Sprintf("\n| %d | ", code)) || !strings.Contains(exitCodes, fmt.Sprintf(" %d ", code)) {
			t.Errorf("exit code %d is not documented", code)
		}
	}
	for _, name := range append(names(), "") {
		got := run(t, "", append(strings.Fields(name), "--help")...)
		if strings.Count(got, exitCodes) != 1 || strings.Count(got, "Exit codes:") != 1 {
			t.Errorf("the help of %q tells the exit codes not once:\n%s", name, got)
		}
	}
}

func names() []string {
	var all []string
	for _, c := range New(Environment{}).Commands() {
		all = append(all, c.Name())
		for _, below := range c.Commands() {
			all = append(all, c.Name()+" "+below.Name())
		}
	}
	return all
}

const blindDump = `{"apiVersion":"dump.shoal.dev/v1","kind":"ClusterDump","unreadable":["persistentvolumeclaims: you may not list them"],"items":[
{"apiVersion":"v1","kind":"Node","metadata":{"name":"n1"},"status":{"allocatable":{"cpu":"8","memory":"8Gi","pods":"110"}}},
{"apiVersion":"v1","kind":"Pod","metadata":{"namespace":"default","name":"p"},"spec":{"schedulerName":"shoal-scheduler","nodeName":"n1"}},
{"apiVersion":"v1","kind":"Pod","metadata":{"namespace":"default","name":"small"},"spec":{"schedulerName":"shoal-scheduler","containers":[{"name":"c"}]}},
{"apiVersion":"v1","kind":"Pod","metadata":{"namespace":"default","name":"big"},"spec":{"schedulerName":"shoal-scheduler","containers":[{"name":"c","resources":{"requests":{"cpu":"9"}}}]}}]}`

const wellSet = `{"apiVersion":"dump.shoal.dev/v1","kind":"ClusterDump","unreadable":[BLIND],"items":[
{"apiVersion":"shoal.dev/v1alpha1","kind":"InstanceSet","metadata":{"namespace":"default","name":"s","generation":1},"spec":{"replicas":1},"status":{"observedGeneration":1}},
{"apiVersion":"v1","kind":"Pod","metadata":{"namespace":"default","name":"s-0","labels":{"shoal.dev/instance-set":"s"}},"spec":{"nodeName":"n1"},
"status":{"conditions":[{"type":"Ready","status":"True"}]}}]}`

const someSet = `
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: s}
spec: {replicas: 1, template: {spec: {schedulerName: shoal-scheduler, containers: [{name: c, image: i}]}}}
`

func TestExitCodes(t *testing.T) {
	dir := t.TempDir()
	well := strings.Replace(wellSet, "BLIND", "", 1)
	for name, text := range map[string]string{
		"well.json": well, "ill.json": strings.Replace(well, `"observedGeneration":1`, `"observedGeneration":0`, 1),
		"blindwell.json": strings.Replace(wellSet, "BLIND", `"nodes: you may not list them"`, 1),
		"blind.json":     blindDump, "full.json": strings.Replace(blindDump, `"persistentvolumeclaims: you may not list them"`, "", 1), "set.yaml": someSet,
		"right.yaml": "apiVersion: shoal.dev/v1alpha1\nkind: PlacementPolicy\nmetadata: {name: p}\nspec: {replicas: 1}\n",
		"wrong.yaml": "apiVersion: shoal.dev/v1alpha1\nkind: PlacementPolicy\nmetadata: {name: p}\nspec: {replica: 1}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	for command, want := range map[string]int{
		"nodes --cluster-dump full.json":                                    ExitFine,
		"nodes --cluster-dump blind.json":                                   ExitPartial,
		"nodes --cluster-dump blind.json --html page.html":                  ExitPartial,
		"explain pod p --cluster-dump full.json":                            ExitFine,
		"explain pod p --cluster-dump blind.json -o json":                   ExitPartial,
		"explain pod big --cluster-dump blind.json":                         ExitBad, // what is wrong counts more than what was not seen
		"explain pod nobody --cluster-dump full.json":                       ExitError,
		"whatif node n1 --lost --cluster-dump full.json":                    ExitFine,
		"whatif node n1 --lost --cluster-dump blind.json":                   ExitPartial,
		"headroom -f set.yaml --cluster-dump blind.json":                    ExitPartial,
		"plan -f set.yaml --cluster-dump blind.json -o yaml":                ExitPartial,
		"plan -f set.yaml --cluster-dump full.json":                         ExitFine,
		"status s --cluster-dump well.json":                                 ExitFine,
		"status s --cluster-dump well.json --all -o wide":                   ExitFine,
		"status s --cluster-dump ill.json -o yaml":                          ExitBad,
		"status s --cluster-dump blindwell.json":                            ExitPartial,
		"status t --cluster-dump well.json":                                 ExitError,
		"status s --cluster-dump well.json -w":                              ExitError,
		"dump --cluster-dump full.json":                                     ExitFine,
		"dump --cluster-dump blind.json":                                    ExitPartial,
		"dump --cluster-dump blind.json -f copy.json":                       ExitPartial,
		"lint -f right.yaml":                                                ExitFine,
		"lint -f wrong.yaml":                                                ExitBad,
		"lint -f wrong.yaml -f nowhere.yaml":                                ExitBad,
		"lint -f right.yaml -f nowhere.yaml":                                ExitPartial,
		"lint -f nowhere.yaml":                                              ExitError,
		"lint":                                                              ExitError,
		"lint --nonsense":                                                   ExitError,
		"nodes --nonsense":                                                  ExitError,
		"check --cluster-dump full.json":                                    ExitError,
		"nodes --cluster-dump full.json --output nonsense":                  ExitError,
		"nodes --cluster-dump full.json --scheduler-config nowhere.yaml":    ExitError,
		"nodes --cluster-dump full.json --html nowhere/page.html":           ExitError,
		"nodes --cluster-dump full.json --html page.html -o wide":           ExitError, // one answer has one form
		"whatif node n1 --cluster-dump full.json":                           ExitError,
		"explain pod p --cluster-dump full.json --namespace somewhere-else": ExitError,
	} {
		got := run(t, "", strings.Fields(command)...)
		if code := codeIn(got); code != want {
			t.Errorf("%s: exit %d, want %d:\n%s", command, code, want, got)
		}
	}
	if page := read(t, "page.html"); !strings.Contains(page, "<p>Not read: persistentvolumeclaims") {
		t.Errorf("the page does not say what could not be read:\n%s", page)
	}
	for r, want := range map[*installation.Report]int{
		{Complete: true}: ExitFine, {}: ExitPartial, {Failures: 1}: ExitBad, {Complete: true, Failures: 1}: ExitBad, {Complete: true, NotChecked: 1}: ExitFine,
	} {
		if code, tell := ExitCode(verdict(r)); code != want || tell {
			t.Errorf("check: exit %d, want %d: %+v", code, want, r)
		}
	}
}

// A wrong -o is told before anything is read.
func TestWrongOutputIsToldFirst(t *testing.T) {
	for _, command := range []string{"nodes", "status s", "plan -f nowhere.yaml", "lint -f nowhere.yaml", "explain pod p"} {
		got := run(t, "", append(strings.Fields(command), "-o", "jsno", "--cluster-dump", "nowhere.json")...)
		if !strings.Contains(got, `unknown output "jsno"`) || codeIn(got) != ExitError {
			t.Errorf("%s: %s", command, got)
		}
	}
}

// Every command says in the same words what it does with arguments that it does not want, or wants.
func TestArgumentsThatAreNotWanted(t *testing.T) {
	for command, want := range map[string]string{
		"plan cache.yaml":       `unexpected "cache.yaml": name files with -f`,
		"headroom cache.yaml":   `unexpected "cache.yaml": name files with -f`,
		"lint cache.yaml":       `unexpected "cache.yaml": name files with -f`,
		"dump case.json":        `unexpected "case.json": name the file with -f`,
		"nodes n1":              `unexpected "n1": 'kubectl shoal group NAME' shows the nodes of a group`,
		"check n1":              `unexpected "n1": check asks about the whole cluster`,
		"group":                 "which group? Write 'group NAME'",
		"group a b":             "expected one group, got 2: write 'group NAME'",
		"switchover":            "which shard? Write 'switchover SET/SHARD'",
		"switchover s/0 s/1":    "expected one shard, got 2: write 'switchover SET/SHARD'",
		"headroom --tries -1":   "--tries: -1 is less than 0",
		"nodes --group-by rack": "--group-by: no node has the label rack, did you mean rac?",
		"nodes --group-by a/b/": `--group-by: "a/b/" is no name of a label`,
	} {
		file := filepath.Join(t.TempDir(), "cluster.yaml")
		if err := os.WriteFile(file, []byte("apiVersion: v1\nkind: Node\nmetadata: {name: n1, labels: {rac: a}}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		got := run(t, "", append(strings.Fields(command), "--cluster-dump", file)...)
		if !strings.Contains(got, want) || codeIn(got) != ExitError {
			t.Errorf("%s: want %q:\n%s", command, want, got)
		}
	}
}

// Lines of an error stay lines; what a library puts into one does not break it.
func TestErrorsKeepTheirLines(t *testing.T) {
	if got := Told(errors.New("two findings:\na.yaml:1:  tab\there\n\n  a.yaml:2: no\n")); got != "two findings:\na.yaml:1: tab here\na.yaml:2: no" {
		t.Errorf("got %q", got)
	}
}

// Who cannot reach a cluster is told the same by the command that changes something as by the others.
func TestUnreachedClusterIsHinted(t *testing.T) {
	for _, command := range []string{"switchover s/0", "nodes", "status s", "rollout pause s", "rollout undo s", "rollout history s", "rollout status s -w"} {
		got := run(t, "", append(strings.Fields(command), "--server", "http://127.0.0.1:1", "-n", "default")...)
		if !strings.Contains(got, "KUBECONFIG") || codeIn(got) != ExitError {
			t.Errorf("%s: %s", command, got)
		}
	}
}

// The help of a command is about that command: flags that all have are few there, and none where no cluster is asked.
func TestHelpIsShort(t *testing.T) {
	for name, global := range map[string]int{"nodes": 1, "explain": 1, "lint": 0, "completion bash": 0} {
		got := run(t, "", append(strings.Fields(name), "--help")...)
		if strings.Count(got, "Global Flags:") != global || strings.Contains(got, "--as-group") || strings.Contains(got, "--context") != (global > 0) {
			t.Errorf("%s:\n%s", name, got)
		}
	}
	order := []int{}
	help := run(t, "", "--help")
	for _, name := range []string{"  status ", "  explain ", "  whatif ", "  headroom ", "  plan ", "  nodes "} {
		order = append(order, strings.Index(help[strings.Index(help, "Available Commands:"):], "\n"+name))
	}
	if !slices.IsSorted(order) || order[0] < 0 {
		t.Errorf("the commands stand in another order than in the code: %v\n%s", order, help)
	}
}

func codeIn(text string) int {
	code := 0
	if i := strings.LastIndex(text, "exit "); i >= 0 {
		_, _ = fmt.Sscanf(text[i:], "exit %d", &code)
	}
	return code
}

// full is a disk without room.
type full struct{}

// Write fails.
func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestAnswerThatCannotBeWrittenIsNone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "full.json")
	if err := os.WriteFile(file, []byte(blindDump), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range []string{"nodes", "nodes -o wide", "nodes -o json", "nodes -o yaml", "nodes --html -", "explain pod p", "whatif node n1 --lost", "dump"} {
		cmd := New(Environment{Streams: genericiooptions.IOStreams{Out: full{}, ErrOut: &bytes.Buffer{}}, Now: time.Now})
		cmd.SetArgs(append(strings.Fields(args), "--cluster-dump", file))
		err := cmd.ExecuteContext(t.Context())
		if code, tell := ExitCode(err); code != ExitError || !tell || !strings.Contains(err.Error(), "no space left") {
			t.Errorf("%s: exit %d: %v", args, code, err)
		}
	}
}

// A dump is its owner's alone, also when it is written over a file that all may read.
func TestDumpIsItsOwners(t *testing.T) {
	dir := t.TempDir()
	from, to := filepath.Join(dir, "full.json"), filepath.Join(dir, "case.json")
	if err := os.WriteFile(from, []byte(`{"apiVersion":"dump.shoal.dev/v1","kind":"ClusterDump","items":[]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, []byte("what was there before"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(to, 0o644); err != nil { //nolint:gosec // it is what the command has to mend
		t.Fatal(err)
	}
	if got := run(t, "", "dump", "--cluster-dump", from, "-f", to); strings.Contains(got, "exit") {
		t.Fatal(got)
	}
	info, err := os.Stat(to)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the dump has mode %v: others can read it", info.Mode().Perm())
	}
	if text := read(t, to); !strings.Contains(text, "ClusterDump") {
		t.Errorf("no dump was written: %s", text)
	}
}
