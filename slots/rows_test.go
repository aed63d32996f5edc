package slots

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/shoal-dev/shoal/placement"
)

func TestRows(t *testing.T) {
	node := func(name string) int { return int(name[0] - 'a') }
	placed := map[string]map[string]int{"s-2": {"c": 1}, "s-0": {"a": 1, "b": 1}, "s-1": {"b": 1}}
	for name, c := range map[string]struct {
		shards, remaining int
		placed            map[string]map[string]int
		waiting           []string
		names, full       []string
		rows              []placement.Row
	}{
		"a full one, two begun, one that nobody knows": {
			4, 4, placed, nil, []string{"s-1", "s-2"}, []string{"s-0"},
			[]placement.Row{{Remaining: 1, Held: []int{1}}, {Remaining: 1, Held: []int{2}}, {Remaining: 2}},
		},
		"the other one waits, and so do two of those": {
			4, 4, placed, []string{"s-3", "s-1", "s-0", "s-3"}, []string{"s-1", "s-2", "s-3"}, []string{"s-0"},
			[]placement.Row{{Remaining: 1, Held: []int{1}}, {Remaining: 1, Held: []int{2}}, {Remaining: 2}},
		},
		"more shards than there are to be":           {3, 2, placed, []string{"s-3"}, nil, nil, nil},
		"more to come than the shards can have":      {4, 5, placed, nil, nil, nil, nil},
		"all are full":                               {1, 0, map[string]map[string]int{"s-0": {"a": 1, "b": 1}}, nil, nil, []string{"s-0"}, []placement.Row{}},
		"one holds more than it should, none is due": {1, 0, map[string]map[string]int{"s-0": {"a": 2, "b": 1}}, nil, nil, []string{"s-0"}, []placement.Row{}},
	} {
		names, rows, full := Rows(c.shards, 2*c.shards, c.remaining, c.placed, c.waiting, node)
		if !reflect.DeepEqual(names, c.names) || !reflect.DeepEqual(rows, c.rows) || !reflect.DeepEqual(full, c.full) {
			t.Errorf("%s: %v %v, full %v", name, names, rows, full)
		}
	}
	if _, rows, _ := Rows(2, 5, 5, nil, nil, node); rows != nil {
		t.Errorf("shards of unequal size have rows: %v", rows)
	}
}

// BenchmarkRows is what it costs to plan for the last instance of a group of 9,999: most of it must not depend on the others.
func BenchmarkRows(b *testing.B) {
	const shards, size = 3333, 3
	perShard, waiting := map[string]map[string]int{}, make([]string, 0, shards)
	for i := range shards {
		name, on := fmt.Sprintf("s-%d", i), map[string]int{}
		for j := range size {
			if i > 0 || j > 0 {
				on[fmt.Sprintf("node-%d", (size*i+j)%500)] = 1
			}
		}
		perShard[name] = on
		waiting = append(waiting, name)
	}
	b.ReportAllocs()
	for b.Loop() {
		Rows(shards, shards*size, 1, perShard, waiting, func(string) int { return 0 })
	}
}
