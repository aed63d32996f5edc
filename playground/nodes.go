package playground

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// SimulatedLabel is on every simulated node. Nothing that runs there runs.
const SimulatedLabel = "playground.shoal.dev/simulated"

const region = "playground"

// createWorkers is how many objects are created at a time. More do not help: the API server is the limit.
const createWorkers = 16

func (s Shape) withDefaults() Shape {
	if s.Prefix == "" {
		s.Prefix = "node-"
	}
	if s.CPU == "" {
		s.CPU = "8"
	}
	if s.Memory == "" {
		s.Memory = "32Gi"
	}
	if s.Pods == 0 {
		s.Pods = 110
	}
	if s.Zones == 0 {
		s.Zones = 3
	}
	return s
}

// wrong says what no nodes can be made of.
func (s Shape) wrong() []string {
	s = s.withDefaults()
	var wrong []string
	if s.Count < 0 || s.Count > 10000 {
		wrong = append(wrong, fmt.Sprintf("nodes %d: between 0 and 10000", s.Count))
	}
	if s.Zones < 1 || s.Zones > 26 {
		wrong = append(wrong, fmt.Sprintf("zones %d: between 1 and 26", s.Zones))
	}
	if s.Pods < 1 {
		wrong = append(wrong, fmt.Sprintf("pods per node %d: at least 1", s.Pods))
	}
	for _, q := range []struct{ name, text string }{{"cpu", s.CPU}, {"memory", s.Memory}} {
		if quantity, err := resource.ParseQuantity(q.text); err != nil || quantity.Sign() <= 0 {
			wrong = append(wrong, fmt.Sprintf("node %s %q: a quantity above zero is needed, like 8 or 32Gi", q.name, q.text))
		}
	}
	return wrong
}

// names are of equal width, so that they sort by number.
func (s Shape) names() []string {
	width := max(3, len(strconv.Itoa(s.First+s.Count-1)))
	names := make([]string, s.Count)
	for i := range names {
		names[i] = fmt.Sprintf("%s%0*d", s.Prefix, width, s.First+i)
	}
	return names
}

// nodes are the objects of the shape, as a kubelet would register them.
func (s Shape) nodes() []*corev1.Node {
	s = s.withDefaults()
	room := corev1.ResourceList{
		corev1.ResourceCPU:    resource.MustParse(s.CPU), // validated
		corev1.ResourceMemory: resource.MustParse(s.Memory),
		corev1.ResourcePods:   *resource.NewQuantity(int64(s.Pods), resource.DecimalSI),
	}
	list := make([]*corev1.Node, 0, s.Count)
	for i, name := range s.names() {
		labels := map[string]string{
			corev1.LabelHostname:       name,
			corev1.LabelTopologyZone:   "zone-" + string(rune('a'+(s.First+i)%s.Zones)),
			corev1.LabelTopologyRegion: region,
			corev1.LabelOSStable:       "linux",
			corev1.LabelArchStable:     "amd64",
			SimulatedLabel:             "true",
			KubeletLabel:               kubeletRunning,
		}
		maps.Copy(labels, s.Labels)
		list = append(list, &corev1.Node{
			ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels},
			Spec:       corev1.NodeSpec{Taints: s.Taints},
			Status:     corev1.NodeStatus{Capacity: room, Allocatable: room},
		})
	}
	return list
}

func describe(shapes []Shape) string {
	count := 0
	for _, shape := range shapes {
		count += shape.Count
	}
	return fmt.Sprintf("%d nodes are ready", count)
}

func (c *Cluster) addFirstNodes(ctx context.Context) error {
	if err := c.AddNodes(ctx, c.options.Nodes...); err != nil {
		return err
	}
	for _, shape := range c.options.Nodes {
		if names := shape.withDefaults().names(); len(names) > 0 {
			return c.warmUp(ctx, names[0])
		}
	}
	return nil
}

// AddNodes makes simulated nodes and returns when all of them are ready.
func (c *Cluster) AddNodes(ctx context.Context, shapes ...Shape) error {
	group, creating := errgroup.WithContext(ctx)
	group.SetLimit(createWorkers)
	wanted := map[string]bool{}
	for _, shape := range shapes {
		if wrong := shape.wrong(); len(wrong) > 0 {
			return errors.New(strings.Join(wrong, "; "))
		}
		if c.hasRealNodes() {
			shape.Taints = append(slices.Clone(shape.Taints), simulatedTaint)
		}
		for _, node := range shape.nodes() {
			wanted[node.Name] = true
			group.Go(func() error {
				if _, err := c.client.CoreV1().Nodes().Create(creating, node, metav1.CreateOptions{}); err != nil {
					return fmt.Errorf("creating node %s: %w", node.Name, err)
				}
				return nil
			})
		}
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return poll(ctx, "the nodes to become ready", func(ctx context.Context) error {
		list, err := c.client.CoreV1().Nodes().List(ctx, metav1.ListOptions{LabelSelector: SimulatedLabel, ResourceVersion: "0"})
		if err != nil {
			return err
		}
		return missingNodes(wanted, list.Items)
	})
}

// missingNodes names a few of the wanted nodes that a scheduler could not use yet.
func missingNodes(wanted map[string]bool, nodes []corev1.Node) error {
	missing := maps.Clone(wanted)
	for i := range nodes {
		if usable(&nodes[i]) {
			delete(missing, nodes[i].Name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	names := slices.Sorted(maps.Keys(missing))
	return fmt.Errorf("%d of %d are not: %s", len(missing), len(wanted), strings.Join(names[:min(3, len(names))], ", "))
}

func isReady(node *corev1.Node) bool {
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

// usable is ready, and the taints that say otherwise are gone, which comes a little later.
func usable(node *corev1.Node) bool {
	return isReady(node) && !slices.ContainsFunc(node.Spec.Taints, func(taint corev1.Taint) bool {
		return taint.Key == corev1.TaintNodeNotReady || taint.Key == corev1.TaintNodeUnreachable
	})
}
