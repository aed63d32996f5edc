package decide

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/reason"
)

// A master is the last of its shard to be updated, and hands over before. The update asks for that with a Switchover, whose name is
// made of the shard, the revision and the pod, so that the same is not asked for twice. One that has failed keeps the shard as it is for a
// while, and then the next one is asked for, with its number at the end of its name: the first time soon, as the replica that was out of sync for a
// moment is back by then, and later and later (handoverWait). The one before is still there when the next is asked for, as it stays for
// HandoverTTL, so that its number is known. So of a master there are at most five at the same time, and 19 in the first hour.
//
// A master that is being handed over counts as unavailable, as it will be next: so no more are than maxUnavailable.

// HandoverTTL is how long a Switchover of an update stays after it has ended, in seconds.
const HandoverTTL int32 = 300

const (
	// firstHandoverWait is between the end of a Switchover of an update that has failed and the next one. It doubles with each.
	firstHandoverWait = 15 * time.Second
	// lastHandoverWait is the longest. It is shorter than HandoverTTL by what a manager may need to start and to see what there is.
	lastHandoverWait = 240 * time.Second
)

// handoverWait is how long the next Switchover waits after the n-th has failed: 15 s, 30 s, 60 s, 120 s, and 240 s from the fifth on.
func handoverWait(n int) time.Duration {
	return min(firstHandoverWait<<min(n-1, 4), lastHandoverWait)
}

// maxUIDInName is how much of a pod's UID is in the name of a Switchover, in bytes.
const maxUIDInName = 8

func (v *view) switchoverMode() v1alpha1.UpdateSwitchover {
	return cmp.Or(v.spec.UpdateStrategy.Switchover, v1alpha1.UpdateSwitchoverStrict)
}

// shardName is as the label of pods has it.
func (v *view) shardName(i *instance) string { return fmt.Sprintf("%s-%d", v.Set.Name, v.shardOf(i)) }

// handoverName is the name of the n-th Switchover of an instance, from 1 on: a UID has no dot in it.
func (v *view) handoverName(i *instance, n int) string {
	uid := string(i.pod.UID)
	name := fmt.Sprintf("%s-%s-%s", v.shardName(i), v.revision(i), uid[:min(len(uid), maxUIDInName)])
	if n > 1 {
		name += "." + strconv.Itoa(n)
	}
	return name
}

// attempt is a Switchover of an update, and how many of the same there have been with it.
type attempt struct {
	*Switchover
	number int
}

// attemptOf is the attempt that a Switchover is, and the name of the first one.
func attemptOf(s *Switchover) (attempt, string) {
	dot := strings.LastIndexByte(s.Name, '.')
	if number, err := strconv.Atoi(s.Name[dot+1:]); dot > 0 && err == nil {
		return attempt{s, number}, s.Name[:dot]
	}
	return attempt{s, 1}, s.Name
}

// handover is the last Switchover that an update has asked for before it touches the instance, nil for none.
func (v *view) handover(i *instance) *Switchover { return v.lastAttempt(i).Switchover }

// lastAttempt is handover, and its number.
func (v *view) lastAttempt(i *instance) attempt {
	if len(v.attempts) == 0 {
		return attempt{}
	}
	return v.attempts[v.handoverName(i, 1)]
}

// handingOver reports whether somebody's Switchover of the instance's shard has not ended, or one of the update has left something
// undone: then the old master may not be stopped, though it is not master any more.
func (v *view) handingOver(i *instance) bool {
	return len(v.handing) > 0 && v.handing[v.shardName(i)]
}

func (v *view) readSwitchovers() {
	v.attempts, v.handing = make(map[string]attempt, len(v.Switchovers)), map[string]bool{}
	for n := range v.Switchovers {
		s := &v.Switchovers[n]
		if a, first := attemptOf(s); s.Ours && a.number > v.attempts[first].number {
			v.attempts[first] = a
		}
		v.handing[s.Shard] = v.handing[s.Shard] || !s.Ended || s.Ours && s.HandedOver && !s.Complete
	}
}

// leads reports whether the instance is master or, where nobody of its shard is known to be, may be.
func (p *planner) leads(i *instance) bool {
	if len(p.spec.Roles) == 0 {
		return false
	}
	if i.pod.Role != "" || p.mends(i) || p.allDown(i) {
		return i.pod.Role == v1alpha1.RoleMaster
	}
	return !p.shard(i).led
}

// allDown reports whether nothing runs of any instance of a shard, which has several: nobody can hand over, and to wait for it is to wait for
// ever where they start again and again.
func (p *planner) allDown(i *instance) bool {
	members := 0
	for _, m := range p.shard(i).members {
		if !m.online() {
			continue
		}
		if members++; m.pod != nil && !m.pod.Idle {
			return false
		}
	}
	return members > 1
}

// handsOver reports whether the instance takes a place among those that are unavailable because it is about to: it is being handed
// over, or was and still has the label.
func (p *planner) handsOver(i *instance) bool {
	if i.pod == nil || i.pod.Role != v1alpha1.RoleMaster {
		return false
	}
	s := p.handover(i)
	return s != nil && (!s.Ended || s.HandedOver)
}

// noteCandidates notes who is to be updated, of which shards it is not the master alone, and who of these is available and has an agent that is heard.
func (p *planner) noteCandidates(candidates []*instance) {
	p.toUpdate, p.replicasLeft = make(map[int32]bool, len(candidates)), map[int32]bool{}
	for _, i := range candidates {
		p.toUpdate[i.ordinal] = true
		if !p.leads(i) {
			if !p.awaitsMaster(i) {
				p.replicasLeft[p.shardOf(i)] = true
			}
			if i.pod.heard() && p.available(i) {
				p.heardLeft = append(p.heardLeft, i)
			}
		}
	}
}

// mustHandOver reports whether the instance is not disturbed before another one is master, or that was tried. What its engine takes while it
// runs is no reason for that.
func (p *planner) mustHandOver(i *instance) bool {
	return p.leads(i) && p.switchoverMode() != v1alpha1.UpdateSwitchoverNone && !p.runsOnWith(i, p.beforeItsLimit(i))
}

// handedOver reports whether the instance may be disturbed as far as its role goes. It asks for a handover where one is needed.
// The limits allow it to be disturbed.
func (p *planner) handedOver(i *instance) bool {
	if !p.mustHandOver(i) {
		return true
	}
	code, done := p.handOver(i, p.askForHandover)
	if code != 0 {
		p.waitUpdate(i, code)
	}
	return done
}

// handOver takes the next step of a handover: it asks for it (again, a while after it has failed), or says what it waits for. Done: the instance may be disturbed.
func (p *planner) handOver(i *instance, ask func(i *instance, number int)) (wait reason.Code, done bool) {
	best := p.switchoverMode() == v1alpha1.UpdateSwitchoverBestEffort
	alone := !slices.ContainsFunc(p.shard(i).members, func(other *instance) bool { return other != i && other.online() })
	asked := p.lastAttempt(i)
	switch {
	case best && (alone || i.pod.Idle): // nobody can take over, or what would hand over does not run
		return 0, true
	case alone, i.pod.Role == "":
		return reason.MasterWaits, false
	case asked.Switchover == nil && !p.handingOver(i):
		ask(i, 1)
		return 0, false
	case asked.Switchover == nil || !asked.Ended:
		return reason.HandingOver, false
	case asked.HandedOver: // the label follows
		return reason.MasterWaits, false
	case asked.Complete && best:
		return 0, true
	}
	if wait := asked.EndedAt.Add(handoverWait(asked.number)).Sub(p.Now); wait > 0 {
		p.again(wait)
	} else if !p.handingOver(i) {
		ask(i, asked.number+1)
		return 0, false
	}
	p.note(i, reason.HandoverFailed, asked.Words)
	return reason.HandoverFailed, false
}

// askForHandover asks only if the instance would be disturbed at once: writes wait while a master hands over.
func (p *planner) askForHandover(i *instance, number int) {
	next := p.nextMove(i)
	if next.code != 0 {
		p.waitUpdate(i, next.code)
	}
	if next.change == nil || len(p.updates.blocked) > 0 {
		return
	}
	p.take(i)
	p.createHandover(i, number)
}

func (p *planner) createHandover(i *instance, number int) {
	p.handing[p.shardName(i)] = true // of a set without shards, several may be disturbed by one plan
	p.add(Change{
		Kind: CreateSwitchover, Ordinal: i.ordinal, Object: p.handoverName(i, number), Reason: reason.AskHandover, Words: p.because(reason.AskHandover),
		Shard: p.shardName(i), Policy: p.switchoverMode(),
	})
}
