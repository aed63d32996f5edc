package decide

import "testing"

// TestAChainIsTakenApart: a replica that follows another replica follows the master before a master hands over, as otherwise neither of
// them could take over, whenever it is asked for.
func TestAChainIsTakenApart(t *testing.T) {
	s := anyOf(func(one, two *Instance) { one.Followers, two.Of = 1, one.Addr })
	if got := Decide(s); got.Do != Follow || got.Instance != "r-2" || got.Master != "r-0" {
		t.Errorf("%+v", got)
	}
	s.Instances[2].Of, s.Instances[2].LinkUp = s.Instances[0].Addr, false
	if got := Decide(s); got.Do != Wait {
		t.Errorf("it is given no moment to come into sync: %+v", got)
	}
	s.Instances[2].LinkUp = true
	if got := Decide(s); got.Do != SetFence || got.Instance != "r-2" {
		t.Errorf("%+v", got)
	}
	s.Instances[2].Of, s.Instances[2].History = s.Instances[1].Addr, "z"
	if got := Decide(s); got.Do == Follow {
		t.Errorf("it has another history, and would lose it: %+v", got)
	}
}
