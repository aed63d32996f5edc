package kubectlshoal

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLintReadsStandardInput(t *testing.T) {
	got := run(t, "apiVersion: shoal.dev/v1alpha1\nkind: PlacementPolicy\nmetadata: {name: p}\nspec: {replica: 1}\n", "lint", "-f", "-")
	if want := "-:4: PlacementPolicy p: spec.replica: unknown field, did you mean replicas?"; !strings.Contains(got, want) || !strings.HasSuffix(got, "exit 2\n") {
		t.Errorf("got %s", got)
	}
}

func TestLintReadsFolders(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "deep"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"a.yaml": "a: b", "deep/b.yml": "apiVersion: shoal.dev/v2\nkind: InstanceSet", "c.json": `{"kind": "Redis", "apiVersion": "shoal.dev/v1alpha1"}`, "notes.txt": "{",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got := run(t, "", "lint", "-f", dir)
	for _, want := range []string{"deep/b.yml:1: ", "c.json:1: ", "3 files, 0 objects of Shoal, 1 other: 2 findings", "exit 2"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %s", want, got)
		}
	}
	if got := run(t, "", "lint", "-f", t.TempDir()); !strings.Contains(got, "no .yaml, .yml or .json in it") || !strings.HasSuffix(got, "none of the files could be read\nexit 1\n") {
		t.Errorf("an empty folder: %s", got)
	}
}

// What Shoal ships and shows as examples is right.
func TestLintOfWhatIsShipped(t *testing.T) {
	got := run(t, "", "lint", "-f", "../examples", "-f", "../manifests")
	if !strings.HasSuffix(got, ": nothing is wrong\n") {
		t.Error(got)
	}
}
