package decide

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/reason"
)

// A master is the last of its shard to be updated, and hands over before. The update asks for that with a Switchover, whose name is
// made of the shard, the revision and the pod, so that the same is not asked for twice. Once it has ended, it stays for
// HandoverTTL: one that has failed keeps the shard as it is for so long, and then it is asked for again.
//
// A master that is being handed over counts as unavailable, as it will be next: so no more are than maxUnavailable.

// HandoverTTL is how long a Switchover of an update stays after it has ended, in seconds.
const HandoverTTL int32 = 300

// maxUIDInName is how much of a pod's UID is in the name of a Switchover, in bytes.
const maxUIDInName = 8

func (v *view) switchoverMode() v1alpha1.UpdateSwitchover {
	return cmp.Or(v.spec.UpdateStrategy.Switchover, v1alpha1.UpdateSwitchoverStrict)
}

// shardName is as the label of pods has it.
func (v *view) shardName(i *instance) string { return fmt.Sprintf("%s-%d", v.Set.Name, v.shardOf(i)) }

func (v *view) handoverName(i *instance) string {
	uid := string(i.pod.UID)
	return fmt.Sprintf("%s-%s-%s", v.shardName(i), v.revision(i), uid[:min(len(uid), maxUIDInName)])
}

// handover is the Switchover that an update has asked for before it touches the instance, nil for none.
func (v *view) handover(i *instance) *Switchover {
	if len(v.Switchovers) == 0 {
		return nil
	}
	if s := v.switchovers[v.handoverName(i)]; s != nil && s.Ours {
		return s
	}
	return nil
}

// handingOver reports whether somebody's Switchover of the instance's shard has not ended, or one of the update has left something
// undone: then the old master may not be stopped, though it is not master any more.
func (v *view) handingOver(i *instance) bool {
	return len(v.Switchovers) > 0 && v.handing[v.shardName(i)]
}

func (v *view) readSwitchovers() {
	v.switchovers, v.handing = make(map[string]*Switchover, len(v.Switchovers)), map[string]bool{}
	for n := range v.Switchovers {
		s := &v.Switchovers[n]
		v.switchovers[s.Name] = s
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

// noteCandidates notes who is to be updated, and of which shards it is not the master alone.
func (p *planner) noteCandidates(candidates []*instance) {
	p.toUpdate, p.replicasLeft = make(map[int32]bool, len(candidates)), map[int32]bool{}
	for _, i := range candidates {
		p.toUpdate[i.ordinal] = true
		if !p.leads(i) {
			p.replicasLeft[p.shardOf(i)] = true
		}
	}
}

// mustHandOver reports whether the instance is not disturbed before another one is master, or that was tried. What its engine takes while it
// runs is no reason for that.
func (p *planner) mustHandOver(i *instance) bool {
	return p.leads(i) && p.switchoverMode() != v1alpha1.UpdateSwitchoverNone && !p.runsOn(i)
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

// handOver takes the next step of a handover: it asks for it, or says what it waits for. Done: the instance may be disturbed.
func (p *planner) handOver(i *instance, ask func(*instance)) (wait reason.Code, done bool) {
	best := p.switchoverMode() == v1alpha1.UpdateSwitchoverBestEffort
	alone := !slices.ContainsFunc(p.shard(i).members, func(other *instance) bool { return other != i && other.online() })
	asked := p.handover(i)
	switch {
	case best && (alone || i.pod.Idle): // nobody can take over, or what would hand over does not run
		return 0, true
	case alone, i.pod.Role == "":
		return reason.MasterWaits, false
	case asked == nil && !p.handingOver(i):
		ask(i)
		return 0, false
	case asked == nil || !asked.Ended:
		return reason.HandingOver, false
	case asked.HandedOver: // the label follows
		return reason.MasterWaits, false
	case asked.Complete && best:
		return 0, true
	}
	p.note(i, reason.HandoverFailed, asked.Words)
	return reason.HandoverFailed, false
}

// askForHandover asks only if the instance would be disturbed at once: writes wait while a master hands over.
func (p *planner) askForHandover(i *instance) {
	next := p.nextMove(i)
	if next.code != 0 {
		p.waitUpdate(i, next.code)
	}
	if next.change == nil || len(p.updates.blocked) > 0 {
		return
	}
	p.take(i)
	p.createHandover(i)
}

func (p *planner) createHandover(i *instance) {
	p.add(Change{
		Kind: CreateSwitchover, Ordinal: i.ordinal, Object: p.handoverName(i), Reason: reason.AskHandover, Words: p.because(reason.AskHandover),
		Shard: p.shardName(i), Policy: p.switchoverMode(),
	})
}
