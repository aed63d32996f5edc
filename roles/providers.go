package roles

import (
	"maps"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// providers are the RoleProviders of sets, made anew when a set names other Sentinels.
type providers struct {
	now     func() time.Time
	connect connector

	mu   sync.Mutex
	sets map[types.NamespacedName]*sentinels
}

func newProviders(now func() time.Time, connect connector) *providers {
	return &providers{now: now, connect: connect, sets: map[types.NamespacedName]*sentinels{}}
}

// of is the provider of a set. Elections that were heard of are known to the Sentinels that come instead of those that told of
// them, as long as these have the same names for the shards.
func (p *providers) of(set *v1alpha1.InstanceSet) RoleProvider {
	name := client.ObjectKeyFromObject(set)
	spec := set.Spec.RoleProvider
	if spec == nil || spec.Sentinel == nil {
		p.forget(name)
		return static{}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.sets[name]
	if before != nil && equality.Semantic.DeepEqual(before.spec, *spec.Sentinel) {
		return before
	}
	s := newSentinels(*spec.Sentinel, p.now, p.connect)
	if before != nil {
		if before.spec.Monitor == s.spec.Monitor {
			s.shards = before.known()
		}
		before.close()
	}
	p.sets[name] = s
	return s
}

// known is a copy.
func (s *sentinels) known() map[string]past {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.shards)
}

// forget is for a set that is gone, or asks no Sentinels any more.
func (p *providers) forget(set types.NamespacedName) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.sets[set]; s != nil {
		s.close()
		delete(p.sets, set)
	}
}
