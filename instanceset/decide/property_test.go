package decide

import (
	"flag"
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
	switch rapid.IntRange(0, 17).Draw(t, "step") {
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
		if name := drawPod(t, w); name != "" && w.pods[name].Node == "" {
			w.strand(name, rapid.Bool().Draw(t, "exchanged"))
		}
	case 10:
		w.elsewhere(drawKey(t, "claim", w.claims), rapid.SampledFrom([]string{"a", "b", "c", "d", "e"}).Draw(t, "volume is on"))
	case 11:
		w.kubelets()
		w.countTargets()
	default:
		decideAndDo(t, w, func(Change) bool { return rapid.IntRange(0, 5).Draw(t, "alive") > 0 })
	}
}

func drawPod(t *rapid.T, w *world) string { return drawKey(t, "pod", w.pods) }

func drawKey[V any](t *rapid.T, what string, from map[string]V) string {
	if len(from) == 0 {
		return ""
	}
	return rapid.SampledFrom(slices.Sorted(maps.Keys(from))).Draw(t, what)
}

// strand has a claim vanish, or exchanged, while the scheduler binds its pod.
func (w *world) strand(name string, exchanged bool) {
	pod, node := w.pods[name], w.healthyNode(0)
	for _, c := range slices.Sorted(maps.Keys(w.claims)) {
		claim := w.claims[c]
		if claim.Ordinal != pod.Ordinal || claim.Volume != "" || node == "" {
			continue
		}
		delete(w.claims, c)
		if exchanged {
			w.claims[c] = &Claim{Ordinal: claim.Ordinal, Volumes: claim.Volumes, UID: w.uid(), Version: "1", Generation: claim.Generation}
		}
		pod.Node, pod.Bound = node, w.now
		return
	}
}

// elsewhere has the volume of a claim turn out to be on another node than its pod, as after the claim was exchanged. What
// was declared lost stays where it is. Sets with shards are left out: two instances of a shard that are lost together and
// whose volumes lie on two dead nodes may wait for each other, which with real volumes would need a pod that used both.
func (w *world) elsewhere(name, node string) {
	claim := w.claims[name]
	if claim == nil || claim.Volume == "" || w.set.Spec.ShardSize != nil {
		return
	}
	v := newView(w.snapshot())
	if i := v.at(claim.Ordinal); i == nil || !i.lost() {
		w.on[claim.Volume] = node
	}
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
		if n := w.nodes[pod.Node]; n != nil && n.State == NodeHealthy && pod.Phase == corev1.PodRunning {
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
	plan := w.follower.plan(t, s)
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
	s.Revisions = slices.Clone(s.Revisions)
	r.Shuffle(len(s.Revisions), func(i, j int) { s.Revisions[i], s.Revisions[j] = s.Revisions[j], s.Revisions[i] })
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
