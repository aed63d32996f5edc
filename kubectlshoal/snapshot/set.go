package snapshot

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// ReadSet reads what the status of one InstanceSet is made of: the sets of its namespace, the pods of the one, and the nodes. Who may
// list the first two in that namespace gets an answer; that nodes may not be read stands in Unreadable.
func ReadSet(ctx context.Context, c client.Reader, now time.Time, namespace, name string) (*Cluster, error) {
	s := &Cluster{TakenAt: now}
	for _, list := range []client.ObjectList{&v1alpha1.InstanceSetList{}, &corev1.PodList{}, &corev1.NodeList{}} {
		kind := kindOf(list)
		err := s.read(ctx, c, list, optionsFor(list, namespace, name)...)
		switch {
		case err == nil:
		case apierrors.IsForbidden(err) && kind == "nodes":
			s.Unreadable = append(s.Unreadable, "nodes: you may not list them, so their state is not shown (the ClusterRole "+Role+" may)")
		case apierrors.IsForbidden(err):
			return nil, fmt.Errorf("listing %s in namespace %s: %w (the ClusterRole %s may)", kind, namespace, err, Role)
		case meta.IsNoMatchError(err) || apierrors.IsNotFound(err):
			return nil, fmt.Errorf("listing %s: the CRD is not installed (is it the right cluster?)", kind)
		default:
			return nil, fmt.Errorf("listing %s: %w", kind, err)
		}
	}
	return s, nil
}

// optionsFor says which objects of a kind the status of a set needs.
func optionsFor(list client.ObjectList, namespace, name string) []client.ListOption {
	switch list.(type) {
	case *corev1.NodeList:
		return nil
	case *corev1.PodList:
		return []client.ListOption{client.InNamespace(namespace), client.MatchingLabels{v1alpha1.LabelInstanceSet: name}}
	}
	return []client.ListOption{client.InNamespace(namespace)} // all: one of them may have been meant
}
