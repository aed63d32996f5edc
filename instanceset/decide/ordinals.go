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
	n := 1
	if spec.Replicas != nil {
		n = int(*spec.Replicas)
	}
	ranges := []v1alpha1.OrdinalRange{{Start: 0, End: int32(n) - 1}}
	if spec.Ordinals != nil {
		ranges = slices.Clone(spec.Ordinals.Ranges)
		for _, d := range spec.Ordinals.Discrete {
			ranges = append(ranges, v1alpha1.OrdinalRange{Start: d, End: d})
		}
		slices.SortFunc(ranges, func(a, b v1alpha1.OrdinalRange) int { return int(a.Start - b.Start) })
	}
	wanted := make([]int32, 0, n)
	for _, r := range ranges {
		for o := r.Start; o <= r.End && len(wanted) < n; o++ {
			wanted = append(wanted, o)
		}
	}
	return wanted
}

// FormatOrdinals writes ascending ordinals as ranges: "0-118,120".
func FormatOrdinals(ordinals []int32) string { return formatRanges(slices.Values(ordinals)) }

// format is FormatOrdinals of the set.
func (s ordinalSet) format() string { return formatRanges(s.all()) }

func formatRanges(ascending iter.Seq[int32]) string {
	var text []byte
	first, last := int32(-1), int32(-1)
	end := func() {
		switch {
		case last < 0:
			return
		case len(text) > 0:
			text = append(text, ',')
		}
		if text = strconv.AppendInt(text, int64(first), 10); last > first {
			text = strconv.AppendInt(append(text, '-'), int64(last), 10)
		}
	}
	for o := range ascending {
		if last < 0 || o != last+1 {
			end()
			first = o
		}
		last = o
	}
	end()
	return string(text)
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
		for o := start; o <= end && o <= maxOrdinal; o++ {
			set.add(int32(o))
		}
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
