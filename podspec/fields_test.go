package podspec

import (
	"reflect"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// A newer Kubernetes has new fields. Each of them needs a decision: what a change of it takes.
func TestEveryFieldHasItsRow(t *testing.T) {
	for root, kind := range map[string]reflect.Type{
		"spec.": reflect.TypeFor[corev1.PodSpec](), "claim.spec.": reflect.TypeFor[corev1.PersistentVolumeClaimSpec](),
		"spec.containers[].": reflect.TypeFor[corev1.Container](), "spec.initContainers[].": reflect.TypeFor[corev1.Container](),
		"spec.containers[].resources.": reflect.TypeFor[corev1.ResourceRequirements](),
	} {
		known := map[string]bool{"name": root == "spec.containers[]." || root == "spec.initContainers[]."} // the key of its list
		for i := range kind.NumField() {
			name, _, _ := strings.Cut(kind.Field(i).Tag.Get("json"), ",")
			if !known[name] && rows.row(root+name) != rows[root+name] && rows[root+name+"[]"] == 0 {
				t.Errorf("%s%s: say in the table what a change of it takes", root, name)
			}
			known[name] = true
		}
		for path := range rows {
			name, below := strings.CutPrefix(path, root)
			first, _, _ := strings.Cut(name, ".")
			first, _, _ = strings.Cut(first, "[")
			if below && !known[first] {
				t.Errorf("%s: %s has no such field", path, kind)
			}
		}
	}
}

func TestRowsAreWhole(t *testing.T) {
	for _, f := range Fields() {
		if f.Why == "" || (f.holds == nil) != (f.Only == "") || (f.holds == nil) != (f.ElseWhy == "") {
			t.Errorf("%+v", f)
		}
	}
	if len(rows) != len(fields) {
		t.Errorf("%d rows for %d paths", len(fields), len(rows))
	}
}

// What the table does not know is not mistaken for something harmless.
func TestAnUnknownFieldTakesANewPod(t *testing.T) {
	if class, _ := judge(rows.row("spec.newest"), change{}); class != Recreate {
		t.Error(class)
	}
}
