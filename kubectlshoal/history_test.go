package kubectlshoal

import (
	"slices"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/podspec"
)

// pastTemplate is a document that stands for what a set has asked for once: a ControllerRevision, and the pods that are of it. Patch is
// a JSON merge patch of the spec of the set, which stands in another document, and makes it what it was then.
type pastTemplate struct {
	Kind, Set, Template, Cause string
	Number                     int64
	Hours                      int // before now
	Patch                      map[string]any
	Ordinals, Masters          []int32
	Unready                    []int32
	Waiting                    string // the kubelet's word for the containers of those
	// Current: the last update ended with it.
	Current bool
	// Foreign: the ControllerRevision is of another owner.
	Foreign bool
}

// withHistory gives a cluster's documents what those of the kind PastTemplate stand for.
func withHistory(t *testing.T, documents []string) []string {
	t.Helper()
	var out []string
	var past []pastTemplate
	sets := map[string]*v1alpha1.InstanceSet{}
	raw := map[string]map[string]any{}
	for _, document := range documents {
		var p pastTemplate
		if err := yaml.Unmarshal([]byte(document), &p); err == nil && p.Kind == "PastTemplate" {
			past = append(past, p)
			continue
		}
		set := &v1alpha1.InstanceSet{}
		if yaml.Unmarshal([]byte(document), set) == nil && set.Kind == "InstanceSet" {
			object := map[string]any{}
			if err := yaml.Unmarshal([]byte(document), &object); err != nil {
				t.Fatal(err)
			}
			sets[set.Name], raw[set.Name] = set, object
			continue
		}
		out = append(out, document)
	}
	for _, p := range past {
		set := sets[p.Set]
		asked := asOf(t, raw[p.Set], p.Patch)
		made := recorded(asked, p)
		out = append(out, printed(t, made))
		switch name := made.Labels[v1alpha1.LabelRevision]; {
		case p.Template != "":
			set.Status.TemplateRevisions = append(set.Status.TemplateRevisions, v1alpha1.TemplateRevision{
				Name: p.Template, UpdateRevision: podspec.Revision(set, entry(set, p.Template)), CurrentRevision: name,
			})
		case p.Current:
			set.Status.CurrentRevision = name
		}
		for _, o := range p.Ordinals {
			out = append(out, printed(t, podOf(asked, p, o, made.Labels[v1alpha1.LabelRevision])))
		}
	}
	for _, set := range sets {
		if slices.ContainsFunc(past, func(p pastTemplate) bool { return p.Set == set.Name }) && set.Status.UpdateRevision == "" {
			set.Status.UpdateRevision = podspec.Revision(set, nil)
		}
		out = append(out, printed(t, set))
	}
	return out
}

// asOf is the set with a patch of its spec.
func asOf(t *testing.T, object, patch map[string]any) *v1alpha1.InstanceSet {
	t.Helper()
	text := printed(t, object)
	fresh := map[string]any{}
	if err := yaml.Unmarshal([]byte(text), &fresh); err != nil {
		t.Fatal(err)
	}
	laid(fresh["spec"].(map[string]any), patch) //nolint:forcetypeassert // the test wrote it
	set := &v1alpha1.InstanceSet{}
	if err := yaml.Unmarshal([]byte(printed(t, fresh)), set); err != nil {
		t.Fatal(err)
	}
	return set
}

func laid(to, patch map[string]any) {
	for key, value := range patch {
		below, isMap := value.(map[string]any)
		has, hasMap := to[key].(map[string]any)
		switch {
		case value == nil:
			delete(to, key)
		case isMap && hasMap:
			laid(has, below)
		default:
			to[key] = value
		}
	}
}

func entry(set *v1alpha1.InstanceSet, name string) *v1alpha1.InstanceTemplate {
	for i := range set.Spec.Templates {
		if set.Spec.Templates[i].Name == name {
			return &set.Spec.Templates[i]
		}
	}
	return nil
}

func recorded(set *v1alpha1.InstanceSet, p pastTemplate) *appsv1.ControllerRevision {
	text := podspec.Ask(set, entry(set, p.Template)).Encode()
	r := &appsv1.ControllerRevision{
		TypeMeta: metav1.TypeMeta{APIVersion: "apps/v1", Kind: "ControllerRevision"},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: set.Namespace, Name: set.Name + "-" + podspec.RevisionOf(text),
			CreationTimestamp: metav1.NewTime(time.Unix(1_700_000_000, 0).Add(-time.Duration(p.Hours) * time.Hour)),
			Labels:            map[string]string{v1alpha1.LabelInstanceSet: set.Name, v1alpha1.LabelRevision: podspec.RevisionOf(text)},
			OwnerReferences:   []metav1.OwnerReference{*metav1.NewControllerRef(set, v1alpha1.GroupVersion.WithKind("InstanceSet"))},
		},
		Data: runtime.RawExtension{Raw: text}, Revision: p.Number,
	}
	if p.Foreign {
		r.Name, r.OwnerReferences[0].UID = r.Name+"-1", "another"
	}
	if p.Template != "" {
		r.Labels[v1alpha1.LabelTemplate] = p.Template
	}
	if p.Cause != "" {
		r.Annotations = map[string]string{"kubernetes.io/change-cause": p.Cause}
	}
	return r
}

func podOf(set *v1alpha1.InstanceSet, p pastTemplate, ordinal int32, revision string) *corev1.Pod {
	pod := podspec.Pod(set, podspec.Instance{Ordinal: ordinal, Revision: revision, Template: entry(set, p.Template)})
	pod.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}
	pod.Spec.NodeName, pod.Status.Phase = "n1", corev1.PodRunning
	if len(set.Spec.Roles) > 0 {
		pod.Labels[v1alpha1.LabelRole] = "replica"
	}
	if slices.Contains(p.Masters, ordinal) {
		pod.Labels[v1alpha1.LabelRole] = "master"
	}
	ready, container := corev1.ConditionTrue, corev1.ContainerStatus{Name: "redis", Ready: true}
	container.State.Running = &corev1.ContainerStateRunning{}
	if slices.Contains(p.Unready, ordinal) {
		ready, container.Ready, container.State.Running = corev1.ConditionFalse, false, nil
		container.State.Waiting = &corev1.ContainerStateWaiting{Reason: p.Waiting}
		delete(pod.Labels, v1alpha1.LabelRole)
	}
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: ready}}
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{container}
	return pod
}
