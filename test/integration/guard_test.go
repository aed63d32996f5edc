//go:build integration

package integration

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// allowDisruption says on a pod that it may be deleted by others than the manager, as a person has to before.
func (k kit) allowDisruption(ctx context.Context, pod *corev1.Pod) error {
	patch := fmt.Appendf(nil, `{"metadata":{"annotations":{%q:%q}}}`, v1alpha1.AnnotationAllowDisruption, v1alpha1.AllowDisruption)
	return k.client.Patch(ctx, pod, client.RawPatch(types.MergePatchType, patch))
}

// deletePod deletes an instance as a person who means it.
func (k kit) deletePod(ctx context.Context, pod *corev1.Pod, options ...client.DeleteOption) error {
	if err := k.allowDisruption(ctx, pod); err != nil {
		return err
	}
	return k.client.Delete(ctx, pod, options...)
}

// guarded is a set of which nobody but the manager disrupts an instance; made is for pods that its manager knows nothing of.
type guarded struct {
	kit
	ns   string
	made int
}

var kubectlBinary = filepath.Join("..", "..", "bin", "k8s", "kubectl")

// kubectl runs the kubectl of the playground as its administrator, and returns all that it says.
func (k kit) kubectl(t *testing.T, args ...string) (string, error) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), kubectlBinary, append([]string{"--kubeconfig=" + k.Kubeconfig()}, args...)...).CombinedOutput()
	return string(out), err
}

// testGuard: nobody but the manager deletes or relabels instances, or who has said so before; and nobody is hindered who deletes pods by
// trade. Those of kube-controller-manager and Shoal's scheduler are the real ones.
func testGuard(t *testing.T, k kit) {
	g := &guarded{kit: k, ns: k.namespace(t, "guard")}
	t.Run("people", g.people)
	t.Run("the shortcuts of kubectl", g.shortcuts)
	t.Run("relabelling", g.relabelling)
	t.Run("evictions are not seen", g.evictions)
	t.Run("kubelets", g.kubelets)
	t.Run("kube-controller-manager with one identity", g.oneIdentity)
	t.Run("others of kube-system", g.others)
	t.Run("Shoal's scheduler preempts", g.preemption)
	t.Run("taints", g.taints)
	t.Run("owners", g.owners)
	t.Run("nodes that are gone", g.goneNodes)
	t.Run("namespaces", g.namespaces)
}

// pod is an instance as far as the policy sees: made by the manager, on the node ("" for none), which nobody plays.
func (g *guarded) pod(t *testing.T, node string, change ...func(*corev1.Pod)) *corev1.Pod {
	t.Helper()
	g.made++
	return g.instance(t, g.ns, fmt.Sprintf("g-%d", g.made), node, change...)
}

func (k kit) instance(t *testing.T, ns, name, node string, change ...func(*corev1.Pod)) *corev1.Pod {
	t.Helper()
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name, Labels: map[string]string{
		v1alpha1.LabelInstanceSet: "g", v1alpha1.LabelOrdinal: "1", v1alpha1.LabelRevision: "abc",
	}}}
	pod.Spec.SchedulerName, pod.Spec.Containers = "nobody", []corev1.Container{{Name: "c", Image: "redis:7"}}
	pod.Spec.NodeName = node
	for _, f := range change {
		f(pod)
	}
	if err := k.manager(t).Create(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
	return pod
}

// node is one that nobody plays, and for which the cluster's own controllers do what they do for any.
func (g *guarded) node(t *testing.T, name string) *corev1.Node {
	t.Helper()
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}
	g.create(t, node)
	t.Cleanup(func() { _ = g.client.Delete(context.Background(), node) })
	return node
}

// refusal wants the words of the guard, and how to go on.
func refusal(t *testing.T, how, words string, err error) {
	t.Helper()
	if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), words) || !strings.Contains(err.Error(), "kubectl annotate pod g-") {
		t.Errorf("%s: want a refusal that says %q, got: %v", how, words, err)
	}
}

const (
	deletesIt   = "only the ServiceAccount shoal-system/shoal-manager deletes it"
	relabelsIt  = "only the ServiceAccount shoal-system/shoal-manager changes its label "
	allowsIt    = "shoal.dev/allow-disruption=true"
	noGraceText = "--grace-period=0"
)

func (g *guarded) gone(t *testing.T, patience time.Duration, pod *corev1.Pod) {
	t.Helper()
	g.eventually(t, patience, pod.Name+" to be deleted", func(ctx context.Context) error {
		now := &corev1.Pod{}
		err := g.get(ctx, pod.Namespace, pod.Name, now)
		if apierrors.IsNotFound(err) || err == nil && (now.DeletionTimestamp != nil || now.UID != pod.UID) {
			return nil
		}
		return errors.Join(err, errors.New("it is there"))
	})
}

func (g *guarded) people(t *testing.T) {
	pod := g.pod(t, "")
	refusal(t, "deleting", deletesIt, g.client.Delete(t.Context(), pod))
	refusal(t, "deleting by force", deletesIt, g.client.Delete(t.Context(), pod, client.GracePeriodSeconds(0)))
	refusal(t, "deleting in the foreground", deletesIt, g.client.Delete(t.Context(), pod, client.PropagationPolicy(metav1.DeletePropagationForeground)))
	refusal(t, "deleting all", deletesIt, g.client.DeleteAllOf(t.Context(), &corev1.Pod{}, client.InNamespace(g.ns)))
	refusal(t, "a dry run", deletesIt, g.client.Delete(t.Context(), pod, client.DryRunAll))
	if err := g.allowDisruption(t.Context(), pod); err != nil {
		t.Fatal("allowing it:", err)
	}
	if err := g.client.DeleteAllOf(t.Context(), &corev1.Pod{}, client.InNamespace(g.ns)); err != nil {
		t.Error("deleting all of one that allows it:", err)
	}
	g.gone(t, 10*time.Second, pod)

	g.node(t, "guard-people")
	going := g.pod(t, "guard-people")
	if err := g.manager(t).Delete(t.Context(), going); err != nil {
		t.Fatal("deleting as the manager:", err)
	}
	if err := g.get(t.Context(), g.ns, going.Name, going); err != nil || going.DeletionTimestamp == nil {
		t.Fatalf("it does not terminate: %v", err)
	}
	if err := g.client.Delete(t.Context(), going, client.GracePeriodSeconds(0)); err != nil {
		t.Error("deleting by force what terminates:", err)
	}
}

// shortcuts: what kubectl says to a person is the policy's words.
func (g *guarded) shortcuts(t *testing.T) {
	pod := g.pod(t, "")
	for _, args := range [][]string{{"delete", "pod", pod.Name}, {"delete", "pod", pod.Name, "--force", noGraceText}, {"delete", "pods", "--all"}} {
		out, err := g.kubectl(t, append(args, "-n", g.ns)...)
		if err == nil || !strings.Contains(out, deletesIt) || !strings.Contains(out, allowsIt) {
			t.Errorf("kubectl %v: %s %v", args, out, err)
		}
	}
	if out, err := g.kubectl(t, "label", "pod", pod.Name, "-n", g.ns, "--overwrite", "shoal.dev/revision=x"); err == nil || !strings.Contains(out, relabelsIt+"shoal.dev/revision") {
		t.Errorf("kubectl label: %s %v", out, err)
	}
	if out, err := g.kubectl(t, "annotate", "pod", pod.Name, "-n", g.ns, allowsIt); err != nil {
		t.Error(out, err)
	}
	if out, err := g.kubectl(t, "delete", "pod", pod.Name, "-n", g.ns); err != nil {
		t.Error(out, err)
	}
}

func (g *guarded) relabelling(t *testing.T) {
	pod := g.pod(t, "")
	for _, label := range []string{v1alpha1.LabelRevision, v1alpha1.LabelTemplate, v1alpha1.LabelComponent} {
		refusal(t, "labelling", relabelsIt+label, g.client.Patch(t.Context(), fresh(pod), labelled(label, `"x"`)))
		refusal(t, "labelling the status", relabelsIt+label, g.client.Status().Patch(t.Context(), fresh(pod), labelled(label, `"x"`)))
		for _, sub := range []string{"resize", "ephemeralcontainers"} { // the API server takes no labels from these, and says nothing
			now := &corev1.Pod{}
			err := errors.Join(g.client.SubResource(sub).Patch(t.Context(), fresh(pod), labelled(label, `"x"`)), g.get(t.Context(), g.ns, pod.Name, now))
			if err != nil || now.Labels[label] != pod.Labels[label] {
				t.Errorf("labelling by %s: %v %v", sub, now.Labels, err)
			}
		}
	}
	unhindered(t, g.kit, pod)
	debug := client.RawPatch(types.StrategicMergePatchType, []byte(`{"spec":{"ephemeralContainers":[{"name":"debug","image":"redis:7","targetContainerName":"c"}]}}`))
	if err := g.client.SubResource("ephemeralcontainers").Patch(t.Context(), fresh(pod), debug); err != nil {
		t.Error("debugging an instance:", err)
	}
	for _, label := range []string{v1alpha1.LabelRevision, v1alpha1.LabelRole, v1alpha1.LabelTemplate} {
		if err := g.manager(t).Patch(t.Context(), fresh(pod), labelled(label, `"x"`)); err != nil {
			t.Error("labelling as the manager:", err)
		}
	}
	if err := g.allowDisruption(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
	if err := g.client.Patch(t.Context(), fresh(pod), labelled(v1alpha1.LabelRevision, `"y"`)); err != nil {
		t.Error("labelling what allows it:", err)
	}
	denied(t, holdsSlot, v1alpha1.LabelOrdinal, "changing it on one that allows disruption,", g.client.Patch(t.Context(), fresh(pod), labelled(v1alpha1.LabelOrdinal, `"2"`)))
}

// evictions: the API server deletes by itself for who evicts, and asks no admission policy. This is why a set has a budget.
func (g *guarded) evictions(t *testing.T) {
	pod := g.pod(t, "")
	eviction := &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Namespace: g.ns, Name: pod.Name}}
	if err := g.client.SubResource("eviction").Create(t.Context(), fresh(pod), eviction); err != nil {
		t.Errorf("an admission policy sees evictions after all, and the guard could judge them: %v", err)
	}
	g.gone(t, 10*time.Second, pod)
}

// testBudget: a set's own budget has the API server refuse to evict what runs, and a drain waits; until somebody says that it may.
func testBudget(t *testing.T, k kit) {
	ns := k.namespace(t, "budget")
	k.create(t, set(ns, "g", 3, shards(3), limits(1, 3), volumes)) // local ones: who has one does not leave its node
	k.eventually(t, time.Minute, "the set", k.ready(ns, "g"))
	budget := &policyv1.PodDisruptionBudget{}
	k.eventually(t, 30*time.Second, "the budget to count three", func(ctx context.Context) error {
		if err := k.get(ctx, ns, "g", budget); err != nil {
			return err
		}
		if s := budget.Status; s.ExpectedPods != 3 || s.CurrentHealthy != 3 || s.DisruptionsAllowed != 0 {
			return fmt.Errorf("%+v", s)
		}
		return nil
	})
	pod := &corev1.Pod{}
	if err := k.get(t.Context(), ns, "g-0", pod); err != nil {
		t.Fatal(err)
	}
	evict := func(ctx context.Context) error {
		return k.client.SubResource("eviction").Create(ctx, fresh(pod), &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: pod.Name}})
	}
	if err := evict(t.Context()); !apierrors.IsTooManyRequests(err) || !strings.Contains(err.Error(), "disruption budget") {
		t.Errorf("evicting an instance: %v", err)
	}
	// A drain waits, and one that does not ask for evictions meets the guard.
	drain := []string{"drain", pod.Spec.NodeName, "--ignore-daemonsets", "--delete-emptydir-data", "--pod-selector=" + v1alpha1.LabelInstanceSet + "=g"}
	t.Cleanup(func() {
		_ = exec.Command(kubectlBinary, "--kubeconfig="+k.Kubeconfig(), "uncordon", pod.Spec.NodeName).Run()
	})
	if out, err := k.kubectl(t, append(drain, "--timeout=8s")...); err == nil || !strings.Contains(out, "disruption budget") {
		t.Errorf("a drain did not wait: %s %v", out, err)
	}
	if out, err := k.kubectl(t, append(drain, "--timeout=8s", "--disable-eviction")...); err == nil || !strings.Contains(out, deletesIt) {
		t.Errorf("a drain that deletes is not refused: %s %v", out, err)
	}
	now := &corev1.Pod{}
	if err := k.get(t.Context(), ns, "g-0", now); err != nil || now.UID != pod.UID || now.DeletionTimestamp != nil {
		t.Errorf("the instance was disturbed: %v", err)
	}
	if err := k.client.Patch(t.Context(), fresh(budget), client.RawPatch(types.MergePatchType, []byte(`{"spec":{"maxUnavailable":1}}`))); err != nil {
		t.Fatal(err)
	}
	k.eventually(t, 30*time.Second, "the budget to be put back", func(ctx context.Context) error {
		if err := k.get(ctx, ns, "g", budget); err != nil || budget.Spec.MaxUnavailable.IntValue() != 0 {
			return errors.Join(err, fmt.Errorf("it says %v", budget.Spec.MaxUnavailable))
		}
		return nil
	})
	allow := fmt.Appendf(nil, `{"spec":{"template":{"metadata":{"annotations":{%q:%q}}}}}`, v1alpha1.AnnotationAllowDisruption, v1alpha1.AllowDisruption)
	if err := k.client.Patch(t.Context(), set(ns, "g", 3), client.RawPatch(types.MergePatchType, allow)); err != nil {
		t.Fatal(err)
	}
	k.eventually(t, 30*time.Second, "the budget to go", func(ctx context.Context) error {
		if err := k.get(ctx, ns, "g", budget); !apierrors.IsNotFound(err) {
			return errors.Join(err, errors.New("it is there"))
		}
		return nil
	})
	if err := evict(t.Context()); err != nil {
		t.Errorf("evicting an instance that may be: %v", err)
	}
}

// testDrain: who can be elsewhere leaves a node that is cordoned. One drain waits until it may evict, and ends.
func testDrain(t *testing.T, k kit) {
	ns := k.namespace(t, "drain")
	k.create(t, set(ns, "d", 3, shards(3), limits(1, 3)))
	k.eventually(t, time.Minute, "the set", k.ready(ns, "d"))
	before, err := k.pods(t.Context(), ns, "d")
	if err != nil {
		t.Fatal(err)
	}
	node := before[0].Spec.NodeName
	t.Cleanup(func() {
		_ = exec.Command(kubectlBinary, "--kubeconfig="+k.Kubeconfig(), "uncordon", node).Run()
	})
	out, err := k.kubectl(t, "drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--pod-selector="+v1alpha1.LabelInstanceSet+"=d", "--timeout=90s")
	if err != nil || !strings.Contains(out, before[0].Name+" evicted") {
		t.Errorf("the drain did not evict and end: %s %v", out, err)
	}
	k.eventually(t, time.Minute, "the set elsewhere", func(ctx context.Context) error {
		pods, err := k.pods(ctx, ns, "d")
		for i := range pods {
			p := &pods[i]
			was := slices.IndexFunc(before, func(b corev1.Pod) bool { return b.UID == p.UID })
			switch _, mayLeave := p.Labels[v1alpha1.LabelMayLeave]; {
			case p.Spec.NodeName == node, mayLeave:
				err = errors.Join(err, fmt.Errorf("%s is on %s, may leave: %v", p.Name, p.Spec.NodeName, mayLeave))
			case was < 0 && p.Name != before[0].Name:
				t.Errorf("%s was made anew", p.Name)
			}
		}
		return errors.Join(err, k.ready(ns, "d")(ctx))
	})
}

func (g *guarded) kubelets(t *testing.T) {
	node := g.node(t, "guard-kubelet")
	kubelet := g.as(t, "system:node:"+node.Name, "system:nodes", "system:authenticated")
	pod := g.pod(t, node.Name)
	status := client.RawPatch(types.StrategicMergePatchType, []byte(`{"status":{"phase":"Failed","reason":"Evicted"}}`))
	if err := kubelet.Status().Patch(t.Context(), fresh(pod), status); err != nil {
		t.Error("writing the status:", err)
	}
	if err := kubelet.Delete(t.Context(), pod, client.GracePeriodSeconds(0)); err != nil {
		t.Error("deleting:", err)
	}
}

// oneIdentity: without --use-service-account-credentials.
func (g *guarded) oneIdentity(t *testing.T) {
	if err := g.as(t, "system:kube-controller-manager", "system:masters").Delete(t.Context(), g.pod(t, "")); err != nil {
		t.Error(err)
	}
}

func (g *guarded) others(t *testing.T) {
	pod := g.pod(t, "")
	for _, user := range []string{"system:serviceaccount:kube-system:descheduler", "system:serviceaccount:kube-system:statefulset-controller", "system:kube-scheduler"} {
		refusal(t, user, deletesIt, g.as(t, user, "system:masters", "system:serviceaccounts:kube-system").Delete(t.Context(), pod))
	}
}

// preemption: a pod of a higher priority takes the room of an instance, by the real scheduler.
func (g *guarded) preemption(t *testing.T) {
	var nodes corev1.NodeList
	if err := g.client.List(t.Context(), &nodes); err != nil {
		t.Fatal(err)
	}
	var node *corev1.Node
	for i := range nodes.Items {
		if n := &nodes.Items[i]; len(n.Spec.Taints) == 0 && (node == nil || n.Status.Allocatable.Cpu().Cmp(*node.Status.Allocatable.Cpu()) < 0) {
			node = n
		}
	}
	almost := node.Status.Allocatable.Cpu().DeepCopy()
	almost.Sub(resource.MustParse("100m"))
	on := func(p *corev1.Pod) {
		p.Spec.SchedulerName, p.Spec.NodeName = v1alpha1.SchedulerName, ""
		p.Spec.NodeSelector = map[string]string{corev1.LabelHostname: node.Labels[corev1.LabelHostname]}
		p.Spec.Containers[0].Resources.Requests = corev1.ResourceList{corev1.ResourceCPU: almost}
	}
	victim := g.pod(t, "", on)
	g.eventually(t, time.Minute, "the instance to have its node", g.placed(g.ns, victim.Name))
	strong := podWith(g.ns, "strong", "")
	strong.Spec.Containers = []corev1.Container{{Name: "c", Image: "redis:7"}}
	on(strong)
	strong.Spec.PriorityClassName = "system-cluster-critical"
	g.create(t, strong)
	g.gone(t, time.Minute, victim)
	g.eventually(t, time.Minute, "the strong pod to have its node", g.placed(g.ns, strong.Name))
	if err := g.client.Delete(t.Context(), strong, client.GracePeriodSeconds(0)); err != nil {
		t.Error(err)
	}
}

func (g *guarded) taints(t *testing.T) {
	node := g.node(t, "guard-tainted")
	pod := g.pod(t, node.Name)
	if err := g.get(t.Context(), "", node.Name, node); err != nil {
		t.Fatal(err)
	}
	node.Spec.Taints = append(node.Spec.Taints, corev1.Taint{Key: "guard", Effect: corev1.TaintEffectNoExecute})
	if err := g.client.Update(t.Context(), node); err != nil {
		t.Fatal(err)
	}
	g.gone(t, time.Minute, pod)
}

func (g *guarded) owners(t *testing.T) {
	owner := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: g.ns, Name: "owner"}}
	g.create(t, owner)
	pod := g.pod(t, "", func(p *corev1.Pod) {
		p.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: owner.Name, UID: owner.UID, Controller: ptr.To(true)}}
	})
	if err := g.client.Delete(t.Context(), owner); err != nil {
		t.Fatal(err)
	}
	g.gone(t, time.Minute, pod)
}

// goneNodes: the pods of a Node that was deleted are collected, after 40 s in which it might have come back.
func (g *guarded) goneNodes(t *testing.T) {
	node := g.node(t, "guard-gone")
	pod := g.pod(t, node.Name)
	if err := g.client.Delete(t.Context(), node); err != nil {
		t.Fatal(err)
	}
	g.gone(t, 3*time.Minute, pod)
}

// namespaces: nothing holds up one that is deleted, and in it everybody may delete.
func (g *guarded) namespaces(t *testing.T) {
	ns := g.namespace(t, "guard-going")
	node := g.node(t, "guard-namespace")
	held := g.instance(t, ns, "g-held", node.Name, func(p *corev1.Pod) { p.Finalizers = []string{"example.com/hold"} })
	other := g.instance(t, ns, "g-other", "")
	refusal(t, "before", deletesIt, g.client.Delete(t.Context(), other))
	if err := g.client.Delete(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}}); err != nil {
		t.Fatal(err)
	}
	g.gone(t, time.Minute, other)
	g.gone(t, time.Minute, held)
	if err := g.client.Patch(t.Context(), held, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))); err != nil {
		t.Fatal(err)
	}
	if err := g.client.Delete(t.Context(), held, client.GracePeriodSeconds(0)); client.IgnoreNotFound(err) != nil {
		t.Fatal(err)
	}
	g.eventually(t, 2*time.Minute, "the namespace to go", func(ctx context.Context) error {
		err := g.get(ctx, "", ns, &corev1.Namespace{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return errors.Join(err, errors.New("it is there"))
	})
}
