package installation

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/kubectlshoal/lint"
)

// clocks is how far the clock of this machine may be from the leader's.
const clocks = 15 * time.Second

// configuration judges the scheduler's configuration as `kubectl shoal lint` does.
func (c Cluster) configuration(ctx context.Context) []Result {
	const name, key = "shoal-scheduler-config", "scheduler-config.yaml"
	config := &corev1.ConfigMap{}
	switch err := c.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, config); {
	case missing(err):
		return []Result{warning("if the scheduler has another configuration, judge that: kubectl shoal lint -f FILE", "ConfigMap %s is missing", name)}
	case err != nil:
		return []Result{unread("ConfigMap "+name, err)}
	}
	text, there := config.Data[key]
	if !there {
		return []Result{failure(install, "ConfigMap %s has no %s: the scheduler does not start", name, key)}
	}
	report, err := lint.Check(ctx, []lint.Source{{Name: key, Text: []byte(text)}})
	if err != nil {
		return []Result{failure("", "%v", err)}
	}
	var results []Result
	for _, f := range report.Findings {
		results = append(results, failure(fmt.Sprintf("kubectl -n %s edit configmap %s, then restart the scheduler", namespace, name),
			"%s, line %d: %s: %s", key, f.Line, f.Path, f.Message))
	}
	if report.Objects == 0 && results == nil {
		results = append(results, failure(install, "%s is no KubeSchedulerConfiguration", key))
	}
	if results == nil {
		results = append(results, ok("the scheduler's is right, and has the profile shoal-scheduler"))
	}
	return results
}

// program checks that somebody leads, and that the Deployment, if there is one, has all its pods. Without a Deployment the
// program may run in another way, as in the playground: the lease is the proof.
func program(name string) func(Cluster, context.Context) []Result {
	return func(c Cluster, ctx context.Context) []Result {
		lead := c.lease(ctx, name)
		d := &appsv1.Deployment{}
		switch err := c.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, d); {
		case missing(err) && lead.State == OK:
			lead.Text += "; there is no Deployment, so it runs in another way"
		case missing(err):
			lead.Text += "; Deployment " + name + " is missing"
			lead.Next = install
		case err != nil:
			return []Result{lead, unread("Deployment "+name, err)}
		default:
			return append([]Result{lead}, c.deployed(d)...)
		}
		return []Result{lead}
	}
}

func (c Cluster) lease(ctx context.Context, name string) Result {
	logs := fmt.Sprintf("kubectl -n %s get pods; kubectl -n %s logs deployment/%s", namespace, namespace, name)
	l := &coordinationv1.Lease{}
	switch err := c.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, l); {
	case missing(err):
		return failure(logs, "nobody has ever led: there is no Lease %s", name)
	case err != nil:
		return unread("Lease "+name, err)
	}
	holder := ptr.Deref(l.Spec.HolderIdentity, "")
	if holder == "" || l.Spec.RenewTime == nil {
		return failure(logs, "nobody leads: the Lease %s was given back", name)
	}
	age := c.Now.Sub(l.Spec.RenewTime.Time).Round(time.Second)
	valid := time.Duration(ptr.Deref(l.Spec.LeaseDurationSeconds, 15)) * time.Second
	if age > valid+clocks {
		return failure(logs, "nobody leads: %s renewed the Lease %s last %s ago, and it is for %s", holder, name, age, valid)
	}
	return ok("%s leads", holder)
}

// deployed looks at the pods of a Deployment, and whether they are of the version that was asked for.
func (c Cluster) deployed(d *appsv1.Deployment) []Result {
	results := []Result{pods(d)}
	for _, container := range d.Spec.Template.Spec.Containers {
		name, _, _ := strings.Cut(container.Image[strings.LastIndex(container.Image, "/")+1:], "@") // a digest says no version
		_, tag, _ := strings.Cut(name, ":")
		if c.Program != "dev" && c.Program != "" && tag != "" && tag != "dev" && tag != c.Program {
			results = append(results, warning("use the kubectl-shoal of the version that is installed", "%s is of version %s, and this program of %s", cmp.Or(container.Name, d.Name), tag, c.Program))
		}
	}
	return results
}

// pods counts as `kubectl rollout status` does: pods of an old template that go on are available too, while those of the new one
// may never start.
func pods(d *appsv1.Deployment) Result {
	wanted, s, logs := ptr.Deref(d.Spec.Replicas, 1), d.Status, fmt.Sprintf("kubectl -n %s describe pods -l app.kubernetes.io/name=%s", namespace, d.Name)
	stuck := conditionOf(d, appsv1.DeploymentProgressing, corev1.ConditionFalse)
	if stuck == nil {
		stuck = conditionOf(d, appsv1.DeploymentReplicaFailure, corev1.ConditionTrue)
	}
	current := s.UpdatedReplicas
	switch {
	case s.ObservedGeneration < d.Generation:
		return warning("look again; if it stays, kube-controller-manager does not run", "nobody has looked at the last change of Deployment %s yet", d.Name)
	case s.AvailableReplicas == 0:
		return failure(logs, "none of %d pods of Deployment %s is available", wanted, d.Name)
	case stuck != nil:
		return failure(logs, "the rollout of Deployment %s is stuck, %d of %d pods are of its version: %s: %s", d.Name, current, wanted, stuck.Reason, stuck.Message)
	case current < wanted:
		return warning(logs, "%d of %d pods of Deployment %s are of its version, the others still of an earlier one", current, wanted, d.Name)
	case s.Replicas > current:
		return warning(logs, "%d pods of an earlier version of Deployment %s still run", s.Replicas-current, d.Name)
	case s.AvailableReplicas < wanted:
		return warning(logs, "%d of %d pods of Deployment %s are available", s.AvailableReplicas, wanted, d.Name)
	case wanted < 2:
		return warning(fmt.Sprintf("kubectl -n %s scale deployment/%s --replicas 2", namespace, d.Name), "Deployment %s has one pod: nobody takes over when its node is gone", d.Name)
	}
	return ok("%d of %d pods are available", s.AvailableReplicas, wanted)
}

// conditionOf is the condition of a type if it has that status, nil otherwise.
func conditionOf(d *appsv1.Deployment, kind appsv1.DeploymentConditionType, status corev1.ConditionStatus) *appsv1.DeploymentCondition {
	for i, c := range d.Status.Conditions {
		if c.Type == kind && c.Status == status {
			return &d.Status.Conditions[i]
		}
	}
	return nil
}
