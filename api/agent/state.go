package agent

import (
	"fmt"
	"slices"
)

// State is what a Look found: what a switchover decides from. Redis has all of it, other engines have no such thing.
type State struct {
	// RunID is another one after each start of the engine.
	RunID string `json:"runID"`
	// Role is RoleMaster or RoleReplica. Master is host:port of whom a replica was told to follow, whether it reaches it or not.
	Role   Role   `json:"role"`
	Master string `json:"master,omitempty"`
	// LinkUp: the replica is in sync with its master. Syncing: a full copy is on its way to it. Loading: data is read from the disk.
	LinkUp  bool `json:"linkUp,omitempty"`
	Syncing bool `json:"syncing,omitempty"`
	Loading bool `json:"loading,omitempty"`
	// History is the replication id. Before a promotion it was Former, and FormerEnd is the first byte that is not of that; -1: there
	// was none.
	History   string `json:"history"`
	Former    string `json:"former,omitempty"`
	FormerEnd int64  `json:"formerEnd"`
	// Offset in bytes: of a master, what it has produced; of a replica, what it has carried out, -1 if nothing yet.
	Offset int64 `json:"offset"`
	// Followers are the replicas that are connected to it, at most MaxFollowers of them.
	Followers []Follower `json:"followers,omitempty"`
	// Priority is replica-priority, with 0 it is never to be promoted; -1 for a master.
	Priority int `json:"priority"`
	// MinReplicas and MaxLagSeconds keep a master that has fewer replicas than that from taking writes; either being 0 turns it off.
	MinReplicas   int   `json:"minReplicas"`
	MaxLagSeconds int64 `json:"maxLagSeconds"`
	// FailingOver is what a failover by the engine itself is about; "" or no-failover if there is none.
	FailingOver string `json:"failingOver,omitempty"`
}

// Follower is a replica as its master sees it. Offset in bytes is what it has confirmed, LagSeconds how long ago it said anything.
type Follower struct {
	Address    string `json:"address"`
	Online     bool   `json:"online,omitempty"`
	Offset     int64  `json:"offset"`
	LagSeconds int64  `json:"lagSeconds"`
}

// MaxFollowers bounds State.Followers. No shard has as many instances.
const MaxFollowers = 64

func (s *State) validate() error {
	if s == nil {
		return nil
	}
	if s.Role != RoleMaster && s.Role != RoleReplica {
		return fmt.Errorf("state: role: %.32q is neither %s nor %s", string(s.Role), RoleMaster, RoleReplica)
	}
	if s.RunID == "" || s.History == "" {
		return fmt.Errorf("state: runID and history are needed")
	}
	if s.MinReplicas < 0 || s.MaxLagSeconds < 0 {
		return fmt.Errorf("state: minReplicas %d and maxLagSeconds %d cannot be negative", s.MinReplicas, s.MaxLagSeconds)
	}
	if len(s.Followers) > MaxFollowers {
		return fmt.Errorf("state: there are %d followers, the limit is %d", len(s.Followers), MaxFollowers)
	}
	for _, f := range s.Followers {
		if err := validWord("state: follower", f.Address, 262); err != nil {
			return err
		}
	}
	return firstOf(
		validWord("state: runID", s.RunID, 64), validAddress("state: master", s.Master), validWord("state: history", s.History, 64),
		validWord("state: former", s.Former, 64), validWord("state: failingOver", s.FailingOver, 64),
	)
}

func validRefusal(r Refusal) error {
	if r != "" && !slices.Contains(Refusals(), r) {
		return fmt.Errorf("refused: %.32q is not known", string(r))
	}
	return nil
}
