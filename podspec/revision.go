package podspec

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// asked is what the hash is made of. Engine is where the agent asks, "" without one; Redis and Sentinel are how.
type asked struct {
	corev1.PodTemplateSpec
	Engine   string                     `json:"shoalEngine,omitempty"`
	Redis    *v1alpha1.RedisAccess      `json:"shoalRedis,omitempty"`
	Sentinel *v1alpha1.SentinelProvider `json:"shoalSentinel,omitempty"`
}

// Revision is a hash of what a template asks for: spec.template with the overrides of the template (nil for none). Two
// templates that ask for the same have the same revision. It costs one JSON encoding: call it once per template and not
// once per instance.
//
// What the controller adds (names, volumes, tolerations, the agent's image) is left out, so that a new version of the controller
// does not make running pods look outdated. That a set has roles is part of it: a pod from before has no agent.
func Revision(set *v1alpha1.InstanceSet, template *v1alpha1.InstanceTemplate) string {
	asked := asked{PodTemplateSpec: corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{
			Labels:      podLabels(set, template),
			Annotations: podAnnotations(set, template),
			Finalizers:  set.Spec.Template.Finalizers,
		},
		Spec: effective(set, template),
	}}
	if WantsAgent(set) {
		asked.Engine, asked.Redis, asked.Sentinel = engineAddress(set), set.Spec.Redis, sentinel(set)
	}
	text, err := json.Marshal(asked)
	if err != nil { // the types of Kubernetes' API have no field that cannot be encoded
		panic(fmt.Sprintf("encoding the template of %s: %v", set.Name, err))
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])[:10]
}
