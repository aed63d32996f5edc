package roles

import (
	"sync"
	"time"

	"github.com/shoal-dev/shoal/reason"
	"github.com/shoal-dev/shoal/roles/decide"
)

const (
	// idle is how often Sentinels are asked about a shard of which nothing is heard; soon how often while its label is about
	// to move, at first: what they have yet to tell each other they do within a second or two.
	idle = 15 * time.Second
	soon = 500 * time.Millisecond
)

// paces remember how long each shard whose label is held back has waited. Each time it is twice as long, up to idle: else
// thousands of shards would be looked at without end while all Sentinels are down.
type paces struct {
	mu     sync.Mutex
	shards map[shardKey]pace
}

type pace struct {
	verdict decide.Verdict
	next    time.Duration
}

// again is when to look at the shard again though nothing is heard.
func (p *paces) again(shard shardKey, plan decide.Plan, late bool) time.Duration {
	after := p.after(shard, plan.NoMaster)
	if late {
		after = unseenRecheck
	}
	if plan.RequeueAfter > 0 {
		after = min(after, plan.RequeueAfter)
	}
	return after
}

func (p *paces) after(shard shardKey, v decide.Verdict) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch v.Reason {
	case reason.MasterMoving:
		return soon
	case reason.MasterNotConfirmed, reason.HASilent:
	default:
		delete(p.shards, shard)
		return idle
	}
	before := p.shards[shard]
	if before.verdict != v {
		before = pace{v, soon}
	}
	if p.shards == nil {
		p.shards = map[shardKey]pace{}
	}
	p.shards[shard] = pace{v, min(2*before.next, idle)}
	return before.next
}

func (p *paces) drop(shard shardKey) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.shards, shard)
}
