package decide

import (
	"time"

	"github.com/shoal-dev/shoal/reason"
)

// Action is what a step does. Each may be done twice.
type Action string

// The actions. What they are done to is Step.Instance.
const (
	// Wait and look again.
	Wait Action = "Wait"
	// SetFence sets Step.Fence.
	SetFence Action = "SetFence"
	// Pause holds writes for Step.Long.
	Pause   Action = "Pause"
	Unpause Action = "Unpause"
	// Elect asks the Sentinels for their votes.
	Elect Action = "Elect"
	// Demote makes the instance follow nobody.
	Demote Action = "Demote"
	// Promote makes it a master. Return is the same, of the one that was demoted.
	Promote Action = "Promote"
	Return  Action = "Return"
	// Tell has the Sentinels name the instance as master.
	Tell Action = "Tell"
	// Follow makes it a replica of Step.Master.
	Follow Action = "Follow"
	// End: nothing more is to be done. Step.Result and Step.Code say how it ended.
	End Action = "End"
)

// Result is how a switchover ended.
type Result string

const (
	// HandedOver says that From is a replica of another master, which has every write.
	HandedOver Result = "HandedOver"
	// Refused says that From was seen to be master as before, and takes writes.
	Refused Result = "Refused"
	// Undecided says that it is not known that exactly one master takes writes: nobody has looked, or it has to be decided by
	// Sentinel or a person.
	Undecided Result = "Undecided"
)

// Step is one thing to do.
type Step struct {
	Do Action
	// Instance and Master are names of instances; Target is the one that takes over.
	Instance, Master, Target string
	Fence                    Fence
	// Opens: with this Fence a master beside From takes writes, also if nobody hears that it was set.
	Opens  bool
	Long   time.Duration
	Result Result
	// Fenced: the new master takes writes only while a replica follows it, and that may be From alone.
	Fenced bool
	// Code is how it ended, or why the way goes back.
	Code reason.Code
	// Text says why, with numbers.
	Text string
}

// MayGoOn says whether the caller may now stop the instance that was to hand over.
func (s Step) MayGoOn(p Policy) bool {
	switch {
	case p == None:
		return true
	case s.Do != End:
		return false
	case s.Result == HandedOver:
		return !s.Fenced
	}
	return p == BestEffort && s.Result == Refused
}

func end(result Result, code reason.Code, text string) Step {
	return Step{Do: End, Result: result, Code: code, Text: text}
}
