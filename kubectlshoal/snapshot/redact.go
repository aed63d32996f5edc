package snapshot

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/slots"
)

// Hidden stands where an argument was.
const Hidden = "REDACTED"

// Redacted is a copy of a cluster for people who must not see its secrets. It is built from what may be seen: names, labels,
// a few annotations, what pods ask for and where they may run, and the states that the scheduler looks at. Environment,
// commands, probes, hooks, the contents of volumes, and everything that nobody thought of, is not in it. What remains
// readable, and is the reader's to judge: names, labels and images.
func Redacted(c *Cluster) *Cluster {
	d := &Cluster{TakenAt: c.TakenAt, Version: c.Version, Unreadable: c.Unreadable}
	for _, o := range c.Nodes {
		d.Nodes = append(d.Nodes, redactedNode(o))
	}
	for _, o := range c.Pods {
		d.Pods = append(d.Pods, redactedPod(o))
	}
	for _, o := range c.Claims {
		claim := &corev1.PersistentVolumeClaim{ObjectMeta: redactedMeta(o.ObjectMeta), Spec: redactedClaimSpec(o.Spec)}
		claim.Status = corev1.PersistentVolumeClaimStatus{Phase: o.Status.Phase, AccessModes: o.Status.AccessModes, Capacity: o.Status.Capacity}
		d.Claims = append(d.Claims, claim)
	}
	for _, o := range c.Volumes {
		d.Volumes = append(d.Volumes, redactedVolume(o))
	}
	for _, o := range c.Classes {
		d.Classes = append(d.Classes, &storagev1.StorageClass{
			ObjectMeta: redactedMeta(o.ObjectMeta), Provisioner: o.Provisioner, ReclaimPolicy: o.ReclaimPolicy,
			VolumeBindingMode: o.VolumeBindingMode, AllowVolumeExpansion: o.AllowVolumeExpansion, AllowedTopologies: o.AllowedTopologies,
		})
	}
	for _, o := range c.Policies {
		policy := &v1alpha1.PlacementPolicy{ObjectMeta: redactedMeta(o.ObjectMeta), Spec: o.Spec, Status: o.Status}
		d.Policies = append(d.Policies, policy)
	}
	for _, o := range c.Sets {
		d.Sets = append(d.Sets, redactedSet(o))
	}
	for _, o := range c.StatefulSets {
		set := &appsv1.StatefulSet{ObjectMeta: redactedMeta(o.ObjectMeta)}
		set.Spec.Replicas, set.Spec.ServiceName, set.Spec.Selector = o.Spec.Replicas, o.Spec.ServiceName, o.Spec.Selector
		set.Spec.Template = redactedTemplate(o.Spec.Template)
		d.StatefulSets = append(d.StatefulSets, set)
	}
	for _, o := range c.Revisions { // without the template, which may hold anything
		d.Revisions = append(d.Revisions, &appsv1.ControllerRevision{ObjectMeta: redactedMeta(o.ObjectMeta), Revision: o.Revision})
	}
	for _, o := range c.Services {
		d.Services = append(d.Services, &corev1.Service{ObjectMeta: redactedMeta(o.ObjectMeta), Spec: corev1.ServiceSpec{Selector: o.Spec.Selector}})
	}
	for _, o := range c.Switchovers {
		d.Switchovers = append(d.Switchovers, redactedSwitchover(o))
	}
	return d
}

// annotations are those that placement reads, by us or by Kubernetes' scheduler, and a few by which a person tells how a volume came to be.
// Others may hold anything, also under our own prefix: kubectl keeps whole manifests there.
var annotations = []string{
	v1alpha1.AnnotationPolicyVersion, v1alpha1.AnnotationRebuildGeneration, v1alpha1.AnnotationTerminalFailures,
	v1alpha1.AnnotationRetainedFor, v1alpha1.AnnotationMaxMemory,
	v1alpha1.ResourceNetIngress, v1alpha1.ResourceNetEgress, // on nodes: what they can
	v1alpha1.AnnotationIngressBandwidth, v1alpha1.AnnotationEgressBandwidth,
	slots.SelectedNode, "volume.kubernetes.io/storage-provisioner", "volume.beta.kubernetes.io/storage-provisioner", corev1.BetaStorageClassAnnotation,
	"pv.kubernetes.io/bind-completed", "pv.kubernetes.io/bound-by-controller", "pv.kubernetes.io/provisioned-by", "pv.kubernetes.io/migrated-to",
	"storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class",
}

func redactedMeta(m metav1.ObjectMeta) metav1.ObjectMeta {
	keep := metav1.ObjectMeta{
		Namespace: m.Namespace, Name: m.Name, UID: m.UID, ResourceVersion: m.ResourceVersion, Generation: m.Generation,
		CreationTimestamp: m.CreationTimestamp, DeletionTimestamp: m.DeletionTimestamp, Finalizers: m.Finalizers,
		Labels: maps.Clone(m.Labels), OwnerReferences: m.OwnerReferences,
	}
	for key, value := range m.Annotations {
		if slices.Contains(annotations, key) {
			metav1.SetMetaDataAnnotation(&keep, key, value)
		}
	}
	return keep
}

func redactedNode(o *corev1.Node) *corev1.Node {
	n := &corev1.Node{ObjectMeta: redactedMeta(o.ObjectMeta)}
	n.Spec = corev1.NodeSpec{Unschedulable: o.Spec.Unschedulable, Taints: o.Spec.Taints, ProviderID: o.Spec.ProviderID}
	n.Status = corev1.NodeStatus{Capacity: o.Status.Capacity, Allocatable: o.Status.Allocatable}
	n.Status.NodeInfo = corev1.NodeSystemInfo{KubeletVersion: o.Status.NodeInfo.KubeletVersion, Architecture: o.Status.NodeInfo.Architecture}
	for _, image := range o.Status.Images { // one of the scores looks for them
		n.Status.Images = append(n.Status.Images, corev1.ContainerImage{Names: image.Names, SizeBytes: image.SizeBytes})
	}
	for _, c := range o.Status.Conditions {
		n.Status.Conditions = append(n.Status.Conditions, corev1.NodeCondition{Type: c.Type, Status: c.Status, LastTransitionTime: c.LastTransitionTime})
	}
	return n
}

func redactedPod(o *corev1.Pod) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: redactedMeta(o.ObjectMeta), Spec: redactedSpec(o.Spec)}
	p.Status = corev1.PodStatus{Phase: o.Status.Phase, NominatedNodeName: o.Status.NominatedNodeName, StartTime: o.Status.StartTime, QOSClass: o.Status.QOSClass}
	for _, c := range o.Status.Conditions {
		keep := corev1.PodCondition{Type: c.Type, Status: c.Status, LastTransitionTime: c.LastTransitionTime}
		if c.Type == corev1.PodScheduled && o.Spec.SchedulerName == v1alpha1.SchedulerName { // whose words are known to hold no secret
			keep.Reason, keep.Message = c.Reason, c.Message
		}
		p.Status.Conditions = append(p.Status.Conditions, keep)
	}
	p.Status.InitContainerStatuses, p.Status.ContainerStatuses = redactedStatuses(o.Status.InitContainerStatuses), redactedStatuses(o.Status.ContainerStatuses)
	return p
}

// plainReason is what the kubelet's words for the state of a container look like, such as CrashLoopBackOff. Messages are not kept.
var plainReason = regexp.MustCompile(`^[A-Z][A-Za-z]{1,40}$`)

func redactedStatuses(all []corev1.ContainerStatus) []corev1.ContainerStatus {
	var keep []corev1.ContainerStatus
	for _, s := range all {
		k := corev1.ContainerStatus{Name: s.Name, Ready: s.Ready, Started: s.Started, RestartCount: s.RestartCount}
		switch {
		case s.State.Waiting != nil:
			k.State.Waiting = &corev1.ContainerStateWaiting{}
			if plainReason.MatchString(s.State.Waiting.Reason) {
				k.State.Waiting.Reason = s.State.Waiting.Reason
			}
		case s.State.Running != nil:
			k.State.Running = &corev1.ContainerStateRunning{StartedAt: s.State.Running.StartedAt}
		case s.State.Terminated != nil:
			k.State.Terminated = &corev1.ContainerStateTerminated{ExitCode: s.State.Terminated.ExitCode, FinishedAt: s.State.Terminated.FinishedAt}
		}
		keep = append(keep, k)
	}
	return keep
}

func redactedTemplate(t corev1.PodTemplateSpec) corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{ObjectMeta: redactedMeta(t.ObjectMeta), Spec: redactedSpec(t.Spec)}
}

func redactedSpec(s corev1.PodSpec) corev1.PodSpec {
	keep := corev1.PodSpec{
		NodeName: s.NodeName, NodeSelector: s.NodeSelector, Affinity: s.Affinity, Tolerations: s.Tolerations,
		TopologySpreadConstraints: s.TopologySpreadConstraints, SchedulerName: s.SchedulerName, SchedulingGates: s.SchedulingGates,
		Priority: s.Priority, PriorityClassName: s.PriorityClassName, PreemptionPolicy: s.PreemptionPolicy, Overhead: s.Overhead,
		HostNetwork: s.HostNetwork, RestartPolicy: s.RestartPolicy, Resources: s.Resources, SchedulingGroup: s.SchedulingGroup,
	}
	for _, c := range s.Containers {
		keep.Containers = append(keep.Containers, redactedContainer(c))
	}
	for _, c := range s.InitContainers {
		keep.InitContainers = append(keep.InitContainers, redactedContainer(c))
	}
	for _, v := range s.Volumes {
		named := corev1.Volume{Name: v.Name}
		switch {
		case v.PersistentVolumeClaim != nil:
			named.PersistentVolumeClaim = v.PersistentVolumeClaim
		case v.Ephemeral != nil && v.Ephemeral.VolumeClaimTemplate != nil:
			template := &corev1.PersistentVolumeClaimTemplate{Spec: redactedClaimSpec(v.Ephemeral.VolumeClaimTemplate.Spec)}
			named.Ephemeral = &corev1.EphemeralVolumeSource{VolumeClaimTemplate: template}
		default:
			named.EmptyDir = &corev1.EmptyDirVolumeSource{}
		}
		keep.Volumes = append(keep.Volumes, named)
	}
	return keep
}

func redactedContainer(c corev1.Container) corev1.Container {
	return corev1.Container{
		Name: c.Name, Image: c.Image, Resources: c.Resources, Ports: c.Ports, RestartPolicy: c.RestartPolicy, Args: redactedArgs(c.Args),
	}
}

// plainArgs are the options of redis-server that say how much an instance may take, and plainValue is what their values
// look like. Of all other arguments only the number is kept.
var (
	plainArgs  = []string{"--maxmemory", "--maxmemory-policy", "--maxclients", "--io-threads"}
	plainValue = regexp.MustCompile(`^([0-9]+[a-z%]{0,2}|noeviction|all(keys|volatile)-[a-z]{2,6}|volatile-[a-z]{2,6})$`)
)

func redactedArgs(args []string) []string {
	var keep []string
	for i, arg := range args {
		name, value, joined := strings.Cut(arg, "=")
		switch {
		case slices.Contains(plainArgs, name) && (!joined || plainValue.MatchString(value)),
			i > 0 && slices.Contains(plainArgs, args[i-1]) && plainValue.MatchString(arg):
			keep = append(keep, arg)
		default:
			keep = append(keep, Hidden)
		}
	}
	return keep
}

func redactedClaimSpec(s corev1.PersistentVolumeClaimSpec) corev1.PersistentVolumeClaimSpec {
	return corev1.PersistentVolumeClaimSpec{
		AccessModes: s.AccessModes, Selector: s.Selector, Resources: s.Resources, VolumeName: s.VolumeName,
		StorageClassName: s.StorageClassName, VolumeMode: s.VolumeMode,
	}
}

// redactedVolume keeps where a volume is and whose it is. Drivers write what they like into its source, keys among it.
func redactedVolume(o *corev1.PersistentVolume) *corev1.PersistentVolume {
	v := &corev1.PersistentVolume{ObjectMeta: redactedMeta(o.ObjectMeta)}
	v.Spec = corev1.PersistentVolumeSpec{
		Capacity: o.Spec.Capacity, AccessModes: o.Spec.AccessModes, ClaimRef: o.Spec.ClaimRef, NodeAffinity: o.Spec.NodeAffinity,
		PersistentVolumeReclaimPolicy: o.Spec.PersistentVolumeReclaimPolicy, StorageClassName: o.Spec.StorageClassName, VolumeMode: o.Spec.VolumeMode,
	}
	switch {
	case o.Spec.Local != nil:
		v.Spec.Local = &corev1.LocalVolumeSource{Path: "/" + Hidden}
	case o.Spec.CSI != nil:
		v.Spec.CSI = &corev1.CSIPersistentVolumeSource{Driver: o.Spec.CSI.Driver, VolumeHandle: o.Name}
	}
	v.Status.Phase = o.Status.Phase
	return v
}

// redactedConfiguration keeps the values of the parameters that Shoal knows: none of those is a secret. Others no instance gets, but somebody may
// have written them.
func redactedConfiguration(c *v1alpha1.Configuration) *v1alpha1.Configuration {
	c = c.DeepCopy()
	if c != nil {
		for i := range c.Parameters {
			if _, known := agent.ClassOf(c.Parameters[i].Name); !known {
				c.Parameters[i].Value = Hidden
			}
		}
	}
	return c
}

func redactedSet(o *v1alpha1.InstanceSet) *v1alpha1.InstanceSet {
	set := &v1alpha1.InstanceSet{ObjectMeta: redactedMeta(o.ObjectMeta), Status: o.Status}
	s := o.Spec
	set.Spec = v1alpha1.InstanceSetSpec{
		Replicas: s.Replicas, Ordinals: s.Ordinals, ShardSize: s.ShardSize, OfflineInstances: s.OfflineInstances, Roles: s.Roles, RoleProvider: s.RoleProvider, Redis: s.Redis, Configuration: redactedConfiguration(s.Configuration),
		Template: redactedTemplate(s.Template), PersistentVolumeClaimRetentionPolicy: s.PersistentVolumeClaimRetentionPolicy,
		MinReadySeconds: s.MinReadySeconds, UpdateStrategy: s.UpdateStrategy, RevisionHistoryLimit: s.RevisionHistoryLimit, Placement: s.Placement, PlacementPolicyRef: s.PlacementPolicyRef, Rebuild: s.Rebuild, Paused: s.Paused,
	}
	for _, t := range s.Templates {
		t.Annotations = nil
		set.Spec.Templates = append(set.Spec.Templates, t)
	}
	for _, t := range s.VolumeClaimTemplates {
		set.Spec.VolumeClaimTemplates = append(set.Spec.VolumeClaimTemplates, v1alpha1.VolumeClaimTemplate{
			Metadata: v1alpha1.VolumeClaimMeta{Name: t.Metadata.Name, Labels: t.Metadata.Labels}, Spec: redactedClaimSpec(t.Spec),
		})
	}
	return set
}
