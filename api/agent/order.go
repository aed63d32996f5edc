package agent

import (
	"fmt"
	"slices"
)

// Order remembers how far the reports of one pod have come. No clock that somebody sets is in it: nodes disagree about the time.
//
// Within a boot of the agent, the sequence decides. Of two boots, the one that started later does (Start), where that is known of
// both: on one run of the node's kernel. The kernel counts from its own start, whatever anybody sets its clock to, and a pod never
// moves to another node. The kubelet's count of restarts would not do: an agent cannot read it, what a cache shows of it is late,
// and it may begin anew. A counter in a volume of the pod would, over reboots of the node as well, but it cannot be written when
// the disk is full, and is one more thing that an agent depends on.
//
// Where it is not known, which is so for a report from before a reboot of the node, a boot that was never seen is later than the one
// before. A lower epoch makes such a boot doubtful: its second report counts.
//
// A boot that another one came after is over, and what still arrives of it is old: it may have been under way for long, and a manager
// that has just started may hear it after the first of the boot that lives. Of a boot that is over only one report can be under
// way, so one that goes on reporting is not over, and is heard again from its second report on: else a manager would be deaf to
// an agent for as long as both live.
//
// The zero value has seen nothing, and takes any report.
type Order struct {
	boot     string
	start    Start
	sequence uint64
	epoch    int64
	over     []formerBoot // the oldest first
	doubted  string
}

// Start is when the process of an agent started.
type Start struct {
	// Kernel is the run of the node's kernel: 32 hexadecimal digits that Linux draws when it starts
	// (/proc/sys/kernel/random/boot_id, without its hyphens); "" if it is not known.
	Kernel string `json:"kernel,omitempty"`
	// Since is nanoseconds since the kernel started, by CLOCK_BOOTTIME: it never goes back, nobody can set it, and it counts while the
	// machine sleeps. 0 if it is not known, more than 0 with a Kernel.
	Since int64 `json:"since,omitempty"`
}

// before reports whether something started before another one; known whether that can be said.
func (s Start) before(other Start) (earlier, known bool) {
	return s.Since < other.Since, s.Kernel != "" && s.Kernel == other.Kernel && s.Since != other.Since
}

// Validate returns what is wrong. The zero value is valid.
func (s Start) Validate() error {
	switch {
	case s == Start{}:
		return nil
	case s.Since <= 0:
		return fmt.Errorf("start: %d ns since the kernel started, more than 0 are wanted", s.Since)
	}
	return validHex("start: kernel", s.Kernel)
}

// formerBoot is a boot that another one has replaced, with its last report, and whether that came after the replacement.
type formerBoot struct {
	boot     string
	start    Start
	sequence uint64
	since    bool
}

// maxOver is how many boots that are over are remembered.
const maxOver = 8

// Next returns the order after the report, or an error if the report is older than what is known, or as old. The order that is
// returned holds in either case.
func (o Order) Next(r Report) (Order, error) {
	at := slices.IndexFunc(o.over, func(f formerBoot) bool { return f.boot == r.BootID })
	earlier, known := o.place(r.Start)
	switch {
	case r.BootID == o.boot:
		if r.Sequence <= o.sequence {
			return o, fmt.Errorf("report %d of boot %.8s is not after report %d", r.Sequence, r.BootID, o.sequence)
		}
	case at >= 0 && r.Sequence <= o.over[at].sequence:
		return o, fmt.Errorf("report %d of boot %.8s is not after report %d, and boot %.8s came after it", r.Sequence, r.BootID, o.over[at].sequence, o.boot)
	case at >= 0 && !o.over[at].since && (earlier || !known):
		o.over = slices.Clone(o.over)
		o.over[at].sequence, o.over[at].since = r.Sequence, true
		return o, fmt.Errorf("boot %.8s is over: boot %.8s came after it", r.BootID, o.boot)
	case at < 0 && known && earlier:
		o = o.replaced(formerBoot{r.BootID, r.Start, r.Sequence, true})
		return o, fmt.Errorf("boot %.8s started before boot %.8s", r.BootID, o.boot)
	case at < 0 && !known && r.Epoch != 0 && r.Epoch < o.epoch && r.BootID != o.doubted:
		o.doubted = r.BootID
		return o, fmt.Errorf("boot %.8s is at epoch %d, and epoch %d was reported: the next report of that boot counts", r.BootID, r.Epoch, o.epoch)
	case o.boot != "":
		o = o.replaced(formerBoot{boot: o.boot, start: o.start, sequence: o.sequence})
	}
	o.over = slices.DeleteFunc(slices.Clone(o.over), func(f formerBoot) bool { return f.boot == r.BootID })
	o.boot, o.start, o.sequence, o.doubted = r.BootID, r.Start, r.Sequence, ""
	if r.Epoch != 0 {
		o.epoch = r.Epoch
	}
	return o, nil
}

// place reports whether a boot started before the one that is believed, or before one that is over; known whether that can be said.
func (o Order) place(s Start) (earlier, known bool) {
	earlier, known = s.before(o.start)
	for _, f := range o.over {
		if before, comparable := s.before(f.start); before && comparable && !known {
			return true, true
		}
	}
	return earlier, known
}

// replaced is the order that remembers one more boot that is over.
func (o Order) replaced(f formerBoot) Order {
	o.over = append(slices.Clone(o.over[max(0, len(o.over)-maxOver+1):]), f)
	return o
}
