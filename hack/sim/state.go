package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
)

// ranges are seeds that are done, in order, from the first to the last of each range.
type ranges [][2]int64

// with is the ranges and one seed more.
func (r ranges) with(seed int64) ranges {
	at, _ := slices.BinarySearchFunc(r, seed, func(one [2]int64, seed int64) int { return int(one[0] - seed) })
	r = slices.Insert(r, at, [2]int64{seed, seed})
	for n := max(at-1, 0); n+1 < len(r) && n <= at; {
		if r[n][1]+1 >= r[n+1][0] {
			r[n][1] = max(r[n][1], r[n+1][1])
			r = slices.Delete(r, n+1, n+2)
			continue
		}
		n++
	}
	return r
}

// holds reports whether a seed is done, and the last of its range.
func (r ranges) holds(seed int64) (end int64, done bool) {
	for _, one := range r {
		if one[0] <= seed && seed <= one[1] {
			return one[1], true
		}
	}
	return 0, false
}

// count is how many of so many seeds are done.
func (r ranges) count(first, n int64) int64 {
	sum := int64(0)
	for _, one := range r {
		sum += max(0, min(one[1], first+n-1)-max(one[0], first)+1)
	}
	return sum
}

// readState reads the ranges from a file, a range in a line; none from one that is not there yet.
func readState(file string) (ranges, error) {
	text, err := os.ReadFile(file)
	if file == "" || errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading what is done: %w", err)
	}
	var r ranges
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		var one [2]int64
		if _, err := fmt.Sscanf(lines.Text(), "%d %d", &one[0], &one[1]); err != nil {
			return nil, fmt.Errorf("reading what is done: %s: %q: %w", file, lines.Text(), err)
		}
		r = append(r, one)
	}
	return r, nil
}

// write replaces the file.
func (r ranges) write(file string) error {
	if file == "" {
		return nil
	}
	var text bytes.Buffer
	for _, one := range r {
		fmt.Fprintf(&text, "%d %d\n", one[0], one[1])
	}
	if err := os.WriteFile(file+".new", text.Bytes(), 0o644); err != nil {
		return fmt.Errorf("keeping what is done: %w", err)
	}
	return os.Rename(file+".new", file)
}
