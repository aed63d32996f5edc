package registry

import (
	"reflect"
	"strings"

	"k8s.io/kubernetes/pkg/scheduler/apis/config/scheme"
)

// argsOf is the type of the arguments of a plugin, nil if nobody has registered them.
func argsOf(plugin string) reflect.Type {
	o, err := scheme.Scheme.New(GroupVersion.WithKind(plugin + "Args"))
	if err != nil {
		return nil
	}
	return reflect.TypeOf(o).Elem()
}

// fieldsBeside are the fields that exist where a path such as "profiles[0].plugin" ends, and the last word of that path.
func fieldsBeside(root reflect.Type, path string) (siblings []string, last string) {
	words := strings.Split(path, ".")
	at := root
	for _, word := range words[:len(words)-1] {
		name, _, _ := strings.Cut(word, "[")
		at = fieldsOf(at)[name]
	}
	last, _, _ = strings.Cut(words[len(words)-1], "[")
	for name := range fieldsOf(at) {
		siblings = append(siblings, name)
	}
	return siblings, last
}

// fieldsOf are the fields of a struct, or of the elements of a list of structs, by their names in files.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	for t != nil && (t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice) {
		t = t.Elem()
	}
	if t == nil || t.Kind() != reflect.Struct {
		return nil
	}
	fields := map[string]reflect.Type{}
	for i := range t.NumField() {
		switch name := nameOf(t.Field(i)); {
		case name == "" && t.Field(i).Anonymous:
			for inner, of := range fieldsOf(t.Field(i).Type) {
				fields[inner] = of
			}
		case name != "" && name != "-":
			fields[name] = t.Field(i).Type
		}
	}
	return fields
}

func nameOf(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}
