package decide

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/podspec"
)

// world is a cluster in a few maps: as much of an API server, a scheduler, kubelets and a volume provisioner as the plans
// of this package can tell apart. Pods and claims are kept as the snapshot has them.
type world struct {
	now     time.Time
	set     *v1alpha1.InstanceSet // nil once it is released
	service Presence
	budget  Budget
	policy  Policy
	pods    map[string]*Pod
	claims  map[string]*Claim
	volumes map[string]*Volume
	on      map[string]string // volume -> node
	nodes   map[string]*Node
	room    map[string]int64 // node -> pods, where it is not plenty
	masters map[string]int64 // pod -> offset, for those that answer as a master
	history map[string]*Revision
	orders  map[string]*Switchover
	engines map[types.UID]agent.Configuration // what those of pods run with
	expands bool                              // the StorageClass lets volumes grow
	network bool                              // volumes are in the network
	keeps   bool                              // the history is kept behind the back of the plans, which most scenarios are not about
	serial  int

	follower follower // decides beside

	together int // so many neighbours the scheduler of the property test places on one node
}

// begin is when the set was created.
var begin = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newWorld() *world {
	set := &v1alpha1.InstanceSet{ObjectMeta: metav1.ObjectMeta{
		Namespace: "ns", Name: "r", UID: "set", Generation: 1, Finalizers: []string{v1alpha1.Finalizer}, CreationTimestamp: metav1.NewTime(begin),
	}}
	set.Spec.Replicas = new(int32)
	set.Spec.Template.Spec.Containers = []corev1.Container{{Name: "redis", Image: "redis:7"}}
	set.Spec.Rebuild = v1alpha1.RebuildPolicy{Mode: v1alpha1.RebuildManual, HolderCheck: v1alpha1.HolderCheckRedis, Port: 6379}
	set.Spec.UpdateStrategy = v1alpha1.UpdateStrategy{Type: v1alpha1.RollingUpdate, InPlace: v1alpha1.InPlaceOnly}
	return &world{
		engines: map[types.UID]agent.Configuration{}, orders: map[string]*Switchover{}, now: begin, set: set, service: Ours, budget: Budget{Presence: Ours}, history: map[string]*Revision{}, keeps: true,
		pods: map[string]*Pod{}, claims: map[string]*Claim{}, volumes: map[string]*Volume{}, on: map[string]string{},
		nodes: map[string]*Node{}, room: map[string]int64{}, masters: map[string]int64{},
	}
}

func (w *world) uid() types.UID {
	w.serial++
	return types.UID(strconv.Itoa(w.serial))
}

func (w *world) snapshot() Snapshot {
	s := Snapshot{Now: w.now, Set: w.set.DeepCopy(), Service: w.service, Budget: w.budget, Policy: w.policy}
	for _, name := range slices.Sorted(maps.Keys(w.pods)) {
		pod := *w.pods[name]
		pod.Idle = pod.Idle || pod.Node == ""
		s.Pods = append(s.Pods, pod)
	}
	w.record()
	for _, name := range slices.Sorted(maps.Keys(w.history)) {
		s.Revisions = append(s.Revisions, *w.history[name])
	}
	for _, name := range slices.Sorted(maps.Keys(w.orders)) {
		s.Switchovers = append(s.Switchovers, *w.orders[name])
	}
	for _, name := range slices.Sorted(maps.Keys(w.claims)) {
		c := *w.claims[name]
		if c.Volume != "" {
			c.Node = w.on[c.Volume]
		}
		s.Claims = append(s.Claims, c)
	}
	if w.expands {
		s.Expandable = []string{"disks"}
	}
	for _, name := range slices.Sorted(maps.Keys(w.volumes)) {
		s.Volumes = append(s.Volumes, *w.volumes[name])
	}
	for _, name := range slices.Sorted(maps.Keys(w.nodes)) {
		s.Nodes = append(s.Nodes, *w.nodes[name])
	}
	w.look(&s)
	for _, probe := range Probes(s) {
		offset, master := w.masters[probe.Name]
		s.Answers = append(s.Answers, Answer{Pod: probe.Pod, Master: master, Offset: offset})
	}
	return s
}

// record keeps the history, as the plans would.
func (w *world) record() {
	templates := []*v1alpha1.InstanceTemplate{nil}
	for t := range w.set.Spec.Templates {
		templates = append(templates, &w.set.Spec.Templates[t])
	}
	for _, t := range templates {
		text := podspec.Ask(w.set, t).Encode()
		if name := "r-" + podspec.RevisionOf(text); w.keeps && w.history[name] == nil {
			w.history[name] = &Revision{Object: name, UID: types.UID("of-" + name), Name: podspec.RevisionOf(text), Number: int64(len(w.history) + 1), Text: text}
		}
	}
}

// carryOut makes the changes that are allowed, as commit does: no further in an instance than the first that fails.
func (w *world) carryOut(changes []Change, allowed func(Change) bool) error {
	failed := map[int32]bool{}
	for _, c := range changes {
		if failed[c.Ordinal] || !allowed(c) {
			failed[c.Ordinal] = true
			continue
		}
		if err := w.apply(c); err != nil {
			return fmt.Errorf("%s: %w", c, err)
		}
	}
	return nil
}

func all(Change) bool { return true }

var errNotThat = errors.New("there is no object with that UID")

func (w *world) apply(c Change) error {
	switch c.Kind {
	case AddFinalizer:
		w.set.Finalizers = []string{v1alpha1.Finalizer}
	case RemoveFinalizer:
		w.set = nil
	case CreateService:
		w.service = Ours
	case CreateBudget, UpdateBudget:
		w.budget = Budget{Presence: Ours, UID: w.uid(), Version: "1"}
	case DeleteBudget:
		w.budget = Budget{}
	case CreatePolicy, UpdatePolicy:
		spec := podspec.Policy(w.set, c.Replicas, c.Shards).Spec
		w.policy = Policy{Presence: Ours, UID: "policy", Version: string(w.uid()), Spec: &spec}
	case RetainVolume:
		v := w.volumes[c.Object]
		if v == nil || v.UID != c.UID {
			return errNotThat
		}
		v.Retain, v.RetainedFor, v.Generation = true, c.RetainedFor, c.Generation
	case CreateRevision:
		w.history[c.Object] = &Revision{Object: c.Object, UID: w.uid(), Name: c.Revision, Number: c.Number, Text: c.Text}
	case UpdateRevision:
		w.history[c.Object].Number = c.Number
	case DeleteRevision:
		delete(w.history, c.Object)
	case CreatePod, LabelPod, UnlabelPod, DeletePod:
		return w.applyToPod(c)
	case PatchPod, ConfigurePod, ImagePod, ResizePod:
		return w.writePod(c)
	case CreateSwitchover:
		if w.orders[c.Object] != nil {
			return errors.New("there is a Switchover of that name")
		}
		w.orders[c.Object] = &Switchover{Name: c.Object, Shard: c.Shard, Ours: true}
	default:
		return w.applyToClaim(c)
	}
	return nil
}

func (w *world) applyToPod(c Change) error {
	pod := w.pods[c.Object]
	if c.Kind == CreatePod {
		if pod != nil {
			return errors.New("there is a pod of that name")
		}
		w.pods[c.Object] = &Pod{
			Ordinal: c.Ordinal, UID: w.uid(), Phase: corev1.PodPending, Revision: c.Instance.Revision,
			Generation: c.Instance.RebuildGeneration, Failures: c.Instance.TerminalFailures, Created: w.now,
		}
		if c.Instance.Template != nil {
			w.pods[c.Object].Template = c.Instance.Template.Name
		}
		w.pods[c.Object].Live = podspec.Pod(w.set, c.Instance)
		w.pods[c.Object].Configuration = podspec.GivenConfiguration(w.pods[c.Object].Live)
		return nil
	}
	if pod == nil || pod.UID != c.UID {
		return errNotThat
	}
	switch {
	case c.Label == v1alpha1.LabelMayLeave:
		pod.MayLeave = time.Time{}
		if c.Kind == LabelPod {
			pod.MayLeave = leaveOf(map[string]string{c.Label: c.Value})
		}
	case c.Kind == LabelPod:
		pod.Lost = true
	case c.Force || pod.Node == "" || pod.ended():
		w.podGone(c.Object)
	default:
		pod.Terminating = true
	}
	return nil
}

// writePod changes a pod in place. Its kubelet carries it out later (see settle).
func (w *world) writePod(c Change) error {
	pod := w.pods[c.Object]
	if pod == nil || pod.UID != c.UID || pod.Live != c.Before {
		return errNotThat
	}
	if pod.Live.Spec.NodeName != c.After.Spec.NodeName {
		return errors.New("that is not for a manager to say")
	}
	pod.Live = c.After.DeepCopy()
	if c.Kind == ResizePod {
		pod.Live.ObjectMeta = *c.Before.ObjectMeta.DeepCopy() // the subresource takes nothing else
	}
	pod.Revision, pod.Template = pod.Live.Labels[v1alpha1.LabelRevision], pod.Live.Labels[v1alpha1.LabelTemplate]
	pod.Passed = pod.Live.Annotations[v1alpha1.AnnotationTargetRevision]
	pod.Target = pod.Passed[strings.LastIndexByte(pod.Passed, ' ')+1:]
	pod.Configuration = podspec.GivenConfiguration(pod.Live)
	if c.Kind == ImagePod || c.Kind == ResizePod {
		pod.Unsettled, pod.Resize, pod.Trouble = true, 0, ""
	}
	return nil
}

// settle is the kubelet, which has carried out what was written.
func (w *world) settle(name string) {
	if pod := w.pods[name]; pod.Unsettled {
		pod.Unsettled, pod.Idle, pod.Restarts, pod.Down, pod.Stuck = false, false, false, "", ""
		pod.report()
		w.becomeReady(name)
	}
}

// report has the status of the containers follow what they have.
func (p *Pod) report() {
	if p.Live == nil {
		return
	}
	p.Live = p.Live.DeepCopy()
	p.Live.Status.ContainerStatuses = nil
	for _, c := range p.Live.Spec.Containers {
		p.Live.Status.ContainerStatuses = append(p.Live.Status.ContainerStatuses, corev1.ContainerStatus{Name: c.Name, Resources: c.Resources.DeepCopy()})
	}
}

func (w *world) applyToClaim(c Change) error {
	claim := w.claims[c.Object]
	if c.Kind == CreateClaim {
		if claim != nil {
			return errors.New("there is a claim of that name")
		}
		w.claims[c.Object] = &Claim{
			Ordinal: c.Ordinal, Volumes: w.set.Spec.VolumeClaimTemplates[c.Volumes].Metadata.Name, UID: w.uid(),
			Version: "1", Generation: c.Instance.RebuildGeneration, Created: w.now, Class: "disks",
			Asked: podspec.Claim(w.set, &w.set.Spec.VolumeClaimTemplates[c.Volumes], c.Instance).Spec.Resources.Requests[corev1.ResourceStorage],
		}
		if c.Instance.Template != nil {
			w.claims[c.Object].Template = c.Instance.Template.Name
		}
		return nil
	}
	if claim == nil || claim.UID != c.UID || c.Version != "" && claim.Version != c.Version {
		return errNotThat
	}
	switch c.Kind {
	case LabelClaim:
		claim.Lost = claim.Lost || c.Label == v1alpha1.LabelLost
		if c.Label == v1alpha1.LabelTemplate {
			claim.Template = c.Value
		}
		if c.Label == v1alpha1.LabelRetired {
			claim.Retired, claim.Returning = true, c.Value == v1alpha1.ReturningValue
		}
	case UnlabelClaim:
		claim.Retired, claim.Returning = false, false
	case GrowClaim:
		size := resource.MustParse(c.Size)
		if size.Cmp(claim.Asked) < 0 && size.Cmp(claim.Has) <= 0 || size.Cmp(claim.Asked) > 0 && !w.expands {
			return errors.New("the API server refuses that")
		}
		claim.Asked, claim.Growth, claim.GrowthFailed = size, "", false
	case DeleteClaim:
		claim.Terminating = true
		w.protect(c.Object)
	}
	return nil
}

// protect is pvc-protection: a claim goes when no pod with a node mounts it.
func (w *world) protect(name string) {
	claim := w.claims[name]
	pod := w.pods[podspec.Name(w.set.Name, claim.Ordinal)]
	if !claim.Terminating || pod != nil && pod.Node != "" && !pod.ended() {
		return
	}
	delete(w.claims, name)
	if v := w.volumes[claim.Volume]; v != nil && !v.Retain {
		delete(w.volumes, claim.Volume)
	}
}

// podGone is what is left when the kubelet, or somebody by force, has removed a pod.
func (w *world) podGone(name string) {
	delete(w.pods, name)
	delete(w.masters, name)
	for _, claim := range slices.Sorted(maps.Keys(w.claims)) {
		w.protect(claim)
	}
}

// place binds a pod and its claims to a node.
func (w *world) place(name, node string) {
	pod := w.pods[name]
	pod.Node, pod.Bound, pod.Phase, pod.Unscheduled = node, w.now, corev1.PodRunning, ""
	pod.IP = "10.0.0." + strconv.Itoa(int(pod.Ordinal))
	pod.report()
	for _, c := range slices.Sorted(maps.Keys(w.claims)) {
		if claim := w.claims[c]; claim.Ordinal == pod.Ordinal && claim.Volume == "" {
			claim.Volume, claim.Version, claim.Has = "pv-"+string(claim.UID), "2", claim.Asked
			w.volumes[claim.Volume] = &Volume{Name: claim.Volume, UID: "v" + claim.UID, Version: "1"}
			if w.on[claim.Volume] = node; w.network {
				delete(w.on, claim.Volume)
			}
		}
	}
}

// pinnedTo is the node of the pod's volumes, "" if it may go anywhere.
func (w *world) pinnedTo(pod *Pod) string {
	for _, name := range slices.Sorted(maps.Keys(w.claims)) {
		if c := w.claims[name]; c.Ordinal == pod.Ordinal && c.Volume != "" {
			return w.on[c.Volume]
		}
	}
	return ""
}

func (w *world) becomeReady(name string) {
	pod := w.pods[name]
	pod.Ready, pod.ReadySince = true, w.now
	if pod.Target == "" { // it has started with what it was given
		pod.Reported.Revision = pod.Configuration
	}
}

// handOver makes an instance the master of its shard.
func (w *world) handOver(to string) {
	v := newView(w.snapshot())
	ordinal, _ := ordinalIn(to, "r")
	for _, i := range v.shard(v.at(ordinal)).members {
		if pod := w.pods[v.name(i.ordinal)]; pod != nil && pod.Role != "" {
			pod.Role = v1alpha1.RoleReplica
		}
	}
	w.pods[to].Role = v1alpha1.RoleMaster
}
