package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/shoal-dev/shoal/simulation/farm"
)

// A bug whose place has changed is planted no more: whoever changes the place takes the bug along.
func TestEveryBugHasItsPlace(t *testing.T) {
	for _, b := range bugs {
		text, err := os.ReadFile(filepath.Join("..", "..", b.file))
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(text), b.is); n != 1 {
			t.Errorf("%s: %s has the place %d times: %s", b.name, b.file, n, b.is)
		}
		if n := strings.Count(string(text), b.too[0]); b.too[0] != "" && n != 1 {
			t.Errorf("%s: %s has the other place %d times: %s", b.name, b.file, n, b.too[0])
		}
	}
}

// Every bug has its turn.
func TestAFewAtEachTurn(t *testing.T) {
	seen := map[string]bool{}
	for turn := range len(bugs) {
		list, err := chosen(options{few: 3, turn: turn})
		if err != nil || len(list) < 3 || len(list) > 5 {
			t.Errorf("turn %d: %d bugs, %v", turn, len(list), err)
		}
		for _, b := range list {
			seen[b.name] = true
		}
	}
	if len(seen) != len(bugs) {
		t.Errorf("%d of %d bugs have a turn", len(seen), len(bugs))
	}
}

// Where nobody has a role, or changes a template, no seed meets a bug about that.
func TestSeedsThatMeetABug(t *testing.T) {
	for name, want := range map[string]int64{
		"no-guard": 0, "silent-is-dead": 0, "label-before-strip": farm.FirstWithRoles, "old-sequence-believed": farm.FirstWithRoles,
		"update-masters-first": farm.FirstWithUpdates, "history-of-pods-pruned": farm.FirstWithUpdates, "two-switchovers-at-once": farm.FirstWithUpdates,
		"promote-first": farm.FirstWithUpdates,
	} {
		i := slices.IndexFunc(bugs, func(b bug) bool { return b.name == name })
		if i < 0 || bugs[i].first() != want {
			t.Errorf("%s: from %d on, want %d", name, bugs[max(i, 0)].first(), want)
		}
	}
}
