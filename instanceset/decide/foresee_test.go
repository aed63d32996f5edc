package decide

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/shoal-dev/shoal/podspec"
	"github.com/shoal-dev/shoal/reason"
)

// TestForesightComesTrue foresees a change of the template of a set that is well, and lets it come: who is disturbed, made anew or held
// back, for which fields nothing is written, and in which order, that of shards among each other excepted.
func TestForesightComesTrue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawUpdating(t)
		settleAll(t, w)
		w.elect(rapid.Int32Range(0, 2).Draw(t, "master"))
		spec := &w.set.Spec
		for range rapid.IntRange(1, 3).Draw(t, "changes") {
			switch rapid.IntRange(0, 4).Draw(t, "change") {
			case 0:
				spec.Template.Spec.Containers[0].Image = "redis:8"
			case 1:
				setTemplate(&spec.Template, "label", "x")
			case 2:
				setTemplate(&spec.Template, "memory", rapid.SampledFrom([]string{"512Mi", "2Gi"}).Draw(t, "memory"))
			case 3:
				setTemplate(&spec.Template, "env", "a")
			case 4:
				spec.UpdateStrategy.Partition = rapid.Int32Range(0, 3).Draw(t, "partition")
			}
		}
		w.set.Generation++
		w.keeps = false // what Foresee needs of the history is what there was before
		foreseen := Foresee(w.snapshot())
		w.keeps = true
		disturbed, written := settleAll(t, w)
		judgeForesight(t, w, foreseen, disturbed, written)
	})
}

// settleAll carries out plans until there is nothing left to do, and says what they wrote: the first kind of write to each instance that
// disturbed it, in order, and all that were written to.
func settleAll(t *rapid.T, w *world) (disturbed []Change, written map[int32]bool) {
	written = map[int32]bool{}
	for quiet := 0; quiet < 3; w.now = w.now.Add(time.Minute) {
		quiet++
		for _, c := range writeSome(t, w, all) {
			quiet = 0
			if !isUpdate(c) {
				continue
			}
			written[c.Ordinal] = true
			if c.Kind != PatchPod && !slices.ContainsFunc(disturbed, func(d Change) bool { return d.Ordinal == c.Ordinal }) {
				disturbed = append(disturbed, c)
			}
		}
		w.work()
		w.appoint()
		w.endOrders(func() string { return "done" })
	}
	return disturbed, written
}

func judgeForesight(t *rapid.T, w *world, f Foresight, disturbed []Change, written map[int32]bool) {
	if len(f.Blocked) > 0 {
		if len(written) > 0 {
			t.Fatalf("%+v are blocked, and instances are written to: %v", f.Blocked, written)
		}
		return
	}
	turns := map[int32]int{}
	for _, i := range f.Instances {
		stays := i.Code == reason.MemoryWaits && slices.ContainsFunc(i.Differences, podspec.Difference.LowersMemory)
		if written[i.Ordinal] == (i.Held || stays) || i.Code != 0 && !stays {
			t.Fatalf("r-%d is written to: %v, and foreseen was %+v", i.Ordinal, written[i.Ordinal], i)
		}
		delete(written, i.Ordinal)
		if !i.Held && i.Turn > 0 {
			turns[i.Ordinal] = i.Turn
		}
		if len(i.Differences) == 0 {
			t.Fatalf("r-%d has no differences: %+v", i.Ordinal, i)
		}
	}
	if len(written) > 0 || len(turns) != len(disturbed) {
		t.Fatalf("written to, and not foreseen: %v; disturbed: %v, foreseen %v", written, disturbed, turns)
	}
	last := map[int32]int{} // by shard: while a master hands over, those of other shards may come before
	for _, c := range disturbed {
		at := slices.IndexFunc(f.Instances, func(i Foreseen) bool { return i.Ordinal == c.Ordinal })
		if i := f.Instances[at]; i.Recreated != (c.Kind == DeletePod) {
			t.Fatalf("%s, and foreseen was %+v", c, i)
		}
		shard, sharded := podspec.Shard(w.set, c.Ordinal)
		if (sharded || f.MaxUnavailable == 1) && turns[c.Ordinal] < last[shard] {
			t.Fatalf("r-%d is disturbed later than in turn %d: %v, %v", c.Ordinal, last[shard], turns, disturbed)
		}
		last[shard] = turns[c.Ordinal]
	}
	for _, i := range f.Instances { // the master that it was
		if i.HandsOver && len(w.set.Spec.Roles) == 0 {
			t.Fatalf("r-%d hands over, and there are no roles", i.Ordinal)
		}
		for _, other := range f.Instances {
			same, _ := podspec.Shard(w.set, i.Ordinal)
			if shard, sharded := podspec.Shard(w.set, other.Ordinal); sharded && shard == same && i.Ordinal != other.Ordinal && i.Turn > 0 && i.Turn == other.Turn {
				t.Fatalf("two of a shard in turn %d: %+v %+v", i.Turn, i, other)
			}
		}
	}
}
