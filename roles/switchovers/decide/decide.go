package decide

import (
	"cmp"
	"fmt"
	"time"

	"github.com/shoal-dev/shoal/reason"
)

// Action is what is done about a Switchover.
type Action string

// The actions.
const (
	// Begin notes From, and hands over. GoOn does the same as before, from wherever the shard is by now.
	Begin Action = "Begin"
	GoOn  Action = "GoOn"
	// Wait and look again.
	Wait Action = "Wait"
	// Refuse ends it without a step. Done ends it as well, as there is nothing to do.
	Refuse Action = "Refuse"
	Done   Action = "Done"
	// Release takes the finalizer away from one that has ended, or was deleted before it began; Delete deletes it.
	Release Action = "Release"
	Delete  Action = "Delete"
	// Leave it alone.
	Leave Action = "Leave"
)

// Verdict is what is done, and why.
type Verdict struct {
	Do   Action
	From string
	Code reason.Code
	Text string
	// Again is when to look again, of Wait and Leave; 0 is when something changes.
	Again time.Duration
}

const (
	// TooOld is how long after it was created a switchover may begin, beside its timeout. The clocks of the API server and of the
	// manager may differ by less than that.
	TooOld = 10 * time.Minute
	// MaxAttempts is how many times one is tried that has left something to do.
	MaxAttempts = 3
	// recheck is between two looks while something is waited for, and between two attempts.
	recheck = time.Second
)

// rules are asked in this order; the first that has something to say decides.
var rules = []struct {
	name string
	rule func(Snapshot) (Verdict, bool)
}{
	{"ended", ended},
	{"begun", begun},
	{"deleted", deleted},
	{"too old", tooOld},
	{"no orders", noOrders},
	{"another one", another},
	{"no such shard", noSuchShard},
	{"held up", heldUp},
	{"done already", doneAlready},
}

// Decide returns what becomes of the switchover.
func Decide(s Snapshot) Verdict {
	for _, r := range rules {
		if v, ok := r.rule(s); ok {
			return v
		}
	}
	return Verdict{Do: Begin, From: s.masters()[0], Code: reason.SwitchoverRunning}
}

// ended: nothing is done but to tidy up.
func ended(s Snapshot) (Verdict, bool) {
	if !s.Request.ended() {
		return Verdict{}, false
	}
	left := s.Request.Completed.Add(s.Request.TTL).Sub(s.Now)
	switch {
	case s.Request.Held:
		return Verdict{Do: Release}, true
	case s.Request.Deleted:
		return Verdict{Do: Leave}, true
	case left > 0:
		return Verdict{Do: Leave, Again: left}, true
	}
	return Verdict{Do: Delete}, true
}

// begun: it is brought to an end, whatever has changed meanwhile, also who leads. Half of the way nobody may take writes.
func begun(s Snapshot) (Verdict, bool) {
	switch {
	case !s.Request.begun():
		return Verdict{}, false
	case !s.Set || len(s.Instances) == 0: // nobody is left to be told anything
		return refuse(reason.NoSuchShard, ""), true
	case s.Taken:
		return Verdict{Do: Wait, Code: reason.ShardTaken, Again: recheck}, true
	case !s.Orders:
		return Verdict{Do: Wait, Code: reason.NoOrders, Again: recheck}, true
	}
	return Verdict{Do: GoOn, From: s.Request.From, Code: reason.SwitchoverContinued}, true
}

func deleted(s Snapshot) (Verdict, bool) {
	if s.Request.Held {
		return Verdict{Do: Release}, s.Request.Deleted
	}
	return Verdict{Do: Leave}, s.Request.Deleted
}

// tooOld: whoever asked does not expect it any more.
func tooOld(s Snapshot) (Verdict, bool) {
	age := s.Now.Sub(s.Request.Created)
	return refuse(reason.SwitchoverTooOld, "%s ago", age.Round(time.Second)), age > TooOld+s.Request.Timeout
}

func noOrders(s Snapshot) (Verdict, bool) {
	return refuse(reason.NoOrders, ""), !s.Orders
}

// another: of one shard, one is done; the one that has begun, or the oldest.
func another(s Snapshot) (Verdict, bool) {
	for _, o := range s.Others {
		if !o.ended() && (o.begun() || !o.Deleted && older(o, s.Request)) {
			return refuse(reason.ShardTaken, "Switchover %s", o.Name), true
		}
	}
	return Verdict{}, false
}

func older(a, b Request) bool {
	return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.Name, b.Name)) < 0
}

func noSuchShard(s Snapshot) (Verdict, bool) {
	if !s.Set || len(s.Instances) == 0 {
		return refuse(reason.NoSuchShard, ""), true
	}
	if to := s.Request.To; to != "" && !s.has(to) {
		return refuse(reason.NotInShard, "%s", to), true
	}
	return Verdict{}, false
}

// heldUp is for what may pass. It is waited for as long as the request says.
func heldUp(s Snapshot) (Verdict, bool) {
	code, text := s.hindrance()
	switch {
	case code == 0:
		return Verdict{}, false
	case s.Now.Sub(s.Request.Seen) < s.Request.Timeout:
		return Verdict{Do: Wait, Code: code, Text: text, Again: recheck}, true
	}
	return Verdict{Do: Refuse, Code: code, Text: text}, true
}

func (s Snapshot) hindrance() (reason.Code, string) {
	if s.Paused {
		return reason.SwitchoverPaused, ""
	}
	for _, i := range s.Instances {
		if i.Lost {
			return reason.InstanceLost, i.Name
		}
	}
	if s.Taken {
		return reason.ShardTaken, ""
	}
	if masters := s.masters(); len(masters) != 1 {
		return reason.NoLabelledMaster, fmt.Sprintf("%d have the label master", len(masters))
	}
	return 0, ""
}

func doneAlready(s Snapshot) (Verdict, bool) {
	return Verdict{Do: Done, Code: reason.AlreadyMaster, Text: s.Request.To}, s.masters()[0] == s.Request.To
}

func (s Snapshot) masters() (names []string) {
	for _, i := range s.Instances {
		if i.Master {
			names = append(names, i.Name)
		}
	}
	return names
}

func (s Snapshot) has(name string) bool {
	for _, i := range s.Instances {
		if i.Name == name {
			return true
		}
	}
	return false
}

func refuse(code reason.Code, format string, args ...any) Verdict {
	return Verdict{Do: Refuse, Code: code, Text: fmt.Sprintf(format, args...)}
}

// Again reports whether one that has ended like this is tried again: something is left to do that the next attempt may find
// done, or do. What Sentinel or a person has decided is left as it is.
func Again(code reason.Code, stepped bool, attempts int) bool {
	if attempts >= MaxAttempts {
		return false
	}
	switch code {
	case reason.NoMaster, reason.HandedOverInPart:
		return true
	case reason.MasterUnreachable:
		return stepped
	}
	return false
}
