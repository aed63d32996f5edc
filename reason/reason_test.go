package reason

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// conditionReason is what the API server accepts as the reason of a condition.
var conditionReason = regexp.MustCompile(`^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$`)

func TestCatalogueIsComplete(t *testing.T) {
	names := map[string]Code{}
	for _, c := range All() {
		e := c.Entry()
		if !conditionReason.MatchString(e.Name) {
			t.Errorf("%s: name %q cannot be the reason of a condition", c, e.Name)
		}
		if other, taken := names[e.Name]; taken {
			t.Errorf("%s and %s are both named %s", c, other, e.Name)
		}
		names[e.Name] = c
		if e.Text == "" || strings.HasSuffix(e.Text, ".") {
			t.Errorf("%s: text %q must be one clause without a full stop", c, e.Text)
		}
		if e.Meaning == "" || e.Advice == "" {
			t.Errorf("%s: meaning and advice must be there", c)
		}
	}
	if !slices.IsSorted(All()) {
		t.Error("the catalogue is not in ascending order")
	}
}

func TestEveryCodeHasAPage(t *testing.T) {
	for _, c := range All() {
		page, err := os.ReadFile(filepath.Join("..", "docs", "reasons", c.String()+".md"))
		if err != nil {
			t.Errorf("%s has no page: run `make generate`", c)
			continue
		}
		if !strings.Contains(string(page), c.Entry().Advice) {
			t.Errorf("the page of %s is out of date: run `make generate`", c)
		}
	}
}

func TestMessages(t *testing.T) {
	if got, want := NodeCountLimit.Message(), NodeCountLimit.Text()+" (SHOAL1102)"; got != want {
		t.Errorf("message %q, want %q", got, want)
	}
	if got, want := LimitsTooTight.Because("%d < %d", 40, 42), "40 < 42 (SHOAL1201)"; got != want {
		t.Errorf("message %q, want %q", got, want)
	}
	if got := Code(9999).Entry(); got != (Entry{}) {
		t.Errorf("an unknown code has an entry: %v", got)
	}
}
