// The scheduler breaks ties between nodes by the global source of chance, which must be seeded.
//
//go:debug randseednop=0
package scenario

import (
	"fmt"
	"math/rand"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/datadriven"
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
	lines := w.Lines("plan", "BROKEN")
	if d.Cmd == "state" {
		return w.State()
	}
	if len(lines) == 0 {
		return "ok\n"
	}
	return strings.Join(lines, "\n") + "\n"
}

func do(w *simulation.World, d *datadriven.TestData) error {
	switch d.Cmd {
	case "nodes":
		for _, arg := range d.CmdArgs[1:] {
			w.AddNodes(number(d, "cpus"), arg.Key)
		}
		return nil
	case "set":
		return w.Apply(newSet(d))
	case "scale":
		return w.Edit(first(d), func(s *v1alpha1.InstanceSet) { s.Spec.Replicas = ptr.To(int32(number(d, "replicas"))) })
	case "pause", "resume":
		return w.Edit(first(d), func(s *v1alpha1.InstanceSet) { s.Spec.Paused = d.Cmd == "pause" })
	case "offline":
		return w.Edit(first(d), func(s *v1alpha1.InstanceSet) {
			s.Spec.OfflineInstances = nil
			for _, arg := range d.CmdArgs[1:] {
				s.Spec.OfflineInstances = append(s.Spec.OfflineInstances, int32(parse(d, arg.Key)))
			}
		})
	case "limits":
		return w.Edit(first(d), func(s *v1alpha1.InstanceSet) { s.Spec.Placement.MaxNodes = ptr.To(int32(number(d, "k"))) })
	case "reshard":
		return w.Edit(first(d), func(s *v1alpha1.InstanceSet) { s.Spec.ShardSize = ptr.To(int32(number(d, "size"))) })
	case "delete":
		return w.Remove(first(d), d.CmdArgs[1].Key)
	case "foreign":
		return w.Foreign(first(d))
	case "node":
		return w.Fate(first(d), d.CmdArgs[1].Key)
	case "crash":
		return w.Crash(first(d))
	case "lag":
		w.Lag(long(d, first(d)))
		return nil
	case "after":
		return w.Run(long(d, first(d)))
	case "state":
		return nil
	}
	return fmt.Errorf("no such command: %s", d.Cmd)
}

func newSet(d *datadriven.TestData) *v1alpha1.InstanceSet {
	s := simulation.Set(first(d), int32(number(d, "replicas")), int32(number(d, "m")), int32(number(d, "k")))
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
		}
	}
	return s
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
