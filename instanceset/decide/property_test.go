package decide

import (
	"flag"
	"fmt"
	"maps"
	"math/rand"
	"reflect"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"pgregory.net/rapid"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/podspec"
)

// A history that failed is printed with its seed. It is not kept as a file, which the scenarios would take for theirs.
func init() {
	if err := flag.Set("rapid.nofailfile", "true"); err != nil {
		panic(err)
	}
}

// TestAnyPartOfAPlanIsSafe lets a random world do what worlds do (nodes die and come back, pods fail, people scale), and
// carries out random parts of the plans that are decided in between, as a controller does that is killed at any moment.
// Each change is judged by what is true at that moment. In the end the faults stop, and the set must come to rest.
func TestAnyPartOfAPlanIsSafe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		for range rapid.IntRange(5, 60).Draw(t, "steps") {
			step(t, w)
		}
		comeToRest(t, w)
	})
}

func drawWorld(t *rapid.T) *world {
	w := newWorld()
	spec := &w.set.Spec
	if size := rapid.SampledFrom([]int32{0, 2, 3}).Draw(t, "shardSize"); size > 0 {
		spec.ShardSize = &size
	}
	*spec.Replicas = drawReplicas(t, spec)
	for _, name := range []string{"data", "log"}[:rapid.IntRange(0, 2).Draw(t, "volumes")] {
		spec.VolumeClaimTemplates = append(spec.VolumeClaimTemplates, v1alpha1.VolumeClaimTemplate{Metadata: v1alpha1.VolumeClaimMeta{Name: name}})
	}
	switch rapid.IntRange(0, 2).Draw(t, "policy") {
	case 1:
		spec.Placement = &v1alpha1.PlacementLimits{}
	case 2:
		spec.PlacementPolicyRef = &v1alpha1.PlacementPolicyRef{Name: "p"}
		w.policy = sharedPolicy()
	}
	spec.Rebuild.Mode = v1alpha1.RebuildAutomatic
	spec.Rebuild.HolderCheck = rapid.SampledFrom([]v1alpha1.HolderCheck{v1alpha1.HolderCheckNone, v1alpha1.HolderCheckRedis}).Draw(t, "holderCheck")
	spec.PersistentVolumeClaimRetentionPolicy.WhenScaled = rapid.SampledFrom([]v1alpha1.RetentionType{v1alpha1.RetainClaims, v1alpha1.DeleteClaims}).Draw(t, "whenScaled")
	w.together = rapid.IntRange(1, 2).Draw(t, "together")
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		w.nodes[name] = &Node{Name: name, UID: "node-" + w.uid(), State: NodeHealthy}
	}
	for range 4 { // most histories begin with a set that runs
		if rapid.IntRange(0, 3).Draw(t, "start") > 0 {
			decideAndDo(t, w, all)
			everythingWorks(w)
		}
	}
	return w
}

// sharedPolicy is one of somebody else that counts the set among others.
func sharedPolicy() Policy {
	return Policy{Presence: Foreign, Spec: &v1alpha1.PlacementPolicySpec{
		ScaleTargetRefs: []v1alpha1.ScaleTargetRef{{Kind: "StatefulSet", Name: "r"}, {Kind: "InstanceSet", Name: "r"}},
	}}
}

func drawReplicas(t *rapid.T, spec *v1alpha1.InstanceSetSpec) int32 {
	if spec.ShardSize == nil {
		return rapid.Int32Range(0, 6).Draw(t, "replicas")
	}
	return *spec.ShardSize * rapid.Int32Range(0, 3).Draw(t, "shards")
}

func step(t *rapid.T, w *world) {
	w.now = w.now.Add(time.Duration(rapid.IntRange(0, 40).Draw(t, "seconds")) * time.Second)
	spec := &w.set.Spec
	switch rapid.IntRange(0, 14).Draw(t, "step") {
	case 0:
		*spec.Replicas = drawReplicas(t, spec)
		w.set.Generation++
	case 1:
		w.set.Generation++
		spec.Paused = !spec.Paused
	case 2:
		w.set.Generation++
		spec.OfflineInstances = nil
		if rapid.Bool().Draw(t, "offline") {
			spec.OfflineInstances = []int32{rapid.Int32Range(0, 5).Draw(t, "which")}
		}
	case 3, 4:
		node := w.nodes[rapid.SampledFrom([]string{"a", "b", "c", "d", "e"}).Draw(t, "node")]
		node.State = rapid.SampledFrom([]NodeState{NodeHealthy, NodeSilent, NodeOutOfService, NodeOutOfService}).Draw(t, "state")
		w.nodesSpeak()
	case 5:
		if name := drawPod(t, w); name != "" && w.pods[name].Node != "" {
			w.pods[name].Phase, w.pods[name].Ready, w.pods[name].Ended = corev1.PodFailed, false, w.now
		}
	case 6:
		if name := drawPod(t, w); name != "" {
			w.pods[name].Ready = false
		}
	case 7:
		everythingWorks(w)
	case 8:
		if spec.PlacementPolicyRef != nil {
			w.policy = rapid.SampledFrom([]Policy{{}, sharedPolicy()}).Draw(t, "policy is") // gone, or made anew
		}
	case 9:
		w.kubelets()
		w.countTargets()
	default:
		decideAndDo(t, w, func(Change) bool { return rapid.IntRange(0, 5).Draw(t, "alive") > 0 })
	}
}

func drawPod(t *rapid.T, w *world) string {
	if len(w.pods) == 0 {
		return ""
	}
	return rapid.SampledFrom(slices.Sorted(maps.Keys(w.pods))).Draw(t, "pod")
}

// nodesSpeak makes pods on nodes that do not answer unready.
func (w *world) nodesSpeak() {
	for name, pod := range w.pods {
		if n := w.nodes[pod.Node]; n != nil && n.State != NodeHealthy {
			pod.Ready = false
			delete(w.masters, name)
		}
	}
}

// kubelets stop what is terminating; for nodes that are out of service the pod garbage collector does.
func (w *world) kubelets() {
	for _, name := range slices.Sorted(maps.Keys(w.pods)) {
		pod := w.pods[name]
		n := w.nodes[pod.Node]
		switch {
		case n == nil || !pod.Terminating && n.State != NodeOutOfService:
		case n.State == NodeSilent:
		default:
			w.podGone(name)
		}
	}
}

// countTargets is the policy's controller, which is late.
func (w *world) countTargets() {
	if w.set.Spec.PlacementPolicyRef != nil {
		if w.policy.Presence == Absent {
			w.policy = sharedPolicy()
		}
		w.policy.Version, w.policy.Counted = string(w.uid()), true
		w.policy.Targets = []v1alpha1.ScaleTargetCount{
			{Kind: "StatefulSet", Name: "r", Replicas: 100}, {Kind: "InstanceSet", Name: "r", Replicas: *w.set.Spec.Replicas, ObservedGeneration: w.set.Generation},
		}
	}
}

// everythingWorks lets scheduler, kubelets and Sentinel do what they can.
func everythingWorks(w *world) {
	w.kubelets()
	w.countTargets()
	for _, name := range slices.Sorted(maps.Keys(w.pods)) {
		pod := w.pods[name]
		if pod.ended() || pod.Terminating {
			continue
		}
		if pod.Node == "" && w.claimsOf(pod) {
			node := w.pinnedTo(pod)
			if node == "" {
				node = w.healthyNode(int(pod.Ordinal) / w.together)
			}
			if n := w.nodes[node]; n != nil && n.State == NodeHealthy {
				w.place(name, node)
			}
		}
		if n := w.nodes[pod.Node]; n != nil && n.State == NodeHealthy {
			w.becomeReady(name)
			w.masters[name] = 100 // Sentinel promotes somebody; who is of no interest here
		}
	}
}

func (w *world) claimsOf(pod *Pod) bool {
	for _, template := range w.set.Spec.VolumeClaimTemplates {
		c := w.claims[podspec.ClaimName(template.Metadata.Name, "r", pod.Ordinal)]
		if c == nil || c.Terminating {
			return false
		}
	}
	return true
}

func (w *world) healthyNode(ordinal int) string {
	var healthy []string
	for _, name := range slices.Sorted(maps.Keys(w.nodes)) {
		if w.nodes[name].State == NodeHealthy {
			healthy = append(healthy, name)
		}
	}
	if len(healthy) == 0 {
		return ""
	}
	return healthy[ordinal%len(healthy)]
}

func decideAndDo(t *rapid.T, w *world, alive func(Change) bool) []Change {
	s := w.snapshot()
	plan := Decide(s)
	if shuffled := Decide(shuffle(s)); !reflect.DeepEqual(plan, shuffled) {
		t.Fatalf("the order of the snapshot changed the plan:\n%v\n%v", plan, shuffled)
	}
	complete := true
	err := w.carryOut(plan.Changes, func(c Change) bool {
		if !alive(c) {
			complete = false
			return false
		}
		if why := w.forbids(c); why != "" {
			t.Fatalf("%s\nbut %s", c, why)
		}
		return true
	})
	if err != nil {
		t.Fatalf("the plan does not fit its snapshot: %v", err)
	}
	if complete {
		w.set.Status = plan.Status
	}
	return plan.Changes
}

func shuffle(s Snapshot) Snapshot {
	r := rand.New(rand.NewSource(int64(len(s.Pods)*31 + len(s.Claims))))
	s.Pods, s.Claims = slices.Clone(s.Pods), slices.Clone(s.Claims)
	s.Volumes, s.Nodes, s.Answers = slices.Clone(s.Volumes), slices.Clone(s.Nodes), slices.Clone(s.Answers)
	r.Shuffle(len(s.Pods), func(i, j int) { s.Pods[i], s.Pods[j] = s.Pods[j], s.Pods[i] })
	r.Shuffle(len(s.Claims), func(i, j int) { s.Claims[i], s.Claims[j] = s.Claims[j], s.Claims[i] })
	r.Shuffle(len(s.Volumes), func(i, j int) { s.Volumes[i], s.Volumes[j] = s.Volumes[j], s.Volumes[i] })
	r.Shuffle(len(s.Nodes), func(i, j int) { s.Nodes[i], s.Nodes[j] = s.Nodes[j], s.Nodes[i] })
	r.Shuffle(len(s.Answers), func(i, j int) { s.Answers[i], s.Answers[j] = s.Answers[j], s.Answers[i] })
	return s
}

// comeToRest ends all faults but dead nodes, and wants every instance Ready, or a reason that a person has to deal with.
func comeToRest(t *rapid.T, w *world) {
	w.set.Spec.Paused = false
	w.set.Generation++
	for _, name := range slices.Sorted(maps.Keys(w.nodes)) {
		if w.nodes[name].State == NodeSilent {
			w.nodes[name].State = NodeHealthy
		}
	}
	w.nodes["z"] = &Node{Name: "z", UID: "node-z", State: NodeHealthy}
	quiet := 0
	for round := 0; quiet < 3; round++ {
		if round == 200 {
			t.Fatalf("the set does not come to rest: %v", Decide(w.snapshot()).Changes)
		}
		quiet++
		if len(decideAndDo(t, w, all)) > 0 {
			quiet = 0
		}
		everythingWorks(w)
		w.now = w.now.Add(maxBackoff)
	}
	before := w.set.Status
	decideAndDo(t, w, all)
	if !reflect.DeepEqual(before, w.set.Status) {
		t.Fatalf("nothing happens, and the status still changes:\n%+v\n%+v", before, w.set.Status)
	}
	w.wantHealthyOrExplained(t)
}

// stuckFor are the reasons with which an instance may be left for good in this test.
var stuckFor = []string{"SHOAL2109", "SHOAL2111", "SHOAL2114"} // no peer, no master, taint withdrawn

func (w *world) wantHealthyOrExplained(t *rapid.T) {
	v := newView(w.snapshot())
	explained := map[int32]string{}
	for _, e := range w.set.Status.Exceptions {
		explained[e.Ordinal] = e.Reason
	}
	for n := range v.instances {
		i := &v.instances[n]
		code := explained[i.ordinal]
		ready := i.ready() && !i.lost()
		behind := code == "SHOAL2110" && slices.ContainsFunc(v.shard(i).members, func(o *instance) bool {
			return slices.Contains(stuckFor, explained[o.ordinal])
		})
		if i.online() && !ready && !slices.Contains(stuckFor, code) && !behind {
			t.Fatalf("r-%d is not Ready, and the status says %q: %+v", i.ordinal, code, w.set.Status)
		}
		if !i.wanted && i.pod != nil {
			t.Fatalf("r-%d is not wanted and still there", i.ordinal)
		}
	}
}

// forbids says why a change must not be made in the world as it is.
func (w *world) forbids(c Change) string {
	if c.Ordinal == SetWide {
		return ""
	}
	if c.NeedsFence() && len(c.Fenced) == 0 {
		return "nothing proves that a node is dead"
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
	case LabelClaim, LabelPod:
		if c.Label == v1alpha1.LabelLost {
			return w.forbidsLabel(v, i)
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
	case c.Force && !slices.Contains(c.Fenced, Fence{pod.Node, w.nodes[pod.Node].UID}):
		return "it does not name the node that has to be fenced"
	case !c.Force && i.online() && pod.Node != "" && !pod.ended():
		return "it runs"
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
