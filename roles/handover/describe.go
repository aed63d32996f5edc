package handover

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/podspec"
	"github.com/shoal-dev/shoal/redis"
	"github.com/shoal-dev/shoal/roles"
	"github.com/shoal-dev/shoal/roles/orders"
	"github.com/shoal-dev/shoal/slots"
	"github.com/shoal-dev/shoal/switchover"
)

// describe says where everybody is. A pod without an address, as it is being made anew, is one that does not answer: it is an instance of
// the shard all the same, and what was begun with it is finished without it, or waits for the next attempt.
func (e *Executor) describe(ctx context.Context, set *v1alpha1.InstanceSet, s Shard, pods []*corev1.Pod) switchover.Shard {
	out := switchover.Shard{}
	if p := set.Spec.RoleProvider; p != nil && p.Sentinel != nil {
		out.Sentinels, out.Monitor = p.Sentinel.Addresses, roles.Monitor(p.Sentinel, s.Name)
		var err error
		if out.SentinelAccess, err = roles.SentinelAccess(ctx, e.live, set); err != nil {
			log.FromContext(ctx).Error(err, "no Sentinel is asked")
			out.SentinelAccess = redis.Access{TLS: nobody()}
		}
	}
	named := masterNamed(ctx, out)
	wanted := map[string]string{}
	for _, pod := range pods {
		if pod.Spec.NodeName == "" && pod.Status.PodIP == "" { // its engine has not run yet, and follows nobody; who hands over and who takes over are added by missing
			continue
		}
		target, unknown := orders.Of(pod)
		i := switchover.Instance{
			Name: pod.Name, Addr: addressOf(pod, named, set.Spec.Rebuild.Port), Node: pod.Spec.NodeName,
			Called: func(addr string) bool {
				host, _, err := net.SplitHostPort(addr)
				return err == nil && roles.ReachedAt(pod, host)
			},
			Avoid:    pod.DeletionTimestamp != nil || e.leaving(ctx, pod.Spec.NodeName),
			Outdated: pod.Labels[v1alpha1.LabelRevision] != revision(set, pod.Labels[v1alpha1.LabelTemplate], wanted),
			Open: func(ctx context.Context, _ uint64) (switchover.Session, error) { // the client knows the lock
				if unknown != nil {
					return nil, unknown
				}
				return e.open(ctx, target)
			},
		}
		out.Instances = append(out.Instances, i)
	}
	return out
}

// missing are those of these names, which were instances of the shard when it was begun, whose pods are gone, and are to be made anew.
func missing(s switchover.Shard, names ...string) (out []switchover.Instance) {
	for _, name := range names {
		if name != "" && !slices.ContainsFunc(s.Instances, func(i switchover.Instance) bool { return i.Name == name }) {
			out = append(out, switchover.Instance{Name: name, Addr: name, Open: func(context.Context, uint64) (switchover.Session, error) {
				return nil, fmt.Errorf("there is no pod %s", name)
			}})
		}
	}
	return out
}

// nobody is trusted by it, so that no handshake succeeds. A set whose Secrets cannot be read may ask for TLS: whoever answers without is
// not to be believed, and as Sentinels that do not answer nothing is begun, while writes that wait are given back.
func nobody() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: x509.NewCertPool()}
}

// leaving: no new pod would be placed on the node, or it is dead.
func (e *Executor) leaving(ctx context.Context, name string) bool {
	var node corev1.Node
	if err := e.cache.Get(ctx, types.NamespacedName{Name: name}, &node); err != nil {
		return true
	}
	return node.Spec.Unschedulable || slots.OutOfService(&node) || !slices.ContainsFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	})
}

// revision is what the instances of a template are to be of. It is made once for each template.
func revision(set *v1alpha1.InstanceSet, template string, made map[string]string) string {
	if known, ok := made[template]; ok {
		return known
	}
	var of *v1alpha1.InstanceTemplate
	for n := range set.Spec.Templates {
		if set.Spec.Templates[n].Name == template {
			of = &set.Spec.Templates[n]
		}
	}
	made[template] = podspec.Revision(set, of)
	return made[template]
}

// asking bounds the question for whom Sentinels name.
const asking = 300 * time.Millisecond

// masterNamed is the address of the master as a Sentinel has it, "" if none answers: in which form they know instances is theirs.
func masterNamed(ctx context.Context, s switchover.Shard) string {
	for _, addr := range s.Sentinels {
		access := s.SentinelAccess
		access.Dial, access.IO = asking, asking
		conn, err := redis.Connect(ctx, addr, access)
		if err != nil {
			continue
		}
		view, err := conn.View(ctx, s.Monitor)
		_ = conn.Close() // there is an answer, or none
		if err == nil && view.Master != "" {
			return view.Master
		}
	}
	return ""
}

// addressOf is host:port of an instance in the form of the one that Sentinels name: by IP, or by the name that its Service gives
// it, with the same domain behind it.
func addressOf(pod *corev1.Pod, named string, port int32) string {
	host, text, err := net.SplitHostPort(named)
	if err != nil {
		return net.JoinHostPort(hostOf(pod), strconv.Itoa(int(port)))
	}
	if _, domain, is := strings.Cut(host, "."); is && net.ParseIP(host) == nil {
		if own := pod.Name + "." + domain; roles.ReachedAt(pod, own) {
			return net.JoinHostPort(own, text)
		}
	}
	return net.JoinHostPort(hostOf(pod), text)
}

// hostOf is the IP of a pod, or its name, which is no address of anybody, as long as it has none.
func hostOf(pod *corev1.Pod) string { return cmp.Or(pod.Status.PodIP, pod.Name) }
