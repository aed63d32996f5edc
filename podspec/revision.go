package podspec

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// Revision is a hash of what a template asks for (see Asked): of spec.template with the overrides of the template (nil for none).
// It costs one JSON encoding: call it once per template and not once per instance.
func Revision(set *v1alpha1.InstanceSet, template *v1alpha1.InstanceTemplate) string {
	return RevisionOf(Ask(set, template).Encode())
}

// RevisionOf is the revision of an encoded Asked.
func RevisionOf(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])[:10]
}
