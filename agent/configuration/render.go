package configuration

import (
	"slices"
	"strings"

	"github.com/shoal-dev/shoal/api/agent"
)

// severalWords are the parameters whose value is a list: in a file each word stands for itself.
var severalWords = []string{"client-output-buffer-limit", "save"}

// render is the file that Redis reads: a line for each parameter.
func render(c agent.Configuration) []byte {
	var out strings.Builder
	out.WriteString("# Written by shoal-agent, revision " + c.Revision + ". Change spec.configuration of the InstanceSet, and not this.\n")
	for _, p := range c.Parameters {
		words := []string{p.Value}
		if fields := strings.Fields(p.Value); len(fields) > 0 && slices.Contains(severalWords, p.Name) {
			words = fields
		}
		out.WriteString(p.Name)
		for _, word := range words {
			out.WriteString(" " + quote(word))
		}
		out.WriteString("\n")
	}
	return []byte(out.String())
}

const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.%"

// quote is a word as Redis reads it back. Values are of printable ASCII. Source: sdssplitargs in sds.c.
func quote(word string) string {
	if word != "" && strings.Trim(word, plain) == "" {
		return word
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(word) + `"`
}
