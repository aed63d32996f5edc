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

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/reason"
	"github.com/shoal-dev/shoal/roles/decide"
)

// verdicts are how the shards of each set were judged last, from which the conditions of the set are made.
type verdicts struct {
	wake func(types.NamespacedName)

	mu   sync.Mutex
	sets map[types.NamespacedName]map[string]verdict // by shard
	// whole are the sets of which every shard was judged once, by UID. After that the verdicts say which shards there are.
	whole map[types.NamespacedName]types.UID
}

type verdict struct {
	noMaster, twoMasters, behind decide.Verdict
}

func newVerdicts(wake func(types.NamespacedName)) *verdicts {
	return &verdicts{wake: wake, sets: map[types.NamespacedName]map[string]verdict{}, whole: map[types.NamespacedName]types.UID{}}
}

func (v *verdicts) note(shard shardKey, plan decide.Plan) {
	if v.changed(shard, verdict{plan.NoMaster, plan.TwoMasters, plan.Behind}) {
		v.wake(shard.owner())
	}
}

func (v *verdicts) changed(shard shardKey, now verdict) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	of := v.sets[shard.owner()]
	if of == nil {
		of = map[string]verdict{}
		v.sets[shard.owner()] = of
	}
	before, known := of[shard.shard]
	of[shard.shard] = now
	return !known || before != now
}

// drop is for a shard that has no pods, or whose set is gone.
func (v *verdicts) drop(shard shardKey) {
	if v.dropped(shard) {
		v.wake(shard.owner())
	}
}

func (v *verdicts) dropped(shard shardKey) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	of := v.sets[shard.owner()]
	_, known := of[shard.shard]
	delete(of, shard.shard)
	if len(of) == 0 {
		delete(v.sets, shard.owner())
		delete(v.whole, shard.owner())
	}
	return known
}

// isWhole reports whether each shard of the set was judged at some time.
func (v *verdicts) isWhole(set types.NamespacedName, uid types.UID) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.whole[set] == uid
}

// setWhole notes that each shard of the set was judged, if there is one at all: the last one that goes takes the note along.
func (v *verdicts) setWhole(set types.NamespacedName, uid types.UID) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.sets[set]) > 0 {
		v.whole[set] = uid
	}
}

// of is a copy.
func (v *verdicts) of(set types.NamespacedName) map[string]verdict {
	v.mu.Lock()
	defer v.mu.Unlock()
	return maps.Clone(v.sets[set])
}

// noMasterReasons, twoMastersReasons and behindReasons are what shards may say, what needs a person first.
var (
	noMasterReasons = []reason.Code{
		reason.EmptyMaster, reason.MastersContested, reason.OthersUnheard, reason.MasterSilent, reason.MasterNotConfirmed, reason.HASilent,
		reason.NoMasterClaim, reason.MasterNotServing, reason.MasterMoving,
	}
	twoMastersReasons = []reason.Code{reason.MastersContested, reason.OutdatedMaster}
	behindReasons     = []reason.Code{reason.ReplicaBehind, reason.ReplicaOfReplica, reason.ReplicaMute, reason.ReplicaUnheard, reason.NothingToFollow}
)

// condition says of how many shards something holds, and names the first three with the worst reason.
func condition(kind string, shards map[string]verdict, of func(verdict) decide.Verdict, order []reason.Code, well reason.Code) metav1.Condition {
	var bad []string
	for shard, v := range shards {
		if of(v).True {
			bad = append(bad, shard)
		}
	}
	slices.Sort(bad)
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

// inSyncCondition is the condition that is True where no shard has anybody who is behind, and Unknown where that is not known of some. Shards
// of which nothing is known because most of a set are silent are not counted: it would be written for each that is heard again.
func inSyncCondition(shards map[string]verdict) metav1.Condition {
	hushed := false
	c := condition(v1alpha1.ConditionInSync, shards, func(v verdict) decide.Verdict {
		if v.behind.Reason == reason.MostUnheard {
			hushed = true
			return decide.Verdict{}
		}
		return v.behind
	}, behindReasons, reason.ReplicasInSync)
	switch {
	case c.Status == metav1.ConditionFalse && hushed:
		c.Status, c.Reason, c.Message = metav1.ConditionUnknown, reason.MostUnheard.Name(), reason.MostUnheard.Message()
	case c.Status == metav1.ConditionFalse:
		c.Status = metav1.ConditionTrue
	case c.Reason == reason.ReplicaBehind.Name(), c.Reason == reason.ReplicaOfReplica.Name():
		c.Status = metav1.ConditionFalse
	default:
		c.Status = metav1.ConditionUnknown
	}
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
