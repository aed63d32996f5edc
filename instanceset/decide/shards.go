package decide

import (
	"slices"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/podspec"
)

// shard is the instances that hold copies of the same data. A set without shards is treated as one, with rules of its own
// where it says so.
type shard struct {
	index   int32
	members []*instance
	// holders are members on healthy nodes that are Ready and will stay: they could hold the data of another one.
	holders []*instance
	// busy are members whose data is on its way to another node.
	busy []*instance
	// led: one of them has the label master.
	led bool
}

// homeless is the first replacement of the shard for which the scheduler has no place, nil when there is none.
func (s *shard) homeless() *instance {
	if at := slices.IndexFunc(s.busy, (*instance).homeless); at >= 0 {
		return s.busy[at]
	}
	return nil
}

func (v *view) sharded() bool { return v.spec.ShardSize != nil }

// shardOf is the index of the instance's shard.
func (v *view) shardOf(i *instance) int32 {
	index, _ := podspec.Shard(v.Set, i.ordinal)
	return index
}

func (v *view) shard(i *instance) *shard { return &v.shards[v.shardAt[v.shardOf(i)]] }

// countShards is how many shards there are instances of.
func (v *view) countShards() int {
	n, last := 0, int32(-1)
	for i := range v.instances {
		if index := v.shardOf(&v.instances[i]); n == 0 || index != last {
			n, last = n+1, index
		}
	}
	return n
}

func (v *view) groupShards() {
	v.shards = make([]shard, 0, v.countShards())
	v.shardAt = make(map[int32]int, cap(v.shards))
	members, holders := make([]*instance, len(v.instances)), make([]*instance, len(v.instances)) // of all shards, one after the other
	for n := range v.instances {
		i := &v.instances[n]
		index := v.shardOf(i)
		if len(v.shards) == 0 || v.shards[len(v.shards)-1].index != index {
			v.shardAt[index] = len(v.shards)
			v.shards = append(v.shards, shard{index: index, members: members[n:n], holders: holders[n:n]})
		}
		s := &v.shards[len(v.shards)-1]
		s.members = append(s.members, i)
		s.led = s.led || i.pod != nil && i.pod.Role == v1alpha1.RoleMaster
		if v.holds(i) { // no more than members, so that they do not meet those of the next shard
			s.holders = append(s.holders, i)
		}
		if v.busy(i) {
			s.busy = append(s.busy, i)
		}
	}
	v.forget()
}

// holds reports whether the instance counts as another holder of its shard's data.
func (v *view) holds(i *instance) bool {
	return i.online() && i.ready() && !i.lost() && v.state(i.pod.Node) == NodeHealthy
}

// busy reports whether the instance was declared lost, or was replaced and is not Ready yet. One that was replaced and
// then met another node that died or fell silent is not busy: nothing goes on there, and others would wait for it for
// ever. That one was Ready since it was replaced is recorded nowhere, so that any later trouble of it makes it busy again:
// the error is on the side of the data.
func (v *view) busy(i *instance) bool {
	if !i.online() {
		return i.wanted && i.lost()
	}
	going := i.node() == "" || v.state(i.node()) == NodeHealthy
	return i.lost() || !i.ready() && v.generation(i) > 0 && going
}

// wantedShards is the number of shards among the wanted instances, 0 without shards.
func (v *view) wantedShards() int32 {
	if !v.sharded() {
		return 0
	}
	n := v.Rest.shardCount()
	for s := range v.shards {
		if slices.ContainsFunc(v.shards[s].members, func(i *instance) bool { return i.wanted }) {
			n++
		}
	}
	return n
}
