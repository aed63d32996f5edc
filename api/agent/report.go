package agent

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Role is what an engine says that it is.
type Role string

// The roles of a report.
const (
	// RoleMaster takes writes.
	RoleMaster Role = "master"
	// RoleReplica follows a master, or nobody while it is protected.
	RoleReplica Role = "replica"
	// RoleNone: the engine answers and has no role, as a proxy or a Sentinel.
	RoleNone Role = "none"
	// RoleUnknown: the engine did not answer, or not so that it was understood; Report.Problem says why. It is no proof that
	// the instance is not a master.
	RoleUnknown Role = "unknown"
)

// Holding is what is in the data set of an engine.
type Holding string

// The holdings of a report; "" is that it is not known.
const (
	HoldsNothing Holding = "nothing"
	HoldsData    Holding = "data"
)

// MaxReportBytes bounds a report as JSON. Every report that is valid is shorter.
const MaxReportBytes = 4 << 10

// Report is what an agent knows of its instance. Only Version, Role, BootID and Sequence are always there.
type Report struct {
	Version int  `json:"version"`
	Role    Role `json:"role"`
	// Engine is the engine and its version, "redis/8.0.2"; at most 64 bytes.
	Engine string `json:"engine,omitempty"`
	// ReplicationID names the history of the data: master_replid of Redis.
	ReplicationID string `json:"replicationID,omitempty"`
	// Offset in bytes: of a master, what it has produced; of a replica, what it has carried out. 0 if that is not known.
	Offset int64 `json:"offset,omitempty"`
	// MasterAddr is host:port of the master that a replica was told to follow, whether it reaches it or not.
	MasterAddr string `json:"masterAddr,omitempty"`
	// LinkUp: the replica is connected to its master and in sync.
	LinkUp bool `json:"linkUp,omitempty"`
	// Loading: the data is being read from the disk.
	Loading bool `json:"loading,omitempty"`
	// Holds says whether it has any data. A change of it alone is no reason to report.
	Holds Holding `json:"holds,omitempty"`
	// Protected: it follows nobody on purpose: it takes no writes, keeps its data, and waits for an order.
	Protected bool `json:"protected,omitempty"`
	// Epoch is that of the election by which the instance has its role, or its master has his; 0 if that is not known.
	Epoch int64 `json:"epoch,omitempty"`
	// BootID is chosen at random when the agent's process starts: 32 hexadecimal digits.
	BootID string `json:"bootID"`
	// Start orders the boots of a pod; the zero value where it is not known.
	Start Start `json:"start,omitzero"`
	// Sequence is 1 for the first report of a boot, and grows with each.
	Sequence uint64 `json:"sequence"`
	// Revision is that of the configuration that the engine runs with, and that was read back from it, or what was given to the
	// agent as such; at most 64 bytes. "" if that is not known.
	Revision string `json:"revision,omitempty"`
	// Configuration is nil when the engine runs with the configuration that is wanted, or none is.
	Configuration *ConfigurationState `json:"configuration,omitempty"`
	// MaxMemory is maxmemory of Redis, in bytes; 0: there is no limit, or it is not known.
	MaxMemory int64 `json:"maxMemory,omitempty"`
	// Problem says what is wrong, in a line without secrets of at most MaxProblem bytes (Clip makes one).
	Problem string `json:"problem,omitempty"`
}

// MaxProblem bounds Report.Problem and Answer.Problem, in bytes.
const MaxProblem = 256

// What Problem begins with, before a colon and a blank, where engine and agent do not trust each other.
const (
	// ProblemRefused: the engine wants another password or more rights, or none at all where the agent was given one.
	ProblemRefused = "refused"
	// ProblemTLS: one of both speaks TLS and the other does not, or a certificate is not trusted.
	ProblemTLS = "tls"
)

// Distrust is ProblemRefused or ProblemTLS, "" if the report is about neither.
func (r Report) Distrust() string {
	if cause, _, _ := strings.Cut(r.Problem, ": "); r.Role == RoleUnknown && (cause == ProblemRefused || cause == ProblemTLS) {
		return cause
	}
	return ""
}

// Validate returns the first thing that is wrong.
func (r Report) Validate() error {
	switch r.Role {
	case RoleMaster, RoleReplica, RoleNone, RoleUnknown:
	default:
		return fmt.Errorf("role: %.32q is none of %s, %s, %s, %s", string(r.Role), RoleMaster, RoleReplica, RoleNone, RoleUnknown)
	}
	switch {
	case r.Holds != "" && r.Holds != HoldsNothing && r.Holds != HoldsData:
		return fmt.Errorf("holds: %.32q is neither %s nor %s", string(r.Holds), HoldsNothing, HoldsData)
	case r.Offset < 0:
		return fmt.Errorf("offset: %d is negative", r.Offset)
	case r.Epoch < 0:
		return fmt.Errorf("epoch: %d is negative", r.Epoch)
	case r.MaxMemory < 0:
		return fmt.Errorf("maxMemory: %d is negative", r.MaxMemory)
	case r.Sequence == 0:
		return fmt.Errorf("sequence: it begins with 1")
	case r.LinkUp && r.Role != RoleReplica:
		return fmt.Errorf("linkUp: a %s has no link", r.Role)
	}
	return firstOf(
		validVersion(r.Version), validBoot(r.BootID), r.Start.Validate(), validProblem(r.Problem), validAddress("masterAddr", r.MasterAddr),
		validWord("engine", r.Engine, 64), validWord("replicationID", r.ReplicationID, 64), validWord("revision", r.Revision, 64),
		r.Configuration.validate(),
	)
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func validVersion(v int) error {
	if v < 1 || v > Version {
		return fmt.Errorf("version: %d is not known: this is version %d", v, Version)
	}
	return nil
}

func validBoot(id string) error { return validHex("bootID", id) }

func validHex(field, id string) error {
	if len(id) != 32 || strings.Trim(id, "0123456789abcdef") != "" {
		return fmt.Errorf("%s: %.40q is not 32 hexadecimal digits", field, id)
	}
	return nil
}

func validProblem(text string) error {
	if len(text) > MaxProblem {
		return fmt.Errorf("problem: it has %d bytes, the limit is %d", len(text), MaxProblem)
	}
	if text != Clip(text) {
		return fmt.Errorf("problem: it is not one line of text")
	}
	return nil
}

// validWord: printable ASCII without blanks, and without what JSON or a log would have to quote.
func validWord(field, word string, most int) error {
	if len(word) > most {
		return fmt.Errorf("%s: it has %d bytes, the limit is %d", field, len(word), most)
	}
	for _, c := range []byte(word) {
		if c <= ' ' || c > '~' || strings.IndexByte(`"\<>&`, c) >= 0 {
			return fmt.Errorf("%s: it contains the byte %#x", field, c)
		}
	}
	return nil
}

// Clip makes a problem of any text: one line, at most MaxProblem bytes, without control characters.
func Clip(text string) string {
	text = strings.Join(strings.Fields(strings.Map(func(c rune) rune {
		if c == utf8.RuneError || !unicode.IsPrint(c) {
			return ' '
		}
		return c
	}, text)), " ")
	if len(text) <= MaxProblem {
		return text
	}
	const dots = "..."
	end := MaxProblem - len(dots)
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return strings.TrimRight(text[:end], " ") + dots
}
