package main

import "strings"

// find follows a path such as spec.templates[].resources through a schema. It returns nil if there is no such field.
func find(schema map[string]any, field string) map[string]any {
	for step := range strings.SplitSeq(field, ".") {
		name, isList := strings.CutSuffix(step, "[]")
		schema = child(child(schema, "properties"), name)
		if isList {
			schema = child(schema, "items")
		}
	}
	return schema
}

// removeDescriptions removes the descriptions of a schema and of all schemas inside it. A field that is itself called
// description is a schema and not a text, and stays.
func removeDescriptions(schema map[string]any) {
	if _, isText := schema["description"].(string); isText {
		delete(schema, "description")
	}
	for _, value := range schema {
		switch value := value.(type) {
		case map[string]any:
			removeDescriptions(value)
		case []any:
			for _, item := range value {
				removeDescriptions(object(item))
			}
		}
	}
}

// object, child and list return nil where there is nothing of that form; nil can be read like an empty map.
func object(value any) map[string]any {
	m, _ := value.(map[string]any)
	return m
}

func child(parent map[string]any, key string) map[string]any { return object(parent[key]) }

func list(value any) []any {
	l, _ := value.([]any)
	return l
}
