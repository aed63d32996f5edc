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

// Print writes the findings for people, one a line, in the form that editors and CI systems understand.
func (r *Report) Print(out io.Writer, _ answer.Paint, _ bool) {
	for _, f := range r.Findings {
		fmt.Fprintf(out, "%s:%d: ", f.File, f.Line)
		if f.Object != "" {
			fmt.Fprintf(out, "%s: ", f.Object)
		}
		if f.Path != "" {
			fmt.Fprintf(out, "%s: ", f.Path)
		}
		fmt.Fprintln(out, f.Message)
	}
	for _, u := range r.Unread {
		fmt.Fprintf(out, "could not be read: %s\n", u)
	}
	verdict := "nothing is wrong"
	if len(r.Findings) > 0 {
		verdict = counted(len(r.Findings), "finding")
	}
	fmt.Fprintf(out, "%s, %s of Shoal, %s: %s\n", counted(r.Files, "file"), counted(r.Objects, "object"), counted(r.Others, "other"), verdict)
}

func counted(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}
