package installation

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// shown is how many differences of one object are named.
const shown = 3

// differences says where an object in the cluster is not what ships, and nothing if it is.
func differences(ships, live *unstructured.Unstructured) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(ships.Object)) {
		switch name {
		case "apiVersion", "kind", "status":
		case "metadata":
			compare("metadata.labels", any(labelsOf(ships)), any(labelsOf(live)), &all)
		default:
			compare(name, ships.Object[name], live.Object[name], &all)
		}
	}
	return listed(all)
}

func listed(all []string) string {
	if rest := len(all) - shown; rest > 0 {
		all = append(all[:shown:shown], fmt.Sprintf("and %d more", rest))
	}
	return strings.Join(all, "; ")
}

func labelsOf(u *unstructured.Unstructured) map[string]any {
	labels := map[string]any{}
	for key, value := range u.GetLabels() {
		labels[key] = value
	}
	return labels
}

// compare collects where the cluster lacks what ships or has something else. Fields that the cluster has beside those that ship
// are defaults of the API server; entries of lists are not, and in a rule would be more rights.
func compare(path string, ships, live any, found *[]string) {
	switch s := ships.(type) {
	case map[string]any:
		l, _ := live.(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(s)) {
			if value, there := l[name]; there {
				compare(path+"."+name, s[name], value, found)
			} else if !empty(s[name]) {
				*found = append(*found, path+"."+name+" is missing")
			}
		}
	case []any:
		l, _ := live.([]any)
		if len(l) != len(s) {
			*found = append(*found, fmt.Sprintf("%s has %d entries instead of %d", path, len(l), len(s)))
			return
		}
		for i := range s {
			compare(fmt.Sprintf("%s[%d]", path, i), s[i], l[i], found)
		}
	default:
		if !same(ships, live) {
			*found = append(*found, fmt.Sprintf("%s is %s instead of %s", path, short(live), short(ships)))
		}
	}
}

// empty values are left out when an object is stored.
func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	case string:
		return v == ""
	case bool:
		return !v
	}
	return false
}

func same(a, b any) bool {
	if x, isNumber := number(a); isNumber {
		y, also := number(b)
		return also && x == y
	}
	x, isText := a.(string)
	if y, also := b.(string); isText && also { // kustomize breaks the lines of a folded expression anew
		return slices.Equal(strings.Fields(x), strings.Fields(y))
	}
	return reflect.DeepEqual(a, b)
}

func number(v any) (float64, bool) {
	switch n := v.(type) {
	case int64:
		return float64(n), true
	case float64:
		return n, true
	}
	return 0, false
}

func short(v any) string {
	text := fmt.Sprintf("%q", fmt.Sprint(v))
	if len(text) > 60 {
		text = text[:57] + "...\""
	}
	return text
}
