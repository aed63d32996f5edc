package decide

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/placement"
	"github.com/shoal-dev/shoal/podspec"
	"github.com/shoal-dev/shoal/slots"
)

// building is a cluster whose instances look for room. Each instance asks for 1 CPU.
type building struct {
	o     Objects
	there map[string][]*corev1.Pod
	err   error
}

func newBuilding() *building {
	b := &building{o: Objects{Set: newWorld().set, Room: &Room{}}, there: map[string][]*corev1.Pod{}}
	b.o.Set.Spec.Template.Spec.Containers[0].Resources.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")}
	b.o.Room.On = func(node string) ([]*corev1.Pod, error) { return b.there[node], b.err }
	return b
}

func (b *building) node(name, zone string, cpus int64, cordoned bool) {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelHostname: name, corev1.LabelTopologyZone: zone}}}
	node.Spec.Unschedulable = cordoned
	node.Status.Allocatable = corev1.ResourceList{
		corev1.ResourcePods: resource.MustParse("100"), corev1.ResourceCPU: *resource.NewQuantity(cpus, resource.DecimalSI), corev1.ResourceMemory: resource.MustParse("64Gi"),
	}
	node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	b.o.Room.Nodes = append(b.o.Room.Nodes, node)
}

// pod puts an instance on a node, or nowhere, with a volume that is bound to a zone, or none.
func (b *building) pod(ordinal int32, node, zone string) *corev1.Pod {
	set := *b.o.Set
	if zone != "" {
		b.o.Set.Spec.VolumeClaimTemplates = []v1alpha1.VolumeClaimTemplate{{Metadata: v1alpha1.VolumeClaimMeta{Name: "data"}}}
		claim := podspec.Claim(b.o.Set, &b.o.Set.Spec.VolumeClaimTemplates[0], podspec.Instance{Ordinal: ordinal})
		claim.Spec.VolumeName = "pv-" + claim.Name
		volume := localVolume(claim.Spec.VolumeName, "x")
		term := &volume.Spec.NodeAffinity.Required.NodeSelectorTerms[0].MatchExpressions[0]
		term.Key, term.Values = corev1.LabelTopologyZone, []string{zone}
		b.o.Claims, b.o.Volumes = append(b.o.Claims, claim), append(b.o.Volumes, volume)
		set = *b.o.Set
	}
	pod := podspec.Pod(&set, podspec.Instance{Ordinal: ordinal})
	pod.UID, pod.Spec.NodeName = types.UID(pod.Name), node
	b.o.Pods = append(b.o.Pods, pod)
	if node != "" {
		b.there[node] = append(b.there[node], pod)
	}
	return pod
}

func (b *building) look() Snapshot {
	b.o.Nodes = slots.NewNodeMap(b.o.Room.Nodes)
	return Observe(time.Now(), b.o)
}

// to are the nodes to which an instance could go, or why that is not said.
func (b *building) to(ordinal int32) string {
	s := b.look()
	for _, p := range s.Pods {
		switch {
		case p.Ordinal != ordinal:
		case p.Move == nil:
			return "not looked for"
		case p.Move.Tied != "":
			return p.Move.Tied
		default:
			return strings.Join(slices.Sorted(maps.Keys(p.Move.To)), " ")
		}
	}
	return "no such instance"
}

func (b *building) want(t *testing.T, ordinal int32, to string) {
	t.Helper()
	if got := b.to(ordinal); got != to {
		t.Errorf("r-%d could go to %q, not to %q", ordinal, got, to)
	}
}

// TestANodeThatCannotBeLookedAtIsNoPlace: what is on a node is not known, and it is not taken for empty.
func TestANodeThatCannotBeLookedAtIsNoPlace(t *testing.T) {
	b := newBuilding()
	b.node("a", "z", 4, true)
	b.node("b", "z", 4, false)
	b.pod(0, "a", "")
	b.want(t, 0, "b")
	b.err = errors.New("no index")
	b.want(t, 0, "")
}

// TestRoomIsWhatNobodyAsksFor: neither those that are there, nor those of the group that come back to their volumes.
func TestRoomIsWhatNobodyAsksFor(t *testing.T) {
	b := newBuilding()
	b.node("a", "z", 4, true)
	b.node("b", "z", 2, false)
	b.node("c", "z", 4, true)
	b.pod(0, "a", "")
	b.pod(1, "b", "")
	b.want(t, 0, "b")
	b.o.Room.Held = []slots.Slot{{Node: "b", Pod: b.o.Pods[1]}, {Node: "b"}} // a claim, whose pod is away
	b.want(t, 0, "")
	ended := b.o.Pods[1].DeepCopy()
	ended.Status.Phase = corev1.PodFailed
	b.there["b"] = []*corev1.Pod{ended}
	b.want(t, 0, "b")
}

// TestRoomIsWhereVolumesReach: a volume of one zone is of no use in another, and 150 instances whose zone is full keep nobody from being looked at.
func TestRoomIsWhereVolumesReach(t *testing.T) {
	b := newBuilding()
	b.node("a", "one", 1000, true)
	b.node("b", "two", 4, true)
	b.node("c", "two", 4, false)
	b.node("d", "one", 0, false)
	for o := range int32(150) {
		b.pod(o, "a", "one")
	}
	b.pod(150, "b", "two")
	b.want(t, 0, "")
	b.want(t, 149, "")
	b.want(t, 150, "c")
}

// TestRoomOfManyNodes: what is found for the one hides nothing from the other, and nodes that the group uses are looked at however many there are.
func TestRoomOfManyNodes(t *testing.T) {
	b := newBuilding()
	b.node("a", "one", 4, true)
	b.pod(0, "a", "one")
	b.pod(1, "a", "two")
	for n := range 3 * maxPlaces {
		b.node(fmt.Sprintf("one-%03d", n), "one", 4, false)
		b.node(fmt.Sprintf("two-%03d", n), "two", 4, false)
		if n < 2*maxPlaces {
			b.o.Room.Held = append(b.o.Room.Held, slots.Slot{Node: fmt.Sprintf("one-%03d", n)})
		}
	}
	if n := len(strings.Fields(b.to(0))); n != 3*maxPlaces {
		t.Errorf("%d nodes in zone one, and not those that are used and %d more", n, maxPlaces)
	}
	if n := len(strings.Fields(b.to(1))); n != maxPlaces {
		t.Errorf("%d nodes in zone two, not %d", n, maxPlaces)
	}
}

// TestWhatIsNotJudgedStays: what a pod demands beyond its node, and a claim that is none of the set's.
func TestWhatIsNotJudgedStays(t *testing.T) {
	like := []corev1.PodAffinityTerm{{TopologyKey: corev1.LabelHostname, LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "x"}}}}
	for want, demand := range map[string]func(*corev1.PodSpec){
		"its topologySpreadConstraints are not judged": func(s *corev1.PodSpec) {
			s.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{WhenUnsatisfiable: corev1.DoNotSchedule}}
		},
		"its podAffinity is not judged": func(s *corev1.PodSpec) {
			s.Affinity = &corev1.Affinity{PodAffinity: &corev1.PodAffinity{RequiredDuringSchedulingIgnoredDuringExecution: like}}
		},
		"its podAntiAffinity is judged for kubernetes.io/hostname alone": func(s *corev1.PodSpec) {
			far := slices.Clone(like)
			far[0].TopologyKey = corev1.LabelTopologyZone
			s.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: far}}
		},
		"claim other is none of the set's": func(s *corev1.PodSpec) {
			s.Volumes = []corev1.Volume{{Name: "other", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "other"}}}}
		},
		"b": func(s *corev1.PodSpec) {
			s.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{WhenUnsatisfiable: corev1.ScheduleAnyway}}
		},
	} {
		b := newBuilding()
		b.node("a", "z", 4, true)
		b.node("b", "z", 4, false)
		demand(&b.pod(0, "a", "").Spec)
		b.pod(1, "a", "")
		b.want(t, 0, want)
		b.want(t, 1, "b")
	}
}

// TestWhoIsKeptAway: by its own wish or by that of another one, which may be about labels that differ within a set: then it is certain of nobody.
func TestWhoIsKeptAway(t *testing.T) {
	awayFrom := func(pod *corev1.Pod, labels map[string]string) {
		pod.Spec.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{
			TopologyKey: corev1.LabelHostname, LabelSelector: &metav1.LabelSelector{MatchLabels: labels},
		}}}}
	}
	for want, away := range map[string]func(mover, there *corev1.Pod){
		"": func(mover, there *corev1.Pod) {
			there.Labels = map[string]string{"app": "loud"}
			awayFrom(mover, there.Labels)
		},
		" ": func(_, there *corev1.Pod) { awayFrom(there, map[string]string{v1alpha1.LabelInstanceSet: "r"}) },
		"  ": func(_, there *corev1.Pod) {
			awayFrom(there, map[string]string{v1alpha1.LabelInstanceSet: "r", v1alpha1.LabelOrdinal: "7"})
		},
		"b": func(_, there *corev1.Pod) {
			awayFrom(there, map[string]string{v1alpha1.LabelInstanceSet: "s", v1alpha1.LabelOrdinal: "0"})
		},
	} {
		b := newBuilding()
		b.node("a", "z", 4, true)
		b.node("b", "z", 4, false)
		mover := b.pod(0, "a", "")
		there := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "other", UID: "other"}, Spec: corev1.PodSpec{NodeName: "b"}}
		b.there["b"] = []*corev1.Pod{there}
		away(mover, there)
		b.want(t, 0, strings.TrimSpace(want))
	}
}

// TestWhoWaitsForANode: a pod of the group and one of the set, each with what it could take; not one whose volume is on a node.
func TestWhoWaitsForANode(t *testing.T) {
	b := newBuilding()
	b.node("a", "z", 4, true)
	b.node("b", "z", 4, false)
	b.pod(0, "a", "")
	b.pod(1, "", "")
	huge := b.pod(2, "", "")
	huge.Spec.Containers[0].Resources.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("900")}
	other := b.pod(3, "", "")
	other.Name, other.UID = "s-0", "s-0"
	b.o.Pods, b.o.Room.Queued = b.o.Pods[:3], []*corev1.Pod{other}
	got := map[string]int{}
	for _, w := range b.look().Queued {
		got[w.Pod] = len(w.Move.To)
	}
	if want := map[string]int{"r-1": 1, "r-2": 0}; !maps.Equal(got, want) { // s-0 is as r-1
		t.Errorf("they wait: %v, want %v", got, want)
	}
	b.o.Pods, b.o.Room.Nodes[0].Spec.Unschedulable = b.o.Pods[:1], true
	if queue := b.look().Queued; len(queue) != 1 || queue[0].Pod != "s-0" {
		t.Errorf("the pod of the other set waits, and not %v", queue)
	}
}

// TestPlacesAreTakenWithinTheLimits takes one place after the other.
func TestPlacesAreTakenWithinTheLimits(t *testing.T) {
	one := slots.Amount{Pods: 1}
	for _, test := range []struct {
		name   string
		limits placement.Limits
		places string // node, held, of which of shard x
		alone  bool
		want   string
	}{
		{"no limits", placement.Limits{}, "a22 b00 c10", false, "c c c"},
		{"M counts who has come", placement.Limits{MaxPerNode: 2}, "a22 b00 c10", false, "c b b"},
		{"two of a shard", placement.Limits{MaxPerShard: 1}, "a20 b00 c11", false, "b - -"},
		{"K is used up", placement.Limits{MaxNodes: 2, MaxPerNode: 2}, "a20 b00 c20", false, "- - -"},
		{"who is alone on its node gives that back", placement.Limits{MaxNodes: 2, MaxPerNode: 2}, "a10 b00 c20", false, "b b -"},
		{"each alone", placement.Limits{}, "a20 b00 c10", true, "c b -"},
	} {
		p := &planner{view: newView(newWorld().snapshot())}
		move := &Move{Asks: one, To: map[string]bool{"b": true, "c": true}, Alone: test.alone}
		for _, place := range strings.Fields(test.places) {
			p.Places = append(p.Places, Place{Node: place[:1], Free: slots.Amount{Pods: 9}, Held: int(place[1] - '0'), Shards: map[string]int{"x": int(place[2] - '0')}})
		}
		r := p.newRoom()
		r.limits, r.shard = test.limits, func(*instance) string { return "x" }
		var got []string
		for range 3 {
			i, before := &instance{pod: &Pod{Node: "a", Move: move}}, map[string]int{}
			for _, place := range r.places {
				before[place.Node] = place.Held
			}
			if !r.take(i) {
				got = append(got, "-")
				continue
			}
			for _, place := range r.places {
				if place.Held > before[place.Node] {
					got = append(got, place.Node)
				}
			}
		}
		if all := strings.Join(got, " "); all != test.want {
			t.Errorf("%s: they go to %s, not to %s", test.name, all, test.want)
		}
	}
}
