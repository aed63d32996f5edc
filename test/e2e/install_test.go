//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shoal-dev/shoal/playground"
	"github.com/shoal-dev/shoal/playground/process"
)

// What the steps of TestShoal look at in the installation itself.

// looks is how long the standby takes beside the lease: the time runs from when it saw the last renewal, and it sees that
// it has run out when it looks next. It looks every 2 s, and up to 1.2 times that later (client-go, leaderelection.JitterFactor).
const looks = 2 * 4400 * time.Millisecond

// testTakeOver kills the process of the leader, as a crash would: it has no time to give its lease back.
func (s *shoal) testTakeOver(t *testing.T) {
	for _, program := range []string{"shoal-scheduler", "shoal-manager"} {
		holder, duration := s.leader(t, program)
		pod := podOf(holder)
		killed := time.Now()
		if !killIn(t, pod, program) {
			t.Fatalf("no process %s runs in %s", program, pod)
		}
		var next string
		eventually(t, slow, "another leader of "+program, func() error {
			killIn(t, pod, program) // the kubelet starts it again, and it would wait for the lease like the standby
			if next, _ = s.leader(t, program); next == "" || podOf(next) == pod {
				return fmt.Errorf("%q leads", next)
			}
			return nil
		})
		took := time.Since(killed)
		t.Logf("%s: %s leads %s after %s was killed; the lease is %s", program, podOf(next), took.Round(100*time.Millisecond), pod, duration)
		if took > duration+looks+2*time.Second { // and some for the machine
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

// podOf is the pod of a holder of a lease, who is called by its host name and something random.
func podOf(holder string) string { return strings.SplitN(holder, "_", 2)[0] }

// processIn finds the program in a pod's container. From outside of all namespaces the process is one like any other;
// whose it is says the host name that its container has.
func processIn(t *testing.T, pod, program string) (process.Identity, bool) {
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
		if found, err := process.Identify(pid); err == nil { // or it has ended meanwhile
			return found, true
		}
	}
	return process.Identity{}, false
}

// killIn kills the program in a pod's container with SIGKILL. It says whether there was one.
func killIn(t *testing.T, pod, program string) bool {
	t.Helper()
	found, ok := processIn(t, pod, program)
	if err := found.Signal(9); err != nil {
		t.Fatal(err)
	}
	return ok
}

// testPromises looks at what protects Shoal and the cluster from each other where it has its effect, not where it is
// written down. Network policies are not among them: nothing enforces them here.
func (s *shoal) testPromises(t *testing.T) {
	t.Run("restricted Pod Security", s.testPodSecurity)
	t.Run("a drain takes one of two", s.testBudget)
	t.Run("a share of the API server", s.testFlowControl)
}

func (s *shoal) testPodSecurity(t *testing.T) {
	pods := s.client.CoreV1().Pods(playground.Namespace)
	root := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "root"},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "localhost/redis:dev"}}},
	}
	if _, err := pods.Create(t.Context(), root, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "restricted") {
		t.Errorf("a pod that may run as root: %v", err)
	}
	for _, program := range []string{"shoal-scheduler", "shoal-manager"} {
		holder, _ := s.leader(t, program)
		found, ok := processIn(t, podOf(holder), program)
		if !ok {
			t.Errorf("no process %s runs in %s", program, podOf(holder))
			continue
		}
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", found.PID))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"Uid:\t65532\t", "CapEff:\t0000000000000000\n", "NoNewPrivs:\t1\n"} {
			if !strings.Contains(string(status), want) {
				t.Errorf("%s has not %q: %s", program, want, status)
			}
		}
		mounts, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", found.PID))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(mounts)) {
			if fields := strings.Fields(line); fields[4] == "/" && !strings.HasPrefix(fields[5], "ro") {
				t.Errorf("%s may write to its root: %s", program, line)
			}
		}
	}
}

// testBudget evicts as a drain does.
func (s *shoal) testBudget(t *testing.T) {
	both := func() ([]corev1.Pod, error) {
		budget, err := s.client.PolicyV1().PodDisruptionBudgets(playground.Namespace).Get(t.Context(), "shoal-manager", metav1.GetOptions{})
		if err != nil {
			return nil, err
		}
		if budget.Status.CurrentHealthy != 2 || budget.Status.DisruptionsAllowed != 1 {
			return nil, fmt.Errorf("its budget is %+v", budget.Status)
		}
		pods, err := s.client.CoreV1().Pods(playground.Namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=shoal-manager"})
		if err != nil || len(pods.Items) != 2 {
			return nil, errors.Join(err, fmt.Errorf("there are %d pods", len(pods.Items)))
		}
		return pods.Items, nil
	}
	evict := func(pod *corev1.Pod) error {
		return s.client.PolicyV1().Evictions(pod.Namespace).Evict(t.Context(), &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name}})
	}
	var pods []corev1.Pod
	eventually(t, slow, "two managers", func() (err error) {
		pods, err = both()
		return err
	})
	if err := evict(&pods[0]); err != nil {
		t.Errorf("evicting one of two: %v", err)
	}
	if err := evict(&pods[1]); !apierrors.IsTooManyRequests(err) {
		t.Errorf("evicting the other too: %v", err)
	}
	eventually(t, slow, "two managers again", func() error {
		_, err := both()
		return err
	})
}

// testFlowControl: the requests of Shoal's accounts are counted where its own schemas put them.
func (s *shoal) testFlowControl(t *testing.T) {
	metrics, err := s.client.Discovery().RESTClient().Get().AbsPath("/metrics").DoRaw(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`flow_schema="shoal",priority_level="shoal"`, `flow_schema="shoal-leader-election",priority_level="leader-election"`} {
		if !strings.Contains(string(metrics), "apiserver_flowcontrol_dispatched_requests_total{"+want+"}") {
			t.Errorf("no request had %s", want)
		}
	}
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
