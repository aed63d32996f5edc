package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	certificatesv1 "k8s.io/api/certificates/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/podspec"
	"github.com/shoal-dev/shoal/roles"
	"github.com/shoal-dev/shoal/roles/orders"
	"github.com/shoal-dev/shoal/roles/receive"
	"github.com/shoal-dev/shoal/signer"
)

// ownNamespace is where a pod finds the name of its namespace.
const ownNamespace = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

// namespace is the manager's own: that of its lease, or of its pod.
func (o *options) namespace() (string, error) {
	if o.leaseNamespace != "" {
		return o.leaseNamespace, nil
	}
	text, err := os.ReadFile(ownNamespace)
	if err != nil {
		return "", fmt.Errorf("give --leader-election-namespace, or run in a pod: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// agent is what agents are made of; without an image it is nothing.
func (o *options) agent() (podspec.Agent, error) {
	if o.agentImage == "" {
		return podspec.Agent{}, nil
	}
	namespace, err := o.namespace()
	if err != nil {
		return podspec.Agent{}, err
	}
	a := podspec.Agent{Image: o.agentImage, Manager: o.agentManager}
	if a.Manager == "" {
		_, port, err := net.SplitHostPort(o.agentAddress)
		if err != nil {
			return a, fmt.Errorf("--agent-bind-address: %w", err)
		}
		a.Manager = net.JoinHostPort(receive.ServiceName+"."+namespace+".svc", port)
	}
	return a, nil
}

func (o *options) validateAgents() error {
	if o.agentImage == "" {
		return nil
	}
	if !o.runs("roles") {
		return errors.New("--agent-image: the controller roles signs the certificates of agents, without which their pods do not start: add roles to --controllers, or leave --agent-image out")
	}
	if strings.ContainsAny(o.agentImage, " \t\n") {
		return fmt.Errorf("--agent-image: %q is no image", o.agentImage)
	}
	for flag, address := range map[string]string{"agent-bind-address": o.agentAddress, "agent-manager-address": o.agentManager} {
		if address == "" && flag == "agent-manager-address" {
			continue
		}
		if _, port, err := net.SplitHostPort(address); err != nil || port == "" {
			return fmt.Errorf("--%s: %q is not host:port", flag, address)
		}
	}
	return nil
}

// setupRoles adds the controllers of roles and of Switchovers and, if there are agents, those who sign for them, hear them and
// give them orders.
func setupRoles(mgr ctrl.Manager, o *options) error {
	writer, err := o.roleWriter(mgr)
	if err != nil {
		return err
	}
	r := roles.Options{MaxConcurrentReconciles: o.shards, Writer: writer, Configured: o.configured}
	if o.agentImage == "" {
		if o.ledger, err = roles.Setup(mgr, r); err != nil {
			return err
		}
		return setupSwitchovers(mgr, o, nil)
	}
	namespace, err := o.namespace()
	if err != nil {
		return err
	}
	keeper, err := signer.Setup(mgr, signer.Options{Namespace: namespace})
	if err != nil {
		return err
	}
	var ledger *roles.Ledger
	// What is wrong with a report is counted there; the answer to the order counts all the same.
	heard := func(ctx context.Context, id agent.Identity, report agent.Report) { _ = ledger.Accept(ctx, id, report) }
	r.Orders, err = orders.New(orders.Options{Own: keeper.Own, Lock: o.lock, Registry: ctrlmetrics.Registry, Heard: heard})
	if err != nil {
		return err
	}
	executor, err := o.executor(mgr, keeper.Own, heard)
	if err != nil {
		return err
	}
	r.HandingOver = executor.HandingOver
	if ledger, err = roles.Setup(mgr, r); err != nil {
		return err
	}
	o.ledger = ledger
	if err := setupSwitchovers(mgr, o, executor); err != nil {
		return err
	}
	return receive.Setup(mgr, receive.Place{Address: o.agentAddress, Namespace: namespace, Pod: o.podName}, keeper.Own, ledger)
}

// heard is what the agent of a pod has reported last. Without the controller of roles nobody hears agents.
func (o *options) heard(pod types.UID) (agent.Report, time.Time, bool) {
	if o.ledger == nil {
		return agent.Report{}, time.Time{}, false
	}
	return o.ledger.Report(pod)
}

// roleWriter is a client with a limit of its own.
func (o *options) roleWriter(mgr ctrl.Manager) (client.Client, error) {
	config := rest.CopyConfig(mgr.GetConfig())
	config.QPS, config.Burst = o.roleQPS, int(2*o.roleQPS)
	writer, err := client.New(config, client.Options{HTTPClient: mgr.GetHTTPClient(), Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper()})
	if err != nil {
		return nil, fmt.Errorf("making the client of roles: %w", err)
	}
	return writer, nil
}

// certificatesServed fails with one sentence where the API server has no certificates for pods: their volumes would wait for ever.
func certificatesServed(config *rest.Config) error {
	d, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	list, err := d.ServerResourcesForGroupVersion(certificatesv1.SchemeGroupVersion.String())
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("asking the API server for the kinds of %s: %w", certificatesv1.SchemeGroupVersion, err)
	}
	var served []string
	if list != nil {
		for _, r := range list.APIResources {
			served = append(served, r.Name)
		}
	}
	if !slices.Contains(served, "podcertificaterequests") || !slices.Contains(served, "clustertrustbundles") {
		return errors.New("--agent-image: the API server serves no podcertificaterequests or clustertrustbundles in " +
			certificatesv1.SchemeGroupVersion.String() + ", as Kubernetes does from 1.37 on; without --agent-image there are no agents, and no labels of roles")
	}
	return nil
}
