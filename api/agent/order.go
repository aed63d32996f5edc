package agent

import (
	"fmt"
	"slices"
)

// Order remembers how far the reports of one pod have come. No clock is in it: nodes disagree about the time.
//
// Within a boot of the agent, the sequence decides. A boot that was never seen is later than the one before, and that one is
// over: what still arrives of it is old. A lower epoch makes a new boot doubtful, for it may be one from before whose report
// was under way for long; of such a boot only one report can be under way, so that its second one is believed.
//
// The zero value has seen nothing, and takes any report.
type Order struct {
	boot     string
	sequence uint64
	epoch    int64
	over     []string // boots, the oldest first
	doubted  string
}

// maxOver is how many boots that are over are remembered.
const maxOver = 8

// Next returns the order after the report, or an error if the report is older than what is known, or as old. The order that is
// returned holds in either case.
func (o Order) Next(r Report) (Order, error) {
	switch {
	case r.BootID == o.boot:
		if r.Sequence <= o.sequence {
			return o, fmt.Errorf("report %d of boot %.8s is not after report %d", r.Sequence, r.BootID, o.sequence)
		}
	case slices.Contains(o.over, r.BootID):
		return o, fmt.Errorf("boot %.8s is over: boot %.8s came after it", r.BootID, o.boot)
	case r.Epoch != 0 && r.Epoch < o.epoch && r.BootID != o.doubted:
		o.doubted = r.BootID
		return o, fmt.Errorf("boot %.8s is at epoch %d, and epoch %d was reported: the next report of that boot counts", r.BootID, r.Epoch, o.epoch)
	case o.boot != "":
		o.over = append(slices.Clone(o.over[max(0, len(o.over)-maxOver+1):]), o.boot)
	}
	o.boot, o.sequence, o.doubted = r.BootID, r.Sequence, ""
	if r.Epoch != 0 {
		o.epoch = r.Epoch
	}
	return o, nil
}
