package fidelity

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
)

// recorded is one line of a recording.
type recorded struct {
	Step   Step            `json:"step"`
	Answer Answer          `json:"answer"`
	Patch  json.RawMessage `json:"patch,omitempty"` // what the step changed of what a read shows; null for an object that is gone
}

// Write makes a recording: a line for each step.
func Write(script []Step, answers []Answer) ([]byte, error) {
	var out bytes.Buffer
	last := map[string][]byte{}
	for n, s := range script {
		r := recorded{Step: s, Answer: answers[n]}
		r.Answer.Object = nil
		now, err := json.Marshal(answers[n].Object)
		if err != nil {
			return nil, err
		}
		key := s.Kind + "/" + s.Name
		switch before := last[key]; {
		case bytes.Equal(before, now):
		case before == nil || bytes.Equal(before, null) || bytes.Equal(now, null):
			r.Patch = now
		default:
			if r.Patch, err = jsonpatch.CreateMergePatch(before, now); err != nil {
				return nil, fmt.Errorf("comparing %s before and after step %d: %w", key, n+1, err)
			}
		}
		last[key] = now
		line, err := json.Marshal(r)
		if err != nil {
			return nil, err
		}
		out.Write(line)
		out.WriteByte('\n')
	}
	return out.Bytes(), nil
}

var null = []byte("null")

// Read reads a recording.
func Read(text []byte) ([]Step, []Answer, error) {
	var script []Step
	var answers []Answer
	last := map[string][]byte{}
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r recorded
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return nil, nil, fmt.Errorf("reading line %d of the recording: %w", len(script)+1, err)
		}
		key := r.Step.Kind + "/" + r.Step.Name
		switch before := last[key]; {
		case r.Patch == nil:
		case before == nil || bytes.Equal(before, null) || bytes.Equal(r.Patch, null):
			last[key] = r.Patch
		default:
			after, err := jsonpatch.MergePatch(before, r.Patch)
			if err != nil {
				return nil, nil, fmt.Errorf("reading line %d of the recording: %w", len(script)+1, err)
			}
			last[key] = after
		}
		if last[key] != nil {
			if err := json.Unmarshal(last[key], &r.Answer.Object); err != nil {
				return nil, nil, fmt.Errorf("reading line %d of the recording: %w", len(script)+1, err)
			}
		}
		script, answers = append(script, r.Step), append(answers, r.Answer)
	}
	return script, answers, lines.Err()
}
