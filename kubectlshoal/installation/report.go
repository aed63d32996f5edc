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

// The states. A warning is something that a person should know, and with which Shoal works. NotChecked says nothing about Shoal:
// what would have to be looked at could not be read.
const (
	OK         State = "ok"
	Warning    State = "warning"
	Failure    State = "failure"
	NotChecked State = "notChecked"
)

// String is the state in words.
func (s State) String() string {
	if s == NotChecked {
		return "not checked"
	}
	return string(s)
}

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
	// NotChecked is how many of the results say that something could not be read.
	NotChecked int `json:"notChecked"`
	// Complete says that everything could be read without which Shoal may be broken unseen.
	Complete bool `json:"complete"`
}

// Bad reports whether something has failed.
func (r *Report) Bad() bool { return r.Failures > 0 }

// Partial reports whether a failure may have been missed: something essential could not be read.
func (r *Report) Partial() bool { return !r.Complete }

func (r *Report) add(of check, results ...Result) {
	for _, one := range results {
		one.Area = of.area
		switch one.State {
		case Warning:
			r.Warnings++
		case Failure:
			r.Failures++
		case NotChecked:
			r.NotChecked++
			r.Complete = r.Complete && of.optional
		}
		r.Results = append(r.Results, one)
	}
}

// Print writes a line for each result, and below it what to do. Its error is that of out.
func (r *Report) Print(out io.Writer, paint answer.Paint, _ bool) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for i, one := range r.Results {
		fmt.Fprintf(table, "%s\t%s\t%s\n", one.State, one.Area, one.Text)
		same := i+1 < len(r.Results) && r.Results[i+1].Next == one.Next // told once, below the last of them
		if one.Next != "" && !same {
			fmt.Fprintf(table, "\t\t-> %s\n", one.Next)
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "\n%s, %s, %s: %s\n",
		answer.Count(len(r.Results), "check"), answer.Count(r.Warnings, "warning"), answer.Count(r.Failures, "failure"), r.verdict(paint))
	return err
}

// verdict never says that all is fine of what was not seen.
func (r *Report) verdict(paint answer.Paint) string {
	blind := fmt.Sprintf("%d of %d checks could not read what they need", r.NotChecked, len(r.Results))
	switch {
	case r.Failures > 0 && r.NotChecked > 0:
		return paint.Bad("not fine") + ", and " + blind
	case r.Failures > 0:
		return paint.Bad("not fine")
	case r.NotChecked > 0:
		return paint.Warn("works, as far as could be seen") + ": " + blind
	case r.Warnings > 0:
		return paint.Warn("works")
	}
	return paint.Good("fine")
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
