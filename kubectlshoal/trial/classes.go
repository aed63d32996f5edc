package trial

import (
	"fmt"
	"reflect"
	"strings"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/component-helpers/storage/volume"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/names"

	"github.com/shoal-dev/shoal/kubectlshoal/snapshot"
	"github.com/shoal-dev/shoal/slots"
)

// classes completes what VolumeBinding says of claims that have no volume: it takes a StorageClass that does not exist for one that binds at
// once, and names neither. Where classes could not be read, nothing is said. GetByKey of an indexer that holds everything in memory
// returns no error.
func (s *Scheduler) classes(pod *corev1.Pod, r *Refusal) {
	if r.Plugin != names.VolumeBinding || s.noClasses {
		return
	}
	var words []string
	for _, name := range slots.ClaimNames(pod) {
		o, _, _ := s.replicas[reflect.TypeFor[*corev1.PersistentVolumeClaim]()].GetIndexer().GetByKey(pod.Namespace + "/" + name)
		claim, ok := o.(*corev1.PersistentVolumeClaim)
		if !ok || claim.Spec.VolumeName != "" {
			continue
		}
		class := volume.GetPersistentVolumeClaimClass(claim)
		if _, there, _ := s.replicas[reflect.TypeFor[*storagev1.StorageClass]()].GetIndexer().GetByKey(class); class == "" || there {
			continue
		}
		r.Classes = append(r.Classes, class)
		words = append(words, fmt.Sprintf("StorageClass %q of claim %s does not exist", class, name))
	}
	if len(words) > 0 {
		r.Message += ": " + strings.Join(words, ", ")
	}
}

// hidden reports whether objects of a kind could not be read.
func hidden(c *snapshot.Cluster, kind string) bool {
	for _, why := range c.Unreadable {
		if strings.HasPrefix(why, kind+":") {
			return true
		}
	}
	return false
}
