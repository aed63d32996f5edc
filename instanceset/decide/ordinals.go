package decide

import (
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
func FormatOrdinals(ordinals []int32) string {
	var b strings.Builder
	for i := 0; i < len(ordinals); {
		j := i
		for j+1 < len(ordinals) && ordinals[j+1] == ordinals[j]+1 {
			j++
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Itoa(int(ordinals[i])))
		if j > i {
			b.WriteByte('-')
			b.WriteString(strconv.Itoa(int(ordinals[j])))
		}
		i = j + 1
	}
	return b.String()
}

// ParseOrdinals reads what FormatOrdinals wrote, into ascending ordinals. Parts that it cannot read are left out: only
// the controller writes them.
func ParseOrdinals(text string) []int32 {
	var ordinals []int32
	for part := range strings.SplitSeq(text, ",") {
		first, last, isRange := strings.Cut(part, "-")
		start, err := strconv.ParseInt(first, 10, 32)
		if err != nil {
			continue
		}
		end := start
		if isRange {
			if end, err = strconv.ParseInt(last, 10, 32); err != nil {
				continue
			}
		}
		for o := start; o <= end && o <= maxOrdinal; o++ {
			ordinals = append(ordinals, int32(o))
		}
	}
	slices.Sort(ordinals)
	return slices.Compact(ordinals)
}

// maxOrdinal is the greatest ordinal that the schema allows. A record that was tampered with cannot fill the memory.
const maxOrdinal = 999_999
