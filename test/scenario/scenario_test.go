// The scheduler breaks ties between nodes by the global source of chance, which must be seeded.
//
//go:debug randseednop=0
package scenario

import (
	"fmt"
	"math/rand"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/datadriven"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/simulation"
)

func TestMain(m *testing.M) {
	simulation.Prepare()
	os.Exit(m.Run())
}

var assets = sync.OnceValues(func() (*simulation.Assets, error) { return simulation.Load("../../manifests") })

// TestScenarios runs testdata: what happens to a cluster, and what the manager plans in its own words. A command prints
// what was planned since the one before it; see doc.go for the commands.
func TestScenarios(t *testing.T) {
	a, err := assets()
	if err != nil {
		t.Fatal(err)
	}
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		synctest.Test(t, func(t *testing.T) {
			rand.Seed(1) //nolint:staticcheck // see the top of the file
			w, err := simulation.New(t.Context(), a, 1)
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
				if err := do(w, d); err != nil {
					return "refused: " + strings.Join(strings.Fields(err.Error()), " ") + "\n"
				}
				return printed(w, d)
			})
		})
	})
}

func printed(w *simulation.World, d *datadriven.TestData) string {
	lines := w.Lines("plan", "roles", "handover", "BROKEN")
	switch d.Cmd {
	case "state":
		return w.State()
	case "roles":
		return w.Roles()
	case "order":
		return order(w, d)
	case "updates":
		return w.Updates(first(d))
	case "configurations":
		return w.Configurations(first(d))
	case "switchovers":
		return w.Switchovers()
	case "policies":
		return w.Policies()
	case "messages":
		return w.Messages()
	case "claims":
		return w.Claims()
	case "why":
		if len(d.CmdArgs) == 0 {
			return w.WhyAll()
		}
		return w.Why(first(d))
	case "meanwhile": // of plans that another story tells
		lines = slices.DeleteFunc(lines, func(l string) bool { return !strings.HasPrefix(l, "BROKEN") })
	}
	if len(lines) == 0 {
		return "ok\n"
	}
	return strings.Join(lines, "\n") + "\n"
}

func do(w *simulation.World, d *datadriven.TestData) error {
	for _, verbs := range []map[string]verb{edits, fates, ofRoles, ofUpdates, looks} {
		if v, known := verbs[d.Cmd]; known {
			return v(w, d)
		}
	}
	return fmt.Errorf("no such command: %s", d.Cmd)
}

type verb func(*simulation.World, *datadriven.TestData) error

// edits are what people do with kubectl.
var edits = map[string]verb{
	"nodes": func(w *simulation.World, d *datadriven.TestData) error {
		for _, arg := range d.CmdArgs[1:] {
			w.AddNodes(number(d, "cpus"), arg.Key)
		}
		return nil
	},
	"set": func(w *simulation.World, d *datadriven.TestData) error {
		s := newSet(d)
		if err := setUpdates(w, d, s); err != nil {
			return err
		}
		for _, arg := range d.CmdArgs {
			if arg.Key == "roles" {
				if err := w.WithRoles(s, arg.Vals[0], !d.HasArg("ips")); err != nil {
					return err
				}
			}
		}
		return w.Apply(s)
	},
	"policy": func(w *simulation.World, d *datadriven.TestData) error {
		return w.ApplyPolicy(first(d), newPolicy(d))
	},
	"pod": func(w *simulation.World, d *datadriven.TestData) error { return w.CreatePod(newPod(d)) },
	"scale": edit(func(d *datadriven.TestData, s *v1alpha1.InstanceSet) {
		s.Spec.Replicas = ptr.To(int32(number(d, "replicas")))
	}),
	"pause":  edit(func(_ *datadriven.TestData, s *v1alpha1.InstanceSet) { s.Spec.Paused = true }),
	"resume": edit(func(_ *datadriven.TestData, s *v1alpha1.InstanceSet) { s.Spec.Paused = false }),
	"offline": edit(func(d *datadriven.TestData, s *v1alpha1.InstanceSet) {
		s.Spec.OfflineInstances = nil
		for _, arg := range d.CmdArgs[1:] {
			s.Spec.OfflineInstances = append(s.Spec.OfflineInstances, int32(parse(d, arg.Key)))
		}
	}),
	"limits": edit(func(d *datadriven.TestData, s *v1alpha1.InstanceSet) { limit(d, s.Spec.Placement) }),
	"rebuild": edit(func(d *datadriven.TestData, s *v1alpha1.InstanceSet) {
		s.Spec.Rebuild.Mode = v1alpha1.RebuildMode(d.CmdArgs[1].Key)
	}),
	"reshard": edit(func(d *datadriven.TestData, s *v1alpha1.InstanceSet) {
		s.Spec.ShardSize = ptr.To(int32(number(d, "size")))
	}),
	"delete":  func(w *simulation.World, d *datadriven.TestData) error { return w.Remove(first(d), d.CmdArgs[1].Key) },
	"foreign": func(w *simulation.World, d *datadriven.TestData) error { return w.Foreign(first(d)) },
}

func edit(change func(*datadriven.TestData, *v1alpha1.InstanceSet)) verb {
	return func(w *simulation.World, d *datadriven.TestData) error {
		return w.Edit(first(d), func(s *v1alpha1.InstanceSet) { change(d, s) })
	}
}

// fates are what befalls machines and processes.
var fates = map[string]verb{
	"node": func(w *simulation.World, d *datadriven.TestData) error {
		switch what := d.CmdArgs[1].Key; what {
		case "cordon", "uncordon":
			return w.Cordon(first(d), what == "cordon")
		case "new":
			return w.Replace(first(d), number(d, "cpus"))
		default:
			return w.Fate(first(d), what)
		}
	},
	"redis": func(w *simulation.World, d *datadriven.TestData) error {
		switch what := d.CmdArgs[1].Key; what {
		case "mute", "speak":
			w.Mute(first(d), what == "mute")
			return nil
		case "demote":
			return w.Redis(first(d), what, d.CmdArgs[2].Key)
		default:
			return w.Redis(first(d), what, "")
		}
	},
	"crash": func(w *simulation.World, d *datadriven.TestData) error {
		if d.HasArg("writes") {
			return w.CrashAfter(first(d), int(number(d, "writes")))
		}
		return w.Crash(first(d))
	},
	"refuse": func(w *simulation.World, d *datadriven.TestData) error {
		return w.Refuse(first(d), int(number(d, "writes")))
	},
	"standby": func(w *simulation.World, _ *datadriven.TestData) error {
		w.Standby()
		return nil
	},
	"lag": func(w *simulation.World, d *datadriven.TestData) error {
		w.Lag(long(d, first(d)))
		return nil
	},
	"after":     pass,
	"meanwhile": pass,
}

func pass(w *simulation.World, d *datadriven.TestData) error { return w.Run(long(d, first(d))) }

func look(*simulation.World, *datadriven.TestData) error { return nil }

// looks change nothing.
var looks = map[string]verb{"state": look, "policies": look, "messages": look, "claims": look, "why": look, "roles": look, "order": look, "updates": look, "switchovers": look, "configurations": look}

func newSet(d *datadriven.TestData) *v1alpha1.InstanceSet {
	s := simulation.Set(first(d), int32(number(d, "replicas")), 0, 0)
	*s.Spec.Placement = v1alpha1.PlacementLimits{}
	limit(d, s.Spec.Placement)
	for _, arg := range d.CmdArgs[1:] {
		switch arg.Key {
		case "shard":
			s.Spec.ShardSize = ptr.To(int32(number(d, "shard")))
		case "rebuild":
			s.Spec.Rebuild.Mode = v1alpha1.RebuildMode(arg.Vals[0])
		case "check":
			s.Spec.Rebuild.HolderCheck = v1alpha1.HolderCheck(arg.Vals[0])
		case "scaled":
			s.Spec.PersistentVolumeClaimRetentionPolicy.WhenScaled = v1alpha1.RetentionType(arg.Vals[0])
		case "deleted":
			s.Spec.PersistentVolumeClaimRetentionPolicy.WhenDeleted = v1alpha1.RetentionType(arg.Vals[0])
		case "volumeless":
			s.Spec.VolumeClaimTemplates = nil
		case "policy":
			s.Spec.Placement, s.Spec.PlacementPolicyRef = nil, &v1alpha1.PlacementPolicyRef{Name: arg.Vals[0]}
		}
	}
	return s
}

func newPolicy(d *datadriven.TestData) v1alpha1.PlacementPolicySpec {
	var spec v1alpha1.PlacementPolicySpec
	limit(d, &spec.PlacementLimits)
	for _, arg := range d.CmdArgs[1:] {
		switch arg.Key {
		case "replicas":
			spec.Replicas = ptr.To(int32(parse(d, arg.Vals[0])))
		case "targets":
			for _, name := range arg.Vals {
				spec.ScaleTargetRefs = append(spec.ScaleTargetRefs, v1alpha1.ScaleTargetRef{Kind: "InstanceSet", Name: name})
			}
		}
	}
	return spec
}

// limit changes the limits that the command names.
func limit(d *datadriven.TestData, to *v1alpha1.PlacementLimits) {
	for _, arg := range d.CmdArgs[1:] {
		switch arg.Key {
		case "m":
			to.MaxInstancesPerNode = ptr.To(intstr.FromInt32(int32(parse(d, arg.Vals[0]))))
		case "k":
			to.MaxNodes = ptr.To(int32(parse(d, arg.Vals[0])))
		case "spread":
			to.ShardSpread = []v1alpha1.ShardSpread{{TopologyKey: corev1.LabelHostname, Max: int32(parse(d, arg.Vals[0]))}}
		case "mode":
			to.Mode = v1alpha1.PlacementMode(arg.Vals[0])
		}
	}
}

func newPod(d *datadriven.TestData) simulation.Pod {
	p := simulation.Pod{Name: first(d), CPUs: number(d, "cpus")}
	for _, arg := range d.CmdArgs[1:] {
		switch arg.Key {
		case "policy":
			p.Policy = arg.Vals[0]
		case "on":
			p.Node = arg.Vals[0]
		case "shard":
			p.Shard = arg.Vals[0]
		case "critical":
			p.Critical = true
		}
	}
	return p
}

func first(d *datadriven.TestData) string {
	if len(d.CmdArgs) == 0 {
		panic(d.Pos + ": " + d.Cmd + " needs an argument")
	}
	return d.CmdArgs[0].Key
}

func number(d *datadriven.TestData, name string) int64 {
	for _, arg := range d.CmdArgs {
		if arg.Key == name && len(arg.Vals) == 1 {
			return parse(d, arg.Vals[0])
		}
	}
	panic(d.Pos + ": " + d.Cmd + " needs " + name + "=")
}

func parse(d *datadriven.TestData, text string) int64 {
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		panic(d.Pos + ": " + err.Error())
	}
	return n
}

func long(d *datadriven.TestData, text string) time.Duration {
	duration, err := time.ParseDuration(text)
	if err != nil {
		panic(d.Pos + ": " + err.Error())
	}
	return duration
}
