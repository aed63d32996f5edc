package decide

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/podspec"
	"github.com/shoal-dev/shoal/reason"
)

// TestScenarios runs testdata/scenarios. The set is called r, in namespace ns. The verbs:
//
//	set replicas=3 volumes=data ...    changes what the set wants; what is not named stays (see setSpec)
//	node a,b out-of-service            nodes, and what is known of them: healthy, cordoned, silent, out-of-service, gone
//	room a=3                           a node has room for so many pods (at first, for more than any scenario has)
//	evict r-0 r-1                      a drain tries to evict pods
//	pod r-0 node=a ready               makes the pod if it is not there, and changes it (see setPod)
//	claim data-r-0 retired             makes or changes a claim (see setClaim); gone removes it
//	agent r-0 r-1 applied maxmemory=1gb
//	                                   what the agents of pods report of the configuration that those were given: applied, applying, refused=words,
//	                                   master (it would restart one), silent; and the maxmemory of their engines
//	driver data-r-0 data-r-1           the driver and the kubelets have grown volumes to what their claims ask
//	class [expands]                    the StorageClass lets volumes grow, or does not
//	volume pv-1 gone                   somebody deleted a volume
//	policy p [targets=(r:3,other:5)] [replicas=9] [outdated] [gone]
//	                                   a PlacementPolicy of somebody else, with what its status counted of each target
//	                                   in the generation of today
//	service foreign                    a Service of somebody else
//	budget foreign                     a PodDisruptionBudget of somebody else; gone, or changed by somebody
//	place r-0=a r-1=b                  the scheduler places pods, their volumes are made there, and they become Ready
//	stop r-0                           the kubelet has stopped a terminating pod
//	kubelet r-0 r-1                    the kubelets have carried out what was written to pods in place, and they are Ready
//	handover r-0 done=r-1             what came of the Switchovers of the shard r-0: done, failed, fenced=r-1 (r-1 is master, and is left with a
//	                                   fence), given-up (the old master is master, and the policy is content), gone; new makes one of somebody else
//	history                            prints what is kept of templates
//	after 20s                          time passes
//	decide [exceptions]                prints the plan: changes, the status, conditions that are not at rest
//	do [first=2]                       decides, carries the plan out (or only the first changes), and stores the status
func TestScenarios(t *testing.T) {
	datadriven.Walk(t, "testdata/scenarios", func(t *testing.T, path string) {
		w := newWorld()
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			verb, known := verbs[d.Cmd]
			if !known {
				t.Fatalf("%s: unknown verb %q", d.Pos, d.Cmd)
			}
			if d.Cmd == "new" {
				w = newWorld()
				return "ok"
			}
			return verb(t, w, d)
		})
	})
}

var verbs = map[string]func(*testing.T, *world, *datadriven.TestData) string{
	"new": nil, "set": setSpec, "node": setNode, "pod": setPod, "claim": setClaim, "volume": setVolume, "policy": setPolicy,
	"service": setService, "budget": setBudget, "place": place, "stop": stop, "after": after, "decide": printPlan, "do": do,
	"kubelet": kubelet, "agent": agentSays, "driver": driver, "class": setClass, "handover": handover, "history": printHistory,
	"room": setRoom, "evict": evict,
}

func setSpec(t *testing.T, w *world, d *datadriven.TestData) string {
	spec := &w.set.Spec
	w.set.Generation++
	for _, a := range d.CmdArgs {
		value := strings.Join(a.Vals, ",")
		switch a.Key {
		case "replicas":
			spec.Replicas = int32p(t, value)
		case "shardSize":
			spec.ShardSize = int32p(t, value)
		case "volumes":
			spec.VolumeClaimTemplates = nil
			for _, name := range a.Vals {
				spec.VolumeClaimTemplates = append(spec.VolumeClaimTemplates, v1alpha1.VolumeClaimTemplate{Metadata: v1alpha1.VolumeClaimMeta{Name: name}})
			}
		case "size":
			for t := range spec.VolumeClaimTemplates {
				spec.VolumeClaimTemplates[t].Spec.Resources.Requests = corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(value)}
			}
		case "ordinals":
			spec.Ordinals = nil
			if value != "" {
				spec.Ordinals = parseOrdinals(a.Vals)
			}
		case "offline":
			spec.OfflineInstances = ParseOrdinals(value)
		case "templates":
			spec.Templates = parseTemplates(t, a.Vals)
		case "image":
			spec.Template.Spec.Containers[0].Image = value
		case "M", "K", "perShard":
			setLimit(t, spec, a.Key, value)
		case "policyRef":
			spec.PlacementPolicyRef = &v1alpha1.PlacementPolicyRef{Name: value}
		case "whenScaled":
			spec.PersistentVolumeClaimRetentionPolicy.WhenScaled = v1alpha1.RetentionType(value)
		case "whenDeleted":
			spec.PersistentVolumeClaimRetentionPolicy.WhenDeleted = v1alpha1.RetentionType(value)
		case "rebuild":
			spec.Rebuild.Mode = v1alpha1.RebuildMode(value)
		case "holderCheck":
			spec.Rebuild.HolderCheck = v1alpha1.HolderCheck(value)
		case "minReadySeconds":
			spec.MinReadySeconds = *int32p(t, value)
		case "paused":
			spec.Paused = value != "false"
		case "strategy":
			spec.UpdateStrategy.Type = v1alpha1.UpdateStrategyType(value)
		case "inPlace":
			spec.UpdateStrategy.InPlace = v1alpha1.InPlaceMode(value)
		case "maxUnavailable":
			most := intstr.Parse(value)
			spec.UpdateStrategy.MaxUnavailable = &most
		case "partition":
			spec.UpdateStrategy.Partition = *int32p(t, value)
		case "historyLimit":
			spec.RevisionHistoryLimit = int32p(t, value)
		case "history":
			w.keeps = false
		case "switchover":
			spec.UpdateStrategy.Switchover = v1alpha1.UpdateSwitchover(value)
		case "roles":
			spec.Roles = []v1alpha1.InstanceRole{{Name: v1alpha1.RoleMaster, Exclusive: true}, {Name: v1alpha1.RoleReplica}}
		case "parameters":
			spec.Configuration = parseParameters(a.Vals)
		case "label", "note", "allows", "env", "cpu", "memory", "exporter", "exporterMemory":
			setTemplate(&spec.Template, a.Key, value)
		case "fresh":
			w.set.Finalizers, w.service, w.budget = nil, Absent, Budget{}
		case "deleted":
			w.set.DeletionTimestamp = &metav1.Time{Time: w.now}
		default:
			t.Fatalf("%s: unknown argument %q", d.Pos, a.Key)
		}
	}
	return "ok"
}

// setTemplate changes what takes a patch (label, note), a resize (cpu, memory) or a new pod (env).
func setTemplate(template *corev1.PodTemplateSpec, key, value string) {
	redis := &template.Spec.Containers[0]
	switch key {
	case "label":
		template.Labels = map[string]string{"tier": value}
	case "note":
		template.Annotations = map[string]string{"note": value}
	case "allows":
		template.Annotations = map[string]string{v1alpha1.AnnotationAllowDisruption: value}
	case "env":
		if redis.Env = nil; value == "" {
			return
		}
		redis.Env = []corev1.EnvVar{{Name: "SIZE", Value: value}}
	case "exporterMemory":
		template.Spec.Containers[1].Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(value)}
	case "exporter":
		template.Spec.Containers = append(template.Spec.Containers[:1:1], corev1.Container{Name: "exporter", Image: value})
	default:
		if redis.Resources.Limits == nil {
			redis.Resources.Limits = corev1.ResourceList{}
		}
		redis.Resources.Limits[corev1.ResourceName(key)] = resource.MustParse(value)
	}
}

// kubelet carries out what was written in place.
func kubelet(_ *testing.T, w *world, d *datadriven.TestData) string {
	for _, a := range d.CmdArgs {
		w.settle(a.Key)
	}
	return "ok"
}

// driver grows volumes.
func driver(_ *testing.T, w *world, d *datadriven.TestData) string {
	for _, a := range d.CmdArgs {
		claim := w.claims[a.Key]
		claim.Has, claim.Growth, claim.GrowthFailed = claim.Asked, "", false
	}
	return "ok"
}

func setClass(_ *testing.T, w *world, d *datadriven.TestData) string {
	w.expands = d.HasArg("expands")
	return "ok"
}

func handover(t *testing.T, w *world, d *datadriven.TestData) string {
	shard, what := d.CmdArgs[0].Key, d.CmdArgs[1]
	if what.Key == "new" {
		w.orders["person"] = &Switchover{Name: "person", Shard: shard}
		return "ok"
	}
	goes := func(o *Switchover) bool { return o.Shard == shard && !o.Ended }
	some := slices.ContainsFunc(slices.Collect(maps.Values(w.orders)), goes)
	for _, name := range slices.Sorted(maps.Keys(w.orders)) {
		order := w.orders[name]
		if order.Shard != shard || some && !goes(order) && what.Key != "gone" { // it is about those that go on, or how the others have ended after all
			continue
		}
		order.Ended, order.EndedAt = true, w.now
		switch what.Key {
		case "done":
			order.Complete, order.HandedOver = true, true
			if len(what.Vals) > 0 {
				w.handOver(what.Vals[0])
			}
		case "fenced":
			order.HandedOver = true
			w.handOver(what.Vals[0])
		case "given-up":
			order.Complete = true
		case "failed":
			order.Words = "no replica is in sync"
		case "gone":
			delete(w.orders, name)
		default:
			t.Fatalf("%s: what is %q?", d.Pos, what.Key)
		}
	}
	return "ok"
}

func printHistory(_ *testing.T, w *world, _ *datadriven.TestData) string {
	all := slices.SortedFunc(maps.Values(w.history), func(a, b *Revision) int { return int(a.Number - b.Number) })
	var b strings.Builder
	for _, r := range all {
		fmt.Fprintf(&b, "%d %s %s\n", r.Number, r.Object, r.Name)
	}
	return b.String()
}

func setLimit(t *testing.T, spec *v1alpha1.InstanceSetSpec, key, value string) {
	if spec.Placement == nil {
		spec.Placement = &v1alpha1.PlacementLimits{}
	}
	switch key {
	case "M":
		perNode := intstr.Parse(value)
		spec.Placement.MaxInstancesPerNode = &perNode
	case "K":
		spec.Placement.MaxNodes = int32p(t, value)
	case "perShard":
		spec.Placement.ShardSpread = []v1alpha1.ShardSpread{{TopologyKey: corev1.LabelHostname, Max: *int32p(t, value)}}
	}
}

func int32p(t *testing.T, text string) *int32 {
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	v := int32(n)
	return &v
}

func parseOrdinals(parts []string) *v1alpha1.Ordinals {
	var o v1alpha1.Ordinals
	for _, part := range parts {
		all := ParseOrdinals(part)
		if len(all) == 1 {
			o.Discrete = append(o.Discrete, all[0])
		} else {
			o.Ranges = append(o.Ranges, v1alpha1.OrdinalRange{Start: all[0], End: all[len(all)-1]})
		}
	}
	return &o
}

// parseTemplates reads name:replicas[:container][:size], where the container gets another image, and the volume data another size.
func parseTemplates(t *testing.T, parts []string) []v1alpha1.InstanceTemplate {
	var all []v1alpha1.InstanceTemplate
	for _, part := range parts {
		f := strings.Split(part, ":")
		container := "redis"
		if len(f) >= 3 {
			container = f[2]
		}
		var volumes []v1alpha1.VolumeOverride
		if len(f) == 4 {
			volumes = []v1alpha1.VolumeOverride{{Name: "data", Storage: resource.MustParse(f[3])}}
		}
		all = append(all, v1alpha1.InstanceTemplate{
			Volumes: volumes,
			Name:    f[0], Replicas: int32p(t, f[1]),
			Containers: []v1alpha1.ContainerOverride{{Name: container, Image: f[0]}},
		})
	}
	return all
}

func setNode(t *testing.T, w *world, d *datadriven.TestData) string {
	states := map[string]NodeState{"healthy": NodeHealthy, "cordoned": NodeHealthy, "silent": NodeSilent, "out-of-service": NodeOutOfService}
	state := "healthy"
	for _, a := range d.CmdArgs[1:] {
		state = a.Key
	}
	for name := range strings.SplitSeq(d.CmdArgs[0].Key, ",") {
		if state == "gone" {
			delete(w.nodes, name)
			continue
		}
		if _, known := states[state]; !known {
			t.Fatalf("%s: unknown state %q", d.Pos, state)
		}
		w.nodes[name] = &Node{Name: name, UID: types.UID("node-" + name), State: states[state], Cordoned: state == "cordoned"}
		for _, pod := range w.pods {
			if pod.Node == name && states[state] != NodeHealthy {
				pod.Ready = false // the node lifecycle controller says so
			}
		}
	}
	return "ok"
}

func setPod(t *testing.T, w *world, d *datadriven.TestData) string {
	name := d.CmdArgs[0].Key
	ordinal, ok := ordinalIn(name, "r")
	if !ok {
		t.Fatalf("%s: %q is no pod of r", d.Pos, name)
	}
	pod := w.pods[name]
	if pod == nil {
		revision := podspec.Revision(w.set, nil)
		pod = &Pod{Ordinal: ordinal, UID: w.uid(), Phase: corev1.PodPending, Created: w.now, Revision: revision}
		pod.Live = podspec.Pod(w.set, podspec.Instance{Ordinal: ordinal, Revision: revision})
		w.pods[name] = pod
	}
	for _, a := range d.CmdArgs[1:] {
		switch value := strings.Join(a.Vals, ","); a.Key {
		case "node":
			pod.Node, pod.Bound = value, w.now
		case "ip":
			pod.IP = "10.0.0.1"
		case "ready":
			pod.Idle, pod.Trouble = false, ""
			w.becomeReady(name)
		case "unready":
			pod.Ready = false
		case "agent-down":
			pod.Agent, pod.AgentDown = true, true
		case "foreign":
			pod.Foreign = true
		case "gone":
			w.podGone(name)
		case "failed", "succeeded":
			pod.Phase, pod.Ready, pod.Ended = corev1.PodFailed, false, w.now
			if a.Key == "succeeded" {
				pod.Phase = corev1.PodSucceeded
			}
		case "unscheduled":
			pod.Unscheduled = strings.ReplaceAll(value, "_", " ")
		case "role":
			pod.Role = v1alpha1.RoleName(value)
		case "revision":
			pod.Revision = value
		case "idle":
			pod.Idle, pod.Ready, pod.Trouble = true, false, "container redis: "+value
			if pod.Stuck = ""; slices.Contains(noImage, value) {
				pod.Stuck = "redis"
			}
		case "down", "stuck":
			pod.Down, pod.Ready, pod.Trouble = value, false, "container "+value+": CrashLoopBackOff"
			if a.Key == "stuck" {
				pod.Stuck, pod.Trouble = value, "container "+value+": ImagePullBackOff"
			}
		case "restarts":
			pod.Restarts = value != "false"
		case "resize":
			pod.Trouble = "node didn't have enough capacity"
			pod.Resize = map[string]reason.Code{"Deferred": reason.ResizeDeferred, "Infeasible": reason.ResizeInfeasible}[value]
		case "master":
			w.masters[name] = int64(*int32p(t, value))
		default:
			t.Fatalf("%s: unknown argument %q", d.Pos, a.Key)
		}
	}
	return "ok"
}

func setClaim(t *testing.T, w *world, d *datadriven.TestData) string {
	name := d.CmdArgs[0].Key
	claim := w.claims[name]
	if claim == nil {
		volumes, instance, _ := strings.Cut(name, "-")
		ordinal, ok := ordinalIn(instance, "r")
		if !ok {
			t.Fatalf("%s: %q is no claim of r", d.Pos, name)
		}
		claim = &Claim{Ordinal: ordinal, Volumes: volumes, UID: w.uid(), Version: "1"}
		w.claims[name] = claim
	}
	for _, a := range d.CmdArgs[1:] {
		switch a.Key {
		case "foreign":
			claim.Foreign = true
		case "retired":
			claim.Retired = true
		case "returning":
			claim.Retired, claim.Returning = true, true
		case "terminating":
			claim.Terminating = true
		case "promised":
			claim.Node = a.Vals[0]
		case "network":
			delete(w.on, claim.Volume)
		case "has":
			claim.Has = resource.MustParse(a.Vals[0])
		case "infeasible":
			claim.Growth, claim.GrowthFailed = "no room in the pool", true
		case "file-system":
			claim.Growth = "which the node's file system has yet to follow"
		case "gone":
			delete(w.volumes, claim.Volume)
			delete(w.claims, name)
		default:
			t.Fatalf("%s: unknown argument %q", d.Pos, a.Key)
		}
	}
	return "ok"
}

func setVolume(t *testing.T, w *world, d *datadriven.TestData) string {
	name := d.CmdArgs[0].Key
	if d.HasArg("gone") {
		delete(w.volumes, name)
		return "ok"
	}
	if d.HasArg("path") && w.volumes[name] != nil { // of whichever node its pod is on
		w.volumes[name].OfNode = true
		return "ok"
	}
	t.Fatalf("%s: what about %s?", d.Pos, name)
	return ""
}

func setPolicy(t *testing.T, w *world, d *datadriven.TestData) string {
	w.policy = Policy{Presence: Foreign, UID: "p", Version: string(w.uid()), Spec: &v1alpha1.PlacementPolicySpec{}, Counted: true}
	for _, a := range d.CmdArgs[1:] {
		switch a.Key {
		case "gone":
			w.policy = Policy{}
		case "replicas":
			w.policy.Spec.Replicas = int32p(t, a.Vals[0])
		case "outdated":
			w.policy.Counted = false
		case "targets":
			for _, target := range a.Vals {
				name, replicas, counted := strings.Cut(target, ":")
				w.policy.Spec.ScaleTargetRefs = append(w.policy.Spec.ScaleTargetRefs, v1alpha1.ScaleTargetRef{Kind: "InstanceSet", Name: name})
				if counted {
					w.policy.Targets = append(w.policy.Targets, v1alpha1.ScaleTargetCount{
						Kind: "InstanceSet", Name: name, Replicas: *int32p(t, replicas), ObservedGeneration: w.set.Generation,
					})
				}
			}
		default:
			t.Fatalf("%s: unknown argument %q", d.Pos, a.Key)
		}
	}
	return "ok"
}

func setBudget(t *testing.T, w *world, d *datadriven.TestData) string {
	switch what := d.CmdArgs[0].Key; what {
	case "foreign":
		w.budget = Budget{Presence: Foreign}
	case "gone":
		w.budget = Budget{}
	case "changed":
		w.budget.Changed = true
	default:
		t.Fatalf("%s: what is %q?", d.Pos, what)
	}
	return "ok"
}

func setService(_ *testing.T, w *world, _ *datadriven.TestData) string {
	w.service = Foreign
	return "ok"
}

func place(_ *testing.T, w *world, d *datadriven.TestData) string {
	for _, a := range d.CmdArgs {
		w.place(a.Key, a.Vals[0])
		w.becomeReady(a.Key)
	}
	return "ok"
}

func stop(_ *testing.T, w *world, d *datadriven.TestData) string {
	for _, a := range d.CmdArgs {
		w.podGone(a.Key)
	}
	return "ok"
}

func after(t *testing.T, w *world, d *datadriven.TestData) string {
	passed, err := time.ParseDuration(d.CmdArgs[0].Key)
	if err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(passed)
	return "ok"
}

func printPlan(t *testing.T, w *world, d *datadriven.TestData) string {
	plan := planOf(t, w.snapshot())
	var b strings.Builder
	for _, c := range plan.Changes {
		fmt.Fprintln(&b, c)
	}
	if d.HasArg("changes") {
		if b.Len() == 0 {
			return "nothing to do"
		}
		return b.String()
	}
	s := plan.Status
	fmt.Fprintf(&b, "%-15s %d pods, %d ready, %d available, %d up to date", "status", s.Replicas, s.ReadyReplicas, s.AvailableReplicas, s.UpdatedReplicas)
	if s.OfflineReplicas > 0 {
		fmt.Fprintf(&b, ", %d offline", s.OfflineReplicas)
	}
	fmt.Fprintf(&b, "; %d nodes, at most %d on one", s.Nodes, s.MaxPerNode)
	if s.Bootstrapped != "" {
		fmt.Fprintf(&b, "; once ready: %s", s.Bootstrapped)
	}
	b.WriteString("\n")
	atRest := map[string]metav1.ConditionStatus{"Ready": "True", "Progressing": "False", "Placed": "True", "Rebuilding": "False", "Paused": "False", "Updating": "False"}
	quiet := []string{"AllReady", "Settled", "UpToDate", "AllPlaced", "RebuildDone", "NotPaused"}
	for _, c := range s.Conditions {
		if c.Status != atRest[c.Type] || !slices.Contains(quiet, c.Reason) {
			fmt.Fprintf(&b, "%-15s %s/%s %s\n", c.Type, c.Status, c.Reason, c.Message)
		}
	}
	if d.HasArg("exceptions") {
		for _, e := range s.Exceptions {
			fmt.Fprintf(&b, "%-15s r-%d %s %s\n", "exception", e.Ordinal, e.Reason, e.Message)
		}
	}
	if plan.RequeueAfter > 0 {
		fmt.Fprintf(&b, "%-15s %s\n", "again in", plan.RequeueAfter)
	}
	return b.String()
}

// do carries out one plan, and prints what is there afterwards.
func do(t *testing.T, w *world, d *datadriven.TestData) string {
	plan := planOf(t, w.snapshot())
	n := len(plan.Changes)
	if d.HasArg("first") {
		d.ScanArgs(t, "first", &n)
		plan.Changes = plan.Changes[:n]
	}
	if err := w.carryOut(plan.Changes, all); err != nil {
		return err.Error()
	}
	if w.set == nil {
		return "the set is gone; left: " + strings.Join(slices.Sorted(maps.Keys(w.claims)), " ")
	}
	if !d.HasArg("first") { // the status is the last write
		w.set.Status = plan.Status
	}
	return fmt.Sprintf("%d done", n)
}
