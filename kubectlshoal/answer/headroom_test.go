package answer

import (
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"testing"

	"github.com/shoal-dev/shoal/kubectlshoal/snapshot"
	"github.com/shoal-dev/shoal/kubectlshoal/trial"
)

// What is counted by arithmetic where copies are too many is what the scheduler says where they are placed one by one: with
// anti-affinity and host ports, among pods that have them too, within limits and without.
func TestHeadroomByArithmeticIsExact(t *testing.T) {
	config, err := trial.LoadConfig("")
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewSource(3))
	limited, arithmetic := 0, 0
	for i := range 60 {
		cluster, file := apartCluster(random), apartSet(random)
		room := func(tries int) GroupRoom {
			h, err := HeadroomFor(t.Context(), loaded(t, cluster), config, loaded(t, file), "default", "topology.kubernetes.io/zone", tries)
			if err != nil {
				t.Fatalf("%v\n%s\n%s", err, cluster, file)
			}
			return h.Groups[0]
		}
		tried, counted := room(100_000), room(1)
		if tried.AtLeast {
			t.Fatalf("all should have been tried: %+v", tried)
		}
		if counted.AtLeast || slices.ContainsFunc(counted.ByGroup, func(s GroupSpace) bool { return s.AtLeast }) {
			continue // a rule for which there is no arithmetic
		}
		if arithmetic++; counted.Fits < counted.RoomFor {
			limited++
		}
		if counted.Fits != tried.Fits || fmt.Sprint(counted.ByGroup) != fmt.Sprint(tried.ByGroup) {
			t.Errorf("case %d: counted %d %v, tried %d %v\n%s---\n%s", i, counted.Fits, counted.ByGroup, tried.Fits, tried.ByGroup, cluster, file)
		}
	}
	t.Logf("%d of 60 were counted by arithmetic; anti-affinity or ports limited %d", arithmetic, limited)
	if arithmetic < 40 || limited < 20 {
		t.Error("cases like these prove little")
	}
}

func loaded(t *testing.T, text string) *snapshot.Cluster {
	t.Helper()
	c, err := snapshot.Load(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return c
}

// keepsApart is a required anti-affinity to pods with a label.
func keepsApart(topology, label string) string {
	return fmt.Sprintf("{podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: %s, labelSelector: {matchLabels: {app: %s}}}]}}", topology, label)
}

const hostname, zone = "kubernetes.io/hostname", "topology.kubernetes.io/zone"

// apartCluster has nodes in two zones, and pods some of which keep apart from the copies, or take their port.
func apartCluster(random *rand.Rand) string {
	var b strings.Builder
	nodes := 4 + random.Intn(4)
	for i := range nodes {
		fmt.Fprintf(&b, "apiVersion: v1\nkind: Node\nmetadata: {name: n%d, labels: {%s: n%d, %s: %c}}\nstatus: {allocatable: {cpu: \"%d\", memory: 8Gi, pods: \"10\"}}\n---\n",
			i, hostname, i, zone, 'a'+i%2, 1+random.Intn(4))
	}
	for i := range random.Intn(4) {
		affinity, ports := "{}", "[]"
		switch random.Intn(5) {
		case 0:
			affinity = keepsApart(hostname, "cache")
		case 1:
			affinity = keepsApart(zone, "cache")
		case 2:
			ports = "[{containerPort: 80, hostPort: 80}]"
		}
		fmt.Fprintf(&b, "apiVersion: v1\nkind: Pod\nmetadata: {name: p%d, namespace: default, labels: {app: %s}}\n", i, []string{"cache", "other"}[random.Intn(2)])
		fmt.Fprintf(&b, "spec: {nodeName: n%d, affinity: %s, containers: [{name: c, image: i, ports: %s, resources: {requests: {cpu: 500m}}}]}\n---\n", random.Intn(nodes), affinity, ports)
	}
	return b.String()
}

// apartSet is a StatefulSet, in a group or in none.
func apartSet(random *rand.Rand) string {
	affinity, ports, group, policy := "{}", "[]", "", ""
	switch random.Intn(8) {
	case 0, 1, 2:
		affinity = keepsApart(hostname, "cache")
	case 3:
		affinity = keepsApart(hostname, "other")
	case 4:
		affinity = keepsApart(zone, []string{"cache", "other"}[random.Intn(2)])
	case 5, 6:
		ports = "[{containerPort: 80, hostPort: 80}]"
	}
	if random.Intn(2) == 0 {
		group = ", shoal.dev/placement-policy: cache"
		policy = fmt.Sprintf("---\napiVersion: shoal.dev/v1alpha1\nkind: PlacementPolicy\nmetadata: {name: cache}\nspec: {scaleTargetRefs: [{kind: StatefulSet, name: cache}], maxInstancesPerNode: %d, maxNodes: %d}\n",
			1+random.Intn(3), 2+random.Intn(4))
	}
	return fmt.Sprintf(`apiVersion: apps/v1
kind: StatefulSet
metadata: {name: cache}
spec:
  replicas: %d
  selector: {matchLabels: {app: cache}}
  template:
    metadata: {labels: {app: cache%s}}
    spec: {schedulerName: shoal-scheduler, affinity: %s, containers: [{name: c, image: i, ports: %s, resources: {requests: {cpu: 500m}}}]}
%s`, 1+random.Intn(3), group, affinity, ports, policy)
}
