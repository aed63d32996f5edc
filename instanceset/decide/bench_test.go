package decide

import (
	"fmt"
	"strconv"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/podspec"
	"github.com/shoal-dev/shoal/slots"
)

// What one decision costs: of a set that is as wanted, and of one that has to be created. Compare with
//
//	go test ./instanceset/decide -run '^$' -bench Decide -benchmem -count 10 >old.txt
//	... change ...
//	go test ./instanceset/decide -run '^$' -bench Decide -benchmem -count 10 >new.txt
//	benchstat old.txt new.txt
//
// The cost must grow with the size and no faster: the same sizes within one run are the measure, not the machine.
func BenchmarkDecide(b *testing.B) {
	for _, n := range []int{100, 1_000, 10_000} {
		settled, fresh := largeSnapshot(n, 1), largeSnapshot(n, 1)
		fresh.Pods, fresh.Claims = nil, nil
		outdated, configured := outdatedSnapshot(n), configuredSnapshot(n)
		cordoned, full := cordonedSnapshot(n, 100), cordonedSnapshot(n, 0)
		for name, s := range map[string]Snapshot{"settled": settled, "fresh": fresh, "outdated": outdated, "configured": configured, "cordoned": cordoned, "full": full} {
			want := 2 * (n - len(s.Pods))
			if name == "outdated" || name == "configured" {
				want = 1
			}
			if name == "cordoned" || name == "full" { // who leaves is recorded first
				want = 0
			}
			b.Run(fmt.Sprintf("%s/n=%d", name, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if plan := Decide(s); len(plan.Changes) != want {
						b.Fatalf("%d changes", len(plan.Changes))
					}
				}
			})
		}
	}
}

// largeSnapshot is a set of n instances with some claims each, three to a shard, five to a node, all Ready.
func largeSnapshot(n int, claims int) Snapshot {
	w := newWorld()
	*w.set.Spec.Replicas = int32(n)
	size := int32(3)
	w.set.Spec.ShardSize = &size
	for c := range claims {
		w.set.Spec.VolumeClaimTemplates = append(w.set.Spec.VolumeClaimTemplates, v1alpha1.VolumeClaimTemplate{
			Metadata: v1alpha1.VolumeClaimMeta{Name: "data" + strconv.Itoa(c)},
		})
	}
	s := w.snapshot()
	revision := newView(s).revisions[0]
	for i := range n {
		node := "n" + strconv.Itoa(i/5)
		if i%5 == 0 {
			s.Nodes = append(s.Nodes, Node{Name: node, UID: types.UID(node), State: NodeHealthy})
		}
		s.Pods = append(s.Pods, Pod{
			Ordinal: int32(i), UID: types.UID("p" + strconv.Itoa(i)), Node: node, Phase: corev1.PodRunning, Ready: true, Revision: revision,
		})
		for c := range claims {
			volume := fmt.Sprintf("v%d-%d", i, c)
			s.Claims = append(s.Claims, Claim{
				Ordinal: int32(i), Volumes: "data" + strconv.Itoa(c), UID: types.UID("c" + volume), Volume: volume, Node: node,
			})
			s.Volumes = append(s.Volumes, Volume{Name: volume})
		}
	}
	s.Set.Status = Decide(s).Status
	return s
}

// outdatedSnapshot is a set of which every instance has another image than its template.
func outdatedSnapshot(n int) Snapshot {
	s := largeSnapshot(n, 1)
	for i := range s.Pods {
		s.Pods[i].Live = podspec.Pod(s.Set, podspec.Instance{Ordinal: s.Pods[i].Ordinal, Revision: s.Pods[i].Revision})
	}
	s.Set.Spec.Template.Spec.Containers[0].Image = "redis:8"
	text := podspec.Ask(s.Set, nil).Encode()
	s.Revisions = append(s.Revisions, Revision{Object: "r-new", UID: "new", Name: podspec.RevisionOf(text), Number: 9, Text: text})
	return s
}

// cordonedSnapshot is a set without volumes of which each node is cordoned, with so many others that would take its instances.
func cordonedSnapshot(n, open int) Snapshot {
	s := largeSnapshot(n, 0)
	move := &Move{Asks: slots.Amount{Pods: 1}, To: map[string]bool{}}
	for i := range s.Pods {
		s.Pods[i].Move = move
	}
	for i := range s.Nodes {
		s.Nodes[i].Cordoned = true
		s.Places = append(s.Places, Place{Node: s.Nodes[i].Name, Held: 5})
	}
	for i := range open {
		node := "open-" + strconv.Itoa(i)
		s.Places = append(s.Places, Place{Node: node, Free: slots.Amount{Pods: 10}})
		move.To[node] = true
	}
	return s
}

// BenchmarkLook is the look for room of 10,000 instances on 2,000 cordoned nodes, in a cluster with 3,000 more that are full: without volumes, and with
// one each in the network.
func BenchmarkLook(b *testing.B) {
	for name, zone := range map[string]string{"bare": "", "volumes": "z"} {
		b.Run(name, func(b *testing.B) {
			w := crowded(zone)
			for b.Loop() {
				if s := w.look(); s.Pods[0].Move == nil || len(s.Pods[0].Move.To) > 0 {
					b.Fatal("there is room, or nobody looks for it")
				}
			}
		})
	}
}

func crowded(zone string) *building {
	w := newBuilding()
	for n := range 5_000 {
		name := "n" + strconv.Itoa(n)
		w.node(name, "z", 5, n < 2_000)
		for i := range int32(5) {
			if n < 2_000 {
				w.pod(int32(n)*5+i, name, zone)
			} else {
				w.there[name] = append(w.there[name], w.o.Pods[i])
			}
		}
	}
	for _, pod := range w.o.Pods {
		w.o.Room.Held = append(w.o.Room.Held, slots.Slot{Node: pod.Spec.NodeName, Pod: pod})
	}
	return w
}

// configuredSnapshot is a set with roles of which every instance has another parameter than the set, and nobody has tried it.
func configuredSnapshot(n int) Snapshot {
	s := largeSnapshot(n, 1)
	s.Set.Spec.Roles = []v1alpha1.InstanceRole{{Name: v1alpha1.RoleMaster, Exclusive: true}, {Name: v1alpha1.RoleReplica}}
	s.Set.Spec.Configuration = &v1alpha1.Configuration{Parameters: []v1alpha1.ConfigurationParameter{{Name: "maxmemory", Value: "1gb"}}}
	record := func(number int64) string {
		text := podspec.Ask(s.Set, nil).Encode()
		name := podspec.RevisionOf(text)
		s.Revisions = append(s.Revisions, Revision{Object: "r-" + name, UID: types.UID(name), Name: name, Number: number, Text: text})
		return name
	}
	revision := record(8)
	for i := range s.Pods {
		p := &s.Pods[i]
		p.Revision, p.Role = revision, v1alpha1.RoleReplica
		if p.Ordinal%3 == 0 {
			p.Role = v1alpha1.RoleMaster
		}
		p.Live = podspec.Pod(s.Set, podspec.Instance{Ordinal: p.Ordinal, Revision: revision})
		p.Configuration = podspec.GivenConfiguration(p.Live)
		p.Reported.Revision = p.Configuration
	}
	s.Set.Spec.Configuration.Parameters[0].Value = "2gb"
	record(9)
	return s
}
