package placement

// queue has the places of a packer that take instances of one size, as a heap with the best on top: while instances of that size
// are placed, nobody gets more room, and only the place that was taken has another rank than before.
type queue struct {
	*packer
	size   Amounts
	places []ranked
	aside  []ranked // that take no more of the shard at hand
}

// ranked is a bin, by index, and its rank.
type ranked struct {
	bin   int
	count int
	value float64
}

func (p *packer) queue(size Amounts) *queue {
	q := &queue{packer: p, size: size, places: make([]ranked, 0, len(p.bins))}
	*p.work -= len(p.bins)/4 + 1 // most of it is less than a step each
	for i := range p.bins {
		if p.fits(&p.bins[i], size) {
			q.places = append(q.places, q.ranked(i))
		}
	}
	for i := len(q.places)/2 - 1; i >= 0; i-- {
		q.sink(i)
	}
	return q
}

func (q *queue) ranked(i int) ranked {
	count, value := q.rank(q.packer, q.size, &q.bins[i])
	return ranked{i, count, value}
}

func (a ranked) before(b ranked) bool {
	switch {
	case a.count != b.count:
		return a.count < b.count
	case a.value != b.value:
		return a.value < b.value
	}
	return a.bin < b.bin
}

// serve places instances of one shard, as many as there are places.
func (q *queue) serve(instances []int) {
	shard := q.Wanted[instances[0]].Shard
	for len(instances) > 0 && len(q.places) > 0 {
		top := q.places[0].bin
		if q.meets(&q.bins[top], shard) {
			q.aside = append(q.aside, q.pop())
			continue
		}
		q.put(instances[0], top)
		instances = instances[1:]
		if !q.fits(&q.bins[top], q.size) {
			q.pop()
			continue
		}
		q.places[0] = q.ranked(top)
		q.sink(0)
	}
	for _, place := range q.aside {
		q.push(place)
	}
	q.aside = q.aside[:0]
}

func (q *queue) pop() ranked {
	top, last := q.places[0], len(q.places)-1
	q.places[0] = q.places[last]
	q.places = q.places[:last]
	q.sink(0)
	return top
}

func (q *queue) push(place ranked) {
	q.places = append(q.places, place)
	for i := len(q.places) - 1; i > 0; {
		*q.work--
		parent := (i - 1) / 2
		if !q.places[i].before(q.places[parent]) {
			return
		}
		q.places[i], q.places[parent] = q.places[parent], q.places[i]
		i = parent
	}
}

func (q *queue) sink(i int) {
	for {
		*q.work--
		first := 2*i + 1
		if first >= len(q.places) {
			return
		}
		if second := first + 1; second < len(q.places) && q.places[second].before(q.places[first]) {
			first = second
		}
		if !q.places[first].before(q.places[i]) {
			return
		}
		q.places[i], q.places[first] = q.places[first], q.places[i]
		i = first
	}
}
