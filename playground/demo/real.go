package demo

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/playground"
)

const (
	// RealNodes is how many real nodes the real part needs: one more than the Redis has instances.
	RealNodes = 4
	orders    = "orders" // examples/redis/orders.yaml
	copies    = 3
	keys      = 1000
	// Reasons why a rebuild of the master is refused: its replicas are not Ready without it, and if they were, none is master.
	noPeer, noMaster = "SHOAL2109", "SHOAL2111"
	// quiet is how long nothing may happen after a failure that proves nothing.
	quiet = 20 * time.Second
)

// RunReal runs the real part of the demo on a cluster that is up with four real nodes and Shoal installed: a Redis loses
// the node of a replica and then that of its master, and no key.
func RunReal(ctx context.Context, cluster *playground.Cluster, options Options) error {
	c, err := newClient(cluster)
	if err != nil {
		return err
	}
	d := &realDemo{demo: demo{Options: options, cluster: cluster, client: c, began: time.Now()}}
	if err := d.follow(ctx, d.steps()); err != nil {
		return err
	}
	d.say("\nAll of it held, in %.0f s: every key is on every instance.", time.Since(d.began).Seconds())
	return nil
}

// realDemo is one run.
type realDemo struct {
	demo

	lost   *corev1.Pod                   // the instance that is lost now, as it was before
	volume *corev1.PersistentVolumeClaim // its claim, as it was before
	master string                        // pod
}

func (d *realDemo) steps() []step {
	return []step{
		{"A Redis on real nodes: a master and two replicas, each with a disk of its own node", d.comeUp},
		{"The node of a replica loses its power: nobody knows that, so nothing may be given up", d.powerOff},
		{"The node is declared out of service: the replica is rebuilt on another node", d.rebuildReplica},
		{"The node of the master goes out of service: nobody else is master, so nothing may be given up", d.loseMaster},
		{"A person promotes a replica: the old master is rebuilt as its replica", d.promote},
	}
}

func (d *realDemo) comeUp(ctx context.Context) error {
	if err := d.cluster.Apply(ctx, filepath.Join("examples", "redis", "orders.yaml")); err != nil {
		return err
	}
	if err := d.whole(ctx); err != nil {
		return err
	}
	write := fmt.Sprintf("(for i in $(seq %d); do echo SET key:$i value:$i; done; echo WAIT %d 10000) | redis-cli | tail -n 1", keys, copies-1)
	out, err := d.cluster.Shell(ctx, namespace, d.master, write)
	if err != nil {
		return err
	}
	if out != fmt.Sprint(copies-1) {
		return fmt.Errorf("writing %d keys: %s replicas have them, wanted %d", keys, out, copies-1)
	}
	d.say("%d keys are written, and both replicas have them.", keys)
	return d.allKeys(ctx)
}

func (d *realDemo) powerOff(ctx context.Context) error {
	name := d.replicas()[0]
	if err := d.lose(ctx, name, playground.PowerOff); err != nil {
		return err
	}
	if err := d.cluster.WaitNotReady(ctx, d.lost.Spec.NodeName); err != nil {
		return err
	}
	d.say("%s, with %s, does not answer. Waiting %s.", d.lost.Spec.NodeName, name, quiet)
	return d.nothingGivenUp(ctx)
}

func (d *realDemo) rebuildReplica(ctx context.Context) error {
	node := d.lost.Spec.NodeName
	if err := d.cluster.FailNode(ctx, node, playground.OutOfService); err != nil {
		return err
	}
	if err := d.rebuilt(ctx); err != nil {
		return err
	}
	if err := d.allKeys(ctx); err != nil {
		return err
	}
	d.say("%s is repaired, and stands by.", node)
	return d.cluster.RecoverNode(ctx, node)
}

func (d *realDemo) loseMaster(ctx context.Context) error {
	if err := d.lose(ctx, d.master, playground.OutOfService); err != nil {
		return err
	}
	var why string
	err := d.until(ctx, "the rebuild to be refused", func(ctx context.Context) error {
		var set v1alpha1.InstanceSet
		if err := d.client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: orders}, &set); err != nil {
			return err
		}
		rebuilding := meta.FindStatusCondition(set.Status.Conditions, v1alpha1.ConditionRebuilding)
		if rebuilding == nil {
			return errors.New("the set says nothing")
		}
		// One part for each reason: "1 instance (node real-0): orders-0: no other instance on a healthy node is Ready (SHOAL2109)".
		for part := range strings.SplitSeq(rebuilding.Message, "; ") {
			if strings.Contains(part, ": "+d.lost.Name+": ") && (strings.Contains(part, noPeer) || strings.Contains(part, noMaster)) {
				why = part
				return nil
			}
		}
		return fmt.Errorf("it says %q", rebuilding.Message)
	})
	if err != nil {
		return err
	}
	for _, name := range d.replicas() {
		role, err := d.role(ctx, name)
		if err != nil {
			return err
		}
		if role[0] != "slave" {
			return fmt.Errorf("%s is %s, and nobody promoted it", name, role[0])
		}
	}
	d.say("The set says: %s\nBoth others are replicas of nobody now. Waiting %s.", why, quiet)
	return d.nothingGivenUp(ctx)
}

// promote does what an operator, or Sentinel, does: docs/images.md has it as commands.
func (d *realDemo) promote(ctx context.Context) error {
	survivors := d.replicas()
	promoted := survivors[0]
	if err := d.replicaOf(ctx, promoted, "NO ONE"); err != nil {
		return err
	}
	for _, other := range survivors[1:] {
		// By name: the address changes when the pod is replaced.
		if err := d.replicaOf(ctx, other, fmt.Sprintf("%s.%s.%s.svc.cluster.local 6379", promoted, orders, namespace)); err != nil {
			return err
		}
	}
	d.say("%s is master now, and the other replica follows it.", promoted)
	if err := d.rebuilt(ctx); err != nil {
		return err
	}
	if d.master != promoted {
		return fmt.Errorf("%s is master, wanted %s", d.master, promoted)
	}
	return d.allKeys(ctx)
}

// replicaOf tells a Redis whose replica it is from now on.
func (d *realDemo) replicaOf(ctx context.Context, name, master string) error {
	out, err := d.cluster.Shell(ctx, namespace, name, "redis-cli REPLICAOF "+master)
	if err != nil {
		return err
	}
	if out != "OK" {
		return fmt.Errorf("making %s a replica of %s: it says %q", name, master, out)
	}
	return nil
}

func (d *realDemo) replicas() []string {
	return slices.DeleteFunc(instances(), func(name string) bool { return name == d.master })
}

func instances() []string {
	names := make([]string, copies)
	for i := range names {
		names[i] = fmt.Sprintf("%s-%d", orders, i)
	}
	return names
}

// lose lets the node of an instance fail, and remembers the instance as it was.
func (d *realDemo) lose(ctx context.Context, name string, fault playground.Fault) error {
	var err error
	if d.lost, err = d.pod(ctx, name); err != nil {
		return err
	}
	if d.volume, err = d.claim(ctx); err != nil {
		return err
	}
	return d.cluster.FailNode(ctx, d.lost.Spec.NodeName, fault)
}

// nothingGivenUp waits, and checks that the volume of the lost instance is the one that it had before its node failed.
func (d *realDemo) nothingGivenUp(ctx context.Context) error {
	if err := d.pause(ctx, quiet); err != nil {
		return err
	}
	after, err := d.claim(ctx)
	if err != nil {
		return err
	}
	if after.UID != d.volume.UID || after.DeletionTimestamp != nil || after.Labels[v1alpha1.LabelLost] != "" {
		return fmt.Errorf("the claim %s was given up", after.Name)
	}
	d.say("The volume of %s is still its own.", d.lost.Name)
	return nil
}

func (d *realDemo) claim(ctx context.Context) (*corev1.PersistentVolumeClaim, error) {
	claim := &corev1.PersistentVolumeClaim{}
	if err := d.client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "data-" + d.lost.Name}, claim); err != nil {
		return nil, fmt.Errorf("getting the claim of %s: %w", d.lost.Name, err)
	}
	return claim, nil
}

// rebuilt waits until the lost instance is back on another node, and the set whole.
func (d *realDemo) rebuilt(ctx context.Context) error {
	err := d.until(ctx, d.lost.Name+" to come back", func(ctx context.Context) error {
		now, err := d.pod(ctx, d.lost.Name)
		if err == nil && (now.UID == d.lost.UID || now.Spec.NodeName == "" || now.Spec.NodeName == d.lost.Spec.NodeName) {
			err = fmt.Errorf("it is on %q", now.Spec.NodeName)
		}
		return err
	})
	if err != nil {
		return err
	}
	return d.whole(ctx)
}

// whole waits for a master and two replicas in sync with it, and shows where they are.
func (d *realDemo) whole(ctx context.Context) error {
	if err := d.waitReady(ctx, orders); err != nil {
		return err
	}
	var lines []string
	err := d.until(ctx, "a master and two replicas in sync", func(ctx context.Context) error {
		lines, d.master = nil, ""
		for _, name := range instances() {
			role, err := d.role(ctx, name)
			if err != nil {
				return err
			}
			pod, err := d.pod(ctx, name)
			if err != nil {
				return err
			}
			switch {
			case role[0] == "master" && d.master == "":
				d.master = name
			case role[0] == "slave" && len(role) > 3 && role[3] == "connected":
				role[0] = "replica"
			default:
				return fmt.Errorf("%s is not: %s", name, strings.Join(role, " "))
			}
			lines = append(lines, fmt.Sprintf("%-10s %-8s on %s, generation %s of its data", name, role[0], pod.Spec.NodeName, pod.Annotations[v1alpha1.AnnotationRebuildGeneration]))
		}
		if d.master == "" {
			return errors.New("none is master")
		}
		return nil
	})
	if err != nil {
		return err
	}
	d.say("%s", strings.Join(lines, "\n"))
	return nil
}

// role is what a Redis answers to ROLE, by word: master and its offset, or slave, its master, and whether it is connected.
func (d *realDemo) role(ctx context.Context, name string) ([]string, error) {
	out, err := d.cluster.Shell(ctx, namespace, name, "redis-cli ROLE")
	if err != nil {
		return nil, err
	}
	words := strings.Fields(out)
	if len(words) == 0 {
		return nil, fmt.Errorf("%s does not say its role", name)
	}
	return words, nil
}

// allKeys reads every key from every instance.
func (d *realDemo) allKeys(ctx context.Context) error {
	read := fmt.Sprintf("for i in $(seq %d); do echo GET key:$i; done | redis-cli | awk '$0 == \"value:\" NR {good++} END {print good+0}'", keys)
	for _, name := range instances() {
		out, err := d.cluster.Shell(ctx, namespace, name, read)
		if err != nil {
			return err
		}
		if out != fmt.Sprint(keys) {
			return fmt.Errorf("%s has %s of %d keys", name, out, keys)
		}
	}
	d.say("Each of the three instances has all %d keys.", keys)
	return nil
}
