package decide

import (
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/podspec"
)

// parseParameters reads name:value, with _ for a blank; none: there is no configuration.
func parseParameters(parts []string) *v1alpha1.Configuration {
	c := &v1alpha1.Configuration{}
	for _, part := range parts {
		name, value, _ := strings.Cut(part, ":")
		if part == "none" {
			return nil
		}
		c.Parameters = append(c.Parameters, v1alpha1.ConfigurationParameter{Name: name, Value: strings.ReplaceAll(value, "_", " ")})
	}
	return c
}

// agentSays has agents report.
func agentSays(t *testing.T, w *world, d *datadriven.TestData) string {
	var pods []*Pod
	for _, a := range d.CmdArgs {
		if pod := w.pods[a.Key]; pod != nil {
			pods = append(pods, pod)
			continue
		}
		for _, pod := range pods {
			r, value := &pod.Reported, strings.ReplaceAll(strings.Join(a.Vals, ","), "_", " ")
			switch a.Key {
			case "applied":
				*r = Reported{Revision: pod.Configuration, MaxMemory: r.MaxMemory}
			case "silent":
				*r = Reported{}
			case agent.StateApplying, agent.StateRefused, agent.StateMaster:
				r.Wanted, r.State, r.Problem = pod.Configuration, a.Key, value
			case "maxmemory":
				n, ok := agent.BytesOf(value)
				if !ok {
					t.Fatalf("%s: what is %q?", d.Pos, value)
				}
				r.MaxMemory = n
			default:
				t.Fatalf("%s: there is no pod %q, and an agent does not say that", d.Pos, a.Key)
			}
		}
	}
	return "ok"
}

// maxmemory waits for the room that its engine gets, and for nobody else's.
func TestMaxmemoryWaitsForTheRoomOfItsEngine(t *testing.T) {
	p := &planner{view: newView(newWorld().snapshot())}
	for container, want := range map[string]bool{podspec.EngineContainer(p.Set): true, "sidecar": false} {
		d := podspec.Difference{
			Path: "spec.containers[" + container + "].resources.limits[memory]", Container: container, Class: podspec.InPlaceResize, Before: "1Gi", After: "2Gi",
		}
		if got := p.raisesMemory([]podspec.Difference{d}); got != want {
			t.Errorf("more memory for %s: %v, want %v", container, got, want)
		}
	}
}
