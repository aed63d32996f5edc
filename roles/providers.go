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
	live    client.Reader                                   // straight from the API server, for Secrets
	tell    func(set *v1alpha1.InstanceSet, trouble string) // of Secrets that cannot be read

	mu   sync.Mutex
	sets map[types.NamespacedName]*sentinels
}

func newProviders(now func() time.Time, connect connector, live client.Reader, tell func(*v1alpha1.InstanceSet, string)) *providers {
	return &providers{now: now, connect: connect, live: live, tell: tell, sets: map[types.NamespacedName]*sentinels{}}
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
	owner := set.DeepCopy()
	s := newSentinels(*spec.Sentinel, p.now, p.connect, &login{
		live: p.live, namespace: set.Namespace, access: spec.Sentinel.Access.DeepCopy(), now: p.now, tell: func(trouble string) { p.tell(owner, trouble) },
	})
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
