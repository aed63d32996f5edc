package decide

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/podspec"
	"github.com/shoal-dev/shoal/reason"
)

// Plan is what Decide wants. Changes of the set as a whole come first and in order. Changes of one instance are carried
// out in their order, and no further than the first that fails, but for GrowClaim, on which nothing rests, and the template of a claim, on which only
// a deletion of the pod does; different instances do not wait for each other.
type Plan struct {
	Changes []Change
	Status  v1alpha1.InstanceSetStatus
	// RequeueAfter is when to decide again even if nothing changes; 0 means never.
	RequeueAfter time.Duration
}

// Kind is what a Change does. Its text is the verb in scenarios, metrics and logs.
type Kind string

// The kinds of changes.
const (
	AddFinalizer    Kind = "AddFinalizer"
	RemoveFinalizer Kind = "RemoveFinalizer"
	CreateService   Kind = "CreateService"
	CreateBudget    Kind = "CreateBudget"
	UpdateBudget    Kind = "UpdateBudget"
	DeleteBudget    Kind = "DeleteBudget"
	CreatePolicy    Kind = "CreatePolicy"
	UpdatePolicy    Kind = "UpdatePolicy"
	CreateClaim     Kind = "CreatePVC"
	LabelClaim      Kind = "LabelPVC"
	UnlabelClaim    Kind = "UnlabelPVC"
	GrowClaim       Kind = "GrowPVC"
	DeleteClaim     Kind = "DeletePVC"
	RetainVolume    Kind = "RetainPV"
	CreateRevision  Kind = "CreateRevision"
	UpdateRevision  Kind = "UpdateRevision"
	DeleteRevision  Kind = "DeleteRevision"
	PatchPod        Kind = "PatchPod"
	ConfigurePod    Kind = "ConfigurePod"
	ImagePod        Kind = "ImagePod"
	ResizePod       Kind = "ResizePod"

	CreateSwitchover Kind = "CreateSwitchover"
	CreatePod        Kind = "CreatePod"
	LabelPod         Kind = "LabelPod"
	UnlabelPod       Kind = "UnlabelPod"
	DeletePod        Kind = "DeletePod"
)

// SetWide is the ordinal of changes that belong to no single instance.
const SetWide int32 = -1

// Change is one write. Which fields are set depends on the kind.
type Change struct {
	Kind    Kind
	Ordinal int32  // or SetWide
	Object  string // the name of the object
	Reason  reason.Code
	Words   string // the reason in words, with its code

	// UID is a precondition: the object with this UID, and no other one of the same name.
	UID types.UID
	// Version is a precondition too, where the content of the object was the ground for the decision.
	Version string
	// Force deletes a pod without waiting for its kubelet. Only for nodes that are proven dead.
	Force bool
	// Fenced are the nodes on whose fencing the change rests. It must not be made unless each of them still has the taint
	// out-of-service at that moment: the snapshot comes from a cache that lags.
	Fenced []Fence

	Instance podspec.Instance // CreatePod, CreateClaim
	Volumes  int              // CreateClaim: the index in volumeClaimTemplates

	Replicas, Shards int32 // CreatePolicy, UpdatePolicy

	Size string // GrowClaim: the size to ask for

	Label, Value string // LabelPod, UnlabelPod, LabelClaim, UnlabelClaim

	// Pod is the pod for whose sake a claim gets its slot back (UnlabelClaim). The change must not be made unless it is there, and has
	// not ended, after the claim was marked as returning.
	Pod    string
	PodUID types.UID

	Revision string // CreateRevision, UpdateRevision: its name
	Template string // the same: the entry of spec.templates that asks for it, "" for spec.template
	Number   int64
	Text     []byte // CreateRevision

	// Before and After are the pod as it was decided upon and as it is to be: PatchPod, ConfigurePod, ImagePod, ResizePod. The write is refused
	// if the pod has changed meanwhile. Details says what changes, for people.
	Before, After *corev1.Pod
	Details       string

	Shard  string // CreateSwitchover, with its policy
	Policy v1alpha1.UpdateSwitchover

	RetainedFor string // RetainVolume: <namespace>/<instance>
	Generation  int64  // RetainVolume
}

// Fence is a node that the snapshot showed as out of service. A Node of the same name with another UID is another machine.
type Fence struct {
	Node string
	UID  types.UID
}

// NeedsFence reports whether the change gives up what a living node could still be using, and has no other ground than
// that the node is dead.
func (c Change) NeedsFence() bool {
	rebuilds := c.Kind == DeleteClaim && c.Reason == reason.ReplaceClaim // a scale-in may delete claims too
	return c.Force || c.Kind == RetainVolume || c.Label == v1alpha1.LabelLost || rebuilds
}

// String is the line of a scenario: verb, object, parameters, reason.
func (c Change) String() string {
	object := []string{c.Object}
	add := func(format string, args ...any) { object = append(object, fmt.Sprintf(format, args...)) }
	if c.UID != "" {
		add("uid=%s", c.UID)
	}
	switch c.Kind {
	case CreatePolicy, UpdatePolicy:
		add("replicas=%d", c.Replicas)
		if c.Shards > 0 {
			add("shards=%d", c.Shards)
		}
	case CreateClaim, CreatePod:
		add("generation=%d", c.Instance.RebuildGeneration)
		if c.Instance.Template != nil {
			add("template=%s", c.Instance.Template.Name)
		}
	case LabelPod, LabelClaim:
		add("%s=%s", strings.TrimPrefix(c.Label, v1alpha1.GroupName+"/"), c.Value)
	case UnlabelClaim, UnlabelPod:
		add("%s", strings.TrimPrefix(c.Label, v1alpha1.GroupName+"/"))
	}
	if c.Kind == CreateRevision || c.Kind == UpdateRevision {
		add("number=%d", c.Number)
	}
	if c.Kind == CreateSwitchover {
		add("%s", c.Policy)
	}
	if c.Details != "" {
		add("%s", c.Details)
	}
	if c.Kind == CreatePod {
		c.describePod(add)
	}
	if c.Force {
		add("force")
	}
	return fmt.Sprintf("%-15s %-33s %s", c.Kind, strings.Join(object, " "), c.Words)
}

// describePod adds what a pod is made with.
func (c Change) describePod(add func(format string, args ...any)) {
	if c.Instance.Asked != nil {
		add("revision=%s", c.Instance.Revision)
	}
	if c.Instance.Policy != "" {
		add("policy=%s@%s", c.Instance.Policy, c.Instance.PolicyVersion)
	}
	if c.Instance.TerminalFailures > 0 {
		add("failures=%d", c.Instance.TerminalFailures)
	}
	if c.Instance.AgentOf != "" {
		add("agentOf=%s", c.Instance.AgentOf)
	}
}
