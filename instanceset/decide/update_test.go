package decide

import (
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/podspec"
	"github.com/shoal-dev/shoal/reason"
	"github.com/shoal-dev/shoal/slots"
)

// upgraded are the objects of a set whose pods were made by an older manager: with another image of the agent, other arguments, and
// without defaults that came later.
func upgraded(inPlace v1alpha1.InPlaceMode) Objects {
	set := newWorld().set
	set.Spec.Replicas, set.Spec.ShardSize = ptr.To(int32(3)), ptr.To(int32(3))
	set.Spec.Roles = []v1alpha1.InstanceRole{{Name: v1alpha1.RoleMaster, Exclusive: true}, {Name: v1alpha1.RoleReplica}}
	set.Spec.UpdateStrategy.InPlace = inPlace
	o := Objects{
		Set: set, Service: podspec.Service(set), Agent: podspec.Agent{Image: "agent:2", Manager: "m:2"},
		Nodes: slots.NewNodeMap([]*corev1.Node{{ObjectMeta: metav1.ObjectMeta{Name: "n"}, Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}}}}),
	}
	for ordinal := range int32(3) {
		pod := podspec.Pod(set, podspec.Instance{Ordinal: ordinal, Revision: podspec.Revision(set, nil), Agent: podspec.Agent{Image: "agent:1", Manager: "m:1"}})
		pod.UID, pod.Spec.NodeName, pod.Status.Phase = "u", "n", corev1.PodRunning
		pod.Spec.SchedulerName, pod.Spec.AutomountServiceAccountToken, pod.Spec.Tolerations = "old", ptr.To(true), nil
		pod.Labels[v1alpha1.LabelRole] = string(v1alpha1.RoleReplica)
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
		o.Pods = append(o.Pods, pod)
	}
	return o
}

// recorded keeps what the plan records.
func recorded(t *testing.T, o *Objects) {
	t.Helper()
	for _, c := range Decide(Observe(begin, *o)).Changes {
		if c.Kind == CreateBudget { // of sets from before there were any
			o.Budget = podspec.Budget(o.Set)
			continue
		}
		if c.Kind != CreateRevision {
			t.Fatalf("an upgrade does more than to record what there is: %s", c)
		}
		o.Revisions = append(o.Revisions, &appsv1.ControllerRevision{
			ObjectMeta: metav1.ObjectMeta{
				Name: c.Object, UID: "r", Labels: map[string]string{v1alpha1.LabelRevision: c.Revision},
				OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(o.Set, v1alpha1.GroupVersion.WithKind("InstanceSet"))},
			},
			Data: runtime.RawExtension{Raw: c.Text}, Revision: c.Number,
		})
	}
}

func TestUpgradingShoalMovesNoPod(t *testing.T) {
	for _, mode := range []v1alpha1.InPlaceMode{v1alpha1.InPlaceOnly, v1alpha1.InPlacePrefer, v1alpha1.InPlaceNever} {
		o := upgraded(mode)
		recorded(t, &o)
		if plan := Decide(Observe(begin, o)); len(plan.Changes) > 0 {
			t.Errorf("%s: %v", mode, plan.Changes)
		}
		// Of a change that came together with the upgrade nobody knows what the pods had before.
		o.Revisions = nil
		o.Set.Spec.Template.Spec.Containers[0].Image = "redis:8"
		recorded(t, &o)
		plan := Decide(Observe(begin, o))
		if len(plan.Changes) > 0 || len(plan.Status.Exceptions) != 3 || plan.Status.Exceptions[0].Reason != reason.RevisionUnknown.String() {
			t.Errorf("%s: %v, %v", mode, plan.Changes, plan.Status.Exceptions)
		}
	}
}

// What a template changes after the upgrade is all that is written.
func TestOnlyTheTemplatesChangeIsWritten(t *testing.T) {
	o := upgraded(v1alpha1.InPlaceOnly)
	o.Pods[0].Labels[v1alpha1.LabelRole] = string(v1alpha1.RoleMaster)
	recorded(t, &o)
	o.Set.Spec.Template.Labels = map[string]string{"tier": "gold"}
	recorded(t, &o)
	changes := Decide(Observe(begin, o)).Changes
	if len(changes) != 3 {
		t.Fatalf("got %v", changes)
	}
	for _, c := range changes {
		before, after := c.Before.DeepCopy(), c.After.DeepCopy()
		delete(after.Labels, "tier")
		after.Labels[v1alpha1.LabelRevision] = before.Labels[v1alpha1.LabelRevision]
		if c.Kind != PatchPod || !equality.Semantic.DeepEqual(before, after) {
			t.Errorf("%s changes more", c)
		}
	}
}

// Two templates with the same hash are two revisions.
func TestACollisionIsNoRevision(t *testing.T) {
	w := newWorld()
	hash := podspec.Revision(w.set, nil)
	other := w.set.DeepCopy()
	other.Spec.Template.Spec.Containers[0].Image = "redis:other"
	w.keeps = false
	w.history["r-"+hash] = &Revision{Object: "r-" + hash, UID: "x", Name: hash, Number: 1, Text: podspec.Ask(other, nil).Encode()}
	v := newView(w.snapshot())
	if v.revisions[0] != hash+"-1" {
		t.Errorf("the revision is %s", v.revisions[0])
	}
	if v.asked(hash) != nil {
		t.Error("a text that does not have its hash is believed")
	}
}

func TestHowFarAPodIs(t *testing.T) {
	running := func(id string) corev1.ContainerStatus {
		return corev1.ContainerStatus{Name: "redis", ContainerID: id, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}
	}
	waiting := func(why string) corev1.ContainerStatus {
		return corev1.ContainerStatus{Name: "exporter", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: why}}}
	}
	ended := func(ran time.Duration) corev1.ContainerStatus {
		c := waiting("CrashLoopBackOff")
		c.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{StartedAt: metav1.NewTime(begin), FinishedAt: metav1.NewTime(begin.Add(ran))}
		return c
	}
	ends := func(ran time.Duration) corev1.ContainerStatus {
		return corev1.ContainerStatus{Name: "exporter", State: ended(ran).LastTerminationState}
	}
	noImage := func(ran time.Duration) corev1.ContainerStatus {
		c := ended(ran)
		c.State = waiting("ErrImagePull").State
		return c
	}
	resize := func(kind corev1.PodConditionType, why string, generation int64) corev1.PodCondition {
		return corev1.PodCondition{Type: kind, Status: corev1.ConditionTrue, Reason: why, Message: "words", ObservedGeneration: generation}
	}
	for name, c := range map[string]struct {
		restarting string
		status     corev1.PodStatus
		want       Pod
	}{
		"nothing known":                    {"", corev1.PodStatus{Phase: corev1.PodRunning}, Pod{}},
		"not started":                      {"", corev1.PodStatus{Phase: corev1.PodPending}, Pod{Idle: true}},
		"not seen by its kubelet":          {"", corev1.PodStatus{Phase: corev1.PodRunning, ObservedGeneration: 4}, Pod{Unsettled: true}},
		"seen":                             {"", corev1.PodStatus{Phase: corev1.PodRunning, ObservedGeneration: 5}, Pod{}},
		"the old container runs":           {"redis=c://1@old", corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{running("c://1")}}, Pod{Unsettled: true}},
		"the new one does":                 {"redis=c://1", corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{running("c://2")}}, Pod{}},
		"one of two runs":                  {"", corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{running("c://1"), waiting("CrashLoopBackOff")}}, Pod{Trouble: "container exporter: CrashLoopBackOff", Down: "exporter"}},
		"none runs":                        {"", corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{waiting("ImagePullBackOff")}}, Pod{Idle: true, Stuck: "exporter", Trouble: "container exporter: ImagePullBackOff"}},
		"one of two has no image":          {"", corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{running("c://1"), waiting("ErrImagePull")}}, Pod{Trouble: "container exporter: ErrImagePull", Down: "exporter", Stuck: "exporter"}},
		"it ended soon":                    {"", corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{ended(59 * time.Second)}}, Pod{Idle: true, Trouble: "container exporter: CrashLoopBackOff"}},
		"it had run for long":              {"", corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{ended(time.Minute)}}, Pod{Idle: true, Restarts: true, Trouble: "container exporter: CrashLoopBackOff"}},
		"it ends, and had run for long":    {"", corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{ends(time.Hour)}}, Pod{Idle: true, Restarts: true}},
		"its image is not to be had again": {"", corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{noImage(time.Hour)}}, Pod{Idle: true, Stuck: "exporter", Restarts: true, Trouble: "container exporter: ErrImagePull"}},
		"it is being started":              {"", corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{waiting("ContainerCreating")}}, Pod{Idle: true}},
		"an init container has no image":   {"", corev1.PodStatus{Phase: corev1.PodPending, InitContainerStatuses: []corev1.ContainerStatus{noImage(time.Hour)}}, Pod{Idle: true, Stuck: "exporter", Trouble: "container exporter: ErrImagePull"}},
		"an init container took long":      {"", corev1.PodStatus{Phase: corev1.PodPending, InitContainerStatuses: []corev1.ContainerStatus{ends(time.Hour)}}, Pod{Idle: true}},
		"deferred":                         {"", corev1.PodStatus{Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{resize(corev1.PodResizePending, corev1.PodReasonDeferred, 5)}}, Pod{Unsettled: true, Resize: reason.ResizeDeferred, Trouble: "words"}},
		"infeasible":                       {"", corev1.PodStatus{Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{resize(corev1.PodResizePending, corev1.PodReasonInfeasible, 5)}}, Pod{Unsettled: true, Resize: reason.ResizeInfeasible, Trouble: "words"}},
		"infeasible was what came before":  {"", corev1.PodStatus{Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{resize(corev1.PodResizePending, corev1.PodReasonInfeasible, 4)}}, Pod{Unsettled: true}},
		"in progress":                      {"", corev1.PodStatus{Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{resize(corev1.PodResizeInProgress, "", 5)}}, Pod{Unsettled: true}},
		"failed":                           {"", corev1.PodStatus{Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{resize(corev1.PodResizeInProgress, corev1.PodReasonError, 5)}}, Pod{Unsettled: true, Resize: reason.ResizeFailed, Trouble: "words"}},
	} {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Generation: 5, Annotations: map[string]string{v1alpha1.AnnotationRestarting: c.restarting}}, Spec: corev1.PodSpec{NodeName: "n"}, Status: c.status}
		var got Pod
		observeUpdate(pod, &got)
		got.Live = nil
		if got != c.want {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
	}
}

// The image of a container that cannot be started is written while another one has yet to stop for what was written before: it is waited for all
// the same.
func TestWhoIsToRestartIsNotForgotten(t *testing.T) {
	o := upgraded(v1alpha1.InPlaceOnly)
	template := &o.Set.Spec.Template.Spec
	template.Containers = append(template.Containers, corev1.Container{Name: "exporter", Image: "bad"})
	for _, pod := range o.Pods {
		pod.Spec.Containers = append(pod.Spec.Containers, template.Containers[1])
		pod.Labels[v1alpha1.LabelRevision] = podspec.Revision(o.Set, nil)
		pod.Annotations[v1alpha1.AnnotationRestarting] = "redis=c1@redis:6"
		pod.Status.ContainerStatuses = []corev1.ContainerStatus{
			{Name: "redis", ContainerID: "c1", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}},
			{Name: "exporter", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff"}}},
		}
	}
	recorded(t, &o)
	template.Containers[1].Image = "good"
	recorded(t, &o)
	changes := Decide(Observe(begin, o)).Changes
	if len(changes) != 3 {
		t.Fatalf("%v", changes)
	}
	for _, c := range changes {
		if got := c.After.Annotations[v1alpha1.AnnotationRestarting]; c.Kind != ImagePod || c.After.Spec.Containers[0].Image != c.Before.Spec.Containers[0].Image || got != "redis=c1@redis:6" {
			t.Errorf("%s: %q is to restart", c, got)
		}
	}
}

// A restart that is over before the kubelet has said that the pod was not ready counts all the same.
func TestReadySinceTheLastRestart(t *testing.T) {
	ready, started := metav1.NewTime(begin), metav1.NewTime(begin.Add(time.Hour))
	pod := &corev1.Pod{Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: started}}}}}}
	got := Pod{Ready: true, ReadySince: ready.Time}
	if observeUpdate(pod, &got); !got.ReadySince.Equal(started.Time) {
		t.Errorf("it is ready since %s", got.ReadySince)
	}
}

// An image is changed, and changed back before the kubelet has seen it: what the container was started with is not forgotten, and it is
// not waited for.
func TestAnImageThatIsPutBackAtOnce(t *testing.T) {
	pod := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "redis", Image: "redis:7"}}}}
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "redis", ContainerID: "c1", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
	for _, image := range []string{"redis:8", "redis:9", "redis:7"} {
		pod.Annotations = map[string]string{v1alpha1.AnnotationRestarting: containerIDs(pod, []string{"redis"})}
		pod.Spec.Containers[0].Image = image
		if got := restarting(pod); len(got) > 0 != (image != "redis:7") {
			t.Errorf("%s was written, noted is %q, and %v are to restart", image, pod.Annotations[v1alpha1.AnnotationRestarting], got)
		}
	}
}
