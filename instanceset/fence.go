package instanceset

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/instanceset/decide"
	"github.com/shoal-dev/shoal/slots"
)

// fences proves that nodes are fenced right before something rests on it. The snapshot comes from a cache: a person may
// have taken the taint back seconds ago, and the machine may be running again. An answer serves all changes of a commit that
// follow within proofAge, and is not kept for the next commit.
type fences struct {
	live client.Reader
	now  func() time.Time

	mu    sync.Mutex
	nodes map[string]proof
}

// proof is an answer of the API server about a node, or one that is on its way.
type proof struct {
	asked time.Time
	get   func() (*corev1.Node, error)
}

// proofAge is how old an answer may be that a write rests on. A commit of thousands of instances takes minutes, and a
// person may give a node back in the middle of it.
const proofAge = 2 * time.Second

func newFences(live client.Reader, now func() time.Time) *fences {
	return &fences{live: live, now: now, nodes: map[string]proof{}}
}

// errNoProof refuses a change that does not even say which node is dead. No plan has one.
var errNoProof = errors.New("it gives up what may be in use, and names no node that is fenced")

// prove is nil when all nodes on which the change rests are out of service, and "late" when one is not.
func (f *fences) prove(ctx context.Context, c decide.Change) error {
	if c.NeedsFence() && len(c.Fenced) == 0 {
		return errNoProof
	}
	for _, fence := range c.Fenced {
		node, err := f.node(ctx, fence.Node)
		switch {
		case apierrors.IsNotFound(err):
			return &lateError{"node " + fence.Node + " is gone, which proves nothing"}
		case err != nil:
			return fmt.Errorf("looking whether node %s is fenced: %w", fence.Node, err)
		case node.UID != fence.UID:
			return &lateError{"node " + fence.Node + " is another one now"}
		case !slots.OutOfService(node):
			return &lateError{"node " + fence.Node + " is not out of service any more"}
		}
	}
	return nil
}

// node is the Node as it was at most proofAge ago, counted from when it was asked for: when the answer was made in between
// is not known.
func (f *fences) node(ctx context.Context, name string) (*corev1.Node, error) {
	f.mu.Lock()
	p, asked := f.nodes[name]
	if now := f.now(); !asked || now.Sub(p.asked) >= proofAge {
		p = proof{now, sync.OnceValues(func() (*corev1.Node, error) {
			node := new(corev1.Node)
			err := f.live.Get(ctx, types.NamespacedName{Name: name}, node)
			return node, err
		})}
		f.nodes[name] = p
	}
	f.mu.Unlock()
	return p.get()
}
