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
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// What the steps of TestShoal do and look at.

func (s *shoal) apply(t *testing.T, path string) {
	t.Helper()
	if out, err := s.ctl(t.Context(), "apply", "--server-side", "-f", path); err != nil {
		t.Fatal(out, err)
	}
}

func (s *shoal) applyText(t *testing.T, text string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "objects.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s.apply(t, path)
}

// ready says why the set is not.
func (s *shoal) ready(name string, replicas int32) error {
	var i v1alpha1.InstanceSet
	if err := s.shoal.Get(context.Background(), client.ObjectKey{Namespace: "default", Name: name}, &i); err != nil {
		return err
	}
	if i.Status.ReadyReplicas != replicas || i.Status.ObservedGeneration != i.Generation {
		return fmt.Errorf("%d of %d are ready: %v", i.Status.ReadyReplicas, replicas, i.Status.Exceptions)
	}
	return nil
}

// says reports whether a condition of the set has the code in its message.
func (s *shoal) says(condition, code string) error {
	var i v1alpha1.InstanceSet
	if err := s.shoal.Get(context.Background(), client.ObjectKey{Namespace: "default", Name: set}, &i); err != nil {
		return err
	}
	for _, c := range i.Status.Conditions {
		if c.Type == condition && strings.Contains(c.Message, code) {
			return nil
		}
	}
	return fmt.Errorf("%s is in no condition: %v", code, i.Status.Conditions)
}

// whole waits until the three are a master and two replicas in sync with it, all Ready.
func (s *shoal) whole(t *testing.T) {
	t.Helper()
	eventually(t, slow, "a master and two replicas in sync", func() error {
		roles := map[string]int{}
		for i := range 3 {
			pod := fmt.Sprintf("%s-%d", set, i)
			out, err := s.run(context.Background(), pod, "redis-cli ROLE")
			if err != nil {
				return err
			}
			lines := strings.Fields(out)
			if lines[0] == "slave" && (len(lines) < 4 || lines[3] != "connected") {
				return fmt.Errorf("%s is not in sync: %q", pod, out)
			}
			roles[lines[0]]++
		}
		if roles["master"] != 1 || roles["slave"] != 2 {
			return fmt.Errorf("the roles are %v", roles)
		}
		return s.ready(set, 3)
	})
}

func (s *shoal) role(t *testing.T, pod string) string {
	t.Helper()
	out, err := s.run(t.Context(), pod, "redis-cli ROLE")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(out)[0]
}

func (s *shoal) withRole(t *testing.T, role string) string {
	t.Helper()
	for i := range 3 {
		if pod := fmt.Sprintf("%s-%d", set, i); s.role(t, pod) == role {
			return pod
		}
	}
	t.Fatalf("none is %s", role)
	return ""
}

// other is an instance that is not the one.
func (s *shoal) other(t *testing.T, pod string) string {
	t.Helper()
	for i := range 3 {
		if name := fmt.Sprintf("%s-%d", set, i); name != pod {
			return name
		}
	}
	return ""
}

// writeKeys writes, and waits until both replicas have everything.
func (s *shoal) writeKeys(t *testing.T) {
	t.Helper()
	master := s.withRole(t, "master")
	write := fmt.Sprintf("(for i in $(seq %d); do echo SET key:$i value:$i; done; echo WAIT 2 10000) | redis-cli | tail -n 1", keys)
	s.mustPrint(t, master, write, "2")
}

// allKeys reads every key from every instance.
func (s *shoal) allKeys(t *testing.T) {
	t.Helper()
	for i := range 3 {
		pod := fmt.Sprintf("%s-%d", set, i)
		s.keysOf(t, pod, "127.0.0.1")
	}
}

// keysOf reads every key of the Redis at an address, from a pod.
func (s *shoal) keysOf(t *testing.T, from, address string) {
	t.Helper()
	read := fmt.Sprintf("for i in $(seq %d); do echo GET key:$i; done | redis-cli -h %[2]s | awk '$0 != \"value:\" NR {bad++} END {print NR, bad+0}'; redis-cli -h %[2]s DBSIZE", keys, address)
	want := fmt.Sprintf("%d 0\n%d", keys, keys)
	eventually(t, slow, "all keys of "+address+", seen from "+from, func() error {
		out, err := s.run(context.Background(), from, read)
		if err == nil && strings.TrimSpace(out) != want {
			err = fmt.Errorf("%q, want %q", out, want)
		}
		return err
	})
}

func (s *shoal) claim(t *testing.T, pod string) *corev1.PersistentVolumeClaim {
	t.Helper()
	claim, err := s.client.CoreV1().PersistentVolumeClaims("default").Get(t.Context(), "data-"+pod, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return claim
}

func (s *shoal) gone(t *testing.T, pod string) {
	t.Helper()
	before := s.pod(t, pod)
	eventually(t, slow, pod+" to be another pod", func() error {
		now, err := s.client.CoreV1().Pods("default").Get(context.Background(), pod, metav1.GetOptions{})
		if err == nil && now.UID == before.UID {
			err = errors.New("it is the same")
		}
		return err
	})
}

// rebuilt waits until the instance runs on another node than the lost pod did, as the next generation of its data.
func (s *shoal) rebuilt(t *testing.T, lost *corev1.Pod) {
	t.Helper()
	eventually(t, slow, lost.Name+" to be rebuilt", func() error {
		now, err := s.client.CoreV1().Pods("default").Get(context.Background(), lost.Name, metav1.GetOptions{})
		switch {
		case err != nil:
			return err
		case now.UID == lost.UID:
			return errors.New("it is still the old pod")
		case now.Spec.NodeName == "" || now.Spec.NodeName == lost.Spec.NodeName:
			return fmt.Errorf("its node is %q", now.Spec.NodeName)
		}
		generation, err := strconv.Atoi(now.Annotations[v1alpha1.AnnotationRebuildGeneration])
		if err == nil && generation == 0 {
			err = errors.New("its generation says that it never held data")
		}
		return err
	})
	t.Logf("%s was on %s and is on %s", lost.Name, lost.Spec.NodeName, s.pod(t, lost.Name).Spec.NodeName)
}

func (s *shoal) podsOf(t *testing.T, name string) []corev1.Pod {
	t.Helper()
	return s.podsWith(t, v1alpha1.LabelInstanceSet+"="+name)
}

func (s *shoal) podsWith(t *testing.T, selector string) []corev1.Pod {
	t.Helper()
	list, err := s.client.CoreV1().Pods("default").List(t.Context(), metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		t.Fatal(err)
	}
	return list.Items
}

func (s *shoal) deleteSet(t *testing.T, name string) {
	t.Helper()
	if out, err := s.ctlWithin(t.Context(), slow, "delete", "instanceset", name, "--timeout=90s"); err != nil {
		t.Fatal(out, err)
	}
	eventually(t, slow, "the pods of "+name+" to go", func() error {
		if n := len(s.podsOf(t, name)); n > 0 {
			return fmt.Errorf("%d are there", n)
		}
		return nil
	})
}

// ctlWithin is kubectl for what takes its time.
func (w *world) ctlWithin(ctx context.Context, within time.Duration, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	return w.kubectlWith(ctx, args...)
}
