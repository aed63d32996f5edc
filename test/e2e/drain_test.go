//go:build e2e

package e2e

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// testDrain empties a node with one kubectl drain, while clients write: what has its data in its pod alone goes once another one has it, masters hand over
// before, nobody else is touched, and nothing is lost that a replica has confirmed.
func (s *shoal) testDrain(t *testing.T) {
	s.startChanged(t)
	before := s.podsOf(t, changed)
	clients := s.pod(t, "clients").Spec.NodeName
	at := slices.IndexFunc(before, func(p corev1.Pod) bool {
		return p.Labels[v1alpha1.LabelRole] == string(v1alpha1.RoleMaster) && p.Spec.NodeName != clients
	})
	if at < 0 {
		t.Fatal("all masters are beside the clients")
	}
	node, began := before[at].Spec.NodeName, time.Now()

	within := 2*slow + 5*time.Minute // a handover that is refused for a moment is asked for again after 15 s, 30 s, 60 s
	out, err := s.ctlWithin(t.Context(), within, "drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--pod-selector="+v1alpha1.LabelInstanceSet+"="+changed)
	if err != nil {
		set, _ := s.theSet()
		t.Fatalf("the drain did not end: %v\n%+v", err, set.Status)
	}
	t.Logf("drained in %s:\n%s", time.Since(began).Round(100*time.Millisecond), out)
	if !strings.Contains(out, before[at].Name) {
		t.Errorf("the drain says nothing of %s", before[at].Name)
	}
	eventually(t, slow, "all to be as before", func() error { return errors.Join(s.allUpdated(), s.shardsServe()) })
	moved := 0
	for i := range before {
		was := &before[i]
		now := s.pod(t, was.Name)
		switch {
		case now.Spec.NodeName == node:
			t.Errorf("%s is still on %s", now.Name, node)
		case was.Spec.NodeName == node:
			moved++
		case now.UID != was.UID || restarts(now) != restarts(was):
			t.Errorf("%s was replaced or restarted, and was not on %s", now.Name, node)
		}
		if now.Labels[v1alpha1.LabelMayLeave] != "" {
			t.Errorf("%s may leave", now.Name)
		}
	}
	t.Logf("%d instances have moved from %s", moved, node)
	if out, err := s.ctl(t.Context(), "uncordon", node); err != nil {
		t.Error(out, err)
	}
	s.noWriteIsLost(t)
	s.deleteSet(t, changed)
}
