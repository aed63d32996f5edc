//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/playground"
)

// withSentinels is three Sentinels, a shard of three Redis that they watch, and a client of the master's Service. Each Redis starts
// protected, with what was on its volume, and is told by the manager to join.
const withSentinels = `
apiVersion: shoal.dev/v1alpha1
kind: InstanceSet
metadata: {name: sentinel}
spec:
  replicas: 3
  placement: {maxInstancesPerNode: 1, maxNodes: 4}
  template:
    spec:
      securityContext: {runAsNonRoot: true, runAsUser: 65532, fsGroup: 65532, seccompProfile: {type: RuntimeDefault}}
      containers:
      - name: sentinel
        image: localhost/redis:dev
        imagePullPolicy: IfNotPresent
        command: [sh, -c, 'printf "port 26379\nprotected-mode no\ndir /data\nsentinel announce-ip %s\n" "$POD_IP" >/data/s.conf && exec redis-sentinel /data/s.conf']
        env: [{name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}]
        ports: [{name: sentinel, containerPort: 26379}]
        resources: {requests: {cpu: 20m, memory: 32Mi}}
        securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
        volumeMounts: [{name: data, mountPath: /data}]
      volumes: [{name: data, emptyDir: {}}]
---
apiVersion: shoal.dev/v1alpha1
kind: InstanceSet
metadata: {name: served}
spec:
  replicas: 3
  shardSize: 3
  placement: {maxInstancesPerNode: 1, maxNodes: 3}
  roles:
  - {name: master, exclusive: true, service: PerShard}
  - {name: replica}
  roleProvider:
    type: Sentinel
    sentinel:
      addresses: [sentinel-0.sentinel.default.svc:26379, sentinel-1.sentinel.default.svc:26379, sentinel-2.sentinel.default.svc:26379]
      monitor: "{shard}"
  template:
    spec:
      securityContext: {runAsNonRoot: true, runAsUser: 65532, fsGroup: 65532, seccompProfile: {type: RuntimeDefault}}
      containers:
      - name: redis
        image: localhost/redis:dev
        imagePullPolicy: IfNotPresent
        command: [redis-server, --protected-mode, "no", --save, "", --appendonly, "yes", --dir, /data, --repl-diskless-sync-delay, "0",
          --replicaof, 127.0.0.1, "1", --replica-serve-stale-data, "no", --min-replicas-to-write, "1", --min-replicas-max-lag, "5"]
        ports: [{name: redis, containerPort: 6379}]
        resources: {requests: {cpu: 20m, memory: 32Mi}}
        securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
        volumeMounts: [{name: data, mountPath: /data}]
      volumes: [{name: data, emptyDir: {}}]
`

// writes is a shell script that sets one key after the other through the Service of the master, and notes those that a replica has confirmed.
const writes = `i=0
while [ ! -e /tmp/stop ]; do
  i=$((i+1))
  n=$(printf 'SET k:%s v\nWAIT 1 1000\n' $i | timeout 3 redis-cli -h served-0-master 2>/dev/null | tr '\n' ' ')
  case "$n" in "OK 1 "|"OK 2 ") echo k:$i >>/tmp/acked;; esac
done
echo $i >/tmp/ended
exec sleep 100000`

// tilted is for a machine on which a Sentinel is not woken for two seconds: it promotes nobody for half a minute then.
const tilted = 3 * slow

// servedWithin is after how long the Service leads to whom Sentinels have agreed on: docs/roles.md has the same number. It takes a second or
// two; to ask three Sentinels, one of which may be cut off, takes most of this.
const servedWithin = time.Minute

// failover is a shard whose Sentinels promote, and whoever is served meanwhile.
type failover struct {
	*shoal

	mu sync.Mutex
	// stale is a master of the past by its address, and at its pod: from when another was served on it must not be.
	stale string
	bad   []string
}

// TestFailover has a master's pod deleted, its process killed, and its node cut off and healed, while a client writes through the
// Service. Label and Service follow Sentinel, nobody is led to a master of the past once another was served, and what a replica has
// confirmed is there at the end.
func TestFailover(t *testing.T) {
	w := up(t, playground.Options{RealNodes: realOnes, Install: true})
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	c, err := client.New(w.cluster.Config(), client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	f := &failover{shoal: &shoal{world: w, shoal: c}}
	t.Cleanup(func() {
		if t.Failed() {
			f.tell(t)
		}
	})
	f.leads(t)
	f.applyText(t, withSentinels)
	eventually(t, tilted, "Sentinels and Redis", func() error { return errors.Join(f.ready("sentinel", 3), f.ready("served", 3)) })
	f.choose(t, "served-0")
	f.follows(t, "served-0")
	f.beginToWrite(t)
	go f.look(t.Context())
	for _, step := range []struct {
		name string
		run  func(t *testing.T, master *corev1.Pod)
	}{
		{"the pod of the master is deleted", f.testDeleted},
		{"the process of the master is killed", f.testKilled},
		{"the node of the master is cut off and healed", f.testCutOff},
	} {
		f.sentinelsKnow(t)
		if !t.Run(step.name, func(t *testing.T) { step.run(t, f.pod(t, f.named(t))); f.writesGoOn(t) }) {
			return
		}
	}
	f.nothingIsLost(t)
}

// tell has Sentinels and servers say what they know.
func (f *failover) tell(t *testing.T) {
	t.Helper()
	for i := range 3 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		logs, _ := f.kubectlWith(ctx, "logs", fmt.Sprint("sentinel-", i), "--tail=30")
		state, _ := f.run(ctx, fmt.Sprint("sentinel-", i), "redis-cli -p 26379 INFO sentinel | tail -n 2")
		replication, _ := f.run(ctx, fmt.Sprint("served-", i), "redis-cli INFO replication")
		cancel()
		t.Logf("sentinel-%d: %s\n%s\nserved-%d: %s", i, state, logs, i, replication)
	}
}

// choose is what a person does once: one is made master, and the Sentinels are told of it.
func (f *failover) choose(t *testing.T, first string) {
	t.Helper()
	f.mustPrint(t, first, "redis-cli REPLICAOF NO ONE", "OK")
	at := f.pod(t, first).Status.PodIP
	for i := range 3 {
		for _, command := range []string{
			"MONITOR served-0 " + at + " 6379 2", "SET served-0 down-after-milliseconds 5000", "SET served-0 failover-timeout 20000",
		} {
			f.mustPrint(t, fmt.Sprint("sentinel-", i), "redis-cli -p 26379 SENTINEL "+command, "OK")
		}
	}
}

// sentinelsKnow waits until each of them knows the others and two replicas, for which it asks the master every ten seconds: whom it
// does not know it does not promote.
func (f *failover) sentinelsKnow(t *testing.T) {
	t.Helper()
	for i := range 3 {
		eventually(t, slow, "Sentinels to know all", func() error {
			out, err := f.run(t.Context(), fmt.Sprint("sentinel-", i), "redis-cli -p 26379 INFO sentinel")
			_, line, _ := strings.Cut(out, "master0:")
			if err == nil && (!strings.Contains(line, "status=ok") || strings.Contains(line, "slaves=0") || strings.Contains(line, "slaves=1,") || !strings.Contains(line, "sentinels=3")) {
				err = fmt.Errorf("it says %q", line)
			}
			return err
		})
	}
}

// naming is the address that most Sentinels name. Those on a node that is cut off do not answer.
func (f *failover) naming(ctx context.Context) (string, error) {
	votes := map[string]int{}
	for i := range 3 {
		short, cancel := context.WithTimeout(ctx, 5*time.Second)
		out, err := f.run(short, fmt.Sprint("sentinel-", i), "redis-cli -p 26379 SENTINEL GET-MASTER-ADDR-BY-NAME served-0")
		cancel()
		if host, _, _ := strings.Cut(strings.TrimSpace(out), "\n"); err == nil && net.ParseIP(strings.TrimSpace(host)) != nil {
			if votes[strings.TrimSpace(host)]++; votes[strings.TrimSpace(host)] == 2 {
				return strings.TrimSpace(host), nil
			}
		}
	}
	return "", fmt.Errorf("Sentinels name %v", votes)
}

// named is the pod of the master by Sentinels.
func (f *failover) named(t *testing.T) (pod string) {
	t.Helper()
	eventually(t, slow, "Sentinels to agree", func() error {
		at, err := f.naming(t.Context())
		if err != nil {
			return err
		}
		for _, p := range f.podsOf(t, "served") {
			if p.Status.PodIP == at {
				pod = p.Name
				return nil
			}
		}
		return fmt.Errorf("nobody has the address %s", at)
	})
	return pod
}

// served: the pod has the label master, no other has, and the Service leads there.
func (f *failover) served(master string) error {
	pods, err := f.client.CoreV1().Pods("default").List(context.Background(), metav1.ListOptions{LabelSelector: v1alpha1.LabelInstanceSet + "=served"})
	if err != nil {
		return err
	}
	address := ""
	for _, pod := range pods.Items {
		if has := pod.Labels[v1alpha1.LabelRole] == string(v1alpha1.RoleMaster); has != (pod.Name == master) {
			return fmt.Errorf("%s has the label %q, and the master is %s", pod.Name, pod.Labels[v1alpha1.LabelRole], master)
		}
		if pod.Name == master {
			address = pod.Status.PodIP
		}
	}
	got, err := f.endpoints("default", "served-0-master")
	if err == nil && !slices.Equal(got, []string{address}) {
		err = fmt.Errorf("the Service leads to %v, want %s", got, address)
	}
	return err
}

// follows waits until a master is served, and all others are replicas.
func (f *failover) follows(t *testing.T, master string) {
	t.Helper()
	eventually(t, slow, master+" and its replicas", func() error {
		if err := f.served(master); err != nil {
			return err
		}
		for _, pod := range f.podsOf(t, "served") {
			if role := pod.Labels[v1alpha1.LabelRole]; pod.Name != master && role != string(v1alpha1.RoleReplica) {
				return fmt.Errorf("%s has the label %q", pod.Name, role)
			}
		}
		return nil
	})
}

// moves waits until Sentinels have promoted another one than before, which is served. From then on the one before is of the past.
func (f *failover) moves(t *testing.T, before *corev1.Pod) string {
	t.Helper()
	began, named := time.Now(), ""
	eventually(t, tilted, "Sentinels to promote another one", func() error {
		at, err := f.naming(t.Context())
		if err == nil && at == before.Status.PodIP {
			err = errors.New("they have not")
		}
		return err
	})
	promoted := time.Since(began)
	eventually(t, slow, "label and Service of the promoted one", func() error {
		named = f.named(t)
		return f.served(named)
	})
	t.Logf("%s is named after %s, and served after %s", named, promoted.Round(100*time.Millisecond), time.Since(began).Round(100*time.Millisecond))
	if late := time.Since(began) - promoted; late > servedWithin {
		t.Errorf("the Service led to a master of the past for %s after Sentinels had agreed", late)
	}
	f.mu.Lock()
	f.stale = before.Status.PodIP
	f.mu.Unlock()
	return named
}

// look notes whenever somebody is led to a master of the past.
func (f *failover) look(ctx context.Context) {
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		f.mu.Lock()
		stale := f.stale
		f.mu.Unlock()
		got, err := f.endpoints("default", "served-0-master")
		f.mu.Lock()
		if err == nil && stale != "" && stale == f.stale && slices.Contains(got, stale) {
			f.bad = append(f.bad, fmt.Sprintf("at %s to %v", time.Now().Format(time.TimeOnly), got))
		}
		f.mu.Unlock()
	}
}

// noneOfThePast: nobody was led to one. It may be master again after that.
func (f *failover) noneOfThePast(t *testing.T) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.bad) > 0 {
		t.Errorf("the Service led to a master of the past: %v", f.bad)
	}
	f.stale, f.bad = "", nil
}

func (f *failover) testDeleted(t *testing.T, master *corev1.Pod) {
	f.deleteInstance(t, master.Name)
	named := f.moves(t, master)
	f.follows(t, named)
	if now := f.pod(t, master.Name); now.UID == master.UID {
		t.Error("the pod is the same")
	}
	f.noneOfThePast(t)
}

// testKilled: it is back within a second or two, protected, with its data. It answers then, and Sentinels promote another one when it
// has said for 25 seconds that it is no master.
func (f *failover) testKilled(t *testing.T, master *corev1.Pod) {
	killIn(t, master.Name, "redis-server")
	named := f.moves(t, master)
	f.follows(t, named)
	f.noneOfThePast(t)
	if now := f.pod(t, master.Name); now.UID != master.UID {
		t.Error("the pod was replaced")
	}
}

// beginToWrite starts the client, on the node without any of the shard.
func (f *failover) beginToWrite(t *testing.T) {
	t.Helper()
	taken := map[string]bool{}
	for _, pod := range f.podsOf(t, "served") {
		taken[pod.Spec.NodeName] = true
	}
	nodes, err := f.client.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	free := slices.IndexFunc(nodes.Items, func(n corev1.Node) bool { return !taken[n.Name] })
	if free < 0 {
		t.Fatal("every node has one of the shard")
	}
	f.applyText(t, fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: writer}
spec:
  nodeName: %s
  terminationGracePeriodSeconds: 1
  containers:
  - {name: writer, image: "localhost/redis:dev", imagePullPolicy: IfNotPresent, command: [sh, -c, %q], volumeMounts: [{name: tmp, mountPath: /tmp}]}
  volumes: [{name: tmp, emptyDir: {}}]
`, nodes.Items[free].Name, writes))
	eventually(t, slow, "the client to write", func() error {
		_, err := f.run(t.Context(), "writer", "test -s /tmp/acked")
		return err
	})
}

// nothingIsLost: all keys that a replica has confirmed are at the master.
func (f *failover) nothingIsLost(t *testing.T) {
	t.Helper()
	eventually(t, slow, "the client to end", func() error {
		_, err := f.run(t.Context(), "writer", "touch /tmp/stop; cat /tmp/ended")
		return err
	})
	master := f.pod(t, f.named(t)).Status.PodIP
	out, err := f.run(t.Context(), "writer", "cat /tmp/ended; wc -l </tmp/acked; sed 's/^/EXISTS /' /tmp/acked | redis-cli -h "+master+" | grep -c -v '^1$'; true")
	if err != nil {
		t.Fatal(err)
	}
	var numbers []int
	for _, text := range strings.Fields(out) {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatalf("%q", out)
		}
		numbers = append(numbers, n)
	}
	if len(numbers) != 3 || numbers[1] < 100 || numbers[2] != 0 {
		t.Errorf("tried, confirmed and lost: %v", numbers)
	}
	t.Logf("of %v writes tried, confirmed by a replica and lost", numbers)
}
