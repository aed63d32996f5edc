package podspec

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

func testSet() *v1alpha1.InstanceSet {
	three := int32(3)
	set := &v1alpha1.InstanceSet{ObjectMeta: metav1.ObjectMeta{
		Namespace: "ns", Name: "r", UID: "set-uid", Labels: map[string]string{v1alpha1.LabelCluster: "orders"},
	}}
	set.Spec.ShardSize = &three
	set.Spec.Template.Labels = map[string]string{"app": "redis"}
	set.Spec.Template.Spec.Containers = []corev1.Container{
		{Name: "redis", Image: "redis:7", Ports: []corev1.ContainerPort{{Name: "redis", ContainerPort: 6379}}},
		{Name: "exporter", Image: "exporter:1", Ports: []corev1.ContainerPort{{ContainerPort: 9121}}},
	}
	set.Spec.VolumeClaimTemplates = []v1alpha1.VolumeClaimTemplate{{Metadata: v1alpha1.VolumeClaimMeta{Name: "data"}}}
	return set
}

func TestPod(t *testing.T) {
	set := testSet()
	set.Spec.Template.Spec.Volumes = []corev1.Volume{{Name: "data"}, {Name: "tmp"}}
	before := set.DeepCopy()
	pod := Pod(set, Instance{Ordinal: 4, Revision: "abc", Policy: "p", PolicyVersion: "77", RebuildGeneration: 2, TerminalFailures: 1})

	if pod.Name != "r-4" || pod.Namespace != "ns" || pod.Spec.Hostname != "r-4" || pod.Spec.Subdomain != "r" {
		t.Errorf("names: %s/%s, host %s.%s", pod.Namespace, pod.Name, pod.Spec.Hostname, pod.Spec.Subdomain)
	}
	wantMap(t, "labels", pod.Labels, map[string]string{
		"app": "redis", v1alpha1.LabelInstanceSet: "r", v1alpha1.LabelOrdinal: "4", v1alpha1.LabelShard: "r-1",
		v1alpha1.LabelCluster: "orders", v1alpha1.LabelPlacementPolicy: "p", v1alpha1.LabelRevision: "abc",
	})
	wantMap(t, "annotations", pod.Annotations, map[string]string{
		v1alpha1.AnnotationPolicyVersion: "77", v1alpha1.AnnotationRebuildGeneration: "2", v1alpha1.AnnotationTerminalFailures: "1",
	})
	if len(pod.Spec.Volumes) != 2 || pod.Spec.Volumes[0].PersistentVolumeClaim == nil || pod.Spec.Volumes[0].PersistentVolumeClaim.ClaimName != "data-r-4" {
		t.Errorf("volumes: %+v", pod.Spec.Volumes)
	}
	if !metav1.IsControlledBy(pod, set) {
		t.Error("the set does not own the pod")
	}
	if pod.Spec.SchedulerName != v1alpha1.SchedulerName || pod.Spec.AutomountServiceAccountToken == nil || *pod.Spec.AutomountServiceAccountToken {
		t.Errorf("scheduler %q, token %v", pod.Spec.SchedulerName, pod.Spec.AutomountServiceAccountToken)
	}
	pod.Spec.Containers[0].Image = "changed"
	pod.Labels["app"] = "changed"
	if set.Spec.Template.Spec.Containers[0].Image != before.Spec.Template.Spec.Containers[0].Image || set.Spec.Template.Labels["app"] != "redis" {
		t.Error("the pod shares memory with the set")
	}
}

func TestWithoutPolicyThereIsNoTrace(t *testing.T) {
	pod := Pod(testSet(), Instance{})
	if _, has := pod.Labels[v1alpha1.LabelPlacementPolicy]; has {
		t.Error("label")
	}
	if _, has := pod.Annotations[v1alpha1.AnnotationPolicyVersion]; has {
		t.Error("annotation")
	}
}

// The controller may write labels that users may not. A template must not make it do so for them.
func TestTemplatesCannotCarryOurKeys(t *testing.T) {
	set := testSet()
	stolen := map[string]string{
		v1alpha1.LabelLost: "x", v1alpha1.LabelRetired: "true", v1alpha1.LabelOrdinal: "99", v1alpha1.LabelPlacementPolicy: "other",
		v1alpha1.AnnotationRebuildGeneration: "0", v1alpha1.AnnotationPolicyVersion: "1", v1alpha1.AnnotationRetainedFor: "ns/r-0",
	}
	set.Spec.Template.Labels, set.Spec.Template.Annotations = stolen, stolen
	template := &v1alpha1.InstanceTemplate{Name: "big", Labels: stolen, Annotations: stolen}
	set.Spec.VolumeClaimTemplates[0].Metadata.Labels, set.Spec.VolumeClaimTemplates[0].Metadata.Annotations = stolen, stolen
	i := Instance{Ordinal: 1, Template: template, RebuildGeneration: 3}
	pod, claim := Pod(set, i), Claim(set, &set.Spec.VolumeClaimTemplates[0], i)
	for _, object := range []metav1.ObjectMeta{pod.ObjectMeta, claim.ObjectMeta} {
		for _, label := range []string{v1alpha1.LabelLost, v1alpha1.LabelRetired, v1alpha1.LabelPlacementPolicy} {
			if object.Labels[label] != "" {
				t.Errorf("%s carries %s", object.Name, label)
			}
		}
		if object.Labels[v1alpha1.LabelOrdinal] != "1" || object.Annotations[v1alpha1.AnnotationRebuildGeneration] != "3" ||
			object.Annotations[v1alpha1.AnnotationRetainedFor] != "" || object.Annotations[v1alpha1.AnnotationPolicyVersion] != "" {
			t.Errorf("%s: %v %v", object.Name, object.Labels, object.Annotations)
		}
	}
}

func TestClaim(t *testing.T) {
	set := testSet()
	set.Spec.Template.Labels[v1alpha1.LabelComponent] = "server"
	claim := Claim(set, &set.Spec.VolumeClaimTemplates[0], Instance{Ordinal: 4, Policy: "p", Template: &v1alpha1.InstanceTemplate{Name: "big"}})
	wantMap(t, "labels", claim.Labels, map[string]string{
		v1alpha1.LabelInstanceSet: "r", v1alpha1.LabelOrdinal: "4", v1alpha1.LabelShard: "r-1", v1alpha1.LabelCluster: "orders",
		v1alpha1.LabelComponent: "server", v1alpha1.LabelPlacementPolicy: "p", v1alpha1.LabelTemplate: "big",
	})
	if claim.Name != "data-r-4" || len(claim.OwnerReferences) != 0 {
		t.Errorf("%s, owners %v: a claim outlives its set", claim.Name, claim.OwnerReferences)
	}
}

func TestTolerations(t *testing.T) {
	limited := int64(30)
	forEver := func(key string) corev1.Toleration {
		return corev1.Toleration{Key: key, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute}
	}
	other := corev1.Toleration{Key: "gpu", Operator: corev1.TolerationOpExists, TolerationSeconds: &limited, Effect: corev1.TaintEffectNoExecute}
	short := forEver(corev1.TaintNodeNotReady)
	short.TolerationSeconds = &limited
	got := withTolerations([]corev1.Toleration{other, short, forEver(corev1.TaintNodeUnreachable)})
	want := []corev1.Toleration{other, forEver(corev1.TaintNodeUnreachable), forEver(corev1.TaintNodeNotReady)}
	if !slices.Equal(got, want) {
		t.Errorf("got %+v", got)
	}
	for _, toleration := range withTolerations(nil) {
		if toleration.Key == corev1.TaintNodeOutOfService {
			t.Error("out-of-service is tolerated: it could not evict")
		}
	}
}

func TestOverrides(t *testing.T) {
	set := testSet()
	big := corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("8Gi")}}
	template := &v1alpha1.InstanceTemplate{Name: "big", Containers: []v1alpha1.ContainerOverride{
		{Name: "redis", Resources: &big}, {Name: "exporter", Image: "exporter:2"}, {Name: "sidecar"},
	}}
	pod := Pod(set, Instance{Template: template})
	if c := pod.Spec.Containers[0]; c.Image != "redis:7" || c.Resources.Requests.Memory().String() != "8Gi" {
		t.Errorf("redis: %+v", c)
	}
	if c := pod.Spec.Containers[1]; c.Image != "exporter:2" {
		t.Errorf("exporter: %+v", c)
	}
	if unknown := UnknownContainers(set, template); !slices.Equal(unknown, []string{"sidecar"}) {
		t.Errorf("unknown: %v", unknown)
	}
}

// The revision of a given template must stay the same over all versions of the controller and of Kubernetes' types, or
// an upgrade makes every pod look outdated.
func TestRevisionIsStable(t *testing.T) {
	set := testSet()
	const want = "f1a83bc708"
	if got := Revision(set, nil); got != want {
		t.Errorf("got %s, want %s: do not change the constant, find out what changed the hash", got, want)
	}
	if Revision(set, &v1alpha1.InstanceTemplate{Name: "same"}) != want {
		t.Error("a template without overrides is not another one")
	}
	set.Spec.Replicas = new(int32)
	set.Labels["x"] = "y"
	if Revision(set, nil) != want {
		t.Error("the revision depends on more than the template")
	}
	if Revision(set, &v1alpha1.InstanceTemplate{Labels: map[string]string{"a": "b"}}) == want {
		t.Error("a label of the template does not count")
	}
	set.Spec.Template.Spec.Containers[0].Image = "redis:8"
	if Revision(set, nil) == want {
		t.Error("the image does not count")
	}
}

func TestService(t *testing.T) {
	service := Service(testSet())
	if service.Name != "r" || service.Spec.ClusterIP != corev1.ClusterIPNone || !service.Spec.PublishNotReadyAddresses {
		t.Errorf("%+v", service)
	}
	if len(service.Spec.Ports) != 1 || service.Spec.Ports[0].Port != 6379 || service.Spec.Ports[0].Protocol != corev1.ProtocolTCP {
		t.Errorf("ports: %+v", service.Spec.Ports)
	}
	wantMap(t, "selector", service.Spec.Selector, map[string]string{v1alpha1.LabelInstanceSet: "r"})
}

// The budget selects what the set makes, and lets nobody of it go.
func TestBudget(t *testing.T) {
	set := testSet()
	budget := Budget(set)
	if budget.Namespace != "ns" || budget.Name != "r" || !metav1.IsControlledBy(budget, set) {
		t.Errorf("%+v", budget.ObjectMeta)
	}
	if most := budget.Spec.MaxUnavailable; most == nil || most.String() != "0" || budget.Spec.MinAvailable != nil || budget.Spec.UnhealthyPodEvictionPolicy != nil {
		t.Errorf("%+v", budget.Spec)
	}
	selector, err := metav1.LabelSelectorAsSelector(budget.Spec.Selector)
	if err != nil || !selector.Matches(labels.Set(Pod(set, Instance{Ordinal: 4}).Labels)) {
		t.Errorf("the budget does not select an instance: %v %v", budget.Spec.Selector, err)
	}
	leaving := Pod(set, Instance{Ordinal: 4}).Labels
	if leaving[v1alpha1.LabelMayLeave] = "1772366400"; selector.Matches(labels.Set(leaving)) {
		t.Errorf("the budget holds an instance that may leave its node: %v", budget.Spec.Selector)
	}
	other := testSet()
	other.Name = "r-4"
	if selector.Matches(labels.Set(Pod(other, Instance{Ordinal: 4}).Labels)) {
		t.Errorf("the budget selects an instance of another set: %v", budget.Spec.Selector)
	}
	for value, allows := range map[string]bool{"": false, "false": false, "True": false, v1alpha1.AllowDisruption: true} {
		set.Spec.Template.Annotations = map[string]string{v1alpha1.AnnotationAllowDisruption: value}
		if AllowsDisruption(set) != allows || Pod(set, Instance{}).Annotations[v1alpha1.AnnotationAllowDisruption] != value {
			t.Errorf("a template with %q allows disruption: %v", value, !allows)
		}
	}
}

func TestPolicy(t *testing.T) {
	set := testSet()
	six := int32(6)
	set.Spec.Placement = &v1alpha1.PlacementLimits{MaxNodes: &six}
	policy := Policy(set, 12, 4)
	if policy.Name != "r" || *policy.Spec.Replicas != 12 || *policy.Spec.Shards != 4 || *policy.Spec.MaxNodes != 6 || len(policy.Spec.ShardSpread) != 1 {
		t.Errorf("%+v", policy.Spec)
	}
	if Policy(set, 12, 0).Spec.Shards != nil {
		t.Error("a set without shards has a number of shards")
	}
	if !metav1.IsControlledBy(policy, set) {
		t.Error("the set does not own its policy")
	}
}

func wantMap(t *testing.T, what string, got, want map[string]string) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
	for key, value := range want {
		if got[key] != value {
			t.Errorf("%s: %s is %q, want %q", what, key, got[key], value)
		}
	}
}

// TestClaimsOfTemplates: an entry of spec.templates may say how large its volumes are, also for a pod of an older revision.
func TestClaimsOfTemplates(t *testing.T) {
	set := &v1alpha1.InstanceSet{}
	set.Name = "r"
	data := v1alpha1.VolumeClaimTemplate{Metadata: v1alpha1.VolumeClaimMeta{Name: "data"}}
	data.Spec.Resources.Requests = corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}
	set.Spec.VolumeClaimTemplates = []v1alpha1.VolumeClaimTemplate{data, {Metadata: v1alpha1.VolumeClaimMeta{Name: "log"}}}
	set.Spec.Templates = []v1alpha1.InstanceTemplate{{Name: "big", Volumes: []v1alpha1.VolumeOverride{{Name: "data", Storage: resource.MustParse("4Gi")}}}}
	big := &set.Spec.Templates[0]
	for name, c := range map[string]struct {
		volume   int
		instance Instance
		want     string
	}{
		"plain":                  {0, Instance{}, "1Gi"},
		"of the template":        {0, Instance{Template: big}, "4Gi"},
		"of an old revision":     {0, Instance{Template: big, Asked: &Asked{}}, "4Gi"},
		"another volume":         {1, Instance{Template: big}, "0"},
		"a template that is not": {0, Instance{Template: &v1alpha1.InstanceTemplate{Name: "gone"}}, "1Gi"},
	} {
		claim := Claim(set, &set.Spec.VolumeClaimTemplates[c.volume], c.instance)
		if got := claim.Spec.Resources.Requests.Storage().String(); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	if got := data.Spec.Resources.Requests.Storage().String(); got != "1Gi" {
		t.Errorf("the set was changed: %s", got)
	}
}
