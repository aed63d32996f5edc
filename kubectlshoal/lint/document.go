package lint

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/util/json"
	kubeyaml "sigs.k8s.io/yaml"
)

// document is one YAML document of a file, or a part of one that is a document of its own.
type document struct {
	file string
	// before is how many lines of the file stand before the text.
	before int
	text   []byte
	root   *yaml.Node
	value  map[string]any
}

// split takes a file apart. YAML's markers "---" and "..." stand at the beginning of a line, and nowhere inside a document.
func split(file string, text []byte) []*document {
	var all []*document
	current := &document{file: file}
	line := 0
	for part := range bytes.Lines(text) {
		line++
		marker := bytes.HasPrefix(part, []byte("---")) || bytes.HasPrefix(part, []byte("..."))
		if rest := part[min(3, len(part)):]; marker && (len(rest) == 0 || bytes.ContainsAny(rest[:1], " \t\r\n")) {
			all = append(all, current)
			current = &document{file: file, before: line - 1}
			part = append([]byte("   "), rest...) // what follows the marker on its line belongs to the document
		}
		current.text = append(current.text, part...)
	}
	return append(all, current)
}

var atLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(?:unmarshal errors:\n\s*line (\d+): )?`)

// parse reads the document. It has nothing to say about an empty one, whose root stays nil.
func (d *document) parse() *Finding {
	var top yaml.Node
	if err := yaml.Unmarshal(d.text, &top); err != nil {
		text, line := err.Error(), 0
		if m := atLine.FindStringSubmatch(text); m != nil {
			line, _ = strconv.Atoi(m[1] + m[2])
			text = text[len(m[0]):]
		}
		return d.finding(line, "", "not YAML: "+text)
	}
	if len(top.Content) == 0 {
		return nil
	}
	root := top.Content[0]
	if root.Kind != yaml.MappingNode {
		return d.finding(root.Line, "", "expected an object, got "+map[yaml.Kind]string{yaml.SequenceNode: "a list", yaml.ScalarNode: "text"}[root.Kind])
	}
	if twice := duplicate(root); twice != nil {
		return d.finding(twice.Line, "", fmt.Sprintf("%s stands twice in one object: the first is lost", twice.Value))
	}
	if err := d.decode(); err != nil {
		return d.finding(root.Line, "", "not an object: "+err.Error())
	}
	d.root = root
	return nil
}

func (d *document) decode() error {
	text, err := kubeyaml.YAMLToJSON(d.text)
	if err != nil {
		return err
	}
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		return err
	}
	object, ok := value.(map[string]any)
	if !ok {
		return errors.New("it has no fields")
	}
	d.value = object
	return nil
}

// duplicate is a key that stands twice in one object, nil if none does.
func duplicate(n *yaml.Node) *yaml.Node {
	seen := map[string]bool{}
	for i, child := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 && child.Value != "<<" {
			if seen[child.Value] {
				return child
			}
			seen[child.Value] = true
		}
		if found := duplicate(child); found != nil {
			return found
		}
	}
	return nil
}

func (d *document) finding(line int, path, message string) *Finding {
	return &Finding{File: d.file, Line: d.before + max(1, line), Path: path, Message: message}
}

// lineOf is the line on which a path such as "spec.containers[0].image" stands, or the deepest part of it that exists.
func lineOf(at *yaml.Node, path string) int {
	line := at.Line
	for path != "" {
		for at.Kind == yaml.AliasNode {
			at = at.Alias
		}
		var key, value *yaml.Node
		switch at.Kind {
		case yaml.MappingNode:
			key, value, path = inMapping(at, path)
		case yaml.SequenceNode:
			key, value, path = inSequence(at, path)
		}
		if key == nil {
			return line
		}
		line, at = key.Line, value
	}
	return line
}

// inMapping steps into the field whose name is the longest beginning of the path: names of labels have dots in them.
func inMapping(at *yaml.Node, path string) (key, value *yaml.Node, rest string) {
	best := -1
	for i := 0; i+1 < len(at.Content); i += 2 {
		for _, name := range []string{at.Content[i].Value, "[" + at.Content[i].Value + "]"} {
			after, begins := strings.CutPrefix(path, name)
			if begins && len(name) > best && (after == "" || after[0] == '.' || after[0] == '[') {
				best, key, value, rest = len(name), at.Content[i], at.Content[i+1], strings.TrimPrefix(after, ".")
			}
		}
	}
	return key, value, rest
}

func inSequence(at *yaml.Node, path string) (key, value *yaml.Node, rest string) {
	index, after, closed := strings.Cut(strings.TrimPrefix(path, "["), "]")
	n, err := strconv.Atoi(index)
	if !closed || err != nil || n < 0 || n >= len(at.Content) {
		return nil, nil, ""
	}
	return at.Content[n], at.Content[n], strings.TrimPrefix(after, ".")
}

// nodeAt is the node of a field of an object, nil if it has none.
func nodeAt(n *yaml.Node, name string) *yaml.Node {
	for i := 0; n != nil && n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i+1]
		}
	}
	return nil
}
