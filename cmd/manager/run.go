package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	appsv1 "k8s.io/api/apps/v1"
	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/discovery"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/klog/v2"
	"k8s.io/klog/v2/textlogger"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/instanceset"
	"github.com/shoal-dev/shoal/signer"
)

// run starts the manager and returns when ctx ends.
func run(ctx context.Context, o *options) error {
	if err := o.validate(); err != nil {
		return err
	}
	logger := textlogger.NewLogger(textlogger.NewConfig(textlogger.Verbosity(o.verbosity)))
	ctrl.SetLogger(logger)
	klog.SetLogger(logger)

	config, err := o.restConfig()
	if err != nil {
		return err
	}
	if err := errors.Join(free(o.metricsAddress), free(o.probeAddress)); err != nil {
		return err
	}
	if err := crdsServed(config); err != nil {
		return err
	}
	if o.agentImage != "" {
		if err := errors.Join(free(o.agentAddress), certificatesServed(config)); err != nil {
			return err
		}
	}
	mgr, err := o.manager(ctx, config)
	if err != nil {
		return err
	}
	for _, c := range allControllers() {
		if !o.runs(c.name) {
			continue
		}
		if err := c.setup(mgr, o); err != nil {
			return fmt.Errorf("setting up the controller %s: %w", c.name, err)
		}
		if metrics := metricsOf(c.name); metrics != nil {
			if err := mgr.Add(whileLeading(ctrlmetrics.Registry, func(ctx context.Context) prometheus.Collector {
				return metrics(ctx, mgr.GetCache(), time.Now)
			})); err != nil {
				return fmt.Errorf("adding the metrics of the controller %s: %w", c.name, err)
			}
		}
	}
	return mgr.Start(ctx)
}

func (o *options) restConfig() (*rest.Config, error) {
	var config *rest.Config
	var err error
	if o.kubeconfig == "" {
		if config, err = rest.InClusterConfig(); err != nil {
			return nil, fmt.Errorf("give --kubeconfig, or run in a pod: %w", err)
		}
	} else if config, err = clientcmd.BuildConfigFromFlags("", o.kubeconfig); err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	config.QPS, config.Burst = o.qps, o.burst
	config.UserAgent = "shoal-manager/" + version
	return config, nil
}

// free says early and plainly that a port is taken.
func free(address string) error {
	if address == "0" || address == "" {
		return nil
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("listening on %s: %w", address, err)
	}
	return l.Close()
}

// crdsServed fails with one sentence instead of the retries of every informer.
func crdsServed(config *rest.Config) error {
	d, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	list, err := d.ServerResourcesForGroupVersion(v1alpha1.GroupVersion.String())
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("asking the API server for the kinds of %s: %w", v1alpha1.GroupVersion, err)
	}
	served := map[string]bool{}
	if list != nil {
		for _, r := range list.APIResources {
			served[r.Name] = true
		}
	}
	var missing []string
	for _, name := range []string{"instancesets", "placementpolicies", "switchovers"} {
		if !served[name] {
			missing = append(missing, name+"."+v1alpha1.GroupName)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("CRDs are missing: %s: kubectl apply --server-side -k manifests/install", strings.Join(missing, ", "))
	}
	return nil
}

func (o *options) manager(ctx context.Context, config *rest.Config) (ctrl.Manager, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return nil, fmt.Errorf("registering kinds: %w", err)
	}
	var lock resourcelock.Interface
	if o.leaderElect {
		lease, err := o.lease(ctx, config, scheme)
		if err != nil {
			return nil, err
		}
		o.lock, lock = lockOf(lease), lease
	}
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Scheme: scheme,
		Cache: cache.Options{
			DefaultTransform: cache.TransformStripManagedFields(),
			ByObject: map[client.Object]cache.ByObject{
				&corev1.Pod{}:         {Transform: stripPod},
				&corev1.Node{}:        {Transform: stripNode},
				&appsv1.StatefulSet{}: {Transform: stripStatefulSet},

				&appsv1.ControllerRevision{}:            instanceset.Revisions(),
				&certificatesv1.PodCertificateRequest{}: signer.Requests(),
			},
		},
		Metrics:                             metricsserver.Options{BindAddress: o.metricsAddress},
		HealthProbeBindAddress:              o.probeAddress,
		LeaderElection:                      o.leaderElect,
		LeaderElectionID:                    o.leaseName,
		LeaderElectionResourceLockInterface: lock,
		LeaderElectionReleaseOnCancel:       true,
		LeaseDuration:                       &o.leaseDuration,
		RenewDeadline:                       &o.renewDeadline,
		RetryPeriod:                         &o.retryPeriod,
	})
	if err != nil {
		return nil, fmt.Errorf("making the manager: %w", err)
	}
	if err := errors.Join(mgr.AddHealthzCheck("ping", healthz.Ping), mgr.AddReadyzCheck("ping", healthz.Ping)); err != nil {
		return nil, fmt.Errorf("adding health checks: %w", err)
	}
	return mgr, nil
}
