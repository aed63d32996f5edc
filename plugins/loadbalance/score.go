package loadbalance

import "math"

// dimension is one resource of a node as it would be after the pod has landed.
type dimension struct {
	used, capacity int64
	weight         int64
}

// maxResources is the most resources that are weighed. The arguments can name two.
const maxResources = 4

// perMille is the resolution of shares: a node of 1,000 cores tells one core.
const perMille = 1000

// score is 0 to 100, higher is better: 100 * (1 - (w*max(u) + (1-w)*std(u))), where u are the shares in use, w is
// worstPercent/100, and std is the weighted population standard deviation. A node is as full as its fullest resource,
// and what a lopsided node has left of the others cannot be used. Weights count in the deviation only: a resource that
// is full is full, whatever its weight.
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
	var squares int64 // weights * weights * variance, to stay with integers
	for i, d := range dimensions {
		away := shares[i]*weights - sum
		squares += d.weight * away * away
	}
	deviation := int64(math.Sqrt(float64(squares)/float64(weights)) / float64(weights))
	penalty := (worstPercent*worst + (100-worstPercent)*deviation) / 100
	return (perMille - penalty) * 100 / perMille
}

// share is what is in use in thousandths, at most all. A node without the resource is full.
func share(used, capacity int64) int64 {
	if capacity <= 0 || used >= capacity {
		return perMille
	}
	if used <= 0 {
		return 0
	}
	if used > math.MaxInt64/perMille { // bytes of an absurdly large node
		return used / (capacity / perMille)
	}
	return used * perMille / capacity
}
