package agent

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
)

// Action is what a manager can ask an agent to do. There is nothing else that an agent does.
type Action string

// The actions.
const (
	// Protect makes the instance take no writes and follow nobody. It keeps its data. Whatever it was.
	Protect Action = "protect"
	// Demote is Protect for a master, the step of a switchover; refused for one that follows a master.
	Demote Action = "demote"
	// Leave is Protect for a replica that is about to go; refused for a master, which must be handed over before.
	Leave Action = "leave"
	// Join has a protected instance follow Request.Master; refused for a master, whose data it would replace, and for one that
	// follows somebody else.
	Join Action = "join"
	// Follow has a replica, protected or not, follow Request.Master; refused for a master, which must be demoted before.
	Follow Action = "follow"
	// Promote makes a replica the master.
	Promote Action = "promote"
	// Pause holds every write for Request.Milliseconds, without refusing it; Unpause ends that.
	Pause   Action = "pause"
	Unpause Action = "unpause"
	// ConfigGet and ConfigSet read and set Request.Parameters, those of ParameterNames alone, until the next start.
	ConfigGet Action = "config-get"
	ConfigSet Action = "config-set"
	// Look changes nothing of the instance, and answers with its State. With Request.Line 0 the agent first makes a connection to
	// the engine that ends those of everybody who acted before, keeps it, and answers with its number; otherwise it looks over that one.
	Look Action = "look"
)

// Actions lists them all.
func Actions() []Action {
	return []Action{Protect, Demote, Leave, Join, Follow, Promote, Pause, Unpause, ConfigGet, ConfigSet, Look}
}

// Parameter is a setting of the engine. ConfigGet has no value in its request.
type Parameter struct {
	Name  string `json:"name"`
	Value string `json:"value,omitempty"`
}

// Limits of requests and answers.
const (
	// MaxRequestBytes and MaxAnswerBytes bound both as JSON.
	MaxRequestBytes = 64 << 10
	MaxAnswerBytes  = 64 << 10
	// MaxParameters is how many settings a request may have, MaxValue how many bytes each.
	MaxParameters = 32
	MaxValue      = 256
	// MaxPause is the longest pause, in milliseconds.
	MaxPause = 60_000
)

// Request asks for an action.
type Request struct {
	Version int    `json:"version"`
	Action  Action `json:"action"`
	// BootID is the boot of the agent that the manager has in mind; another one refuses, as it does not know what came before. It
	// is that of the last report. ConfigGet, and Look without a Line, go to any boot, with "".
	BootID string `json:"bootID,omitempty"`
	// Epoch is that of the election because of which the manager asks; an agent that knows of a later one, or has tried an action
	// of a later one, refuses: the request was under way for too long. 0 is not of an election.
	Epoch int64 `json:"epoch,omitempty"`
	// Lock is how many times the lock of the shard had changed hands when the manager got it. Once an agent has tried an action
	// of whoever got it later, or meets their connection, it refuses. ConfigGet needs no lock.
	Lock uint64 `json:"lock,omitempty"`
	// Line is Answer.Line of the Look that the request was decided from: it is carried out over that connection to the engine, or
	// refused if the connection is lost, because somebody else has acted or the engine has started anew. 0: over one of its own.
	Line uint64 `json:"line,omitempty"`
	// Master is host:port, for Join and Follow.
	Master string `json:"master,omitempty"`
	// Milliseconds are for Pause: 1 to MaxPause.
	Milliseconds int64 `json:"milliseconds,omitempty"`
	// Parameters are for ConfigGet and ConfigSet.
	Parameters []Parameter `json:"parameters,omitempty"`
}

// Refusal says why an agent did not do something.
type Refusal string

// The refusals.
const (
	// RefusedBoot: the request is for another boot of the agent. RefusedEpoch: it is of an election before the last. RefusedLock:
	// somebody got the lock of the shard later. Nothing was done.
	RefusedBoot  Refusal = "boot"
	RefusedEpoch Refusal = "epoch"
	RefusedLock  Refusal = "lock"
	// RefusedLine: the connection of Request.Line is lost, with what was seen on it. Nothing was done.
	RefusedLine Refusal = "line"
	// RefusedState: the instance is not what the action needs.
	RefusedState Refusal = "state"
	// RefusedEngine: the engine has no such action.
	RefusedEngine Refusal = "engine"
	// Failed: the engine did not answer or answered with an error. Whether it was done is not known: the next report shows.
	Failed Refusal = "failed"
)

// Refusals lists them all.
func Refusals() []Refusal {
	return []Refusal{RefusedBoot, RefusedEpoch, RefusedLock, RefusedLine, RefusedState, RefusedEngine, Failed}
}

// Answer is to a request that was understood (status 200). One that was not gets a status of 400 or more, and a line of text.
type Answer struct {
	Version int `json:"version"`
	// Refused is empty if it was done.
	Refused Refusal `json:"refused,omitempty"`
	Problem string  `json:"problem,omitempty"`
	// Changed: it was not so before. Whether there was a pause, and what a parameter was, is not looked at: Pause, Unpause and
	// ConfigSet have changed something whenever they were done.
	Changed bool `json:"changed,omitempty"`
	// Parameters answer ConfigGet, and ConfigSet with what was read back.
	Parameters []Parameter `json:"parameters,omitempty"`
	// Line and State answer Look.
	Line  uint64 `json:"line,omitempty"`
	State *State `json:"state,omitempty"`
	// Report is of the instance after the action, with a sequence number of its own: it counts like one that was pushed.
	Report Report `json:"report"`
}

// Validate returns the first thing that is wrong.
func (r Request) Validate() error {
	if !slices.Contains(Actions(), r.Action) {
		return fmt.Errorf("action: %.32q is not known", string(r.Action))
	}
	if r.Epoch < 0 {
		return fmt.Errorf("epoch: %d is negative", r.Epoch)
	}
	if err := firstOf(validVersion(r.Version), validAddress("master", r.Master)); err != nil {
		return err
	}
	if anyBoot := r.Action == ConfigGet || r.Action == Look && r.Line == 0; r.BootID != "" || !anyBoot {
		if err := validBoot(r.BootID); err != nil {
			return err
		}
	}
	if follows := r.Action == Join || r.Action == Follow; follows != (r.Master != "") {
		return fmt.Errorf("master: %s and %s need one, and no other action takes one", Join, Follow)
	}
	switch {
	case r.Action != Pause && r.Milliseconds != 0:
		return fmt.Errorf("milliseconds: %s takes none", r.Action)
	case r.Action == Pause && (r.Milliseconds < 1 || r.Milliseconds > MaxPause):
		return fmt.Errorf("milliseconds: %d is not between 1 and %d", r.Milliseconds, MaxPause)
	}
	return r.validParameters()
}

func (r Request) validParameters() error {
	if configures := r.Action == ConfigGet || r.Action == ConfigSet; configures != (len(r.Parameters) > 0) {
		return fmt.Errorf("parameters: %s and %s need some, and no other action takes any", ConfigGet, ConfigSet)
	}
	if len(r.Parameters) > MaxParameters {
		return fmt.Errorf("parameters: there are %d, the limit is %d", len(r.Parameters), MaxParameters)
	}
	seen := map[string]bool{}
	for _, p := range r.Parameters {
		if known, _ := lookUp(p.Name); !known.asked {
			return fmt.Errorf("parameters: %.64q is not one that can be read or set", p.Name)
		}
		if seen[p.Name] {
			return fmt.Errorf("parameters: %s is there twice", p.Name)
		}
		seen[p.Name] = true
		if err := p.validValue(r.Action); err != nil {
			return err
		}
	}
	return nil
}

func (p Parameter) validValue(a Action) error {
	if a == ConfigGet && p.Value != "" {
		return fmt.Errorf("parameters: %s is to be read, and has a value", p.Name)
	}
	if len(p.Value) > MaxValue {
		return fmt.Errorf("parameters: %s has %d bytes, the limit is %d", p.Name, len(p.Value), MaxValue)
	}
	for _, c := range []byte(p.Value) {
		if c < ' ' || c > '~' {
			return fmt.Errorf("parameters: %s contains the byte %#x", p.Name, c)
		}
	}
	return nil
}

// validAddress: host:port, a name of DNS or an IP address without a zone; "" is none.
func validAddress(field, address string) error {
	if address == "" {
		return nil
	}
	if err := validWord(field, address, 262); err != nil {
		return err
	}
	u, err := url.Parse("redis://" + address)
	if err == nil && u.Host == address && u.Hostname() != "" {
		if n, err := strconv.ParseUint(u.Port(), 10, 16); err == nil && n > 0 {
			return nil
		}
	}
	return fmt.Errorf("%s: %q is not host:port", field, address)
}
