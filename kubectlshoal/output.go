package kubectlshoal

import (
	"encoding/json"
	"fmt"
	"io"

	"sigs.k8s.io/yaml"

	"github.com/shoal-dev/shoal/kubectlshoal/answer"
)

// printable is an answer.
type printable interface {
	Print(out io.Writer, p answer.Paint, wide bool)
	// Bad reports whether the exit code says that something is wrong.
	Bad() bool
}

// print writes an answer in the form of -o.
func (o *options) print(a printable) error {
	out := o.Streams.Out
	switch o.output {
	case "", "wide":
		a.Print(out, answer.Paint(o.Color), o.output == "wide")
	case "json":
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(a); err != nil {
			return fmt.Errorf("writing the answer: %w", err)
		}
	case "yaml":
		text, err := yaml.Marshal(a)
		if err != nil {
			return fmt.Errorf("writing the answer: %w", err)
		}
		if _, err := out.Write(text); err != nil {
			return fmt.Errorf("writing the answer: %w", err)
		}
	default:
		return fmt.Errorf("unknown output %q: json, yaml, wide, or none", o.output)
	}
	if a.Bad() {
		return errBad
	}
	return nil
}
