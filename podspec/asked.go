package podspec

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// Asked is what a template asks for: spec.template with the overrides of an entry of spec.templates. It is what a revision is a
// hash of, and what the history keeps of it. Two templates that ask for the same are one revision.
//
// What the controller adds (names, volumes, tolerations, the agent's image) is left out, so that a new version of the controller
// does not make running pods look outdated. That a set has roles is part of it: a pod from before has no agent.
type Asked struct {
	corev1.PodTemplateSpec
	// Engine is where the agent asks (host:port), "" without an agent; Redis and Sentinel are how.
	Engine   string                     `json:"shoalEngine,omitempty"`
	Redis    *v1alpha1.RedisAccess      `json:"shoalRedis,omitempty"`
	Sentinel *v1alpha1.SentinelProvider `json:"shoalSentinel,omitempty"`
	// Configuration is what the engine is configured with, nil for none; its parameters by name.
	Configuration *v1alpha1.Configuration `json:"shoalConfiguration,omitempty"`
}

// Ask is what a template (nil for spec.template as it stands) asks for today.
func Ask(set *v1alpha1.InstanceSet, template *v1alpha1.InstanceTemplate) *Asked {
	asked := &Asked{PodTemplateSpec: corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{
			Labels:      podLabels(set, template),
			Annotations: podAnnotations(set, template),
			Finalizers:  set.Spec.Template.Finalizers,
		},
		Spec: effective(set, template),
	}}
	if WantsAgent(set) {
		asked.Engine, asked.Redis, asked.Sentinel = engineAddress(set), set.Spec.Redis, sentinel(set)
		asked.Configuration = ConfigurationOf(set)
	}
	return asked
}

// Encode is the text that is hashed and stored. The same Asked has the same text.
func (a *Asked) Encode() []byte {
	text, err := json.Marshal(a)
	if err != nil { // the types of Kubernetes' API have no field that cannot be encoded
		panic(fmt.Sprintf("encoding a template: %v", err))
	}
	return text
}

// ParseAsked reads what Encode wrote. What a later version of Shoal has added to it is left out.
func ParseAsked(text []byte) (*Asked, error) {
	var a Asked
	if err := json.Unmarshal(text, &a); err != nil {
		return nil, fmt.Errorf("reading a stored template: %w", err)
	}
	return &a, nil
}

// in is the set as it would have to be for its instances to be made from what was asked once.
func (a *Asked) in(set *v1alpha1.InstanceSet) *v1alpha1.InstanceSet {
	old := *set
	old.Spec.Template, old.Spec.Configuration = a.PodTemplateSpec, a.Configuration
	if a.Engine == "" {
		old.Spec.Roles = nil
		return &old
	}
	if len(old.Spec.Roles) == 0 {
		old.Spec.Roles = []v1alpha1.InstanceRole{{Name: v1alpha1.RoleMaster, Exclusive: true}}
	}
	old.Spec.Redis, old.Spec.RoleProvider = a.Redis, &v1alpha1.RoleProvider{Type: v1alpha1.RoleProviderStatic}
	if a.Sentinel != nil {
		old.Spec.RoleProvider = &v1alpha1.RoleProvider{Type: v1alpha1.RoleProviderSentinel, Sentinel: a.Sentinel}
	}
	if port, err := strconv.ParseInt(a.Engine[strings.LastIndexByte(a.Engine, ':')+1:], 10, 32); err == nil {
		old.Spec.Rebuild.Port = int32(port)
	}
	return &old
}

// TemplateIn is the pod template in what Encode wrote, as it stands there: also what this version of Shoal does not know of it.
func TemplateIn(text []byte) ([]byte, error) {
	var parts map[string]json.RawMessage
	if err := json.Unmarshal(text, &parts); err != nil {
		return nil, fmt.Errorf("reading a stored template: %w", err)
	}
	for _, ours := range []string{"shoalEngine", "shoalRedis", "shoalSentinel", "shoalConfiguration"} {
		delete(parts, ours)
	}
	return json.Marshal(parts)
}
