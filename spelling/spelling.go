// Package spelling guesses which known word somebody meant. It decides from the words alone, and never reads or writes
// anything.
package spelling

import "strings"

// Distance is how many letters have to be inserted, removed or exchanged to make one word the other (Levenshtein 1966).
func Distance(a, b string) int {
	before := make([]int, len(b)+1)
	for j := range before {
		before[j] = j
	}
	for i := range len(a) {
		row := append(make([]int, 0, len(b)+1), i+1)
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row = append(row, min(before[j]+cost, before[j+1]+1, row[j]+1))
		}
		before = row
	}
	return before[len(b)]
}

// Nearest is the known word that is like the given one, and "" if none is: a third of its letters may differ, whatever their
// case. Of equals, the first is taken.
func Nearest(word string, known []string) string {
	best, found := len(word)/3+1, ""
	for _, k := range known {
		if d := Distance(strings.ToLower(word), strings.ToLower(k)); d < best {
			best, found = d, k
		}
	}
	return found
}

// Guess is ", did you mean X?" for the nearest known word, and nothing if none is like it.
func Guess(word string, known []string) string {
	if near := Nearest(word, known); near != "" {
		return ", did you mean " + near + "?"
	}
	return ""
}
