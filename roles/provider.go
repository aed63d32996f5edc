package roles

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/roles/decide"
)

// RoleProvider is who says which instance of a shard is master. It decides by itself, and is asked and not told.
type RoleProvider interface {
	// Naming is what it says of the shard now. It does not fail: not to answer is an answer.
	Naming(ctx context.Context, shard shardKey) Naming
}

// Naming is whom a RoleProvider names, by address.
type Naming struct {
	// Static: there is nobody who promotes by himself.
	Static bool
	// Heard: it answered. Otherwise Trouble says why not.
	Heard   bool
	Trouble string
	// Addr is host:port of the master, Epoch the election that made it so, Since when that was first heard of.
	Addr  string
	Epoch int64
	Since time.Time
	// Agreed: most Sentinels say so. Sure: all that anybody knows of have said so for long. Floor is the latest election that
	// was heard of for the shard.
	Agreed, Sure bool
	Floor        int64
}

// static is the provider of sets without an HA system.
type static struct{}

// Naming names nobody.
func (static) Naming(context.Context, shardKey) Naming { return Naming{Static: true} }

// view turns addresses into instances. One that several have, as on the network of their node, names nobody: to take it for
// somebody else's would take the label from the one that is meant.
func view(n Naming, pods []*corev1.Pod) decide.View {
	v := decide.View{
		Static: n.Static, Heard: n.Heard, Trouble: n.Trouble, Addr: n.Addr, Epoch: n.Epoch, Since: n.Since,
		Agreed: n.Agreed, Sure: n.Sure, Floor: n.Floor,
	}
	switch found := whose(n.Addr, pods); len(found) {
	case 0:
	case 1:
		v.Master = found[0]
	default:
		v.Heard, v.Trouble = false, fmt.Sprintf("%s, whom Sentinels name, is the address of %s", n.Addr, strings.Join(found, " and "))
	}
	return v
}

// whose are the names of the pods that are reached at host:port: by their IP addresses, or by the name that the set's Service
// gives them, with any part of the domain behind it. The port tells nothing apart: an instance has one.
func whose(addr string, pods []*corev1.Pod) []string {
	host, _, err := net.SplitHostPort(addr)
	if err != nil || host == "" {
		return nil
	}
	var found []string
	for _, pod := range pods {
		if ReachedAt(pod, host) {
			found = append(found, pod.Name)
		}
	}
	return found
}

// ReachedAt reports whether a host is a pod: one of its IP addresses, or its name under its Service with any part of the domain
// behind it.
func ReachedAt(pod *corev1.Pod, host string) bool {
	if ip := net.ParseIP(host); ip != nil {
		for _, own := range append([]corev1.PodIP{{IP: pod.Status.PodIP}}, pod.Status.PodIPs...) {
			if ip.Equal(net.ParseIP(own.IP)) {
				return true
			}
		}
		return false
	}
	full := strings.Join([]string{pod.Name, pod.Spec.Subdomain, pod.Namespace, "svc", ""}, ".")
	host = strings.ToLower(strings.TrimSuffix(host, ".")) + "."
	return strings.HasPrefix(full, host) || strings.HasPrefix(host, full)
}

// Monitor is the name by which Sentinels know a shard.
func Monitor(p *v1alpha1.SentinelProvider, shard string) string {
	return strings.ReplaceAll(p.Monitor, "{shard}", shard)
}
