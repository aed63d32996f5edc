package snapshot

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// ReadSet reads what the status of one InstanceSet is made of: the sets of its namespace, the pods of the one, the nodes, and if it has roles the
// Switchovers of the namespace. Who may list the first two in that namespace gets an answer; that the others may not be read stands in Unreadable.
func ReadSet(ctx context.Context, c client.Reader, now time.Time, namespace, name string) (*Cluster, error) {
	s := &Cluster{TakenAt: now}
	if err := s.readOf(ctx, c, namespace, name, &v1alpha1.InstanceSetList{}, &corev1.PodList{}, &corev1.NodeList{}); err != nil || !s.hasRoles(namespace, name) {
		return s, err
	}
	return s, s.ReadSwitchovers(ctx, c, namespace)
}

// ReadSets reads the sets of a namespace.
func ReadSets(ctx context.Context, c client.Reader, now time.Time, namespace string) (*Cluster, error) {
	s := &Cluster{TakenAt: now}
	return s, s.readOf(ctx, c, namespace, "", &v1alpha1.InstanceSetList{})
}

// ReadHistory reads what is known of the templates of one InstanceSet and of who has them: the sets of its namespace, the
// ControllerRevisions, pods and claims of the one. That claims may not be read stands in Unreadable.
func ReadHistory(ctx context.Context, c client.Reader, now time.Time, namespace, name string) (*Cluster, error) {
	s := &Cluster{TakenAt: now}
	return s, s.readOf(ctx, c, namespace, name, &v1alpha1.InstanceSetList{}, &appsv1.ControllerRevisionList{}, &corev1.PodList{}, &corev1.PersistentVolumeClaimList{})
}

// optional says of kinds without which there is an answer what they are for.
var optional = map[string]string{
	"nodes":                  "so their state is not shown",
	"persistentvolumeclaims": "so what belongs to instances without a pod is not known",
}

// readOf reads objects of a set.
func (c *Cluster) readOf(ctx context.Context, from client.Reader, namespace, name string, lists ...client.ObjectList) error {
	for _, list := range lists {
		kind := kindOf(list)
		err := c.read(ctx, from, list, optionsFor(list, namespace, name)...)
		switch {
		case err == nil:
		case apierrors.IsForbidden(err) && optional[kind] != "":
			c.Unreadable = append(c.Unreadable, kind+": you may not list them, "+optional[kind]+" (the ClusterRole "+Role+" may)")
		case apierrors.IsForbidden(err):
			return fmt.Errorf("listing %s in namespace %s: %w (the ClusterRole %s may)", kind, namespace, err, Role)
		case meta.IsNoMatchError(err) || apierrors.IsNotFound(err):
			return fmt.Errorf("listing %s: the CRD is not installed (is it the right cluster?)", kind)
		default:
			return fmt.Errorf("listing %s: %w", kind, err)
		}
	}
	return nil
}

// hasRoles: there are Switchovers of no other sets.
func (c *Cluster) hasRoles(namespace, name string) bool {
	set := Find(c.Sets, namespace, name)
	return set != nil && len(set.Spec.Roles) > 0
}

// optionsFor says which objects of a kind the status of a set needs.
func optionsFor(list client.ObjectList, namespace, name string) []client.ListOption {
	switch list.(type) {
	case *corev1.NodeList:
		return nil
	case *corev1.PodList, *corev1.PersistentVolumeClaimList, *appsv1.ControllerRevisionList:
		return []client.ListOption{client.InNamespace(namespace), client.MatchingLabels{v1alpha1.LabelInstanceSet: name}}
	}
	return []client.ListOption{client.InNamespace(namespace)} // all: one of them may have been meant
}
