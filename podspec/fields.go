package podspec

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// Class says what it takes to bring a change to an instance that exists. They are ordered as a plan does them: what disturbs least
// comes first.
type Class int

const (
	// NothingToDo is what somebody else writes, or what has an effect on new pods only. Diff leaves it out.
	NothingToDo Class = iota
	// InPlacePatch is a patch of the pod or the claim. It restarts nothing.
	InPlacePatch
	// InPlaceConfiguration is a patch of the pod's annotation. The agent brings the parameters to the engine, and restarts it where they ask
	// for that.
	InPlaceConfiguration
	// InPlaceImage is a patch of the pod. The kubelet restarts the one container.
	InPlaceImage
	// InPlaceResize is a patch of the pod's subresource resize. Whether the container restarts is in its resizePolicy.
	InPlaceResize
	// VolumeGrowth is a patch of the claim, which the volume's driver carries out.
	VolumeGrowth
	// Recreate is a new pod on the same volume.
	Recreate
	// Refused is not done at all: the instance would be another one, or would lose its data.
	Refused
)

var classNames = [...]string{"nothing to do", "patch", "configuration", "image", "resize", "volume", "recreate", "refused"}

// String is how a person reads it.
func (c Class) String() string { return classNames[c] }

// InPlace reports whether the pod stays.
func (c Class) InPlace() bool { return c < Recreate }

// Field is a row of the table: a field of a pod or a claim, and what a change of it takes. What stands below a field and has no
// row of its own is judged by that of the field.
type Field struct {
	// Path in the object; [] stands for any entry of a list or map. That of an entry is about its coming and going, that of the
	// list about the order.
	Path  string
	Class Class
	Why   string
	// Only says of which changes Class and Why are true, "" for all; Else and ElseWhy are about the others.
	Only    string
	Else    Class
	ElseWhy string
	// Hidden values may be secrets and are never printed.
	Hidden bool

	holds func(change) bool // what Only says
}

// change is what a rule is asked about.
type change struct {
	path          string
	keys          []string // of the path's lists and maps, from the left
	before, after string   // canonical; meaningless where the flag is false
	had, wants    bool
	claim         *corev1.PersistentVolumeClaim // that exists, nil for pods
}

func (c change) key() string { return c.keys[len(c.keys)-1] }

const fixed = "the API server refuses to change it on a pod that exists"

// slotLabels say whose place an instance holds. ADR 0005 says why they stay.
var slotLabels = []string{
	v1alpha1.LabelInstanceSet, v1alpha1.LabelOrdinal, v1alpha1.LabelShard, v1alpha1.LabelCluster, v1alpha1.LabelPlacementPolicy,
}

const slotWhy = "it says whose place and whose data this is, so that it stays as long as the instance"

var metadataFields = []Field{
	{Path: "metadata.labels[]", Only: "keys that do not hold a slot", holds: isFree, Else: Refused, ElseWhy: slotWhy,
		Class: InPlacePatch, Why: "labels can be changed and removed at any time; environment variables made of them are not refreshed"},
	{Path: "metadata.annotations[]", Class: InPlacePatch,
		Why: "annotations can be changed and removed at any time; environment variables made of them are not refreshed"},
	{Path: "metadata.finalizers[]", Class: InPlacePatch, Why: "finalizers can be added and removed at any time"},
}

func isFree(c change) bool { return !slices.Contains(slotLabels, c.key()) }

var podFields = []Field{
	recreate("spec.volumes"),
	{Path: "spec.volumes[]", Class: Recreate, Why: fixed, Hidden: true},
	recreate("spec.initContainers"), recreate("spec.initContainers[]"),
	recreate("spec.containers"), recreate("spec.containers[]"),
	{Path: "spec.ephemeralContainers", Class: NothingToDo, Why: "they are added to pods that run, for debugging; templates have none"},
	recreate("spec.restartPolicy"), recreate("spec.terminationGracePeriodSeconds"),
	{Path: "spec.activeDeadlineSeconds", Class: InPlacePatch, Why: "a deadline can be set, and lowered", Only: "a deadline that is set or lowered",
		holds: isLowered, Else: Recreate, ElseWhy: "a deadline can neither be raised nor taken back"},
	recreate("spec.dnsPolicy"), recreate("spec.nodeSelector"), recreate("spec.serviceAccountName"),
	{Path: "spec.serviceAccount", Class: NothingToDo, Why: "an old name of serviceAccountName, which is compared"},
	recreate("spec.automountServiceAccountToken"), recreate("spec.nodeName"), recreate("spec.hostNetwork"), recreate("spec.hostPID"),
	recreate("spec.hostIPC"), recreate("spec.shareProcessNamespace"), recreate("spec.securityContext"), recreate("spec.imagePullSecrets"),
	{Path: "spec.hostname", Class: Refused, Why: "it is the name of the instance"},
	{Path: "spec.subdomain", Class: Refused, Why: "it is the name of the set"},
	recreate("spec.affinity"), recreate("spec.schedulerName"),
	{Path: "spec.tolerations[]", Class: InPlacePatch, Why: "a toleration can be added", Only: "tolerations that are added", holds: isAdded,
		Else: Recreate, ElseWhy: "a toleration cannot be taken from a pod that exists"},
	{Path: "spec.tolerations[].tolerationSeconds", Class: InPlacePatch, Why: "how long a taint is tolerated can be changed"},
	recreate("spec.hostAliases"), recreate("spec.priorityClassName"),
	{Path: "spec.priority", Class: NothingToDo, Why: "the API server takes it from priorityClassName, which is compared"},
	recreate("spec.dnsConfig"), recreate("spec.readinessGates"), recreate("spec.runtimeClassName"), recreate("spec.enableServiceLinks"),
	{Path: "spec.preemptionPolicy", Class: NothingToDo, Why: "the API server takes it from priorityClassName, which is compared"},
	{Path: "spec.overhead", Class: NothingToDo, Why: "the API server takes it from runtimeClassName, which is compared"},
	recreate("spec.topologySpreadConstraints"), recreate("spec.setHostnameAsFQDN"), recreate("spec.os"), recreate("spec.hostUsers"),
	{Path: "spec.schedulingGates[]", Class: InPlacePatch, Why: "a gate can be opened", Only: "gates that are removed", holds: isRemoved,
		Else: NothingToDo, ElseWhy: "a gate holds a pod before it is placed, and is for new pods"},
	recreate("spec.resourceClaims"), recreate("spec.resources"), resize("spec.resources.requests[]"), resize("spec.resources.limits[]"),
	recreate("spec.hostnameOverride"), recreate("spec.schedulingGroup"), recreate("spec.evictionResponders"),
}

// containerFields are below spec.containers[] and spec.initContainers[].
var containerFields = []Field{
	{Path: "image", Class: InPlaceImage, Why: "the kubelet restarts this container alone; an init container that has completed does not run again"},
	hidden("command"), hidden("args"), recreate("workingDir"), recreate("ports"), recreate("envFrom"),
	recreate("env"), hidden("env[]"),
	recreate("resources"), resize("resources.requests[]"), resize("resources.limits[]"), recreate("resources.claims"),
	recreate("resizePolicy"), recreate("restartPolicy"), recreate("restartPolicyRules"), recreate("volumeMounts"), recreate("volumeDevices"),
	hidden("livenessProbe"), hidden("readinessProbe"), hidden("startupProbe"), hidden("lifecycle"),
	recreate("terminationMessagePath"), recreate("terminationMessagePolicy"), recreate("imagePullPolicy"), recreate("securityContext"),
	recreate("stdin"), recreate("stdinOnce"), recreate("tty"),
}

const otherVolume = "it needs another volume, and the data would not move"

// claimFields are those of a claim. Their paths begin with claim, so that one table has both objects.
var claimFields = []Field{
	{Path: "claim.spec.accessModes", Class: Refused, Why: otherVolume},
	{Path: "claim.spec.selector", Class: Refused, Why: otherVolume},
	{Path: "claim.spec.resources", Class: Refused, Why: "a claim's resources are fixed, but for its size"},
	{Path: "claim.spec.resources.requests[]", Class: VolumeGrowth, Why: "a volume can grow where its StorageClass has allowVolumeExpansion",
		Only: "a size above that of the volume", holds: isRoom, Else: Refused, ElseWhy: "a volume cannot shrink"},
	{Path: "claim.spec.volumeName", Class: NothingToDo, Why: "it is written when the claim is bound"},
	{Path: "claim.spec.storageClassName", Class: Refused, Why: otherVolume},
	{Path: "claim.spec.volumeMode", Class: Refused, Why: otherVolume},
	{Path: "claim.spec.dataSource", Class: NothingToDo, Why: "it fills new volumes, and this one has data"},
	{Path: "claim.spec.dataSourceRef", Class: NothingToDo, Why: "it fills new volumes, and this one has data"},
	{Path: "claim.spec.volumeAttributesClassName", Class: VolumeGrowth, Why: "the volume's driver changes what the class asks for",
		Only: "a class that is named", holds: func(c change) bool { return c.wants }, Else: Refused, ElseWhy: "a class that was applied cannot be taken back"},
}

func recreate(path string) Field { return Field{Path: path, Class: Recreate, Why: fixed} }

func hidden(path string) Field {
	return Field{Path: path, Class: Recreate, Why: fixed, Hidden: true}
}

func resize(path string) Field {
	return Field{Path: path, Class: InPlaceResize, Why: "the kubelet changes the running container; whether it restarts is in its resizePolicy",
		Only: "cpu and memory that are added or changed, in the same class of QoS", holds: isSize,
		Else: Recreate, ElseWhy: "only cpu and memory can be resized, and neither can be taken away"}
}

// Fields is the table, in the order of differences of one class. What a claim's metadata takes stands at metadata.
func Fields() []Field {
	all := slices.Concat(metadataFields, podFields)
	for _, list := range []string{"spec.initContainers[].", "spec.containers[]."} {
		for _, f := range containerFields {
			f.Path = list + f.Path
			all = append(all, f)
		}
	}
	return append(all, claimFields...)
}

func isAdded(c change) bool   { return !c.had }
func isRemoved(c change) bool { return !c.wants }

func isLowered(c change) bool {
	return c.wants && (!c.had || number(c.after) <= number(c.before))
}

func number(text string) int {
	n, _ := strconv.Atoi(text) // of an integer field
	return n
}

func isSize(c change) bool {
	return c.wants && (c.key() == string(corev1.ResourceCPU) || c.key() == string(corev1.ResourceMemory))
}

// isRoom is about KEP-1790: a claim whose volume could not grow may ask for less again.
func isRoom(c change) bool {
	if !c.wants || !c.had {
		return false
	}
	return Grows(resource.MustParse(c.before), resource.MustParse(c.after), c.claim.Status.Capacity[corev1.ResourceStorage])
}

// Grows reports whether a claim that asks for a size may ask for another one: for more, or, while its volume has not grown to what was
// asked, for less, but for more than the volume has (0 while that is not known).
func Grows(asked, wanted, has resource.Quantity) bool {
	return wanted.Cmp(asked) > 0 || wanted.Cmp(asked) < 0 && !has.IsZero() && wanted.Cmp(has) > 0
}

// table finds rows by path.
type table map[string]int

var fields = Fields()

var rows = func() table {
	t := table{}
	for i, f := range fields {
		t[f.Path] = i
	}
	return t
}()

// row is the index of the row for a path without keys: its own, or that of the nearest field above it. A field of a Kubernetes
// that is newer than the table has none (-1).
func (t table) row(path string) int {
	for path != "" {
		if n, has := t[path]; has {
			return n
		}
		path = path[:max(strings.LastIndexByte(path, '.'), strings.LastIndexByte(path, '['), 0)]
	}
	return -1
}

// judge gives the class of a change, and why. What the table does not know takes a new pod: that is always possible.
func judge(row int, c change) (Class, string) {
	if row < 0 {
		return Recreate, "this version of Shoal does not know the field"
	}
	f := fields[row]
	if f.holds == nil || f.holds(c) {
		return f.Class, f.Why
	}
	return f.Else, f.ElseWhy
}

// byPlan orders differences as a plan does them, within a class as the table.
func byPlan(a, b Difference) int {
	return cmp.Or(cmp.Compare(a.Class, b.Class), cmp.Compare(a.row, b.row), cmp.Compare(a.Path, b.Path))
}
