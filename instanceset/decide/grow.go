package decide

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/podspec"
	"github.com/shoal-dev/shoal/reason"
)

// Volumes grow to the size that volumeClaimTemplates ask for while their instances run: nothing restarts, and nobody is waited for to be
// available. But a volume never shrinks, and whether a driver can do what it is asked for is seen only when it has done it. So the first
// volume of a template grows to a size alone, then one in each shard at a time, masters last; and the first that fails stops the others.
// Where the StorageClass does not allow it, nothing is asked for. A volume that is larger than its template asks for stays so.

// GrowthStates are the reasons of the condition Updating that speak of volumes alone.
var GrowthStates = []reason.Code{reason.VolumeGrows, reason.VolumesWait, reason.VolumeGrowthFailed, reason.VolumeFixed, reason.VolumesNotByUs}

// growthsAtOnce bounds what drivers are asked for at a time.
const growthsAtOnce = 50

// classRecheck is when StorageClasses are looked at again. They wake nobody.
const classRecheck = time.Minute

// growth is what a plan found out about volumes, for the status.
type growth struct {
	left   []int32 // instances with a claim that has yet to ask for its size
	held   []int32 // those that the partition holds back
	going  []int32 // that have asked, and wait for the driver or the node
	failed []int32
	fixed  []int32         // whose StorageClass does not allow it
	class  string          // of one of those
	words  string          // of one that failed
	grown  map[target]bool // of which one volume has been asked for it, and has it
	asking map[int]int     // of volumeClaimTemplates, claims on their way, to whatever size
	busy   map[int32]bool  // shards
}

// target is a size to which claims of a template grow.
type target struct {
	nth  int // of volumeClaimTemplates
	size string
}

func (s smaller) target() target { return target{s.nth, s.wanted.String()} }

// smaller is a claim that is to ask for another size.
type smaller struct {
	*instance
	claim  *Claim
	nth    int // of volumeClaimTemplates
	wanted resource.Quantity
}

// grow asks for the size that volumeClaimTemplates say.
func (p *planner) grow() {
	candidates := p.surveyVolumes()
	g := &p.growth
	if p.spec.Paused || len(candidates) == 0 {
		return
	}
	if len(g.fixed) > 0 {
		p.again(classRecheck)
	}
	if len(g.fixed) > 0 || p.spec.UpdateStrategy.Type == v1alpha1.UpdateOnDelete {
		candidates = slices.DeleteFunc(candidates, func(s smaller) bool { return !s.goesBack() })
	}
	slices.SortFunc(candidates, p.byNeed)
	asked := len(g.going) + len(g.failed)
	for _, s := range candidates {
		if !s.claim.grows() { // one that grows already, or cannot, may ask for less at once
			if !p.mayGrow(s, asked) {
				continue
			}
			asked++
		}
		g.busy[p.shardOf(s.instance)] = true
		g.asking[s.nth]++
		change := p.claimChange(GrowClaim, s.claim, reason.GrowVolume)
		change.Version, change.Size = s.claim.Version, s.wanted.String()
		change.Details = s.claim.Asked.String() + " -> " + change.Size
		p.add(change)
	}
}

// mayGrow asks the limits.
func (p *planner) mayGrow(s smaller, asked int) bool {
	g := &p.growth
	if len(g.failed) > 0 || asked >= growthsAtOnce || !g.grown[s.target()] && g.asking[s.nth] > 0 || p.sharded() && g.busy[p.shardOf(s.instance)] {
		return false
	}
	return p.state(s.pod.Node) == NodeHealthy && (s.claim.Node == "" || p.state(s.claim.Node) == NodeHealthy) // or nobody is there to do it
}

// byNeed says whose volume grows first: of those that do not run, which may be for want of room; masters last.
func (p *planner) byNeed(a, b smaller) int {
	turn := func(s smaller) int {
		switch {
		case s.claim.grows():
			return 0
		case s.pod == nil || !s.ready():
			return 1
		case !p.leads(s.instance):
			return 2
		}
		return 3
	}
	return cmp.Or(cmp.Compare(turn(a), turn(b)), cmp.Compare(b.ordinal, a.ordinal), cmp.Compare(a.nth, b.nth))
}

// surveyVolumes looks at all claims that have a volume, and finds those that are to ask for another size.
func (p *planner) surveyVolumes() (candidates []smaller) {
	g := &p.growth
	g.grown, g.asking, g.busy = p.Rest.grown(), map[int]int{}, map[int32]bool{}
	for n := range p.instances {
		i := &p.instances[n]
		if !i.wanted || i.foreign != "" {
			continue
		}
		for t, c := range i.claims {
			if c == nil || c.Volume == "" || c.Has.IsZero() || c.Terminating || c.Lost || c.Retired {
				continue
			}
			if c.grows() { // also while the instance has no pod
				p.noteGrowth(i, t)
			} else {
				g.grown[target{t, c.Asked.String()}] = true
			}
			s := smaller{i, c, t, podspec.Size(p.Set, &p.spec.VolumeClaimTemplates[t], p.templateName(i))}
			if !s.asks() {
				continue
			}
			switch {
			case s.goesBack():
			case p.heldBack(i):
				g.held = append(g.held, i.ordinal)
				continue
			case !slices.Contains(p.Expandable, c.Class):
				g.fixed, g.class = append(g.fixed, i.ordinal), c.Class
			}
			g.left = append(g.left, i.ordinal)
			candidates = append(candidates, s)
		}
	}
	g.left, g.held, g.fixed = slices.Compact(g.left), slices.Compact(g.held), slices.Compact(g.fixed)
	return candidates
}

// asks reports whether the claim is to ask for another size. The last step of a growth is the kubelet's. One that grows already goes on to
// more when it has what it has asked for.
func (s smaller) asks() bool {
	if s.claim.Has.Cmp(s.wanted) >= 0 || !podspec.Grows(s.claim.Asked, s.wanted, s.claim.Has) {
		return false
	}
	return s.goesBack() || s.online() && s.pod != nil && s.pod.Node != "" && !s.claim.grows()
}

// goesBack reports whether the claim is to ask for less than it does, which its volume does not have. That takes nobody but the API server, which asks
// the StorageClass for more alone: so neither a pod, nor the partition, nor others keep it from that.
func (s smaller) goesBack() bool { return s.claim.grows() && s.wanted.Cmp(s.claim.Asked) < 0 }

// grows reports whether the claim asks for more than its volume has.
func (c *Claim) grows() bool { return c.Asked.Cmp(c.Has) > 0 }

func (p *planner) noteGrowth(i *instance, t int) {
	g, c := &p.growth, i.claims[t]
	g.asking[t]++
	g.busy[p.shardOf(i)] = true
	detail := fmt.Sprintf("%s of %s", &c.Has, &c.Asked)
	if c.Growth != "" {
		detail += " (" + c.Growth + ")"
	}
	detail += " on volume " + c.Volumes
	code := reason.VolumeGrows
	if c.GrowthFailed {
		code, g.words = reason.VolumeGrowthFailed, detail
		g.failed = append(g.failed, i.ordinal)
	} else {
		g.going = append(g.going, i.ordinal)
	}
	p.note(i, code, detail)
}

// withGrowth adds to the condition Updating what becomes of volumes.
func (p *planner) withGrowth(pods metav1.Condition) metav1.Condition {
	g := &p.growth
	code, words := reason.Code(0), ""
	going := p.names(slices.Compact(slices.Clone(g.going)))
	left := "volumes of " + count(len(g.left), "instance") + " are yet to grow"
	switch asked := slices.ContainsFunc(p.changes, func(c Change) bool { return c.Kind == GrowClaim }); {
	case len(g.failed) > 0:
		code, words = reason.VolumeGrowthFailed, fmt.Sprintf("%s of %s", cut(g.words, maxDetails), p.name(g.failed[0]))
		if len(g.left) > 0 {
			words += "; " + left
		}
	case len(g.left) > 0 && p.spec.Paused:
		code, words = reason.Paused, left
	case len(g.left) > 0 && p.spec.UpdateStrategy.Type == v1alpha1.UpdateOnDelete:
		code, words = reason.VolumesNotByUs, left
	case len(g.fixed) > 0:
		code, words = reason.VolumeFixed, fmt.Sprintf("%s: no volume is grown: StorageClass %q of ordinals %s", left, g.class, cut(FormatOrdinals(g.fixed), 100))
	case len(g.left)+len(g.going) > 0:
		code, words = reason.VolumeGrows, left+"; growing now: "+cmp.Or(going, "none")
		if len(g.going) == 0 && !asked {
			code = reason.VolumesWait
		}
	case len(g.held) > 0:
		code, words = reason.UpdatePartition, "volumes of "+count(len(g.held), "instance")+" are yet to grow"
	default:
		return pods
	}
	switch pods.Reason {
	case reason.UpToDate.Name():
	case reason.UpdatePartition.Name(): // the pods' update is over, that of volumes is not
		if code != reason.UpdatePartition {
			words += "; " + pods.Message
		}
	default:
		pods.Message += "; " + code.Because("%s", words)
		return pods
	}
	return condition(v1alpha1.ConditionUpdating, code == reason.VolumeGrows, code, "%s", words)
}
