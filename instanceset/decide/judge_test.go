package decide

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/podspec"
)

// forbids says why a change must not be made in the world as it is.
func (w *world) forbids(c Change) string {
	if c.Ordinal == SetWide {
		return ""
	}
	if why := w.forbidsUnfenced(c); why != "" {
		return why
	}
	if w.set.Spec.Paused {
		return "the set is paused"
	}
	if c.NeedsFence() && w.held() {
		return "no pod may be created in its place"
	}
	v := newView(w.snapshot())
	i := v.at(c.Ordinal)
	switch c.Kind {
	case CreatePod:
		return w.forbidsCreate(c, v, i)
	case DeleteClaim:
		if i.wanted && len(c.Fenced) == 0 {
			return "nothing proves that its node is dead"
		}
		if c.Version == "" && i.wanted {
			return "the claim may have changed"
		}
		return w.forbidsGivingUp(v, i, w.claims[c.Object])
	case DeletePod:
		return w.forbidsDeletePod(c, i)
	case UnlabelClaim:
		if i.pod == nil || i.pod.Node == "" {
			return "the volume would take a slot that nobody has checked"
		}
		if c.Version == "" {
			return "nobody says of which version of the claim it is"
		}
	case LabelClaim, LabelPod:
		if c.Label == v1alpha1.LabelLost {
			return w.forbidsLabel(v, i)
		}
		if c.Label == v1alpha1.LabelMayLeave {
			return "" // see forbidsLeaving
		}
		if claim := w.claims[c.Object]; claim != nil && claim.Returning && (i.pod == nil || i.pod.Node == "" || i.pod.ended()) {
			return ""
		}
		if i.wanted || i.pod != nil {
			return "a claim is retired that is in use"
		}
	}
	return ""
}

func (w *world) forbidsCreate(c Change, v *view, i *instance) string {
	switch {
	case !i.online():
		return "nobody wants it"
	case slices.ContainsFunc(i.claims, func(c *Claim) bool { return c == nil || c.Terminating || c.Lost }):
		return "its claims are not in order"
	case w.set.Spec.Placement != nil && *w.policy.Spec.Replicas < *w.set.Spec.Replicas:
		return "the policy was not raised before"
	case w.set.Spec.PlacementPolicyRef != nil && !w.counted():
		return "the policy does not count it yet"
	case w.policy.Presence != Absent && c.Instance.PolicyVersion == "":
		return "it is not stamped with the version of the policy"
	case i.pin() != "" && w.nodes[i.pin()].State == NodeOutOfService:
		return "its volume is on a dead node"
	case len(i.claims) > 0 && c.Instance.RebuildGeneration != i.claimGeneration():
		return "its generation is not that of its claims"
	case len(i.claims) > 0 && v.kept[i.ordinal] >= c.Instance.RebuildGeneration && slices.Contains(ParseOrdinals(w.set.Status.Bootstrapped), i.ordinal) && w.fresh(i):
		return "it starts empty, and does not know that it held data before"
	}
	return ""
}

// forbidsUnfenced wants each change that gives something up to name the node on which that is, and that node to be dead.
func (w *world) forbidsUnfenced(c Change) string {
	if !c.NeedsFence() {
		return ""
	}
	if len(c.Fenced) == 0 {
		return "nothing proves that a node is dead"
	}
	node := ""
	switch c.Kind {
	case LabelPod, DeletePod:
		if pod := w.pods[c.Object]; c.Force || !pod.ended() {
			node = pod.Node
		}
	case LabelClaim, DeleteClaim:
		node = w.on[w.claims[c.Object].Volume]
	case RetainVolume:
		node = w.on[c.Object]
	}
	switch {
	case node == "": // it has been nowhere yet
		return ""
	case !slices.Contains(c.Fenced, Fence{node, w.nodes[node].UID}):
		return "it does not name node " + node + ", which has to be fenced"
	case w.nodes[node].State != NodeOutOfService:
		return "node " + node + " is not out of service"
	}
	return ""
}

// counted reports whether the policy has counted what the set wants today. What it had counted of an older generation may
// be the same number by accident.
func (w *world) counted() bool {
	return w.policy.Counted && len(w.policy.Targets) > 0 && w.policy.Targets[1].ObservedGeneration == w.set.Generation
}

// held reports whether a pod that is created now would be stuck.
func (w *world) held() bool {
	switch spec := &w.set.Spec; {
	case spec.PlacementPolicyRef != nil:
		return !w.counted()
	case spec.Placement != nil:
		return w.policy.Presence != Ours || *w.policy.Spec.Replicas < *spec.Replicas
	}
	return false
}

// fresh reports whether the claims are new while an earlier rebuild kept a volume.
func (w *world) fresh(i *instance) bool {
	kept := false
	for _, v := range w.volumes {
		kept = kept || v.RetainedFor == "ns/"+podspec.Name("r", i.ordinal)
	}
	return kept && !slices.ContainsFunc(i.claims, func(c *Claim) bool { return c.Volume != "" })
}

func (w *world) forbidsGivingUp(v *view, i *instance, claim *Claim) string {
	if !i.wanted {
		if i.pod != nil {
			return "its pod may still write"
		}
		return ""
	}
	volume := w.volumes[claim.Volume]
	switch {
	case !claim.Lost:
		return "the claim was not labelled"
	case volume != nil && (!volume.Retain || volume.RetainedFor != "ns/"+podspec.Name("r", i.ordinal)):
		return "its volume is not kept"
	case w.nodes[v.nodeOfVolume(w, claim)].State != NodeOutOfService:
		return "its node is not out of service"
	case !slices.Contains(ParseOrdinals(w.set.Status.Bootstrapped), i.ordinal):
		return "nothing would tell that it held data before"
	}
	for n := range v.instances {
		if other := &v.instances[n]; other.node() == i.node() && w.mustGoAlong(v, other) {
			return fmt.Sprintf("r-%d keeps the dead node, and could be given up", other.ordinal)
		}
	}
	if why := w.forbidsSecond(v, i); why != "" {
		return why
	}
	return w.forbidsWithoutPeer(v, i)
}

// mustGoAlong reports whether a wanted instance on a dead node should have been labelled before any there is replaced.
func (w *world) mustGoAlong(v *view, i *instance) bool {
	return i.wanted && !i.lost() && w.nodes[i.node()].State == NodeOutOfService && w.forbidsLabel(v, i) == ""
}

// forbidsSecond keeps two instances of a shard from being replaced at the same time.
func (w *world) forbidsSecond(v *view, i *instance) string {
	if w.set.Spec.ShardSize == nil {
		return ""
	}
	for _, other := range v.shard(i).members {
		if other != i && other.wanted && (w.moving(v, other) || other.givenUp()) {
			return fmt.Sprintf("r-%d of the same shard is being replaced", other.ordinal)
		}
	}
	return ""
}

// moving reports whether an instance was replaced and is not Ready yet.
func (w *world) moving(v *view, i *instance) bool {
	return i.online() && !i.lost() && !i.ready() && v.generation(i) > 0 && (i.node() == "" || w.nodes[i.node()].State == NodeHealthy)
}

func (v *view) nodeOfVolume(w *world, claim *Claim) string {
	if claim.Volume == "" {
		return claim.Node
	}
	return w.on[claim.Volume]
}

func (w *world) forbidsWithoutPeer(v *view, i *instance) string {
	proven := w.set.Spec.Rebuild.HolderCheck == v1alpha1.HolderCheckNone
	ready := false
	for _, other := range v.shard(i).members {
		if other == i || !other.online() || !other.ready() || other.lost() || w.nodes[other.pod.Node].State != NodeHealthy {
			continue
		}
		ready = true
		proven = proven || w.masters[podspec.Name("r", other.ordinal)] > 0
	}
	if !ready {
		return "nobody else of its shard is Ready"
	}
	if !proven {
		return "nobody else of its shard is a master"
	}
	return ""
}

func (w *world) forbidsDeletePod(c Change, i *instance) string {
	pod := i.pod
	switch {
	case pod == nil || c.UID == "":
		return "it does not say which pod"
	case c.Force && (!pod.Lost || w.nodes[pod.Node].State != NodeOutOfService):
		return "its node is not proven dead"
	case !c.Force && i.online() && pod.Phase == corev1.PodRunning:
		return "it runs"
	case !c.Force && i.online() && pod.Node != "" && !pod.ended() && w.claimsOf(pod) && w.pinnedTo(pod) == pod.Node:
		return "it only waits for its kubelet"
	}
	return ""
}

func (w *world) forbidsLabel(v *view, i *instance) string {
	if w.set.Spec.ShardSize == nil {
		return w.forbidsWithoutPeer(v, i)
	}
	for _, other := range v.shard(i).members {
		if other == i || !other.wanted {
			continue
		}
		if other.lost() && other.node() != i.node() || w.moving(v, other) {
			return fmt.Sprintf("r-%d of the same shard is on its way", other.ordinal)
		}
	}
	return w.forbidsWithoutPeer(v, i)
}
