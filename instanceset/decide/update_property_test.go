package decide

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"pgregory.net/rapid"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/reason"
)

// TestUpdatesKeepTheirLimits changes templates at random, good ones and bad ones, while pods break, masters move and parts of plans
// are carried out, and judges each write by what is true at that moment. In the end the template is a good one, and all instances
// must have it.
func TestUpdatesKeepTheirLimits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawUpdating(t)
		for range rapid.IntRange(5, 40).Draw(t, "steps") {
			w.now = w.now.Add(time.Duration(rapid.IntRange(0, 20).Draw(t, "seconds")) * time.Second)
			updateStep(t, w)
		}
		arrive(t, w)
	})
}

func drawUpdating(t *rapid.T) *world {
	w := newWorld()
	spec := &w.set.Spec
	size := rapid.SampledFrom([]int32{0, 1, 2, 3}).Draw(t, "shardSize")
	if size > 0 {
		spec.ShardSize = &size
	}
	spec.UpdateStrategy.Switchover = rapid.SampledFrom([]v1alpha1.UpdateSwitchover{"", v1alpha1.UpdateSwitchoverBestEffort, v1alpha1.UpdateSwitchoverNone}).Draw(t, "switchover")
	if (size != 1 || spec.UpdateStrategy.Switchover != "") && rapid.Bool().Draw(t, "roles") { // one alone has nobody to hand over to
		spec.Roles = []v1alpha1.InstanceRole{{Name: v1alpha1.RoleMaster, Exclusive: true}, {Name: v1alpha1.RoleReplica}}
		if size > 0 && rapid.Bool().Draw(t, "configuration") { // without shards, a master may be restarted beside a replica, see replicasFirst
			parameters(spec, map[string]string{"maxmemory": "1gb", "databases": firstDatabases})
		}
	}
	*spec.Replicas = max(1, size, drawReplicas(t, spec))
	if len(spec.Roles) > 0 && size == 0 {
		*spec.Replicas = max(2, *spec.Replicas)
	}
	if rapid.IntRange(0, 4).Draw(t, "allows") == 0 {
		setTemplate(&spec.Template, "allows", "true")
	}
	if rapid.Bool().Draw(t, "volumes") {
		spec.VolumeClaimTemplates = []v1alpha1.VolumeClaimTemplate{{Metadata: v1alpha1.VolumeClaimMeta{Name: "data"}}}
		w.network = rapid.Bool().Draw(t, "network")
	}
	setTemplate(&spec.Template, "memory", "1Gi")
	setTemplate(&spec.Template, "cpu", "1")
	if rapid.Bool().Draw(t, "exporter") {
		setTemplate(&spec.Template, "exporter", "exporter:1")
	}
	spec.UpdateStrategy.InPlace = rapid.SampledFrom([]v1alpha1.InPlaceMode{v1alpha1.InPlaceOnly, v1alpha1.InPlacePrefer, v1alpha1.InPlaceNever}).Draw(t, "inPlace")
	most := intstr.Parse(rapid.SampledFrom([]string{"1", "2", "50%"}).Draw(t, "maxUnavailable"))
	spec.UpdateStrategy.MaxUnavailable = &most
	spec.MinReadySeconds = rapid.SampledFrom([]int32{0, 5}).Draw(t, "minReadySeconds")
	w.nodes["a"], w.nodes["b"] = &Node{Name: "a", UID: "a", State: NodeHealthy}, &Node{Name: "b", UID: "b", State: NodeHealthy}
	w.nodes["c"] = &Node{Name: "c", UID: "c", State: NodeHealthy}
	for range 3 {
		writeSome(t, w, all)
		w.work()
	}
	return w
}

func updateStep(t *rapid.T, w *world) {
	spec := &w.set.Spec
	draw := func(what string, from ...string) string { return rapid.SampledFrom(from).Draw(t, what) }
	switch rapid.IntRange(0, 21).Draw(t, "step") {
	case 0:
		spec.Template.Spec.Containers[0].Image = draw("image", "redis:7", "redis:8", "bad")
	case 1:
		setTemplate(&spec.Template, "label", draw("label", "x", "y"))
	case 2:
		setTemplate(&spec.Template, "memory", draw("memory", "1Gi", "2Gi", "900Gi"))
	case 3:
		setTemplate(&spec.Template, "env", draw("env", "", "a", "b"))
	case 4:
		spec.UpdateStrategy.Partition = rapid.Int32Range(0, 3).Draw(t, "partition")
	case 5:
		spec.Paused = !spec.Paused
	case 6:
		if pod := w.pods[drawPod(t, w)]; pod != nil {
			pod.Ready = false
		}
	case 7:
		if name := drawPod(t, w); name != "" && rapid.IntRange(0, 3).Draw(t, "deleted") == 0 {
			w.podGone(name)
		}
	case 8:
		w.elect(rapid.Int32Range(0, 2).Draw(t, "master"))
	case 9:
		w.endOrders(func() string { return draw("order", "done", "done", "late label", "failed", "given up", "gone", "") })
		return
	case 10, 11:
		w.work()
	case 12:
		if len(spec.Template.Spec.Containers) > 1 {
			setTemplate(&spec.Template, "exporter", draw("exporter", "exporter:1", "exporter:2", "bad"))
		}
	case 13:
		w.crash(drawPod(t, w), rapid.Bool().Draw(t, "long"))
	case 14:
		node := w.nodes[draw("node", "a", "b")]
		node.Cordoned = !node.Cordoned
	case 15:
		w.evict(drawPod(t, w))
	case 16:
		drawParameters(t, spec)
	case 17, 18:
		w.agentsWork(func() string { return draw("agent", "done", "done", "applying", "") })
		return
	default:
		writeSome(t, w, func(Change) bool { return rapid.IntRange(0, 5).Draw(t, "alive") > 0 })
		return
	}
	w.set.Generation++
}

// elect makes one of each shard master: the one whose turn it is, of those that are Ready.
func (w *world) elect(turn int32) {
	if len(w.set.Spec.Roles) == 0 {
		return
	}
	for _, s := range newView(w.snapshot()).shards {
		var ready []*Pod
		for _, i := range s.members {
			if i.pod != nil {
				pod := w.pods["r-"+fmt.Sprint(i.ordinal)]
				pod.Role = ""
				if pod.Ready {
					pod.Role = v1alpha1.RoleReplica
					ready = append(ready, pod)
				}
			}
		}
		if len(ready) > 0 {
			ready[int(turn)%len(ready)].Role = v1alpha1.RoleMaster
		}
	}
}

// appoint gives roles to those who have none: the first of a shard without a master is master.
func (w *world) appoint() {
	if len(w.set.Spec.Roles) == 0 {
		return
	}
	for _, s := range newView(w.snapshot()).shards {
		led := s.led
		for _, i := range s.members {
			if i.pod == nil || !i.pod.Ready || i.pod.Role != "" {
				continue
			}
			pod := w.pods["r-"+fmt.Sprint(i.ordinal)]
			if pod.Role = v1alpha1.RoleReplica; !led {
				pod.Role, led = v1alpha1.RoleMaster, true
			}
		}
	}
}

// endOrders has Switchovers end, and be gone.
func (w *world) endOrders(how func() string) {
	for _, name := range slices.Sorted(maps.Keys(w.orders)) {
		order := w.orders[name]
		if !order.Ended {
			order.EndedAt = w.now
		}
		switch what := how(); {
		case order.Ended && what == "gone":
			delete(w.orders, name)
		case order.Ended, what == "", what == "gone":
		case what == "failed":
			order.Ended = true
		case what == "given up":
			order.Ended, order.Complete = true, true
		default:
			order.Ended, order.Complete, order.HandedOver = true, true, true
			if what == "done" {
				w.handOverIn(order.Shard)
			}
		}
	}
}

// handOverIn makes a replica master, if one is Ready.
func (w *world) handOverIn(shard string) {
	v := newView(w.snapshot())
	for n := range v.instances {
		i := &v.instances[n]
		if i.pod != nil && v.shardName(i) == shard && i.pod.Ready && i.pod.Role == v1alpha1.RoleReplica {
			w.handOver("r-" + fmt.Sprint(i.ordinal))
			return
		}
	}
}

// crash has the Redis of a pod end, which had run for long or not; its kubelet starts it again.
func (w *world) crash(name string, long bool) {
	pod := w.pods[name]
	if pod == nil || pod.Node == "" || pod.Idle || pod.Stuck != "" {
		return
	}
	pod.Ready, pod.Restarts, pod.Trouble = false, long, "container redis: CrashLoopBackOff"
	if pod.Down = "redis"; len(pod.Live.Spec.Containers) == 1 {
		pod.Idle, pod.Down = true, ""
	}
}

// work has scheduler and kubelets do what they can with what they are given.
func (w *world) work() {
	for _, name := range slices.Sorted(maps.Keys(w.pods)) {
		pod := w.pods[name]
		if pod.Terminating {
			w.podGone(name)
			continue
		}
		memory := pod.Live.Spec.Containers[0].Resources.Limits[corev1.ResourceMemory]
		if pod.Node == "" && memory.String() != "900Gi" {
			w.placeBest(name)
		}
		var stuck []string
		for _, c := range pod.Live.Spec.Containers {
			if c.Image == "bad" {
				stuck = append(stuck, c.Name)
			}
		}
		pod.Stuck, pod.Down, pod.Restarts = strings.Join(stuck, " "), "", false
		switch {
		case pod.Node == "": // no node has so much
			pod.Stuck = ""
		case pod.Stuck != "":
			if pod.Idle = len(stuck) == len(pod.Live.Spec.Containers); !pod.Idle {
				pod.Down = pod.Stuck
			}
			pod.Ready, pod.Unsettled, pod.Trouble = false, false, "container "+stuck[0]+": ImagePullBackOff"
		case memory.String() == "900Gi":
			pod.Unsettled, pod.Resize, pod.Trouble = true, reason.ResizeInfeasible, "no room"
		default:
			pod.Idle, pod.Unsettled, pod.Resize, pod.Trouble = false, false, 0, ""
			pod.report()
			if !pod.Ready {
				w.becomeReady(name)
			}
		}
	}
}

// writeSome carries out a part of a plan, and wants each change to be allowed.
func writeSome(t *rapid.T, w *world, alive func(Change) bool) []Change {
	plan := w.follower.plan(t, w.snapshot())
	kinds, complete := map[int32]Kind{}, true
	err := w.carryOut(plan.Changes, func(c Change) bool {
		if !alive(c) {
			complete = false
			return false
		}
		why := cmp.Or(w.forbidsConfiguration(c), w.forbidsUpdate(c), w.forbidsHandover(c), w.forbidsLeaving(c))
		if had := kinds[c.Ordinal]; why == "" && had != "" && isUpdate(c) {
			why = "there was a " + string(had) + " in the same plan"
		}
		if why != "" {
			t.Fatalf("%s\nbut %s", c, why)
		}
		if isUpdate(c) {
			kinds[c.Ordinal] = c.Kind
		}
		return true
	})
	if err != nil {
		t.Fatalf("the plan does not fit its snapshot: %v", err)
	}
	if complete {
		w.set.Status = plan.Status
	}
	return plan.Changes
}

// forbidsHandover says why a switchover must not be asked for now.
func (w *world) forbidsHandover(c Change) string {
	v := newView(w.snapshot())
	i := v.at(c.Ordinal)
	switch {
	case c.Kind != CreateSwitchover:
		return ""
	case v.switchoverMode() == v1alpha1.UpdateSwitchoverNone:
		return "nobody wants one"
	case i.pod == nil || i.pod.Role != v1alpha1.RoleMaster:
		return "it is not master"
	}
	for _, s := range w.orders {
		if s.Shard == c.Shard && !s.Ended {
			return "the shard is being handed over"
		}
	}
	return ""
}

func isUpdate(c Change) bool {
	return c.Kind == PatchPod || c.Kind == ConfigurePod || c.Kind == ImagePod || c.Kind == ResizePod || c.Kind == DeletePod && c.Reason == reason.UpdateRecreate
}

// forbidsUpdate says why a write of an update must not be made now.
func (w *world) forbidsUpdate(c Change) string {
	if !isUpdate(c) {
		return ""
	}
	pod, spec := w.pods[c.Object], &w.set.Spec
	redis, others := spec.Template.Spec.Containers[0], spec.Template.Spec.Containers[1:]
	switch {
	case spec.Paused:
		return "the set is paused"
	case pod.Ordinal < spec.UpdateStrategy.Partition:
		return "the partition holds it"
	case c.Kind == DeletePod && spec.UpdateStrategy.InPlace == v1alpha1.InPlaceOnly:
		return "pods are never made anew"
	// One that is on its way to a template that nobody wants any more is made anew where it need not be, once in thousands of histories: not judged yet.
	case c.Kind == DeletePod && spec.UpdateStrategy.InPlace == v1alpha1.InPlacePrefer && pod.Live.Annotations[v1alpha1.AnnotationTargetRevision] == "" && equality.Semantic.DeepEqual(pod.Live.Spec.Containers[0].Env, redis.Env):
		return "all that is drawn here but the environment can be changed in place"
	case c.Kind == PatchPod, c.Kind == ConfigurePod:
		if !equality.Semantic.DeepEqual(c.Before.Spec, c.After.Spec) {
			return "it changes more than metadata"
		}
	}
	if c.Kind != DeletePod && c.Kind != ResizePod && c.After.Labels[v1alpha1.LabelRevision] != c.Before.Labels[v1alpha1.LabelRevision] {
		if is := c.After.Spec.Containers[0]; is.Image != redis.Image || !equality.Semantic.DeepEqual(is.Resources.Limits, redis.Resources.Limits) || pod.Unsettled && c.Kind == PatchPod ||
			len(others) > 0 && c.After.Spec.Containers[1].Image != others[0].Image {
			return "it says that it is done"
		}
	}
	if c.Kind == ResizePod && pod.Node != "" && newView(w.snapshot()).bootstrapped.has(pod.Ordinal) && len(pod.Live.Status.ContainerStatuses) > 0 {
		has, gets := pod.Live.Status.ContainerStatuses[0].Resources.Limits[corev1.ResourceMemory], c.After.Spec.Containers[0].Resources.Limits[corev1.ResourceMemory]
		if gets.Cmp(has) < 0 && w.mayFill(pod, gets.Value()) {
			return "memory is taken away that is in use"
		}
	}
	if c.Kind == PatchPod || c.Kind == ConfigurePod && !w.restarts(c, pod) {
		return ""
	}
	return w.forbidsDisturbing(c, pod)
}

// repairs reports whether a change writes images alone, to containers that do not run and either cannot, or do not come back by themselves.
func (w *world) repairs(c Change, pod *Pod) bool {
	if c.Kind != ImagePod {
		return false
	}
	for n, before := range c.Before.Spec.Containers {
		stuck := slices.Contains(strings.Fields(pod.Stuck), before.Name)
		broken := slices.Contains(strings.Fields(pod.Down), before.Name) && !pod.Restarts && pod.Role != v1alpha1.RoleMaster
		if before.Image != c.After.Spec.Containers[n].Image && !stuck && !broken {
			return false
		}
	}
	return true
}

func (w *world) serves(pod *Pod) bool {
	since := w.now.Sub(pod.ReadySince)
	return pod.Ready && !pod.Terminating && pod.MayLeave.IsZero() && !pod.Unsettled && !w.unapplied(pod) && since >= time.Duration(w.set.Spec.MinReadySeconds)*time.Second
}

func (w *world) forbidsDisturbing(c Change, pod *Pod) string {
	if w.repairs(c, pod) {
		return ""
	}
	v := newView(w.snapshot())
	again := c.Kind == ResizePod && pod.Resize != 0
	if why := w.forbidsByRole(v, pod, again); why != "" {
		return why
	}
	servesOn := w.serves(pod) || pod.Ready && (pod.Resize != 0 || w.unapplied(pod))
	if why := w.forbidsLoss(c, pod, v); why != "" && !servesOn {
		return why
	}
	if pod.Idle && !pod.Restarts || pod.Node == "" || again {
		return ""
	}
	down, away, knownMaster := 0, 0, false
	mates, matesRun := 0, false
	for n := range v.instances {
		i := &v.instances[n]
		if !i.online() || i.ordinal == pod.Ordinal {
			continue
		}
		other := w.pods["r-"+fmt.Sprint(i.ordinal)]
		mate := v.shardOf(i) == v.shardOf(v.at(pod.Ordinal))
		if mate {
			mates++
			matesRun = matesRun || other != nil && !other.Idle
		}
		if other != nil && mate {
			knownMaster = knownMaster || other.Role == v1alpha1.RoleMaster
		}
		if other != nil && w.serves(other) {
			continue
		}
		down++
		touched := other == nil || other.Terminating || other.Target != "" || v.current(i)
		if touched {
			away++
		}
		if mate && v.sharded() && (servesOn || touched || len(i.claims) == 0) {
			return fmt.Sprintf("r-%d of the same shard is not available", i.ordinal)
		}
	}
	most := v.maxUnavailable()
	switch {
	case len(w.set.Spec.Roles) > 0 && pod.Role == "" && !knownMaster && (mates == 0 || !pod.Idle || matesRun) && v.switchoverMode() == v1alpha1.UpdateSwitchoverStrict:
		return "it may be the master"
	case servesOn && down+1 > most:
		return fmt.Sprintf("%d others are not available", down)
	case !w.serves(pod) && away+1 > most && pod.Target == "" && !v.current(v.at(pod.Ordinal)):
		return fmt.Sprintf("%d others are on their way", away)
	}
	return ""
}

// forbidsLoss says why a pod must not be made anew that does not serve: what it has is on no volume.
func (w *world) forbidsLoss(c Change, pod *Pod, v *view) string {
	i := v.at(pod.Ordinal)
	if c.Kind != DeletePod || pod.Node == "" || len(i.claims) > 0 || !v.bootstrapped.has(pod.Ordinal) || w.mayGo() {
		return ""
	}
	alone, has := true, false
	for _, mate := range v.shard(i).members {
		if mate == i || !mate.online() {
			continue
		}
		alone = false
		if other := w.pods["r-"+fmt.Sprint(mate.ordinal)]; other != nil && w.serves(other) && (len(w.set.Spec.Roles) == 0 || other.Role != "") {
			has = true
		}
	}
	switch {
	case alone:
		return ""
	case !has:
		return "nobody else has its data"
	case len(w.set.Spec.Roles) > 0 && pod.Role == v1alpha1.RoleMaster:
		return "it is master, and its data goes with it"
	}
	return ""
}

// mayGo reports whether the template says that instances may go at any time.
func (w *world) mayGo() bool {
	return w.set.Spec.Template.Annotations[v1alpha1.AnnotationAllowDisruption] == "true"
}

// forbidsByRole says why a master, or its shard, must not be disturbed.
func (w *world) forbidsByRole(v *view, pod *Pod, again bool) string {
	i := v.at(pod.Ordinal)
	left := false
	for _, s := range w.orders {
		if s.Shard == v.shardName(i) && !s.Ended && !pod.Idle {
			return "the shard is being handed over"
		}
		left = left || s.Shard == v.shardName(i) && s.Complete && !s.HandedOver
	}
	if pod.Role != v1alpha1.RoleMaster || len(w.set.Spec.Roles) == 0 {
		return ""
	}
	switch v.switchoverMode() {
	case v1alpha1.UpdateSwitchoverStrict:
		return "it is master"
	case v1alpha1.UpdateSwitchoverBestEffort:
		if !left && !pod.Idle && len(v.shard(i).members) > 1 {
			return "it is master, and nobody was asked to take over"
		}
	}
	for _, other := range v.shard(i).members {
		if !again && other != i && other.online() && other.pod != nil && !other.pod.Terminating && !pod.Idle && other.pod.Role != v1alpha1.RoleMaster &&
			!v.current(other) && other.ordinal >= w.set.Spec.UpdateStrategy.Partition {
			return fmt.Sprintf("it is master, and replica r-%d is not up to date", other.ordinal)
		}
	}
	return ""
}

// arrive ends all trouble and wants every instance to have the template, without a pod made anew where that is not allowed.
func arrive(t *rapid.T, w *world) {
	spec := &w.set.Spec
	spec.Paused, spec.UpdateStrategy.Partition = false, 0
	spec.Template.Spec.Containers[0].Image = "redis:9"
	if len(spec.Template.Spec.Containers) > 1 {
		setTemplate(&spec.Template, "exporter", "exporter:9")
	}
	setTemplate(&spec.Template, "memory", "2Gi")
	if spec.Configuration != nil { // maxmemory is below it: limits may come down
		setTemplate(&spec.Template, "memory", rapid.SampledFrom([]string{"1Gi", "2Gi"}).Draw(t, "memory at last"))
	}
	if spec.UpdateStrategy.InPlace == v1alpha1.InPlaceOnly {
		setTemplate(&spec.Template, "env", "")
	}
	for _, node := range w.nodes {
		node.Cordoned = node.Cordoned && (w.network || len(spec.VolumeClaimTemplates) == 0) // a local volume may be there
	}
	endConfigurations(w)
	w.set.Generation++
	uids := map[string]types.UID{}
	for name, pod := range w.pods {
		if node := w.nodes[pod.Node]; node != nil && !node.Cordoned && !pod.Terminating { // one that leaves may be on its way already
			uids[name] = pod.UID
		}
	}
	quiet := 0
	for round := int32(0); quiet < 4; round++ {
		if round == 300 {
			t.Fatalf("the update does not end: %+v\n%v", w.set.Status.Conditions, Decide(w.snapshot()).Changes)
		}
		quiet++
		if len(writeSome(t, w, all)) > 0 {
			quiet = 0
		}
		w.work()
		w.appoint()
		w.agentsWork(func() string { return "done" })
		w.endOrders(func() string { return []string{"done", "failed", "gone"}[round%3] })
		w.now = w.now.Add(time.Minute)
	}
	redis := spec.Template.Spec.Containers[0]
	for name, pod := range w.pods {
		is := pod.Live.Spec.Containers[0]
		if others := pod.Live.Spec.Containers[1:]; len(others) > 0 && others[0].Image != "exporter:9" {
			t.Fatalf("%s does not have the template: %+v\n%+v", name, others[0], w.set.Status.Conditions)
		}
		if is.Image != redis.Image || !equality.Semantic.DeepEqual(is.Resources.Limits, redis.Resources.Limits) || !equality.Semantic.DeepEqual(is.Env, redis.Env) ||
			pod.Live.Labels["tier"] != spec.Template.Labels["tier"] || !pod.Ready {
			t.Fatalf("%s does not have the template: %+v\n%+v", name, is, w.set.Status.Conditions)
		}
		if was, there := uids[name]; there && spec.UpdateStrategy.InPlace == v1alpha1.InPlaceOnly && was != pod.UID {
			t.Fatalf("%s was made anew", name)
		}
	}
	w.mustHaveLeft(t)
	configured(t, w)
	if s := w.set.Status; s.UpdatedReplicas != *spec.Replicas || s.CurrentRevision != s.UpdateRevision || s.Replacing != "" || s.Leaving != "" {
		t.Fatalf("the status says %+v", s)
	}
}
