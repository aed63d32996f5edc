package instanceset

import (
	"context"
	"errors"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/instanceset/decide"
	"github.com/shoal-dev/shoal/slots"
)

// fences proves that nodes are fenced right before something rests on it. The snapshot comes from a cache: a person may
// have taken the taint back seconds ago, and the machine may be running again. Each node is asked for once in a commit,
// and the answer is not kept for the next.
type fences struct {
	live client.Reader

	mu    sync.Mutex
	nodes map[string]func() (*corev1.Node, error)
}

func newFences(live client.Reader) *fences {
	return &fences{live: live, nodes: map[string]func() (*corev1.Node, error){}}
}

// errNoProof refuses a change that does not even say which node is dead. No plan has one.
var errNoProof = errors.New("it gives up what may be in use, and names no node that is fenced")

// prove is nil when all nodes on which the change rests are out of service at this moment, and "late" when one is not.
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

func (f *fences) node(ctx context.Context, name string) (*corev1.Node, error) {
	f.mu.Lock()
	get, asked := f.nodes[name]
	if !asked {
		get = sync.OnceValues(func() (*corev1.Node, error) {
			node := new(corev1.Node)
			err := f.live.Get(ctx, types.NamespacedName{Name: name}, node)
			return node, err
		})
		f.nodes[name] = get
	}
	f.mu.Unlock()
	return get()
}
