package trial

import (
	"errors"
	"fmt"
	"reflect"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

// server is an API server that has what the scheduler sees, for plugins that ask whether it is still so.
func (s *Scheduler) server() kubernetes.Interface {
	kube := fake.NewClientset()
	kube.PrependReactor("get", "pods", s.found(reflect.TypeFor[*corev1.Pod]()))
	kube.PrependReactor("get", "persistentvolumeclaims", s.found(reflect.TypeFor[*corev1.PersistentVolumeClaim]()))
	return kube
}

func (s *Scheduler) found(kind reflect.Type) clienttesting.ReactionFunc {
	return func(a clienttesting.Action) (bool, runtime.Object, error) {
		get, ok := a.(clienttesting.GetAction)
		if !ok {
			return false, nil, nil
		}
		o, there, err := s.replicas[kind].GetIndexer().GetByKey(get.GetNamespace() + "/" + get.GetName())
		if err != nil {
			return true, nil, fmt.Errorf("finding %s: %w", get.GetName(), err)
		}
		found, ok := o.(runtime.Object)
		if there && !ok {
			return true, nil, errors.New("what the scheduler sees is of an unknown form")
		}
		if !there {
			return true, nil, apierrors.NewNotFound(a.GetResource().GroupResource(), get.GetName())
		}
		return true, found.DeepCopyObject(), nil
	}
}
