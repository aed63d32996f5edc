package podspec

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// leaf is a value of an object. An entry of a list that has keys, and a part that can be absent, is a leaf too, beside those in
// it: its value is present.
type leaf struct {
	row   string // the path without keys
	keys  []string
	value string
}

const present = "present"

// flat is an object as leaves by path, and the order of entries where order means something.
type flat struct {
	leaves map[string]leaf
	orders map[string][]string
}

// at is a place in an object.
type at struct {
	path, row string
	keys      []string
}

func (a at) field(name string) at {
	if a.path == "" {
		return at{name, name, nil}
	}
	return at{a.path + "." + name, a.row + "." + name, a.keys}
}

func (a at) entry(key string) at {
	return at{a.path + "[" + key + "]", a.row + "[]", append(slices.Clip(a.keys), key)}
}

func flattenPod(pod *corev1.Pod) flat {
	f := flat{map[string]leaf{}, map[string][]string{}}
	f.metadata(pod.ObjectMeta)
	f.walk(at{}.field("spec"), reflect.ValueOf(pod.Spec))
	return f
}

func flattenClaim(claim *corev1.PersistentVolumeClaim) flat {
	f := flat{map[string]leaf{}, map[string][]string{}}
	f.metadata(claim.ObjectMeta)
	f.walk(at{}.field("claim").field("spec"), reflect.ValueOf(claim.Spec))
	return f
}

// metadata has what a template can have. The rest is the API server's.
func (f flat) metadata(m metav1.ObjectMeta) {
	meta := at{}.field("metadata")
	f.walk(meta.field("labels"), reflect.ValueOf(m.Labels))
	f.walk(meta.field("annotations"), reflect.ValueOf(m.Annotations))
	for _, name := range m.Finalizers {
		f.put(meta.field("finalizers").entry(name), present)
	}
}

func (f flat) put(a at, value string) { f.leaves[a.path] = leaf{a.row, a.keys, value} }

// walk adds what is not zero.
func (f flat) walk(a at, v reflect.Value) {
	if text, is := scalar(v); is {
		if text != "" {
			f.put(a, text)
		}
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return
		}
		if text, is := scalar(v.Elem()); is {
			if text == "" { // false, 0 or "" that is said
				text = fmt.Sprint(v.Elem().Interface())
			}
			f.put(a, text)
			return
		}
		f.put(a, present)
		f.walk(a, v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			f.walk(below(a, v.Type().Field(i)), v.Field(i))
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			f.entry(a.entry(key.String()), v.MapIndex(key))
		}
	case reflect.Slice:
		f.list(a, v)
	}
}

// below is the place of a struct's field. Those that are inlined stand where the struct does.
func below(a at, field reflect.StructField) at {
	name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
	if name == "" {
		return a
	}
	return a.field(name)
}

// entry adds an entry of a map, which is there also when it is empty.
func (f flat) entry(a at, v reflect.Value) {
	if quantity, is := v.Interface().(resource.Quantity); is {
		f.put(a, quantity.String())
		return
	}
	f.put(a, v.String())
}

// list adds a list: by its keys if it has them, as one value otherwise.
func (f flat) list(a at, v reflect.Value) {
	if v.Len() == 0 {
		return
	}
	var keys []string
	for i := range v.Len() {
		key := keyOf(v.Index(i).Interface())
		if key == "" {
			f.put(a, text(v.Interface()))
			return
		}
		if n := count(keys, key); n > 0 { // the API server allows it for environment variables, and the last one counts
			key = fmt.Sprintf("%s#%d", key, n+1)
		}
		keys = append(keys, key)
		f.put(a.entry(key), present)
		f.walk(a.entry(key), v.Index(i))
	}
	switch v.Interface().(type) {
	case []corev1.Container, []corev1.EnvVar: // they start, and refer to each other, in this order
		f.orders[a.path] = keys
		f.leaves[a.path] = leaf{a.row, a.keys, ""}
	}
}

func count(keys []string, key string) int {
	n := 0
	for _, k := range keys {
		if base, _, _ := strings.Cut(k, "#"); base == key {
			n++
		}
	}
	return n
}

// text is an exact form of a value without keys, the same for the same value.
func text(value any) string {
	encoded, err := json.Marshal(value)
	if err != nil { // the types of Kubernetes' API have no field that cannot be encoded
		panic(fmt.Sprintf("encoding %T: %v", value, err))
	}
	return string(encoded)
}

// scalar is the text of a value without parts, "" for zero.
func scalar(v reflect.Value) (string, bool) {
	switch value := v.Interface().(type) {
	case resource.Quantity:
		return value.String(), true
	case metav1.LabelSelector: // its expressions have no keys
		return text(value), true
	case intstr.IntOrString:
		return value.String(), true
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Struct, reflect.Map, reflect.Slice:
		return "", false
	}
	if v.IsZero() {
		return "", true
	}
	return fmt.Sprint(v.Interface()), true
}

// keyOf is what tells an entry of a list from the others, "" where nothing does.
func keyOf(entry any) string {
	switch e := entry.(type) {
	case corev1.Container:
		return e.Name
	case corev1.EphemeralContainer:
		return e.Name
	case corev1.Volume:
		return e.Name
	case corev1.EnvVar:
		return e.Name
	case corev1.ContainerPort:
		return fmt.Sprintf("%d/%s", e.ContainerPort, e.Protocol)
	case corev1.VolumeMount:
		return e.MountPath
	case corev1.VolumeDevice:
		return e.DevicePath
	case corev1.Toleration:
		return strings.TrimRight(fmt.Sprintf("%s %s %s %s", e.Key, e.Operator, e.Value, e.Effect), " ")
	case corev1.HostAlias:
		return e.IP
	case corev1.LocalObjectReference:
		return e.Name
	case corev1.TopologySpreadConstraint:
		return e.TopologyKey + " " + string(e.WhenUnsatisfiable)
	case corev1.PodReadinessGate:
		return string(e.ConditionType)
	case corev1.PodSchedulingGate:
		return e.Name
	case corev1.PodResourceClaim:
		return e.Name
	case corev1.ContainerResizePolicy:
		return string(e.ResourceName)
	case corev1.ResourceClaim:
		return e.Name
	case corev1.EvictionResponder:
		return e.Name
	}
	return ""
}
