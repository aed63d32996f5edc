package switchover

import (
	"os"
	"strings"
	"testing"
)

// What the documentation shows, a scenario prints.
func TestDocumentedOutputIsReal(t *testing.T) {
	docs, err := os.ReadFile("../../docs/kubectl-shoal.md")
	if err != nil {
		t.Fatal(err)
	}
	scenarios, err := os.ReadFile("testdata/switchover.txt")
	if err != nil {
		t.Fatal(err)
	}
	_, shown, found := strings.Cut(string(docs), "$ kubectl shoal switchover r/r-0 -n redis\n")
	shown, _, ended := strings.Cut(shown, "```\n")
	if !found || !ended || !strings.Contains(string(scenarios), "----\n"+shown+"\n") {
		t.Errorf("no scenario prints what is shown:\n%s", shown)
	}
}
