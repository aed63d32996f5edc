package playground

import (
	"context"
	"fmt"
	"os"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shoal-dev/shoal/playground/process"
	"github.com/shoal-dev/shoal/playground/realnode"
)

const dnsUser = "playground-" + dns

// dnsConfig forwards nothing: a name that is not of the cluster does not exist. Answers are short-lived, because here
// addresses change all the time.
const dnsConfig = `.:53 {
  bind %s
  ready %s
  errors
  cache 2
  kubernetes cluster.local {
    kubeconfig %s
    ttl 2
  }
  template ANY ANY {
    rcode NXDOMAIN
  }
}
`

// startDNS runs CoreDNS beside the API server, on the bridge, and not in a pod: so that it is there before the first node,
// and outlives them all.
func (c *Cluster) startDNS(ctx context.Context) error {
	name := metav1.ObjectMeta{Name: dnsUser}
	reads := []string{"list", "watch"}
	_, err := c.client.RbacV1().ClusterRoles().Create(ctx, &rbacv1.ClusterRole{ObjectMeta: name, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"services", "pods", "namespaces"}, Verbs: reads},
		{APIGroups: []string{"discovery.k8s.io"}, Resources: []string{"endpointslices"}, Verbs: reads},
	}}, metav1.CreateOptions{})
	if err == nil || apierrors.IsAlreadyExists(err) {
		_, err = c.client.RbacV1().ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{
			ObjectMeta: name,
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: dnsUser},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: dnsUser}},
		}, metav1.CreateOptions{})
	}
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("setting up the DNS: %w", err)
	}
	path := c.layout.path("config", "Corefile")
	ready := loopback(c.ports.dns)
	text := fmt.Appendf(nil, dnsConfig, realnode.Gateway(), ready, c.layout.component(dns))
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return fmt.Errorf("writing the configuration of the DNS: %w", err)
	}
	if err := c.start(process.Spec{Name: dns, Path: c.options.binary(dns), Port: c.ports.dns, Args: []string{"-conf", path}, Restart: true}); err != nil {
		return err
	}
	return waitAnswer(ctx, "http://"+ready+"/ready")
}
