package decide

import (
	"iter"
	"math/bits"
	"slices"
	"strconv"
	"strings"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// WantedOrdinals are the ordinals that the set should have, ascending: the lowest ones of spec.ordinals, or 0 and up.
// When spec.ordinals has too few (the schema refuses that), there are fewer.
func WantedOrdinals(spec *v1alpha1.InstanceSetSpec) []int32 {
	return slices.AppendSeq(make([]int32, 0, wantedNumber(spec)), wantedSet(spec).all())
}

func wantedNumber(spec *v1alpha1.InstanceSetSpec) int {
	if spec.Replicas == nil {
		return 1
	}
	return int(*spec.Replicas)
}

// wantedSet is WantedOrdinals as a set.
func wantedSet(spec *v1alpha1.InstanceSetSpec) ordinalSet {
	n := wantedNumber(spec)
	ranges := []v1alpha1.OrdinalRange{{Start: 0, End: int32(n) - 1}}
	if spec.Ordinals != nil {
		ranges = slices.Clone(spec.Ordinals.Ranges)
		for _, d := range spec.Ordinals.Discrete {
			ranges = append(ranges, v1alpha1.OrdinalRange{Start: d, End: d})
		}
		slices.SortFunc(ranges, func(a, b v1alpha1.OrdinalRange) int { return int(a.Start - b.Start) })
	}
	var wanted ordinalSet
	for _, r := range ranges {
		last := min(r.End, r.Start+int32(n)-1)
		if wanted.addRange(r.Start, last); last >= r.Start {
			n -= int(last - r.Start + 1)
		}
	}
	return wanted
}

// FormatOrdinals writes ascending ordinals as ranges: "0-118,120".
func FormatOrdinals(ordinals []int32) string {
	var text []byte
	for i := 0; i < len(ordinals); {
		j := i
		for j+1 < len(ordinals) && ordinals[j+1] == ordinals[j]+1 {
			j++
		}
		text = appendRange(text, ordinals[i], ordinals[j])
		i = j + 1
	}
	return string(text)
}

// format is FormatOrdinals of the set. It takes as long as there are ranges, and not instances.
func (s ordinalSet) format() string {
	var text []byte
	for first, last := range s.ranges() {
		text = appendRange(text, first, last)
	}
	return string(text)
}

func appendRange(text []byte, first, last int32) []byte {
	if len(text) > 0 {
		text = append(text, ',')
	}
	if text = strconv.AppendInt(text, int64(first), 10); last > first {
		text = strconv.AppendInt(append(text, '-'), int64(last), 10)
	}
	return text
}

// ParseOrdinals reads what FormatOrdinals wrote, into ascending ordinals. Parts that it cannot read are left out: only
// the controller writes them.
func ParseOrdinals(text string) []int32 {
	return slices.Collect(parseSet(text).all())
}

func parseSet(text string) ordinalSet {
	var set ordinalSet
	for part := range strings.SplitSeq(text, ",") {
		first, last, isRange := strings.Cut(part, "-")
		start, err := strconv.ParseInt(first, 10, 32)
		if err != nil || start < 0 {
			continue
		}
		end := start
		if isRange {
			if end, err = strconv.ParseInt(last, 10, 32); err != nil {
				continue
			}
		}
		set.addRange(int32(start), int32(min(end, maxOrdinal)))
	}
	return set
}

// ordinalSet is a set of ordinals, a bit for each: of 10,000 it is 1.3 KB, where a map takes a hundred times that. There are none below 0.
type ordinalSet []uint64

func (s ordinalSet) has(o int32) bool {
	return o >= 0 && int(o/64) < len(s) && s[o/64]&(1<<(o%64)) != 0
}

func (s *ordinalSet) add(o int32) {
	if more := int(o/64) + 1 - len(*s); more > 0 {
		*s = append(*s, make([]uint64, more)...)
	}
	(*s)[o/64] |= 1 << (o % 64)
}

// addRange adds the ordinals of a range, both ends of which belong to it.
func (s *ordinalSet) addRange(first, last int32) {
	if first < 0 || last < first {
		return
	}
	s.add(last)
	from, to := first/64, last/64
	low, high := ^uint64(0)<<(first%64), ^uint64(0)>>(63-last%64)
	if from == to {
		(*s)[from] |= low & high
		return
	}
	(*s)[from] |= low
	for n := from + 1; n < to; n++ {
		(*s)[n] = ^uint64(0)
	}
	(*s)[to] |= high
}

// ranges are the first and the last ordinal of each range, ascending.
func (s ordinalSet) ranges() iter.Seq2[int32, int32] {
	return func(yield func(int32, int32) bool) {
		for first := s.next(0, false); first >= 0; {
			end := s.next(first, true) // there is one: after the last word nothing is in the set
			if !yield(first, end-1) {
				return
			}
			first = s.next(end, false)
		}
	}
}

// next is the first ordinal from one on that is in the set or, with out, that is not; -1 for none.
func (s ordinalSet) next(from int32, out bool) int32 {
	for n := int(from / 64); n < len(s); n++ {
		word := s[n]
		if out {
			word = ^word
		}
		if n == int(from/64) {
			word &= ^uint64(0) << (from % 64)
		}
		if word != 0 {
			return int32(64*n + bits.TrailingZeros64(word))
		}
	}
	if out {
		return max(from, int32(64*len(s)))
	}
	return -1
}

func (s ordinalSet) remove(o int32) {
	if s.has(o) {
		s[o/64] &^= 1 << (o % 64)
	}
}

func (s ordinalSet) empty() bool {
	return !slices.ContainsFunc(s, func(word uint64) bool { return word != 0 })
}

func (s ordinalSet) clone() ordinalSet { return slices.Clone(s) }

// all are the ordinals of the set, ascending. The one that is visited may be removed.
func (s ordinalSet) all() iter.Seq[int32] {
	return func(yield func(int32) bool) {
		for n, word := range s {
			for ; word != 0; word &= word - 1 {
				if !yield(int32(64*n + bits.TrailingZeros64(word))) {
					return
				}
			}
		}
	}
}

// maxOrdinal is the greatest ordinal that the schema allows. A record that was tampered with cannot fill the memory.
const maxOrdinal = 999_999

// without are those that others are not.
func (s ordinalSet) without(others ordinalSet) ordinalSet {
	left := s.clone()
	for n := range min(len(left), len(others)) {
		left[n] &^= others[n]
	}
	return left
}

// join adds others.
func (s *ordinalSet) join(others ordinalSet) {
	if more := len(others) - len(*s); more > 0 {
		*s = append(*s, make([]uint64, more)...)
	}
	for n := range others {
		(*s)[n] |= others[n]
	}
}

func (s ordinalSet) size() int32 {
	n := 0
	for _, word := range s {
		n += bits.OnesCount64(word)
	}
	return int32(n)
}
