//go:build integration

package integration

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	podutil "k8s.io/kubernetes/pkg/api/v1/pod"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/playground"
	"github.com/shoal-dev/shoal/slots"
)

var (
	seeds = flag.Int("seeds", 1, "how many seeds TestPlacementNeverDeadlocks plays")
	seed  = flag.Int64("seed", 0, "the first seed of TestPlacementNeverDeadlocks")
	large = flag.Int("instances", 300, "instances of its largest group, a multiple of 3; `make placement-seeds` has 999")
)

// patience is for a machine that does other things too, with a thousand instances at once.
const patience = 5 * time.Minute

// How long the large group may take is up to the machine: each volume is bound by the one worker of the PV controller, four writes
// one after the other. So what is bounded is how long nothing happens. An attempt of the PV controller that failed is repeated
// after at most 2m2s and its resync of 15 s. A pod that was refused has to be woken: the scheduler's own flush after five minutes
// must not be what places it, and a node is avoided for a minute at most.
const (
	stalled   = 3 * time.Minute
	unwoken   = 90 * time.Second
	placeTime = 15 * time.Minute
)

// story is the label of the nodes that one part of the test has for itself.
const story = "story"

// Nodes of the groups that compete and of those without slack. Instances of 100m are all that runs there.
const (
	competing      = 20 // groups
	competitorSlot = 10 // instances that fit on a node
	competitorK    = 3
	strictGroups   = 4
	strictK        = 5
	strictM        = 4
)

// placementNodes are 400 nodes for the large group, of four sizes; just enough for the competing groups, and two more; and
// five for each group without slack.
func placementNodes() []playground.Shape {
	on := func(name string) map[string]string { return map[string]string{story: name} }
	shapes := []playground.Shape{{Prefix: "competed-", Count: competing*competitorK + 2, CPU: "1", Labels: on("compete")}}
	for _, size := range []int{4, 6, 8, 16} {
		shapes = append(shapes, playground.Shape{Prefix: fmt.Sprintf("tight-%02d-", size), Count: 100, CPU: fmt.Sprintf("%d00m", size), Labels: on("tight")})
	}
	for i := range strictGroups {
		shapes = append(shapes, playground.Shape{Prefix: fmt.Sprintf("strict-%d-", i), Count: strictK, CPU: fmt.Sprintf("%d00m", strictM), Labels: on(strictName(i))})
	}
	return shapes
}

func strictName(i int) string { return fmt.Sprintf("strict-%d", i) }

// TestPlacementNeverDeadlocks places groups that have hardly any room to spare, with the shipped configuration. What a seed
// decides is M, what else runs on the nodes, which pods are deleted and when, the sizes of groups and the order of pods.
func TestPlacementNeverDeadlocks(t *testing.T) {
	k := start(t, playground.Options{Nodes: placementNodes(), Install: true, Schedulers: 1, Managers: 1})
	for i := range *seeds {
		s := *seed + int64(i)
		t.Run(fmt.Sprintf("seed %d", s), func(t *testing.T) {
			ns, began := k.namespace(t, fmt.Sprintf("seed-%d", s)), time.Now()
			check := k.record(t)
			t.Run("stories", func(t *testing.T) {
				t.Run("tight", func(t *testing.T) { t.Parallel(); k.placeTight(t, ns, rand.New(rand.NewSource(s))) })
				t.Run("competing", func(t *testing.T) { t.Parallel(); k.placeCompeting(t, ns, rand.New(rand.NewSource(s))) })
				t.Run("without slack", func(t *testing.T) { t.Parallel(); k.placeStrict(t, ns, rand.New(rand.NewSource(s))) })
			})
			check()
			t.Logf("seed %d: %.0f s", s, time.Since(began).Seconds())
			if i < *seeds-1 {
				k.clear(t, ns)
			}
		})
		if t.Failed() {
			return // the next one might find the nodes taken
		}
	}
}

// tightGroup is the large group of a seed.
type tightGroup struct {
	replicas, m, fewest, k int
}

// placeTight places instances with local volumes, three to a shard, on 1.05 times the fewest nodes that can hold them, while pods are deleted. All are placed, nodes differ by at most one instance, and who was deleted is back where its volume is.
func (k kit) placeTight(t *testing.T, ns string, random *rand.Rand) {
	g := tightGroup{replicas: *large, m: []int{5, 8, 12}[random.Intn(3)]}
	room := k.background(t, ns, random)
	for have := 0; have < g.replicas; g.fewest++ {
		have += min(room[g.fewest], g.m)
	}
	g.k = (g.fewest*105 + 99) / 100
	if level := (g.replicas + g.k - 1) / g.k; room[g.k-1] < level {
		t.Fatalf("%d nodes do not all have room for %d: no placement is even", g.k, level)
	}
	k.create(t, set(ns, "tight", int32(g.replicas), shards(3), volumes, limits(int32(g.m), int32(g.k)), onStory("tight")))
	defer func() {
		if t.Failed() {
			k.tellPlaces(t, ns, "tight")
		}
	}()
	homes := k.deleteSome(t, ns, "tight", random, 20)
	pods := k.placing(t, ns, "tight", func(ctx context.Context, pods []corev1.Pod) error {
		for i := range pods { // the status may be from before the last of them went
			if home, deleted := homes[pods[i].Name]; deleted && home.pod == pods[i].UID {
				return fmt.Errorf("%s is still the pod that was deleted", pods[i].Name)
			}
		}
		return k.ready(ns, "tight")(ctx)
	})
	perNode := map[string]int{}
	for i := range pods {
		name, node := pods[i].Name, pods[i].Spec.NodeName
		perNode[node]++
		if home, deleted := homes[name]; deleted && home.node != node {
			t.Errorf("%s was deleted on %s, where its volume is, and runs on %s", name, home.node, node)
		}
	}
	least, most := g.replicas, 0
	for _, n := range perNode {
		least, most = min(least, n), max(most, n)
	}
	t.Logf("M = %d, K = %d (fewest %d): %d instances on %d nodes, from %d to %d on each; %d were deleted", g.m, g.k, g.fewest, len(pods), len(perNode), least, most, len(homes))
	if len(pods) != g.replicas || len(perNode) > g.k || most-least > 1 {
		t.Errorf("%d instances on %d nodes, from %d to %d on each; wanted %d on at most %d, and at most one more on a node than on another",
			len(pods), len(perNode), least, most, g.replicas, g.k)
	}
}

// background takes room on a third of the nodes of the large group, and returns how many instances fit on each node: most
// room first.
func (k kit) background(t *testing.T, ns string, random *rand.Rand) []int {
	t.Helper()
	var nodes corev1.NodeList
	if err := k.client.List(t.Context(), &nodes, client.MatchingLabels{story: "tight"}); err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(nodes.Items, func(a, b corev1.Node) int { return strings.Compare(a.Name, b.Name) })
	var room []int
	creating, ctx := errgroup.WithContext(t.Context())
	creating.SetLimit(16)
	for _, node := range nodes.Items {
		free := int(node.Status.Allocatable.Cpu().MilliValue() / 100)
		if random.Intn(3) == 0 {
			taken := 1 + random.Intn(3)
			free -= taken
			creating.Go(func() error {
				p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "on-" + node.Name}}
				p.Spec.NodeName, p.Spec.Containers = node.Name, container(fmt.Sprintf("%d00m", taken))
				return k.client.Create(ctx, p)
			})
		}
		room = append(room, free)
	}
	if err := creating.Wait(); err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(room, func(a, b int) int { return b - a })
	return room
}

func container(cpu string) []corev1.Container {
	requests := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu)}
	return []corev1.Container{{Name: "c", Image: "redis:7", Resources: corev1.ResourceRequirements{Requests: requests}}}
}

func onStory(name string) func(*v1alpha1.InstanceSet) {
	return func(s *v1alpha1.InstanceSet) { s.Spec.Template.Spec.NodeSelector = map[string]string{story: name} }
}

// home is where a pod was that is deleted.
type home struct {
	node string
	pod  types.UID
}

// deleteSome deletes placed pods of a set, each once, while others are still being placed. It returns where they were, by name.
func (k kit) deleteSome(t *testing.T, ns, name string, random *rand.Rand, number int) map[string]home {
	t.Helper()
	homes := map[string]home{}
	k.eventually(t, patience, "pods that can be deleted", func(ctx context.Context) error {
		pods, err := k.pods(ctx, ns, name)
		if err != nil {
			return err
		}
		random.Shuffle(len(pods), func(i, j int) { pods[i], pods[j] = pods[j], pods[i] })
		deleted := 0
		for i := range pods {
			p := &pods[i]
			if p.Spec.NodeName == "" || homes[p.Name].node != "" || p.DeletionTimestamp != nil || deleted == 3 { // a few at a time
				continue
			}
			if err := k.deletePod(ctx, p, client.Preconditions{UID: &p.UID}); err != nil {
				return err
			}
			homes[p.Name], deleted = home{p.Spec.NodeName, p.UID}, deleted+1
		}
		if len(homes) < number {
			return fmt.Errorf("%d of %d were deleted", len(homes), number)
		}
		return nil
	})
	return homes
}

// placing waits for all pods of a set to be placed, for as long as more and more of them are, and returns them.
func (k kit) placing(t *testing.T, ns, name string, done func(context.Context, []corev1.Pod) error) []corev1.Pod {
	t.Helper()
	var pods []corev1.Pod
	seen, last := map[types.UID]bool{}, time.Now()
	var stall error
	k.eventually(t, placeTime, "all instances to be placed", func(ctx context.Context) (err error) {
		if pods, err = k.pods(ctx, ns, name); err != nil {
			return err
		}
		for i := range pods {
			if p := &pods[i]; p.Spec.NodeName != "" && !seen[p.UID] {
				seen[p.UID], last = true, time.Now()
			}
		}
		if err = errors.Join(withoutNode(pods), done(ctx, pods)); err != nil { // the status may be newer than the list
			stall = stallOf(pods, time.Since(last))
		}
		if stall != nil {
			return nil
		}
		return err
	})
	if stall != nil {
		t.Fatal(stall)
	}
	return pods
}

func withoutNode(pods []corev1.Pod) error {
	for i := range pods {
		if pods[i].Spec.NodeName == "" {
			return fmt.Errorf("%s has no node", pods[i].Name)
		}
	}
	return nil
}

// stallOf reports a stall: nothing was placed for so long that nothing will be, or somebody who was refused was not woken.
func stallOf(pods []corev1.Pod, since time.Duration) error {
	refused := ""
	for i := range pods {
		p := &pods[i]
		if _, c := podutil.GetPodCondition(&p.Status, corev1.PodScheduled); p.Spec.NodeName == "" && c != nil && c.Status == corev1.ConditionFalse {
			refused = p.Name + ": " + c.Message
		}
	}
	switch {
	case since > stalled:
		return fmt.Errorf("nothing was placed for %s", since)
	case since > unwoken && refused != "":
		return fmt.Errorf("nothing was placed for %s, and there is who was refused: %s", since, refused)
	}
	return nil
}

// tellPlaces says of a group that was not placed where it is, why the others have no node, and what the policy says.
func (k kit) tellPlaces(t *testing.T, ns, name string) {
	t.Helper()
	pods, err := k.pods(context.Background(), ns, name)
	if err != nil {
		t.Error(err)
		return
	}
	nodes, shards := map[string]int{}, map[string][]string{}
	for i := range pods {
		shard := pods[i].Labels[v1alpha1.LabelShard]
		shards[shard] = append(shards[shard], pods[i].Spec.NodeName)
		if node := pods[i].Spec.NodeName; node != "" {
			nodes[node]++
		}
	}
	levels := map[int]int{}
	for _, n := range nodes {
		levels[n]++
	}
	t.Logf("%s is on %d nodes; so many nodes by the number of instances on them: %v", name, len(nodes), levels)
	for i := range pods {
		if p := &pods[i]; p.Spec.NodeName == "" {
			t.Logf("%s has no node, its shard is on %v, nominated %q: %+v", p.Name, shards[p.Labels[v1alpha1.LabelShard]], p.Status.NominatedNodeName, p.Status.Conditions)
		}
	}
	k.tellClaims(t, ns, pods)
	var policy v1alpha1.PlacementPolicy
	if err := k.client.Get(context.Background(), client.ObjectKey{Namespace: ns, Name: name}, &policy); err != nil {
		t.Error(err)
		return
	}
	t.Logf("policy %s: %+v", name, policy.Status)
}

// tellClaims says who is waited for by a pod without a node: the scheduler writes selected-node, the PV controller names the
// provisioner and binds, and the provisioner makes the volume.
func (k kit) tellClaims(t *testing.T, ns string, pods []corev1.Pod) {
	t.Helper()
	for i := range pods {
		if pods[i].Spec.NodeName != "" {
			continue
		}
		for _, name := range slots.ClaimNames(&pods[i]) {
			var claim corev1.PersistentVolumeClaim
			if err := k.client.Get(context.Background(), client.ObjectKey{Namespace: ns, Name: name}, &claim); err != nil {
				t.Error(err)
				continue
			}
			t.Logf("claim %s of %s: %s, volume %q, annotations %v", name, pods[i].Name, claim.Status.Phase, claim.Spec.VolumeName, claim.Annotations)
		}
	}
}

// placeCompeting places 20 groups at once that may use three nodes each and need nearly all of what three nodes have. There are
// two nodes more than all groups together may use. A group that ends up on a node that another one has begun to fill is stuck.
func (k kit) placeCompeting(t *testing.T, ns string, random *rand.Rand) {
	name := func(i int) string { return fmt.Sprintf("competitor-%d", i) }
	creating, ctx := errgroup.WithContext(t.Context())
	for i := range competing {
		replicas := int32(competitorK*competitorSlot - random.Intn(3))
		creating.Go(func() error {
			return k.client.Create(ctx, set(ns, name(i), replicas, limits(competitorSlot, competitorK), onStory("compete")))
		})
	}
	if err := creating.Wait(); err != nil {
		t.Fatal(err)
	}
	k.eventually(t, patience, "all groups to be placed", func(ctx context.Context) error {
		var errs []error
		for i := range competing {
			errs = append(errs, k.ready(ns, name(i))(ctx))
		}
		return first(errs)
	})
}

// placeStrict fills nodes completely with shards of two, whose pods arrive in random order.
func (k kit) placeStrict(t *testing.T, ns string, random *rand.Rand) {
	const replicas = strictK * strictM
	var pods []*corev1.Pod
	for i := range strictGroups {
		p := &v1alpha1.PlacementPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: strictName(i)}}
		p.Spec.Replicas, p.Spec.Shards = ptr.To[int32](replicas), ptr.To[int32](replicas/2)
		p.Spec.MaxInstancesPerNode, p.Spec.MaxNodes = ptr.To(intstr.FromInt32(strictM)), ptr.To[int32](strictK)
		k.create(t, p)
		for j := range replicas {
			pod := podWith(ns, fmt.Sprintf("%s-%d", strictName(i), j), "")
			pod.Labels = map[string]string{v1alpha1.LabelPlacementPolicy: strictName(i), v1alpha1.LabelShard: fmt.Sprintf("s-%d", j/2), story: "strict"}
			pod.Spec.Containers = container("100m")
			pod.Spec.NodeSelector = map[string]string{story: strictName(i)}
			pods = append(pods, pod)
		}
	}
	random.Shuffle(len(pods), func(i, j int) { pods[i], pods[j] = pods[j], pods[i] })
	for _, p := range pods {
		k.create(t, p)
	}
	k.eventually(t, patience, "all pods of the groups without slack to be placed", func(ctx context.Context) error {
		var list corev1.PodList
		if err := k.client.List(ctx, &list, client.InNamespace(ns), client.MatchingLabels{story: "strict"}); err != nil {
			return err
		}
		var errs []error
		for i := range list.Items {
			if p := &list.Items[i]; p.Spec.NodeName == "" {
				errs = append(errs, fmt.Errorf("%s has no node: %v", p.Name, p.Status.Conditions))
			}
		}
		return first(errs)
	})
}

// clear removes what a seed left, so that the next one finds the nodes empty. A thousand claims can be more than a busy API server
// deletes in the time of one request: it is asked until nothing is left.
func (k kit) clear(t *testing.T, ns string) {
	t.Helper()
	manager := k.manager(t) // nobody else deletes instances, and those that a test made belong to no set
	k.eventually(t, 2*patience, "what is left of the seed to go", func(ctx context.Context) error {
		for _, kind := range []client.Object{&v1alpha1.InstanceSet{}, &v1alpha1.PlacementPolicy{}, &corev1.PersistentVolumeClaim{}} {
			if err := k.client.DeleteAllOf(ctx, kind, client.InNamespace(ns)); err != nil {
				return err
			}
		}
		var pods corev1.PodList
		if err := k.client.List(ctx, &pods, client.InNamespace(ns)); err != nil {
			return err
		}
		for n := range pods.Items {
			if err := manager.Delete(ctx, &pods.Items[n]); client.IgnoreNotFound(err) != nil {
				return err
			}
		}
		var volumes corev1.PersistentVolumeList
		if err := k.client.List(ctx, &volumes); err != nil {
			return err
		}
		if len(pods.Items)+len(volumes.Items) > 0 {
			return fmt.Errorf("%d pods and %d volumes are left", len(pods.Items), len(volumes.Items))
		}
		return nil
	})
}
