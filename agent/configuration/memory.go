package configuration

import (
	"encoding/json"
	"fmt"

	"github.com/shoal-dev/shoal/api/agent"
)

// memory is what an agent must know when it starts anew. It is written before anything is done that rests on it.
type memory struct {
	// Good is the configuration that the engine has run with last, as it was read back.
	Good *agent.Configuration `json:"good,omitempty"`
	// Trial is one that the engine may run with, in parts or as a whole, and that was not read back yet.
	Trial *trial `json:"trial,omitempty"`
	// Refused is the last one that could not be applied.
	Refused *refusal `json:"refused,omitempty"`
	// Back: the engine may run with values of Refused, and the file is that of Good.
	Back *back `json:"back,omitempty"`
	// Settling: the engine has started with Good, and nobody has heard of that yet.
	Settling *settling `json:"settling,omitempty"`
}

type trial struct {
	agent.Configuration
	// Run is the RunID of the engine that ran when it was begun; "" if none did.
	Run string `json:"run,omitempty"`
	// Old are the values that were changed while it ran.
	Old map[string]string `json:"old,omitempty"`
	// Restart: the file is that of the trial, and the next start of the engine reads it.
	Restart bool `json:"restart,omitempty"`
	// Replaced is the configuration whose file was replaced while no engine was heard: it may have read that.
	Replaced *agent.Configuration `json:"replaced,omitempty"`
}

type refusal struct {
	agent.Configuration
	Problem string `json:"problem"`
}

// inSync: a run before, which was told to end, was in sync with its master, or a master.
func (t *trial) inSync() bool { return t.Run != "" && t.Restart }

// back: Run was told to end; "" if it is not known yet whether it has to. InSync: it or a run before was told, and was in sync, or a master.
type back struct {
	Run    string `json:"run,omitempty"`
	InSync bool   `json:"inSync,omitempty"`
}

// settling: InSync as of back.
type settling struct {
	InSync bool `json:"inSync,omitempty"`
}

// file is what the engine reads at its next start, nil if nothing was rendered yet.
func (m memory) file() *agent.Configuration {
	if m.Trial != nil && m.Trial.Restart {
		return &m.Trial.Configuration
	}
	return m.Good
}

// runs is the revision that the engine is known to run with, and that others may hear of.
func (m memory) runs() string {
	if !m.proven() || m.Settling != nil {
		return ""
	}
	return m.Good.Revision
}

// proven: the engine has run with Good, as was read back, and with nothing else since.
func (m memory) proven() bool {
	return m.Good != nil && m.Trial == nil && m.Back == nil && (m.Refused == nil || m.Refused.Revision != m.Good.Revision)
}

func recalled(text []byte) (m memory, err error) {
	if len(text) == 0 {
		return memory{}, nil
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return memory{}, fmt.Errorf("understanding what the agent remembers: %w", err)
	}
	return m, nil
}

func (m memory) text() []byte {
	text, _ := json.Marshal(m) // of words: it does not fail
	return text
}
