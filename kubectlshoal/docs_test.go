package kubectlshoal

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// shownElsewhere are commands whose outputs other tests hold against the documentation, or which have none.
var shownElsewhere = regexp.MustCompile(`^(kubectl shoal (check|dump|switchover|--help)|kubectl port-forward|make|cp) ?`)

// What the documentation shows, the program prints: every output there is one of the scenarios', or of the tests of measured load.
func TestDocumentedOutputsAreReal(t *testing.T) {
	scenarios, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(scenarios) == 0 {
		t.Fatal(scenarios, err)
	}
	real := ""
	for _, name := range scenarios {
		real += read(t, name)
	}
	real += read(t, "status_test.go")
	measured := strings.ReplaceAll(read(t, "measured_test.go"), "` + url + `", "http://localhost:9090")
	shown := 0
	for _, block := range regexp.MustCompile("(?s)```console\n(.*?)```").FindAllStringSubmatch(read(t, "../docs/kubectl-shoal.md"), -1) {
		for _, part := range strings.Split("\n"+block[1], "\n$ ")[1:] {
			command, output, _ := strings.Cut(part, "\n")
			if output = strings.TrimSuffix(output, "\n"); shownElsewhere.MatchString(command) || output == "" {
				continue
			}
			shown++
			if !strings.Contains(real, "\n"+output+"\n") && !strings.Contains(squeezed(measured), squeezed(output)) {
				t.Errorf("no test prints what the documentation shows of `%s`:\n%s", command, output)
			}
		}
	}
	if shown < 8 {
		t.Errorf("the documentation shows only %d outputs", shown)
	}
}

// The three questions of whoever is on call stand in the first help that they see.
func TestHelpAnswersTheFirstQuestions(t *testing.T) {
	got := run(t, "", "--help")
	for _, want := range []string{
		"kubectl shoal explain pod cache-5 -n redis     # why is this pod pending?", "kubectl shoal whatif node node-7 --lost        # what dies with node 7?",
		"kubectl shoal nodes                            # how full are we?",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

// Whoever is asked whether the plugin may run in production reads the help: it must not deny that one command changes something.
func TestHelpSaysWhatChangesSomething(t *testing.T) {
	for name, text := range map[string]string{
		"kubectl shoal --help": run(t, "", "--help"), "doc.go": read(t, "doc.go"), "main.go": read(t, "../cmd/kubectl-shoal/main.go"), "docs": read(t, "../docs/kubectl-shoal.md"),
	} {
		i := strings.Index(text, "change")
		if i < 0 || !strings.Contains(text[i:min(len(text), i+120)], "switchover") {
			t.Errorf("%s does not say that switchover changes something:\n%s", name, text[:min(len(text), 600)])
		}
	}
}
