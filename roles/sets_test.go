package roles

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/reason"
	"github.com/shoal-dev/shoal/roles/decide"
)

func (h *harness) reconcileSet(t *testing.T) *v1alpha1.InstanceSet {
	t.Helper()
	if _, err := h.sets.Reconcile(t.Context(), ctrl.Request{NamespacedName: shardZero.owner()}); err != nil {
		t.Fatal(err)
	}
	var set v1alpha1.InstanceSet
	if err := h.client.Get(t.Context(), shardZero.owner(), &set); err != nil {
		t.Fatal(err)
	}
	return &set
}

func conditionsOf(set *v1alpha1.InstanceSet) string {
	var all []string
	for _, c := range set.Status.Conditions {
		all = append(all, fmt.Sprintf("%s=%s/%s", c.Type, c.Status, c.Reason))
	}
	return strings.Join(all, " ")
}

func TestConditions(t *testing.T) {
	set := aSet()
	set.Status.Conditions = []metav1.Condition{{Type: "Ready", Status: metav1.ConditionTrue, Reason: "AllReady"}}
	h := newHarness(t, set, aPod("r-0"), aPod("r-1"), aPod("r-2"))
	if got := conditionsOf(h.reconcileSet(t)); got != "Ready=True/AllReady" {
		t.Errorf("before the shard was judged: %s", got)
	}
	h.reconcile(t)
	if got := conditionsOf(h.reconcileSet(t)); got != "Ready=True/AllReady NoMaster=True/NoMasterClaim TwoMasters=False/OneMaster InSync=Unknown/NothingToFollow" {
		t.Error(got)
	}
	h.hear(t, "r-0", 0)
	h.reconcile(t)
	h.reconcile(t)
	before := h.reconcileSet(t)
	if got := conditionsOf(before); got != "Ready=True/AllReady NoMaster=False/MasterLabelled TwoMasters=False/OneMaster InSync=True/ReplicasInSync" {
		t.Error(got)
	}
	h.clock = h.clock.Add(time.Second)
	if after := h.reconcileSet(t); after.ResourceVersion != before.ResourceVersion {
		t.Error("it is written again though nothing has changed")
	}
}

// A replica that has no link is told of after a minute, with the time at which that was first heard, and no more once it is in sync.
func TestWhoIsBehind(t *testing.T) {
	h := three(t)
	h.hear(t, "r-0", 0)
	h.reconcile(t)
	h.reconcile(t)
	said := func(role agent.Role, up bool) {
		t.Helper()
		if err := h.reportOf(t, "r-1", agent.Report{Role: role, MasterAddr: "10.0.0.1:6379", LinkUp: up}); err != nil {
			t.Fatal(err)
		}
		h.reconcile(t)
	}
	inSync := func() string {
		c := meta.FindStatusCondition(h.reconcileSet(t).Status.Conditions, v1alpha1.ConditionInSync)
		return fmt.Sprintf("%s/%s: %s", c.Status, c.Reason, c.Message)
	}
	const well = "True/ReplicasInSync: every shard has a master, and every replica is in sync with it (SHOAL2431)"
	said(agent.RoleReplica, false)
	began := h.clock
	if got := inSync(); got != well {
		t.Errorf("at once: %s", got)
	}
	h.clock = h.clock.Add(40 * time.Second)
	said(agent.RoleReplica, false) // the next report does not begin anew
	h.clock = h.clock.Add(20 * time.Second)
	h.reconcile(t)
	want := "False/ReplicaBehind: 1 of 1 shards: r-0: r-1 has no link since " + began.UTC().Format(time.RFC3339) + ": a replica has not been in sync with its master for a minute (SHOAL2432)"
	if got := inSync(); got != want {
		t.Errorf("after a minute: %s, want %s", got, want)
	}
	said(agent.RoleReplica, true)
	if got := inSync(); got != well {
		t.Errorf("in sync again: %s", got)
	}
	h.clock = h.clock.Add(silence - time.Second)
	for _, name := range []string{"r-0", "r-2"} {
		if err := h.report(t, name, map[string]agent.Role{"r-0": agent.RoleMaster, "r-2": agent.RoleReplica}[name], 0); err != nil {
			t.Fatal(err)
		}
	}
	h.clock = h.clock.Add(time.Second)
	h.reconcile(t)
	if got := inSync(); !strings.HasPrefix(got, "Unknown/ReplicaUnheard: 1 of 1 shards: r-0: r-1 was last heard at ") {
		t.Errorf("silent: %s", got)
	}
}

// A replica that follows another replica is linked, and is not in sync with the master: by IP address, or by name.
func TestAChainIsNotInSync(t *testing.T) {
	for _, of := range []string{"10.0.0.12:6379", "r-2.r.ns.svc.cluster.local:6379"} {
		h := three(t)
		h.hear(t, "r-0", 0)
		h.reconcile(t)
		h.reconcile(t)
		said := func(addr string) {
			t.Helper()
			if err := h.reportOf(t, "r-1", agent.Report{Role: agent.RoleReplica, MasterAddr: addr, LinkUp: true}); err != nil {
				t.Fatal(err)
			}
		}
		said(of)
		began := h.clock
		h.reconcile(t)
		h.clock = h.clock.Add(time.Minute)
		said(of)
		h.reconcile(t)
		c := meta.FindStatusCondition(h.reconcileSet(t).Status.Conditions, v1alpha1.ConditionInSync)
		want := "1 of 1 shards: r-0: r-1 follows r-2 since " + began.UTC().Format(time.RFC3339) + ": a replica follows another replica, and is as late as both of them (SHOAL2438)"
		if c.Status != metav1.ConditionFalse || c.Message != want {
			t.Errorf("of %s: %+v", of, c)
		}
		said("10.0.0.10:6379")
		h.reconcile(t)
		if c := meta.FindStatusCondition(h.reconcileSet(t).Status.Conditions, v1alpha1.ConditionInSync); c.Status != metav1.ConditionTrue {
			t.Errorf("it follows the master: %+v", c)
		}
	}
}

// An instance that crash-loops is never ready, has no label, and was not heard: nobody says that it is in sync. One whose agent has just
// started is waited for.
func TestWhoWasNeverHeardIsNotInSync(t *testing.T) {
	crashing := aPod("r-2")
	crashing.Status.Conditions = []corev1.PodCondition{
		{Type: corev1.PodReady, Status: corev1.ConditionFalse},
		{Type: corev1.PodInitialized, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(time.Unix(10_000, 0))},
	}
	h := newHarness(t, aSet(), aPod("r-0"), aPod("r-1"), crashing)
	h.clock = time.Unix(10_000, 0).Add(2 * time.Minute)
	for pod, role := range map[string]agent.Role{"r-0": agent.RoleMaster, "r-1": agent.RoleReplica} {
		if err := h.report(t, pod, role, 0); err != nil {
			t.Fatal(err)
		}
	}
	h.naming.Static, h.naming.Heard, h.naming.Addr, h.naming.Agreed = false, true, "r-0.r.ns.svc:6379", true
	h.ledger.since = h.clock.Add(-time.Hour)
	h.reconcile(t)
	h.reconcile(t)
	c := meta.FindStatusCondition(h.reconcileSet(t).Status.Conditions, v1alpha1.ConditionInSync)
	if c.Status != metav1.ConditionUnknown || c.Reason != reason.ReplicaUnheard.Name() || !strings.Contains(c.Message, "r-2 has not been heard at all") {
		t.Errorf("%+v", c)
	}
}

// A manager that has just begun to lead does not say that replicas are in sync which it has not heard, and writes that once.
func TestNobodyIsInSyncUnheard(t *testing.T) {
	h := three(t)
	h.hear(t, "r-0", 0)
	h.reconcile(t)
	h.reconcile(t)
	h.ledger.entries, h.ledger.since = map[types.UID]entry{}, h.clock
	h.reconcile(t)
	before := h.reconcileSet(t)
	const want = "Unknown/MostUnheard: most agents of the set are not heard, or the manager has just begun to lead: who is in sync is not known (SHOAL2434)"
	if c := meta.FindStatusCondition(before.Status.Conditions, v1alpha1.ConditionInSync); fmt.Sprintf("%s/%s: %s", c.Status, c.Reason, c.Message) != want {
		t.Errorf("%+v", c)
	}
	for _, name := range []string{"r-1", "r-2"} {
		h.clock = h.clock.Add(time.Second)
		if err := h.report(t, name, agent.RoleReplica, 0); err != nil {
			t.Fatal(err)
		}
		h.reconcile(t)
		after := h.reconcileSet(t)
		c := meta.FindStatusCondition(after.Status.Conditions, v1alpha1.ConditionInSync)
		if heard := name == "r-2"; heard != (c.Status == metav1.ConditionTrue) || heard == (after.ResourceVersion == before.ResourceVersion) {
			t.Errorf("after the report of %s: %+v, version %s, before %s", name, c, after.ResourceVersion, before.ResourceVersion)
		}
	}
}

// An engine that does not answer its agent for a minute is not in sync as far as anybody knows.
func TestAnEngineThatDoesNotAnswer(t *testing.T) {
	h := three(t)
	h.hear(t, "r-0", 0)
	h.reconcile(t)
	h.reconcile(t)
	for n, want := range []metav1.ConditionStatus{metav1.ConditionTrue, metav1.ConditionUnknown} {
		if err := h.report(t, "r-1", agent.RoleUnknown, 0); err != nil {
			t.Fatal(err)
		}
		h.reconcile(t)
		if c := meta.FindStatusCondition(h.reconcileSet(t).Status.Conditions, v1alpha1.ConditionInSync); c.Status != want {
			t.Errorf("report %d: %+v", n, c)
		}
		h.clock = h.clock.Add(time.Minute)
	}
}

// After a conflict the conditions are written later: nothing else brings the set back.
func TestAConflictOfConditions(t *testing.T) {
	h := three(t)
	h.hear(t, "r-0", 0)
	h.reconcile(t)
	h.reconcile(t)
	var set v1alpha1.InstanceSet
	if err := h.client.Get(t.Context(), shardZero.owner(), &set); err != nil {
		t.Fatal(err)
	}
	old := set.DeepCopy()
	set.Labels = map[string]string{"newer": "version"}
	if err := h.client.Update(t.Context(), &set); err != nil {
		t.Fatal(err)
	}
	if late, err := h.sets.conditions(t.Context(), old, h.verdicts.of(shardZero.owner())); err != nil || !late {
		t.Errorf("%t, %v", late, err)
	}
	if got := conditionsOf(h.reconcileSet(t)); !strings.Contains(got, "MasterLabelled") {
		t.Error(got)
	}
}

// A verdict changes twice before the cache shows what was written for the first change: the second is compared with what was there
// before both, and nothing seems to be left to do. When the cache shows the first, the set is looked at again.
func TestConditionsThatTheCacheShowsLate(t *testing.T) {
	h := three(t)
	h.hear(t, "r-0", 0)
	h.reconcile(t)
	h.reconcile(t)
	old := h.reconcileSet(t)
	pod := h.pod(t, "r-0")
	pod.Status.Phase = corev1.PodFailed
	if err := h.client.Status().Update(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
	h.reconcile(t)
	written := h.reconcileSet(t)
	if got := conditionsOf(written); !strings.Contains(got, "NoMaster=True") {
		t.Fatal(got)
	}
	judged := map[string]verdict{"r-0": {}}
	if late, err := h.sets.conditions(t.Context(), old, judged); err != nil || late {
		t.Fatalf("%t, %v", late, err)
	}
	if !SetChanges().Update(event.UpdateEvent{ObjectOld: old, ObjectNew: written}) {
		t.Error("nobody looks again when the cache shows what was written")
	}
	if _, err := h.sets.conditions(t.Context(), written, judged); err != nil {
		t.Fatal(err)
	}
	var after v1alpha1.InstanceSet
	if err := h.client.Get(t.Context(), shardZero.owner(), &after); err != nil {
		t.Fatal(err)
	}
	if got := conditionsOf(&after); !strings.Contains(got, "NoMaster=False") {
		t.Error(got)
	}
	same := after.DeepCopy()
	same.Status.ReadyReplicas++
	if SetChanges().Update(event.UpdateEvent{ObjectOld: &after, ObjectNew: same}) {
		t.Error("the set is looked at whenever a pod becomes ready")
	}
}

// Once each shard was judged, pods are not looked at for each change of a condition.
func TestASetIsLookedThroughOnce(t *testing.T) {
	h := three(t)
	h.hear(t, "r-0", 0)
	h.reconcile(t)
	h.reconcile(t)
	h.reconcileSet(t)
	lists := 0
	h.sets.cache = counted{h.client, &lists}
	h.hear(t, "r-1", 0)
	h.reconcile(t)
	if got := conditionsOf(h.reconcileSet(t)); !strings.Contains(got, "NoMaster=True") || lists != 0 {
		t.Errorf("%s after %d looks at pods", got, lists)
	}
	// The set of that name that comes after it is looked through again.
	if h.verdicts.isWhole(shardZero.owner(), "another") {
		t.Error("another set is taken for it")
	}
	h.drop(shardZero)
	if h.verdicts.isWhole(shardZero.owner(), "set") {
		t.Error("a set whose shards are gone is not forgotten")
	}
}

type counted struct {
	client.Reader
	lists *int
}

func (c counted) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	if _, pods := list.(*corev1.PodList); pods {
		*c.lists++
	}
	return c.Reader.List(ctx, list, opts...)
}

// One event of a set, as its shards change: make bench, compare the two lines.
func BenchmarkConditionsOfASet(b *testing.B) {
	for _, instances := range []int{1000, 10000} {
		b.Run(fmt.Sprint(instances), func(b *testing.B) {
			shards := map[string]verdict{}
			for n := range instances / 3 {
				shards[fmt.Sprintf("r-%d", n)] = verdict{noMaster: decide.Verdict{True: n == 7, Reason: reason.NoMasterClaim}}
			}
			v := newVerdicts(func(types.NamespacedName) {})
			v.sets[shardZero.owner()] = shards
			for b.Loop() {
				judged := v.of(shardZero.owner())
				condition("NoMaster", judged, func(v verdict) decide.Verdict { return v.noMaster }, noMasterReasons, reason.MasterLabelled)
			}
		})
	}
}

func TestConditionOfManyShards(t *testing.T) {
	shards := map[string]verdict{}
	for n := range 9 {
		v := decide.Verdict{True: n > 2, Reason: reason.NoMasterClaim}
		if n == 7 {
			v = decide.Verdict{True: true, Reason: reason.HASilent, Text: "r-21 says that it is master"}
		}
		shards[fmt.Sprintf("r-%d", n)] = verdict{noMaster: v}
	}
	c := condition("NoMaster", shards, func(v verdict) decide.Verdict { return v.noMaster }, noMasterReasons, reason.MasterLabelled)
	want := "6 of 9 shards: r-7: r-21 says that it is master: too few Sentinels say who is master (SHOAL2414); r-3: no instance says that it is master (SHOAL2412); r-4: no instance says that it is master (SHOAL2412), ..."
	if c.Message != want || c.Reason != "HASilent" || c.Status != metav1.ConditionTrue {
		t.Errorf("%+v", c)
	}
}

func services(t *testing.T, h *harness) string {
	t.Helper()
	var list corev1.ServiceList
	if err := h.client.List(t.Context(), &list); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, s := range list.Items {
		all = append(all, s.Name)
	}
	return strings.Join(all, ",")
}

func TestServices(t *testing.T) {
	headless := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "r", Labels: map[string]string{v1alpha1.LabelInstanceSet: "r"}, OwnerReferences: aPod("r-0").OwnerReferences}}
	foreign := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "r-0-replica"}}
	h := newHarness(t, aSet(), aPod("r-0"), aPod("r-1"), aPod("r-2"), headless, foreign)
	set := h.reconcileSet(t)
	if got := services(t, h); got != "r,r-0-master,r-0-replica" {
		t.Errorf("services %s", got)
	}
	var s corev1.Service
	if err := h.client.Get(t.Context(), client.ObjectKey{Namespace: "ns", Name: "r-0-master"}, &s); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(s.Spec.Selector) != "map[shoal.dev/instance-set:r shoal.dev/role:master shoal.dev/shard:r-0]" || s.Spec.Ports[0].Port != 6379 || !s.Spec.PublishNotReadyAddresses {
		t.Errorf("%+v", s.Spec)
	}
	// The other role too, whose Service is somebody else's; and the first none any more.
	set.Spec.Roles[0].Service, set.Spec.Roles[1].Service = v1alpha1.RoleServiceNone, v1alpha1.RoleServicePerShard
	if err := h.client.Update(t.Context(), set); err != nil {
		t.Fatal(err)
	}
	set = h.reconcileSet(t)
	if got := services(t, h); got != "r,r-0-replica" {
		t.Errorf("services %s", got)
	}
	if len(h.told.lines) != 1 || !strings.Contains(h.told.lines[0], "ForeignObject") {
		t.Errorf("events %q", h.told.lines)
	}
	if meta.FindStatusCondition(set.Status.Conditions, "NoMaster") != nil {
		t.Error("a condition of a shard that nobody judged")
	}
}
