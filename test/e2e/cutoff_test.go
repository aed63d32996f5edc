//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/shoal-dev/shoal/playground"
)

// takenWithin is for how long a master that is cut off takes writes: min-replicas-max-lag, which is 5 s here, and a second for each of both,
// that Redis counts whole seconds, and that it counts once a second. docs/roles.md says so. Another one is for the clock of the client.
const takenWithin = (5 + 1 + 1 + 1) * time.Second

func (f *failover) testCutOff(t *testing.T, master *corev1.Pod) {
	f.beginToWriteBeside(t, master)
	f.fail(t, master.Spec.NodeName, playground.Unreachable)
	cut := time.Now()
	named := f.moves(t, master)
	f.recover(t, master.Spec.NodeName)
	healed := time.Now()
	f.follows(t, named)
	t.Logf("%s is a replica %s after the heal", master.Name, time.Since(healed).Round(100*time.Millisecond))
	pause(t, 20*time.Second)
	f.noneOfThePast(t)
	if err := f.served(named); err != nil {
		t.Error(err)
	}
	f.takesNoMore(t, cut)
}

// beginToWriteBeside starts a client on the node of a master, and at its address: it is cut off together with it, and goes on writing there,
// whoever is master elsewhere. It notes when something was taken.
func (f *failover) beginToWriteBeside(t *testing.T, master *corev1.Pod) {
	t.Helper()
	script := fmt.Sprintf(`while :; do
  if [ "$(timeout 2 redis-cli -h %s SET beside v 2>/dev/null)" = OK ]; then date +%%s >>/tmp/taken; fi
  sleep 0.2
done`, master.Status.PodIP)
	f.applyText(t, fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: beside}
spec:
  nodeName: %s
  terminationGracePeriodSeconds: 1
  containers:
  - {name: writer, image: "localhost/redis:dev", imagePullPolicy: IfNotPresent, command: [sh, -c, %q], volumeMounts: [{name: tmp, mountPath: /tmp}]}
  volumes: [{name: tmp, emptyDir: {}}]
`, master.Spec.NodeName, script))
	eventually(t, slow, "the client beside the master to write", func() error {
		_, err := f.run(t.Context(), "beside", "test -s /tmp/taken")
		return err
	})
}

// takesNoMore: the master that was cut off took writes from beside it for so long at most, also after the heal. Those are lost.
func (f *failover) takesNoMore(t *testing.T, cut time.Time) {
	t.Helper()
	var out string
	eventually(t, slow, "the client beside the old master to tell", func() (err error) {
		out, err = f.run(t.Context(), "beside", "cat /tmp/taken")
		return err
	})
	last, before := time.Time{}, 0
	for _, text := range strings.Fields(out) {
		seconds, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			t.Fatalf("%q", out)
		}
		if last = time.Unix(seconds, 0); last.Before(cut) {
			before++
		}
	}
	if before == 0 {
		t.Error("it took nothing before either: nothing is shown")
	}
	if late := last.Sub(cut); late > takenWithin {
		t.Errorf("the master that was cut off took a write %s later", late)
	}
	t.Logf("the master that was cut off took its last write %s after that", last.Sub(cut).Round(time.Second))
}

// confirmed counts the writes that a replica has confirmed.
func (f *failover) confirmed() (int, error) {
	out, err := f.run(context.Background(), "writer", "wc -l </tmp/acked")
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(out))
}

// writesGoOn waits until the client has written on since.
func (f *failover) writesGoOn(t *testing.T) {
	t.Helper()
	before := -1
	eventually(t, slow, "writes to go on", func() error {
		now, err := f.confirmed()
		if before < 0 && err == nil {
			before = now
		}
		if err == nil && now < before+20 {
			err = fmt.Errorf("%d are confirmed, of which %d are new", now, now-before)
		}
		return err
	})
}
