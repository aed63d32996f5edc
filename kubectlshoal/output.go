package kubectlshoal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"sigs.k8s.io/yaml"

	"github.com/shoal-dev/shoal/kubectlshoal/answer"
)

// printable is an answer.
type printable interface {
	// Print writes it for people. Its error is that of out.
	Print(out io.Writer, p answer.Paint, wide bool) error
	// Bad reports whether the exit code says that something is wrong.
	Bad() bool
	// Partial reports whether something could not be read on which the answer depends.
	Partial() bool
}

// outputs are the forms of -o, beside none.
var outputs = []string{"json", "yaml", "wide"}

// wrongOutput refuses an unknown form, before anything is read.
func (o *options) wrongOutput() error {
	if o.output == "" || slices.Contains(outputs, o.output) {
		return nil
	}
	return fmt.Errorf("unknown output %q: json, yaml, wide, or none", o.output)
}

// print writes an answer in the form of -o. It is written at once: half an answer on a full disk is an error, not an answer.
func (o *options) print(a printable) error {
	var text bytes.Buffer
	var err error
	switch o.output {
	case "json":
		encoder := json.NewEncoder(&text)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		err = encoder.Encode(a)
	case "yaml":
		var content []byte
		content, err = yaml.Marshal(a)
		text.Write(content)
	default:
		err = a.Print(&text, answer.Paint(o.Color), o.output == "wide")
	}
	o.clear()
	if err == nil {
		_, err = o.Streams.Out.Write(text.Bytes())
	}
	if err != nil {
		return fmt.Errorf("writing the answer: %w", err)
	}
	return verdict(a)
}

// verdict is what the exit code says of an answer that was given. What is wrong counts more than what was not seen.
func verdict(a printable) error {
	d, compares := a.(interface{ Different() bool })
	w, waits := a.(interface{ NotYet() bool })
	switch {
	case a.Bad():
		return errBad
	case compares && d.Different():
		return errDiffers
	case waits && w.NotYet():
		return errNotYet
	case a.Partial():
		return errPartial
	}
	return nil
}
