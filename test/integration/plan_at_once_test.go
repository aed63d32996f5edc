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
)

// settling is how long it may take until all pods of a set have a node or an answer: few take more than two seconds. Where nothing is
// promised, nobody waits for long.
const settling, glance = time.Minute, 5 * time.Second

// TestPlanOfWholeSetsComesTrue asks `kubectl shoal plan` about random sets, many of which do not fit, and then applies them: the
// manager creates all pods of a set at once, in any order, and the scheduler has the parallelism that it ships with. How many nodes are
// used, how many of them hold one instance, two and so on, how many instances wait, and what the scheduler advises for the group, is what was
// said. Four sets grow beside one another. Of sets whose instances ask for different amounts the plan says itself that it may come
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
	mixed, otherwise := 0, 0
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
		if i%besideEach == besideEach-1 {
			k.clear(t, plannedNS)
		}
	}
	t.Logf("%d instances, %d of them refused for the reasons %v; of %d sets with instances of two sizes %d came otherwise",
		p.instances, p.refused, p.reasons, mixed, otherwise)
	if p.refused == 0 || p.refused > p.instances/2 || len(p.reasons) < 6 {
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
