package answer

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/kubectlshoal/snapshot"
)

// large is a set of 9,999 instances in shards of three with a master each, of which some pods are not Ready.
func large(t *testing.T, ill func(ordinal int) bool) *snapshot.Cluster {
	t.Helper()
	const replicas = 9999
	set := &v1alpha1.InstanceSet{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "s", Generation: 1}}
	set.Spec.Replicas, set.Spec.ShardSize, set.Spec.Roles = new(int32(replicas)), new(int32(3)), []v1alpha1.InstanceRole{{Name: v1alpha1.RoleMaster}}
	set.Status.ObservedGeneration = 1
	c := &snapshot.Cluster{}
	c.Put(set)
	for i := range replicas {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: fmt.Sprintf("s-%d", i), Labels: map[string]string{v1alpha1.LabelInstanceSet: "s"}}}
		pod.Labels[v1alpha1.LabelRole] = map[bool]string{true: "master", false: "replica"}[i%3 == 0]
		pod.Spec.NodeName = "n"
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: map[bool]corev1.ConditionStatus{true: corev1.ConditionFalse, false: corev1.ConditionTrue}[ill(i)]}}
		c.Put(pod)
	}
	return c
}

func statusText(t *testing.T, c *snapshot.Cluster, all bool) (*SetStatus, string) {
	t.Helper()
	s, err := StatusOf(c, "ns", "s", "", all)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := s.Print(&b, false, false); err != nil {
		t.Fatal(err)
	}
	return s, b.String()
}

// However large a set is, and however ill, what is printed can be read; what is well is summed up.
func TestLargeSetsStayReadable(t *testing.T) {
	_, text := statusText(t, large(t, func(i int) bool { return i == 4500 }), false)
	if !strings.Contains(text, "\ns-1500 ") || strings.Count(text, "ready\n")+strings.Count(text, "─ s-") > 8 ||
		!strings.Contains(text, "\n3332 of 3333 shards are healthy (every instance is ready, and one is master): --all lists them\n") {
		t.Errorf("one is ill:\n%s", text)
	}
	s, text := statusText(t, large(t, func(i int) bool { return i%2 == 0 }), false)
	if lines := strings.Count(text, "\n"); lines > 100 || !strings.Contains(text, "\nand 3313 more shards that are not well: --all\n") || s.Healthy {
		t.Errorf("%d lines when all shards are ill:\n%s", lines, text)
	}
	if s, text := statusText(t, large(t, func(int) bool { return false }), false); !s.Healthy || strings.Count(text, "\n") > 4 {
		t.Errorf("all is well:\n%s", text)
	}
	if _, text := statusText(t, large(t, func(int) bool { return false }), true); strings.Count(text, "─ s-") != 9999 {
		t.Error("--all does not list all")
	}
}

// However many change at once, few lines are printed.
func TestManyChangesAreFewLines(t *testing.T) {
	before, _ := statusText(t, large(t, func(int) bool { return false }), false)
	after, _ := statusText(t, large(t, func(int) bool { return true }), false)
	lines := after.Changes(before)
	if len(lines) != shownChanges+1 || lines[shownChanges] != "and 9949 instances more: 0 of 9999 are ready" {
		t.Errorf("%d lines: %q", len(lines), lines[len(lines)-1])
	}
	if lines := after.Changes(after); len(lines) > 0 {
		t.Errorf("nothing has changed: %q", lines)
	}
}

// Of a shard that the condition does not name, as it names three, it is told that nobody is master; where the label is back, nothing.
func TestMastersThatAreMissing(t *testing.T) {
	c := large(t, func(int) bool { return false })
	c.Sets[0].Status.Conditions = []metav1.Condition{{
		Type: v1alpha1.ConditionNoMaster, Status: metav1.ConditionTrue, Reason: "HASilent",
		Message: "4 of 3333 shards: s-1: too few Sentinels say who is master (SHOAL2414); s-2: s-6: no instance says that it is master (SHOAL2412), ...",
	}}
	for _, ordinal := range []int{6, 9} { // the masters of shards 2 and 3; that of shard 1 has its label again
		delete(snapshot.Find(c.Pods, "ns", fmt.Sprintf("s-%d", ordinal)).Labels, v1alpha1.LabelRole)
	}
	s, err := StatusOf(c, "ns", "s", "", false)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, shard := range s.Shards {
		if !shard.Healthy {
			got = append(got, shard.Shard+": "+textsOf(shard.Waits, true))
		}
	}
	want := "s-2: s-6: no instance says that it is master (SHOAL2412); s-3: none of its instances has the label master"
	if text := strings.Join(got, "; "); text != want {
		t.Errorf("got %s\nwant %s", text, want)
	}
}

// A dump is redacted, so that no revision can be computed of it: of a template nothing is said, of spec.template the manager's word counts.
func TestRevisionsInADump(t *testing.T) {
	set := &v1alpha1.InstanceSet{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "s"}}
	set.Spec.Replicas, set.Spec.Templates = new(int32(2)), []v1alpha1.InstanceTemplate{{Name: "big"}}
	pod := func(name, template, revision string) *corev1.Pod {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name, Labels: map[string]string{
			v1alpha1.LabelInstanceSet: "s", v1alpha1.LabelTemplate: template, v1alpha1.LabelRevision: revision,
		}}}
	}
	for manager, want := range map[string]string{"": "old old", "of the manager": "current unknown"} {
		c := &snapshot.Cluster{}
		set := set.DeepCopy()
		set.Status.UpdateRevision = manager
		c.Put(set)
		c.Put(pod("s-0", "", "of the manager"))
		c.Put(pod("s-1", "big", "another"))
		s, err := StatusOf(c, "ns", "s", "", false)
		if err != nil {
			t.Fatal(err)
		}
		of := s.Shards[0].Instances
		if got := of[0].RevisionIs + " " + of[1].RevisionIs; got != want {
			t.Errorf("the manager has %q: got %s, want %s", manager, got, want)
		}
	}
}
