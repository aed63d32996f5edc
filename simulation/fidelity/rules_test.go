package fidelity

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// TestRecordingBreaksEveryRule has each rule of the CRDs and of the admission policies refuse something in the recording.
func TestRecordingBreaksEveryRule(t *testing.T) {
	text, err := os.ReadFile(recording)
	if err != nil {
		t.Fatal(err)
	}
	_, answers, err := Read(text)
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	for _, a := range answers {
		said.WriteString(a.Message + "\n")
	}
	rules := 0
	for _, pattern := range []string{"crds/shoal.dev_*.yaml", "admission/*-*.yaml"} {
		files, err := filepath.Glob("../../manifests/" + pattern)
		if err != nil || len(files) == 0 {
			t.Fatal(pattern, err)
		}
		for _, f := range files {
			for _, message := range messages(t, f) {
				if rules++; !strings.Contains(said.String(), message) {
					t.Errorf("%s: nothing in the recording breaks the rule %q", filepath.Base(f), message)
				}
			}
		}
	}
	if rules < 20 {
		t.Errorf("%d rules were found: there are more", rules)
	}
}

// messages are those of the rules in a file. One that is an expression is left out.
func messages(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for document := range strings.SplitSeq(string(text), "\n---\n") {
		var object any
		if err := yaml.Unmarshal([]byte(document), &object); err != nil {
			t.Fatal(err)
		}
		out = append(out, rulesIn(object)...)
	}
	return out
}

func rulesIn(object any) []string {
	var out []string
	switch object := object.(type) {
	case map[string]any:
		_, computed := object["messageExpression"]
		if message, ok := object["message"].(string); ok && !computed && (object["rule"] != nil || object["expression"] != nil) {
			out = append(out, message)
		}
		for _, value := range object {
			out = append(out, rulesIn(value)...)
		}
	case []any:
		for _, value := range object {
			out = append(out, rulesIn(value)...)
		}
	}
	return out
}
