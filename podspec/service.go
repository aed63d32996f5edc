package podspec

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// Service builds the headless Service that gives each instance the name <set>-<ordinal>.<set>. Instances have to find
// each other before they are Ready, so addresses are published at once.
func Service(set *v1alpha1.InstanceSet) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{
			Namespace:       set.Namespace,
			Name:            set.Name,
			Labels:          map[string]string{v1alpha1.LabelInstanceSet: set.Name},
			OwnerReferences: []metav1.OwnerReference{owner(set)},
		},
		Spec: corev1.ServiceSpec{
			ClusterIP:                corev1.ClusterIPNone,
			PublishNotReadyAddresses: true,
			Selector:                 map[string]string{v1alpha1.LabelInstanceSet: set.Name},
			Ports:                    ServicePorts(set),
		},
	}
}

// ServicePorts are the named ports of the containers of spec.template; the API server refuses a name or a number that
// stands there twice. A headless Service needs no ports; with them it has SRV records.
func ServicePorts(set *v1alpha1.InstanceSet) []corev1.ServicePort {
	var ports []corev1.ServicePort
	for _, c := range set.Spec.Template.Spec.Containers {
		for _, p := range c.Ports {
			protocol := cmp.Or(p.Protocol, corev1.ProtocolTCP)
			same := func(q corev1.ServicePort) bool {
				return q.Name == p.Name || q.Port == p.ContainerPort && q.Protocol == protocol
			}
			if p.Name == "" || slices.ContainsFunc(ports, same) {
				continue
			}
			ports = append(ports, corev1.ServicePort{
				Name: p.Name, Port: p.ContainerPort, TargetPort: intstr.FromInt32(p.ContainerPort), Protocol: protocol,
			})
		}
	}
	return ports
}

// Policy builds the set's own PlacementPolicy from spec.placement, for a number of replicas in a number of shards (0 when
// the set has none). Call it only when spec.placement is set.
func Policy(set *v1alpha1.InstanceSet, replicas, shards int32) *v1alpha1.PlacementPolicy {
	limits := *set.Spec.Placement.DeepCopy()
	if len(limits.ShardSpread) == 0 { // as the schema's default: compared with what the API server stored, it must be equal
		limits.ShardSpread = []v1alpha1.ShardSpread{{TopologyKey: corev1.LabelHostname, Max: 1}}
	}
	policy := &v1alpha1.PlacementPolicy{
		ObjectMeta: metav1.ObjectMeta{
			Namespace:       set.Namespace,
			Name:            set.Name,
			Labels:          map[string]string{v1alpha1.LabelInstanceSet: set.Name},
			OwnerReferences: []metav1.OwnerReference{owner(set)},
		},
		Spec: v1alpha1.PlacementPolicySpec{Replicas: &replicas, PlacementLimits: limits},
	}
	if shards > 0 {
		policy.Spec.Shards = &shards
	}
	return policy
}

// RoleService builds the Service of a role in a shard: whoever carries the label of the role is behind it, whatever
// the kubelet says of the pod: it counts the agent too (docs/adr/0017). The API server refuses one without ports: containers have to
// name theirs.
func RoleService(set *v1alpha1.InstanceSet, shard, role string) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: set.Namespace,
			Name:      shard + "-" + role,
			Labels: map[string]string{
				v1alpha1.LabelInstanceSet: set.Name, v1alpha1.LabelShard: shard, v1alpha1.LabelRole: role,
			},
			OwnerReferences: []metav1.OwnerReference{owner(set)},
		},
		Spec: corev1.ServiceSpec{
			PublishNotReadyAddresses: true,
			Selector: map[string]string{
				v1alpha1.LabelInstanceSet: set.Name, v1alpha1.LabelShard: shard, v1alpha1.LabelRole: role,
			},
			Ports: ServicePorts(set),
		},
	}
}
