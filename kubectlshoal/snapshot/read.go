package snapshot

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// page is how many objects are asked for at once: an answer of the API server stays below a few megabytes.
const page = 500

// Role is the ClusterRole in manifests/rbac that has every right that the commands need.
const Role = "shoal-kubectl"

// Scheme knows every kind that a snapshot holds.
func Scheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("registering kinds: %w", err)
		}
	}
	return scheme, nil
}

// Read reads a cluster: one list of each kind, page by page. Without the right to list nodes and pods of all namespaces it
// fails, and says which right is missing; what else may not be read, or does not exist, stands in Unreadable.
func Read(ctx context.Context, c client.Reader, now time.Time) (*Cluster, error) {
	s := &Cluster{TakenAt: now}
	for _, list := range []client.ObjectList{
		&corev1.NodeList{}, &corev1.PodList{}, &corev1.PersistentVolumeClaimList{}, &corev1.PersistentVolumeList{},
		&storagev1.StorageClassList{}, &v1alpha1.PlacementPolicyList{}, &v1alpha1.InstanceSetList{}, &appsv1.StatefulSetList{},
		&corev1.ServiceList{},
	} {
		kind := kindOf(list)
		err := s.read(ctx, c, list)
		switch {
		case err == nil:
		case kind == "nodes" || kind == "pods":
			if apierrors.IsForbidden(err) {
				err = fmt.Errorf("%w (the ClusterRole %s may)", err, Role)
			}
			return nil, fmt.Errorf("listing %s of the whole cluster: %w", kind, err)
		case meta.IsNoMatchError(err) || apierrors.IsNotFound(err):
			s.Unreadable = append(s.Unreadable, kind+": the CRD is not installed")
		case apierrors.IsForbidden(err):
			s.Unreadable = append(s.Unreadable, kind+": you may not list them in all namespaces (the ClusterRole "+Role+" may)")
		default:
			return nil, fmt.Errorf("listing %s: %w", kind, err)
		}
	}
	return s, nil
}

func (c *Cluster) read(ctx context.Context, from client.Reader, list client.ObjectList, narrow ...client.ListOption) error {
	next := ""
	for {
		if err := from.List(ctx, list, append(narrow[:len(narrow):len(narrow)], client.Limit(page), client.Continue(next))...); err != nil {
			return err
		}
		err := meta.EachListItem(list, func(o runtime.Object) error {
			if object, ok := o.DeepCopyObject().(client.Object); ok {
				c.Put(object)
			}
			return nil
		})
		if next = list.GetContinue(); err != nil || next == "" {
			return err
		}
	}
}
