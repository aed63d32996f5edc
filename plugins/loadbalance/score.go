package loadbalance

import (
	"math"

	fwk "k8s.io/kube-scheduler/framework"

	"github.com/shoal-dev/shoal/load"
)

// dimension is one resource of a node as it would be after the pod has landed.
type dimension struct {
	used, capacity int64
	weight         int64
}

// maxResources is the most resources that are weighed.
const maxResources = load.Dimensions

// perPoint is the resolution of scores before they are compared, and whole that of shares: a pod of a hundredth of a core
// can be told on a node of a hundred. With whole points, hundreds of small pods would go to one of many equal nodes by
// chance.
const (
	perPoint = 1000
	whole    = 100 * perPoint
)

// score is 0 to 100 points, higher is better: 100 * (1 - (w*max(u) + (1-w)*std(u))), where u are the shares in use, w is
// worstPercent/100, and std is the weighted population standard deviation. A node is as full as its fullest resource,
// and what a lopsided node has left of the others cannot be used. Weights count in the deviation only: a resource that
// is full is full, whatever its weight. In thousandths of a point.
func score(dimensions []dimension, worstPercent int64) int64 {
	var worst, weights, sum int64
	var shares [maxResources]int64
	for i, d := range dimensions {
		shares[i] = share(d.used, d.capacity)
		worst = max(worst, shares[i])
		weights += d.weight
		sum += d.weight * shares[i]
	}
	if weights == 0 {
		return 0
	}
	var squares float64 // weights * weights * variance: whole numbers, more than fit in 64 bits
	for i, d := range dimensions {
		away := float64(shares[i]*weights - sum)
		squares += float64(d.weight) * away * away
	}
	deviation := int64(math.Sqrt(squares/float64(weights)) / float64(weights))
	return whole - (worstPercent*worst+(100-worstPercent)*deviation)/100
}

// share is what is in use of whole, at most all. A node without the resource is full.
func share(used, capacity int64) int64 {
	if capacity <= 0 || used >= capacity {
		return whole
	}
	if used <= 0 {
		return 0
	}
	if used > math.MaxInt64/whole { // bytes of an absurdly large node
		return used / (capacity / whole)
	}
	return used * whole / capacity
}

// near is how far from the best candidate a node counts as near to it: five points. Half of the scale is for those.
const near = 5 * perPoint

// spread maps the scores of all candidates to the hundred points that the scheduler knows. The best has 100. Down to five
// points below it, a tenth of a point is a step, and whatever is behind it at all is a step behind; the worst has 0, and what lies between is in proportion. So the least used
// of many nodes that are nearly equal is found, and nodes that differ much stay apart too.
func spread(scores fwk.NodeScoreList) {
	best, worst := int64(math.MinInt64), int64(math.MaxInt64)
	for _, s := range scores {
		best, worst = max(best, s.Score), min(worst, s.Score)
	}
	far := max(best-worst-near, 1)
	for i, s := range scores {
		if behind := best - s.Score; behind <= near {
			scores[i].Score = fwk.MaxScore - (behind*fwk.MaxScore/2+near-1)/near // rounded up: nobody ties with the best
		} else {
			scores[i].Score = fwk.MaxScore/2 - (behind-near)*fwk.MaxScore/2/far
		}
	}
}
