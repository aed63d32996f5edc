package simulation

import (
	"reflect"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// What a process of ours may do in a minute of simulated time, whatever goes wrong in it: several times what the busiest minute
// of a hundred seeds had (154 calls, 605 reconciles). A loop that never waits goes beyond it within seconds.
const (
	callsPerMinute      = 1_000
	reconcilesPerMinute = 2_000
	// idleWrites is how many writes of a seed may change nothing, once nothing goes wrong any more
	// and what was late has arrived.
	idleWrites = 20
)

// pace is how often our processes have done what costs others something.
type pace struct {
	minute time.Duration  // which one is counted
	done   map[string]int // in it, by who and what
	idle   int            // writes that changed nothing, since the trouble is over
}

// doing counts one thing that a process does, and wants it to do no more of them in a minute.
func (c *checker) doing(process, what string, most int) {
	p := &c.pace
	if minute := time.Since(c.w.begun).Truncate(time.Minute); p.done == nil || minute != p.minute {
		p.minute, p.done = minute, map[string]int{}
	}
	p.done[process+what]++
	if n := p.done[process+what]; n > most {
		c.fail("no hot loop", "%d%s of the %s within a minute", n, what, process)
	}
}

// changesSomething: what is written is what is not so yet. A cache that is late, or an answer that was lost, may have somebody
// write what is so already; when all is well, nobody does.
func (c *checker) changesSomething(r request, o client.Object) {
	if r.verb != "update" && r.verb != "patch" {
		return
	}
	before, there, _ := c.w.truth[reflect.TypeOf(o)].GetIndexer().Get(o)
	if c.w.calm.IsZero() || time.Now().Before(c.w.calm) || !there || before.(client.Object).GetResourceVersion() != o.GetResourceVersion() {
		return
	}
	if c.pace.idle++; c.pace.idle > idleWrites {
		c.fail("writes change something", "%s, and %d more before it", r, c.pace.idle-1)
	}
}
