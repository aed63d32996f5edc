package roles

import (
	"context"
	"sync"
	"time"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/source"
)

// Bell takes keys to the queue of a controller. Who rings never waits, and nothing is dropped: what was not fetched yet is one
// key however often it was rung for. A channel with a bound would do either, when all shards have news at the same time.
type Bell[K comparable] struct {
	mu     sync.Mutex
	keys   map[K]bool
	signal chan struct{}
}

// NewBell makes one.
func NewBell[K comparable]() *Bell[K] {
	return &Bell[K]{keys: map[K]bool{}, signal: make(chan struct{}, 1)}
}

// Ring has the key fetched.
func (b *Bell[K]) Ring(key K) {
	b.mu.Lock()
	b.keys[key] = true
	b.mu.Unlock()
	select {
	case b.signal <- struct{}{}:
	default: // it has been signalled, and not looked since
	}
}

// fetch takes what was rung for.
func (b *Bell[K]) fetch() map[K]bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	keys := b.keys
	b.keys = map[K]bool{}
	return keys
}

// Answered is a source of events: it adds the keys to the queue, after the delay, until the context ends.
func Answered[K, R comparable](b *Bell[K], request func(K) R, delay time.Duration) source.TypedSource[R] {
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
