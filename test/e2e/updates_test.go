//go:build e2e

package e2e

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/podspec"
)

const (
	changed       = "changed" // the set
	changedShards = 3
	nextImage     = "localhost/redis:next"
)

// withChanges is three shards of three Redis, whose parameters their agents bring to them. Each starts protected.
const withChanges = `
apiVersion: shoal.dev/v1alpha1
kind: InstanceSet
metadata: {name: changed}
spec:
  replicas: 9
  shardSize: 3
  placement: {maxInstancesPerNode: 3, maxNodes: 4}
  roles:
  - {name: master, exclusive: true, service: PerShard}
  - {name: replica}
  roleProvider: {type: Static}
  configuration:
    parameters:
    - {name: slowlog-max-len, value: "128"}
    - {name: io-threads, value: "1"}
  updateStrategy: {maxUnavailable: 3}
  template:
    spec:
      securityContext: {runAsNonRoot: true, runAsUser: 65532, fsGroup: 65532, seccompProfile: {type: RuntimeDefault}}
      containers:
      - name: redis
        image: localhost/redis:dev
        imagePullPolicy: IfNotPresent
        command: [redis-server, /etc/shoal/redis.conf, --protected-mode, "no", --save, "", --appendonly, "yes", --dir, /data,
          --repl-diskless-sync-delay, "0", --replicaof, 127.0.0.1, "1", --replica-serve-stale-data, "no"]
        ports: [{name: redis, containerPort: 6379}]
        resources: {requests: {cpu: 20m, memory: 32Mi}, limits: {memory: 64Mi}}
        securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
        volumeMounts: [{name: data, mountPath: /data}]
      volumes: [{name: data, emptyDir: {}}]
`

// writesToShards sets one key after the other through the Service of each shard's master, and notes those that a replica has confirmed.
const writesToShards = `for s in 0 1 2; do (
  i=0
  while [ ! -e /tmp/stop ]; do
    i=$((i+1))
    n=$(printf 'SET k:%s v\nWAIT 1 1000\n' $i | timeout 3 redis-cli -h changed-$s-master 2>/dev/null | tr '\n' ' ')
    case "$n" in "OK 1 "|"OK 2 ") echo k:$i >>/tmp/acked-$s;; esac
  done
  echo $i >/tmp/ended-$s
) & done
wait
exec sleep 100000`

// testUpdates changes instances that run, while clients write: parameters of Redis, its image, its memory. No pod is replaced, the
// replicas of each shard come before its master, and nothing is lost that a replica has confirmed.
func (s *shoal) testUpdates(t *testing.T) {
	s.loadNext(t)
	s.startChanged(t)

	s.unchanged(t, "a dynamic parameter", 0, func(set *v1alpha1.InstanceSetSpec) { set.Configuration.Parameters[0].Value = "256" })
	s.everyRedis(t, "redis-cli CONFIG GET slowlog-max-len", "256")
	s.survivesARestart(t)
	s.unchanged(t, "a static parameter", 1, func(set *v1alpha1.InstanceSetSpec) { set.Configuration.Parameters[1].Value = "2" })
	s.everyRedis(t, "redis-cli CONFIG GET io-threads", "2")
	s.unchanged(t, "the image", 1, func(set *v1alpha1.InstanceSetSpec) { set.Template.Spec.Containers[0].Image = nextImage })
	s.unchanged(t, "the memory", 0, func(set *v1alpha1.InstanceSetSpec) {
		set.Template.Spec.Containers[0].Resources.Limits[corev1.ResourceMemory] = resource.MustParse("96Mi")
	})
	for i := range 3 * changedShards {
		if got := memoryLimit(t, fmt.Sprintf("%s-%d", changed, i)); got != 96<<20 {
			t.Errorf("%s-%d may use %d bytes of memory, want %d", changed, i, got, 96<<20)
		}
	}
	s.refusedIsTakenBack(t)
	s.noWriteIsLost(t)
	s.deleteSet(t, changed)
}

// startChanged has three shards come up, each with a master and two replicas, and clients write to them.
func (s *shoal) startChanged(t *testing.T) {
	t.Helper()
	s.applyText(t, withChanges)
	eventually(t, slow, "nine Redis", func() error { return s.ready(changed, 3*changedShards) })
	for shard := range changedShards {
		master := fmt.Sprintf("%s-%d", changed, 3*shard)
		s.mustPrint(t, master, "redis-cli REPLICAOF NO ONE", "OK")
		for i := 1; i < 3; i++ {
			s.mustPrint(t, fmt.Sprintf("%s-%d", changed, 3*shard+i), "redis-cli REPLICAOF "+s.pod(t, master).Status.PodIP+" 6379", "OK")
		}
	}
	eventually(t, slow, "a master and two replicas in each shard", s.shardsServe)
	s.writeToShards(t)
}

// loadNext gives the nodes the image of Redis under one more name.
func (s *shoal) loadNext(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository(t), "bin", "images", "redis.tar"))
	if err != nil {
		t.Fatal(err)
	}
	renamed := rename(t, text, "localhost/redis:dev", nextImage)
	if err := s.cluster.LoadImages(t.Context(), func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(renamed)), nil }); err != nil {
		t.Fatal(err)
	}
}

// rename gives the image of an archive another name. Both stand in its index and its manifest alone.
func rename(t *testing.T, archive []byte, from, to string) []byte {
	t.Helper()
	var out bytes.Buffer
	in, w, found := tar.NewReader(bytes.NewReader(archive)), tar.NewWriter(&out), false
	for {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		if header.Name == "index.json" || header.Name == "manifest.json" {
			found = found || bytes.Contains(body, []byte(from))
			body = bytes.ReplaceAll(body, []byte(from), []byte(to))
			header.Size = int64(len(body))
		}
		if err := w.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil || !found {
		t.Fatalf("%s is not in the archive: %v", from, err)
	}
	return out.Bytes()
}

// shardsServe: each shard has one master, which its Service leads to, and two replicas.
func (s *shoal) shardsServe() error {
	pods, err := s.client.CoreV1().Pods("default").List(context.Background(), metav1.ListOptions{LabelSelector: v1alpha1.LabelInstanceSet + "=" + changed})
	if err != nil {
		return err
	}
	masters, replicas := map[string]string{}, map[string]int{}
	for _, pod := range pods.Items {
		shard := pod.Labels[v1alpha1.LabelShard]
		switch pod.Labels[v1alpha1.LabelRole] {
		case string(v1alpha1.RoleMaster):
			masters[shard] = pod.Status.PodIP
		case string(v1alpha1.RoleReplica):
			replicas[shard]++
		}
	}
	for shard := range changedShards {
		name := fmt.Sprintf("%s-%d", changed, shard)
		got, err := s.endpoints("default", name+"-master")
		if err != nil {
			return err
		}
		if masters[name] == "" || replicas[name] != 2 || !slices.Equal(got, []string{masters[name]}) {
			return fmt.Errorf("%s has the master %q and %d replicas, and its Service leads to %v", name, masters[name], replicas[name], got)
		}
	}
	return nil
}

func (s *shoal) writeToShards(t *testing.T) {
	t.Helper()
	s.applyText(t, fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: clients}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - {name: clients, image: "localhost/redis:dev", imagePullPolicy: IfNotPresent, command: [sh, -c, %q], volumeMounts: [{name: tmp, mountPath: /tmp}]}
  nodeSelector: {kubernetes.io/hostname: %s}
  volumes: [{name: tmp, emptyDir: {}}]
`, writesToShards, s.pod(t, changed+"-0").Spec.NodeName))
	eventually(t, slow, "the clients to write", func() error {
		_, err := s.run(t.Context(), "clients", "test -s /tmp/acked-0 -a -s /tmp/acked-1 -a -s /tmp/acked-2")
		return err
	})
}

// unchanged brings a change to all instances: each is the pod that it was, at the same address, and Redis alone has started again, so many
// times; the master of a shard as the last of it, when it was master no more.
func (s *shoal) unchanged(t *testing.T, what string, starts int32, change func(*v1alpha1.InstanceSetSpec)) {
	t.Helper()
	before, began := s.podsOf(t, changed), time.Now()
	s.setChanged(t, change)
	// A replica that is out of sync for a moment has a handover refused. It is asked for again after 15 s, 30 s and 60 s (instanceset/decide/handover.go).
	eventually(t, 2*slow+2*time.Minute, what+" of all", s.allUpdated)
	eventually(t, slow, "a master and two replicas in each shard after "+what, s.shardsServe)
	t.Logf("%s: %s for %d instances", what, time.Since(began).Round(100*time.Millisecond), len(before))
	started := map[string]time.Time{} // by shard, the last of its replicas
	for _, master := range []bool{false, true} {
		for i := range before {
			was := &before[i]
			if (was.Labels[v1alpha1.LabelRole] == string(v1alpha1.RoleMaster)) != master {
				continue
			}
			now, shard := s.pod(t, was.Name), was.Labels[v1alpha1.LabelShard]
			if now.UID != was.UID || now.Status.PodIP != was.Status.PodIP {
				t.Errorf("%s: %s was replaced", what, was.Name)
			}
			if d := restarts(now) - restarts(was); d != starts {
				t.Errorf("%s: Redis of %s has started again %d times, want %d", what, was.Name, d, starts)
			}
			if agentStarts(now) != agentStarts(was) {
				t.Errorf("%s: the agent of %s has started again", what, was.Name)
			}
			if starts == 0 {
				continue
			}
			at := now.Status.ContainerStatuses[0].State.Running.StartedAt.Time
			switch {
			case !master && at.After(started[shard]):
				started[shard] = at
			case master && !at.After(started[shard]):
				t.Errorf("%s: the master of %s has started at %s, before a replica at %s", what, shard, at, started[shard])
			case master && now.Labels[v1alpha1.LabelRole] == string(v1alpha1.RoleMaster):
				t.Errorf("%s: %s was master, and has started again without handing over", what, was.Name)
			}
		}
	}
}

// memoryLimit is what the kernel lets the pod's Redis use.
func memoryLimit(t *testing.T, pod string) int {
	t.Helper()
	found, ok := processIn(t, pod, "redis-server")
	if !ok {
		t.Fatalf("no Redis runs in %s", pod)
	}
	groups, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", found.PID))
	if err != nil {
		t.Fatal(err)
	}
	file := ""
	for line := range strings.Lines(string(groups)) { // <number>:<controllers>:<path>, see cgroups(7)
		switch fields := strings.SplitN(strings.TrimSpace(line), ":", 3); {
		case fields[1] == "memory":
			file = filepath.Join("/sys/fs/cgroup/memory", fields[2], "memory.limit_in_bytes")
		case fields[1] == "" && file == "":
			file = filepath.Join("/sys/fs/cgroup", fields[2], "memory.max")
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	limit, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return limit
}

func agentStarts(pod *corev1.Pod) int32 {
	for _, c := range pod.Status.InitContainerStatuses {
		if c.Name == podspec.AgentContainer {
			return c.RestartCount
		}
	}
	return -1
}

func (s *shoal) setChanged(t *testing.T, change func(*v1alpha1.InstanceSetSpec)) {
	t.Helper()
	eventually(t, slow, "the change of the set", func() error {
		now, err := s.theSet()
		if err != nil {
			return err
		}
		change(&now.Spec)
		return s.shoal.Update(context.Background(), now)
	})
}

func (s *shoal) theSet() (*v1alpha1.InstanceSet, error) {
	var now v1alpha1.InstanceSet
	return &now, s.shoal.Get(context.Background(), client.ObjectKey{Namespace: "default", Name: changed}, &now)
}

func (s *shoal) allUpdated() error {
	now, err := s.theSet()
	if err != nil {
		return err
	}
	c := meta.FindStatusCondition(now.Status.Conditions, v1alpha1.ConditionUpdating)
	if now.Status.ObservedGeneration != now.Generation || now.Status.UpdatedReplicas != *now.Spec.Replicas || now.Status.ReadyReplicas != *now.Spec.Replicas ||
		c == nil || c.Status != metav1.ConditionFalse {
		return fmt.Errorf("%d are updated, %d ready: %+v", now.Status.UpdatedReplicas, now.Status.ReadyReplicas, c)
	}
	return nil
}

func (s *shoal) everyRedis(t *testing.T, script, want string) {
	t.Helper()
	for i := range 3 * changedShards {
		s.mustPrint(t, fmt.Sprintf("%s-%d", changed, i), script, want)
	}
}

// survivesARestart kills a replica's Redis: it comes back with the parameters that were brought to it while it ran.
func (s *shoal) survivesARestart(t *testing.T) {
	t.Helper()
	pods := s.podsOf(t, changed)
	at := slices.IndexFunc(pods, func(p corev1.Pod) bool { return p.Labels[v1alpha1.LabelRole] == string(v1alpha1.RoleReplica) })
	before := &pods[at]
	killIn(t, before.Name, "redis-server")
	eventually(t, slow, before.Name+" to be restarted", func() error {
		if now := s.pod(t, before.Name); restarts(now) == restarts(before) {
			return errors.New("it is not")
		}
		return nil
	})
	eventually(t, slow, "all to be as before", func() error { return errors.Join(s.allUpdated(), s.shardsServe()) })
	s.mustPrint(t, before.Name, "redis-cli CONFIG GET slowlog-max-len", "256")
}

// refusedIsTakenBack: what Redis refuses reaches one instance, which goes on as before.
func (s *shoal) refusedIsTakenBack(t *testing.T) {
	t.Helper()
	before := s.podsOf(t, changed)
	good := v1alpha1.ConfigurationParameter{}
	s.setChanged(t, func(set *v1alpha1.InstanceSetSpec) {
		good = set.Configuration.Parameters[0]
		set.Configuration.Parameters[0].Value = "many"
	})
	eventually(t, slow, "the refusal to be told", func() error {
		now, err := s.theSet()
		if err != nil {
			return err
		}
		if c := meta.FindStatusCondition(now.Status.Conditions, v1alpha1.ConditionUpdating); c == nil || !strings.Contains(c.Message, "SHOAL2634") || !strings.Contains(c.Message, good.Name) {
			return fmt.Errorf("%+v", c)
		}
		return nil
	})
	s.everyRedis(t, "redis-cli CONFIG GET "+good.Name, good.Value)
	for i := range before {
		if now := s.pod(t, before[i].Name); now.UID != before[i].UID || restarts(now) != restarts(&before[i]) {
			t.Errorf("%s was replaced, or has started again", now.Name)
		}
	}
	s.setChanged(t, func(set *v1alpha1.InstanceSetSpec) { set.Configuration.Parameters[0] = good })
	eventually(t, slow, "all to be as before", s.allUpdated)
}

// noWriteIsLost: every write that a replica has confirmed is at the master of its shard.
func (s *shoal) noWriteIsLost(t *testing.T) {
	t.Helper()
	eventually(t, slow, "the clients to end", func() error {
		_, err := s.run(t.Context(), "clients", "touch /tmp/stop; cat /tmp/ended-0 /tmp/ended-1 /tmp/ended-2")
		return err
	})
	for shard := range changedShards {
		out, err := s.run(t.Context(), "clients", fmt.Sprintf("wc -l </tmp/acked-%[1]d; sed 's/^/EXISTS /' /tmp/acked-%[1]d | redis-cli -h changed-%[1]d-master | grep -c -v '^1$'; true", shard))
		if err != nil {
			t.Fatal(err)
		}
		var confirmed, lost int
		if n, err := fmt.Sscan(out, &confirmed, &lost); n != 2 || err != nil {
			t.Fatalf("%q: %v", out, err)
		}
		if confirmed < 50 || lost != 0 {
			t.Errorf("shard %d: of %d writes that a replica has confirmed %d are lost", shard, confirmed, lost)
		}
		t.Logf("shard %d: of %d writes that a replica has confirmed %d are lost", shard, confirmed, lost)
	}
	s.deletePod(t, "clients")
}
