package decide

import (
	"cmp"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/podspec"
)

// Observer makes the snapshots of a set one after the other, and reads only those pods and claims that are not the objects of the last one. Objects of a
// cache are replaced and never changed, so that one that is found at the same place says the same; as the observer holds it, no other one
// can have come there.
//
// Remembered is what follows from an object, and from the set as it was in that generation, alone. What nodes, volumes, agents and the
// time have to do with it is looked at each time.
type Observer struct {
	set        types.UID
	generation int64
	pods       []Pod // with Live, by ordinal
	claims     []seenClaim
	// What the one before had, to be written over.
	sparePods   []Pod
	spareClaims []seenClaim
}

type seenClaim struct {
	live  *corev1.PersistentVolumeClaim
	claim Claim
}

// Observe makes the snapshot. Pods and claims whose names are not those of an instance of the set are left out.
func Observe(now time.Time, o Objects) Snapshot { return new(Observer).Observe(now, o) }

// begin forgets what was read under another set.
func (b *Observer) begin(set *v1alpha1.InstanceSet) {
	if b.set != set.UID || b.generation != set.Generation {
		*b = Observer{set: set.UID, generation: set.Generation}
	}
}

// readPods reads the pods, by ordinal.
func (b *Observer) readPods(set *v1alpha1.InstanceSet, all []*corev1.Pod) []Pod {
	all = slices.Clone(all)
	slices.SortFunc(all, func(x, y *corev1.Pod) int { // numbers without zeros before them
		return cmp.Or(cmp.Compare(len(x.Name), len(y.Name)), cmp.Compare(x.Name, y.Name))
	})
	given := map[string]string{}
	pods := slices.Grow(b.sparePods[:0], len(all))
	next := 0 // of those that are known
	for _, pod := range all {
		for next < len(b.pods) && before(b.pods[next].Live.Name, pod.Name) {
			next++
		}
		if next < len(b.pods) && b.pods[next].Live == pod {
			pods = append(pods, b.pods[next])
			continue
		}
		if p, ok := observePod(set, pod); ok {
			p.Configuration = givenTo(pod, given)
			pods = append(pods, p)
		}
	}
	clear(b.pods) // or it would hold pods that are gone
	b.pods, b.sparePods = pods, b.pods
	return append([]Pod(nil), pods...) // nil where there are none
}

// readClaims reads the claims, in the order in which they are given.
func (b *Observer) readClaims(set *v1alpha1.InstanceSet, all []*corev1.PersistentVolumeClaim) []seenClaim {
	all = slices.Clone(all)
	slices.SortFunc(all, func(x, y *corev1.PersistentVolumeClaim) int {
		return cmp.Or(cmp.Compare(len(x.Name), len(y.Name)), cmp.Compare(x.Name, y.Name))
	})
	claims := slices.Grow(b.spareClaims[:0], len(all))
	next := 0
	for _, claim := range all {
		for next < len(b.claims) && before(b.claims[next].live.Name, claim.Name) {
			next++
		}
		if next < len(b.claims) && b.claims[next].live == claim {
			claims = append(claims, b.claims[next])
			continue
		}
		if c, ok := observeClaim(set, claim); ok {
			claims = append(claims, seenClaim{claim, c})
		}
	}
	clear(b.claims)
	b.claims, b.spareClaims = claims, b.claims
	return claims
}

// before reports whether one name comes before another one, in the order in which pods and claims are read.
func before(x, y string) bool { return len(x) < len(y) || len(x) == len(y) && x < y }

// givenTo is the revision of the configuration that a pod was given. Thousands have the same, which is read once.
func givenTo(pod *corev1.Pod, known map[string]string) string {
	text, has := pod.Annotations[v1alpha1.AnnotationConfiguration]
	if !has {
		return ""
	}
	if _, read := known[text]; !read {
		known[text] = podspec.GivenConfiguration(pod)
	}
	return known[text]
}
