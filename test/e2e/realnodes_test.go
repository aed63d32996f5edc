//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/shoal-dev/shoal/playground"
	"github.com/shoal-dev/shoal/playground/realnode"
)

func TestRealNodes(t *testing.T) {
	before := machine(t)
	w := up(t, playground.Options{RealNodes: 2, Nodes: []playground.Shape{{Count: 5}}})
	archive := packTestImage(t)
	if err := w.cluster.LoadImages(t.Context(), func() (io.ReadCloser, error) { return os.Open(archive) }); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"pods run, and only on real nodes", w.testPods},
		{"names and Services are reached from pods", w.testNetwork},
		{"there is no way out", w.testNoWayOut},
		{"kubelets may write no other node", w.testNodeRestriction},
		{"unreachable", w.testUnreachable},
		{"kubelet-stop", w.testKubeletStop},
		{"power-off keeps the data", w.testPowerOff},
		{"disk", w.testDisk},
		{"a deleted claim's data is removed, when its node is on", w.testRemoval},
		{"out-of-service", w.testOutOfService},
		{"deleted", w.testDeleted},
		{"simulated nodes have no machine to break", w.testSimulated},
	} {
		if !t.Run(test.name, test.run) {
			return // the next ones build on it, and the logs are told before all is gone
		}
	}
	w.createPod(t, "last", "real-1", true) // down is easy when nothing runs
	w.waitReady(t, "last", 30*time.Second)
	all := residueOf(t, before, filepath.Dir(w.cluster.Kubeconfig()))
	if err := w.cluster.Down(context.Background()); err != nil {
		t.Fatal(err)
	}
	eventually(t, 5*time.Second, "the machine as it was", func() error { return all.left(t) })
}

// Whoever kills the supervisor leaves it no time to clean up.
func TestRealNodesEndWithTheirSupervisor(t *testing.T) {
	bin := filepath.Join(repository(t), "bin")
	// Always the same directory: of a run that was killed here the cluster goes on, and the next run ends it.
	dir, program := filepath.Join(bin, "e2e-cluster"), filepath.Join(bin, "playground")
	if err := playground.Remove(t.Context(), dir, false); err != nil {
		t.Fatal(err)
	}
	before := machine(t)
	run := func(args ...string) []byte {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), program, append([]string{"--dir", dir}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("playground %v: %v: %s", args, err, out)
		}
		return out
	}
	// A test that fails before it kills the supervisor would leave a cluster behind.
	t.Cleanup(func() {
		if err := playground.Remove(context.Background(), dir, false); err != nil {
			t.Error(err)
		}
	})
	run("up", "--no-shoal", "--nodes", "1", "--real-nodes", "1")
	var report playground.Report
	if err := json.Unmarshal(run("status", "-o", "json"), &report); err != nil {
		t.Fatal(err)
	}
	all := residueOf(t, before, dir)
	if err := report.Supervisor.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, 5*time.Second, "the machine as it was", func() error { return all.left(t) })
	run("down")
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the directory is still there: %v", err)
	}
}

func (w *world) testPods(t *testing.T) {
	w.createPod(t, "web", "real-0", true)
	w.createPod(t, "client", "real-1", false)
	w.createPod(t, "free", "", false)
	for _, name := range []string{"web", "client", "free"} {
		w.waitReady(t, name, 30*time.Second)
	}
	pod := w.pod(t, "free")
	if !strings.HasPrefix(pod.Spec.NodeName, "real-") {
		t.Errorf("a pod that tolerates nothing landed on %s", pod.Spec.NodeName)
	}
	w.mustPrint(t, "web", "cat /etc/hostname; echo kept >/data/x; cat /data/x", "web\nkept")
	if out, err := w.ctl(t.Context(), "logs", "web"); err != nil || strings.Contains(out, "error") {
		t.Errorf("logs: %q, %v", out, err)
	}
}

func (w *world) testNetwork(t *testing.T) {
	service, err := w.client.CoreV1().Services("default").Create(t.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: corev1.ServiceSpec{
			Selector: map[string]string{"name": "web"},
			Ports:    []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt32(8080)}},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{"client", "web"} { // from another node, and by way of the Service from itself
		eventually(t, 10*time.Second, "the Service from "+from, func() error {
			script := fmt.Sprintf("printf 'GET /hostname HTTP/1.0\\r\\n\\r\\n' | busybox nc -w 3 %s 80", service.Spec.ClusterIP)
			out, err := w.run(t.Context(), from, script)
			if err == nil && !strings.Contains(out, "\nweb") {
				err = fmt.Errorf("it answers %q", out)
			}
			return err
		})
	}
	w.mustPrint(t, "client", "busybox nslookup web.default.svc.cluster.local", service.Spec.ClusterIP)
	w.mustPrint(t, "client", "busybox nslookup kubernetes.default.svc.cluster.local", "10.96.0.1")
	// The API server answers what is no TLS with a line of plain HTTP.
	w.mustPrint(t, "client", "printf 'GET / HTTP/1.0\\r\\n\\r\\n' | busybox nc -w 3 10.96.0.1 443", "HTTPS server")
}

func (w *world) testNoWayOut(t *testing.T) {
	out, err := w.run(t.Context(), "client", "busybox nc -w 3 192.0.2.1 80 </dev/null")
	if err == nil || !strings.Contains(out, "unreachable") && !strings.Contains(out, "timed out") {
		t.Errorf("an address outside of the cluster: %q, %v", out, err)
	}
	if out, err := w.run(t.Context(), "client", "busybox nslookup example.com"); err == nil {
		t.Errorf("a name outside of the cluster: %q", out)
	}
	for _, node := range []string{"real-0", "real-1"} {
		identity, err := w.cluster.NodeProcess(node)
		if err != nil {
			t.Fatal(err)
		}
		routes, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/route", identity.PID))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(routes)) {
			if fields := strings.Fields(line); fields[1] == "00000000" {
				t.Errorf("%s has a default route: %s", node, line)
			}
		}
	}
}

func (w *world) testNodeRestriction(t *testing.T) {
	// With the kubelet's own certificate. Its kubeconfig names the address on the bridge, which is not reached from here.
	own := filepath.Join(filepath.Dir(w.cluster.Kubeconfig()), "nodes", "real-0", realnode.KubeletAccess)
	server := "--server=" + w.cluster.Config().Host
	label := func(node string) (string, error) {
		return w.ctl(t.Context(), "--kubeconfig="+own, server, "label", "node", node, "tried=yes")
	}
	if _, err := label("real-0"); err != nil {
		t.Errorf("its own node: %v", err)
	}
	if out, err := label("real-1"); err == nil || !strings.Contains(out, "is forbidden") {
		t.Errorf("another node: %q, %v", out, err)
	}
}

func (w *world) testUnreachable(t *testing.T) {
	w.fail(t, "real-0", playground.Unreachable)
	w.waitNotReady(t, "real-0")
	if _, err := w.ctlWithin(t.Context(), 5*time.Second, "exec", "web", "--", "true"); err == nil {
		t.Error("a pod on an unreachable node was reached")
	}
	w.recover(t, "real-0")
	w.waitReady(t, "web", 15*time.Second)
	w.wantRestarts(t, "web", 0)
}

func (w *world) testKubeletStop(t *testing.T) {
	w.fail(t, "real-0", playground.KubeletStop)
	w.waitNotReady(t, "real-0")
	address := w.pod(t, "web").Status.PodIP
	w.mustPrint(t, "client", fmt.Sprintf("printf 'GET /hostname HTTP/1.0\\r\\n\\r\\n' | busybox nc -w 3 %s 8080", address), "web")
	w.recover(t, "real-0")
	w.waitReady(t, "web", 15*time.Second)
	w.wantRestarts(t, "web", 0)
}

func (w *world) testPowerOff(t *testing.T) {
	w.fail(t, "real-0", playground.PowerOff)
	if found := processesOf(filepath.Join(filepath.Dir(w.cluster.Kubeconfig()), "nodes", "real-0") + "/"); len(found) > 0 {
		t.Errorf("on a node that is off there run %v", found)
	}
	w.waitNotReady(t, "real-0")
	w.recover(t, "real-0")
	eventually(t, 20*time.Second, "the container that is started again", func() error { return w.restarted("web", 1) })
	w.waitReady(t, "web", 15*time.Second)
	w.mustPrint(t, "web", "cat /data/x", "kept")
}

func (w *world) testDisk(t *testing.T) {
	w.fail(t, "real-0", playground.Disk)
	for _, script := range []string{"cat /data/x", "echo y >/data/y"} {
		if out, err := w.run(t.Context(), "web", script); err == nil || !strings.Contains(out, "Input/output error") {
			t.Errorf("%q on a failed disk: %q, %v", script, out, err)
		}
	}
	w.recover(t, "real-0")
	eventually(t, 20*time.Second, "the container that is started again", func() error { return w.restarted("web", 2) })
	w.waitReady(t, "web", 15*time.Second)
	w.mustPrint(t, "web", "cat /data/x && echo y >/data/y && cat /data/y", "kept\ny")
}

func (w *world) testRemoval(t *testing.T) {
	claims := w.client.CoreV1().PersistentVolumeClaims("default")
	claim, err := claims.Get(t.Context(), "web", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	volume, err := w.client.CoreV1().PersistentVolumes().Get(t.Context(), claim.Spec.VolumeName, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(w.root(t, "real-0"), volume.Spec.Local.Path, "x")
	if _, err := os.Stat(data); err != nil {
		t.Fatalf("the data is not where this test looks: %v", err)
	}
	w.deletePod(t, "web")
	eventually(t, 20*time.Second, "the end of the pod", func() error { return w.gone("web") })
	w.fail(t, "real-0", playground.PowerOff)
	if err := claims.Delete(t.Context(), "web", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	w.waitNotReady(t, "real-0")
	if _, err := w.client.CoreV1().PersistentVolumes().Get(t.Context(), volume.Name, metav1.GetOptions{}); err != nil {
		t.Errorf("the volume on a node that is off: %v", err)
	}
	w.recover(t, "real-0")
	eventually(t, 30*time.Second, "the removal of the volume", func() error {
		_, err := w.client.CoreV1().PersistentVolumes().Get(t.Context(), volume.Name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return errors.Join(errors.New("it is there"), err)
	})
	if _, err := os.Stat(filepath.Dir(filepath.Join(w.root(t, "real-0"), volume.Spec.Local.Path, "x"))); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the data is still there: %v", err)
	}
}

// root is the node's view of the file system.
func (w *world) root(t *testing.T, node string) string {
	t.Helper()
	identity, err := w.cluster.NodeProcess(node)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("/proc/%d/root", identity.PID)
}

func (w *world) testOutOfService(t *testing.T) {
	w.createPod(t, "evicted", "real-1", false)
	w.waitReady(t, "evicted", 20*time.Second)
	w.fail(t, "real-1", playground.OutOfService)
	// The pod garbage collector looks every 20 s.
	eventually(t, 45*time.Second, "the end of the pod on a node that is out of service", func() error { return w.gone("evicted") })
	w.recover(t, "real-1")
	for _, taint := range w.node(t, "real-1").Spec.Taints {
		if taint.Key == corev1.TaintNodeOutOfService {
			t.Error("the taint is still there")
		}
	}
}

func (w *world) testDeleted(t *testing.T) {
	before := w.node(t, "real-1")
	w.fail(t, "real-1", playground.Deleted)
	if _, err := w.client.CoreV1().Nodes().Get(t.Context(), "real-1", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("the node is still there: %v", err)
	}
	w.recover(t, "real-1")
	after := w.node(t, "real-1")
	if after.UID == before.UID || after.Labels[playground.RealLabel] != "true" || after.Labels[corev1.LabelTopologyZone] != before.Labels[corev1.LabelTopologyZone] {
		t.Errorf("it came back as %s with %v", after.UID, after.Labels)
	}
}

func (w *world) testSimulated(t *testing.T) {
	err := w.cluster.FailNode(t.Context(), "node-000", playground.Disk)
	if err == nil || !strings.Contains(err.Error(), "is simulated") {
		t.Errorf("got %v", err)
	}
	if taints := w.node(t, "node-000").Spec.Taints; len(taints) != 1 || taints[0].Key != playground.SimulatedLabel {
		t.Errorf("taints are %v", taints)
	}
	w.fail(t, "node-000", playground.Deleted)
	w.recover(t, "node-000")
	if taints := w.node(t, "node-000").Spec.Taints; len(taints) != 1 || taints[0].Key != playground.SimulatedLabel {
		t.Errorf("after its return taints are %v", taints)
	}
}

func (w *world) createPod(t *testing.T, name, node string, volume bool) {
	t.Helper()
	grace := int64(1)
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"name": name}},
		Spec: corev1.PodSpec{
			TerminationGracePeriodSeconds: &grace,
			Tolerations:                   []corev1.Toleration{{Key: corev1.TaintNodeUnreachable, Operator: corev1.TolerationOpExists}},
			Containers:                    []corev1.Container{{Name: "main", Image: testImage, ImagePullPolicy: corev1.PullNever}},
		},
	}
	if node != "" {
		pod.Spec.NodeSelector = map[string]string{corev1.LabelHostname: node}
	}
	if volume {
		class := playground.StorageClass
		claim := &corev1.PersistentVolumeClaim{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec: corev1.PersistentVolumeClaimSpec{
				AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}, StorageClassName: &class,
				Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
			},
		}
		if _, err := w.client.CoreV1().PersistentVolumeClaims("default").Create(t.Context(), claim, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		pod.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: name},
		}}}
		pod.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "data", MountPath: "/data"}}
	}
	if _, err := w.client.CoreV1().Pods("default").Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

func (w *world) pod(t *testing.T, name string) *corev1.Pod {
	t.Helper()
	pod, err := w.client.CoreV1().Pods("default").Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return pod
}

func (w *world) node(t *testing.T, name string) *corev1.Node {
	t.Helper()
	node, err := w.client.CoreV1().Nodes().Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return node
}

func (w *world) waitReady(t *testing.T, name string, within time.Duration) {
	t.Helper()
	eventually(t, within, "the pod "+name, func() error {
		pod, err := w.client.CoreV1().Pods("default").Get(t.Context(), name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		for _, condition := range pod.Status.Conditions {
			if condition.Type == corev1.PodReady && condition.Status == corev1.ConditionTrue {
				return nil
			}
		}
		return fmt.Errorf("it is not ready: %v", pod.Status.ContainerStatuses)
	})
}

func (w *world) restarted(name string, times int32) error {
	pod, err := w.client.CoreV1().Pods("default").Get(context.Background(), name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	if statuses := pod.Status.ContainerStatuses; len(statuses) != 1 || statuses[0].RestartCount != times {
		return fmt.Errorf("container statuses are %v, want %d restarts", statuses, times)
	}
	return nil
}

func (w *world) wantRestarts(t *testing.T, name string, times int32) {
	t.Helper()
	if err := w.restarted(name, times); err != nil {
		t.Error(err)
	}
}

func (w *world) gone(name string) error {
	_, err := w.client.CoreV1().Pods("default").Get(context.Background(), name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return errors.Join(errors.New("it is there"), err)
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

func (w *world) waitNotReady(t *testing.T, node string) {
	t.Helper()
	if err := w.cluster.WaitNotReady(t.Context(), node); err != nil {
		t.Fatal(err)
	}
}

func (w *world) recover(t *testing.T, node string) {
	t.Helper()
	if err := w.cluster.RecoverNode(t.Context(), node); err != nil {
		t.Fatal(err)
	}
}
