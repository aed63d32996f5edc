package playground

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/shoal-dev/shoal/playground/localvolume"
	"github.com/shoal-dev/shoal/playground/process"
	"github.com/shoal-dev/shoal/playground/realnode"
)

// StorageClass is the class whose volumes belong to the node on which the first pod that uses them lands.
const StorageClass = "local"

const (
	provisionerName = "playground.shoal.dev/local"
	systemNamespace = "playground-system"
)

// ProvisionOptions are the flags of the provisioner's own process.
type ProvisionOptions struct {
	Kubeconfig string
	Dir        string
	Nodes      string // where real nodes have their directories
	Address    string
}

// Provision runs the provisioner of local volumes until ctx ends.
func Provision(ctx context.Context, o ProvisionOptions) error {
	config, err := clientcmd.BuildConfigFromFlags("", o.Kubeconfig)
	if err != nil {
		return fmt.Errorf("reading the kubeconfig %s: %w", o.Kubeconfig, err)
	}
	config.QPS = -1 // a burst of claims is what it is there for
	return localvolume.Run(ctx, config, localvolume.Options{
		Name: provisionerName, Dir: o.Dir, Address: o.Address,
		Real: localvolume.RealNodes{
			Label: RealLabel, Path: realnode.VolumePath,
			Make: func(ctx context.Context, node, volume string) error {
				return realnode.Order(ctx, filepath.Join(o.Nodes, node), realnode.MakeVolume+volume, nil)
			},
			Remove: func(ctx context.Context, node, volume string) error {
				return realnode.Order(ctx, filepath.Join(o.Nodes, node), realnode.RemoveVolume+volume, nil)
			},
		},
		FailedLabel: KubeletLabel, HealthyValue: kubeletRunning,
		ParallelCalls: 32,
	})
}

// startProvisioner gives the provisioner an account with what it needs and no more, and starts it under that account.
func (c *Cluster) startProvisioner(ctx context.Context) error {
	if err := c.createProvisionerObjects(ctx); err != nil {
		return err
	}
	if err := c.writeAccountKubeconfig(ctx, systemNamespace, provisioner, provisioner); err != nil {
		return err
	}
	return c.start(process.Spec{Name: provisioner, Path: c.options.binary(provisioner), Port: c.ports.provisioner, Args: []string{
		"provision",
		"--kubeconfig=" + c.layout.component(provisioner),
		"--volumes=" + c.layout.path("volumes"),
		"--nodes=" + c.layout.path("nodes"),
		"--address=" + loopback(c.ports.provisioner),
	}})
}

func (c *Cluster) createProvisionerObjects(ctx context.Context) error {
	name := metav1.ObjectMeta{Name: "playground-" + provisioner}
	mode, reclaim := storagev1.VolumeBindingWaitForFirstConsumer, corev1.PersistentVolumeReclaimDelete
	core, rbac := c.client.CoreV1(), c.client.RbacV1()
	creations := []func() error{
		func() error {
			namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: systemNamespace}}
			_, err := core.Namespaces().Create(ctx, namespace, metav1.CreateOptions{})
			return err
		},
		func() error {
			account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: provisioner}}
			_, err := core.ServiceAccounts(systemNamespace).Create(ctx, account, metav1.CreateOptions{})
			return err
		},
		func() error {
			_, err := rbac.ClusterRoles().Create(ctx, &rbacv1.ClusterRole{ObjectMeta: name, Rules: provisionerRules()}, metav1.CreateOptions{})
			return err
		},
		func() error {
			_, err := rbac.ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{
				ObjectMeta: name,
				RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name.Name},
				Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: systemNamespace, Name: provisioner}},
			}, metav1.CreateOptions{})
			return err
		},
		func() error {
			class := &storagev1.StorageClass{
				ObjectMeta:  metav1.ObjectMeta{Name: StorageClass},
				Provisioner: provisionerName, VolumeBindingMode: &mode, ReclaimPolicy: &reclaim,
			}
			_, err := c.client.StorageV1().StorageClasses().Create(ctx, class, metav1.CreateOptions{})
			return err
		},
	}
	for _, create := range creations {
		if err := create(); err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("setting up the provisioner of local volumes: %w", err)
		}
	}
	return nil
}

func provisionerRules() []rbacv1.PolicyRule {
	rule := func(group, resource, verbs string) rbacv1.PolicyRule {
		return rbacv1.PolicyRule{APIGroups: []string{group}, Resources: []string{resource}, Verbs: strings.Fields(verbs)}
	}
	return []rbacv1.PolicyRule{
		rule("", "persistentvolumes", "get list watch create delete"),
		rule("", "persistentvolumeclaims", "get list watch update"), // update: give a claim back to the scheduler
		rule("", "nodes", "get list watch"),
		rule("", "events", "create patch"),
		rule(storagev1.GroupName, "storageclasses", "get list watch"),
	}
}
