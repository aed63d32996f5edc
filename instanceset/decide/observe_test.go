package decide

import (
	"strconv"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"pgregory.net/rapid"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/podspec"
	"github.com/shoal-dev/shoal/slots"
)

// TestNodesAreCountedLikeSlots compares status.nodes and status.maxPerNode with package slots, which the scheduler and
// every checker use, on random objects.
func TestNodesAreCountedLikeSlots(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		set := newWorld().set
		*set.Spec.Replicas = rapid.Int32Range(0, 5).Draw(t, "replicas")
		set.Spec.PlacementPolicyRef = &v1alpha1.PlacementPolicyRef{Name: "p"}
		set.Spec.VolumeClaimTemplates = []v1alpha1.VolumeClaimTemplate{
			{Metadata: v1alpha1.VolumeClaimMeta{Name: "data"}}, {Metadata: v1alpha1.VolumeClaimMeta{Name: "log"}},
		}
		o := drawObjects(t, set)
		got := Decide(Observe(time.Now(), o)).Status

		volumes := map[string]*corev1.PersistentVolume{}
		for _, v := range o.Volumes {
			volumes[v.Name] = v
		}
		perNode := slots.PerNode(slots.Count(slots.World{
			Pods: o.Pods, Claims: o.Claims, Nodes: o.Nodes,
			Volume: func(name string) *corev1.PersistentVolume { return volumes[name] },
		}))
		most := 0
		for _, n := range perNode {
			most = max(most, n)
		}
		if int(got.Nodes) != len(perNode) || int(got.MaxPerNode) != most {
			t.Fatalf("status has %d nodes and at most %d on one, slots are %v", got.Nodes, got.MaxPerNode, perNode)
		}
	})
}

var drawnNodes = []string{"", "a", "b", "c"} // c has no Node

func drawObjects(t *rapid.T, set *v1alpha1.InstanceSet) Objects {
	o := Objects{Set: set, Nodes: slots.NewNodeMap([]*corev1.Node{
		{ObjectMeta: metav1.ObjectMeta{Name: "a", Labels: map[string]string{corev1.LabelHostname: "host-a"}}},
		{ObjectMeta: metav1.ObjectMeta{Name: "b", Labels: map[string]string{corev1.LabelHostname: "b"}}},
	})}
	for ordinal := range int32(6) {
		i := podspec.Instance{Ordinal: ordinal, Policy: "p"}
		if rapid.Bool().Draw(t, "pod") {
			pod := podspec.Pod(set, i)
			pod.UID = types.UID("pod-" + strconv.Itoa(int(ordinal)))
			pod.Spec.NodeName = rapid.SampledFrom(drawnNodes).Draw(t, "node")
			pod.Status.Phase = rapid.SampledFrom([]corev1.PodPhase{corev1.PodRunning, corev1.PodFailed}).Draw(t, "phase")
			mark(t, pod.Labels, v1alpha1.LabelLost)
			if rapid.IntRange(0, 3).Draw(t, "stranger") == 0 { // somebody made it by the set's name, without its claims
				pod.Spec.Volumes = nil
			}
			o.Pods = append(o.Pods, pod)
		}
		for v := range set.Spec.VolumeClaimTemplates {
			if !rapid.Bool().Draw(t, "claim") {
				continue
			}
			claim := podspec.Claim(set, &set.Spec.VolumeClaimTemplates[v], i)
			claim.UID = types.UID(claim.Name)
			mark(t, claim.Labels, v1alpha1.LabelLost)
			mark(t, claim.Labels, v1alpha1.LabelRetired)
			if rapid.Bool().Draw(t, "promised") {
				claim.Annotations[slots.SelectedNode] = rapid.SampledFrom(drawnNodes).Draw(t, "selected")
			}
			if rapid.Bool().Draw(t, "bound") {
				claim.Spec.VolumeName = "pv-" + claim.Name
				host := rapid.SampledFrom([]string{"host-a", "b", "c", ""}).Draw(t, "host")
				o.Volumes = append(o.Volumes, localVolume(claim.Spec.VolumeName, host))
			}
			o.Claims = append(o.Claims, claim)
		}
	}
	return o
}

func mark(t *rapid.T, labels map[string]string, label string) {
	if rapid.IntRange(0, 3).Draw(t, label) == 0 {
		labels[label] = "true"
	}
}

// localVolume is local to a host, or to none.
func localVolume(name, host string) *corev1.PersistentVolume {
	v := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name)}}
	if host != "" {
		v.Spec.NodeAffinity = &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
			MatchExpressions: []corev1.NodeSelectorRequirement{{Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{host}}},
		}}}}
	}
	return v
}

func TestOrdinalInName(t *testing.T) {
	for name, want := range map[string]int32{"r-0": 0, "r-12": 12, "r-01": -1, "r-": -1, "r--1": -1, "rr-1": -1, "r-1-2": -1, "r-+1": -1, "r-99999999999": -1} {
		if got, ok := ordinalIn(name, "r"); ok != (want >= 0) || ok && got != want {
			t.Errorf("%s: got %d, %v", name, got, ok)
		}
	}
}

// TestMayLeaveWhateverTheLabelSays: the budget lets go whoever has the label. A label that says nothing must not hide that from the plans.
func TestMayLeaveWhateverTheLabelSays(t *testing.T) {
	if since := leaveOf(map[string]string{v1alpha1.LabelOrdinal: "0"}); !since.IsZero() {
		t.Errorf("without the label it may leave since %v", since)
	}
	for value, want := range map[string]int64{"": 1, "0": 1, "true": 1, "-5": 1, "1772366400": 1772366400} {
		if since := leaveOf(map[string]string{v1alpha1.LabelMayLeave: value}); since.Unix() != want {
			t.Errorf("%q: may leave since %d, want %d", value, since.Unix(), want)
		}
	}
}

// TestAPathOfANodeIsNoVolumeInTheNetwork: its data is where its pod is, though its volume names no node.
func TestAPathOfANodeIsNoVolumeInTheNetwork(t *testing.T) {
	volume := localVolume("pv", "")
	if observeVolume(volume).OfNode {
		t.Error("a volume of a driver is taken for a path")
	}
	volume.Spec.HostPath = &corev1.HostPathVolumeSource{Path: "/data"}
	if !observeVolume(volume).OfNode {
		t.Error("a path is taken for a volume in the network")
	}
	volume.Spec.HostPath, volume.Spec.Local = nil, &corev1.LocalVolumeSource{Path: "/data"}
	if !observeVolume(volume).OfNode {
		t.Error("a local disk is taken for a volume in the network")
	}
}

func TestOrdinalsAsRanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := FormatOrdinals(ParseOrdinals(FormatOrdinals(rapid.SliceOfNDistinct(rapid.Int32Range(0, 60), 0, 40, rapid.ID).Draw(t, "ordinals"))))
		if again := FormatOrdinals(ParseOrdinals(text)); again != text {
			t.Fatalf("%q became %q", text, again)
		}
	})
	if got := FormatOrdinals(ParseOrdinals("0-3,5,x,7-y,9-10,5")); got != "0-3,5,9-10" {
		t.Errorf("got %q", got)
	}
}

func TestNodeStates(t *testing.T) {
	ready := corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}}
	unknown := corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionUnknown}}}
	taint := func(key string) corev1.NodeSpec {
		return corev1.NodeSpec{Taints: []corev1.Taint{{Key: key, Effect: corev1.TaintEffectNoExecute}}}
	}
	for name, c := range map[string]struct {
		node corev1.Node
		want NodeState
	}{
		"ready":                        {corev1.Node{Status: ready}, NodeHealthy},
		"nothing known":                {corev1.Node{}, NodeSilent},
		"unknown":                      {corev1.Node{Status: unknown}, NodeSilent},
		"ready, but still unreachable": {corev1.Node{Status: ready, Spec: taint(corev1.TaintNodeUnreachable)}, NodeSilent},
		"cordoned":                     {corev1.Node{Status: ready, Spec: taint(corev1.TaintNodeUnschedulable)}, NodeHealthy},
		"ready, and out of service":    {corev1.Node{Status: ready, Spec: taint(corev1.TaintNodeOutOfService)}, NodeOutOfService},
	} {
		if got := stateOf(&c.node); got != c.want {
			t.Errorf("%s: got %d", name, got)
		}
	}
}

// TestStatusIsBounded makes a set in which everything is wrong as large as sets may be.
func TestStatusIsBounded(t *testing.T) {
	s := largeSnapshot(20_000, 1)
	for i := range s.Pods {
		s.Pods[i].Node, s.Pods[i].Ready = "", false
		s.Pods[i].Unscheduled = string(make([]byte, 5000))
	}
	status := Decide(s).Status
	for _, c := range status.Conditions {
		if len(c.Message) > maxMessage {
			t.Errorf("the message of %s has %d bytes", c.Type, len(c.Message))
		}
	}
	if len(status.Conditions) != 6 || len(status.Exceptions) != maxExceptions {
		t.Errorf("%d conditions and %d exceptions", len(status.Conditions), len(status.Exceptions))
	}
	for _, e := range status.Exceptions {
		if len(e.Message) > maxExceptionMessage {
			t.Errorf("the message of r-%d has %d bytes", e.Ordinal, len(e.Message))
		}
	}
}

func TestThePolicyIsCountedOnlyForItsCurrentGeneration(t *testing.T) {
	p := &v1alpha1.PlacementPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "p", Generation: 3, ResourceVersion: "7"}}
	p.Status.Targets = []v1alpha1.ScaleTargetCount{{Kind: "InstanceSet", Name: "r", Replicas: 5}}
	set := newWorld().set
	for observed, counted := range map[int64]bool{0: false, 2: false, 3: true} {
		p.Status.ObservedGeneration = observed
		got := observePolicy(set, p)
		if got.Counted != counted || len(got.Targets) != 1 || got.Targets[0].Replicas != 5 || got.Version != "7" {
			t.Errorf("observed generation %d of 3: %+v", observed, got)
		}
	}
}

// A budget of which somebody has changed what it says is told from one that is as it was, and from that of somebody else.
func TestBudgetsThatAreNotAsTheyWere(t *testing.T) {
	set := newWorld().set
	budget := podspec.Budget(set)
	budget.UID, budget.ResourceVersion, budget.Status.DisruptionsAllowed = "u", "7", 3
	if got := observeBudget(set, budget); got != (Budget{Presence: Ours, UID: "u", Version: "7"}) {
		t.Errorf("%+v", got)
	}
	one, always, byDefault := intstr.FromInt32(1), policyv1.AlwaysAllow, policyv1.IfHealthyBudget
	said := budget.DeepCopy()
	if said.Spec.UnhealthyPodEvictionPolicy = &byDefault; observeBudget(set, said).Changed {
		t.Error("the default that is said is no change")
	}
	for what, change := range map[string]func(*policyv1.PodDisruptionBudgetSpec){
		"more may go":          func(s *policyv1.PodDisruptionBudgetSpec) { s.MaxUnavailable = &one },
		"another measure":      func(s *policyv1.PodDisruptionBudgetSpec) { s.MaxUnavailable, s.MinAvailable = nil, &one },
		"the unhealthy may go": func(s *policyv1.PodDisruptionBudgetSpec) { s.UnhealthyPodEvictionPolicy = &always },
		"others":               func(s *policyv1.PodDisruptionBudgetSpec) { s.Selector.MatchLabels["a"] = "b" },
	} {
		changed := budget.DeepCopy()
		change(&changed.Spec)
		if got := observeBudget(set, changed); got.Presence != Ours || !got.Changed {
			t.Errorf("%s: %+v", what, got)
		}
	}
	budget.OwnerReferences = nil
	if got := observeBudget(set, budget); got.Presence != Foreign {
		t.Errorf("%+v", got)
	}
	if got := observeBudget(set, nil); got != (Budget{}) {
		t.Errorf("%+v", got)
	}
}

// The agent's container alone does not run. The kubelet takes the pod for not ready, the instance is ready all the same: as long as
// its node is heard of, since the node lifecycle controller cannot say more than the kubelet has.
func TestAnInstanceDoesNotDependOnItsAgent(t *testing.T) {
	set := newWorld().set
	now := time.Unix(10_000, 0)
	always := corev1.ContainerRestartPolicyAlways
	node := func(ready corev1.ConditionStatus, taints ...corev1.Taint) *corev1.Node {
		return &corev1.Node{
			ObjectMeta: metav1.ObjectMeta{Name: "a", UID: "a"}, Spec: corev1.NodeSpec{Taints: taints},
			Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: ready}}},
		}
	}
	for name, c := range map[string]struct {
		engine      bool
		node        *corev1.Node
		ready, down bool
	}{
		"its node is healthy":        {true, node(corev1.ConditionTrue), true, true},
		"its node is not ready":      {true, node(corev1.ConditionUnknown), false, false},
		"its node is unreachable":    {true, node(corev1.ConditionTrue, corev1.Taint{Key: corev1.TaintNodeUnreachable}), false, false},
		"its node is gone":           {true, nil, false, false},
		"its engine does not either": {false, node(corev1.ConditionTrue), false, false},
	} {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "r-0", Namespace: "ns", OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(set, v1alpha1.GroupVersion.WithKind("InstanceSet"))}}}
		pod.Spec = corev1.PodSpec{
			NodeName: "a", Containers: []corev1.Container{{Name: "redis"}},
			InitContainers: []corev1.Container{{Name: podspec.AgentContainer, Image: "agent:v1", RestartPolicy: &always}},
		}
		pod.Status = corev1.PodStatus{
			Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionFalse}},
			InitContainerStatuses: []corev1.ContainerStatus{{Name: podspec.AgentContainer}},
			ContainerStatuses:     []corev1.ContainerStatus{{Name: "redis", Ready: c.engine}},
		}
		var nodes []*corev1.Node
		if c.node != nil {
			nodes = append(nodes, c.node)
		}
		got := Observe(now, Objects{Set: set, Pods: []*corev1.Pod{pod}, Nodes: slots.NewNodeMap(nodes)}).Pods[0]
		if got.Ready != c.ready || got.AgentDown != c.down || !got.Agent || got.AgentProven {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// An image was written that never came. What ran last is still named in the status, and nothing is waited for: another image may be
// written.
func TestAContainerThatIsDownIsNotWaitedFor(t *testing.T) {
	runs := corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	down := corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff"}}
	for name, c := range map[string]struct {
		state corev1.ContainerState
		id    string
		image string
		want  bool
	}{
		"it runs as before":                       {runs, "c1", "redis:8", true},
		"it was started anew":                     {runs, "c2", "redis:8", false},
		"it has stopped, and is down":             {down, "c1", "redis:8", false},
		"it has never run in this pod":            {down, "", "redis:8", false},
		"its former image was put back meanwhile": {runs, "c1", "redis:7", false},
	} {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{v1alpha1.AnnotationRestarting: "redis=c1@redis:7"}}}
		pod.Spec.Containers = []corev1.Container{{Name: "redis", Image: c.image}}
		pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "redis", ContainerID: c.id, State: c.state}}
		var got Pod
		if observeUpdate(pod, &got); got.Unsettled != c.want {
			t.Errorf("%s: unsettled is %t", name, got.Unsettled)
		}
	}
}

// TestObserveGrowth: what drivers and kubelets say of a volume that is to grow.
func TestObserveGrowth(t *testing.T) {
	condition := func(kind corev1.PersistentVolumeClaimConditionType, message string) []corev1.PersistentVolumeClaimCondition {
		return []corev1.PersistentVolumeClaimCondition{{Type: kind, Status: corev1.ConditionTrue, Message: message}}
	}
	for name, c := range map[string]struct {
		conditions []corev1.PersistentVolumeClaimCondition
		status     corev1.ClaimResourceStatus
		words      string
		failed     bool
	}{
		"nothing yet":     {},
		"at it":           {condition(corev1.PersistentVolumeClaimResizing, ""), corev1.PersistentVolumeClaimControllerResizeInProgress, "", false},
		"file system":     {condition(corev1.PersistentVolumeClaimFileSystemResizePending, ""), corev1.PersistentVolumeClaimNodeResizePending, "which the node's file system has yet to follow", false},
		"tried again":     {condition(corev1.PersistentVolumeClaimControllerResizeError, "quota"), corev1.PersistentVolumeClaimControllerResizeInProgress, "quota", true},
		"infeasible":      {nil, corev1.PersistentVolumeClaimControllerResizeInfeasible, "ControllerResizeInfeasible", true},
		"not on the node": {condition(corev1.PersistentVolumeClaimNodeResizeError, "resize2fs"), corev1.PersistentVolumeClaimNodeResizeInfeasible, "resize2fs", true},
	} {
		claim := &corev1.PersistentVolumeClaim{Status: corev1.PersistentVolumeClaimStatus{Conditions: c.conditions}}
		if c.status != "" {
			claim.Status.AllocatedResourceStatuses = map[corev1.ResourceName]corev1.ClaimResourceStatus{corev1.ResourceStorage: c.status}
		}
		if words, failed := observeGrowth(claim); words != c.words || failed != c.failed {
			t.Errorf("%s: %q, failed %t; want %q, %t", name, words, failed, c.words, c.failed)
		}
	}
}

// TestRanForLong: who ran for long may again, and is not taken for broken.
func TestRanForLong(t *testing.T) {
	at := func(seconds int64) metav1.Time { return metav1.Unix(seconds, 0) }
	for name, c := range map[string]struct {
		last corev1.ContainerStateTerminated
		want bool
	}{
		"an hour":               {corev1.ContainerStateTerminated{StartedAt: at(1e9), FinishedAt: at(1e9 + 3600)}, true},
		"a moment":              {corev1.ContainerStateTerminated{StartedAt: at(1e9), FinishedAt: at(1e9 + 2)}, false},
		"could not be started":  {corev1.ContainerStateTerminated{Reason: "StartError", StartedAt: at(0), FinishedAt: at(1e9)}, false},
		"the node was rebooted": {corev1.ContainerStateTerminated{Reason: "ContainerStatusUnknown", ExitCode: 137}, true},
	} {
		pod := &corev1.Pod{}
		pod.Status.ContainerStatuses = []corev1.ContainerStatus{{
			Name: "redis", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}},
			LastTerminationState: corev1.ContainerState{Terminated: &c.last},
		}}
		if _, got := observeDown(pod); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
