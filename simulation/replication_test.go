package simulation

import (
	"maps"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/shoal-dev/shoal/redis"
)

// saidBy are what the Redis of each ordinal says; one that does not answer says nothing.
func saidBy(w *World) map[int]redis.Role {
	out := map[int]redis.Role{}
	for _, m := range w.machines {
		for _, p := range m.running {
			out[ordinalOf(p.name.Name)], _ = w.ask(w.ctx, p.ip+":6379")
		}
	}
	return out
}

// A replica follows its master while they reach each other, and a master that dies cut off takes along what only it had.
func TestReplicasFollow(t *testing.T) {
	inWorld(t, 1, func(w *World) {
		for _, n := range []string{"a", "b"} {
			w.addNode(n, Node(8))
		}
		set := Set("r", 2, 1, 2)
		set.Spec.ShardSize = ptr.To[int32](2)
		w.shardSize["r"] = 2
		w.must(w.user.create(w.ctx, set))
		run := func(long time.Duration) (master, replica redis.Role) {
			t.Helper()
			if err := w.Run(long); err != nil {
				t.Fatal(err)
			}
			all := saidBy(w)
			return all[0], all[1]
		}
		nodeOf := func(instance string) string {
			for _, name := range w.machineNames() {
				for _, p := range w.machines[name].running {
					if p.name == (types.NamespacedName{Namespace: Namespace, Name: instance}) {
						return name
					}
				}
			}
			return ""
		}
		up, replica := run(time.Minute)
		if up.Kind != redis.Master || up.Offset == 0 || replica.Kind != redis.Replica || replica.Offset != up.Offset {
			t.Errorf("%+v, %+v: want a master that has written, and a replica that has all of it", up, replica)
		}
		w.silence(nodeOf("r-0"), false)
		cut, replica := run(10 * time.Second)
		if cut.Kind != "" || replica.Kind != redis.Replica || replica.Offset > up.Offset+bytesPerSecond {
			t.Errorf("%+v, %+v: want no answer, and a replica that stays where it was", cut, replica)
		}
		w.restore(nodeOf("r-0"))
		back, replica := run(10 * time.Second)
		if back.Offset < up.Offset+15*bytesPerSecond || replica.Offset != back.Offset {
			t.Errorf("%+v, %+v: want what was written meanwhile, on both", back, replica)
		}
		w.silence(nodeOf("r-0"), false)
		run(10 * time.Second)
		w.silence(nodeOf("r-0"), true)
		if _, next := run(0); next.Kind != redis.Master || next.Offset >= back.Offset+5*bytesPerSecond {
			t.Errorf("%+v: want a master that has not what was written when the old one was cut off", next)
		}
	})
}

// The manager asks up to 32 at the same time; the Go runtime ends the program when it sees two of them write one map.
func TestManyAreAskedAtTheSameTime(t *testing.T) {
	inWorld(t, 1, func(w *World) {
		w.addNode("a", Node(8))
		set := Set("r", 4, 4, 1)
		w.must(w.user.create(w.ctx, set))
		if err := w.Run(time.Minute); err != nil {
			t.Fatal(err)
		}
		all := saidBy(w)
		var asking sync.WaitGroup
		for range 8 {
			asking.Go(func() {
				for range 5000 {
					_, _ = w.ask(w.ctx, "nobody:6379")
				}
			})
		}
		asking.Wait()
		if again := saidBy(w); len(all) != 4 || !maps.Equal(all, again) {
			t.Errorf("%v before, %v afterwards", all, again)
		}
	})
}
