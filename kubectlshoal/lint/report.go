package lint

import (
	"fmt"
	"io"

	"github.com/shoal-dev/shoal/kubectlshoal/answer"
)

// Kind marks the JSON form of a Report; its schema is docs/schemas/lintreport.v1.json.
const Kind = "LintReport"

// Report is what was found in files.
type Report struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	// Files were read. Objects of Shoal's kinds and configurations of the scheduler were judged; of others, only the labels.
	Files    int       `json:"files"`
	Objects  int       `json:"objects"`
	Others   int       `json:"others"`
	Findings []Finding `json:"findings"`
	// Unread are files that could not be read, each with the reason.
	Unread []string `json:"unread,omitempty"`
}

func newReport(files int) *Report {
	return &Report{APIVersion: answer.ExplainVersion, Kind: Kind, Files: files, Findings: []Finding{}}
}

// Bad reports whether something was found.
func (r *Report) Bad() bool { return len(r.Findings) > 0 }

// Partial reports whether a file could not be read.
func (r *Report) Partial() bool { return len(r.Unread) > 0 }

// String is the finding as a line, in the form that editors and CI systems understand.
func (f Finding) String() string {
	text := fmt.Sprintf("%s:%d: ", f.File, f.Line)
	if f.Object != "" {
		text += f.Object + ": "
	}
	if f.Path != "" {
		text += f.Path + ": "
	}
	return text + f.Message
}

// Print writes the findings for people, one a line. Its error is that of out.
func (r *Report) Print(out io.Writer, _ answer.Paint, _ bool) error {
	for _, f := range r.Findings {
		fmt.Fprintln(out, f)
	}
	for _, u := range r.Unread {
		fmt.Fprintf(out, "could not be read: %s\n", u)
	}
	verdict := "nothing is wrong"
	switch {
	case len(r.Findings) > 0:
		verdict = answer.Count(len(r.Findings), "finding")
	case r.Files == 0:
		verdict = "nothing was judged"
	case len(r.Unread) > 0:
		verdict = "nothing is wrong in what could be read"
	}
	_, err := fmt.Fprintf(out, "%s, %s of Shoal, %s: %s\n", answer.Count(r.Files, "file"), answer.Count(r.Objects, "object"), answer.Count(r.Others, "other"), verdict)
	return err
}
