package podspec

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

func withSecrets() *v1alpha1.InstanceSet {
	set := withRoles()
	set.Spec.Redis = &v1alpha1.RedisAccess{
		Username: "agent", Password: &v1alpha1.SecretKey{Name: "redis-auth", Key: "agent"},
		TLS: &v1alpha1.RedisTLS{SecretName: "redis-tls", ClientCertificate: true, ServerName: "orders"},
	}
	set.Spec.RoleProvider = &v1alpha1.RoleProvider{Type: v1alpha1.RoleProviderSentinel, Sentinel: &v1alpha1.SentinelProvider{
		Addresses: []string{"s-0.s.shop.svc:26379", "s-1.s.shop.svc:26379"}, Monitor: "shop-{shard}",
		Access: &v1alpha1.RedisAccess{Password: &v1alpha1.SecretKey{Name: "sentinel-auth"}, TLS: &v1alpha1.RedisTLS{SecretName: "sentinel-tls"}},
	}}
	return set
}

// The agent finds its Secrets where its arguments say, and no other container has them.
func TestTheAgentsSecrets(t *testing.T) {
	set := withSecrets()
	pod := Pod(set, Instance{Ordinal: 4, Agent: testAgent})
	c := pod.Spec.InitContainers[len(pod.Spec.InitContainers)-1]
	want := []string{
		"--username=agent", "--password-file=/var/run/shoal/redis/password", "--tls=true", "--tls-ca-file=/var/run/shoal/redis/ca.crt",
		"--tls-server-name=orders", "--tls-cert-file=/var/run/shoal/redis/tls.crt", "--tls-key-file=/var/run/shoal/redis/tls.key",
		"--sentinel-password-file=/var/run/shoal/sentinel/password", "--sentinel-tls=true", "--sentinel-tls-ca-file=/var/run/shoal/sentinel/ca.crt",
		"--sentinels=s-0.s.shop.svc:26379,s-1.s.shop.svc:26379", "--sentinel-shard=shop-$(SHOAL_SHARD)",
		"--announced-address=$(SHOAL_POD_IP),$(SHOAL_POD)." + set.Name + "." + set.Namespace + ".svc:6379",
	}
	if got := c.Args[3:]; !slices.Equal(got, want) {
		t.Errorf("arguments\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, m := range c.VolumeMounts {
		if !agents(m.Name) || !m.ReadOnly {
			t.Errorf("%+v", m)
		}
	}
	if len(c.VolumeMounts) != 3 || len(c.Env) != 3 {
		t.Errorf("%d mounts, %d variables", len(c.VolumeMounts), len(c.Env))
	}
	for _, other := range slices.Concat(pod.Spec.Containers, pod.Spec.InitContainers[:len(pod.Spec.InitContainers)-1]) {
		for _, m := range other.VolumeMounts {
			if agents(m.Name) {
				t.Errorf("%s has %s", other.Name, m.Name)
			}
		}
	}
	var secrets []string
	for _, v := range pod.Spec.Volumes {
		if !strings.HasPrefix(v.Name, AgentContainer+"-") {
			continue
		}
		for _, s := range v.Projected.Sources {
			if !*s.Secret.Optional {
				t.Errorf("the instance waits for the Secret %s", s.Secret.Name)
			}
			for _, item := range s.Secret.Items {
				secrets = append(secrets, v.Name+" "+s.Secret.Name+"/"+item.Key+" "+item.Path)
			}
		}
	}
	if want := []string{
		"shoal-agent-redis redis-auth/agent password", "shoal-agent-redis redis-tls/ca.crt ca.crt", "shoal-agent-redis redis-tls/tls.crt tls.crt", "shoal-agent-redis redis-tls/tls.key tls.key",
		"shoal-agent-sentinel sentinel-auth/password password", "shoal-agent-sentinel sentinel-tls/ca.crt ca.crt",
	}; !slices.Equal(secrets, want) {
		t.Errorf("Secrets\n%s\nwant\n%s", strings.Join(secrets, "\n"), strings.Join(want, "\n"))
	}
}

// An agent can be copied from any instance of its revision: what is of one pod alone stands in its environment.
func TestAgentsOfARevisionAreTheSame(t *testing.T) {
	set := withSecrets()
	agent := func(ordinal int32) corev1.Container {
		pod := Pod(set, Instance{Ordinal: ordinal, Revision: "abc", Agent: testAgent})
		return pod.Spec.InitContainers[len(pod.Spec.InitContainers)-1]
	}
	a, b := agent(0), agent(17)
	if !slices.Equal(a.Args, b.Args) {
		t.Errorf("%q\n%q", a.Args, b.Args)
	}
	for _, arg := range a.Args {
		if strings.Contains(arg, Name(set.Name, 0)) {
			t.Errorf("%s names one instance", arg)
		}
	}
}

// How the agent logs in is part of the revision, as its arguments are.
func TestAccessIsInTheRevision(t *testing.T) {
	seen := map[string]string{}
	for name, change := range map[string]func(*v1alpha1.InstanceSet){
		"as it is":             func(*v1alpha1.InstanceSet) {},
		"another password":     func(s *v1alpha1.InstanceSet) { s.Spec.Redis.Password.Key = "other" },
		"no TLS":               func(s *v1alpha1.InstanceSet) { s.Spec.Redis.TLS = nil },
		"no access to Redis":   func(s *v1alpha1.InstanceSet) { s.Spec.Redis = nil },
		"other Sentinels":      func(s *v1alpha1.InstanceSet) { s.Spec.RoleProvider.Sentinel.Addresses = []string{"x:1"} },
		"another monitor":      func(s *v1alpha1.InstanceSet) { s.Spec.RoleProvider.Sentinel.Monitor = "{shard}" },
		"no password for them": func(s *v1alpha1.InstanceSet) { s.Spec.RoleProvider.Sentinel.Access = nil },
		"no Sentinels":         func(s *v1alpha1.InstanceSet) { s.Spec.RoleProvider = nil },
	} {
		set := withSecrets()
		change(set)
		revision := Revision(set, nil)
		if other, there := seen[revision]; there {
			t.Errorf("%s and %s have one revision", name, other)
		}
		seen[revision] = name
	}
}
