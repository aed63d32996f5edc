package main

import (
	"math/rand"
	"path/filepath"
	"reflect"
	"testing"
	"time"
)

func TestRangesGrowTogether(t *testing.T) {
	var r ranges
	for _, seed := range rand.New(rand.NewSource(1)).Perm(1000) {
		r = r.with(int64(seed))
	}
	if !reflect.DeepEqual(r, ranges{{0, 999}}) {
		t.Errorf("%v", r)
	}
	if r = r.with(1001).with(500); !reflect.DeepEqual(r, ranges{{0, 999}, {1001, 1001}}) {
		t.Errorf("%v", r)
	}
	if n := r.count(990, 20); n != 11 {
		t.Errorf("%d of 20 are done, want 11", n)
	}
	if end, done := r.holds(7); !done || end != 999 {
		t.Errorf("7 is done: %v, to %d", done, end)
	}
	if _, done := r.holds(1000); done {
		t.Error("1000 is not done")
	}
}

func TestARunGoesOnWhereItEnded(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state")
	if r, err := readState(file); err != nil || r != nil {
		t.Errorf("before the first run: %v, %v", r, err)
	}
	if err := (ranges{{3, 5}, {9, 9}}).write(file); err != nil {
		t.Fatal(err)
	}
	r, err := readState(file)
	if err != nil || !reflect.DeepEqual(r, ranges{{3, 5}, {9, 9}}) {
		t.Errorf("%v, %v", r, err)
	}
}

func TestRemaining(t *testing.T) {
	for _, c := range []struct {
		left   int64
		played int
		since  time.Duration
		want   string
	}{
		{left: 100, played: 50, since: 10 * time.Second, want: "20s"},
		{left: 196_000, played: 40, since: 10 * time.Second, want: "13h37m0s"},
		{left: 10, want: "0s"},
		{left: 0, played: 40, since: time.Minute, want: "0s"},
	} {
		if got := remaining(c.left, c.played, c.since).String(); got != c.want {
			t.Errorf("%d left after %d in %s: %s, want %s", c.left, c.played, c.since, got, c.want)
		}
	}
}
