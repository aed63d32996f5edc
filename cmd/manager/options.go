package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/shoal-dev/shoal/bandwidth"
	"github.com/shoal-dev/shoal/instanceset"
	"github.com/shoal-dev/shoal/policy"
	"github.com/shoal-dev/shoal/roles"
)

// options are the flags.
type options struct {
	kubeconfig  string
	qps         float32
	roleQPS     float32
	burst       int
	controllers []string

	instanceSets, policies, shards, switchovers, writers int

	nodeBandwidth     []string
	bandwidthHeadroom int

	agentImage, agentAddress, agentManager, podName string

	leaderElect                  bool
	leaseNamespace, leaseName    string
	leaseDuration, renewDeadline time.Duration
	retryPeriod                  time.Duration
	metricsAddress, probeAddress string
	verbosity                    int

	// lock is the count of the lease, for orders to agents.
	lock func() (uint64, error)
	// ledger has what agents report, nil without the controller of roles; configured is rung for sets of which one has news about its
	// engine's configuration.
	ledger     *roles.Ledger
	configured *roles.Bell[types.NamespacedName]
}

func defaults() *options {
	return &options{
		qps: 200, burst: 400, roleQPS: 1000, controllers: []string{"*"},
		instanceSets: 8, policies: 4, shards: 16, switchovers: 8, writers: 32, agentAddress: ":9722",
		leaderElect: true, leaseName: "shoal-manager",
		leaseDuration: 15 * time.Second, renewDeadline: 10 * time.Second, retryPeriod: 2 * time.Second,
		metricsAddress: ":8080", probeAddress: ":8081", lock: lockOf(nil), configured: roles.NewBell[types.NamespacedName](),
	}
}

func (o *options) addFlags(f *pflag.FlagSet) {
	f.StringVar(&o.kubeconfig, "kubeconfig", o.kubeconfig, "path of a kubeconfig; in a pod the ServiceAccount is used")
	f.Float32Var(&o.qps, "kube-api-qps", o.qps, "requests per second to the API server on average")
	f.IntVar(&o.burst, "kube-api-burst", o.burst, "requests to the API server at once, above the average")
	f.Float32Var(&o.roleQPS, "kube-api-roles-qps", o.roleQPS, "writes of roles per second on average, and half of those that may come at once, beside all other requests")
	f.StringSliceVar(&o.controllers, "controllers", o.controllers, "controllers to run: * for all, or some of "+strings.Join(controllerNames(), ", "))
	f.IntVar(&o.instanceSets, "concurrent-instancesets", o.instanceSets, "InstanceSets that are worked on at once")
	f.IntVar(&o.policies, "concurrent-policies", o.policies, "PlacementPolicies that are worked on at once")
	f.IntVar(&o.shards, "concurrent-shards", o.shards, "shards whose roles are worked on at once")
	f.IntVar(&o.switchovers, "concurrent-switchovers", o.switchovers, "shards whose masters are handed over at once")
	f.IntVar(&o.writers, "write-concurrency", o.writers, "writes at once for one InstanceSet")
	f.StringArrayVar(&o.nodeBandwidth, "node-bandwidth", o.nodeBandwidth,
		"SELECTOR=MBPS or SELECTOR=INGRESS/EGRESS: bandwidth of the nodes with these labels (* for all), in Mbit/s, where no annotation says it; may be repeated, the first that matches holds")
	f.IntVar(&o.bandwidthHeadroom, "bandwidth-headroom-percent", o.bandwidthHeadroom, "part of each node's bandwidth that is not advertised, for rebuilds")
	f.StringVar(&o.agentImage, "agent-image", o.agentImage,
		"image of the agent that is put into pods of sets with roles; it holds for revisions that have no pods yet. Without it there are no agents, and no labels of roles")
	f.StringVar(&o.agentAddress, "agent-bind-address", o.agentAddress, "address for reports of agents, while this process leads")
	f.StringVar(&o.agentManager, "agent-manager-address", o.agentManager, "host:port under which agents find the leader; by default the Service shoal-manager of the manager's namespace")
	f.StringVar(&o.podName, "pod-name", o.podName, "pod that this process runs in; it gets the label shoal.dev/leads, which that Service selects, while this process leads")
	f.BoolVar(&o.leaderElect, "leader-elect", o.leaderElect, "work only while holding the lease; switch off only if there is one manager for sure")
	f.StringVar(&o.leaseNamespace, "leader-election-namespace", o.leaseNamespace, "namespace of the lease; in a pod, the pod's by default")
	f.StringVar(&o.leaseName, "leader-election-id", o.leaseName, "name of the lease")
	f.DurationVar(&o.leaseDuration, "leader-elect-lease-duration", o.leaseDuration, "how long others wait for a leader that is silent")
	f.DurationVar(&o.renewDeadline, "leader-elect-renew-deadline", o.renewDeadline, "how long a leader tries to renew before it gives up")
	f.DurationVar(&o.retryPeriod, "leader-elect-retry-period", o.retryPeriod, "time between tries")
	f.StringVar(&o.metricsAddress, "metrics-bind-address", o.metricsAddress, "address for /metrics; 0 switches it off")
	f.StringVar(&o.probeAddress, "health-probe-bind-address", o.probeAddress, "address for /healthz and /readyz")
	f.IntVarP(&o.verbosity, "v", "v", o.verbosity, "log level: 0 what a person would want to know, 2 each reconcile, 5 each verdict")
}

// controllerSetup is one controller and how it is added to the manager.
type controllerSetup struct {
	name  string
	setup func(ctrl.Manager, *options) error
}

// allControllers lists every controller of Shoal.
func allControllers() []controllerSetup {
	return []controllerSetup{
		{"instanceset", func(m ctrl.Manager, o *options) error {
			agent, err := o.agent()
			if err != nil {
				return err
			}
			return instanceset.Setup(m, instanceset.Options{
				MaxConcurrentReconciles: o.instanceSets, WriteWorkers: o.writers, Agent: agent, Heard: o.heard, News: o.configured,
			})
		}},
		{"policy", func(m ctrl.Manager, o *options) error {
			return policy.Setup(m, policy.Options{Concurrency: o.policies})
		}},
		{"roles", setupRoles},
		{"bandwidth", func(m ctrl.Manager, o *options) error {
			rules, err := o.bandwidthRules()
			if err != nil {
				return err
			}
			return bandwidth.Setup(m, bandwidth.Options{Rules: rules, HeadroomPercent: o.bandwidthHeadroom})
		}},
	}
}

func controllerNames() []string {
	var names []string
	for _, c := range allControllers() {
		names = append(names, c.name)
	}
	return names
}

func (o *options) validate() error {
	known := controllerNames()
	if len(o.controllers) == 0 {
		return fmt.Errorf("--controllers: it is empty: want * or some of %s", strings.Join(known, ", "))
	}
	for _, name := range o.controllers {
		if name != "*" && !slices.Contains(known, name) {
			return fmt.Errorf("--controllers: unknown controller %q: want * or some of %s", name, strings.Join(known, ", "))
		}
	}
	for _, n := range []struct {
		flag  string
		value int
	}{
		{"kube-api-burst", o.burst}, {"concurrent-instancesets", o.instanceSets},
		{"concurrent-policies", o.policies}, {"concurrent-shards", o.shards}, {"concurrent-switchovers", o.switchovers}, {"write-concurrency", o.writers},
	} {
		if n.value < 1 {
			return fmt.Errorf("--%s: %d: must be at least 1", n.flag, n.value)
		}
	}
	if _, err := o.bandwidthRules(); err != nil {
		return err
	}
	if o.bandwidthHeadroom < 0 || o.bandwidthHeadroom > bandwidth.MaxHeadroomPercent {
		return fmt.Errorf("--bandwidth-headroom-percent: %d: must be between 0 and %d", o.bandwidthHeadroom, bandwidth.MaxHeadroomPercent)
	}
	if err := o.validateAgents(); err != nil {
		return err
	}
	if o.qps <= 0 {
		return fmt.Errorf("--kube-api-qps: %g: must be greater than 0", o.qps)
	}
	if o.roleQPS < 1 {
		return fmt.Errorf("--kube-api-roles-qps: %g: must be at least 1", o.roleQPS)
	}
	if o.renewDeadline >= o.leaseDuration || o.retryPeriod >= o.renewDeadline {
		return fmt.Errorf("leader election: the retry period (%s) must be shorter than the renew deadline (%s), and that shorter than the lease (%s)",
			o.retryPeriod, o.renewDeadline, o.leaseDuration)
	}
	return nil
}

// runs reports whether a controller was asked for.
func (o *options) runs(name string) bool {
	return slices.Contains(o.controllers, "*") || slices.Contains(o.controllers, name)
}

func (o *options) bandwidthRules() ([]bandwidth.Rule, error) {
	var rules []bandwidth.Rule
	for _, text := range o.nodeBandwidth {
		rule, err := bandwidth.ParseRule(text)
		if err != nil {
			return nil, fmt.Errorf("--node-bandwidth: %w", err)
		}
		rules = append(rules, rule)
	}
	return rules, nil
}
