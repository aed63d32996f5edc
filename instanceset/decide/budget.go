package decide

import (
	"github.com/shoal-dev/shoal/podspec"
	"github.com/shoal-dev/shoal/reason"
)

// keepBudget keeps the PodDisruptionBudget that refuses evictions, unless the template allows that instances are disrupted. Nothing waits for it.
func (p *planner) keepBudget() {
	b, wanted := p.Budget, !podspec.AllowsDisruption(p.Set)
	switch {
	case b.Presence == Foreign && wanted:
		p.notes = append(p.notes, note{ordinal: SetWide, code: reason.ForeignObject, detail: "pod disruption budget " + p.Set.Name})
		p.again(foreignRecheck)
	case b.Presence == Absent && wanted:
		p.add(p.setWide(CreateBudget, reason.CreateBudget))
	case b.Presence == Ours && wanted && b.Changed:
		p.onBudget(UpdateBudget, reason.RestoreBudget)
	case b.Presence == Ours && !wanted:
		p.onBudget(DeleteBudget, reason.RemoveBudget)
	}
}

func (p *planner) onBudget(kind Kind, code reason.Code) {
	c := p.setWide(kind, code)
	c.UID, c.Version = p.Budget.UID, p.Budget.Version
	p.add(c)
}
