package agent

import (
	"fmt"
	"net"
	"testing"
)

// Whoever takes all the room loses it, and nobody from elsewhere does.
func TestWhoHasToGo(t *testing.T) {
	g := &guests{}
	enter := func(from string) (one, out *guest) {
		here, _ := net.Pipe()
		one = &guest{here, g, from}
		return one, g.enter(one)
	}
	manager, _ := enter("10.0.0.1")
	var theirs []*guest
	for n := range 3 * MaxConnections {
		one, out := enter("10.0.0.66")
		theirs = append(theirs, one)
		if over := n - MaxConnections + 1; over < 0 && out != nil || over >= 0 && out != theirs[over] {
			t.Fatalf("at %d %+v has to go", n, out)
		}
		if out != nil {
			_ = out.Close()
		}
	}
	for n := range MaxConnections - 2 { // from many addresses at once it is the oldest
		_, out := enter(fmt.Sprint("10.0.1.", n))
		if out == nil || out.from != "10.0.0.66" {
			t.Fatalf("at %d %+v has to go", n, out)
		}
		_ = out.Close()
		if len(g.unknown) > MaxConnections {
			t.Fatalf("%d are there", len(g.unknown))
		}
	}
	g.leave(manager)
	if _, out := enter("10.0.2.1"); out != nil {
		t.Errorf("one is known, and %+v has to go", out)
	}
}
