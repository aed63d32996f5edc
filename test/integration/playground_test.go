//go:build integration

package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/shoal-dev/shoal/playground"
)

func TestPlayground(t *testing.T) {
	c := up(t, playground.Options{Nodes: []playground.Shape{{Count: 5}}, KubeScheduler: true})
	w := &world{cluster: c, client: newClient(t, c)}
	passed := t.Run("nodes", func(t *testing.T) {
		t.Run("a claim gets a volume on the node where its pod lands", func(t *testing.T) { t.Parallel(); w.testVolume(t, "node-000") })
		t.Run("unreachable", func(t *testing.T) { t.Parallel(); w.testUnreachable(t, "node-001") })
		t.Run("out of service", func(t *testing.T) { t.Parallel(); w.testOutOfService(t, "node-002") })
		t.Run("deleted", func(t *testing.T) { t.Parallel(); w.testDeleted(t, "node-003") })
		t.Run("components have their own identities", func(t *testing.T) { t.Parallel(); w.testIdentities(t) })
	})
	if passed { // or the logs would be gone before they are told
		t.Run("down leaves nothing behind", w.testDown)
	}
}

// world is a cluster under test. Each test has a node of its own.
type world struct {
	cluster *playground.Cluster
	client  kubernetes.Interface
}

func (w *world) testVolume(t *testing.T, node string) {
	w.createPod(t, "volume", node, true)
	w.waitReady(t, "volume", 30*time.Second)
	claim, err := w.client.CoreV1().PersistentVolumeClaims("default").Get(t.Context(), "volume", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	volume, err := w.client.CoreV1().PersistentVolumes().Get(t.Context(), claim.Spec.VolumeName, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	terms := volume.Spec.NodeAffinity.Required.NodeSelectorTerms
	if volume.Spec.Local == nil || len(terms) != 1 || terms[0].MatchExpressions[0].Key != corev1.LabelHostname || terms[0].MatchExpressions[0].Values[0] != node {
		t.Errorf("the volume is not local to %s: %+v", node, volume.Spec)
	}
	w.deletePod(t, "volume")
	if err := w.client.CoreV1().PersistentVolumeClaims("default").Delete(t.Context(), "volume", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, 30*time.Second, "removing the volume of a deleted claim", func() error {
		_, err := w.client.CoreV1().PersistentVolumes().Get(t.Context(), volume.Name, metav1.GetOptions{})
		return wantGone(err)
	})
}

func (w *world) testUnreachable(t *testing.T, node string) {
	w.createPod(t, "stays", node, false)
	w.createPod(t, "returns", node, false)
	w.waitReady(t, "stays", 30*time.Second)
	w.waitReady(t, "returns", 30*time.Second)
	w.fail(t, node, playground.Unreachable)
	w.deletePod(t, "stays") // at once: kwok must have let go already
	eventually(t, 30*time.Second, "the taint of an unreachable node", func() error {
		return w.wantTaint(t, node, corev1.TaintNodeUnreachable)
	})
	eventually(t, 10*time.Second, "the pod that is not ready any more", func() error {
		return w.wantPod(t, "returns", func(pod *corev1.Pod) bool { return !isReady(pod) })
	})
	always(t, 8*time.Second, "a pod that is deleted on an unreachable node", func() error { return w.wantTerminating(t, "stays") })
	w.recover(t, node)
	eventually(t, 10*time.Second, "the end of the deleted pod", func() error { return w.wantNoPod(t, "stays") })
	w.waitReady(t, "returns", 10*time.Second)
}

func (w *world) testOutOfService(t *testing.T, node string) {
	w.createPod(t, "evicted", node, true)
	w.waitReady(t, "evicted", 30*time.Second)
	w.fail(t, node, playground.OutOfService)
	if err := w.wantTaint(t, node, corev1.TaintNodeOutOfService); err != nil {
		t.Error(err)
	}
	// The pod garbage collector looks every 20 s.
	eventually(t, 45*time.Second, "the end of the pod on a node that is out of service", func() error { return w.wantNoPod(t, "evicted") })
	w.recover(t, node)
	if w.wantTaint(t, node, corev1.TaintNodeOutOfService) == nil {
		t.Error("the taint is still there")
	}
}

func (w *world) testDeleted(t *testing.T, node string) {
	w.createPod(t, "orphan", node, false)
	w.waitReady(t, "orphan", 30*time.Second)
	before, err := w.client.CoreV1().Nodes().Get(t.Context(), node, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	w.fail(t, node, playground.Deleted)
	if _, err := w.client.CoreV1().Nodes().Get(t.Context(), node, metav1.GetOptions{}); wantGone(err) != nil {
		t.Fatalf("the node is still there: %v", err)
	}
	w.deletePod(t, "orphan")
	// The pod garbage collector removes orphans after 40 s.
	always(t, 5*time.Second, "a pod that is deleted on a deleted node", func() error { return w.wantTerminating(t, "orphan") })
	if err := w.cluster.FailNode(t.Context(), node, playground.Deleted); err == nil || !strings.Contains(err.Error(), "deleted already") {
		t.Errorf("failing it again: %v", err)
	}
	w.recover(t, node)
	after, err := w.client.CoreV1().Nodes().Get(t.Context(), node, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if after.UID == before.UID || after.Labels[corev1.LabelTopologyZone] != before.Labels[corev1.LabelTopologyZone] || !after.Status.Capacity.Cpu().Equal(*before.Status.Capacity.Cpu()) {
		t.Errorf("it came back as %s %v %v, it was %s %v %v", after.UID, after.Labels, after.Status.Capacity, before.UID, before.Labels, before.Status.Capacity)
	}
	eventually(t, 10*time.Second, "the end of the deleted pod", func() error { return w.wantNoPod(t, "orphan") })
}

// Nobody but the administrator and kwok, which plays all kubelets, is an administrator.
func (w *world) testIdentities(t *testing.T) {
	config, err := clientcmd.BuildConfigFromFlags("", w.cluster.KubeconfigFor("provisioner"))
	if err != nil {
		t.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.CoreV1().PersistentVolumes().List(t.Context(), metav1.ListOptions{}); err != nil {
		t.Errorf("the provisioner may not list volumes: %v", err)
	}
	if _, err := client.CoreV1().Secrets("default").List(t.Context(), metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("the provisioner lists secrets: %v", err)
	}
	info, err := os.Stat(w.cluster.Kubeconfig())
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the kubeconfig has mode %v, %v", info.Mode(), err)
	}
}

func (w *world) testDown(t *testing.T) {
	components, err := w.cluster.Components()
	if err != nil || len(components) != 6 {
		t.Fatalf("%d components, %v", len(components), err)
	}
	for _, component := range components {
		if !component.Running() || component.Exit != nil {
			t.Errorf("%s did not run to the end: %+v", component.Name, component.Exit)
		}
	}
	dir := filepath.Dir(w.cluster.Kubeconfig())
	if err := w.cluster.Down(context.Background()); err != nil {
		t.Fatal(err)
	}
	wantNothingLeft(t, dir)
}

func TestPlaygroundSaysWhyItDoesNotComeUp(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cluster")
	started := time.Now()
	_, err := playground.Up(t.Context(), playground.Options{Dir: dir, Args: map[string][]string{"kube-apiserver": {"--no-such-flag"}}})
	if err == nil || !strings.Contains(err.Error(), "kube-apiserver ended") || !strings.Contains(err.Error(), "unknown flag: --no-such-flag") {
		t.Errorf("got %v, want the component and the end of its log", err)
	}
	if took := time.Since(started); took > 15*time.Second {
		t.Errorf("it took %s to say so", took)
	}
	if _, err := os.Stat(filepath.Join(dir, "logs", "kube-apiserver.log")); err != nil {
		t.Errorf("the log is gone: %v", err)
	}
	wantNoProcess(t, dir)
}

// The command leaves a supervisor behind. Killed, it takes everything with it.
func TestPlaygroundCommand(t *testing.T) {
	root, err := playground.FindRoot()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "cluster")
	run := func(args ...string) (string, error) {
		var out bytes.Buffer
		command := exec.CommandContext(t.Context(), filepath.Join(root, "bin", "playground"), append(args, "--dir", dir)...)
		command.Dir, command.Stdout, command.Stderr = root, &out, &out
		err := command.Run()
		return out.String(), err
	}
	t.Cleanup(func() { _ = playground.Remove(context.Background(), dir, false) })
	for _, args := range [][]string{{"status"}, {"node", "fail", "node-000"}, {"up", "--nodes=-1", "--zones=0", "--no-shoal"}, {"up", "--no-such-flag"}} {
		if out, err := run(args...); err == nil || strings.Count(out, "\n") != 1 {
			t.Errorf("%v: %v, want one line of error: %s", args, err, out)
		}
	}
	if out, err := run("up", "--no-shoal", "--nodes=1"); err != nil {
		t.Fatal(err, out)
	}
	if out, err := run("up", "--no-shoal"); err == nil || !strings.Contains(out, "in use") {
		t.Errorf("up twice: %v %s", err, out)
	}
	if out, err := run("status"); err != nil || !strings.Contains(out, "Nodes: 1 of 1 ready") {
		t.Errorf("status: %v %s", err, out)
	}
	if out, err := run("node", "fail", "nobody"); err == nil || !strings.Contains(out, `unknown node "nobody"`) {
		t.Errorf("failing a node that is not there: %v %s", err, out)
	}
	state := readState(t, dir)
	for _, component := range state.Components {
		if component.Name == "kube-scheduler" {
			kill(t, component.Process.PID)
		}
	}
	eventually(t, 10*time.Second, "a crash in the status", func() error {
		out, err := run("status")
		if err == nil || !strings.Contains(out, "kube-scheduler ended") || !strings.Contains(out, "signal: killed") {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	})
	kill(t, state.Supervisor.PID)
	eventually(t, 10*time.Second, "the end of all components after their supervisor's", func() error {
		if left := processesOf(t, dir); len(left) > 0 {
			return fmt.Errorf("left are %v", left)
		}
		return nil
	})
	if out, err := run("status"); err == nil || !strings.Contains(out, "the supervisor is gone") {
		t.Errorf("status without a supervisor: %v %s", err, out)
	}
	for range 2 { // a second time is fine
		if out, err := run("down"); err != nil {
			t.Errorf("down: %v %s", err, out)
		}
	}
	wantNothingLeft(t, dir)
}

func readState(t *testing.T, dir string) playground.State {
	t.Helper()
	var state playground.State
	text, err := os.ReadFile(filepath.Join(dir, "state.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &state); err != nil {
		t.Fatal(err)
	}
	return state
}

func kill(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

func wantNothingLeft(t *testing.T, dir string) {
	t.Helper()
	wantNoProcess(t, dir)
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the directory is still there: %v", err)
	}
}

func wantNoProcess(t *testing.T, dir string) {
	t.Helper()
	if left := processesOf(t, dir); len(left) > 0 {
		t.Errorf("processes are left: %v", left)
	}
}

// processesOf are the command lines of all processes that name the directory.
func processesOf(t *testing.T, dir string) []string {
	t.Helper()
	paths, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil || len(paths) == 0 {
		t.Fatalf("reading /proc: %d processes, %v", len(paths), err)
	}
	var found []string
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err == nil && bytes.Contains(text, []byte(dir)) {
			found = append(found, string(bytes.ReplaceAll(text, []byte{0}, []byte{' '})))
		}
	}
	return found
}

func (w *world) createPod(t *testing.T, name, node string, volume bool) {
	t.Helper()
	second := int64(1)
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PodSpec{
			NodeSelector:                  map[string]string{corev1.LabelHostname: node},
			TerminationGracePeriodSeconds: &second,
			Containers:                    []corev1.Container{{Name: "nothing", Image: "nothing"}},
		},
	}
	if volume {
		w.createClaim(t, name)
		pod.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: name},
		}}}
	}
	if _, err := w.client.CoreV1().Pods("default").Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

func (w *world) createClaim(t *testing.T, name string) {
	t.Helper()
	class := playground.StorageClass
	claim := &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PersistentVolumeClaimSpec{
			StorageClassName: &class,
			AccessModes:      []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:        corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
		},
	}
	if _, err := w.client.CoreV1().PersistentVolumeClaims("default").Create(t.Context(), claim, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

func (w *world) deletePod(t *testing.T, name string) {
	t.Helper()
	if err := w.client.CoreV1().Pods("default").Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
}

func (w *world) fail(t *testing.T, node string, fault playground.Fault) {
	t.Helper()
	if err := w.cluster.FailNode(t.Context(), node, fault); err != nil {
		t.Fatal(err)
	}
}

func (w *world) recover(t *testing.T, node string) {
	t.Helper()
	if err := w.cluster.RecoverNode(t.Context(), node); err != nil {
		t.Fatal(err)
	}
}

func (w *world) waitReady(t *testing.T, pod string, within time.Duration) {
	t.Helper()
	eventually(t, within, "pod "+pod+" to be ready", func() error { return w.wantPod(t, pod, isReady) })
}

func (w *world) wantPod(t *testing.T, name string, holds func(*corev1.Pod) bool) error {
	pod, err := w.client.CoreV1().Pods("default").Get(t.Context(), name, metav1.GetOptions{})
	if err == nil && !holds(pod) {
		err = fmt.Errorf("pod %s is deleted at %v, %s, %+v", name, pod.DeletionTimestamp, pod.Status.Phase, pod.Status.Conditions)
	}
	return err
}

func (w *world) wantTerminating(t *testing.T, name string) error {
	return w.wantPod(t, name, func(pod *corev1.Pod) bool { return pod.DeletionTimestamp != nil })
}

func (w *world) wantNoPod(t *testing.T, name string) error {
	_, err := w.client.CoreV1().Pods("default").Get(t.Context(), name, metav1.GetOptions{})
	return wantGone(err)
}

func (w *world) wantTaint(t *testing.T, name, key string) error {
	node, err := w.client.CoreV1().Nodes().Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(node.Spec.Taints, func(taint corev1.Taint) bool { return taint.Key == key && taint.Effect == corev1.TaintEffectNoExecute }) {
		return fmt.Errorf("node %s has the taints %v, not %s", name, node.Spec.Taints, key)
	}
	return nil
}

func wantGone(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return fmt.Errorf("it is still there: %w", err)
}

func isReady(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}
