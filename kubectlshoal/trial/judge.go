package trial

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/shoal-dev/shoal/reason"
)

// Verdict is what the scheduler says to a pod.
type Verdict struct {
	// Node is where the pod would go, "" when it would wait.
	Node string
	// Equals is how many nodes have the same best score: any of them may be taken. It is 1 when the node is certain.
	Equals int
	// Before is why the pod is refused before any node is looked at, or, by Place, after one was chosen; nil when it is not.
	Before *Refusal
	// Nodes are, when the pod waits, all nodes, sorted by name, each with every plugin that refuses it.
	Nodes []NodeVerdict
	// Advice is what the plugins add for the whole group.
	Advice string
	// Evicts is the node from which pods of lower priority would be evicted to make room, "" for none.
	Evicts string
}

// NodeVerdict is what one node says.
type NodeVerdict struct {
	Node     string
	Refusals []Refusal
}

// Refusal is one plugin's reason against a pod.
type Refusal struct {
	Plugin  string
	Message string
	// Code is the entry in our catalogue, 0 for a reason of Kubernetes' own plugins.
	Code reason.Code
	// Classes are storage classes that the pod's claims name, and that do not exist.
	Classes []string
}

// attempts is how often a pod is tried before it waits: on the nodes of the plan, on all nodes, and with the plans that are
// left when other plugins refuse nodes.
const attempts = 20

// Judge says what the scheduler would say to a pod, and changes nothing but what the plugins remember of a try.
func (s *Scheduler) Judge(ctx context.Context, pod *corev1.Pod) (Verdict, error) {
	return s.try(ctx, pod, false)
}

// Place does the same, and goes on with the pod on its node.
func (s *Scheduler) Place(ctx context.Context, pod *corev1.Pod) (Verdict, error) {
	return s.try(ctx, pod, true)
}

func (s *Scheduler) try(ctx context.Context, pod *corev1.Pod, bind bool) (Verdict, error) {
	if err := ctx.Err(); err != nil { // the plugins would take it for a verdict
		return Verdict{}, fmt.Errorf("trying %s: %w", pod.Name, err)
	}
	if s.tried != nil {
		defer s.tried()
	}
	for _, p := range s.framework.PreEnqueuePlugins() {
		if status := p.PreEnqueue(ctx, pod); !status.IsSuccess() {
			r := refusal(status)
			r.Plugin = p.Name()
			return Verdict{Before: &r}, nil
		}
	}
	for range attempts {
		s.again, s.trying = false, pod.Namespace+"/"+pod.Name
		if err := s.sched.Cache.UpdateSnapshot(klog.FromContext(ctx), s.snapshot); err != nil {
			return Verdict{}, fmt.Errorf("updating the scheduler's snapshot: %w", err)
		}
		cs := framework.NewCycleState()
		v, err := s.cycle(ctx, cs, pod)
		switch {
		case err != nil:
			return Verdict{}, err
		case v.Node != "" && bind:
			return s.reserve(ctx, cs, pod, v)
		case v.Node != "" || !s.again:
			return v, nil
		}
	}
	return Verdict{}, fmt.Errorf("judging %s: the plugins want it to be tried for ever", pod.Name)
}

// reserve binds the pod to the node that was chosen. A plugin may still refuse it, after it has asked the API server.
func (s *Scheduler) reserve(ctx context.Context, cs fwk.CycleState, pod *corev1.Pod, v Verdict) (Verdict, error) {
	switch status := s.framework.RunReservePluginsReserve(ctx, cs, pod, v.Node); {
	case status.IsSuccess():
		return v, s.bind(pod, v.Node)
	case status.IsRejected():
		s.framework.RunReservePluginsUnreserve(ctx, cs, pod, v.Node)
		r := refusal(status)
		return Verdict{Before: &r}, nil
	default:
		return Verdict{}, fmt.Errorf("reserving node %s for %s: %w", v.Node, pod.Name, status.AsError())
	}
}

// cycle is one scheduling cycle.
func (s *Scheduler) cycle(ctx context.Context, cs fwk.CycleState, pod *corev1.Pod) (Verdict, error) {
	var v Verdict
	infos, err := s.snapshot.List()
	if err != nil {
		return v, fmt.Errorf("listing the nodes of the snapshot: %w", err)
	}
	if len(infos) == 0 {
		v.Before = &Refusal{Message: "there are no nodes"}
		return v, nil
	}
	named, status, by := s.framework.RunPreFilterPlugins(ctx, cs, pod)
	if !status.IsSuccess() {
		r := refusal(status)
		s.classes(pod, &r)
		v.Before = &r
		all := framework.NewDefaultNodeToStatus()
		all.SetAbsentNodesStatus(status)
		s.afterwards(ctx, cs, pod, all, &v)
		return v, nil
	}
	excluded := func(name string) *fwk.Status {
		if named.AllNodes() || named.NodeNames.Has(name) {
			return nil
		}
		return fwk.NewStatus(fwk.UnschedulableAndUnresolvable, fmt.Sprintf("node(s) didn't satisfy plugin(s) %v", sets.List(by)))
	}
	statuses := framework.NewDefaultNodeToStatus()
	var feasible []fwk.NodeInfo
	for _, info := range infos {
		name := info.Node().Name
		verdict := excluded(name)
		if verdict == nil {
			verdict = s.framework.RunFilterPluginsWithNominatedPods(ctx, cs, pod, info)
		}
		if verdict.IsSuccess() {
			feasible = append(feasible, info)
			continue
		}
		statuses.Set(name, verdict)
	}
	if len(feasible) > 0 {
		return v, s.choose(ctx, cs, pod, feasible, &v)
	}
	for _, info := range infos { // what each of them says is of use only to a pod that waits, and costs as much again
		name := info.Node().Name
		all := s.refusals(ctx, cs, pod, info)
		if status := excluded(name); status != nil && len(all) == 0 {
			all = []Refusal{{Plugin: strings.Join(sets.List(by), ","), Message: status.Message()}}
		}
		v.Nodes = append(v.Nodes, NodeVerdict{name, all})
	}
	slices.SortFunc(v.Nodes, func(a, b NodeVerdict) int { return cmp.Compare(a.Node, b.Node) })
	s.afterwards(ctx, cs, pod, statuses, &v)
	return v, nil
}

// RefusedBy are the nodes that one of these plugins refuses to a pod; nil when it is refused before any node is looked at.
func (s *Scheduler) RefusedBy(ctx context.Context, pod *corev1.Pod, plugins ...string) (map[string]bool, error) {
	if err := s.sched.Cache.UpdateSnapshot(klog.FromContext(ctx), s.snapshot); err != nil {
		return nil, fmt.Errorf("updating the scheduler's snapshot: %w", err)
	}
	infos, err := s.snapshot.List()
	if err != nil {
		return nil, fmt.Errorf("listing the nodes of the snapshot: %w", err)
	}
	cs, refused := framework.NewCycleState(), map[string]bool{}
	switch _, status, _ := s.framework.RunPreFilterPlugins(ctx, cs, pod); {
	case status.IsRejected():
		return nil, nil
	case !status.IsSuccess():
		return nil, fmt.Errorf("looking at %s: %w", pod.Name, status.AsError())
	}
	for _, info := range infos {
		for _, r := range s.refusals(ctx, cs, pod, info) {
			refused[info.Node().Name] = refused[info.Node().Name] || slices.Contains(plugins, r.Plugin)
		}
	}
	return refused, nil
}

// refusals are what all plugins say that refuse the node, the first of them first.
func (s *Scheduler) refusals(ctx context.Context, cs fwk.CycleState, pod *corev1.Pod, info fwk.NodeInfo) []Refusal {
	skipped := cs.GetSkipFilterPlugins()
	defer cs.SetSkipFilterPlugins(skipped)
	var all []Refusal
	for {
		status := s.framework.RunFilterPluginsWithNominatedPods(ctx, cs, pod, info)
		if status.IsSuccess() || status.Plugin() == "" || cs.GetSkipFilterPlugins().Has(status.Plugin()) {
			return all
		}
		all = append(all, refusal(status))
		cs.SetSkipFilterPlugins(cs.GetSkipFilterPlugins().Union(sets.New(status.Plugin())))
	}
}

// choose takes the node of the highest score; of several, the first by name.
func (s *Scheduler) choose(ctx context.Context, cs fwk.CycleState, pod *corev1.Pod, feasible []fwk.NodeInfo, v *Verdict) error {
	if status := s.framework.RunPreScorePlugins(ctx, cs, pod, feasible); !status.IsSuccess() {
		return fmt.Errorf("scoring nodes for %s: %w", pod.Name, status.AsError())
	}
	scores, status := s.framework.RunScorePlugins(ctx, cs, pod, feasible)
	if !status.IsSuccess() {
		return fmt.Errorf("scoring nodes for %s: %w", pod.Name, status.AsError())
	}
	best := slices.MaxFunc(scores, func(a, b fwk.NodePluginScores) int {
		return cmp.Or(cmp.Compare(a.TotalScore, b.TotalScore), cmp.Compare(b.Name, a.Name))
	})
	v.Node = best.Name
	for _, score := range scores {
		if score.TotalScore == best.TotalScore {
			v.Equals++
		}
	}
	return nil
}

// afterwards asks the plugins what to do about a pod that found no node.
func (s *Scheduler) afterwards(ctx context.Context, cs fwk.CycleState, pod *corev1.Pod, statuses *framework.NodeToStatus, v *Verdict) {
	result, status := s.framework.RunPostFilterPlugins(ctx, cs, pod, statuses)
	if result != nil && result.NominatingInfo != nil {
		v.Evicts = result.NominatedNodeName
	}
	for _, text := range status.Reasons() {
		if codes.MatchString(text) {
			v.Advice = text
		}
	}
}

var codes = regexp.MustCompile(`\s*\(SHOAL([0-9]{4})\)`)

func refusal(status *fwk.Status) Refusal {
	r := Refusal{Plugin: status.Plugin(), Message: status.Message()}
	if found := codes.FindStringSubmatch(r.Message); found != nil {
		n, _ := strconv.Atoi(found[1]) // four digits
		r.Code = reason.Code(n)
		r.Message = strings.TrimSpace(codes.ReplaceAllString(r.Message, ""))
	}
	return r
}
