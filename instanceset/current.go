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

// current asks the API server for the set, right before an instance or the set's policy is touched, and refuses what an old copy of
// the set would have done. Sets, claims and pods reach the cache by different watches, and the answer to a write may be lost: a manager that
// was suspended while another one led, or that has just started, may know what became of a claim or a pod and not what the set
// says now. It would
//
//   - delete the claims of a scale-out that it has not seen, with data that somebody has just begun to write;
//   - make the pod of an instance that a scale-in has removed, which nobody expects to be there any more;
//   - write limits to the policy that were changed since;
//   - start an instance as the first of its shard while the status records that it held data: an empty master wipes its
//     replicas.
//
// An answer serves all changes of a commit that follow within proofAge.
type current struct {
	live client.Reader
	now  func() time.Time
	set  *v1alpha1.InstanceSet // that the plan was made from

	mu    sync.Mutex
	asked time.Time
	get   func() (*standing, error)
}

// standing is the set as it is.
type standing struct {
	generation int64
	recorded   map[int32]bool // who held data
}

// prove is nil when the set is still as it was when the plan was made, or the change touches neither; and otherwise
// "late".
func (c *current) prove(ctx context.Context, change decide.Change) error {
	if change.Ordinal == decide.SetWide && change.Kind != decide.CreatePolicy && change.Kind != decide.UpdatePolicy {
		return nil
	}
	now, err := c.ask(ctx)
	switch {
	case err != nil:
		return err
	case now.generation != c.set.Generation:
		return &lateError{"the set was changed since"}
	case startsAsFirst(c.set, change) && now.recorded[change.Ordinal]:
		return &lateError{"it held data before"}
	}
	return nil
}

// startsAsFirst reports whether the change makes what tells an entrypoint that there never was data: the claim, or the pod of
// a set without volumes.
func startsAsFirst(set *v1alpha1.InstanceSet, c decide.Change) bool {
	makes := c.Kind == decide.CreateClaim || c.Kind == decide.CreatePod && len(set.Spec.VolumeClaimTemplates) == 0
	return makes && c.Instance.RebuildGeneration == 0
}

func (c *current) ask(ctx context.Context) (*standing, error) {
	c.mu.Lock()
	if now := c.now(); c.get == nil || now.Sub(c.asked) >= proofAge {
		c.asked, c.get = now, sync.OnceValues(func() (*standing, error) { return c.same(ctx) })
	}
	get := c.get
	c.mu.Unlock()
	return get()
}

// same is how the set stands, if it is still that of the plan.
func (c *current) same(ctx context.Context) (*standing, error) {
	var set v1alpha1.InstanceSet
	switch err := c.live.Get(ctx, client.ObjectKeyFromObject(c.set), &set); {
	case apierrors.IsNotFound(err):
		return nil, &lateError{"the set is gone"}
	case err != nil:
		return nil, fmt.Errorf("asking what the set says now: %w", err)
	case set.UID != c.set.UID:
		return nil, &lateError{"the set was made again"}
	}
	now := &standing{set.Generation, map[int32]bool{}}
	for _, o := range decide.ParseOrdinals(set.Status.Bootstrapped) {
		now.recorded[o] = true
	}
	return now, nil
}
