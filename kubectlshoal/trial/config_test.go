package trial

import (
	"testing"

	"github.com/shoal-dev/shoal/api/config"
)

// A trial measures nothing: a configuration that names a source of load must not send it there.
func TestATrialGoesByRequests(t *testing.T) {
	c, err := LoadConfig("../../examples/scheduler-config/measured-load.yaml")
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, p := range c.profile.PluginConfig {
		if args, ok := p.Args.(*config.LoadBalanceArgs); ok {
			found = true
			if args.Load != nil || args.Thresholds != nil {
				t.Errorf("load is measured: %+v", args)
			}
		}
	}
	if !found {
		t.Error("the example has no arguments of LoadBalance: the test proves nothing")
	}
}
