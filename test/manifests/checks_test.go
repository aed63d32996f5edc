package manifests

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	flowcontrolv1 "k8s.io/api/flowcontrol/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	psa "k8s.io/pod-security-admission/api"
	psapolicy "k8s.io/pod-security-admission/policy"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/podspec"
)

// check returns what is wrong, a sentence each.
type check func(objects) []string

// podSecurity: what the label of the namespace enforces, and a read-only file system on top.
func podSecurity(all objects) (wrong []string) {
	evaluator, err := psapolicy.NewEvaluator(psapolicy.DefaultChecks(), nil)
	if err != nil {
		return []string{err.Error()}
	}
	restricted := psa.LevelVersion{Level: psa.LevelRestricted, Version: psa.LatestVersion()}
	for _, d := range of[*appsv1.Deployment](all) {
		for _, result := range evaluator.EvaluatePod(restricted, &d.Spec.Template.ObjectMeta, &d.Spec.Template.Spec) {
			if !result.Allowed {
				wrong = append(wrong, fmt.Sprintf("Deployment %s: %s: %s", d.Name, result.ForbiddenReason, result.ForbiddenDetail))
			}
		}
	}
	containers(all, func(where string, _ *appsv1.Deployment, c *corev1.Container) {
		if s := c.SecurityContext; s == nil || s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem {
			wrong = append(wrong, where+" may write to its file system")
		}
	})
	return wrong
}

// accounts: every ServiceAccount that is named is there, and tokens are given to the pods that ask and to nobody else.
func accounts(all objects) (wrong []string) {
	for _, d := range of[*appsv1.Deployment](all) {
		if !has[*corev1.ServiceAccount](all, d.Namespace, d.Spec.Template.Spec.ServiceAccountName) {
			wrong = append(wrong, fmt.Sprintf("Deployment %s names the ServiceAccount %q", d.Name, d.Spec.Template.Spec.ServiceAccountName))
		}
		if mount := d.Spec.Template.Spec.AutomountServiceAccountToken; mount == nil || !*mount {
			wrong = append(wrong, fmt.Sprintf("Deployment %s gets no token", d.Name))
		}
	}
	for _, account := range of[*corev1.ServiceAccount](all) {
		if mount := account.AutomountServiceAccountToken; mount == nil || *mount {
			wrong = append(wrong, fmt.Sprintf("ServiceAccount %s gives its token to every pod", account.Name))
		}
	}
	var subjects []rbacv1.Subject
	for _, b := range of[*rbacv1.ClusterRoleBinding](all) {
		subjects = append(subjects, b.Subjects...)
	}
	for _, b := range of[*rbacv1.RoleBinding](all) {
		subjects = append(subjects, b.Subjects...)
	}
	for _, f := range of[*flowcontrolv1.FlowSchema](all) {
		for _, rule := range f.Spec.Rules {
			for _, s := range rule.Subjects {
				subjects = append(subjects, rbacv1.Subject{Kind: string(s.Kind), Namespace: s.ServiceAccount.Namespace, Name: s.ServiceAccount.Name})
			}
		}
	}
	for _, s := range subjects {
		if s.Kind != "ServiceAccount" || !has[*corev1.ServiceAccount](all, s.Namespace, s.Name) {
			wrong = append(wrong, fmt.Sprintf("a right is given to %s %s/%s", s.Kind, s.Namespace, s.Name))
		}
	}
	return wrong
}

// ownSecret: a rule of a namespace about Secrets that have names, which neither lists nor deletes, or which only creates.
func ownSecret(rule rbacv1.PolicyRule) bool {
	if slices.Equal(rule.Verbs, []string{"create"}) {
		return true
	}
	return len(rule.ResourceNames) == 1 && slices.Equal(rule.Verbs, []string{"get", "update"})
}

// rights: nobody reads Secrets but one of its own by its name, and no rule of ours is a wildcard.
func rights(all objects) (wrong []string) {
	look := func(where string, rules []rbacv1.PolicyRule) {
		for _, rule := range rules {
			for _, resource := range rule.Resources {
				if resource == "secrets" && strings.HasPrefix(where, "Role ") && ownSecret(rule) {
					continue
				}
				if name, _, _ := strings.Cut(resource, "/"); name == "secrets" || name == "*" {
					wrong = append(wrong, fmt.Sprintf("%s has rights on %s", where, resource))
				}
			}
			if slices.Contains(rule.Verbs, "*") || slices.Contains(rule.APIGroups, "*") {
				wrong = append(wrong, where+" has a wildcard")
			}
		}
	}
	for _, r := range of[*rbacv1.ClusterRole](all) {
		look("ClusterRole "+r.Name, r.Rules)
	}
	for _, r := range of[*rbacv1.Role](all) {
		look("Role "+r.Name, r.Rules)
	}
	return wrong
}

// services: each selects pods of ours, leaves it to nobody but the leader where its label says so, names a port that they have,
// and a NetworkPolicy lets it in.
func services(all objects) (wrong []string) {
	for _, s := range of[*corev1.Service](all) {
		selector := maps.Clone(s.Spec.Selector)
		delete(selector, v1alpha1.LabelLeads)
		if len(selector) == len(s.Spec.Selector) {
			wrong = append(wrong, fmt.Sprintf("Service %s selects who does not lead", s.Name))
		}
		ports := map[string]int32{}
		containers(all, func(_ string, d *appsv1.Deployment, c *corev1.Container) {
			if labels.SelectorFromSet(selector).Matches(labels.Set(d.Spec.Template.Labels)) {
				for _, p := range c.Ports {
					ports[p.Name] = p.ContainerPort
				}
			}
		})
		for _, p := range s.Spec.Ports {
			number, is := ports[p.TargetPort.StrVal]
			if !is {
				wrong = append(wrong, fmt.Sprintf("Service %s leads to the port %q, which its pods have not", s.Name, p.TargetPort.StrVal))
			} else if !admitted(all, selector, number) {
				wrong = append(wrong, fmt.Sprintf("no NetworkPolicy admits the port %d of the Service %s", number, s.Name))
			}
		}
	}
	return wrong
}

func admitted(all objects, pods map[string]string, port int32) bool {
	for _, policy := range of[*networkingv1.NetworkPolicy](all) {
		if !maps.Equal(policy.Spec.PodSelector.MatchLabels, pods) {
			continue
		}
		for _, rule := range policy.Spec.Ingress {
			for _, p := range rule.Ports {
				if p.Port != nil && p.Port.IntVal == port {
					return true
				}
			}
		}
	}
	return false
}

// dialed are the ports that a manager connects to: of agents, of Sentinels and of Redis servers by default, of the API server and of DNS.
var dialed = []int32{podspec.AgentActionsPort, 26379, 6379, 443, 6443, 53}

// reaches: a NetworkPolicy that says where managers may connect to leaves out nobody whom they do.
func reaches(all objects) (wrong []string) {
	open := map[int32]bool{}
	for _, policy := range of[*networkingv1.NetworkPolicy](all) {
		if policy.Spec.PodSelector.MatchLabels["app.kubernetes.io/name"] != "shoal-manager" {
			continue
		}
		for _, rule := range policy.Spec.Egress {
			for _, p := range rule.Ports {
				everywhere := len(rule.To) == 0 || slices.ContainsFunc(rule.To, func(to networkingv1.NetworkPolicyPeer) bool {
					return to.IPBlock == nil && to.PodSelector == nil && to.NamespaceSelector != nil && len(to.NamespaceSelector.MatchLabels)+len(to.NamespaceSelector.MatchExpressions) == 0
				})
				if p.Port != nil && *p.Protocol == corev1.ProtocolTCP && everywhere {
					open[p.Port.IntVal] = true
				}
			}
		}
	}
	for _, port := range dialed {
		if !open[port] {
			wrong = append(wrong, fmt.Sprintf("no NetworkPolicy lets managers reach the port %d", port))
		}
	}
	return wrong
}

// healthy: each container has its three probes, on a port that it has.
func healthy(all objects) (wrong []string) {
	containers(all, func(where string, _ *appsv1.Deployment, c *corev1.Container) {
		for name, probe := range map[string]*corev1.Probe{"startup": c.StartupProbe, "liveness": c.LivenessProbe, "readiness": c.ReadinessProbe} {
			if probe == nil || probe.HTTPGet == nil {
				wrong = append(wrong, fmt.Sprintf("%s has no %s probe", where, name))
				continue
			}
			named := func(p corev1.ContainerPort) bool { return intstr.FromString(p.Name) == probe.HTTPGet.Port }
			if !slices.ContainsFunc(c.Ports, named) {
				wrong = append(wrong, fmt.Sprintf("%s: its %s probe asks port %s", where, name, probe.HTTPGet.Port.String()))
			}
		}
	})
	return wrong
}

// resources: requests, a limit of memory, and none of CPU, which would throttle a leader until it loses its lease.
func resources(all objects) (wrong []string) {
	containers(all, func(where string, _ *appsv1.Deployment, c *corev1.Container) {
		r := c.Resources
		if r.Requests.Cpu().IsZero() || r.Requests.Memory().IsZero() || r.Limits.Memory().IsZero() {
			wrong = append(wrong, where+" lacks a request, or a limit of memory")
		}
		if !r.Limits.Cpu().IsZero() {
			wrong = append(wrong, where+" has a limit of CPU")
		}
	})
	return wrong
}

// images: with a tag, and used as they were loaded.
func images(all objects) (wrong []string) {
	containers(all, func(where string, _ *appsv1.Deployment, c *corev1.Container) {
		_, tag, _ := strings.Cut(c.Image[strings.LastIndex(c.Image, "/")+1:], ":")
		if tag == "" || tag == "latest" {
			wrong = append(wrong, fmt.Sprintf("%s: the image %s has no tag", where, c.Image))
		}
		if c.ImagePullPolicy != corev1.PullIfNotPresent {
			wrong = append(wrong, where+" does not start from an image that was loaded by hand")
		}
	})
	return wrong
}

// selectors: what selects pods selects some, and every Deployment of more than one pod survives the drain of a node.
func selectors(all objects) (wrong []string) {
	selected := map[string]int{}
	look := func(where string, selector *metav1.LabelSelector) {
		s, err := metav1.LabelSelectorAsSelector(selector)
		if err != nil {
			wrong = append(wrong, fmt.Sprintf("%s: %v", where, err))
			return
		}
		found := false
		for _, d := range of[*appsv1.Deployment](all) {
			if s.Matches(labels.Set(d.Spec.Template.Labels)) {
				found = true
				selected[where[:3]+" of "+d.Name]++
			}
		}
		if !found {
			wrong = append(wrong, where+" selects no pod")
		}
	}
	for _, b := range of[*policyv1.PodDisruptionBudget](all) {
		look("PodDisruptionBudget "+b.Name, b.Spec.Selector)
	}
	for _, p := range of[*networkingv1.NetworkPolicy](all) {
		look("NetworkPolicy "+p.Name, &p.Spec.PodSelector)
	}
	for _, d := range of[*appsv1.Deployment](all) {
		look("Deployment "+d.Name, d.Spec.Selector)
		for _, spread := range d.Spec.Template.Spec.TopologySpreadConstraints {
			look("spread of "+d.Name, spread.LabelSelector)
		}
		if *d.Spec.Replicas < 2 || selected["Pod of "+d.Name] != 1 {
			wrong = append(wrong, fmt.Sprintf("Deployment %s does not survive the drain of a node", d.Name))
		}
		if selected["Net of "+d.Name] != 2 { // the one that denies, and its own
			wrong = append(wrong, fmt.Sprintf("Deployment %s has no NetworkPolicy of its own", d.Name))
		}
	}
	return wrong
}

// references: ConfigMaps, priority levels and quotas that are named are there.
func references(all objects) (wrong []string) {
	for _, d := range of[*appsv1.Deployment](all) {
		for _, v := range d.Spec.Template.Spec.Volumes {
			if v.ConfigMap == nil || !has[*corev1.ConfigMap](all, d.Namespace, v.ConfigMap.Name) {
				wrong = append(wrong, fmt.Sprintf("Deployment %s mounts %s, which is not there", d.Name, v.Name))
			}
		}
		class := d.Spec.Template.Spec.PriorityClassName
		admits := func(q *corev1.ResourceQuota) bool {
			return slices.ContainsFunc(q.Spec.ScopeSelector.MatchExpressions, func(m corev1.ScopedResourceSelectorRequirement) bool {
				return m.ScopeName == corev1.ResourceQuotaScopePriorityClass && slices.Contains(m.Values, class)
			})
		}
		if class == "" || !slices.ContainsFunc(of[*corev1.ResourceQuota](all), admits) {
			wrong = append(wrong, fmt.Sprintf("Deployment %s: no quota admits the priority class %q", d.Name, class))
		}
	}
	for _, f := range of[*flowcontrolv1.FlowSchema](all) {
		name := f.Spec.PriorityLevelConfiguration.Name
		if name != "leader-election" && !has[*flowcontrolv1.PriorityLevelConfiguration](all, "", name) {
			wrong = append(wrong, fmt.Sprintf("FlowSchema %s names the level %s", f.Name, name))
		}
	}
	return wrong
}
