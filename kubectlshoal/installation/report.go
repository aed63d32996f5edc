package installation

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/shoal-dev/shoal/kubectlshoal/answer"
)

// Kind marks the JSON form of a Report; its schema is docs/schemas/check.v1.json.
const Kind = "Check"

// State of one thing that was checked.
type State string

// The states. A warning is something that a person should know, and with which Shoal works.
const (
	OK      State = "ok"
	Warning State = "warning"
	Failure State = "failure"
)

// Result is one thing that was checked.
type Result struct {
	// Area is what it is about, as in "kinds".
	Area  string `json:"area"`
	State State  `json:"state"`
	Text  string `json:"text"`
	// Next is what a person should do.
	Next string `json:"next,omitempty"`
}

// Report is what was checked.
type Report struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	// Before is true for the check before an installation.
	Before   bool     `json:"before"`
	Server   string   `json:"server"`
	Results  []Result `json:"results"`
	Warnings int      `json:"warnings"`
	Failures int      `json:"failures"`
}

// Bad reports whether something has failed.
func (r *Report) Bad() bool { return r.Failures > 0 }

func (r *Report) add(area string, results ...Result) {
	for _, one := range results {
		one.Area = area
		switch one.State {
		case Warning:
			r.Warnings++
		case Failure:
			r.Failures++
		}
		r.Results = append(r.Results, one)
	}
}

// Print writes a line for each result, and below it what to do.
func (r *Report) Print(out io.Writer, paint answer.Paint, _ bool) {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, one := range r.Results {
		fmt.Fprintf(table, "%s\t%s\t%s\n", one.State, one.Area, one.Text)
		if one.Next != "" {
			fmt.Fprintf(table, "\t\t-> %s\n", one.Next)
		}
	}
	if err := table.Flush(); err != nil {
		return // nobody reads any more
	}
	verdict := paint.Good("fine")
	switch {
	case r.Failures > 0:
		verdict = paint.Bad("not fine")
	case r.Warnings > 0:
		verdict = paint.Warn("works")
	}
	fmt.Fprintf(out, "\n%d checks, %d warnings, %d failures: %s\n", len(r.Results), r.Warnings, r.Failures, verdict)
}

func ok(format string, args ...any) Result {
	return Result{State: OK, Text: fmt.Sprintf(format, args...)}
}

func warning(next, format string, args ...any) Result {
	return Result{State: Warning, Text: fmt.Sprintf(format, args...), Next: next}
}

func failure(next, format string, args ...any) Result {
	return Result{State: Failure, Text: fmt.Sprintf(format, args...), Next: next}
}
