package main

import (
	"strings"
	"testing"
	"time"

	"github.com/shoal-dev/shoal/playground"
)

func TestStatusTellsEveryRealNodeOnce(t *testing.T) {
	report := &playground.Report{
		State: playground.State{RealNodes: []playground.RealNode{
			{Name: "real-0", Address: "10.137.0.10"}, {Name: "real-1", Address: "10.137.0.11", Fault: playground.PowerOff},
		}},
		Failed:        map[string]playground.Fault{"node-001": playground.Unreachable, "real-1": playground.PowerOff},
		CgroupVersion: 1,
	}
	var out strings.Builder
	print(&out, report, time.Now())
	for _, want := range []string{
		"  node-001 is " + playground.Unreachable.State() + "\n",
		"cgroups of version 1",
		"real-0   10.137.0.10   none\n",
		"real-1   10.137.0.11   " + playground.PowerOff.State() + "\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the status lacks %q:\n%s", want, &out)
		}
	}
	if strings.Contains(out.String(), "real-1 is") {
		t.Errorf("a real node's fault is told twice:\n%s", &out)
	}
}

func TestStatusWithoutRealNodesSaysNothingOfThem(t *testing.T) {
	var out strings.Builder
	print(&out, &playground.Report{}, time.Now())
	if text := strings.ToLower(out.String()); strings.Contains(text, "real nodes") || strings.Contains(text, "cgroup") {
		t.Errorf("a playground of simulated nodes tells of real ones:\n%s", &out)
	}
}
