package slots

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// TestLedgerFollowsTheWorld changes a small world object by object. After each change the ledger must hold what the dumb
// oracle counts from the whole world, and what a ledger holds that is filled anew.
func TestLedgerFollowsTheWorld(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newChanging()
		l := NewLedger(c.volume, c, c.nominated)
		for range rapid.IntRange(1, 40).Draw(t, "changes") {
			what := c.change(t, l)
			if got, want := l.Slots(), oracle(c.world()); !reflect.DeepEqual(got, want) {
				t.Fatalf("after %s:\ngot  %s\nwant %s", what, printed(got), printed(want))
			}
			if got, want := l.groups, filled(c).groups; !reflect.DeepEqual(got, want) {
				t.Fatalf("after %s the tallies differ:\ngot  %v\nwant %v", what, got, want)
			}
		}
		for _, p := range c.world().Pods {
			l.DropPod(p)
		}
		for _, claim := range c.world().Claims {
			l.DropClaim(claim.Namespace, claim.Name)
		}
		if len(l.claims)+len(l.mounts)+len(l.instances)+len(l.byVolume)+len(l.byHost)+len(l.groups) > 0 {
			t.Fatalf("an empty world leaves something behind: %+v", l)
		}
	})
}

func filled(c *changing) *Ledger {
	l := NewLedger(c.volume, c, c.nominated)
	w := c.world()
	for _, p := range w.Pods {
		l.PutPod(p)
	}
	for _, claim := range w.Claims {
		l.PutClaim(claim)
	}
	return l
}

// oracle counts the slots of a world in one pass, without anything kept.
func oracle(w World) []Slot {
	var placed []*corev1.Pod
	mountedBy := map[string]*corev1.Pod{}
	var held []Slot
	for _, pod := range w.Pods {
		group, grouped := GroupOf(pod.Namespace, pod.Labels)
		if !grouped || Ended(pod) {
			continue
		}
		for _, name := range ClaimNames(pod) {
			if other := mountedBy[name]; other == nil || pod.Name+string(pod.UID) < other.Name+string(other.UID) {
				mountedBy[name] = pod
			}
		}
		node := pod.Spec.NodeName
		if node == "" && w.Nominated(pod) {
			node = pod.Status.NominatedNodeName
		}
		if node == "" {
			continue
		}
		placed = append(placed, pod)
		if !Lost(pod.Labels, w.Nodes.Get(node)) {
			held = append(held, Slot{InstanceOfPod(pod), group, pod.Labels[v1alpha1.LabelShard], node, pod})
		}
	}
	for _, claim := range w.Claims {
		instance := instanceOfClaim(claim, mountedBy[claim.Name])
		var volume *corev1.PersistentVolume
		if claim.Spec.VolumeName != "" {
			volume = w.Volume(claim.Spec.VolumeName)
		}
		node := NodeOfClaim(claim, volume, w.Nodes)
		labels := claim.Labels
		if _, grouped := GroupOf(claim.Namespace, labels); !grouped && mountedBy[claim.Name] != nil {
			labels = mountedBy[claim.Name].Labels
		}
		group, grouped := GroupOf(claim.Namespace, labels)
		goesAlong := slices.ContainsFunc(placed, func(pod *corev1.Pod) bool {
			of, _ := GroupOf(pod.Namespace, pod.Labels)
			return InstanceOfPod(pod) == instance && of == group && slices.Contains(ClaimNames(pod), claim.Name)
		}) && (volume == nil || w.Nodes.Get(node) == nil)
		if grouped && !goesAlong && node != "" && claim.Labels[v1alpha1.LabelRetired] == "" && !Lost(claim.Labels, w.Nodes.Get(node)) {
			held = append(held, Slot{instance, group, labels[v1alpha1.LabelShard], node, nil})
		}
	}
	slices.SortStableFunc(held, compare)
	return slices.CompactFunc(held, func(a, b Slot) bool { return compare(a, b) == 0 })
}

// changing is a world of a few objects of each kind, by name.
type changing struct {
	nodes   map[string]*corev1.Node
	volumes map[string]*corev1.PersistentVolume
	pods    map[string]*corev1.Pod
	claims  map[string]*corev1.PersistentVolumeClaim
}

func newChanging() *changing {
	return &changing{
		map[string]*corev1.Node{}, map[string]*corev1.PersistentVolume{}, map[string]*corev1.Pod{}, map[string]*corev1.PersistentVolumeClaim{},
	}
}

func (c *changing) Get(name string) *corev1.Node                { return c.nodes[name] }
func (c *changing) volume(name string) *corev1.PersistentVolume { return c.volumes[name] }
func (c *changing) nominated(p *corev1.Pod) bool                { return p.Status.NominatedNodeName != "" }
func (c *changing) ByHostname(value string) string {
	for _, name := range sortedKeys(c.nodes) {
		if c.nodes[name].Labels[corev1.LabelHostname] == value {
			return name
		}
	}
	return ""
}

func (c *changing) world() World {
	w := World{Volume: c.volume, Nodes: c, Nominated: c.nominated}
	for _, key := range sortedKeys(c.pods) {
		w.Pods = append(w.Pods, c.pods[key])
	}
	for _, key := range sortedKeys(c.claims) {
		w.Claims = append(w.Claims, c.claims[key])
	}
	return w
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// change makes one change and tells the ledger.
func (c *changing) change(t *rapid.T, l *Ledger) string {
	letter := func(what string) string { return rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, what) }
	o := object{name: "", args: map[string]string{}}
	may := func(arg, value string) {
		if rapid.Bool().Draw(t, arg) {
			o.args[arg] = value
		}
	}
	gone := rapid.IntRange(0, 3).Draw(t, "gone") == 0
	switch kind := rapid.SampledFrom([]string{"node", "volume", "pod", "claim"}).Draw(t, "kind"); kind {
	case "node":
		o.name = letter("node")
		may("hostname", "h-"+letter("hostname"))
		may("out-of-service", "")
		names := []string{o.name}
		if old := c.nodes[o.name]; old != nil {
			names = append(names, old.Labels[corev1.LabelHostname])
		}
		c.nodes[o.name] = o.node()
		names = append(names, c.nodes[o.name].Labels[corev1.LabelHostname])
		if gone {
			delete(c.nodes, o.name)
		}
		l.TouchNode(names...)
		return fmt.Sprint(kind, o, gone)
	case "volume":
		o.name = "pv-" + letter("volume")
		may("host", letter("host"))
		may("host", "h-"+letter("host"))
		c.volumes[o.name] = o.volume()
		if gone {
			delete(c.volumes, o.name)
		}
		l.TouchVolume(o.name)
		return fmt.Sprint(kind, o, gone)
	case "pod":
		return c.changePod(t, l, o, may, gone)
	default:
		o.name = rapid.SampledFrom([]string{"data-r-0", "data-r-1", "other"}).Draw(t, "claim")
		may("set", "r")
		may("ordinal", rapid.SampledFrom([]string{"0", "1"}).Draw(t, "ordinal"))
		may("policy", "p")
		may("shard", "s")
		may("volume", "pv-"+letter("volume"))
		may("selected", letter("selected"))
		may("lost", "")
		may("retired", "")
		c.claims[o.name] = o.claim()
		if gone {
			delete(c.claims, o.name)
			l.DropClaim("ns", o.name)
			return fmt.Sprint(kind, o, gone)
		}
		l.PutClaim(c.claims[o.name])
		return fmt.Sprint(kind, o, gone)
	}
}

func (c *changing) changePod(t *rapid.T, l *Ledger, o object, may func(arg, value string), gone bool) string {
	o.name = rapid.SampledFrom([]string{"r-0", "r-1"}).Draw(t, "pod")
	may("set", "r")
	may("policy", rapid.SampledFrom([]string{"p", "q"}).Draw(t, "policy"))
	may("cluster", "c")
	may("shard", "s")
	may("node", rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "node"))
	may("nominated", "b")
	may("terminating", "")
	may("mounts", rapid.SampledFrom([]string{"data-r-0", "data-r-1", "other"}).Draw(t, "mounts"))
	if rapid.IntRange(0, 5).Draw(t, "lost") == 0 {
		o.args["lost"] = ""
	}
	if rapid.IntRange(0, 5).Draw(t, "ended") == 0 {
		o.args["phase"] = "Failed"
	}
	pod := o.pod()
	pod.UID = types.UID(rapid.SampledFrom([]string{"1", "2"}).Draw(t, "uid"))
	key := o.name + string(pod.UID)
	if c.pods[key] = pod; gone {
		delete(c.pods, key)
		l.DropPod(pod)
	} else {
		l.PutPod(pod)
	}
	return fmt.Sprint("pod", o, pod.UID, gone)
}
