package roles

import (
	"context"
	"sync"
	"time"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/source"
)

// bell takes keys to the queue of a controller. Who rings never waits, and nothing is dropped: what was not fetched yet is one
// key however often it was rung for. A channel with a bound would do either, when all shards have news at the same time.
type bell[K comparable] struct {
	mu     sync.Mutex
	keys   map[K]bool
	signal chan struct{}
}

func newBell[K comparable]() *bell[K] {
	return &bell[K]{keys: map[K]bool{}, signal: make(chan struct{}, 1)}
}

func (b *bell[K]) ring(key K) {
	b.mu.Lock()
	b.keys[key] = true
	b.mu.Unlock()
	select {
	case b.signal <- struct{}{}:
	default: // it has been signalled, and not looked since
	}
}

// fetch takes what was rung for.
func (b *bell[K]) fetch() map[K]bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	keys := b.keys
	b.keys = map[K]bool{}
	return keys
}

// answered is a source of events: it adds the keys to the queue, after the delay, until the context ends.
func answered[K, R comparable](b *bell[K], request func(K) R, delay time.Duration) source.TypedSource[R] {
	return source.TypedFunc[R](func(ctx context.Context, queue workqueue.TypedRateLimitingInterface[R]) error {
		go func() {
			for {
				select {
				case <-ctx.Done():
					return
				case <-b.signal:
				}
				for key := range b.fetch() {
					queue.AddAfter(request(key), delay)
				}
			}
		}()
		return nil
	})
}
