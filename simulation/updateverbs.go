package simulation

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// The verbs of scenarios that are about updates.

// SetTemplate changes one thing in a template: "image" and "exporter" are images; "cpu" and "memory" are requests; "limit" is that of memory;
// "label", "toleration" and "env" have one value each. "" takes it away.
func SetTemplate(t *corev1.PodTemplateSpec, what, value string) error {
	c := &t.Spec.Containers[0]
	switch what {
	case "image":
		c.Image = value
	case "exporter":
		t.Spec.Containers = slices.DeleteFunc(t.Spec.Containers, func(c corev1.Container) bool { return c.Name == "exporter" })
		if value != "" {
			t.Spec.Containers = append(t.Spec.Containers, corev1.Container{Name: "exporter", Image: value})
		}
	case "cpu", "memory":
		c.Resources.Requests = c.Resources.Requests.DeepCopy()
		c.Resources.Requests[corev1.ResourceName(what)] = resource.MustParse(value)
	case "limit":
		c.Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(value)}
	case "label":
		t.Labels = nil
		if value != "" {
			t.Labels = map[string]string{"team": value}
		}
	case "toleration":
		t.Spec.Tolerations = nil
		if value != "" {
			t.Spec.Tolerations = []corev1.Toleration{{Key: value, Operator: corev1.TolerationOpExists}}
		}
	case "env":
		c.Env = nil
		if value != "" {
			c.Env = []corev1.EnvVar{{Name: "X", Value: value}}
		}
	default:
		return fmt.Errorf("a template has no %q here", what)
	}
	return nil
}

// Switchover has a person ask for one, of a shard.
func (w *World) Switchover(name, set, shard string) error {
	s := &v1alpha1.Switchover{ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: name}}
	s.Spec = v1alpha1.SwitchoverSpec{InstanceSet: set, Shard: shard}
	return w.user.create(w.ctx, s)
}

// Switchovers are those that are there, and how they ended.
func (w *World) Switchovers() string {
	var b strings.Builder
	for _, s := range all[*v1alpha1.Switchover](w) {
		fmt.Fprintf(&b, "%s from %s to %s: ", s.Spec.Shard, s.Status.From, s.Status.To)
		switch {
		case !s.Status.Ended():
			b.WriteString("under way\n")
		default:
			fmt.Fprintf(&b, "%s, %s\n", s.Status.Result, s.Status.Conditions[0].Message)
		}
	}
	if b.Len() == 0 {
		return "none\n"
	}
	return b.String()
}

// Behind is by how much the replication of an instance lags, for good.
func (w *World) Behind(instance string, lag time.Duration) error {
	c, there := w.engineNamed(instance)
	if !there {
		return fmt.Errorf("there is no redis of %s", instance)
	}
	c.engine.behind = lag
	return nil
}

// extras are what a pod has of a template beside images, where it is not what sets begin with.
func (w *World) extras(name string) string {
	pod, there := find[*corev1.Pod](w, types.NamespacedName{Namespace: Namespace, Name: name})
	if !there {
		return ""
	}
	var words []string
	if team := pod.Labels["team"]; team != "" {
		words = append(words, "team="+team)
	}
	for _, t := range pod.Spec.Tolerations {
		if !strings.Contains(t.Key, "kubernetes.io/") {
			words = append(words, "tolerates "+t.Key)
		}
	}
	requests := pod.Spec.Containers[0].Resources.Requests
	if cpu := requests.Cpu().String(); cpu != "1" {
		words = append(words, "cpu="+cpu)
	}
	if m, limited := pod.Spec.Containers[0].Resources.Limits[corev1.ResourceMemory]; limited {
		words = append(words, "limit="+m.String())
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodResizePending {
			words = append(words, c.Reason)
		}
	}
	return strings.Join(words, " ")
}
