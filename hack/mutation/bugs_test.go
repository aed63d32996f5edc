package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
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
