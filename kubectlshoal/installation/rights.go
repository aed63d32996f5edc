package installation

import (
	"context"
	"fmt"
	"slices"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// may asks the API server whether the caller may do something; name of the namespace "" is all of them.
func (c Cluster) may(ctx context.Context, verb, group, resource, namespace string) (bool, error) {
	review := &authorizationv1.SelfSubjectAccessReview{}
	review.Spec.ResourceAttributes = &authorizationv1.ResourceAttributes{Verb: verb, Group: group, Resource: resource, Namespace: namespace}
	if err := c.Client.Create(ctx, review); err != nil {
		return false, fmt.Errorf("asking whether you may %s %s: %w", verb, resource, err)
	}
	return review.Status.Allowed, nil
}

// unasked is the result where the API server does not even say what the caller may do.
func unasked(err error) Result { return Result{State: NotChecked, Text: err.Error(), Next: ask} }

// readables are what the commands of kubectl-shoal list in all namespaces. Without the first two there are no answers. A test
// holds them against what package snapshot lists.
var readables = []struct{ group, resource string }{
	{"", "nodes"}, {"", "pods"},
	{"", "persistentvolumeclaims"}, {"", "persistentvolumes"}, {"storage.k8s.io", "storageclasses"},
	{"shoal.dev", "placementpolicies"}, {"shoal.dev", "instancesets"}, {"apps", "statefulsets"}, {"", "services"}, {"shoal.dev", "switchovers"},
}

func (c Cluster) rightsToRead(ctx context.Context) []Result {
	var needed, useful []string
	for i, r := range readables {
		allowed, err := c.may(ctx, "list", r.group, r.resource, "")
		switch {
		case err != nil:
			return []Result{unasked(err)}
		case allowed:
		case i < 2:
			needed = append(needed, r.resource)
		default:
			useful = append(useful, r.resource)
		}
	}
	switch {
	case len(needed) > 0:
		return []Result{failure(ask, "you may not list %s: kubectl shoal cannot answer", strings.Join(append(needed, useful...), ", "))}
	case len(useful) > 0:
		return []Result{warning(ask, "you may not list %s: answers of kubectl shoal are incomplete", strings.Join(useful, ", "))}
	}
	return []Result{ok("you may list all that kubectl shoal reads")}
}

// rightsToInstall asks for each kind that is installed, and for the two verbs without which nobody hands on rights.
func (c Cluster) rightsToInstall(ctx context.Context) []Result {
	objects, err := shipped("namespace", "crds", "rbac", "admission", "flowcontrol", "deploy")
	if err != nil {
		return []Result{failure("", "%v", err)}
	}
	configuration := &unstructured.Unstructured{} // kustomize makes it of a file
	configuration.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("ConfigMap"))
	configuration.SetNamespace(namespace)
	var refused []string
	asked := map[string]bool{}
	for _, o := range append(objects, configuration) {
		resource, _ := meta.UnsafeGuessKindToResource(o.GroupVersionKind())
		for _, verb := range []string{"create", "patch"} {
			question := verb + " " + resource.Resource + " " + o.GetNamespace()
			if asked[question] {
				continue
			}
			asked[question] = true
			allowed, err := c.may(ctx, verb, resource.Group, resource.Resource, o.GetNamespace())
			if err != nil {
				return []Result{unasked(err)}
			}
			if !allowed && !slices.Contains(refused, resource.Resource) {
				refused = append(refused, resource.Resource)
			}
		}
	}
	if len(refused) > 0 {
		return []Result{failure("let a cluster administrator install Shoal", "you may not create and change %s", strings.Join(refused, ", "))}
	}
	for _, verb := range []string{"escalate", "bind"} {
		allowed, err := c.may(ctx, verb, "rbac.authorization.k8s.io", "clusterroles", "")
		if err != nil {
			return []Result{unasked(err)}
		}
		if !allowed {
			return []Result{warning("if it is refused, let a cluster administrator install Shoal",
				"you may create all that is installed, but roles only with rights that you have yourself: you may not %s clusterroles", verb)}
		}
	}
	return []Result{ok("you may create and change all that is installed")}
}
