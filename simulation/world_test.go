// The scheduler breaks ties between nodes by the global source of chance, which must be seeded.
//
//go:debug randseednop=0
package simulation

import (
	"math/rand"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

func TestMain(m *testing.M) {
	Prepare()
	os.Exit(m.Run())
}

var assets = sync.OnceValues(func() (*Assets, error) { return Load("../manifests") })

// inWorld runs a function with a world of its own, in a bubble.
func inWorld(t *testing.T, seed int64, do func(*World)) {
	t.Helper()
	a, err := assets()
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		rand.Seed(seed) //nolint:staticcheck // see the top of the file
		w, err := New(t.Context(), a, seed)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		do(w)
	})
}

func TestASetComesUp(t *testing.T) {
	inWorld(t, 1, func(w *World) {
		for _, n := range []string{"a", "b", "c"} {
			w.addNode(n, Node(8))
		}
		w.must(w.user.create(w.ctx, Set("r", 6, 2, 3)))
		if err := w.Run(time.Minute); err != nil {
			t.Error(err)
		}
		set, _ := find[*v1alpha1.InstanceSet](w, keyOf(Set("r", 0, 0, 0)))
		if set == nil || set.Status.ReadyReplicas != 6 || set.Status.Nodes != 3 {
			t.Errorf("%+v", set)
		}
		if t.Failed() || testing.Verbose() {
			t.Log("\n" + w.trace.last(400))
		}
	})
}
