package spelling

import "testing"

func TestNearest(t *testing.T) {
	known := []string{"maxNodes", "maxInstancesPerNode", "mode", "replicas"}
	for word, want := range map[string]string{
		"maxNode": "maxNodes", "MaxNodes": "maxNodes", "maxInstancePerNodes": "maxInstancesPerNode", "replica": "replicas",
		"mod": "mode", "color": "", "x": "", "": "", "maxnodes": "maxNodes",
	} {
		if got := Nearest(word, known); got != want {
			t.Errorf("%s: got %q, want %q", word, got, want)
		}
	}
}

func TestGuess(t *testing.T) {
	if got := Guess("mod", []string{"mode"}); got != ", did you mean mode?" {
		t.Error(got)
	}
	if got := Guess("colour", []string{"mode"}); got != "" {
		t.Error(got)
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"abc", "", 3}, {"kitten", "sitting", 3}, {"same", "same", 0}} {
		if got := Distance(c.a, c.b); got != c.want || Distance(c.b, c.a) != c.want {
			t.Errorf("%s, %s: got %d, want %d", c.a, c.b, got, c.want)
		}
	}
}
