package simulation

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// faults are how likely what goes wrong is. The zero value is a world in which everything works.
type faults struct {
	calls   map[string]float64 // for each kind of fault, how many calls it strikes
	denials []*denial          // what is refused for now, the oldest first
	lagging float64            // how many events arrive late
	lagMost time.Duration      // how late at most
	slow    reflect.Type       // the only kind whose events are late, nil for all kinds
	doubled float64            // how many events arrive twice
	stale   time.Duration      // how old what a manager lists when it starts may be
}

// callFaults are the ways in which a call goes wrong, and how many calls at most do.
var callFaults = []struct {
	name   string
	chance float64 // that a seed has it
	most   float64
}{
	{"refused", 0.5, 0.1},  // it is refused and has no effect
	{"lost", 0.5, 0.1},     // it has its effect, and its answer is lost
	{"resent", 0.3, 0.1},   // it is sent again, as clients do when a connection breaks, and the second answer counts
	{"crash", 0.4, 0.01},   // the process crashes before it
	{"crashed", 0.4, 0.01}, // the process crashes after it
}

// drawFaults draws which faults a seed has: not every one has all of them, or each would hide what the other brings up.
func (p *play) drawFaults() {
	p.faults.calls = map[string]float64{}
	for _, f := range callFaults {
		if d := p.choice.of("rate of " + f.name); d.chance(f.chance) {
			p.faults.calls[f.name] = d.Float64() * f.most
		}
	}
	d := p.choice.of("lag")
	if d.chance(0.6) && p.choice.happens("lag") {
		p.faults.lagging, p.faults.lagMost = d.Float64(), d.between(50*time.Millisecond, 60*time.Second)
		if d.chance(0.3) {
			p.faults.slow = reflect.TypeOf(kinds[d.Intn(len(kinds))])
			p.faults.lagMost *= 5
		}
	}
	d = p.choice.of("doubled")
	if d.chance(0.3) && p.choice.happens("doubled") {
		p.faults.doubled = d.Float64() * 0.2
	}
	d = p.choice.of("stale")
	if d.chance(0.4) && p.choice.happens("stale") {
		p.faults.stale = d.between(time.Second, time.Minute)
	}
	p.tell("fault", "from now on: %+v", p.faults)
}

// lag is how long an event takes to reach a process.
func (w *World) lag(f *feed) time.Duration {
	if f.kind == reflect.TypeFor[*policyv1.PodDisruptionBudget]() { // nothing rests on when one is seen: it takes no chance from others
		return w.steadyLag + 20*time.Millisecond
	}
	late := w.faults.slow == nil || w.faults.slow == f.kind
	if late && w.faults.lagging > 0 && w.choice.of("lag").chance(w.faults.lagging) {
		return w.choice.of("lag").between(time.Millisecond, w.faults.lagMost)
	}
	return w.steadyLag + w.between(time.Millisecond, 20*time.Millisecond)
}

// fate is what happens to a call.
type fate struct {
	before, after error // instead of it, or of its answer
	twice         bool
}

// fateOf draws what happens to a call.
func (w *World) fateOf(a *access, r request) fate {
	if a == w.system || a == w.user {
		return fate{}
	}
	for _, d := range w.faults.denials {
		if d.process == a.process && d.verb == r.verb && d.kind == r.kind {
			return fate{before: d.err}
		}
	}
	for _, f := range callFaults {
		if w.strikes(f.name) {
			w.tell("fault", "%s: %s", f.name, r)
			return w.struck(f.name, a, r)
		}
	}
	return fate{}
}

// strikes draws whether a call meets a fault.
func (w *World) strikes(kind string) bool {
	rate := w.faults.calls[kind]
	if rate == 0 || !w.choice.of(kind).chance(rate) {
		return false
	}
	w.strokes[kind]++
	return w.choice.happens(fmt.Sprintf("%s.%d", kind, w.strokes[kind]))
}

func (w *World) struck(kind string, a *access, r request) fate {
	switch kind {
	case "refused":
		ways := refusals[:refusalsOfReads]
		switch r.verb {
		case "create":
			ways = refusals
		case "get", "list":
		default:
			ways = refusals[:refusalsOfWrites]
		}
		return fate{before: ways[w.choice.of(kind).Intn(len(ways))](r)}
	case "lost":
		return fate{after: context.DeadlineExceeded}
	case "resent":
		return fate{twice: true}
	case "crash":
		w.crash(a)
		return fate{before: errCrashed}
	default:
		return fate{after: w.crashAfter(a)}
	}
}

func (w *World) crashAfter(a *access) error {
	w.crash(a)
	return fmt.Errorf("the answer: %w", errCrashed)
}

// crash ends a process. If it led, another one starts.
func (w *World) crash(a *access) {
	a.crashed = true
	if w.placer.access == a {
		w.placer.crash()
	}
	if a != w.placer.access && a != w.operator.access {
		return // it had lost its lease already
	}
	away := w.between(time.Second, 20*time.Second)
	if w.standby && a == w.operator.access {
		away = time.Second
	}
	w.after(away, "restart "+a.process, func() {
		switch a {
		case w.operator.access:
			w.tell("fault", "%s starts again", a.process)
			w.must(w.startOperator())
		case w.placer.access:
			w.tell("fault", "%s starts again", a.process)
			w.must(w.startPlacer())
		}
	})
}

// refusals are the ways in which a server refuses a call that is in order: first those that any call may meet, then those
// of writes, and last those of creations, which a quota may refuse, or fail to count because others are counted.
var refusals = []func(request) error{
	func(request) error { return apierrors.NewTooManyRequests("too many requests", 1) },
	func(request) error { return apierrors.NewInternalError(errors.New("etcdserver: request timed out")) },
	func(request) error { return apierrors.NewServiceUnavailable("apiserver is shutting down") },
	func(request) error { return errors.New("connection refused") },
	func(request) error {
		return apierrors.NewRequestEntityTooLargeError("etcdserver: request is too large")
	},
	func(r request) error {
		return apierrors.NewForbidden(schema.GroupResource{Resource: r.kind}, r.name, errors.New("exceeded quota"))
	},
	func(request) error {
		return apierrors.NewConflict(schema.GroupResource{Resource: "resourcequotas"}, "quota", errors.New("the object has been modified"))
	},
}

const refusalsOfReads, refusalsOfWrites = 4, 5
