package instanceset

import (
	"context"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/instanceset/decide"
)

// wish proves, right before a claim is deleted because its instance is not wanted, that the set still says so. Claims and
// sets reach the cache by different watches: a manager that was suspended while another one led may see the claims of a
// scale-out and not the scale-out, and would delete data that somebody has just begun to write. An answer serves all
// changes of a commit that follow within proofAge.
type wish struct {
	live client.Reader
	now  func() time.Time
	set  *v1alpha1.InstanceSet // that the plan was made from

	mu    sync.Mutex
	asked time.Time
	get   func() error
}

// prove is nil when the change deletes no such claim, or the set is still the one that the plan was made from, and "late"
// when it was edited or is another one.
func (w *wish) prove(ctx context.Context, c decide.Change) error {
	if c.Kind != decide.DeleteClaim || c.NeedsFence() {
		return nil
	}
	w.mu.Lock()
	if now := w.now(); w.get == nil || now.Sub(w.asked) >= proofAge {
		w.asked, w.get = now, sync.OnceValue(func() error { return w.same(ctx) })
	}
	get := w.get
	w.mu.Unlock()
	return get()
}

func (w *wish) same(ctx context.Context) error {
	var set v1alpha1.InstanceSet
	switch err := w.live.Get(ctx, client.ObjectKeyFromObject(w.set), &set); {
	case apierrors.IsNotFound(err):
		return &lateError{"the set is gone"}
	case err != nil:
		return fmt.Errorf("looking whether the set still wants it: %w", err)
	case set.UID != w.set.UID || set.Generation != w.set.Generation:
		return &lateError{"the set was changed since"}
	}
	return nil
}
