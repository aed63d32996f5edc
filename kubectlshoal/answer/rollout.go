package answer

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/instanceset/decide"
	"github.com/shoal-dev/shoal/kubectlshoal/snapshot"
	"github.com/shoal-dev/shoal/podspec"
	"github.com/shoal-dev/shoal/reason"
)

// RolloutKind marks the JSON form of a RolloutStatus; its schema is docs/schemas/rolloutstatus.v1.json.
const RolloutKind = "RolloutStatus"

// RolloutPhase is how an update is.
type RolloutPhase string

// Phases of an update. The first two have ended well; those from RolloutStopped on do not go on without a person.
const (
	RolloutComplete RolloutPhase = "Complete" // every instance is up to date and available
	RolloutHeldBack RolloutPhase = "HeldBack" // every instance but those that the partition holds back
	RolloutUnseen   RolloutPhase = "Unseen"   // the manager has not seen the last change of the set
	RolloutRunning  RolloutPhase = "Running"  // instances are on their way
	RolloutWaiting  RolloutPhase = "Waiting"  // none is, and what is waited for may come by itself
	RolloutStopped  RolloutPhase = "Stopped"  // an instance does not come up, or cannot be brought there
	RolloutBlocked  RolloutPhase = "Blocked"  // nothing is written: the set refuses what is asked for
	RolloutPaused   RolloutPhase = "Paused"   // spec.paused
	RolloutOnDelete RolloutPhase = "OnDelete" // nobody brings it to instances that run
)

// Done reports whether the update has ended well.
func (p RolloutPhase) Done() bool { return p == RolloutComplete || p == RolloutHeldBack }

// Stands reports whether the update does not go on without a person.
func (p RolloutPhase) Stands() bool {
	return slices.Contains([]RolloutPhase{RolloutStopped, RolloutBlocked, RolloutPaused, RolloutOnDelete}, p)
}

// RolloutStatus is how far the update of a set is.
type RolloutStatus struct {
	APIVersion string       `json:"apiVersion"`
	Kind       string       `json:"kind"`
	Namespace  string       `json:"namespace"`
	Set        string       `json:"set"`
	Phase      RolloutPhase `json:"phase"`
	Done       bool         `json:"done"`
	// Wait is what the update as a whole waits for or does, in the manager's words.
	Wait Wait `json:"wait"`
	// UpdateRevision is what spec.template asks for, CurrentRevision what the last update ended with.
	UpdateRevision  string `json:"updateRevision,omitempty"`
	CurrentRevision string `json:"currentRevision,omitempty"`
	// Instances are those that should have a pod; Updated have what their template asks for, and Available serve.
	Instances int `json:"instances"`
	Updated   int `json:"updated"`
	Available int `json:"available"`
	// Undo says that the template of the last update can be put back.
	Undo bool `json:"undo"`
	// Sharded is false for a set without shards, whose instances all stand in one entry of Shards.
	Sharded bool `json:"sharded"`
	// Shards in which something is worked on or waited for come first.
	Shards     []RolloutShard `json:"shards"`
	Incomplete []string       `json:"incomplete,omitempty"`

	entries []string // of spec.templates, that ask for something else than what the last update ended with
}

// ShardPhase is how far a shard is.
type ShardPhase string

// Phases of a shard.
const (
	ShardWorkedOn ShardPhase = "WorkedOn" // an instance is on its way, or does not come up
	ShardWaits    ShardPhase = "Waits"    // an instance waits for something
	ShardToDo     ShardPhase = "ToDo"
	ShardUpdated  ShardPhase = "Updated"
)

// shardPhases are all of them, in the order in which shards are told.
var shardPhases = []ShardPhase{ShardWorkedOn, ShardWaits, ShardToDo, ShardUpdated}

// RolloutShard is a shard, with its instances by ordinals.
type RolloutShard struct {
	Shard     string            `json:"shard,omitempty"`
	Phase     ShardPhase        `json:"phase"`
	Updated   int               `json:"updated"`
	Instances []RolloutInstance `json:"instances"`
}

// RolloutInstance is one instance.
type RolloutInstance struct {
	Instance string        `json:"instance"`
	State    InstanceState `json:"state"`
	Role     string        `json:"role,omitempty"`
	Revision string        `json:"revision,omitempty"`
	// Is: updated, going, old, or unknown.
	Is    InstanceProgress `json:"is"`
	Waits []Wait           `json:"waits"`
}

// InstanceProgress is how far an instance is.
type InstanceProgress string

// How far an instance is.
const (
	ProgressUpdated InstanceProgress = "updated"
	ProgressGoing   InstanceProgress = "going"
	ProgressOld     InstanceProgress = "old"
	ProgressUnknown InstanceProgress = "unknown"
)

// Bad reports whether the update does not go on without a person.
func (s *RolloutStatus) Bad() bool { return s.Phase.Stands() }

// Partial reports whether something could not be read.
func (s *RolloutStatus) Partial() bool { return s.Done && len(s.Incomplete) > 0 }

// NotYet reports whether it may end by itself, and has not.
func (s *RolloutStatus) NotYet() bool { return !s.Done && !s.Phase.Stands() }

// RolloutOf says how far the update of a set is.
func RolloutOf(c *snapshot.Cluster, namespace, name string) (*RolloutStatus, error) {
	set := snapshot.Find(c.Sets, namespace, name)
	if set == nil {
		return nil, fmt.Errorf("there is no InstanceSet %s in namespace %s%s", name, namespace, similarSets(c, namespace, name))
	}
	of := &SetStatus{Sharded: set.Spec.ShardSize != nil}
	o := &observer{c: c, set: set}
	shards := o.shards(of)
	s := &RolloutStatus{
		APIVersion: ExplainVersion, Kind: RolloutKind, Namespace: namespace, Set: name, Sharded: of.Sharded, Shards: []RolloutShard{},
		UpdateRevision: set.Status.UpdateRevision, CurrentRevision: set.Status.CurrentRevision, Instances: of.Replicas - of.Offline,
		Updated: int(set.Status.UpdatedReplicas), Available: int(set.Status.AvailableReplicas), Incomplete: c.Unreadable,
	}
	for _, shard := range shards {
		s.Shards = append(s.Shards, o.progress(shard))
	}
	slices.SortStableFunc(s.Shards, func(a, b RolloutShard) int {
		return cmp.Compare(slices.Index(shardPhases, a.Phase), slices.Index(shardPhases, b.Phase))
	})
	s.Phase, s.Wait = s.phase(set)
	s.Done = s.Phase.Done()
	s.Undo = (s.Phase == RolloutStopped || s.Phase == RolloutBlocked || s.Phase == RolloutPaused) &&
		s.CurrentRevision != "" && s.CurrentRevision != s.UpdateRevision
	for _, t := range set.Status.TemplateRevisions {
		if t.CurrentRevision != t.UpdateRevision {
			s.entries = append(s.entries, t.Name)
		}
	}
	return s, nil
}

// phases are what the manager says in the condition Updating.
var phases = map[reason.Code]RolloutPhase{
	reason.UpToDate: RolloutComplete, reason.UpdatePartition: RolloutHeldBack, reason.UpdateRunning: RolloutRunning,
	reason.Paused: RolloutPaused, reason.UpdateNotByUs: RolloutOnDelete, reason.UpdateBlocked: RolloutBlocked,
	reason.UpdateStopped: RolloutStopped, reason.RevisionUnknown: RolloutStopped, reason.UnknownContainer: RolloutStopped,
	reason.MemoryWaits: RolloutStopped, reason.ClaimGoing: RolloutStopped, reason.OnlyCopy: RolloutStopped, reason.HandoverFailed: RolloutWaiting, reason.HandingOver: RolloutWaiting,
	reason.UpdateWaits: RolloutWaiting, reason.MasterWaits: RolloutWaiting,
	reason.ConfigurationWaits: RolloutWaiting, reason.ConfigurationTried: RolloutWaiting,
	reason.ConfigurationRefused: RolloutStopped, reason.ConfigurationInvalid: RolloutBlocked,
	reason.VolumeGrows: RolloutRunning, reason.VolumesWait: RolloutWaiting, reason.VolumeGrowthFailed: RolloutStopped,
	reason.VolumeFixed: RolloutBlocked, reason.VolumesNotByUs: RolloutOnDelete,
}

// phase is how the update is, and why.
func (s *RolloutStatus) phase(set *v1alpha1.InstanceSet) (RolloutPhase, Wait) {
	if set.DeletionTimestamp != nil {
		return RolloutStopped, Wait{Text: "the set is being deleted"}
	}
	c := meta.FindStatusCondition(set.Status.Conditions, v1alpha1.ConditionUpdating)
	if unseen := waitsOfUnseen(set); len(unseen) > 0 {
		return RolloutUnseen, unseen[0]
	}
	if c == nil {
		return RolloutUnseen, Wait{Text: "the manager has said nothing about updates: kubectl shoal check says whether it is of this version"}
	}
	wait := waitFrom(c.Message)
	phase := RolloutWaiting
	for code, is := range phases { // names are unique
		if code.Name() == c.Reason {
			phase = is
			if wait.Code == "" {
				wait = waitFor(code, c.Message)
			}
		}
	}
	alone := set.Spec.ShardSize != nil && *set.Spec.ShardSize == 1
	if c.Reason == reason.MasterWaits.Name() && alone {
		return RolloutStopped, wait // nobody can take over, ever
	}
	if phase.Done() && s.Available < s.Instances {
		return s.notAvailable()
	}
	return phase, wait
}

// notAvailable is how an update is whose instances all have it, and do not all serve.
func (s *RolloutStatus) notAvailable() (RolloutPhase, Wait) {
	phase, wait := RolloutWaiting, waitFor(reason.InstanceNotReady, fmt.Sprintf("%d of %s available: %s", s.Available, count(s.Instances, "instance"), reason.InstanceNotReady.Text()))
	for _, shard := range s.Shards {
		for _, i := range shard.Instances {
			if i.State == InstanceNotReady && strings.Contains(textsOf(i.Waits, true), "BackOff") {
				return RolloutStopped, waitFor(reason.InstanceNotReady, i.Instance+": "+i.Waits[0].Text)
			}
		}
	}
	return phase, wait
}

// progress is how far a shard is.
func (o *observer) progress(shard ShardStatus) RolloutShard {
	s := RolloutShard{Shard: shard.Shard, Phase: ShardUpdated, Instances: []RolloutInstance{}}
	replacing := decide.ParseOrdinals(o.set.Status.Replacing)
	for _, i := range shard.Instances {
		if i.State == InstanceOffline || i.State == InstanceLeaving {
			continue
		}
		one := RolloutInstance{Instance: i.Instance, State: i.State, Role: i.Role, Revision: i.Revision, Waits: i.Waits}
		pod := o.pods[i.Instance]
		one.Is = progressOf(i, pod, slices.ContainsFunc(replacing, func(n int32) bool { return podspec.Name(o.set.Name, n) == i.Instance }))
		phase := ShardToDo
		switch {
		case one.Is == ProgressGoing:
			phase = ShardWorkedOn
		case len(one.Waits) > 0:
			phase = ShardWaits
		case one.Is == ProgressUpdated:
			phase = ShardUpdated
		}
		if one.Is == ProgressUpdated {
			s.Updated++
		}
		if slices.Index(shardPhases, phase) < slices.Index(shardPhases, s.Phase) {
			s.Phase = phase
		}
		s.Instances = append(s.Instances, one)
	}
	return s
}

// progressOf is how far an instance is. One that has the revision and does not serve is on its way: the update waits for it.
func progressOf(i InstanceStatus, pod *corev1.Pod, replacing bool) InstanceProgress {
	switch {
	case replacing, pod != nil && pod.Annotations[v1alpha1.AnnotationTargetRevision] != "":
		return ProgressGoing
	case pod == nil, i.RevisionIs == RevisionUnknown:
		return ProgressUnknown
	case i.RevisionIs == RevisionOld:
		return ProgressOld
	case i.State != InstanceReady:
		return ProgressGoing
	}
	return ProgressUpdated
}
