package playground

import (
	"slices"
	"strings"
	"testing"
)

func TestWhichFaultMayFollowWhich(t *testing.T) {
	const none = Fault("")
	may := map[Fault][]Fault{
		none:         {Disk, KubeletStop, Unreachable, PowerOff, OutOfService, Deleted},
		Disk:         {PowerOff, OutOfService, Deleted}, // one fault is remembered: the disk would never be mended
		KubeletStop:  {Unreachable, PowerOff, OutOfService, Deleted},
		Unreachable:  {PowerOff, OutOfService, Deleted},
		PowerOff:     {OutOfService, Deleted},
		OutOfService: {Deleted},
		Deleted:      {},
	}
	if len(may) != len(Faults())+1 {
		t.Fatalf("this table has %d faults of %d", len(may)-1, len(Faults()))
	}
	for before, allowed := range may {
		for _, next := range Faults() {
			if want := slices.Contains(allowed, next); next.follows(before) != want {
				t.Errorf("%s after %q: %v, want %v", next, before, !want, want)
			}
		}
	}
}

func TestWhatAFaultMeans(t *testing.T) {
	for fault, want := range map[Fault]struct{ off, silent bool }{
		"":           {false, false},
		Disk:         {false, false}, // the kubelet goes on
		KubeletStop:  {false, true},
		Unreachable:  {false, true},
		PowerOff:     {true, true},
		OutOfService: {true, true}, // a taint that vouches for a machine which still writes would lose data
		Deleted:      {true, true},
	} {
		if fault.isOff() != want.off || fault.Silences() != want.silent {
			t.Errorf("%q: off %v, silent %v, want %+v", fault, fault.isOff(), fault.Silences(), want)
		}
	}
}

func TestSimulatedFaultsAreFaultsInTheirOrder(t *testing.T) {
	last := -1
	for _, fault := range simulatedFaults() {
		i := slices.Index(Faults(), fault)
		if i <= last {
			t.Errorf("%s is at place %d, after %d", fault, i, last)
		}
		last = i
	}
}

func TestAShellNeedsARealNodeThatIsOn(t *testing.T) {
	c := &Cluster{layout: layout(t.TempDir())}
	if err := c.layout.writeState(State{RealNodes: []RealNode{{Name: "real-0", Fault: PowerOff}}}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"real-0": "node recover real-0", "node-000": "not a real one"} {
		if _, err := c.NodeProcess(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", name, err, want)
		}
	}
}
