package instanceset

import (
	"maps"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// refusedFor is how long nothing is tried again that the API server has refused. A set is looked at with each event of its pods:
// without it, a webhook that refuses ten claims was asked a thousand times a minute.
const refusedFor = 5 * time.Second

// refusals are the objects of which a change was refused lately, by UID.
type refusals struct {
	mu    sync.Mutex
	since map[types.UID]refusal
}

type refusal struct {
	until time.Time
	err   error
}

// lately is what the API server said, nil if it may be asked again.
func (r *refusals) lately(uid types.UID, now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if said := r.since[uid]; now.Before(said.until) {
		return said.err
	}
	return nil
}

// note takes in what became of a try.
func (r *refusals) note(uid types.UID, err error, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.since, func(_ types.UID, said refusal) bool { return !now.Before(said.until) })
	if err == nil || isLate(err) {
		delete(r.since, uid)
		return
	}
	if r.since == nil {
		r.since = map[types.UID]refusal{}
	}
	r.since[uid] = refusal{now.Add(refusedFor), err}
}
