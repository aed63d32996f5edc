package answer

import (
	"testing"

	"github.com/shoal-dev/shoal/instanceset/decide"
	"github.com/shoal-dev/shoal/podspec"
	"github.com/shoal-dev/shoal/reason"
)

// TestInstancesStandTogetherThatTakeTheSame: of the same revision, those that an update has reached in part take less, and those that
// wait for something are not told to follow.
func TestInstancesStandTogetherThatTakeTheSame(t *testing.T) {
	image := podspec.Difference{Path: "spec.containers[redis].image", Class: podspec.InPlaceImage}
	memory := podspec.Difference{Path: "spec.containers[redis].resources.limits[memory]", Class: podspec.InPlaceResize}
	one := func(ordinal int32, code reason.Code, differences ...podspec.Difference) decide.Foreseen {
		return decide.Foreseen{Ordinal: ordinal, Revision: "a", Wanted: "b", Code: code, Differences: differences}
	}
	var s SetChange
	s.group([]decide.Foreseen{
		one(0, 0, image), one(1, 0, image), one(2, 0, image, memory), one(3, reason.MemoryWaits, image, memory),
	}, nil, nil)
	var got []string
	for _, u := range s.Updates {
		got = append(got, u.Ordinals)
	}
	if len(got) != 3 || got[0] != "0-1" || got[1] != "2" || got[2] != "3" {
		t.Errorf("groups %q", got)
	}
}
