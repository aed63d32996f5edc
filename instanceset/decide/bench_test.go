package decide

import (
	"fmt"
	"strconv"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/podspec"
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
		for name, s := range map[string]Snapshot{"settled": settled, "fresh": fresh, "outdated": outdated, "configured": configured} {
			want := 2 * (n - len(s.Pods))
			if name == "outdated" || name == "configured" {
				want = 1
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
