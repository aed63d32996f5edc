package decide

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/podspec"
	"github.com/shoal-dev/shoal/reason"
)

// planner collects the plan.
type planner struct {
	*view
	changes []Change
	notes   []note
	requeue time.Duration
	words   map[reason.Code]string
	deleted map[int32]bool // ordinals whose pod this plan deletes

	hold    bool        // no pods may be created in this plan, and nothing is given up
	heldFor reason.Code // why
	policy  podspec.Instance
	ignored bool // the policy sums other workloads and not this set
	missing int  // instances without a pod that should have one
	leaving int  // pods and claims that are on their way out

	rebuilding []int32 // ordinals that are being replaced
	updates    rollout
	exodus     exodus
	// refused is the configuration that an engine has refused, nil for none; refusalStored: the status says so already.
	refused       *v1alpha1.RefusedConfiguration
	refusalStored bool
	tried         *trial // see trialOf
	growth        growth
	ways          map[way]*path // see wayOf
	// toUpdate are the instances that are to be updated, and replicasLeft the shards in which one of them is not the master.
	// heardLeft are those of them that are available, are no masters, and whose agents are heard.
	toUpdate, replicasLeft map[int32]bool
	heardLeft              []*instance
	limitsWait             map[int32]bool // shards, see noteLimits
	heardGoes              *bool          // see heardMayGo
	fixed                  bool           // the status is not written any more
}

// note is what is wrong with one instance.
type note struct {
	ordinal int32
	code    reason.Code
	detail  string
}

// Decide makes the plan for a snapshot.
func Decide(s Snapshot) Plan {
	p := &planner{view: newView(s), words: map[reason.Code]string{}, deleted: map[int32]bool{}}
	phases := []func(){
		p.keepFinalizer, p.keepService, p.keepBudget, p.keepPolicy, p.keepHistory, // before anything else: they are the ground for the rest
		p.rebuild,
		p.remove, p.takeOffline, p.clearPending, p.replaceStranded,
		p.replaceEnded, p.create,
		p.keepTemplates, p.grow,
		p.update, // last: it takes what the others leave of the budget
	}
	if s.Set.DeletionTimestamp != nil {
		phases = []func(){p.release}
	}
	for _, phase := range phases {
		phase()
	}
	return Plan{Changes: p.changes, Status: p.status(), RequeueAfter: p.requeue}
}

func (p *planner) add(c Change) { p.changes = append(p.changes, c) }

func (p *planner) note(i *instance, code reason.Code, detail string) {
	p.notes = append(p.notes, note{ordinal: i.ordinal, code: code, detail: detail})
}

func (p *planner) again(after time.Duration) {
	if p.requeue == 0 || after < p.requeue {
		p.requeue = after
	}
}

// because is the catalogue's text with its code. The catalogue is searched once for each code, and not 10,000 times.
func (p *planner) because(code reason.Code) string {
	if _, known := p.words[code]; !known {
		p.words[code] = code.Message()
	}
	return p.words[code]
}

// setWide is a change of the set itself or of an object named like it.
func (p *planner) setWide(kind Kind, code reason.Code) Change {
	return Change{Kind: kind, Ordinal: SetWide, Object: p.Set.Name, Reason: code, Words: p.because(code)}
}

// deletePod does nothing when an earlier phase of the plan has deleted the pod already.
func (p *planner) deletePod(i *instance, code reason.Code) {
	if p.deleted[i.ordinal] {
		return
	}
	p.deleted[i.ordinal] = true
	p.add(Change{
		Kind: DeletePod, Ordinal: i.ordinal, Object: p.name(i.ordinal), Reason: code, Words: p.because(code), UID: i.pod.UID,
	})
}

func (p *planner) claimChange(kind Kind, c *Claim, code reason.Code) Change {
	return Change{
		Kind: kind, Ordinal: c.Ordinal, Object: p.claimName(c), Reason: code, Words: p.because(code), UID: c.UID,
	}
}

// keepFinalizer comes before all pods and claims: without it, a deletion could pass by without the retention policy
// having been looked at.
func (p *planner) keepFinalizer() {
	if !p.hasFinalizer() {
		p.add(p.setWide(AddFinalizer, reason.HoldSet))
		p.hold, p.heldFor = true, reason.HoldSet
	}
}

func (p *planner) hasFinalizer() bool { return slices.Contains(p.Set.Finalizers, v1alpha1.Finalizer) }

func (p *planner) keepService() {
	switch p.Service {
	case Absent:
		p.add(p.setWide(CreateService, reason.CreateService))
	case Foreign:
		p.notes = append(p.notes, note{ordinal: SetWide, code: reason.ForeignObject, detail: "service " + p.Set.Name})
		p.again(foreignRecheck)
	}
}

// release treats pods and claims as the deletion of the set wants it, pods first.
func (p *planner) release() {
	if p.spec.Paused || !p.hasFinalizer() {
		return
	}
	left := p.removeAll(func(*instance) bool { return true }, p.spec.PersistentVolumeClaimRetentionPolicy.WhenDeleted, reason.ReleaseSet)
	if left == 0 {
		p.add(p.setWide(RemoveFinalizer, reason.ReleaseSet))
		p.fixed = true
	}
}

func uidOf(n *Node) types.UID {
	if n == nil {
		return ""
	}
	return n.UID
}
