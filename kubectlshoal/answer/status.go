package answer

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/instanceset/decide"
	"github.com/shoal-dev/shoal/kubectlshoal/snapshot"
	"github.com/shoal-dev/shoal/podspec"
	"github.com/shoal-dev/shoal/spelling"
)

// StatusKind marks the JSON form of a SetStatus; its schema is docs/schemas/setstatus.v1.json.
const StatusKind = "SetStatus"

// SetStatus is how an InstanceSet is, shard by shard.
type SetStatus struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Namespace  string `json:"namespace"`
	Set        string `json:"set"`
	// Healthy: nothing is waited for, in the set as a whole, in a shard or by an instance.
	Healthy bool `json:"healthy"`
	// Generation of the spec, and the one of which the manager speaks in its status.
	Generation         int64 `json:"generation"`
	ObservedGeneration int64 `json:"observedGeneration"`
	// UpdateRevision is that of spec.template, as the manager has it.
	UpdateRevision string `json:"updateRevision,omitempty"`
	// Replicas are wanted, Offline those of them that are held offline, and Ready and Old those whose pod is Ready, or of another revision
	// than its template has now. Leaving are instances that are not wanted and have a pod.
	Replicas int `json:"replicas"`
	Offline  int `json:"offline"`
	Ready    int `json:"ready"`
	Old      int `json:"old"`
	Leaving  int `json:"leaving"`
	// Nodes on which the set holds slots, and MaxPerNode instances on the fullest, as the manager counts them.
	Nodes      int            `json:"nodes"`
	MaxPerNode int            `json:"maxPerNode"`
	Conditions []SetCondition `json:"conditions"`
	// Waits are what the set as a whole waits for.
	Waits []Wait `json:"waits"`
	// Roles: the set has them.
	Roles bool `json:"roles"`
	// Sharded is false for a set without shards, all of whose instances stand in one entry of Shards.
	Sharded bool `json:"sharded"`
	// Shards that are not healthy come first; else by number.
	Shards     []ShardStatus `json:"shards"`
	Incomplete []string      `json:"incomplete,omitempty"`

	taken time.Time // when the cluster was read, zero if that is not known
	all   bool      // people want to see those that are well, too
}

// SetCondition is a condition of the set. Bad ones say that something is wrong.
type SetCondition struct {
	Type    string      `json:"type"`
	Status  string      `json:"status"`
	Reason  string      `json:"reason"`
	Message string      `json:"message"`
	Since   metav1.Time `json:"since,omitzero"`
	Bad     bool        `json:"bad"`
}

// ShardStatus is a shard with its instances, by ordinals.
type ShardStatus struct {
	Shard   string `json:"shard,omitempty"`
	Healthy bool   `json:"healthy"`
	// Waits are what the shard as a whole waits for.
	Waits []Wait `json:"waits"`
	// Switchover goes on, or waits to begin; LastSwitchover ended last.
	Switchover     *SwitchoverStatus `json:"switchover,omitempty"`
	LastSwitchover *SwitchoverStatus `json:"lastSwitchover,omitempty"`
	Instances      []InstanceStatus  `json:"instances"`
}

// InstanceState is how an instance is.
type InstanceState string

// States of an instance. Ready, Offline and Leaving are as wanted.
const (
	InstanceReady    InstanceState = "Ready"
	InstanceNotReady InstanceState = "NotReady" // its pod has a node, and is not Ready
	InstanceNoNode   InstanceState = "NoNode"   // its pod waits for a node
	InstanceNoPod    InstanceState = "NoPod"    // it is wanted, and has no pod
	InstanceGoing    InstanceState = "Going"    // its pod is being deleted
	InstanceEnded    InstanceState = "Ended"    // the processes of its pod are gone for good
	InstanceOffline  InstanceState = "Offline"  // it is held offline, and has no pod
	InstanceLeaving  InstanceState = "Leaving"  // it is not wanted, and has a pod
)

// What the revision of a pod is.
const (
	RevisionCurrent = "current" // that of its template
	RevisionOld     = "old"
	RevisionUnknown = "unknown" // a dump does not have all that the revision is made of
)

// InstanceStatus is one instance.
type InstanceStatus struct {
	Instance string        `json:"instance"`
	State    InstanceState `json:"state"`
	// Role is what the label shoal.dev/role of the pod says.
	Role string `json:"role,omitempty"`
	// Sync is whether a replica has what its master has, "" for others and without a master. BehindSince is since when it is known not to.
	Sync        SyncState   `json:"sync,omitempty"`
	BehindSince metav1.Time `json:"behindSince,omitzero"`
	Node        string      `json:"node,omitempty"`
	// NodeState says why the node takes no pods, "" if it does.
	NodeState string `json:"nodeState,omitempty"`
	// Revision is that of the pod, and RevisionIs what it is: current, old or unknown.
	Revision   string `json:"revision,omitempty"`
	RevisionIs string `json:"revisionIs,omitempty"`
	// Restarts of all containers of the pod.
	Restarts int    `json:"restarts"`
	Waits    []Wait `json:"waits"`
}

// wanting reports whether the instance is not as wanted.
func (i *InstanceStatus) wanting() bool {
	return len(i.Waits) > 0 || i.State != InstanceReady && i.State != InstanceOffline && i.State != InstanceLeaving
}

// Bad reports whether something is waited for.
func (s *SetStatus) Bad() bool { return !s.Healthy }

// Partial reports whether something could not be read on which the answer may depend.
func (s *SetStatus) Partial() bool { return len(s.Incomplete) > 0 }

// StatusOf says how a set is. With a shard, only that one is in the answer, with all of its instances, and the rest is that of the set; with
// all, people see also what is well.
func StatusOf(c *snapshot.Cluster, namespace, name, shard string, all bool) (*SetStatus, error) {
	set := snapshot.Find(c.Sets, namespace, name)
	if set == nil {
		return nil, fmt.Errorf("there is no InstanceSet %s in namespace %s%s", name, namespace, similarSets(c, namespace, name))
	}
	s := &SetStatus{
		APIVersion: ExplainVersion, Kind: StatusKind, Namespace: namespace, Set: name, Generation: set.Generation,
		ObservedGeneration: set.Status.ObservedGeneration, UpdateRevision: set.Status.UpdateRevision, Nodes: int(set.Status.Nodes),
		MaxPerNode: int(set.Status.MaxPerNode), Roles: len(set.Spec.Roles) > 0, Sharded: set.Spec.ShardSize != nil,
		Conditions: []SetCondition{}, Waits: []Wait{}, Incomplete: c.Unreadable, all: all || shard != "", taken: c.TakenAt,
	}
	for _, condition := range set.Status.Conditions {
		s.Conditions = append(s.Conditions, SetCondition{
			condition.Type, string(condition.Status), condition.Reason, condition.Message, condition.LastTransitionTime, badCondition(condition),
		})
	}
	s.Waits = waitsOfSet(set)
	s.Shards = (&observer{c: c, set: set}).shards(s)
	s.Healthy = len(s.Waits) == 0 && !slices.ContainsFunc(s.Shards, func(s ShardStatus) bool { return !s.Healthy }) &&
		!slices.ContainsFunc(s.Conditions, func(c SetCondition) bool { return c.Bad })
	slices.SortStableFunc(s.Shards, func(a, b ShardStatus) int { return cmp.Compare(rankOf(a.Healthy), rankOf(b.Healthy)) })
	if shard == "" {
		return s, nil
	}
	return s, s.only(shard)
}

func rankOf(healthy bool) int { return map[bool]int{true: 1}[healthy] }

// only leaves one shard in the answer: by its name, or its number.
func (s *SetStatus) only(shard string) error {
	i := slices.IndexFunc(s.Shards, func(one ShardStatus) bool { return s.Sharded && (one.Shard == shard || one.Shard == s.Set+"-"+shard) })
	switch {
	case !s.Sharded:
		return fmt.Errorf("InstanceSet %s has no shards: leave out --shard", s.Set)
	case i < 0:
		return fmt.Errorf("InstanceSet %s has no shard %s: they are named %s-0 and so on, and there are %d", s.Set, shard, s.Set, len(s.Shards))
	}
	s.Shards = s.Shards[i : i+1]
	return nil
}

// badCondition reports whether a condition says that something is wrong. Progressing and Paused do not: what comes of it, the others say.
func badCondition(c metav1.Condition) bool {
	switch c.Type {
	case v1alpha1.ConditionReady, v1alpha1.ConditionPlaced:
		return c.Status != metav1.ConditionTrue
	case v1alpha1.ConditionRebuilding, v1alpha1.ConditionNoMaster, v1alpha1.ConditionTwoMasters:
		return c.Status == metav1.ConditionTrue
	}
	return inSyncIsBad(c)
}

// similarSets names sets that may have been meant.
func similarSets(c *snapshot.Cluster, namespace, name string) string {
	var same, here []string
	for _, set := range c.Sets {
		switch {
		case set.Name == name:
			same = append(same, set.Namespace)
		case set.Namespace == namespace && len(name) > 2 && spelling.Distance(set.Name, name) <= 2:
			here = append(here, set.Name)
		}
	}
	switch {
	case len(here) > 0:
		return ": did you mean " + strings.Join(here[:min(3, len(here))], ", ") + "?"
	case len(same) > 0:
		return ": there is one in " + strings.Join(same, ", ") + " (use -n)"
	}
	return ""
}

// observer looks at the pods of a set.
type observer struct {
	c         *snapshot.Cluster
	set       *v1alpha1.InstanceSet
	pods      map[string]*corev1.Pod // by the name of the instance
	revisions map[string]string      // by the name of the template; without those that cannot be told
	excepted  map[int32]v1alpha1.InstanceException
}

// shards makes the shards of the set, and counts.
func (o *observer) shards(s *SetStatus) []ShardStatus {
	o.pods, o.excepted = map[string]*corev1.Pod{}, map[int32]v1alpha1.InstanceException{}
	for _, pod := range o.c.Pods {
		if pod.Namespace == o.set.Namespace && pod.Labels[v1alpha1.LabelInstanceSet] == o.set.Name {
			o.pods[pod.Name] = pod
		}
	}
	for _, e := range o.set.Status.Exceptions {
		o.excepted[e.Ordinal] = e
	}
	o.revise()
	shards := []ShardStatus{}
	wanted := decide.WantedOrdinals(&o.set.Spec)
	s.Replicas = len(wanted)
	for _, ordinal := range o.ordinals(wanted) {
		_, isWanted := slices.BinarySearch(wanted, ordinal)
		i := o.instance(ordinal, isWanted)
		s.add(i, isWanted)
		name := ""
		if shard, sharded := podspec.Shard(o.set, ordinal); sharded {
			name = podspec.Name(o.set.Name, shard)
		}
		if len(shards) == 0 || shards[len(shards)-1].Shard != name {
			shards = append(shards, ShardStatus{Shard: name, Waits: []Wait{}})
		}
		last := &shards[len(shards)-1]
		last.Instances = append(last.Instances, i)
	}
	o.switchovers(shards)
	for i := range shards {
		shard := &shards[i]
		if s.Sharded {
			shard.Waits = waitsOfShard(o.set, shard)
		}
		if s.Sharded && s.Roles {
			o.sync(shard)
		}
		shard.Healthy = len(shard.Waits) == 0 && !slices.ContainsFunc(shard.Instances, func(i InstanceStatus) bool { return i.wanting() })
	}
	return shards
}

// ordinals are those that are wanted, and those that have a pod.
func (o *observer) ordinals(wanted []int32) []int32 {
	all := slices.Clone(wanted)
	for name := range o.pods { // sorted below
		var ordinal int32
		if number, ours := strings.CutPrefix(name, o.set.Name+"-"); ours {
			if _, err := fmt.Sscanf(number, "%d", &ordinal); err == nil && podspec.Name(o.set.Name, ordinal) == name {
				all = append(all, ordinal)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// revise finds the revision that each template asks for. The manager's word counts. Of templates that it has not seen there is none, so they
// are computed; where that gives something else for spec.template than the manager has, as in a dump, which is redacted, they are not known.
func (o *observer) revise() {
	o.revisions = map[string]string{}
	computed := podspec.Revision(o.set, nil)
	o.revisions[""] = cmp.Or(o.set.Status.UpdateRevision, computed)
	for _, t := range o.set.Status.TemplateRevisions {
		o.revisions[t.Name] = t.UpdateRevision
	}
	if o.revisions[""] != computed {
		return
	}
	for i := range o.set.Spec.Templates {
		if name := o.set.Spec.Templates[i].Name; o.revisions[name] == "" {
			o.revisions[name] = podspec.Revision(o.set, &o.set.Spec.Templates[i])
		}
	}
}

func (s *SetStatus) add(i InstanceStatus, wanted bool) {
	switch {
	case !wanted:
		s.Leaving++
	case i.State == InstanceOffline:
		s.Offline++
	case i.State == InstanceReady:
		s.Ready++
	}
	if wanted && i.RevisionIs == RevisionOld {
		s.Old++
	}
}

// instance looks at one instance.
func (o *observer) instance(ordinal int32, wanted bool) InstanceStatus {
	i := InstanceStatus{Instance: podspec.Name(o.set.Name, ordinal), Waits: []Wait{}}
	pod, offline := o.pods[i.Instance], slices.Contains(o.set.Spec.OfflineInstances, ordinal)
	i.State = stateOfInstance(pod, wanted, offline)
	if pod != nil {
		i.Role, i.Node, i.Revision = pod.Labels[v1alpha1.LabelRole], pod.Spec.NodeName, pod.Labels[v1alpha1.LabelRevision]
		i.NodeState = o.nodeState(i.Node)
		i.RevisionIs = RevisionUnknown
		if current := o.revisions[pod.Labels[v1alpha1.LabelTemplate]]; current != "" && i.Revision != "" {
			i.RevisionIs = map[bool]string{true: RevisionCurrent, false: RevisionOld}[current == i.Revision]
		}
		for _, status := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
			i.Restarts += int(status.RestartCount)
		}
	}
	if wanted && !offline {
		i.Waits = o.waits(ordinal, &i, pod)
	}
	return i
}

func stateOfInstance(pod *corev1.Pod, wanted, offline bool) InstanceState {
	switch {
	case pod == nil && offline:
		return InstanceOffline
	case pod == nil:
		return InstanceNoPod
	case !wanted || offline:
		return InstanceLeaving
	case pod.DeletionTimestamp != nil:
		return InstanceGoing
	case snapshot.Ended(pod):
		return InstanceEnded
	case pod.Spec.NodeName == "":
		return InstanceNoNode
	case slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool { return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue }):
		return InstanceReady
	}
	return InstanceNotReady
}

// nodeState is why a node takes no pods. Without the right to list nodes there are none, which says nothing about this one.
func (o *observer) nodeState(name string) string {
	if name == "" || len(o.c.Nodes) == 0 {
		return ""
	}
	node := snapshot.Find(o.c.Nodes, "", name)
	if node == nil {
		return "deleted"
	}
	return stateOf(node)
}
