package answer

import (
	"errors"
	"io"
	"strings"
	"testing"
)

// refusing is a disk that is full when a word comes.
type refusing struct{ word string }

// Write fails for the word.
func (r refusing) Write(text []byte) (int, error) {
	if strings.Contains(string(text), r.word) {
		return 0, errors.New("no space left")
	}
	return len(text), nil
}

// Half a table must not pass for an answer.
func TestPrintTellsThatATableWasNotWritten(t *testing.T) {
	for word, a := range map[string]interface {
		Print(out io.Writer, p Paint, wide bool) error
	}{
		"RULE":         &Explanation{State: Waiting, Rules: []Rule{{}}},
		"NAMES":        &Plan{PerNode: []NodeFill{{Node: "a", After: 1}}},
		"SHARD":        &Plan{Instances: []PlanInstance{{}}},
		"REBUILT ON":   &Loss{Groups: []GroupLoss{{}}},
		"LIMITS FIRST": &Headroom{Groups: []GroupRoom{{}}},
		"MEMORY":       &Fleet{Nodes: []NodeHeat{{}}},
		"CONDITION":    &SetStatus{Conditions: []SetCondition{{}}},
		"RESTARTS":     &SetStatus{Shards: []ShardStatus{{Instances: []InstanceStatus{{}}}}},
		"Not read":     &Fleet{Incomplete: []string{"pods"}},
	} {
		if err := a.Print(refusing{word}, false, true); err == nil {
			t.Errorf("%T: the line with %s was lost without a word", a, word)
		}
		if err := a.Print(refusing{"nothing has this"}, false, true); err != nil {
			t.Errorf("%T: %v", a, err)
		}
	}
}
