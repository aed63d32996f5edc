package agent

import (
	"fmt"
	"slices"
)

// Order remembers how far the reports of one pod have come. No clock is in it: nodes disagree about the time.
//
// Within a boot of the agent, the sequence decides. A boot that was never seen is later than the one before, and that one is
// over: what still arrives of it is old. But a report of a boot that is over may have been under way for long, and a manager
// that has just started may hear it after the first of the boot that lives. Of a boot that is over only one can be under way,
// so one that goes on reporting is not over, and is heard again from its second report on: else a manager would be deaf to an
// agent for as long as both live. A lower epoch makes a new boot doubtful in the same way.
//
// The zero value has seen nothing, and takes any report.
type Order struct {
	boot     string
	sequence uint64
	epoch    int64
	over     []formerBoot // the oldest first
	doubted  string
}

// formerBoot is a boot that another one has replaced, with its last report, and whether that came after the replacement.
type formerBoot struct {
	boot     string
	sequence uint64
	since    bool
}

// maxOver is how many boots that are over are remembered.
const maxOver = 8

// Next returns the order after the report, or an error if the report is older than what is known, or as old. The order that is
// returned holds in either case.
func (o Order) Next(r Report) (Order, error) {
	at := slices.IndexFunc(o.over, func(f formerBoot) bool { return f.boot == r.BootID })
	switch {
	case r.BootID == o.boot:
		if r.Sequence <= o.sequence {
			return o, fmt.Errorf("report %d of boot %.8s is not after report %d", r.Sequence, r.BootID, o.sequence)
		}
	case at >= 0 && (r.Sequence <= o.over[at].sequence || !o.over[at].since):
		if o.over = slices.Clone(o.over); r.Sequence > o.over[at].sequence {
			o.over[at].sequence, o.over[at].since = r.Sequence, true
		}
		return o, fmt.Errorf("boot %.8s is over: boot %.8s came after it", r.BootID, o.boot)
	case at < 0 && r.Epoch != 0 && r.Epoch < o.epoch && r.BootID != o.doubted:
		o.doubted = r.BootID
		return o, fmt.Errorf("boot %.8s is at epoch %d, and epoch %d was reported: the next report of that boot counts", r.BootID, r.Epoch, o.epoch)
	case o.boot != "":
		over := slices.DeleteFunc(slices.Clone(o.over), func(f formerBoot) bool { return f.boot == r.BootID })
		o.over = append(over[max(0, len(over)-maxOver+1):], formerBoot{boot: o.boot, sequence: o.sequence})
	}
	o.boot, o.sequence, o.doubted = r.BootID, r.Sequence, ""
	if r.Epoch != 0 {
		o.epoch = r.Epoch
	}
	return o, nil
}
