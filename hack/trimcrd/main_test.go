package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

func TestTrim(t *testing.T) {
	input, want := read(t, "testdata/input.yaml"), read(t, "testdata/trimmed.yaml")
	got, err := trim(input)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	again, err := trim(got)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(again, got) {
		t.Errorf("trimming twice is not the same as trimming once:\n%s", again)
	}
}

func TestTrimRefuses(t *testing.T) {
	for _, test := range []struct{ name, input, want string }{
		{"another kind", "kind: Pod\n", "want CustomResourceDefinition"},
		{"no YAML", "\tx", "yaml"},
		{"no schema", "kind: CustomResourceDefinition\nspec: {versions: [{name: v1}]}\n", "no schema"},
		{"too large", "kind: CustomResourceDefinition\nspec: {names: {kind: " + strings.Repeat("x", maxBytes) + "}}\n", "the limit is"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := trim([]byte(test.input))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v, want one with %q", err, test.want)
			}
		})
	}
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
