package main

import (
	"context"

	ctrl "sigs.k8s.io/controller-runtime"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/shoal-dev/shoal/agent/mtls"
	"github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/roles/handover"
	"github.com/shoal-dev/shoal/roles/orders"
	"github.com/shoal-dev/shoal/roles/switchovers"
)

// executor hands over masters, with the manager's own certificate. Its orders are not waited for as long as others are.
func (o *options) executor(mgr ctrl.Manager, own func() (mtls.Own, error), heard func(context.Context, agent.Identity, agent.Report)) (*handover.Executor, error) {
	client, err := orders.New(orders.Options{Own: own, Lock: o.lock, Heard: heard, Timeout: handover.Answers, Registry: ctrlmetrics.Registry})
	if err != nil {
		return nil, err
	}
	return handover.New(mgr.GetCache(), mgr.GetAPIReader(), client, o.lock), nil
}

// setupSwitchovers adds the controller of Switchovers. Without an executor it refuses all of them.
func setupSwitchovers(mgr ctrl.Manager, o *options, executor *handover.Executor) error {
	options := switchovers.Options{MaxConcurrentReconciles: o.switchovers}
	if executor != nil { // not a nil executor in an interface that is not nil
		options.Executor = executor
	}
	return switchovers.Setup(mgr, options)
}
