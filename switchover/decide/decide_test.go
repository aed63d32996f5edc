package decide

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shoal-dev/shoal/reason"
)

// began is when the run of these tests began, of which a look is taken some time later.
var began = time.Unix(1000, 0)

var open, closed = Fence{Lag: 10 * time.Second}, Fence{1, 10 * time.Second}

// shard is r-0, which is master, with two replicas, and three Sentinels that name it.
func shard() Snapshot {
	s := Snapshot{Now: began, Request: Request{From: "r-0", To: "r-1", Configured: &open}, Memory: Memory{Began: began}}
	for _, name := range []string{"r-0", "r-1", "r-2"} {
		s.Instances = append(s.Instances, Instance{Name: name, Addr: name + ":1", Reachable: true, Of: "r-0:1", LinkUp: true, History: "a", Offset: 100, Priority: 100, Fence: open})
	}
	s.Instances[0].Master, s.Instances[0].Of, s.Instances[0].LinkUp, s.Instances[0].Followers = true, "", false, 2
	for _, name := range []string{"s-0", "s-1", "s-2"} {
		s.Sentinels = append(s.Sentinels, Sentinel{Addr: name, Reachable: true, Master: "r-0:1", Quorum: 2, Peers: 2, DownAfter: 5 * time.Second, FailoverTimeout: time.Minute})
	}
	return s
}

// after is so long after the beginning.
func (s Snapshot) after(d time.Duration) Snapshot { s.Now = began.Add(d); return s }

// name has the first n Sentinels name somebody since an election.
func (s Snapshot) name(n int, who string, epoch uint64) Snapshot {
	for i := range n {
		s.Sentinels[i].Master, s.Sentinels[i].Epoch = who+":1", epoch
	}
	return s
}

// behind: r-1 has the fence on, and 90 of the 100 bytes of r-0, which had so many when it was looked at first.
func behind(had int64) Snapshot {
	s := shard()
	s.Instances[1].Fence, s.Instances[1].Offset, s.Memory.Target, s.Memory.Had = closed, 90, "r-1", Left{"a", had}
	return s
}

// failedOver: Sentinels have promoted r-1 while r-0 was stopped; r-0 is back, and r-1 stopped.
func failedOver(n int) Snapshot {
	s := shard().name(n, "r-1", 1)
	s.Instances[1] = Instance{Name: "r-1", Addr: "r-1:1"}
	s.Instances[2].Of, s.Instances[2].LinkUp = "r-1:1", false
	return s
}

// held: r-0 was demoted to nobody, 200 ms after the beginning, after election 7.
func held() Snapshot {
	s := shard().after(300 * time.Millisecond)
	s.Instances[0].Master, s.Instances[0].Held, s.Instances[0].Of = false, true, "127.0.0.1:1"
	s.Instances[1].Fence = closed
	s.Memory.Target, s.Memory.PausedAt, s.Memory.StoppedAt = "r-1", began.Add(100*time.Millisecond), began.Add(200*time.Millisecond)
	s.Memory.Epoch, s.Memory.ElectedAt = 7, began.Add(150*time.Millisecond)
	return s
}

// promoted is held, and r-1 is master of a history that begins where that of r-0 ended.
func promoted() Snapshot {
	s := held()
	s.Instances[1].Master, s.Instances[1].Of, s.Instances[1].LinkUp = true, "", false
	s.Instances[1].History, s.Instances[1].Former, s.Instances[1].FormerEnd = "b", "a", 101
	return s
}

// follows is promoted, r-0 follows r-1, and Sentinels name it.
func follows() Snapshot {
	s := promoted().name(3, "r-1", 7)
	s.Instances[0].Held, s.Instances[0].Of, s.Instances[0].LinkUp, s.Instances[0].History = false, "r-1:1", true, "b"
	s.Instances[0].Former, s.Instances[0].FormerEnd = "a", 101
	s.Instances[1].Followers, s.Instances[1].Fence = 1, open
	s.Memory.Told, s.Memory.Unpaused = []Told{{"r-1", 7}}, true
	return s
}

// done is follows, as another run sees it who has done nothing.
func done() Snapshot {
	s := follows()
	s.Memory = Memory{Began: began, Unpaused: true}
	s.Instances[2].Of, s.Instances[2].History = "r-1:1", "b"
	return s
}

// gone: r-0 does not answer any more, after it was seen to follow nobody with 100 bytes.
func gone(s Snapshot) Snapshot {
	s.Instances[0], s.Memory.Left = Instance{Name: "r-0", Addr: "r-0:1"}, Left{"a", 100}
	s.Instances[2].LinkUp = false
	return s
}

// emptied: r-0, which was seen to follow nobody with 100 bytes, was killed and has started again with nothing. It follows nobody.
func emptied(s Snapshot) Snapshot {
	s.Memory.Most, s.Memory.Left = Left{"a", 100}, Left{"a", 100}
	s.Instances[0].History, s.Instances[0].Offset = "z", 1 // as Redis says of a replica that has started with nothing
	return s
}

// lacking: r-1 lacks ten bytes.
func lacking(s *Snapshot) { s.Instances[1].Offset = 90 }

// forgotten: another run looks, which has seen nothing of what was before.
func forgotten(s Snapshot) Snapshot {
	s.Request.To, s.Memory = "", Memory{Began: began}
	return s
}

// vain: r-2 was promoted before r-0 had its last bytes, and has the fence on.
func vain(s *Snapshot) {
	s.Instances[2] = Instance{Name: "r-2", Addr: "r-2:1", Reachable: true, Master: true, History: "c", Former: "a", FormerEnd: 91, Offset: 90, Fence: closed}
}

func with(s Snapshot, changes ...func(*Snapshot)) Snapshot {
	for _, change := range changes {
		change(&s)
	}
	return s
}

func ended(result Result, code reason.Code) Step { return Step{Do: End, Result: result, Code: code} }

var looks = []struct {
	name string
	look Snapshot
	want Step // of which Do, Instance, Result, Code and Fenced are compared
}{
	{"all is well", shard(), Step{Do: SetFence, Instance: "r-1"}},

	// A failover of Sentinel is never overruled.
	{"Sentinels promoted another, a moment", failedOver(3), Step{Do: Wait}},
	{"Sentinels promoted another", failedOver(3).after(3 * time.Second), ended(Undecided, reason.AnotherMaster)},
	{"two of three have heard", failedOver(2).after(3 * time.Second), ended(Undecided, reason.AnotherMaster)},
	{"one of three has heard", failedOver(1).after(3 * time.Second), ended(Undecided, reason.AnotherMaster)},
	{"they have, and all is reachable", with(failedOver(3), func(s *Snapshot) { s.Instances[2] = shard().Instances[2]; s.Instances[1] = shard().Instances[1] }).after(3 * time.Second), ended(Undecided, reason.AnotherMaster)},
	{"they have, too late for anything", failedOver(3).after(30 * time.Second), ended(Undecided, reason.AnotherMaster)},
	{"they have, while writes were held", with(failedOver(3).after(3*time.Second), func(s *Snapshot) {
		s.Memory.Target, s.Memory.PausedAt, s.Memory.Epoch, s.Memory.ElectedAt = "r-2", began, 1, began
	}), ended(Undecided, reason.AnotherMaster)},
	{"they have, and the way went back before", with(failedOver(3).name(3, "r-1", 9).after(3*time.Second), func(s *Snapshot) {
		s.Memory.Told, s.Memory.Epoch, s.Memory.GivenUp = []Told{{"r-1", 7}, {"r-0", 8}}, 8, reason.TargetLost
		s.Memory.PausedAt, s.Memory.Unpaused = began, true
	}), ended(Undecided, reason.AnotherMaster)},
	{"one that has heard of no election yet", with(shard().name(2, "r-0", 5), func(s *Snapshot) { s.Sentinels[2].Master = "r-2:1" }), Step{Do: SetFence, Instance: "r-1"}},
	{"what this run has told one is taken back", with(shard().name(1, "r-1", 7).after(3*time.Second), func(s *Snapshot) {
		s.Memory.Target, s.Memory.Told, s.Memory.Epoch, s.Memory.ElectedAt, s.Memory.GivenUp = "r-1", []Told{{"r-1", 7}, {"r-0", 8}}, 8, began, reason.TargetLost
		s.Memory.PausedAt, s.Memory.Unpaused = began, true
	}), Step{Do: Tell, Instance: "r-0", Code: reason.TargetLost}},
	{"a stray that Sentinels name", with(follows(), func(s *Snapshot) {
		s.Instances[2] = Instance{Name: "r-2", Addr: "r-2:1", Reachable: true, Master: true, History: "c", Former: "b", FormerEnd: 50, Offset: 60, Fence: closed}
		s.Sentinels[0].Master, s.Sentinels[0].Epoch = "r-2:1", 8
	}), Step{Do: Wait}},
	{"a stray that they do not name", with(follows(), func(s *Snapshot) {
		s.Instances[2] = Instance{Name: "r-2", Addr: "r-2:1", Reachable: true, Master: true, History: "c", Former: "b", FormerEnd: 50, Offset: 60, Fence: closed}
	}), Step{Do: Follow, Instance: "r-2"}},
	{"a stray, and a Sentinel is away", with(follows(), func(s *Snapshot) {
		s.Instances[2] = Instance{Name: "r-2", Addr: "r-2:1", Reachable: true, Master: true, History: "c", Former: "b", FormerEnd: 50, Offset: 60, Fence: closed}
		s.Sentinels[2] = Sentinel{Addr: "s-2"}
	}), Step{Do: Wait}},
	{"From follows, and Sentinels name a third", follows().name(3, "r-2", 8), Step{Do: Wait}},
	{"From follows, and they still name a third", follows().name(3, "r-2", 8).after(15 * time.Second), ended(Undecided, reason.AnotherMaster)},
	{"held, and Sentinels name a third", held().name(3, "r-2", 8), Step{Do: Wait}},
	{"promoted, and Sentinels name a third", promoted().name(1, "r-2", 6), Step{Do: Wait}},
	{"held, and a Sentinel promotes somebody", with(held(), func(s *Snapshot) { s.Sentinels[0].FailingOver = true }), Step{Do: Wait}},
	{"promoted, and a Sentinel promotes somebody", with(promoted(), func(s *Snapshot) { s.Sentinels[0].FailingOver = true }), Step{Do: Wait}},
	{"held, and a Sentinel still promotes somebody", with(held().after(11*time.Second), func(s *Snapshot) { s.Sentinels[0].FailingOver = true }), ended(Undecided, reason.AnotherMaster)},
	{"gone, and a Sentinel promotes somebody", with(gone(held()), func(s *Snapshot) { s.Sentinels[0].FailingOver = true }), Step{Do: Wait}},
	{"follows, and a Sentinel promotes somebody", with(follows().name(2, "r-0", 0), func(s *Snapshot) {
		s.Sentinels[2].FailingOver, s.Memory.Told, s.Instances[2].Of, s.Instances[2].History = true, nil, "r-1:1", "b"
	}), Step{Do: Wait}},
	{"paused, and Sentinels find the master down", with(shard(), func(s *Snapshot) {
		s.Memory.PausedAt, s.Memory.Target, s.Instances[1].Fence = began, "r-1", closed
		s.Sentinels[0].Down, s.Sentinels[1].Down = true, true
	}), Step{Do: Unpause, Instance: "r-0", Code: reason.NoSentinelMajority}},
	{"held, and another is master that nobody promoted", with(held(), vain), Step{Do: Promote, Instance: "r-1"}},
	{"held, and another is master, and a Sentinel is away", with(held(), vain, func(s *Snapshot) { s.Sentinels[2].Reachable = false }), Step{Do: Wait}},
	{"held, and another is master that takes writes", with(held(), vain, func(s *Snapshot) { s.Instances[2].Fence = open }), Step{Do: Wait}},
	{"held by another run, and another is master that has everything", with(held(), vain, func(s *Snapshot) {
		s.Memory, s.Instances[2].FormerEnd, s.Instances[2].Offset = Memory{Began: began, Epoch: 7, ElectedAt: began}, 101, 100
	}), Step{Do: Tell, Instance: "r-2"}},
	{"held by another run, the new one gone", with(held().name(3, "r-1", 8), func(s *Snapshot) {
		s.Memory = Memory{Began: began}
		s.Instances[1] = Instance{Name: "r-1", Addr: "r-1:1"}
	}), Step{Do: Wait}},
	{"held, the new one gone, which took writes, told by this run", with(held().name(3, "r-1", 7), func(s *Snapshot) {
		s.Memory.Told, s.Memory.Written = []Told{{"r-1", 7}}, "r-1"
		s.Instances[1] = Instance{Name: "r-1", Addr: "r-1:1"}
	}), Step{Do: Wait}},
	{"held, the new one gone, told by this run", with(held().name(3, "r-1", 7), func(s *Snapshot) {
		s.Memory.Told = []Told{{"r-1", 7}}
		s.Instances[1] = Instance{Name: "r-1", Addr: "r-1:1"}
	}), Step{Do: Elect, Code: reason.TargetLost}},
	{"held, the new one gone, and another follows somebody unknown", with(held(), func(s *Snapshot) {
		s.Instances[1], s.Instances[2].Of = Instance{Name: "r-1", Addr: "r-1:1"}, "x:1"
	}), Step{Do: Wait}},
	{"held, the new one is behind, and another follows somebody unknown", with(held().after(2*time.Second), func(s *Snapshot) {
		s.Instances[1].Offset, s.Instances[2].Of = 90, "x:1"
	}), Step{Do: Wait}},
	{"held, the new one gone, and another follows nobody too", with(held(), func(s *Snapshot) {
		s.Instances[1], s.Instances[2].Of, s.Instances[2].Held = Instance{Name: "r-1", Addr: "r-1:1"}, "127.0.0.1:1", true
	}), Step{Do: Return, Instance: "r-0", Code: reason.TargetLost}},
	{"held, the new one has a replica of its own", with(held(), func(s *Snapshot) { s.Instances[1].Followers = 1 }), Step{Do: Wait}},
	// From dies when nobody takes writes, and the one that takes over has everything.
	{"held and gone", gone(held()), Step{Do: Promote, Instance: "r-1"}},
	{"held and gone, and the fence is off", with(gone(held()), func(s *Snapshot) { s.Instances[1].Fence = open }), Step{Do: SetFence, Instance: "r-1"}},
	{"held and gone, the new one lacks a byte", with(gone(held()), func(s *Snapshot) { s.Memory.Left.Offset = 101 }), Step{Do: Wait}},
	{"held and gone, the new one has started again", with(gone(held()), func(s *Snapshot) { s.Instances[1].History = "z" }), Step{Do: Wait}},
	{"held and gone, the new one follows another", with(gone(held()), func(s *Snapshot) { s.Instances[1].Of = "r-2:1" }), Step{Do: Wait}},
	{"held and gone, the new one has a replica", with(gone(held()), func(s *Snapshot) { s.Instances[1].Followers = 1 }), Step{Do: Wait}},
	{"held and gone, the votes are old", with(gone(held()).after(9*time.Second), func(s *Snapshot) { s.Memory.ElectedAt = began.Add(-3 * time.Second) }), Step{Do: Wait}},
	{"held and gone, the way went back before", with(gone(held()), func(s *Snapshot) { s.Memory.GivenUp = reason.TargetBehind }), Step{Do: Wait}},
	{"held and gone, and Sentinels name a third", gone(held()).name(2, "r-2", 8), Step{Do: Wait}},
	{"gone, and never seen to follow nobody", with(gone(held()), func(s *Snapshot) { s.Memory.Left = Left{} }), Step{Do: Wait}},
	{"promoted and gone", gone(promoted()), Step{Do: Tell, Instance: "r-1"}},
	{"promoted and gone, what it has is not all", with(gone(promoted()), func(s *Snapshot) { s.Instances[1].FormerEnd = 100 }), Step{Do: Wait}},
	{"told and gone", with(gone(promoted()).name(3, "r-1", 7), func(s *Snapshot) { s.Memory.Told = []Told{{"r-1", 7}} }), Step{Do: Follow, Instance: "r-2"}},
	{"told and gone, and there is no other", with(gone(promoted()).name(3, "r-1", 7), func(s *Snapshot) {
		s.Memory.Told, s.Instances[2] = []Told{{"r-1", 7}}, Instance{Name: "r-2", Addr: "r-2:1"}
	}), Step{Do: SetFence, Instance: "r-1"}},
	{"told and gone, there is no other, and no Sentinel", with(gone(promoted()), func(s *Snapshot) {
		s.Request.Static, s.Sentinels, s.Instances[2] = true, nil, Instance{Name: "r-2", Addr: "r-2:1"}
	}), Step{Do: Wait}},
	{"promoted, and From's pod is made anew, where nobody knows", with(gone(promoted()), func(s *Snapshot) { s.Instances[0].Addr = "r-0" }).name(3, "r-1", 7), Step{Do: SetFence, Instance: "r-1"}},
	{"told and gone, the fence is off", with(gone(promoted()).name(3, "r-1", 7), func(s *Snapshot) {
		s.Memory.Told, s.Instances[2].Of, s.Instances[2].History, s.Instances[1].Fence, s.Instances[1].Followers = []Told{{"r-1", 7}}, "r-1:1", "b", open, 1
	}), ended(HandedOver, reason.HandedOverInPart)},

	// From has started again without what it had: nothing is given back to it, and nobody is made to copy it.
	{"held, and From has started with nothing", with(emptied(held()), lacking), Step{Do: Wait}},
	{"held, it has started with nothing, too late for anything", with(emptied(held()), lacking).after(11 * time.Second), ended(Undecided, reason.StartedAnew)},
	{"held, it has started with nothing, the other has all", emptied(held()), Step{Do: Promote, Instance: "r-1"}},
	{"promoted, and it has started with nothing", emptied(promoted()), Step{Do: Tell, Instance: "r-1"}},
	{"told, and it has started with nothing", with(emptied(promoted()).name(3, "r-1", 7), func(s *Snapshot) { s.Memory.Told = []Told{{"r-1", 7}} }), Step{Do: Follow, Instance: "r-2"}},
	{"held, it has started with nothing, and somebody else was made master", with(emptied(held()), func(s *Snapshot) {
		s.Instances[2].Master, s.Instances[2].Of, s.Instances[2].History, s.Instances[2].Followers = true, "", "y", 1
	}), Step{Do: Wait}},
	{"held, it has started with an old copy and was seen so first, and the other lacks what it had", with(emptied(held()), func(s *Snapshot) {
		s.Memory.Left = Left{"a", 50}
		s.Instances[0].History, s.Instances[0].Offset, s.Instances[1].Offset, s.Instances[2].Offset = "a", 50, 90, 90
	}), Step{Do: Wait}},
	{"held, it has started with an old copy", with(emptied(held()), lacking, func(s *Snapshot) { s.Instances[0].History, s.Instances[0].Offset = "a", 50 }), Step{Do: Wait}},
	{"held by another run, From has nothing", forgotten(emptied(held())), Step{Do: Wait}},
	{"held by another run, From has nothing, too late for anything", forgotten(emptied(held())).after(11 * time.Second), ended(Undecided, reason.StartedAnew)},
	{"held by another run, From has nothing, and only the third answers", with(forgotten(emptied(held())), func(s *Snapshot) { s.Instances[1] = Instance{Name: "r-1", Addr: "r-1:1"} }), Step{Do: Wait}},
	{"held by another run, From has nothing, and nobody else answers", with(forgotten(emptied(held())), func(s *Snapshot) {
		s.Instances[1], s.Instances[2] = Instance{Name: "r-1", Addr: "r-1:1"}, Instance{Name: "r-2", Addr: "r-2:1", Reachable: true, Of: "r-0:1"}
	}), Step{Do: Wait}},
	{"held by another run, From has an old copy", with(forgotten(emptied(held())), func(s *Snapshot) {
		s.Instances[0].History, s.Instances[0].Offset, s.Instances[2].Offset = "a", 50, 50
	}).after(time.Second), Step{Do: Wait}},
	{"held by another run, an old copy, and it is promoted that lacks bytes of the third", with(forgotten(emptied(promoted())), func(s *Snapshot) {
		s.Instances[0].History, s.Instances[0].Offset, s.Instances[1].FormerEnd = "a", 50, 91
	}), Step{Do: Wait}},
	{"held, an old copy, and it was promoted that lacks bytes of the old one", with(emptied(promoted()), func(s *Snapshot) {
		s.Instances[0].History, s.Instances[0].Offset, s.Instances[1].FormerEnd, s.Instances[2].Offset = "a", 50, 91, 50
	}), Step{Do: Wait}},
	{"promoted, an old copy", with(emptied(promoted()).name(3, "r-1", 7), func(s *Snapshot) {
		s.Instances[0].History, s.Instances[0].Offset, s.Memory.Told = "a", 50, []Told{{"r-1", 7}}
	}), Step{Do: Follow, Instance: "r-0"}},
	{"held by another run, From has everything, the new one gone, and the third has nothing", with(forgotten(held()), func(s *Snapshot) {
		s.Instances[1], s.Instances[2].History, s.Instances[2].Offset = Instance{Name: "r-1", Addr: "r-1:1"}, "y", 0
		s.Memory.Epoch, s.Memory.ElectedAt = 7, began
	}), Step{Do: Return, Instance: "r-0", Code: reason.TargetBehind}},
	{"told of another, and From has started as a master with nothing", with(shard().name(3, "r-1", 7), func(s *Snapshot) {
		s.Memory.Target, s.Memory.Told, s.Memory.Epoch, s.Memory.ElectedAt, s.Memory.PausedAt = "r-1", []Told{{"r-1", 7}}, 7, began, began
		s.Memory.Most, s.Instances[1] = Left{"a", 100}, Instance{Name: "r-1", Addr: "r-1:1"}
		s.Instances[0].History, s.Instances[0].Offset = "z", 0
	}), Step{Do: Wait}},

	// Refused is said of a master that was seen.
	{"From does not answer", with(shard().after(3*time.Second), func(s *Snapshot) { s.Instances[0] = Instance{Name: "r-0", Addr: "r-0:1"} }), ended(Undecided, reason.MasterUnreachable)},
	{"From is not in the shard", with(shard(), func(s *Snapshot) { s.Request.From = "r-7" }), ended(Undecided, reason.NotInShard)},
	{"nothing is tried", with(shard(), func(s *Snapshot) { s.Request.Policy = None }), ended(Undecided, reason.SwitchoverNotWanted)},
	{"Sentinels find the master down", with(shard().after(3*time.Second), func(s *Snapshot) { s.Sentinels[0].Down, s.Sentinels[1].Down = true, true }), ended(Refused, reason.NoSentinelMajority)},

	// Sentinels that go away do not keep writes from going on.
	{"promoted, and Sentinels are to be told", promoted(), Step{Do: Tell, Instance: "r-1"}},
	{"promoted, and they are gone", with(promoted().after(9*time.Second), func(s *Snapshot) { s.Sentinels[0].Reachable, s.Sentinels[1].Reachable = false, false }), Step{Do: Tell, Instance: "r-1"}},
	{"promoted, and they stay away", with(promoted().after(11*time.Second), func(s *Snapshot) { s.Sentinels[0].Reachable, s.Sentinels[1].Reachable = false, false }), Step{Do: Follow, Instance: "r-0"}},
	{"follows, and they were not told", with(follows().name(3, "r-0", 0).after(11*time.Second), func(s *Snapshot) {
		s.Memory.Told, s.Instances[2].Of, s.Instances[2].History = nil, "r-1:1", "b"
	}), ended(HandedOver, reason.HandedOverInPart)},

	// Replicas follow the new master if it has what they have.
	{"a replica of the old one", follows(), Step{Do: Follow, Instance: "r-2"}},
	{"a replica that has more", with(follows(), func(s *Snapshot) { s.Instances[2].Offset = 101 }), Step{Do: Wait}},
	{"a replica that has more, and From gone", with(follows(), func(s *Snapshot) {
		s.Instances[2].Offset, s.Instances[0] = 101, Instance{Name: "r-0", Addr: "r-0:1"}
		s.Instances[1].Followers = 0
	}), Step{Do: Wait}},

	// The same request again holds no vote that would keep Sentinels from theirs.
	{"done, and a Sentinel is away", with(done(), func(s *Snapshot) { s.Sentinels[2] = Sentinel{Addr: "s-2"} }), ended(HandedOver, reason.HandedOver)},
	{"done, and they know one that is gone", with(done(), func(s *Snapshot) { s.Sentinels[0].Peers, s.Sentinels[1].Peers = 3, 3 }), ended(HandedOver, reason.HandedOver)},
	{"done, and one names another", with(done(), func(s *Snapshot) { s.Sentinels[2].Master, s.Sentinels[2].Epoch = "r-0:1", 6 }), Step{Do: Elect}},
	{"done, and too few answer", with(done(), func(s *Snapshot) { s.Sentinels[1], s.Sentinels[2] = Sentinel{Addr: "s-1"}, Sentinel{Addr: "s-2"} }), Step{Do: Elect}},

	// Writes are held for nobody who does not keep up.
	{"the replica has yet to get what there was", behind(100), Step{Do: Wait}},
	{"it does not get it", behind(100).after(3 * time.Second), Step{Do: SetFence, Instance: "r-1", Code: reason.TargetBehind}},
	{"it has got it, and there is more by now", behind(90), Step{Do: Pause, Instance: "r-0"}},
	{"it has yet to get it, and writes are held", with(behind(100), func(s *Snapshot) { s.Memory.PausedAt = began }), Step{Do: Wait}},
	{"From has another history since", with(behind(100), func(s *Snapshot) { s.Memory.Had.History = "z" }), Step{Do: Pause, Instance: "r-0"}},

	// A new master that would take no writes without From.
	{"in part, and fenced", with(follows().after(21*time.Second), func(s *Snapshot) {
		s.Instances[1].Fence, s.Instances[0].LinkUp, s.Instances[2].Of, s.Instances[2].History = closed, false, "r-1:1", "b"
	}), Step{Do: End, Result: HandedOver, Code: reason.HandedOverInPart, Fenced: true}},
	{"a fence that From was left with", with(shard(), func(s *Snapshot) { s.Request.Configured, s.Instances[0].Fence = nil, closed }), Step{Do: SetFence, Instance: "r-0"}},
}

func TestLooks(t *testing.T) {
	for _, c := range looks {
		t.Run(c.name, func(t *testing.T) {
			got := Decide(c.look)
			short := Step{Do: got.Do, Instance: got.Instance, Result: got.Result, Code: got.Code, Fenced: got.Fenced}
			if short != c.want {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
		})
	}
}

func TestMayGoOn(t *testing.T) {
	for _, c := range []struct {
		step                     Step
		strict, bestEffort, none bool
	}{
		{Step{Do: Wait}, false, false, true},
		{ended(HandedOver, reason.HandedOver), true, true, true},
		{Step{Do: End, Result: HandedOver, Fenced: true}, false, false, true},
		{ended(Refused, reason.NoCandidate), false, true, true},
		{ended(Undecided, reason.NoMaster), false, false, true},
	} {
		if c.step.MayGoOn(Strict) != c.strict || c.step.MayGoOn(BestEffort) != c.bestEffort || c.step.MayGoOn(None) != c.none {
			t.Errorf("%+v", c.step)
		}
	}
}

// What a process said instead of an answer stands in the end, and which instance it was.
func TestCauses(t *testing.T) {
	s := shard().after(3 * time.Second)
	s.Instances[0] = Instance{Name: "r-0", Addr: "r-0:1", Trouble: "NOAUTH"}
	if got := Decide(s); !strings.Contains(got.Text, "r-0") || !strings.Contains(got.Text, "NOAUTH") {
		t.Errorf("got %+v", got)
	}
	s = shard().after(30 * time.Second)
	s.Memory.Trouble = "NOPERM"
	if got := Decide(s); got.Do != End || !strings.Contains(got.Text, "NOPERM") {
		t.Errorf("got %+v", got)
	}
}

// Why the way went back is told at the end of it, and not what the last step of tidying up was.
func TestWhyTheWayWentBack(t *testing.T) {
	s := shard().after(time.Second)
	s.Memory.Target, s.Memory.PausedAt, s.Instances[1].Fence, s.Instances[1].Offset = "r-1", began, closed, 90
	for range 5 {
		step := Decide(s)
		if !strings.Contains(step.Text, "lacks 10 bytes") && step.Do != SetFence {
			t.Fatalf("%+v", step)
		}
		if step.Do == End {
			return
		}
		s.Memory = s.Memory.After(step, s.Now, 0, "")
		if step.Do == SetFence {
			s.Instances[1].Fence = step.Fence
		}
	}
	t.Fatal("it does not end")
}

// No memory shares its announcements with an earlier one.
func TestMemoryIsNotShared(t *testing.T) {
	m := Memory{Epoch: 1}.After(Step{Do: Tell, Instance: "a"}, began, 0, "")
	one, other := m.After(Step{Do: Tell, Instance: "b"}, began, 0, ""), m.After(Step{Do: Tell, Instance: "c"}, began, 0, "")
	if !slices.Equal(one.Told, []Told{{"a", 1}, {"b", 1}}) || !slices.Equal(other.Told, []Told{{"a", 1}, {"c", 1}}) {
		t.Errorf("%+v %+v", one, other)
	}
}

// What lets somebody take writes is decided from a look that was short, or from the next one.
func TestOldLooks(t *testing.T) {
	for _, s := range []Snapshot{held(), promoted(), with(held(), func(s *Snapshot) { s.Instances[1] = Instance{Name: "r-1", Addr: "r-1:1"} })} {
		want := Decide(s).Do
		s.Took = 500 * time.Millisecond
		s.Memory = s.Memory.Seen(s)
		if got := Decide(s); got.Do != Wait {
			t.Errorf("by an old look: %+v", got)
		}
		s.Memory = s.Memory.Seen(s)
		if got := Decide(s); got.Do != want {
			t.Errorf("by the second one: %+v, not %s", got, want)
		}
	}
}

// That another master takes writes is remembered, and a fence without replicas keeps it from that.
func TestWhoTookWrites(t *testing.T) {
	for _, c := range []struct {
		fence     Fence
		followers int
		want      string
	}{{closed, 0, ""}, {closed, 1, "r-1"}, {open, 0, "r-1"}} {
		s := promoted()
		s.Instances[1].Fence, s.Instances[1].Followers = c.fence, c.followers
		if m := (Memory{}).Seen(s); m.Written != c.want || m.Seen(gone(held())).Written != c.want {
			t.Errorf("%+v: %q", c, m.Written)
		}
	}
}

// From was silent for a moment, Sentinels name r-1, and its fence was taken off. From is back, and now r-1 is silent: nobody has
// seen it without its fence, and whether it has heard of that or will, nobody knows. From stays what it is.
func TestWhoWasOpenedMayHaveTakenWrites(t *testing.T) {
	for _, trouble := range []string{"", "no answer"} {
		s := with(gone(promoted()).name(3, "r-1", 7), func(s *Snapshot) {
			s.Memory.Told, s.Instances[2] = []Told{{"r-1", 7}}, Instance{Name: "r-2", Addr: "r-2:1"}
		})
		m := s.Memory.Seen(s)
		s.Memory = m
		step := Decide(s)
		if step.Do != SetFence || step.Instance != "r-1" || step.Fence != open {
			t.Fatalf("%+v", step)
		}
		back := held().name(3, "r-1", 7)
		back.Instances[1] = Instance{Name: "r-1", Addr: "r-1:1"}
		m = m.After(step, back.Now, 0, trouble)
		for _, when := range []struct {
			after time.Duration
			want  Action
		}{{400 * time.Millisecond, Wait}, {5 * time.Second, Wait}, {11 * time.Second, End}} {
			back = back.after(when.after)
			back.Memory = m.Seen(back)
			if got := Decide(back); got.Do != when.want || got.Do == End && got.Result != Undecided {
				t.Errorf("trouble %q, after %s: %+v", trouble, when.after, got)
			}
			m = back.Memory
		}
		r1 := promoted().Instances[1] // it answers again, and has never heard of it
		back.Instances[1] = r1
		back = back.after(12 * time.Second)
		back.Memory = m.Seen(back)
		if got := Decide(back); got.Do != Follow || got.Instance != "r-0" || got.Master != "r-1" {
			t.Errorf("trouble %q, it is back: %+v", trouble, got)
		}
	}
}

// What From had is remembered from the last look at it, if it followed nobody; and not if it may be master again.
func TestWhatFromHad(t *testing.T) {
	m := Memory{}.Seen(held())
	if m.Left != (Left{"a", 100}) || m.Seen(gone(held())).Left != m.Left {
		t.Errorf("%+v", m)
	}
	if again := m.Seen(shard()); again.Left != (Left{}) {
		t.Errorf("it is master again, and left %+v", again.Left)
	}
	if back := m.After(Step{Do: Return, Instance: "r-0"}, began, 0, "no answer"); back.Left != (Left{}) {
		t.Errorf("it may be master again, and left %+v", back.Left)
	}
}
