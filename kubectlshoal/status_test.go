package kubectlshoal

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/kubectlshoal/snapshot"
)

// stage is a set of three in a cluster, to be changed, and who watches it.
type stage struct {
	set  *v1alpha1.InstanceSet
	pods map[string]*corev1.Pod
	over *v1alpha1.Switchover // nil for none
	out  bytes.Buffer
	*watched
}

func newStage(height int) *stage {
	s := &stage{pods: map[string]*corev1.Pod{}, set: &v1alpha1.InstanceSet{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "s", Generation: 1}}}
	s.set.Spec.Replicas, s.set.Status.ObservedGeneration = new(int32(3)), 1
	for _, name := range []string{"s-0", "s-1", "s-2"} {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name, Labels: map[string]string{v1alpha1.LabelInstanceSet: "s"}}}
		pod.Spec.NodeName, pod.Status.Conditions = "n1", []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
		s.pods[name] = pod
	}
	s.watched = &watched{question: &statusQuestion{namespace: "ns", name: "s", options: &options{Environment: Environment{
		Streams: genericiooptions.IOStreams{Out: &s.out}, Now: func() time.Time { return time.Unix(1_700_000_000, 0) }, Height: func() int { return height },
	}}}}
	return s
}

// next shows the cluster as it is now, and gives back what was written.
func (s *stage) next(t *testing.T) string {
	t.Helper()
	c := &snapshot.Cluster{}
	c.Put(s.set.DeepCopy())
	for _, pod := range s.pods {
		c.Put(pod.DeepCopy())
	}
	if s.over != nil {
		c.Put(s.over.DeepCopy())
	}
	s.out.Reset()
	if err := s.show(c); err != nil {
		t.Fatal(err)
	}
	return s.out.String()
}

// Where nobody draws, the set is told once, and then each change in a line; nothing where nothing has changed.
func TestWatchPrintsChanges(t *testing.T) {
	s := newStage(0)
	if got := s.next(t); !strings.HasPrefix(got, "InstanceSet ns/s: 3 of 3 instances ready") {
		t.Errorf("at first: %s", got)
	}
	if got := s.next(t); got != "" {
		t.Errorf("without a change: %s", got)
	}
	s.pods["s-1"].Status.Conditions[0].Status = corev1.ConditionFalse
	s.pods["s-1"].Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "c", RestartCount: 1}}
	s.pods["s-2"].Labels[v1alpha1.LabelRole] = "replica"
	s.set.Status.Conditions = []metav1.Condition{{Type: "Ready", Status: "False", Reason: "NotAllReady", Message: "not: s-1 (SHOAL2202)"}}
	want := `
22:13:20  condition Ready is False, NotAllReady: not: s-1 (SHOAL2202)
22:13:20  s-1: not ready (was ready), restarted, 1 times in all, waits: the pod is not Ready (SHOAL2212)
22:13:20  s-2: role replica (was none)
`
	if got := "\n" + s.next(t); got != want {
		t.Errorf("got:%s\nwant:%s", got, want)
	}
	delete(s.pods, "s-1")
	s.set.Generation = 2
	want = `22:13:20  s: waits: the manager has not seen generation 2 yet: its conditions are about 1
22:13:20  s-1: no pod (was not ready), waits: it has no pod yet (SHOAL2001)
`
	if got := s.next(t); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	if err := verdict(s.last); !errors.Is(err, errBad) {
		t.Errorf("the exit code is that of what was shown last: %v", err)
	}
}

// On a terminal all is drawn anew, when it has changed, and no more than it has lines for.
func TestWatchDraws(t *testing.T) {
	s := newStage(100)
	if got := s.next(t); !strings.HasPrefix(got, cleared+"InstanceSet ns/s: 3 of 3 instances ready") || !strings.HasSuffix(got, "\n"+wrapping) {
		t.Errorf("at first: %q", got)
	}
	if got := s.next(t); got != "" {
		t.Errorf("without a change: %q", got)
	}
	delete(s.pods, "s-1")
	if got := s.next(t); !strings.HasPrefix(got, cleared+"InstanceSet ns/s: 2 of 3") || !strings.Contains(got, "\ns-1 ") {
		t.Errorf("changed: %q", got)
	}
	s = newStage(5)
	s.pods = nil
	if got := s.next(t); strings.Count(got, "\n") != 4 || !strings.Contains(got, "more lines: a taller terminal") {
		t.Errorf("on a low terminal: %q", got)
	}
}

// A set that is deleted is no answer.
func TestWatchEndsWithTheSet(t *testing.T) {
	s := newStage(0)
	s.next(t)
	if err := s.show(&snapshot.Cluster{}); err == nil || s.failed == nil || !strings.Contains(err.Error(), "there is no InstanceSet s") {
		t.Errorf("got %v", err)
	}
}

// Who watches sees a Switchover begin, each of its steps and its end, and who is behind.
func TestWatchPrintsSwitchovers(t *testing.T) {
	s := newStage(0)
	s.set.Spec.ShardSize, s.set.Spec.Roles = new(int32(3)), []v1alpha1.InstanceRole{{Name: v1alpha1.RoleMaster}, {Name: v1alpha1.RoleReplica}}
	for name, role := range map[string]v1alpha1.RoleName{"s-0": v1alpha1.RoleMaster, "s-1": v1alpha1.RoleReplica, "s-2": v1alpha1.RoleReplica} {
		s.pods[name].Labels[v1alpha1.LabelRole] = string(role)
	}
	s.next(t)
	progress := func(cause, message string) {
		s.over.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionProgressing, Reason: cause, Message: message}}
	}
	expect := func(want string) {
		t.Helper()
		if got := strings.ReplaceAll(s.next(t), "22:13:20  ", ""); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	s.over = &v1alpha1.Switchover{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "s-0-a"}, Spec: v1alpha1.SwitchoverSpec{InstanceSet: "s", Shard: "s-0"}}
	progress("ShardTaken", "the master of the shard is being handed over already (SHOAL2318)")
	expect("s-0: switchover s-0-a waits: the master of the shard is being handed over already (SHOAL2318)\n")
	s.over.Status.From, s.over.Status.To = "s-0", "s-1"
	progress("SwitchoverRunning", "the master is being handed over (SHOAL2316)")
	expect("s-0: switchover s-0-a runs, from s-0 to s-1\n")
	s.over.Status.Steps = []v1alpha1.SwitchoverStep{{Do: "Pause", Instance: "s-0"}}
	expect("s-0: switchover s-0-a runs, from s-0 to s-1: Pause s-0\n")
	expect("")
	s.over.Status.CompletedAt, s.over.Status.Result = new(metav1.NewTime(time.Unix(1_700_000_000, 0))), v1alpha1.SwitchoverRefused
	progress("TargetBehind", "the replica that was to take over did not catch up in time (SHOAL2306)")
	expect("s-0: switchover s-0-a given back: the replica that was to take over did not catch up in time (SHOAL2306)\n")
	s.set.Status.Conditions = []metav1.Condition{{
		Type: v1alpha1.ConditionInSync, Status: metav1.ConditionFalse, Reason: "ReplicaBehind",
		Message: "1 of 1 shards: s-0: s-2 has no link since 2023-11-14T22:12:00Z: a replica has not been in sync with its master for a minute (SHOAL2432)",
	}}
	want := `condition InSync is False, ReplicaBehind: 1 of 1 shards: s-0: s-2 has no link since 2023-11-14T22:12:00Z: a replica has not been in sync with its master for a minute (SHOAL2432)
s-0: waits: s-2 has no link since 2023-11-14T22:12:00Z: a replica has not been in sync with its master for a minute (SHOAL2432)
s-2: behind
`
	expect(want)
	s.set.Status.Conditions = nil
	expect("s-0: waits for nothing as a whole any more\ns-2: in sync\n")
	s.set.Status.Conditions = []metav1.Condition{{
		Type: v1alpha1.ConditionInSync, Status: metav1.ConditionFalse, Reason: "ReplicaOfReplica",
		Message: "1 of 1 shards: s-0: s-2 follows s-1 since 2023-11-14T22:12:00Z: a replica follows another replica, and is as late as both of them (SHOAL2438)",
	}}
	want = `condition InSync is False, ReplicaOfReplica: 1 of 1 shards: s-0: s-2 follows s-1 since 2023-11-14T22:12:00Z: a replica follows another replica, and is as late as both of ... (SHOAL2438)
s-0: waits: s-2 follows s-1 since 2023-11-14T22:12:00Z: a replica follows another replica, and is as late as both of them (SHOAL2438)
s-2: behind
`
	expect(want)
}
