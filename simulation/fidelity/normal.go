package fidelity

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// names renames what differs between two servers: a UID is the n-th of that kind and name, and a version is new or old.
type names struct {
	uids     map[string]string
	lives    map[string]map[string]int // of UIDs, by kind and name
	versions map[string]string         // the last one, by kind and name
}

func newNames() names {
	return names{map[string]string{}, map[string]map[string]int{}, map[string]string{}}
}

// count is how many values were seen for a key when this one was seen first.
func count(seen map[string]map[string]int, key, value string) int {
	if seen[key] == nil {
		seen[key] = map[string]int{}
	}
	if seen[key][value] == 0 {
		seen[key][value] = len(seen[key]) + 1
	}
	return seen[key][value]
}

func (n names) uid(text string) string {
	if name := n.uids[text]; name != "" {
		return name
	}
	return text
}

// normal is an object without what may differ.
func (n names) normal(o client.Object) (map[string]any, error) {
	text, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	var object map[string]any
	if err := json.Unmarshal(text, &object); err != nil {
		return nil, err
	}
	delete(object, "kind")
	delete(object, "apiVersion")
	key := kindOf(o) + "/" + o.GetName()
	n.uids[string(o.GetUID())] = fmt.Sprintf("%s#%d", key, count(n.lives, key, string(o.GetUID())))
	n.walk(object)
	if meta, ok := object["metadata"].(map[string]any); ok {
		if meta["resourceVersion"] = "new"; n.versions[key] == o.GetResourceVersion() {
			meta["resourceVersion"] = "old"
		}
		n.versions[key] = o.GetResourceVersion()
	}
	return object, nil
}

func (n names) walk(object map[string]any) {
	for key, value := range object {
		switch {
		case key == "managedFields":
			delete(object, key)
		case key == "uid" && value != "":
			object[key] = n.uid(fmt.Sprint(value))
		case strings.HasSuffix(key, "Timestamp") || strings.HasSuffix(key, "Time"):
			if value == nil {
				delete(object, key)
			} else {
				object[key] = "some time"
			}
		default:
			n.inside(value)
		}
	}
}

func (n names) inside(value any) {
	switch value := value.(type) {
	case map[string]any:
		n.walk(value)
	case []any:
		for _, element := range value {
			n.inside(element)
		}
	}
}

var (
	versionInMessage = regexp.MustCompile(`(ResourceVersion in (?:the )?(?:precondition|object meta|record):? \(?)\d+`)
	objectInMessage  = regexp.MustCompile(`(patch: Invalid value: ").*(": json: )`)
	uidInMessage     = regexp.MustCompile(`(UID in (?:object meta|record):? \(?)([-\w]+)`)
)

// message is a message without UIDs and versions, and without a whole object, which would have them.
func (n names) message(text string) string {
	text = objectInMessage.ReplaceAllString(text, "$1…$2")
	text = versionInMessage.ReplaceAllString(text, "${1}…")
	return uidInMessage.ReplaceAllStringFunc(text, func(found string) string {
		parts := uidInMessage.FindStringSubmatch(found)
		return parts[1] + n.uid(parts[2])
	})
}

func kindOf(o client.Object) string { return strings.ToLower(reflect.TypeOf(o).Elem().Name()) }
