// The scheduler breaks ties between nodes by the global source of chance, which must be seeded.
//
//go:debug randseednop=0
package fidelity

import (
	"context"
	"encoding/json"
	"maps"
	"math/rand"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/component-helpers/storage/volume"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/simulation"
)

const (
	bindings    = "testdata/bindings.json"
	traces      = 200
	withVolumes = 64 // of them, at least
)

func TestMain(m *testing.M) {
	simulation.Prepare()
	os.Exit(m.Run())
}

// TestSimulatedSchedulerPlacesLikeTheRealOne places the pods of all traces in the simulation, and compares with where the
// program shoal-scheduler has placed them.
func TestSimulatedSchedulerPlacesLikeTheRealOne(t *testing.T) {
	text, err := os.ReadFile(bindings)
	if err != nil {
		t.Fatal(err)
	}
	var want map[int64][]string
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	assets, err := simulation.Load("../../manifests")
	if err != nil {
		t.Fatal(err)
	}
	pods, refused, differ, volumes := 0, 0, 0, 0
	for _, seed := range slices.Sorted(maps.Keys(want)) {
		var got []string
		trace := TraceOf(seed)
		if trace.WithVolumes() {
			volumes++
		}
		synctest.Test(t, func(t *testing.T) { got = placed(t, assets, trace) })
		if d := cmp.Diff(want[seed], got); d != "" {
			differ++
			t.Errorf("trace %d: the real scheduler (-) and the one of the simulation (+) differ:\n%s", seed, d)
		}
		for _, line := range got {
			if pods++; strings.HasSuffix(line, " -") {
				refused++
			}
		}
	}
	t.Logf("%d traces, %d with volumes, with %d pods, of which %d refused; %d differ", len(want), volumes, pods, refused, differ)
	if len(want) != traces || volumes < withVolumes || refused == 0 || refused > pods/2 {
		t.Errorf("%d traces, %d with volumes, %d of %d pods refused: that proves little", len(want), volumes, refused, pods)
	}
}

func placed(t *testing.T, assets *simulation.Assets, trace Trace) []string {
	t.Helper()
	rand.Seed(1) //nolint:staticcheck // see the top of the file
	w, err := simulation.New(t.Context(), assets, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	w.OnlyPlace()
	out, err := trace.Bindings(t.Context(), simulatedGround{w})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// simulatedGround is a world of the simulation.
type simulatedGround struct{ *simulation.World }

func (g simulatedGround) AddNode(_ context.Context, n *corev1.Node) error {
	g.World.AddNode(n.Name, n.Status.Allocatable)
	return nil
}

// AddVolume has the world's volume controller out of the way: it knows only volumes that were made here.
func (g simulatedGround) AddVolume(_ context.Context, c *corev1.PersistentVolumeClaim, v *corev1.PersistentVolume) error {
	c.Annotations = map[string]string{volume.AnnBindCompleted: "yes"}
	if err := g.World.Create(c); err != nil {
		return err
	}
	v.Spec.ClaimRef.UID = c.UID
	if err := g.World.Create(v); err != nil {
		return err
	}
	c.Status = corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimBound, Capacity: v.Spec.Capacity, AccessModes: v.Spec.AccessModes}
	return g.UpdateStatus(c)
}

func (g simulatedGround) Create(_ context.Context, o client.Object) error { return g.World.Create(o) }

func (g simulatedGround) Label(_ context.Context, o client.Object, key string) error {
	return g.World.Label(o, key, v1alpha1.RetiredValue)
}

func (g simulatedGround) Remove(_ context.Context, o client.Object) error { return g.Delete(o) }

func (g simulatedGround) Settle(context.Context) error { return g.Run(5 * time.Second) }

func (g simulatedGround) Look(_ context.Context, name string) (*corev1.Pod, error) {
	if err := g.Run(look); err != nil {
		return nil, err
	}
	return g.Pod(name)
}
