package lint

import (
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// A key that is new in the API would be called misspelt.
func TestAllKeysAreKnown(t *testing.T) {
	text, err := os.ReadFile("../../api/v1alpha1/labels.go")
	if err != nil {
		t.Fatal(err)
	}
	keys := regexp.MustCompile(`= GroupName \+ "(/[^"]+)"`).FindAllStringSubmatch(string(text), -1)
	if len(keys) < 10 {
		t.Fatalf("found only %v", keys)
	}
	for _, key := range keys {
		name := v1alpha1.GroupName + key[1]
		if name != v1alpha1.Finalizer && name != v1alpha1.SwitchoverFinalizer && !slices.Contains(knownKeys, name) {
			t.Errorf("%s is missing in knownKeys", name)
		}
	}
}

// What all keys begin with makes none like another, and nobody is led to the marks by which a volume is given up.
func TestNearestKey(t *testing.T) {
	for name, want := range map[string]string{
		"shoal.dev/foo": "", "shoal.dev/los": "", "shoal.dev/losst": "", "shoal.dev/retird": "",
		"shoal.dev/placement-polcy": ", did you mean shoal.dev/placement-policy?", "shoal.dev/shrd": ", did you mean shoal.dev/shard?",
	} {
		if got := nearestKey(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}
