package simulation

import (
	"flag"
	"maps"
	"math/rand"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shoal-dev/shoal/simulation/farm"
)

var (
	worker = flag.Bool("worker", false, "be a worker of `make sim`: read jobs, and write results to file 3")
	lines  = flag.Int("lines", 60, "lines of the trace that are shown of a seed that fails")
)

// playSeed plays a seed in a bubble of its own.
func playSeed(t *testing.T, job farm.Job) farm.Result {
	t.Helper()
	a, err := assets()
	if err != nil {
		t.Fatal(err)
	}
	var r farm.Result
	synctest.Test(t, func(t *testing.T) {
		rand.Seed(job.Seed) //nolint:staticcheck // see world_test.go
		if r, err = Play(t.Context(), a, job); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Minute) // of the bubble: a seed that fails ends in the middle, and what retries a write must end too
	})
	return r
}

// TestWorker is what `make sim` starts on each core.
func TestWorker(t *testing.T) {
	if !*worker {
		t.Skip("only with -worker")
	}
	err := farm.Serve(os.Stdin, os.NewFile(3, "results"), func(job farm.Job) farm.Result {
		r := playSeed(t, job)
		if !r.Failed() {
			r.Trace = nil
		}
		return r
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestSeeds plays a few seeds; `make sim` plays many.
func TestSeeds(t *testing.T) {
	for seed := range int64(10) {
		if r := playSeed(t, farm.Job{Seed: seed}); r.Failed() {
			t.Errorf("seed %d: %s\n%s\nagain: make sim SEED=%d", seed, r.Failure, last(r.Trace, *lines), seed)
		}
	}
}

// pinned are seeds that failed once, with what was wrong. A change of what the simulation draws makes other runs of them; they
// cost little.
var pinned = map[int64]string{
	3546:  "the manager: it panicked over the status of a policy whose instances have different sizes when there was no node",
	3:     "the scheduler: the answer to a claim's promise was lost, and the place was given away again: M exceeded",
	7:     "the scheduler: a promise arrived twice, and the second answer was a conflict: two copies of a shard on a node",
	30:    "the scheduler: a plan that had nothing for the last of a shard was kept when its nodes came back",
	93:    "the checker: force after a person took back what they declared, by a manager that looks at its cache alone",
	104:   "the manager: one that slept while another led deleted the claims of a scale-out that it had not seen",
	611:   "the scheduler: a pod whose Node was deleted before the watch had shown it there held no slot: K exceeded",
	1058:  "the model: a kubelet that came back did not see that a pod of its was gone: an instance ran twice",
	1146:  "the model: a machine whose Node a person had deleted stayed away for good",
	1183:  "the model: an event that was drawn to be minutes late came when all was settled",
	1218:  "the model: a set was scaled into the places of another that was just being made anew",
	1419:  "the checker: preemption that may not write is tried again at once, by upstream, and is no loop of ours",
	1600:  "the scheduler: a claim was replaced before it saw that, and the slot that let the pod in was gone: M exceeded",
	6258:  "the checker: a set that was made again keeps what it recorded while its former claims were there",
	8285:  "the checker: limits were lowered between the choice of a node and the binding, on a claim that did not count yet",
	10114: "the manager: one that had just started made the claim of a lost instance as a first one, by a record from before it",
	14024: "the manager: replacements were given up many times a second while the scheduler did not know of the taint",
	14049: "the checker: the scheduler writes again what it has written and not seen yet, while events are late",
	14086: "the manager: the answer to the record was lost, and the pod of an instance that held data was made as a first one",
	14717: "the checker: of a group beyond its limits, an instance went to a node whose last one had just gone, unseen",
	15556: "the scheduler: while a promise was in doubt, the pods of a group woke each other a thousand times a second",
	17464: "the checker: a set waits because another one of the group keeps its place on a node that stays away",
	17496: "the manager: one that slept made the pod of an instance that had been scaled in meanwhile",
	17797: "the manager: one that had just started did the same, and the record forgot the instance",
	7063:  "the scheduler: a pod that found no node was tried in two ways in turn, and its status told of one and then of the other",
	10212: "the scheduler: a retired claim got its slot back, its pod went before that was seen, and a node too many was taken",
	18022: "the scheduler: a place was kept for an instance that was offline, and a sibling of another size waited for it",
	19875: "the scheduler: the same, for an instance of a set of which others were scaled in and taken offline",
	8434:  "the manager: a webhook that refuses to give claims their slots back was asked a thousand times a minute",
	4807:  "the scheduler: a pod went to a node that its group had left unseen, while the group was over a limit that had been lowered",
	72:    "the scheduler: a pod in mode BestEffort took the room that a sibling needed where its volume was",
	16331: "the manager: one that slept knew the set and not a claim that had come meanwhile, and forgot that an instance held data",
	17451: "upstream: a pod that took the name of another scheduler's, while the watch was interrupted, was never queued",
	5070:  "the model: nobody lifted the limits that all sets share, because the only set was just being made again",

	2000097: "the model: the one instance that was left followed one that was gone, and nobody made it a master",

	3000007: "the manager: two instances of a shard without volumes, each with an image that could not be had, waited for each other",
	3000137: "the manager: the same for Redis itself, where a resize came with the good image",
	3000170: "the manager: two masters whose resize was deferred waited for their replicas, and those for room in the limit",
	3000175: "the manager: instances whose resize was infeasible waited for a place in the limit, which each of them took, to have another one",
	3000196: "the manager: a master that was alone kept an image beside it that could not be had, for the sake of a handover",
	3000034: "the manager: a Switchover whose end was written and whose answer was lost was let go, and never deleted",
	3000044: "the model: an agent whose report was on its way when the manager crashed never reported again",
	3000114: "the manager: an update that waited for a claim that a person had deleted did not say so",
	3000126: "the checker: an instance that an update had disturbed, and that was back, counted when something else took it away later",
	3000045: "the manager: after an image that never came, the next one waited for the container that had run before to stop",

	4000270: "switchover: To was to take writes without From, which was silent; then From was back and To silent, and both took writes",
}

func TestPinnedSeeds(t *testing.T) {
	for _, seed := range slices.Sorted(maps.Keys(pinned)) {
		if r := playSeed(t, farm.Job{Seed: seed}); r.Failed() {
			t.Errorf("seed %d (%s): %s\n%s", seed, pinned[seed], r.Failure, last(r.Trace, *lines))
		}
	}
}

func last(trace []string, n int) string { return strings.Join(trace[max(0, len(trace)-n):], "\n") }

// A seed that cannot be played again is of no use.
func TestTheSameSeedIsTheSameRun(t *testing.T) {
	for _, seed := range []int64{0, 1, 4, 15, 29, 67, cutting[1], cutting[2], firstRoled + roled[0], firstRoled + roled[1], firstRoled + roled[3]} {
		a, b := playSeed(t, farm.Job{Seed: seed}).Trace, playSeed(t, farm.Job{Seed: seed}).Trace
		for n := range min(len(a), len(b)) {
			if a[n] != b[n] {
				t.Fatalf("seed %d, line %d:\n%s\n%s\nbefore:\n%s", seed, n, a[n], b[n], last(a[:n], 10))
			}
		}
		if len(a) != len(b) {
			t.Errorf("seed %d: %d and %d lines", seed, len(a), len(b))
		}
	}
}
