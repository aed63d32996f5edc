package farm

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// world is a seed that breaks when three of the things that happen come together.
func world(runs *int) func(Job) (Result, error) {
	return func(j Job) (Result, error) {
		*runs++
		r := Result{Job: j, Happened: j.Only}
		if slices.Contains(j.Only, "b") && slices.Contains(j.Only, "f") && slices.Contains(j.Only, "g") {
			r.Invariant = "limits"
		} else if len(j.Only) < 3 {
			r.Invariant = "another"
		}
		return r, nil
	}
}

func TestShrinkFindsWhatIsEnough(t *testing.T) {
	runs := 0
	all := strings.Split("abcdefghijklmnop", "")
	r, err := Shrink(Result{Invariant: "limits", Happened: all}, 200, world(&runs))
	if err != nil || strings.Join(r.Only, "") != "bfg" {
		t.Errorf("%v, %v after %d runs", r.Only, err, runs)
	}
}

func TestShrinkEnds(t *testing.T) {
	for most := range 30 {
		runs := 0
		all := strings.Split("abcdefghijklmnop", "")
		r, err := Shrink(Result{Invariant: "limits", Happened: all}, most, world(&runs))
		if err != nil || runs > max(most, 1) || r.Invariant != "limits" {
			t.Errorf("at most %d: %d runs, %+v, %v", most, runs, r, err)
		}
	}
}

func TestShrinkLeavesWhatItCannotRepeat(t *testing.T) {
	failed := Result{Invariant: "limits", Happened: []string{"a"}}
	if r, err := Shrink(failed, 10, func(j Job) (Result, error) { return Result{Job: j}, nil }); err != nil || r.Only != nil || r.Invariant != "limits" {
		t.Errorf("%+v, %v", r, err)
	}
	broken := errors.New("no process")
	if _, err := Shrink(failed, 10, func(Job) (Result, error) { return Result{}, broken }); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
}
