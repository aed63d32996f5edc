package roles

import (
	"fmt"
	"testing"
	"time"

	"k8s.io/client-go/util/workqueue"
)

// Who rings never waits, whether somebody fetches or not, and no key is lost.
func TestTheBellDropsNothing(t *testing.T) {
	b := NewBell[string]()
	const many = 5000
	for n := range many {
		b.Ring(fmt.Sprint(n % (many / 2)))
	}
	queue := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[string]())
	defer queue.ShutDown()
	if err := Answered(b, func(k string) string { return k }, 0).Start(t.Context(), queue); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	deadline := time.AfterFunc(time.Minute, queue.ShutDown)
	defer deadline.Stop()
	for len(seen) < many/2 {
		key, ended := queue.Get()
		if ended {
			t.Fatalf("%d of %d keys came", len(seen), many/2)
		}
		seen[key] = true
		queue.Done(key)
	}
	b.Ring("once more")
	if key, _ := queue.Get(); key != "once more" {
		t.Errorf("%q came", key)
	}
}
