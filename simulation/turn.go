package simulation

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
)

// Preemption evicts in a goroutine of its own (SchedulerAsyncPreemption), while the cycle that began it still writes the status of
// its pod. Which of them writes first is a matter of chance, and would make another run of the seed: everything that happens draws
// how long it takes from the same dice. So that goroutine waits for a moment of simulated time before each of its calls. Then
// nobody else runs.

// ownTurn is in the context of everything that runs in its turn. That goroutine has a context of its own.
type ownTurn struct{}

// aside is less than what lies between two cycles, or between a cycle and what the models do.
const aside = 300 * time.Nanosecond

// asideOf is the life of a process for goroutines that its plugins start.
func asideOf(process context.Context) context.Context {
	return context.WithValue(process, ownTurn{}, nil)
}

func await(ctx context.Context) {
	if ctx.Value(ownTurn{}) == nil {
		<-time.After(aside)
	}
}

// inTurn are clients of the scheduler; preemption patches and deletes pods, and Dispersion tells those that were overlooked.
type inTurn struct{ kubernetes.Interface }

// CoreV1 are the clients of the core group.
func (c inTurn) CoreV1() typedcorev1.CoreV1Interface { return coreInTurn{c.Interface.CoreV1()} }

type coreInTurn struct{ typedcorev1.CoreV1Interface }

// Pods is the client of pods.
func (c coreInTurn) Pods(namespace string) typedcorev1.PodInterface {
	return podsInTurn{c.CoreV1Interface.Pods(namespace)}
}

type podsInTurn struct{ typedcorev1.PodInterface }

// Patch patches a pod.
func (c podsInTurn) Patch(ctx context.Context, name string, pt types.PatchType, data []byte, opts metav1.PatchOptions, subresources ...string) (*corev1.Pod, error) {
	await(ctx)
	return c.PodInterface.Patch(ctx, name, pt, data, opts, subresources...)
}

// Delete deletes a pod.
func (c podsInTurn) Delete(ctx context.Context, name string, opts metav1.DeleteOptions) error {
	await(ctx)
	return c.PodInterface.Delete(ctx, name, opts)
}
