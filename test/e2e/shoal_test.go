//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/playground"
	"github.com/shoal-dev/shoal/playground/history"
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
		{"what the manifests promise is in effect", s.testPromises},
		{"label and Service follow the master", s.testRoles},
		{"instances that run are changed in place", s.testUpdates},
		{"one drain empties a node", s.testDrain},
		{"a Redis comes up", s.testRedisUp},
		{"data survives the deletion of a pod", s.testPodDeleted},
		{"data survives the crash of a container", s.testContainerCrash},
		{"data survives a restart of the kubelet", s.testKubeletRestart},
		{"data survives a reboot of the node", s.testReboot},
		{"a replica is rebuilt when its node is out of service", s.testReplicaLost},
		{"a master is rebuilt only when another has taken its place", s.testMasterLost},
		{"limits hold over real and simulated nodes", s.testLimits},
		{"two schedulers compete for the last CPU", s.testLastCPU},
		{"pods that their kubelet refuses are made again after longer and longer pauses", s.testRefused},
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

func (s *shoal) testRedisUp(t *testing.T) {
	s.apply(t, filepath.Join(repository(t), "examples", "redis"))
	s.whole(t)
	s.writeKeys(t)
	s.allKeys(t)
}

func (s *shoal) testPodDeleted(t *testing.T) {
	for _, role := range []string{"slave", "master"} {
		pod := s.withRole(t, role)
		s.deleteInstance(t, pod)
		s.gone(t, pod)
		s.whole(t)
		s.allKeys(t)
	}
}

// deleteInstance deletes a pod of an InstanceSet as a person who means it: that nobody but the manager does otherwise is part of it.
func (w *world) deleteInstance(t *testing.T, pod string) {
	t.Helper()
	out, err := w.ctl(t.Context(), "delete", "pod", pod, "--wait=false")
	if err == nil || !strings.Contains(out, "only the ServiceAccount shoal-system/shoal-manager deletes it") {
		t.Errorf("%s was deleted unasked: %s %v", pod, out, err)
	}
	if out, err := w.ctl(t.Context(), "annotate", "pod", pod, v1alpha1.AnnotationAllowDisruption+"="+v1alpha1.AllowDisruption); err != nil {
		t.Fatal(out, err)
	}
	if out, err := w.ctl(t.Context(), "delete", "pod", pod, "--wait=false"); err != nil {
		t.Fatal(out, err)
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
			s.mustPrint(t, pod, fmt.Sprintf("redis-cli REPLICAOF %s.%s.default.svc.cluster.local 6379", replica, set), "OK")
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

// mostTries is how many pods an instance can have within slow: the first, its replacement at once, and those after pauses of
// 10, 20 and 40 s. A loop would make one with every look.
const mostTries = 5

// settled waits until the set makes no pods any more, and none of them waits to be replaced.
func (s *shoal) settled(t *testing.T, name string, wanted int) {
	t.Helper()
	tries, refused := map[string]int{}, 0 // pods by instance, and those in place of one that a kubelet refused
	seen := map[types.UID]bool{}
	began, quiet, waiting := time.Now(), time.Now(), 0
	for time.Since(quiet) < 10*time.Second || waiting > 0 {
		if time.Since(began) > slow {
			t.Fatalf("after %s pods are still being created: %v, and %d wait to be replaced", slow, tries, waiting)
		}
		waiting = 0
		for _, pod := range s.podsOf(t, name) {
			if pod.Status.Phase == corev1.PodFailed {
				waiting++
			}
			if seen[pod.UID] {
				continue
			}
			seen[pod.UID], quiet = true, time.Now()
			tries[pod.Name]++
			if pod.Annotations[v1alpha1.AnnotationTerminalFailures] != "" {
				refused++
			}
			if tries[pod.Name] > mostTries {
				t.Fatalf("%s was made %d times in %s", pod.Name, tries[pod.Name], time.Since(began))
			}
		}
		pause(t, 200*time.Millisecond)
	}
	t.Logf("settled after %s: %d instances, %d pods replaced", time.Since(began).Round(time.Second), len(tries), refused)
	if len(tries) != wanted {
		t.Errorf("%d instances were seen, wanted %d", len(tries), wanted)
	}
}

// testLastCPU lets the default scheduler and Shoal place pods at the same moment on nodes that have room for half of them.
// Both see the same free CPU, and the kubelet refuses whoever comes second (OutOfcpu), which happens in some runs and not
// in others. That must not become a loop.
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
	s.settled(t, "rival", wanted)
	// The default scheduler's pods are the ReplicaSet's: it replaces those that are refused at once, and keeps them.
	if rivals := len(s.podsWith(t, "app=default-rival")); rivals < wanted || rivals > 2*wanted {
		t.Errorf("the rival made %d pods for %d", rivals, wanted)
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

// testRefused has a set whose pods every kubelet refuses, for a reason that no scheduler knows: a sysctl that it does not allow.
// Unlike OutOfcpu, which takes a race, that happens in every run, and the pods end in the same way.
func (s *shoal) testRefused(t *testing.T) {
	s.applyText(t, `
apiVersion: shoal.dev/v1alpha1
kind: InstanceSet
metadata: {name: refused}
spec:
  replicas: 4
  template:
    spec:
      terminationGracePeriodSeconds: 1
      securityContext: {sysctls: [{name: kernel.msgmax, value: "65536"}]}
      containers:
      - {name: sleep, image: "localhost/redis:dev", imagePullPolicy: Never, command: [sleep, "3600"], resources: {requests: {cpu: 10m}}}
`)
	// The first pod, its replacement at once, and those after pauses of 10 and 20 s. The next comes after 70 s.
	const atLeast, atMost, watched = 3, 4, 45 * time.Second
	tries, seen := map[string]int{}, map[types.UID]bool{}
	for began := time.Now(); time.Since(began) < watched; pause(t, 100*time.Millisecond) {
		for _, pod := range s.podsOf(t, "refused") {
			if !seen[pod.UID] {
				seen[pod.UID] = true
				tries[pod.Name]++
			}
		}
	}
	t.Logf("in %s: %v", watched, tries)
	for _, name := range []string{"refused-0", "refused-1", "refused-2", "refused-3"} {
		if n := tries[name]; n < atLeast || n > atMost {
			t.Errorf("%s was made %d times in %s, wanted %d to %d", name, n, watched, atLeast, atMost)
		}
	}
	s.deleteSet(t, "refused")
}
