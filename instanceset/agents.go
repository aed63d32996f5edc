package instanceset

import (
	"context"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/instanceset/decide"
	"github.com/shoal-dev/shoal/podspec"
)

// agents reads, once for a commit, the instances whose agents others get: the cache keeps neither arguments nor volumes.
type agents struct {
	live      client.Reader
	namespace string

	mu    sync.Mutex
	specs map[types.UID]*corev1.PodSpec
}

// like is the pod spec with the agent that the change asks for, nil for none. An instance that has changed since is "late".
func (a *agents) like(ctx context.Context, c decide.Change) (*corev1.PodSpec, error) {
	name, uid := c.Instance.AgentOf, c.Instance.AgentOfUID
	if c.Kind != decide.CreatePod || name == "" {
		return nil, nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if spec := a.specs[uid]; spec != nil {
		return spec, nil
	}
	var pod corev1.Pod
	err := a.live.Get(ctx, types.NamespacedName{Namespace: a.namespace, Name: name}, &pod)
	switch {
	case apierrors.IsNotFound(err), err == nil && pod.UID != uid:
		return nil, &lateError{name + ", whose agent it was to get, is gone"}
	case err != nil:
		return nil, fmt.Errorf("reading the agent of %s: %w", name, err)
	case !podspec.HasAgent(&pod):
		return nil, &lateError{name + ", whose agent it was to get, has none"}
	}
	if a.specs == nil {
		a.specs = map[types.UID]*corev1.PodSpec{}
	}
	a.specs[uid] = &pod.Spec
	return &pod.Spec, nil
}
