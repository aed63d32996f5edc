package fidelity

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/shoal-dev/shoal/simulation/apiserver"
)

const recording = "testdata/apiserver.jsonl"

const (
	seed  = 1
	drawn = 500 // requests, beside the course
)

// TestSimulatedServerAnswersLikeTheRealOne plays the recorded script on the API server in memory.
func TestSimulatedServerAnswersLikeTheRealOne(t *testing.T) {
	text, err := os.ReadFile(recording)
	if err != nil {
		t.Fatal(err)
	}
	script, want, err := Read(text)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Play(t.Context(), newSimulated(t), script)
	if err != nil {
		t.Fatal(err)
	}
	differ, refused, asked, known := 0, 0, requests(script), map[string]int{}
	for n := range script {
		if why := explain(&script[n], &want[n], &got[n]); why != "" {
			known[why]++
		}
		if want[n].Code != 0 {
			refused++
		}
		if d := cmp.Diff(want[n], got[n]); d != "" {
			differ++
			step, _ := json.Marshal(script[n])
			t.Errorf("step %d, %s: the real server (-) and the one in memory (+) differ:\n%s", n+1, step, d)
		}
	}
	t.Logf("%d requests, of which %d refused; %d differ, and as known: %v", asked, refused, differ, known)
	if asked < drawn || refused < asked/10 || refused > asked*9/10 {
		t.Errorf("the recording has %d requests, and %d are refused: it proves little", asked, refused)
	}
}

// TestRecordingIsOfThisScript fails when the script was changed and not recorded anew.
func TestRecordingIsOfThisScript(t *testing.T) {
	text, err := os.ReadFile(recording)
	if err != nil {
		t.Fatal(err)
	}
	script, _, err := Read(text)
	if err != nil {
		t.Fatal(err)
	}
	was, _ := json.Marshal(script)
	is, _ := json.Marshal(Script(seed, drawn))
	if !bytes.Equal(was, is) {
		t.Error("the script is not the one that was recorded: make fidelity RECORD=1")
	}
}

func newSimulated(t *testing.T) Simulated {
	t.Helper()
	rules, err := apiserver.LoadRules(os.DirFS("../../manifests"), namespace)
	if err != nil {
		t.Fatal(err)
	}
	scheme, err := apiserver.Scheme()
	if err != nil {
		t.Fatal(err)
	}
	s, err := apiserver.New(scheme, rules)
	if err != nil {
		t.Fatal(err)
	}
	return Simulated{s}
}
