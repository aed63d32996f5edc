//go:build integration

package integration

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math/rand"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/yaml"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/kubectlshoal/answer"
	"github.com/shoal-dev/shoal/playground"
	"github.com/shoal-dev/shoal/simulation/fidelity"
)

// settling is how long it may take until all pods of a set have a node or an answer: few take more than two seconds. Where nothing is
// promised, nobody waits for long.
const settling, glance = time.Minute, 5 * time.Second

// TestPlanOfWholeSetsComesTrue asks `kubectl shoal plan` about random sets, many of which do not fit, and then applies them: the
// manager creates all pods of a set at once, in any order, and the scheduler has the parallelism that it ships with. How many nodes are
// used, how many of them hold one instance, two and so on, how many instances wait, and what the scheduler advises for the group, is what was
// said; of sets whose instances are all alike, also why, with all numbers of nodes. Four sets grow beside one another. Of sets whose instances ask for different amounts the plan says itself that it may come
// otherwise: which of them the scheduler knows when it places the first, is chance.
func TestPlanOfWholeSetsComesTrue(t *testing.T) {
	k := start(t, playground.Options{Nodes: plannedNodes(), Install: true, Managers: 1})
	k.cordon(t, "cordoned-000")
	k.namespace(t, plannedNS)
	p := &prediction{kit: k, reasons: map[string]int{}}
	k.startScheduler(t, k.schedulerAccess(t, k.Config().Host, k.authority(t)), func(config map[string]any) {
		config["leaderElection"] = map[string]any{"leaderElect": false}
	})
	random := rand.New(rand.NewSource(5))
	mixed, otherwise, exact, sharded, words := 0, 0, 0, 0, 0
	for i := 0; i-mixed < plannedGroups; i++ {
		set := p.draw(random, i, false)
		plan := p.ask(t, set)
		if len(set.Spec.Templates) > 0 {
			mixed++
			if err := p.atOnce(t, set, plan, glance); err != nil {
				otherwise++
				t.Logf("group %d, of instances of two sizes: %v", i, err)
			}
			if plan.Certain {
				t.Errorf("group %d: the plan for instances of two sizes is certain", i)
			}
		} else if err := p.atOnce(t, set, plan, settling); err != nil {
			text, _ := yaml.Marshal(set.Spec)
			t.Fatalf("group %d: %v\nThe plan is %+v\nof\n%s", i, err, plan, text)
		}
		switch {
		case plan.Refused == 0 || len(set.Spec.Templates) > 0:
		case alike(set):
			exact++
			if err := p.becauseOf(t, set, plan, settling); err != nil {
				t.Errorf("group %d: %v", i, err)
			}
		default:
			if sharded++; plan.Certain {
				t.Errorf("group %d: the plan for shards that come at once is certain", i)
			}
			if err := p.becauseOf(t, set, plan, glance); err == nil {
				words++
			} else {
				t.Logf("group %d, of shards: %v", i, err)
			}
		}
		if i%besideEach == besideEach-1 {
			k.clear(t, plannedNS)
		}
	}
	t.Logf("%d instances, %d of them refused for the reasons %v, to the word for %d sets, and for %d of %d with shards; of %d sets with instances of two sizes %d came otherwise",
		p.instances, p.refused, p.reasons, exact, words, sharded, mixed, otherwise)
	if p.refused == 0 || p.refused > p.instances/2 || len(p.reasons) < 6 || exact < 3 {
		t.Error("groups like these prove little")
	}
}

// atOnce applies the set, and waits until what has become of it is what the plan said, or for the time within which it does.
func (p *prediction) atOnce(t *testing.T, set *v1alpha1.InstanceSet, plan *answer.Plan, patience time.Duration) error {
	t.Helper()
	p.create(t, set)
	var differs error
	err := wait.PollUntilContextTimeout(t.Context(), 250*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		pods, err := p.pods(ctx, set.Namespace, set.Name)
		if ctx.Err() == nil { // that the time is over explains nothing
			differs = cmp.Or(err, differsFrom(plan, pods))
		}
		return differs == nil, nil
	})
	return cmp.Or(differs, err)
}

// differsFrom says where the pods of a set are not what the plan said; nil when they are.
func differsFrom(plan *answer.Plan, pods []corev1.Pod) error {
	got, waiting, advised := map[string]int{}, 0, plan.Advice == ""
	for i := range pods {
		node, message := outcome(&pods[i])
		switch {
		case node != "":
			got[node]++
		case message == "":
			return fmt.Errorf("nobody has looked at %s yet", pods[i].Name)
		default:
			waiting++
			advised = advised || strings.Contains(message, plan.Advice) // one waits for all of them, and hears it
		}
	}
	if len(pods) != plan.New || len(got) != plan.NodesUsed || waiting != plan.Refused {
		return fmt.Errorf("%d pods on %d nodes, %d wait; the plan has %d on %d, and %d wait", len(pods), len(got), waiting, plan.New, plan.NodesUsed, plan.Refused)
	}
	var planned []int
	for _, n := range plan.PerNode {
		planned = append(planned, n.After)
	}
	slices.Sort(planned)
	if real := slices.Sorted(maps.Values(got)); !slices.Equal(planned, real) {
		return fmt.Errorf("the nodes hold %v, and in the plan %v", real, planned)
	}
	if !advised {
		return fmt.Errorf("%d wait, and none hears: %s", waiting, plan.Advice)
	}
	return nil
}

// alike reports whether the instances of a set differ in nothing but their names: no shards, and one size. Then whichever of them come first
// leave the same room, up to nodes that are alike, and those that wait hear the same. The instances of a shard differ in where their siblings
// are: which of them have come decides whether a node refuses the next for its shard, for maxNodes, or because it is planned for another. That the
// scheduler itself says otherwise in another order, simulation/fidelity shows (TestPlanOfShardsInWhateverOrderTheyCome).
func alike(set *v1alpha1.InstanceSet) bool {
	return set.Spec.ShardSize == nil && len(set.Spec.Templates) == 0
}

// becauseOf waits for the reasons of those that wait, and says where they are not what the plan said.
func (p *prediction) becauseOf(t *testing.T, set *v1alpha1.InstanceSet, plan *answer.Plan, patience time.Duration) error {
	t.Helper()
	var differs error
	err := wait.PollUntilContextTimeout(t.Context(), 250*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		pods, err := p.pods(ctx, set.Namespace, set.Name)
		if ctx.Err() == nil {
			differs = cmp.Or(err, reasonsDiffer(plan, pods))
		}
		return differs == nil, nil
	})
	return cmp.Or(differs, err)
}

// reasonsDiffer says where the reasons for which pods wait, and how many wait for each, are not what the plan said; nil when they are. Which
// of the pods of a set hears which, the order decides in which they come.
func reasonsDiffer(plan *answer.Plan, pods []corev1.Pod) error {
	planned, real := map[string]int{}, map[string]int{}
	for _, r := range plan.Refusals {
		planned[fidelity.Told(r.Why, plannedTotal())] += len(r.Instances)
	}
	for i := range pods {
		if node, message := outcome(&pods[i]); node == "" {
			why, _, _ := strings.Cut(message, ". ")
			for text := range planned {
				if strings.HasPrefix(message, text) {
					why = text
				}
			}
			real[why]++
		}
	}
	if !maps.Equal(planned, real) {
		return fmt.Errorf("so many wait for each reason: %v\nand in the plan: %v", real, planned)
	}
	return nil
}
