package simulation

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/shoal-dev/shoal/podspec"
	"github.com/shoal-dev/shoal/redis"
)

// The Redis of each shard: its first instance that runs and has the data is the master, and takes writes whether or not its
// node reaches anybody; the others follow while they and the master reach each other. An offset is what a copy has of the
// writes, as in a real Redis: when a master dies that was cut off, the next one goes on from less, and what was written
// meanwhile is gone. Whoever starts on a volume has the offset that was reached there.

// bytesPerSecond is what clients write to a master.
const bytesPerSecond = 100

// copied is an instance that has the data of its shard, and its machine.
type copied struct {
	*process
	on *machine
}

// replicate brings all offsets up to now. It comes before a process or a machine comes, goes, or is heard no more.
func (w *World) replicate() {
	elapsed := time.Since(w.replicated)
	w.replicated = time.Now()
	shards := map[string][]copied{}
	for _, name := range w.machineNames() {
		m := w.machines[name]
		for _, p := range sorted(m.running) {
			if p.synced && !m.off {
				shard := w.shardOf(p.name)
				shards[shard] = append(shards[shard], copied{p, m})
			}
		}
	}
	for _, shard := range slices.Sorted(maps.Keys(shards)) {
		w.replicateShard(shard, shards[shard], elapsed)
	}
}

// replicateShard moves the copies of one shard on.
func (w *World) replicateShard(shard string, copies []copied, elapsed time.Duration) {
	if copies[0].engine != nil {
		w.followRoles(shard, copies, elapsed)
		return
	}
	master := copies[0]
	for _, c := range copies {
		if ordinalOf(c.name.Name) < ordinalOf(master.name.Name) {
			master = c
		}
	}
	if len(copies) > 1 || master.offset > 0 { // a Redis counts from its first replica on
		master.offset += int64(elapsed.Seconds() * bytesPerSecond)
	}
	for _, c := range copies {
		if c.on == master.on || c.on.reachable() && master.on.reachable() {
			c.offset = master.offset
		}
		for _, v := range c.volumes {
			if _, kept := w.data[v]; kept { // it may have been wiped under the process
				w.data[v] = c.offset
			}
		}
	}
	if lost := w.written[shard] - master.offset; lost > 0 {
		w.tell("redis", "%s is master of %s, and has not the last %d bytes that were written", master.name.Name, shard, lost)
	}
	w.written[shard] = master.offset
}

// copyOf is the offset of the data on the volumes of a process, and whether there is any.
func (w *World) copyOf(p *process) (offset int64, has bool) {
	for _, v := range p.volumes {
		if o, kept := w.data[v]; kept {
			offset, has = max(offset, o), true
		}
	}
	return offset, has
}

// ask answers as the Redis with that address would. The manager asks several at the same time.
func (w *World) ask(_ context.Context, addr string) (redis.Role, error) {
	w.asking.Lock()
	defer w.asking.Unlock()
	w.replicate()
	for _, name := range w.machineNames() {
		m := w.machines[name]
		for _, p := range sorted(m.running) {
			if p.ip+":6379" != addr {
				continue
			}
			if !m.reachable() || p.stopping || w.muted[p.name.Name] || p.engine != nil && !p.up() {
				return redis.Role{}, errors.New("timeout")
			}
			return w.roleOf(copied{p, m}), nil
		}
	}
	return redis.Role{}, errors.New("no route to host")
}

// roleOf is what a Redis says of itself. One that was just started, and knows of nobody, calls itself a master.
func (w *World) roleOf(p copied) redis.Role {
	if p.engine != nil {
		s := w.stateOf(p)
		r := redis.Role{Kind: s.Kind, Offset: s.Offset}
		if s.Kind == redis.Replica {
			r.Link = map[bool]string{true: "connected", false: "connect"}[s.LinkUp]
		}
		return r
	}
	if !p.synced {
		return redis.Role{Kind: redis.Master}
	}
	if others := w.holders(p.name); len(others) > 0 && ordinalOf(others[0].name.Name) < ordinalOf(p.name.Name) {
		return redis.Role{Kind: redis.Replica, Offset: p.offset, Link: "connected"}
	}
	return redis.Role{Kind: redis.Master, Offset: p.offset}
}

// shardOf names the shard of an instance; a set without shards is one.
func (w *World) shardOf(instance types.NamespacedName) string {
	name, ordinal := splitName(instance.Name)
	if size := w.shardSize[name]; size > 0 {
		return podspec.Name(name, int32(ordinal)/size)
	}
	return name
}
