package answer

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/kubectlshoal/snapshot"
	"github.com/shoal-dev/shoal/kubectlshoal/trial"
	"github.com/shoal-dev/shoal/plugins/loadbalance"
	"github.com/shoal-dev/shoal/reason"
	"github.com/shoal-dev/shoal/slots"
	"github.com/shoal-dev/shoal/spelling"
)

// ExplainVersion and ExplainKind mark the JSON form of an Explanation; its schema is docs/schemas/explanation.v1.json.
const (
	ExplainVersion = "kubectl.shoal.dev/v1"
	ExplainKind    = "Explanation"
)

// State is where a pod stands.
type State string

// States of a pod. Only Waiting and Refused are a problem of scheduling.
const (
	Waiting     State = "Waiting"     // no node can take it, or the scheduler finds those too busy that have room
	Refused     State = "Refused"     // it is refused before any node is looked at
	WouldFit    State = "WouldFit"    // a node can take it now
	Placed      State = "Placed"      // it has a node
	Ended       State = "Ended"       // its processes are gone for good
	Terminating State = "Terminating" // it is being deleted, and never had a node
	NotOurs     State = "NotOurs"     // another scheduler places it
)

// Explanation says why a pod is where it is.
type Explanation struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Namespace  string `json:"namespace"`
	Pod        string `json:"pod"`
	State      State  `json:"state"`
	// Summary is the answer in one sentence.
	Summary string `json:"summary"`
	// Node is where the pod is, or would go now.
	Node  string `json:"node,omitempty"`
	Group *Group `json:"group,omitempty"`
	// NodeGroups are the values of the label by which nodes are grouped, NodesInGroup how many nodes each has.
	GroupedBy  string      `json:"groupedBy"`
	NodeGroups []NodeCount `json:"nodeGroups"`
	// Rules are those that refuse nodes, the one that refuses most first. A node is counted under each rule that refuses it.
	Rules []Rule `json:"rules"`
	// Nearest is the node that lacks the least.
	Nearest *Miss `json:"nearest,omitempty"`
	// Changes would each let the pod be placed, the smallest first. Each was tried.
	Changes []Change `json:"changes"`
	// Advice is what the scheduler says about the whole group.
	Advice string `json:"advice,omitempty"`
	// Evicts is the node from which pods of lower priority would be evicted to make room.
	Evicts string `json:"evicts,omitempty"`
	// LastTold is what the scheduler told a pod for which there is room: it may be older than that.
	LastTold string `json:"lastTold,omitempty"`
	// Scheduler is where the scheduler's configuration comes from, Incomplete what could not be read.
	Scheduler  string   `json:"scheduler"`
	Incomplete []string `json:"incomplete,omitempty"`
}

// Group is the placement group of a pod.
type Group struct {
	// Name is that of the PlacementPolicy, or of the cluster for a group without one.
	Name      string `json:"name"`
	HasPolicy bool   `json:"hasPolicy"`
	// Replicas wanted, Instances that hold a slot, on that many Nodes.
	Replicas  int `json:"replicas"`
	Instances int `json:"instances"`
	Nodes     int `json:"nodes"`
	// Limits: 0 does not limit.
	MaxInstancesPerNode int    `json:"maxInstancesPerNode"`
	MaxNodes            int    `json:"maxNodes"`
	MaxPerShard         int    `json:"maxPerShard"`
	Mode                string `json:"mode,omitempty"`
}

// NodeCount is a number of nodes of a node group.
type NodeCount struct {
	Group string `json:"group"`
	Nodes int    `json:"nodes"`
}

// Rule is one reason against nodes, or against the pod as a whole (then Nodes is 0).
type Rule struct {
	Code    string      `json:"code,omitempty"`
	Plugin  string      `json:"plugin"`
	Text    string      `json:"text"`
	Nodes   int         `json:"nodes"`
	ByGroup []NodeCount `json:"byGroup"`
	// Advice is what to do, Page where to read more.
	Advice string `json:"advice,omitempty"`
	Page   string `json:"page,omitempty"`
}

// Miss is a node that cannot take the pod.
type Miss struct {
	Node  string   `json:"node"`
	Group string   `json:"group,omitempty"`
	Why   []string `json:"why"`
}

// Change is something that a person can do.
type Change struct {
	Text string `json:"text"`
	// Steps is how many things have to be changed together.
	Steps int `json:"steps"`
	// Node is where the pod went when it was tried.
	Node string `json:"node"`
}

// Bad reports whether the pod waits for something that does not come by itself.
func (e *Explanation) Bad() bool { return e.State == Waiting || e.State == Refused }

// Partial reports whether something could not be read on which the answer may depend.
func (e *Explanation) Partial() bool { return len(e.Incomplete) > 0 }

// Explain explains one pod. Nodes are grouped by a label.
func Explain(ctx context.Context, c *snapshot.Cluster, config *trial.Config, namespace, name, groupBy string) (*Explanation, error) {
	pod := snapshot.Find(c.Pods, namespace, name)
	if pod == nil {
		return nil, fmt.Errorf("there is no pod %s in namespace %s%s", name, namespace, alike(c, namespace, name))
	}
	e := &Explanation{
		APIVersion: ExplainVersion, Kind: ExplainKind, Namespace: namespace, Pod: name, GroupedBy: groupBy,
		NodeGroups: []NodeCount{}, Rules: []Rule{}, Changes: []Change{}, Scheduler: config.Source, Incomplete: c.Unreadable,
	}
	e.Group = groupOf(c, pod)
	if e.settled(c, pod) {
		return e, nil
	}
	v, err := judge(ctx, c, config, pod)
	if err != nil {
		return nil, err
	}
	e.Incomplete = slices.Concat(c.Unreadable, config.Unread)
	e.countGroups(c)
	e.Advice, e.Evicts = v.Advice, v.Evicts
	switch {
	case v.Node != "":
		e.room(pod, v.Node)
		return e, nil
	case v.Before != nil:
		e.State = Refused
		e.Rules = []Rule{ruleOf(*v.Before)}
		e.Summary = "it is refused before any node is looked at: " + v.Before.Message
	default:
		e.State = Waiting
		e.countRules(c, v)
		e.Nearest = nearest(c, pod, v, groupBy)
		e.Summary = fmt.Sprintf("none of %d %s can take it", len(v.Nodes), plural(len(v.Nodes), "node"))
	}
	e.Changes, err = changes(ctx, c, config, pod, v)
	return e, err
}

// busy are the nodes of which the scheduler told a pod that they are too busy.
var busy = regexp.MustCompile(`(\d+) ` + regexp.QuoteMeta(reason.NodeBusy.Message()))

// room answers for a pod that a node can take, by all that was read. Measured load is not: about that, the scheduler's last word is the only one.
func (e *Explanation) room(pod *corev1.Pod, node string) {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			e.LastTold = c.Message
		}
	}
	if found := busy.FindStringSubmatch(e.LastTold); found != nil {
		rule := ruleOf(trial.Refusal{Plugin: loadbalance.Name, Message: reason.NodeBusy.Text(), Code: reason.NodeBusy})
		rule.Nodes, _ = strconv.Atoi(found[1]) // digits
		e.State, e.Rules = Waiting, []Rule{rule}
		e.Summary = fmt.Sprintf("node %s has the room, but shoal-scheduler last found %s too busy, and measured load is not read here",
			node, count(rule.Nodes, "node"))
		return
	}
	e.State, e.Node = WouldFit, node
	e.Summary = fmt.Sprintf("node %s can take it now: if it goes on waiting, look whether shoal-scheduler runs (kubectl shoal check)", node)
}

// settled answers for pods that wait for no scheduler, or not for ours.
func (e *Explanation) settled(c *snapshot.Cluster, pod *corev1.Pod) bool {
	scheduler := cmp.Or(pod.Spec.SchedulerName, corev1.DefaultSchedulerName)
	switch {
	case snapshot.Ended(pod):
		e.State, e.Summary = Ended, "its processes are gone for good ("+string(pod.Status.Phase)+"): it holds no place and waits for none"
	case pod.Spec.NodeName != "":
		e.State, e.Node = Placed, pod.Spec.NodeName
		e.Summary = "on node " + pod.Spec.NodeName
		if snapshot.Find(c.Nodes, "", pod.Spec.NodeName) == nil {
			e.Summary += ", which does not exist (any more)"
		}
		if pod.DeletionTimestamp != nil {
			e.Summary += ", and is being deleted: it holds its place until it is gone"
		}
	case pod.DeletionTimestamp != nil:
		e.State, e.Summary = Terminating, "it is being deleted, and no scheduler looks at it any more"
	case scheduler != v1alpha1.SchedulerName:
		e.State = NotOurs
		e.Summary = fmt.Sprintf("it asks for the scheduler %s, which knows nothing of placement groups: set spec.schedulerName to %s", scheduler, v1alpha1.SchedulerName)
	default:
		return false
	}
	return true
}

// judge asks the scheduler, after it has seen the pods of other groups that wait: it keeps room for those.
func judge(ctx context.Context, c *snapshot.Cluster, config *trial.Config, pod *corev1.Pod) (trial.Verdict, error) {
	s, err := trial.New(ctx, config, c)
	if err != nil {
		return trial.Verdict{}, err
	}
	own, _ := slots.GroupOf(pod.Namespace, pod.Labels)
	if err := s.Consider(ctx, c, own); err != nil {
		return trial.Verdict{}, err
	}
	return s.Judge(ctx, pod)
}

func groupOf(c *snapshot.Cluster, pod *corev1.Pod) *Group {
	g, grouped := slots.GroupOf(pod.Namespace, pod.Labels)
	if !grouped {
		return nil
	}
	held := heldBy(c, g)
	out := &Group{Name: cmp.Or(g.Policy, g.Cluster), Instances: instances(held), Nodes: len(slots.PerNode(held))}
	out.Replicas = out.Instances
	if policy := snapshot.Find(c.Policies, pod.Namespace, g.Policy); policy != nil {
		out.HasPolicy, out.Replicas, out.Mode = true, replicasOf(policy), string(policy.Spec.Mode)
		l := slots.LimitsOf(policy.Spec.PlacementLimits, out.Replicas)
		out.MaxInstancesPerNode, out.MaxNodes, out.MaxPerShard = l.MaxPerNode, l.MaxNodes, l.MaxPerShard
	}
	return out
}

func replicasOf(p *v1alpha1.PlacementPolicy) int {
	if p.Spec.Replicas != nil {
		return int(*p.Spec.Replicas)
	}
	return int(p.Status.Replicas)
}

func heldBy(c *snapshot.Cluster, g slots.Group) []slots.Slot {
	return slices.DeleteFunc(slots.Count(c.World()), func(s slots.Slot) bool { return s.Group != g })
}

func instances(held []slots.Slot) int {
	seen := map[slots.Instance]bool{}
	for _, s := range held {
		seen[s.Instance] = true
	}
	return len(seen)
}

func (e *Explanation) countGroups(c *snapshot.Cluster) {
	n := map[string]int{}
	for _, node := range c.Nodes {
		n[node.Labels[e.GroupedBy]]++
	}
	e.NodeGroups = counted(n)
}

func counted(n map[string]int) []NodeCount {
	list := make([]NodeCount, 0, len(n))
	for _, group := range slices.Sorted(maps.Keys(n)) {
		list = append(list, NodeCount{group, n[group]})
	}
	return list
}

func (e *Explanation) countRules(c *snapshot.Cluster, v trial.Verdict) {
	rules, byGroup := map[string]*Rule{}, map[string]map[string]int{}
	for _, node := range v.Nodes {
		group := snapshot.Find(c.Nodes, "", node.Node).Labels[e.GroupedBy]
		for _, r := range node.Refusals {
			key := r.Plugin + "\x00" + r.Message
			if rules[key] == nil {
				rule := ruleOf(r)
				rules[key], byGroup[key] = &rule, map[string]int{}
			}
			rules[key].Nodes++
			byGroup[key][group]++
		}
	}
	for key, rule := range rules { // sorted below
		rule.ByGroup = counted(byGroup[key])
		e.Rules = append(e.Rules, *rule)
	}
	slices.SortFunc(e.Rules, func(a, b Rule) int {
		return cmp.Or(cmp.Compare(b.Nodes, a.Nodes), cmp.Compare(b.Code, a.Code), cmp.Compare(a.Plugin, b.Plugin), cmp.Compare(a.Text, b.Text))
	})
}

// pages is where the page of each code is published.
const pages = "https://github.com/shoal-dev/shoal/blob/main/docs/reasons/"

func ruleOf(r trial.Refusal) Rule {
	rule := Rule{Plugin: cmp.Or(r.Plugin, "scheduler"), Text: r.Message, ByGroup: []NodeCount{}, Advice: adviceFor(r.Plugin)}
	if r.Code != 0 {
		rule.Code, rule.Advice, rule.Page = r.Code.String(), r.Code.Entry().Advice, pages+r.Code.String()+".md"
	}
	return rule
}

// adviceFor is what to do where one of Kubernetes' own plugins refuses.
func adviceFor(plugin string) string {
	return map[string]string{
		"NodeResourcesFit":   "Free what is short on a node, ask for less, or add a node.",
		"NodeUnschedulable":  "Uncordon the node: kubectl uncordon NODE.",
		"TaintToleration":    "Remove the taint, or let the pod tolerate it.",
		"NodeAffinity":       "Change nodeSelector or node affinity of the pod, or label nodes.",
		"NodeName":           "Remove spec.nodeName from the pod's template.",
		"NodePorts":          "Use another host port, or none.",
		"InterPodAffinity":   "Change the pod's affinity, or that of the pods that are there.",
		"PodTopologySpread":  "Raise maxSkew, or use whenUnsatisfiable: ScheduleAnyway.",
		"VolumeBinding":      "Look at the pod's claims: kubectl describe pvc.",
		"VolumeRestrictions": "Look at the pod's claims: kubectl describe pvc.",
		"VolumeZone":         "The pod's volume is in another zone: use a node there.",
		"SchedulingGates":    "Something put a scheduling gate on the pod and has to take it away: see spec.schedulingGates.",
		"NodeVolumeLimits":   "The node holds as many volumes of the driver as it can.",
	}[plugin]
}

// alike names pods that may have been meant.
func alike(c *snapshot.Cluster, namespace, name string) string {
	var same, near []string
	for _, p := range c.Pods {
		switch {
		case p.Name == name:
			same = append(same, p.Namespace)
		case p.Namespace == namespace && len(name) > 2 && spelling.Distance(p.Name, name) <= 2:
			near = append(near, p.Name)
		}
	}
	if len(same) > 0 {
		return ": there is one in " + strings.Join(same, ", ") + " (use -n)"
	}
	return meant(near)
}

// meant offers some of the names that are near to one that does not exist.
func meant(near []string) string {
	if len(near) == 0 {
		return ""
	}
	return ": did you mean " + strings.Join(near[:min(3, len(near))], ", ") + "?"
}

// coded is a refusal in one clause, with its code.
func coded(r trial.Refusal) string {
	switch {
	case r.Code == 0 && r.Plugin == "":
		return r.Message
	case r.Code == 0:
		return r.Plugin + ": " + r.Message
	}
	return r.Code.Because("%s", r.Message)
}

// dispersionFull are refusals that a larger limit may lift.
var dispersionFull = []reason.Code{
	reason.NodeInstanceLimit, reason.NodeCountLimit, reason.NodeTooSmall, reason.ShardSpreadLimit, reason.ShardPlanned, reason.NotPlanned,
}
