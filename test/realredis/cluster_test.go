//go:build redis

package realredis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	goredis "github.com/redis/go-redis/v9"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/shoal-dev/shoal/agent/mtls"
	"github.com/shoal-dev/shoal/agent/mtls/mtlstest"
	"github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/podspec"
	"github.com/shoal-dev/shoal/reason"
	"github.com/shoal-dev/shoal/roles"
	"github.com/shoal-dev/shoal/roles/handover"
	"github.com/shoal-dev/shoal/roles/orders"
	"github.com/shoal-dev/shoal/switchover"
	"github.com/shoal-dev/shoal/switchover/decide"
)

// cluster is a shard as the manager sees it: a set with its pods, whose agents it asks. It has no password and no address of a
// Redis but those of Sentinels.
type cluster struct {
	Members       []corev1.Pod
	Sentinels     []string
	Bundle, Roots string // the manager's certificate
	Patience      time.Duration
	// User and Password are those of Sentinels, if they ask for any: Password is in a Secret, and the set says so.
	User, Password string
}

const setName, namespace = "r", "shop"

func identityOf(n int) agent.Identity {
	return agent.Identity{Namespace: namespace, Pod: name(n), UID: fmt.Sprintf("8d7f1c1e-2c5b-4a53-9d0e-%012d", n)}
}

// addAgents starts an agent for each server, at the address of its front: that of its pod.
func (s *shard) addAgents() {
	if s.is.agents == 0 {
		return
	}
	s.ca = mtlstest.New(s.t)
	for n := range s.servers {
		s.agents = append(s.agents, nil)
		s.startAgent(n)
	}
	for n := range s.agents {
		s.agentAnswers(n)
	}
}

// startAgent starts one that does not run: another boot of it.
func (s *shard) startAgent(n int) {
	a := &sidecar{
		ca: s.ca, identity: identityOf(n).String(), actions: net.JoinHostPort(s.front(n), fmt.Sprint(podspec.AgentActionsPort)),
		metrics: net.JoinHostPort(s.front(n), fmt.Sprint(podspec.AgentActionsPort+1)),
	}
	a.run(s.t, net.JoinHostPort(s.server(n), s.ports[n]), "--timeout", s.is.agents.String())
	s.agents[n] = a
}

func (s *shard) agentAnswers(n int) {
	s.t.Helper()
	if err := until(60*time.Second, func() bool {
		c, err := net.Dial("tcp", s.agents[n].actions)
		return err == nil && c.Close() == nil
	}); err != nil {
		s.t.Fatalf("the agent of server %d does not start", n)
	}
}

// cluster is nil where there are no agents.
func (s *shard) cluster() *cluster {
	if s.is.agents == 0 {
		return nil
	}
	folder := scratch(s.t)
	c := &cluster{Sentinels: s.sentinels, Patience: s.io}
	if c.Patience == 0 {
		c.Patience = handover.Answers
	}
	c.Bundle, c.Roots = s.ca.Write(s.t, folder, s.ca.Sign(s.t, agent.ManagerURI, nil))
	for n := range s.servers {
		id := identityOf(n)
		c.Members = append(c.Members, corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: id.Namespace, Name: id.Pod, UID: types.UID(id.UID), Labels: map[string]string{v1alpha1.LabelInstanceSet: setName, v1alpha1.LabelShard: setName + "-0"},
				OwnerReferences: []metav1.OwnerReference{{APIVersion: v1alpha1.GroupVersion.String(), Kind: "InstanceSet", Name: setName, UID: "set", Controller: ptr.To(true)}},
			},
			Status: corev1.PodStatus{PodIP: s.front(n), PodIPs: []corev1.PodIP{{IP: s.front(n)}}},
		})
	}
	return c
}

// indexer has a fake client answer by indexes.
type indexer struct{ *fake.ClientBuilder }

func (i indexer) IndexField(_ context.Context, o client.Object, field string, of client.IndexerFunc) error {
	i.WithIndex(o, field, of)
	return nil
}

// executor is that of a manager that has this lock.
func (c *cluster) executor(lock uint64) (*handover.Executor, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return nil, err
	}
	set := &v1alpha1.InstanceSet{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: setName, UID: "set"}}
	set.Spec.ShardSize = ptr.To(int32(len(c.Members)))
	set.Spec.RoleProvider = &v1alpha1.RoleProvider{Type: v1alpha1.RoleProviderSentinel, Sentinel: &v1alpha1.SentinelProvider{Addresses: c.Sentinels, Monitor: monitor}}
	builder := fake.NewClientBuilder().WithScheme(scheme).WithObjects(set)
	if c.Password != "" {
		set.Spec.RoleProvider.Sentinel.Access = &v1alpha1.RedisAccess{Username: c.User, Password: &v1alpha1.SecretKey{Name: "sentinel-auth"}}
		builder.WithObjects(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "sentinel-auth"}, Data: map[string][]byte{"password": []byte(c.Password)}})
	}
	for n := range c.Members {
		builder.WithObjects(&c.Members[n])
	}
	if err := roles.Indexes(context.Background(), indexer{builder}); err != nil {
		return nil, err
	}
	has := func() (uint64, error) { return lock, nil }
	asks, err := orders.New(orders.Options{
		Own: func() (mtls.Own, error) { return mtls.ReadFiles(c.Bundle, c.Roots) }, Lock: has, Timeout: c.Patience, Registry: prometheus.NewRegistry(),
	})
	if err != nil {
		return nil, err
	}
	cache := builder.Build()
	return handover.New(cache, cache, asks, has), nil
}

func (c *cluster) run(ctx context.Context, lock uint64, request decide.Request, before func(decide.Step) error) (decide.Step, error) {
	e, err := c.executor(lock)
	if err != nil {
		return decide.Step{}, err
	}
	shard := handover.Shard{Set: types.NamespacedName{Namespace: namespace, Name: setName}, Name: setName + "-0"}
	return e.Run(ctx, shard, request, func(step decide.Step) {
		if err := before(step); err != nil {
			fmt.Fprintln(os.Stderr, err) // whoever started this process is gone
			os.Exit(1)
		}
	})
}

// through is a shard whose master is handed over through agents.
var through = shape{servers: 3, sentinels: 3, downAfter: downAfter, agents: 2 * time.Second}

// TestPlannedThroughAgents is TestPlanned, as a manager does it: it connects to no Redis.
func TestPlannedThroughAgents(t *testing.T) { planned(t, through) }

// TestSentinelsAskForAPasswordThroughAgents: the manager logs in to Sentinels as the set says, with no more rights than
// docs/switchover.md lists. With another password it begins nothing.
func TestSentinelsAskForAPasswordThroughAgents(t *testing.T) {
	t.Parallel()
	is := through
	is.sentinelUser = sentinelUser
	s := newShard(t, is)
	c := s.cluster()
	const password = "battery-staple" // that of sentinelUser
	c.User, c.Password = "shoal", "not-"+password
	refused, err := c.run(t.Context(), 0, s.wanted(0), func(step decide.Step) error {
		t.Errorf("with another password it does %s", step.Do)
		return nil
	})
	if err != nil || refused.Result != decide.Refused || refused.Code != reason.NoSentinelMajority || s.one() != 0 {
		t.Errorf("with another password it ends with %+v, %v", refused, err)
	}
	c.Password = password
	var users []string
	for deadline := time.Now().Add(healing); ; {
		end, err := c.run(t.Context(), 0, s.wanted(0), func(step decide.Step) error {
			if step.Do == decide.Promote {
				users = s.usersAtSentinels(switchover.ConnectionName + "@")
			}
			return nil
		})
		if err == nil && end.Result == decide.HandedOver {
			break
		}
		if !overloaded(end) && !s.excused(end) || time.Now().After(deadline) {
			t.Fatalf("it ends with %+v, %v", end, err)
		}
	}
	if len(users) != is.sentinels || slices.ContainsFunc(users, func(user string) bool { return user != c.User }) {
		t.Errorf("Sentinels were asked by the users %q", users)
	}
	master := s.one()
	s.settled(master)
	s.named(master)
}

// usersAtSentinels are those of the connections to Sentinels whose name begins so.
func (s *shard) usersAtSentinels(prefix string) (users []string) {
	s.t.Helper()
	for _, addr := range s.sentinels {
		client := goredis.NewClient(&goredis.Options{Addr: addr, Protocol: 2, DisableIdentity: true})
		list, err := client.Do(context.Background(), "CLIENT", "LIST").Text()
		if err := errors.Join(err, client.Close()); err != nil {
			s.t.Error(err)
		}
		for line := range strings.Lines(list) {
			if !strings.Contains(line, " name="+prefix) {
				continue
			}
			for field := range strings.FieldsSeq(line) {
				if user, is := strings.CutPrefix(field, "user="); is {
					users = append(users, user)
				}
			}
		}
	}
	return users
}

// TestKilledBetweenStepsThroughAgents kills the manager before each step, and another one goes on.
func TestKilledBetweenStepsThroughAgents(t *testing.T) {
	t.Parallel()
	killedEverywhereOf(t, false, through)
}

// TestTwoAtOnceThroughAgents is TestTwoAtOnce, by two managers of one lock.
func TestTwoAtOnceThroughAgents(t *testing.T) { twoAtOnce(t, through) }

// TestLockLostThroughAgents is TestLockLost: a manager that leads no more goes on, and meets the next one's orders.
func TestLockLostThroughAgents(t *testing.T) {
	is := through
	is.servers = 4
	lockLost(t, is, 0, 7, decide.Pause, decide.Demote, decide.Promote)
}
