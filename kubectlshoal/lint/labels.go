package lint

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/spelling"
)

// knownKeys are all that stand before a value under shoal.dev/.
var knownKeys = []string{
	v1alpha1.LabelPlacementPolicy, v1alpha1.LabelCluster, v1alpha1.LabelComponent, v1alpha1.LabelInstanceSet, v1alpha1.LabelOrdinal,
	v1alpha1.LabelShard, v1alpha1.LabelTemplate, v1alpha1.LabelRevision, v1alpha1.LabelLost, v1alpha1.LabelRetired,
	v1alpha1.LabelRole, v1alpha1.LabelMayLeave, v1alpha1.AnnotationRoleClaim, v1alpha1.LabelLeads, v1alpha1.AnnotationTargetRevision, v1alpha1.AnnotationRestarting,
	v1alpha1.AnnotationPolicyVersion, v1alpha1.AnnotationRebuildGeneration, v1alpha1.AnnotationTerminalFailures,
	v1alpha1.AnnotationRetainedFor, v1alpha1.AnnotationAllowDisruption, v1alpha1.AnnotationConfiguration, v1alpha1.AnnotationRestartMaster, v1alpha1.AnnotationMaxMemory, v1alpha1.ResourceNetIngress, v1alpha1.ResourceNetEgress,
}

// marks are keys by which the manager gives up a volume and what is on it, or a pod: they are offered to nobody.
var marks = []string{v1alpha1.LabelLost, v1alpha1.LabelRetired, v1alpha1.LabelMayLeave}

// nearestKey offers the key that may have been meant. What all of them begin with makes none like another.
func nearestKey(name string) string {
	prefix := v1alpha1.GroupName + "/"
	var known []string
	for _, key := range knownKeys {
		if !slices.Contains(marks, key) {
			known = append(known, strings.TrimPrefix(key, prefix))
		}
	}
	if near := spelling.Nearest(strings.TrimPrefix(name, prefix), known); near != "" {
		return ", did you mean " + prefix + near + "?"
	}
	return ""
}

// carriers are the fields whose keys are labels, annotations or resources.
var carriers = map[string]bool{"labels": true, "annotations": true, "matchLabels": true, "requests": true, "limits": true}

// keys looks for misspelt keys of ours, which nobody else would: whatever they should do, they would not.
func (l *linter) keys(o object) {
	var walk func(n *yaml.Node, carrier bool)
	walk = func(n *yaml.Node, carrier bool) {
		for i, child := range n.Content {
			if n.Kind != yaml.MappingNode {
				walk(child, false)
				continue
			}
			if i%2 == 1 {
				walk(child, carriers[n.Content[i-1].Value])
				continue
			}
			if name := child.Value; carrier && strings.HasPrefix(name, v1alpha1.GroupName+"/") && !slices.Contains(knownKeys, name) {
				f := o.finding(child.Line, "", fmt.Sprintf("unknown label, annotation or resource %s%s", name, nearestKey(name)))
				f.Object = o.name()
				l.Findings = append(l.Findings, *f)
			}
		}
	}
	if !strings.HasSuffix(o.text("kind"), "List") { // of a list, each item was looked at
		walk(o.at, false)
	}
}
