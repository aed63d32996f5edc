package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/playground"
	"github.com/shoal-dev/shoal/playground/history"
)

const (
	// Nodes is how many simulated nodes the demo needs.
	Nodes     = 60
	namespace = "default"
	sharded   = "sharded" // examples/sharded-120.yaml
	cache     = "cache"   // examples/cache-40.yaml
	// silence is how long the node stays unreachable before anything else happens: nothing may come of it.
	silence = 60 * time.Second
	// patience is for things that must happen; machines are slow at times.
	patience = 4 * time.Minute
)

// Options of a run.
type Options struct {
	Out   io.Writer
	Color bool // shade the heat map for a terminal
}

// demo is one run.
type demo struct {
	Options
	cluster  *playground.Cluster
	client   client.Client
	recorder *history.Recorder
	began    time.Time

	victim string          // the node that dies
	held   []string        // instances of the cache on it
	before map[string]bool // nodes of the cache before it died
}

// Run runs the demo on a cluster that is up with 60 nodes and Shoal installed.
func Run(ctx context.Context, cluster *playground.Cluster, options Options) error {
	c, err := newClient(cluster)
	if err != nil {
		return err
	}
	d := &demo{Options: options, cluster: cluster, client: c, began: time.Now()}
	if d.recorder, err = history.Record(ctx, cluster.Config()); err != nil {
		return err
	}
	if err := d.follow(ctx, d.steps()); err != nil {
		_, stopErr := d.recorder.Stop()
		return errors.Join(err, stopErr)
	}
	d.say("\nAll of it held.")
	return nil
}

func newClient(cluster *playground.Cluster) (client.Client, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return nil, fmt.Errorf("registering kinds: %w", err)
	}
	c, err := client.New(cluster.Config(), client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	return c, nil
}

// follow takes the steps up to the first that does not hold.
func (d *demo) follow(ctx context.Context, steps []step) error {
	for _, step := range steps {
		d.say("\n== %s", step.title)
		if err := step.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.title, err)
		}
	}
	return nil
}

type step struct {
	title string
	run   func(context.Context) error
}

func (d *demo) steps() []step {
	return []step{
		{"Two sets on 60 nodes: 120 instances in 40 shards (M = 6, K = 24), and 40 without shards (M = 2, K = 20: no slack)", d.place},
		{"A node of the 40-set stops answering", d.silence},
		{"The set is scaled to 42, and a pod on the silent node is deleted: nothing may be given away", d.press},
		{"Back to 40", d.relax},
		{"The node is declared out of service: exactly one node takes its place", d.rebuild},
		{"The limits, at every moment of the run", d.verdict},
	}
}

func (d *demo) say(format string, args ...any) { fmt.Fprintf(d.Out, format+"\n", args...) }

func (d *demo) place(ctx context.Context) error {
	if err := d.cluster.Apply(ctx, filepath.Join("examples", "sharded-120.yaml"), filepath.Join("examples", "cache-40.yaml")); err != nil {
		return err
	}
	if err := d.waitReady(ctx, sharded, cache); err != nil {
		return err
	}
	if err := d.show(ctx); err != nil {
		return err
	}
	shards, err := d.placed(ctx, sharded)
	if err != nil {
		return err
	}
	each := slices.Sorted(maps.Values(perNode(shards)))
	if err := wants("nodes of the 120-set", len(each), func(n int) bool { return n <= 24 }, "at most 24"); err != nil {
		return err
	}
	return wants("difference between its fullest and its emptiest node", each[len(each)-1]-each[0], func(n int) bool { return n <= 1 }, "at most 1")
}

func (d *demo) silence(ctx context.Context) error {
	pods, err := d.placed(ctx, cache)
	if err != nil {
		return err
	}
	d.before = map[string]bool{}
	for node := range perNode(pods) {
		d.before[node] = true
	}
	if err := wants("nodes of the 40-set", len(d.before), func(n int) bool { return n == 20 }, "exactly 20"); err != nil {
		return err
	}
	d.victim = pods[0].Spec.NodeName
	for _, p := range pods {
		if p.Spec.NodeName == d.victim {
			d.held = append(d.held, p.Name)
		}
	}
	if err := d.cluster.FailNode(ctx, d.victim, playground.Unreachable); err != nil {
		return err
	}
	if err := d.waitTaint(ctx, d.victim, corev1.TaintNodeUnreachable); err != nil {
		return err
	}
	d.say("%s holds %v. Its kubelet is silent, and it carries the taint unreachable. Waiting 60 s.", d.victim, d.held)
	if err := d.pause(ctx, silence); err != nil {
		return err
	}
	return d.untouched(ctx)
}

// press asks for more than the limits allow while a node is silent.
func (d *demo) press(ctx context.Context) error {
	if err := d.scale(ctx, 42); err != nil {
		return err
	}
	gone := &corev1.Pod{}
	gone.Namespace, gone.Name = namespace, d.held[0]
	// Nobody but the manager deletes an instance who has not said so on it before.
	allow := fmt.Appendf(nil, `{"metadata":{"annotations":{%q:%q}}}`, v1alpha1.AnnotationAllowDisruption, v1alpha1.AllowDisruption)
	if err := d.client.Patch(ctx, gone, client.RawPatch(types.MergePatchType, allow)); err != nil {
		return fmt.Errorf("allowing the disruption of %s: %w", gone.Name, err)
	}
	if err := d.client.Delete(ctx, gone); err != nil {
		return fmt.Errorf("deleting %s: %w", gone.Name, err)
	}
	newcomers := []string{cache + "-40", cache + "-41"}
	for _, name := range newcomers {
		message, err := d.waitRefused(ctx, name)
		if err != nil {
			return err
		}
		d.say("%s is Pending: %s", name, message)
	}
	if err := d.pause(ctx, 10*time.Second); err != nil {
		return err
	}
	return errors.Join(d.stillPending(ctx, newcomers), d.stillTerminating(ctx, d.held[0]), d.untouched(ctx))
}

func (d *demo) relax(ctx context.Context) error {
	if err := d.scale(ctx, 40); err != nil {
		return err
	}
	return d.waitGone(ctx, cache+"-40", cache+"-41")
}

func (d *demo) rebuild(ctx context.Context) error {
	if err := d.cluster.FailNode(ctx, d.victim, playground.OutOfService); err != nil {
		return err
	}
	if err := d.waitReady(ctx, cache); err != nil {
		return err
	}
	if err := d.show(ctx); err != nil {
		return err
	}
	return errors.Join(d.oneNodeReplaced(ctx), d.neighboursWait(ctx))
}

func (d *demo) verdict(context.Context) error {
	events, err := d.recorder.Stop()
	if err != nil {
		return err
	}
	report := history.Check(events)
	for group, peak := range report.Peak {
		if group.Policy == sharded || group.Policy == cache {
			d.say("%-8s at most %d nodes, %d instances on a node, %d of a shard on a node", group.Policy, peak.Nodes, peak.PerNode, peak.PerShardAndNode)
		}
	}
	d.say("%d events, %d moments checked, %d violations, %.0f s in all", len(events), report.Moments, len(report.Violations), time.Since(d.began).Seconds())
	var errs []error
	for _, v := range report.Violations {
		errs = append(errs, errors.New(v.String()))
	}
	return errors.Join(errs...)
}

func wants(what string, got int, ok func(int) bool, want string) error {
	if !ok(got) {
		return fmt.Errorf("%s: %d, wanted %s", what, got, want)
	}
	return nil
}
