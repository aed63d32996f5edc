package kubectlshoal

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// beyond is what a command does not read of that which an example has the scheduler read.
var beyond = map[string]string{
	"measured-load.yaml": "Not read: measured load: its thresholds, which may close nodes, were not tried, and nodes were ranked by requests.",
	"with-trimaran.yaml": "Not read: the load that LoadVariationRiskBalancing asks for: its score was not tried.",
}

// Every configuration that is shipped as an example is tried by every command that asks the scheduler, and what it has beyond a trial is told.
func TestEveryExampleOfAConfigurationIsTried(t *testing.T) {
	examples, err := filepath.Glob("../examples/scheduler-config/*.yaml")
	if err != nil || len(examples) < 4 {
		t.Fatal(examples, err)
	}
	dir := t.TempDir()
	dump, set := filepath.Join(dir, "dump.json"), filepath.Join(dir, "set.yaml")
	for name, text := range map[string]string{dump: strings.Replace(blindDump, `"persistentvolumeclaims: you may not list them"`, "", 1), set: someSet} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, example := range examples {
		note, want := beyond[filepath.Base(example)], ExitFine
		if note != "" {
			want = ExitPartial
		}
		for _, command := range []string{"plan -f " + set, "headroom -f " + set, "whatif node n1 --lost", "explain pod small"} {
			got := run(t, "", append(strings.Fields(command), "--cluster-dump", dump, "--scheduler-config", example)...)
			if codeIn(got) != want || !strings.Contains(got, note) || note == "" && strings.Contains(got, "Not read") {
				t.Errorf("%s with %s: want exit %d and %q:\n%s", command, example, want, note, got)
			}
		}
	}
}

// Every object that is shipped as an example is what the API server takes, and nothing about it is worth a word.
func TestEveryExampleOfAnObjectIsInOrder(t *testing.T) {
	for _, folder := range []string{"../examples", "../examples/redis"} {
		examples, err := filepath.Glob(folder + "/*.yaml")
		if err != nil || len(examples) < 3 {
			t.Fatal(examples, err)
		}
		for _, example := range examples {
			if got := run(t, "", "lint", "-f", example); codeIn(got) != ExitFine || !strings.Contains(got, "nothing is wrong") {
				t.Errorf("%s: %s", example, got)
			}
		}
	}
}
