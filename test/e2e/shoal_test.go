//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/playground"
	"github.com/shoal-dev/shoal/playground/history"
	"github.com/shoal-dev/shoal/playground/process"
)

const (
	set      = "orders"
	keys     = 200
	realOnes = 4
	slow     = 2 * time.Minute // for a machine that does other things too
)

// shoal is a cluster in which Shoal runs as a user installs it, and the example of a Redis master with two replicas.
type shoal struct {
	*world
	shoal client.Client // knows Shoal's kinds
}

// TestShoal lives through what happens to a Redis on real nodes. The steps build on each other, and the limits are
// checked over the whole of it.
func TestShoal(t *testing.T) {
	w := up(t, playground.Options{RealNodes: realOnes, Nodes: []playground.Shape{{Count: 6}}, Install: true})
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	c, err := client.New(w.cluster.Config(), client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	s := &shoal{w, c}
	recorder, err := history.Record(context.Background(), w.cluster.Config())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = recorder.Stop() })
	for _, step := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"a standby takes over from a leader that was killed", s.testTakeOver},
		{"a Redis comes up", s.testRedisUp},
		{"data survives the deletion of a pod", s.testPodDeleted},
		{"data survives the crash of a container", s.testContainerCrash},
		{"data survives a restart of the kubelet", s.testKubeletRestart},
		{"data survives a reboot of the node", s.testReboot},
		{"a replica is rebuilt when its node is out of service", s.testReplicaLost},
		{"a master is rebuilt only when another has taken its place", s.testMasterLost},
		{"limits hold over real and simulated nodes", s.testLimits},
		{"two schedulers compete for the last CPU", s.testLastCPU},
	} {
		if !t.Run(step.name, step.run) {
			return
		}
	}
	events, err := recorder.Stop()
	if err != nil {
		t.Fatal(err)
	}
	report := history.Check(events)
	t.Logf("%d events, %d moments checked, %d violations", len(events), report.Moments, len(report.Violations))
	if report.Moments == 0 {
		t.Error("no moment was checked: the check proves nothing")
	}
	for _, v := range report.Violations {
		t.Error(v)
	}
	t.Run("nothing is left when it is uninstalled", s.testUninstall)
}

// testTakeOver kills the process of the leader, as a crash would: it has no time to give its lease back.
func (s *shoal) testTakeOver(t *testing.T) {
	for _, program := range []string{"shoal-scheduler", "shoal-manager"} {
		holder, duration := s.leader(t, program)
		killed := time.Now()
		killIn(t, strings.SplitN(holder, "_", 2)[0], program)
		var next string
		eventually(t, slow, "another leader of "+program, func() error {
			if next, _ = s.leader(t, program); next == holder || next == "" {
				return fmt.Errorf("%q leads", next)
			}
			return nil
		})
		took := time.Since(killed)
		t.Logf("%s: another leads after %s; the lease is %s", program, took.Round(100*time.Millisecond), duration)
		// The lease was renewed up to two seconds before, and is looked at every two seconds; the rest is for the machine.
		if took > duration+10*time.Second {
			t.Errorf("%s: another leads after %s, the lease is %s", program, took, duration)
		}
	}
}

func (s *shoal) leader(t *testing.T, name string) (string, time.Duration) {
	t.Helper()
	lease, err := s.client.CoordinationV1().Leases(playground.Namespace).Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	holder, seconds := "", int32(0)
	if lease.Spec.HolderIdentity != nil && lease.Spec.LeaseDurationSeconds != nil {
		holder, seconds = *lease.Spec.HolderIdentity, *lease.Spec.LeaseDurationSeconds
	}
	return holder, time.Duration(seconds) * time.Second
}

// killIn kills the program in a pod's container with SIGKILL. From outside of all namespaces the process is one like any
// other; whose it is says the host name that its container has.
func killIn(t *testing.T, pod, program string) {
	t.Helper()
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		comm, _ := os.ReadFile(filepath.Join(dir, "comm"))
		host, err := os.ReadFile(filepath.Join(dir, "root/etc/hostname"))
		if err != nil || strings.TrimSpace(string(comm)) != program || strings.TrimSpace(string(host)) != pod {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			t.Fatal(err)
		}
		identity, err := process.Identify(pid)
		if err != nil {
			t.Fatal(err)
		}
		if err := identity.Signal(9); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatalf("no process %s runs in %s", program, pod)
}

func (s *shoal) testRedisUp(t *testing.T) {
	s.apply(t, filepath.Join(repository(t), "examples", "redis"))
	s.whole(t)
	s.writeKeys(t)
	s.allKeys(t)
}

func (s *shoal) testPodDeleted(t *testing.T) {
	for _, role := range []string{"slave", "master"} {
		pod := s.withRole(t, role)
		if out, err := s.ctl(t.Context(), "delete", "pod", pod, "--wait=false"); err != nil {
			t.Fatal(out, err)
		}
		s.gone(t, pod)
		s.whole(t)
		s.allKeys(t)
	}
}

func (s *shoal) testContainerCrash(t *testing.T) {
	pod := s.withRole(t, "master")
	before := s.pod(t, pod)
	killIn(t, pod, "redis-server")
	eventually(t, slow, pod+" to be restarted", func() error {
		if now := s.pod(t, pod); restarts(now) == restarts(before) {
			return errors.New("it is not")
		}
		return nil
	})
	s.whole(t)
	if now := s.pod(t, pod); now.UID != before.UID {
		t.Error("the pod was replaced: a crash is the kubelet's to mend")
	}
	s.allKeys(t)
}

func restarts(pod *corev1.Pod) int32 {
	var n int32
	for i := range pod.Status.ContainerStatuses {
		n += pod.Status.ContainerStatuses[i].RestartCount
	}
	return n
}

func (s *shoal) testKubeletRestart(t *testing.T) {
	pod := s.pod(t, s.withRole(t, "master"))
	s.fail(t, pod.Spec.NodeName, playground.KubeletStop)
	s.waitNotReady(t, pod.Spec.NodeName)
	s.keysOf(t, s.other(t, pod.Name), pod.Status.PodIP) // containers run on
	s.recover(t, pod.Spec.NodeName)
	s.whole(t)
	if now := s.pod(t, pod.Name); now.UID != pod.UID || restarts(now) != restarts(pod) {
		t.Error("the container was restarted")
	}
	s.allKeys(t)
}

func (s *shoal) testReboot(t *testing.T) {
	pod := s.pod(t, s.withRole(t, "master"))
	s.fail(t, pod.Spec.NodeName, playground.PowerOff)
	s.waitNotReady(t, pod.Spec.NodeName)
	s.recover(t, pod.Spec.NodeName)
	s.whole(t)
	if now := s.pod(t, pod.Name); now.UID != pod.UID {
		t.Error("the pod was replaced, and its node came back")
	}
	s.allKeys(t)
}

func (s *shoal) testReplicaLost(t *testing.T) {
	lost := s.pod(t, s.withRole(t, "slave"))
	claim := s.claim(t, lost.Name)
	s.fail(t, lost.Spec.NodeName, playground.OutOfService)
	s.rebuilt(t, lost)
	s.whole(t)
	s.allKeys(t)
	if role := s.role(t, lost.Name); role != "slave" {
		t.Errorf("the rebuilt instance is %q", role)
	}
	volume, err := s.client.CoreV1().PersistentVolumes().Get(t.Context(), claim.Spec.VolumeName, metav1.GetOptions{})
	if err != nil {
		t.Fatalf("the old volume is not there: %v", err)
	}
	if volume.Spec.PersistentVolumeReclaimPolicy != corev1.PersistentVolumeReclaimRetain || volume.Annotations[v1alpha1.AnnotationRetainedFor] == "" {
		t.Errorf("the old volume is not kept: %s, %v", volume.Spec.PersistentVolumeReclaimPolicy, volume.Annotations)
	}
	s.recover(t, lost.Spec.NodeName)
}

// patience is how long the rebuild of a master must not happen. The manager looks at a refused rebuild every 15 s.
const patience = 35 * time.Second

func (s *shoal) testMasterLost(t *testing.T) {
	lost := s.pod(t, s.withRole(t, "master"))
	claim := s.claim(t, lost.Name)
	s.fail(t, lost.Spec.NodeName, playground.OutOfService)
	// Its replicas are in sync with nobody now, so none is Ready (NoReadyPeer). If one were, it would have to be a master.
	eventually(t, slow, "the rebuild to be refused", func() error { return s.says(v1alpha1.ConditionRebuilding, "SHOAL2109") })
	deadline := time.Now().Add(patience)
	for time.Now().Before(deadline) {
		if now := s.claim(t, lost.Name); now.UID != claim.UID || now.DeletionTimestamp != nil || now.Labels[v1alpha1.LabelLost] != "" {
			t.Fatal("the claim of the last master was given up while no other instance was master")
		}
		pause(t, time.Second)
	}
	replica := s.other(t, lost.Name)
	s.mustPrint(t, replica, "redis-cli REPLICAOF NO ONE", "OK") // what an operator, or Sentinel, does
	for i := range 3 {
		if pod := fmt.Sprintf("%s-%d", set, i); pod != lost.Name && pod != replica {
			s.mustPrint(t, pod, "redis-cli REPLICAOF "+s.pod(t, replica).Status.PodIP+" 6379", "OK")
		}
	}
	s.rebuilt(t, lost)
	s.whole(t)
	s.allKeys(t)
	if role := s.role(t, lost.Name); role != "slave" {
		t.Errorf("the rebuilt instance is %q: an empty master would have wiped the others", role)
	}
	s.recover(t, lost.Spec.NodeName)
	s.allKeys(t)
}

// pause waits, or ends with the test.
func pause(t *testing.T, long time.Duration) {
	t.Helper()
	timer := time.NewTimer(long)
	defer timer.Stop()
	select {
	case <-t.Context().Done():
		t.Fatal(t.Context().Err())
	case <-timer.C:
	}
}

// testLimits places instances on real and simulated nodes together.
func (s *shoal) testLimits(t *testing.T) {
	s.applyText(t, `
apiVersion: shoal.dev/v1alpha1
kind: InstanceSet
metadata: {name: mixed}
spec:
  replicas: 14
  placement: {maxInstancesPerNode: 2, maxNodes: 7}
  template:
    spec:
      terminationGracePeriodSeconds: 1
      tolerations: [{key: playground.shoal.dev/simulated, operator: Exists}]
      containers:
      - {name: sleep, image: "localhost/redis:dev", imagePullPolicy: Never, command: [sh, -c, "trap exit TERM; while sleep 1; do :; done"], resources: {requests: {cpu: 10m}}}
`)
	eventually(t, slow, "all to run", func() error { return s.ready("mixed", 14) })
	real, simulated := 0, 0
	for _, pod := range s.podsOf(t, "mixed") {
		if strings.HasPrefix(pod.Spec.NodeName, "real-") {
			real++
		} else {
			simulated++
		}
	}
	if real == 0 || simulated == 0 {
		t.Errorf("%d on real and %d on simulated nodes: both were wanted", real, simulated)
	}
	s.deleteSet(t, "mixed")
}

// testLastCPU lets the default scheduler and Shoal place pods at the same moment on nodes that have room for half of them.
// Both see the same free CPU; the kubelet refuses whoever comes second (OutOfcpu). That must not become a loop.
func (s *shoal) testLastCPU(t *testing.T) {
	const wanted = 24
	s.applyText(t, fmt.Sprintf(`
apiVersion: shoal.dev/v1alpha1
kind: InstanceSet
metadata: {name: rival}
spec:
  replicas: %[1]d
  template:
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - {name: sleep, image: "localhost/redis:dev", imagePullPolicy: Never, command: [sh, -c, "trap exit TERM; while sleep 1; do :; done"], resources: {requests: {cpu: 300m}}}
---
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: default-rival}
spec:
  replicas: %[1]d
  selector: {matchLabels: {app: default-rival}}
  template:
    metadata: {labels: {app: default-rival}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - {name: sleep, image: "localhost/redis:dev", imagePullPolicy: Never, command: [sh, -c, "trap exit TERM; while sleep 1; do :; done"], resources: {requests: {cpu: 300m}}}
`, wanted))
	created, refused := map[string]bool{}, map[string]bool{}
	quiet := time.Now()
	deadline := time.Now().Add(slow)
	// Settled: no new pod of the set for longer than the first pauses before a replacement, 10 and 20 s.
	for time.Since(quiet) < 25*time.Second {
		if time.Now().After(deadline) {
			t.Fatalf("after %s pods are still being created: %d so far for %d instances, %d refused", slow, len(created), wanted, len(refused))
		}
		for _, pod := range s.podsOf(t, "rival") {
			if !created[string(pod.UID)] {
				created[string(pod.UID)], quiet = true, time.Now()
			}
			if pod.Status.Phase == corev1.PodFailed && strings.HasPrefix(pod.Status.Reason, "OutOf") {
				refused[string(pod.UID)] = true
			}
		}
		pause(t, 200*time.Millisecond)
	}
	t.Logf("%d pods were created for %d instances, the kubelets refused %d", len(created), wanted, len(refused))
	if most := wanted + 3*len(refused) + 3; len(created) > most {
		t.Errorf("%d pods were created for %d instances of which %d were refused: at most %d make sense", len(created), wanted, len(refused), most)
	}
	if out, err := s.ctl(t.Context(), "delete", "replicaset", "default-rival", "--wait=false"); err != nil {
		t.Fatal(out, err)
	}
	eventually(t, 2*slow, "half of the set's pods to run, with the rival gone", func() error {
		running := 0
		for _, pod := range s.podsOf(t, "rival") {
			if pod.Status.Phase == corev1.PodRunning {
				running++
			}
		}
		if running < wanted/2 {
			return fmt.Errorf("%d run", running)
		}
		return nil
	})
	s.deleteSet(t, "rival")
}

// testUninstall follows docs/install.md, and then looks at every kind of object that the cluster has.
func (s *shoal) testUninstall(t *testing.T) {
	manifests := filepath.Join(repository(t), "manifests", "install")
	for _, args := range [][]string{
		{"delete", "instancesets", "--all", "--all-namespaces", "--timeout=90s"},
		{"delete", "-k", manifests, "--timeout=90s"},
	} {
		if out, err := s.ctlWithin(t.Context(), slow, args...); err != nil {
			t.Fatal(out, err)
		}
	}
	eventually(t, slow, "nothing of Shoal to be left", func() error {
		kinds, err := s.ctl(t.Context(), "api-resources", "--verbs=list", "-o", "name")
		if err != nil {
			return err
		}
		if strings.Contains(kinds, "shoal.dev") {
			return errors.New("its kinds are still there")
		}
		all, err := s.ctlWithin(t.Context(), slow, "get", strings.Join(strings.Fields(kinds), ","), "--all-namespaces",
			"--selector=app.kubernetes.io/part-of=shoal", "-o", "name")
		if err != nil {
			return err
		}
		for line := range strings.Lines(all) {
			if strings.Contains(line, "/") && !strings.HasPrefix(line, "Warning: ") { // kind/name; kubectl also says what is deprecated
				return fmt.Errorf("still there: %s", all)
			}
		}
		if out, err := s.ctl(t.Context(), "get", "namespace", playground.Namespace); err == nil {
			return fmt.Errorf("the namespace is still there: %s", out)
		}
		return nil
	})
	claims, err := s.client.CoreV1().PersistentVolumeClaims("default").List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(claims.Items) == 0 {
		t.Error("the claims are gone: data is the user's, and stays")
	}
}
