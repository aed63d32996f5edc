package kubectlshoal

import "testing"

func TestEveryCommandHasAnExample(t *testing.T) {
	commands := New(Environment{}).Commands()
	if len(commands) == 0 {
		t.Fatal("there are no commands")
	}
	for _, c := range commands {
		if c.Example == "" {
			t.Errorf("%s has no example", c.Name())
		}
	}
}
