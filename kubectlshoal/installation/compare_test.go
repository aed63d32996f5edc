package installation

import (
	"strings"
	"testing"
)

func TestCompare(t *testing.T) {
	for name, c := range map[string]struct {
		ships, live any
		want        string
	}{
		"equal":                      {map[string]any{"a": "b"}, map[string]any{"a": "b"}, ""},
		"a default of the server":    {map[string]any{"a": "b"}, map[string]any{"a": "b", "c": "d"}, ""},
		"a default in a list":        {[]any{map[string]any{"a": "b"}}, []any{map[string]any{"a": "b", "c": "d"}}, ""},
		"numbers of two types":       {int64(5), float64(5), ""},
		"an expression folded anew":  {"a ||\n  b", "a || b", ""},
		"an empty value is not kept": {map[string]any{"a": map[string]any{}}, map[string]any{}, ""},
		"missing":                    {map[string]any{"a": "b"}, map[string]any{}, "x.a is missing"},
		"another value":              {"a", "b", `x is "b" instead of "a"`},
		"another number":             {int64(5), float64(6), `x is "6" instead of "5"`},
		"another expression":         {"a || b", "a && b", `x is "a && b" instead of "a || b"`},
		"more in a list":             {[]any{"get"}, []any{"get", "delete"}, "x has 2 entries instead of 1"},
		"another type":               {map[string]any{"a": "b"}, "a", "x.a is missing"},
	} {
		var found []string
		compare("x", c.ships, c.live, &found)
		if got := strings.Join(found, "; "); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}
