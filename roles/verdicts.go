package roles

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/shoal-dev/shoal/reason"
	"github.com/shoal-dev/shoal/roles/decide"
)

// verdicts are how the shards of each set were judged last, from which the conditions of the set are made.
type verdicts struct {
	wake func(types.NamespacedName)

	mu   sync.Mutex
	sets map[types.NamespacedName]map[string]verdict // by shard
}

type verdict struct {
	noMaster, twoMasters decide.Verdict
}

func newVerdicts(wake func(types.NamespacedName)) *verdicts {
	return &verdicts{wake: wake, sets: map[types.NamespacedName]map[string]verdict{}}
}

func (v *verdicts) note(shard shardKey, plan decide.Plan) {
	now := verdict{plan.NoMaster, plan.TwoMasters}
	v.mu.Lock()
	defer v.mu.Unlock()
	of := v.sets[shard.owner()]
	if of == nil {
		of = map[string]verdict{}
		v.sets[shard.owner()] = of
	}
	if before, known := of[shard.shard]; !known || before != now {
		of[shard.shard] = now
		v.wake(shard.owner())
	}
}

// drop is for a shard that has no pods, or whose set is gone.
func (v *verdicts) drop(shard shardKey) {
	v.mu.Lock()
	defer v.mu.Unlock()
	of := v.sets[shard.owner()]
	if _, known := of[shard.shard]; known {
		delete(of, shard.shard)
		v.wake(shard.owner())
	}
	if len(of) == 0 {
		delete(v.sets, shard.owner())
	}
}

// of is a copy.
func (v *verdicts) of(set types.NamespacedName) map[string]verdict {
	v.mu.Lock()
	defer v.mu.Unlock()
	return maps.Clone(v.sets[set])
}

// noMasterReasons and twoMastersReasons are what shards may say, what needs a person first.
var (
	noMasterReasons = []reason.Code{
		reason.MastersContested, reason.OthersUnheard, reason.MasterSilent, reason.MasterNotConfirmed, reason.HASilent,
		reason.NoMasterClaim, reason.MasterNotServing, reason.MasterMoving,
	}
	twoMastersReasons = []reason.Code{reason.MastersContested, reason.OutdatedMaster}
)

// condition says of how many shards something holds, and names the first three with the worst reason.
func condition(kind string, shards map[string]verdict, of func(verdict) decide.Verdict, order []reason.Code, well reason.Code) metav1.Condition {
	var bad []string
	for _, shard := range slices.Sorted(maps.Keys(shards)) {
		if of(shards[shard]).True {
			bad = append(bad, shard)
		}
	}
	c := metav1.Condition{Type: kind, Status: metav1.ConditionFalse, Reason: well.Name(), Message: well.Message()}
	if len(bad) == 0 {
		return c
	}
	rank := func(shard string) int { return slices.Index(order, of(shards[shard]).Reason) }
	slices.SortStableFunc(bad, func(a, b string) int { return cmp.Compare(rank(a), rank(b)) })
	worst := of(shards[bad[0]]).Reason
	var named []string
	for _, shard := range bad[:min(3, len(bad))] {
		v := of(shards[shard])
		text := v.Reason.Message()
		if v.Text != "" {
			text = v.Text + ": " + text
		}
		named = append(named, shard+": "+text)
	}
	more := ""
	if len(bad) > len(named) {
		more = ", ..."
	}
	c.Status, c.Reason = metav1.ConditionTrue, worst.Name()
	c.Message = cut(fmt.Sprintf("%d of %d shards: %s%s", len(bad), len(shards), strings.Join(named, "; "), more))
	return c
}

// cut keeps a message within what a condition may have here.
func cut(text string) string {
	const most = 1024
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most-3], "") + "..."
}
