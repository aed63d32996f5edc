package agent

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Configuration is what the engine of an instance is to run with. It comes to the agent in a file, from an annotation of its pod, and
// not in a request: so it is there before the engine starts, and while no manager runs.
type Configuration struct {
	// Revision is 16 hexadecimal digits, which follow from the parameters.
	Revision string `json:"revision"`
	// Parameters are sorted by name; each name is there once. What is not named has the engine's default.
	Parameters []Parameter `json:"parameters"`
}

// Limits of a configuration.
const (
	// MaxConfigurationBytes bounds it as JSON.
	MaxConfigurationBytes = 64 << 10
	// MaxConfigurationParameters is how many parameters it may have; MaxValue bounds each value.
	MaxConfigurationParameters = 128
	// maxName bounds the name of a parameter, in bytes.
	maxName = 64
)

// NewConfiguration sorts a copy of the parameters, and computes the revision. Validate says whether it can be one.
func NewConfiguration(parameters []Parameter) Configuration {
	c := Configuration{Parameters: slices.Clone(parameters)}
	if c.Parameters == nil {
		c.Parameters = []Parameter{}
	}
	slices.SortStableFunc(c.Parameters, func(a, b Parameter) int { return cmp.Compare(a.Name, b.Name) })
	c.Revision = revisionOf(c.Parameters)
	return c
}

func revisionOf(parameters []Parameter) string {
	hash := sha256.New()
	for _, p := range parameters {
		fmt.Fprintf(hash, "%d:%s=%d:%s\n", len(p.Name), p.Name, len(p.Value), p.Value) // to a hash, it does not fail
	}
	return hex.EncodeToString(hash.Sum(nil)[:8])
}

// Encode is the configuration as compact JSON, for DecodeConfiguration: the same parameters make the same text.
func (c Configuration) Encode() string {
	text, _ := json.Marshal(c) // of words: it does not fail
	return string(text)
}

// DecodeConfiguration reads a configuration and validates it, as strictly as DecodeReport.
func DecodeConfiguration(from io.Reader) (Configuration, error) {
	var c Configuration
	if err := decode(from, MaxConfigurationBytes, &c); err != nil {
		return Configuration{}, fmt.Errorf("reading a configuration: %w", err)
	}
	if err := c.Validate(); err != nil {
		return Configuration{}, fmt.Errorf("reading a configuration: %w", err)
	}
	return c, nil
}

// Validate returns the first thing that is wrong with the form. A name that no class has is in order here: whoever applies the
// configuration, or takes it from a person, refuses it by its name.
func (c Configuration) Validate() error {
	if len(c.Parameters) > MaxConfigurationParameters {
		return fmt.Errorf("parameters: there are %d, the limit is %d", len(c.Parameters), MaxConfigurationParameters)
	}
	before := ""
	for _, p := range c.Parameters {
		if p.Name == "" || len(p.Name) > maxName || strings.Trim(p.Name, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return fmt.Errorf("parameters: %.64q is no name: want lower case letters, digits, - and _", p.Name)
		}
		if p.Name <= before {
			return fmt.Errorf("parameters: %s is there twice, or not in order", p.Name)
		}
		before = p.Name
		if err := p.validValue(ConfigSet); err != nil {
			return err
		}
	}
	if want := revisionOf(c.Parameters); c.Revision != want {
		return fmt.Errorf("revision: %.32q, and these parameters have %s", c.Revision, want)
	}
	if n := len(c.Encode()); n > MaxConfigurationBytes {
		return fmt.Errorf("it has %d bytes, the limit is %d", n, MaxConfigurationBytes)
	}
	return nil
}

// Value is that of a parameter; false: it is not named.
func (c Configuration) Value(name string) (string, bool) {
	at, found := slices.BinarySearchFunc(c.Parameters, name, func(p Parameter, name string) int { return strings.Compare(p.Name, name) })
	if !found {
		return "", false
	}
	return c.Parameters[at].Value, true
}

// The words of ConfigurationState.State.
const (
	// StateApplying: it is not applied yet, and nothing is wrong with it; Problem says what it waits for.
	StateApplying = "applying"
	// StateMaster: it takes a restart of an engine that is a master, which nobody has allowed for this revision.
	StateMaster = "master"
	// StateRefused: it cannot be applied, Problem says why, and what ran before runs again, or will with the next start. It is not
	// tried again.
	StateRefused = "refused"
)

// ConfigurationState is how far an agent is with a configuration that the engine does not run with yet.
type ConfigurationState struct {
	// Wanted is its revision; "" if the file was not understood.
	Wanted string `json:"wanted,omitempty"`
	// State is StateApplying, StateMaster or StateRefused.
	State string `json:"state"`
	// Problem is like Report.Problem.
	Problem string `json:"problem,omitempty"`
}

func (s *ConfigurationState) validate() error {
	if s == nil {
		return nil
	}
	if !slices.Contains([]string{StateApplying, StateMaster, StateRefused}, s.State) {
		return fmt.Errorf("configuration: state: %.32q is none of %s, %s, %s", s.State, StateApplying, StateMaster, StateRefused)
	}
	if s.Wanted != "" && (len(s.Wanted) != 16 || strings.Trim(s.Wanted, "0123456789abcdef") != "") {
		return fmt.Errorf("configuration: wanted: %.32q is not 16 hexadecimal digits", s.Wanted)
	}
	if err := validProblem(s.Problem); err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	return nil
}
