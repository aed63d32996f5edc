// The scheduler breaks ties between nodes by the global source of chance, which must be seeded.
//
//go:debug randseednop=0
package fidelity

import (
	"encoding/json"
	"maps"
	"math/rand"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/google/go-cmp/cmp"

	"github.com/shoal-dev/shoal/simulation"
)

const (
	bindings = "testdata/bindings.json"
	traces   = 200
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
	var want map[int64]map[string]string
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	assets, err := simulation.Load("../../manifests")
	if err != nil {
		t.Fatal(err)
	}
	pods, refused, differ := 0, 0, 0
	for _, seed := range slices.Sorted(maps.Keys(want)) {
		var got map[string]string
		synctest.Test(t, func(t *testing.T) { got = placed(t, assets, TraceOf(seed)) })
		if d := cmp.Diff(want[seed], got); d != "" {
			differ++
			t.Errorf("trace %d: the real scheduler (-) and the one of the simulation (+) differ:\n%s", seed, d)
		}
		for _, node := range got {
			if pods++; node == "" {
				refused++
			}
		}
	}
	t.Logf("%d traces with %d pods, of which %d refused; %d differ", len(want), pods, refused, differ)
	if len(want) != traces || refused == 0 || refused > pods/2 {
		t.Errorf("%d traces, %d of %d pods refused: that proves little", len(want), refused, pods)
	}
}

func placed(t *testing.T, assets *simulation.Assets, trace Trace) map[string]string {
	t.Helper()
	rand.Seed(1) //nolint:staticcheck // see the top of the file
	w, err := simulation.New(t.Context(), assets, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	w.OnlyPlace()
	for _, n := range trace.Nodes {
		w.AddNode(n.Name, n.Status.Allocatable)
	}
	create := func(o client.Object) {
		if err := w.Create(o); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range trace.Policies {
		create(p)
	}
	for _, v := range trace.Volumes {
		create(v.Claim)
		v.bind()
		status := v.Claim.Status
		create(v.PV)
		v.Claim.Status = status
		if err := w.UpdateStatus(v.Claim); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Run(time.Second); err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, p := range trace.Pods {
		create(p)
		if out[p.Name], err = w.Place(p.Name); err != nil {
			t.Fatal(err)
		}
	}
	return out
}
