package manifests

import (
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	flowcontrolv1 "k8s.io/api/flowcontrol/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"
)

var checks = map[string]check{
	"podSecurity": podSecurity, "accounts": accounts, "rights": rights, "healthy": healthy,
	"resources": resources, "images": images, "selectors": selectors, "references": references, "services": services, "reaches": reaches,
}

func TestInstall(t *testing.T) {
	all := build(t, "install")
	if len(of[*appsv1.Deployment](all)) != 2 {
		t.Fatalf("%d Deployments: the checks would look at nothing", len(of[*appsv1.Deployment](all)))
	}
	for name, check := range checks {
		for _, wrong := range check(all) {
			t.Errorf("%s: %s", name, wrong)
		}
	}
}

// What is installed together is the prerequisites and the pods, and the prerequisites start nothing.
func TestPrerequisites(t *testing.T) {
	before, pods, all := build(t, "prerequisites"), build(t, "deploy"), build(t, "install")
	if len(of[*appsv1.Deployment](before)) != 0 {
		t.Error("the prerequisites contain Deployments: on simulated nodes their pods would look alive")
	}
	if len(before)+len(pods) != len(all) {
		t.Errorf("%d prerequisites and %d more are not the %d of install", len(before), len(pods), len(all))
	}
}

// Each check fails when what it is there for is broken.
func TestChecksCanFail(t *testing.T) {
	first := func(all objects) *appsv1.Deployment { return of[*appsv1.Deployment](all)[0] }
	container := func(all objects) *corev1.Container { return &first(all).Spec.Template.Spec.Containers[0] }
	yes, no := true, false
	for name, c := range map[string]struct {
		check string
		plant func(objects)
		want  string
	}{
		"root":               {"podSecurity", func(o objects) { first(o).Spec.Template.Spec.SecurityContext.RunAsNonRoot = &no }, "runAsNonRoot"},
		"no seccomp":         {"podSecurity", func(o objects) { first(o).Spec.Template.Spec.SecurityContext.SeccompProfile = nil }, "seccompProfile"},
		"a capability":       {"podSecurity", func(o objects) { container(o).SecurityContext.Capabilities.Drop = nil }, "unrestricted capabilities"},
		"escalation":         {"podSecurity", func(o objects) { container(o).SecurityContext.AllowPrivilegeEscalation = &yes }, "allowPrivilegeEscalation"},
		"writes":             {"podSecurity", func(o objects) { container(o).SecurityContext.ReadOnlyRootFilesystem = nil }, "may write"},
		"another account":    {"accounts", func(o objects) { first(o).Spec.Template.Spec.ServiceAccountName = "default" }, `names the ServiceAccount "default"`},
		"no token":           {"accounts", func(o objects) { first(o).Spec.Template.Spec.AutomountServiceAccountToken = nil }, "gets no token"},
		"tokens for all":     {"accounts", func(o objects) { of[*corev1.ServiceAccount](o)[0].AutomountServiceAccountToken = nil }, "to every pod"},
		"rights for a group": {"accounts", func(o objects) { of[*rbacv1.ClusterRoleBinding](o)[0].Subjects[0].Kind = "Group" }, "a right is given to Group"},
		"a share for nobody": {"accounts", func(o objects) {
			of[*flowcontrolv1.FlowSchema](o)[0].Spec.Rules[0].Subjects[0].ServiceAccount.Name = "x"
		}, "shoal-system/x"},
		"Secrets":                {"rights", func(o objects) { of[*rbacv1.ClusterRole](o)[0].Rules[0].Resources = []string{"secrets"} }, "has rights on secrets"},
		"Secrets of a namespace": {"rights", func(o objects) { authority(o).Rules[1].ResourceNames = nil }, "has rights on secrets"},
		"a list of Secrets":      {"rights", func(o objects) { authority(o).Rules[1].Verbs = []string{"get", "update", "list"} }, "has rights on secrets"},
		"a standby":              {"services", func(o objects) { delete(service(o).Spec.Selector, "shoal.dev/leads") }, "selects who does not lead"},
		"a Service of nobody":    {"services", func(o objects) { service(o).Spec.Selector["a"] = "b" }, "which its pods have not"},
		"no such port":           {"services", func(o objects) { service(o).Spec.Ports[0].TargetPort = intstr.FromString("web") }, "which its pods have not"},
		"a port that is shut":    {"services", func(o objects) { manager(o).Spec.Ingress = nil }, "no NetworkPolicy admits"},
		"agents out of reach": {"reaches", func(o objects) {
			manager(o).Spec.Egress = slices.DeleteFunc(manager(o).Spec.Egress, func(r networkingv1.NetworkPolicyEgressRule) bool { return r.Ports[0].Port.IntVal == 9720 })
		}, "reach the port 9720"},
		"agents of one namespace": {"reaches", func(o objects) {
			for n := range manager(o).Spec.Egress {
				for i := range manager(o).Spec.Egress[n].To {
					manager(o).Spec.Egress[n].To[i].NamespaceSelector.MatchLabels = map[string]string{"a": "b"}
				}
			}
		}, "reach the port 9720"},
		"all resources":       {"rights", func(o objects) { of[*rbacv1.Role](o)[0].Rules[0].Resources = []string{"*"} }, "has rights on *"},
		"all verbs":           {"rights", func(o objects) { of[*rbacv1.ClusterRole](o)[0].Rules[0].Verbs = []string{"*"} }, "has a wildcard"},
		"no readiness":        {"healthy", func(o objects) { container(o).ReadinessProbe = nil }, "no readiness probe"},
		"another port":        {"healthy", func(o objects) { container(o).LivenessProbe.HTTPGet.Port = intstr.FromString("web") }, "asks port web"},
		"no request":          {"resources", func(o objects) { delete(container(o).Resources.Requests, corev1.ResourceMemory) }, "lacks a request"},
		"no limit":            {"resources", func(o objects) { container(o).Resources.Limits = nil }, "lacks a request, or a limit"},
		"throttled":           {"resources", func(o objects) { container(o).Resources.Limits[corev1.ResourceCPU] = resource.MustParse("1") }, "has a limit of CPU"},
		"no tag":              {"images", func(o objects) { container(o).Image = "registry:5000/shoal-manager" }, "has no tag"},
		"latest":              {"images", func(o objects) { container(o).Image = "shoal-manager:latest" }, "has no tag"},
		"always pulled":       {"images", func(o objects) { container(o).ImagePullPolicy = corev1.PullAlways }, "loaded by hand"},
		"a budget of nothing": {"selectors", func(o objects) { of[*policyv1.PodDisruptionBudget](o)[0].Spec.Selector.MatchLabels["a"] = "b" }, "selects no pod"},
		"a policy of nothing": {"selectors", func(o objects) { policy(o).Spec.PodSelector.MatchLabels["a"] = "b" }, "selects no pod"},
		"one replica":         {"selectors", func(o objects) { *first(o).Spec.Replicas = 1 }, "does not survive"},
		"another ConfigMap":   {"references", func(o objects) { volume(o).ConfigMap.Name = "x" }, "which is not there"},
		"no quota": {"references", func(o objects) {
			of[*corev1.ResourceQuota](o)[0].Spec.ScopeSelector.MatchExpressions[0].Values[0] = "x"
		}, "no quota admits"},
		"a level of nobody": {"references", func(o objects) { of[*flowcontrolv1.PriorityLevelConfiguration](o)[0].Name = "x" }, "names the level"},
	} {
		t.Run(name, func(t *testing.T) {
			all := build(t, "install")
			c.plant(all)
			if got := strings.Join(checks[c.check](all), "\n"); got == "" || !strings.Contains(got, c.want) {
				t.Errorf("%s says %q", c.check, got)
			}
		})
	}
}

// policy is a NetworkPolicy of one of the programs.
func policy(all objects) *networkingv1.NetworkPolicy {
	for _, p := range of[*networkingv1.NetworkPolicy](all) {
		if len(p.Spec.PodSelector.MatchLabels) > 0 {
			return p
		}
	}
	return nil
}

func service(all objects) *corev1.Service { return of[*corev1.Service](all)[0] }

// authority is the Role about the manager's own Secret.
func authority(all objects) *rbacv1.Role {
	for _, r := range of[*rbacv1.Role](all) {
		if r.Name == "shoal-manager-authority" {
			return r
		}
	}
	return nil
}

// manager is the NetworkPolicy of the managers.
func manager(all objects) *networkingv1.NetworkPolicy {
	for _, p := range of[*networkingv1.NetworkPolicy](all) {
		if p.Name == "shoal-manager" {
			return p
		}
	}
	return nil
}

// volume is the scheduler's configuration.
func volume(all objects) *corev1.Volume {
	for _, d := range of[*appsv1.Deployment](all) {
		if len(d.Spec.Template.Spec.Volumes) > 0 {
			return &d.Spec.Template.Spec.Volumes[0]
		}
	}
	return nil
}
