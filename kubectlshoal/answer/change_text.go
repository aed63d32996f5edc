package answer

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/podspec"
	"github.com/shoal-dev/shoal/reason"
)

// shownOrder is how many instances of an order are listed without wide.
const shownOrder = 12

// Print writes the differences for people; wide has reasons and the whole order. Its error is that of out.
func (d *SetDiff) Print(out io.Writer, p Paint, wide bool) error {
	for n := range d.Sets {
		if n > 0 {
			fmt.Fprintln(out)
		}
		if err := d.Sets[n].print(out, p, wide); err != nil {
			return err
		}
	}
	return printIncomplete(out, d.Incomplete)
}

func (s *SetChange) print(out io.Writer, p Paint, wide bool) error {
	fmt.Fprintf(out, "InstanceSet %s/%s: %s\n", s.Namespace, s.Set, s.summary(p))
	for _, text := range s.Refused {
		fmt.Fprintf(out, "  %s\n", p.bad(text))
	}
	s.printPopulation(out)
	if len(s.Fields) > 0 {
		table := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
		fmt.Fprintln(table, "\nFIELD\tBEFORE\tAFTER\tIS ABOUT")
		for _, f := range s.Fields {
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", f.Path, cmp.Or(f.Before, "-"), cmp.Or(f.After, "-"), f.Effect)
		}
		if err := table.Flush(); err != nil {
			return err
		}
	}
	for n := range s.Updates {
		if err := s.printUpdate(out, p, &s.Updates[n], wide); err != nil {
			return err
		}
	}
	if s.awaitsReports() {
		fmt.Fprintf(out, "\n%s\n", p.warn("What agents report of maxmemory is not known here. Where that is within the limit, resources are changed at once, and masters hand over before."))
	}
	return s.printOrder(out, p, wide)
}

// awaitsReports reports whether something waits for what agents report, which nobody here knows.
func (s *SetChange) awaitsReports() bool {
	memory := func(w Wait) bool { return w.Code == reason.MemoryWaits.String() }
	return slices.ContainsFunc(s.Updates, func(u InstanceChange) bool { return slices.ContainsFunc(slices.Concat(u.Waits, u.Later), memory) })
}

// summary is the answer in a line.
func (s *SetChange) summary(p Paint) string {
	switch {
	case s.New:
		return p.warn("it would be created")
	case len(s.Refused) > 0:
		return p.bad("the API server would refuse it")
	case !s.Differs:
		text := p.good("nothing differs")
		if len(s.Updates) > 0 {
			text += "; an update is under way (kubectl shoal rollout status " + s.Set + ")"
		}
		return text
	}
	inPlace, anew, stay := s.disturbed()
	rest := ""
	if stay > 0 {
		rest = p.bad(fmt.Sprintf("; %d would stay as %s", stay, map[bool]string{true: "it is", false: "they are"}[stay == 1]))
	}
	if later := s.later(); later > 0 {
		rest += p.bad(fmt.Sprintf("; the memory limit of %d would stay as it is", later))
	}
	switch {
	case len(s.Blocked) > 0:
		return p.bad("no instance would be written to: " + s.whyBlocked())
	case inPlace+anew == 0:
		return p.warn("it differs, and no instance would be changed") + rest
	case anew == 0:
		return p.warn(fmt.Sprintf("%s would be changed in place, none recreated", count(inPlace, "instance"))) + rest
	}
	return p.warn(fmt.Sprintf("%s would be recreated on the same volumes, %d changed in place", count(anew, "instance"), inPlace)) + rest
}

func (s *SetChange) whyBlocked() string {
	refused := slices.ContainsFunc(s.Updates, func(u InstanceChange) bool {
		return slices.ContainsFunc(u.Changes, func(c TemplateChange) bool { return c.Class == podspec.Refused.String() })
	})
	if refused {
		return "an instance cannot become what is asked for"
	}
	return "inPlace is " + s.InPlace + ", and it takes new pods"
}

// disturbed counts the instances that would get another template, and those that should and stay as they are.
func (s *SetChange) disturbed() (inPlace, anew, stay int) {
	for _, u := range s.Updates {
		switch {
		case len(u.Waits) > 0:
			stay += u.Instances
		case u.Recreated:
			anew += u.Instances
		default:
			inPlace += u.Instances
		}
	}
	return inPlace, anew, stay
}

// later counts the instances of which the last step would not be taken.
func (s *SetChange) later() (n int) {
	for _, u := range s.Updates {
		if len(u.Later) > 0 {
			n += u.Instances
		}
	}
	return n
}

func (s *SetChange) printPopulation(out io.Writer) {
	for _, part := range []struct{ ordinals, text string }{
		{s.Creates, "Instances that come: %s"},
		{s.Removes, "Instances that go, as persistentVolumeClaimRetentionPolicy says with their volumes: %s"},
		{s.TakenOffline, "Instances that lose their pod and keep their volumes: %s"},
		{s.BroughtOnline, "Instances that get a pod again: %s"},
	} {
		if part.ordinals != "" {
			fmt.Fprintf(out, "  "+part.text+"\n", part.ordinals)
		}
	}
}

// head says whom a change is about.
func (u *InstanceChange) head() string {
	template := func(name string) string {
		if name == "" {
			return "spec.template"
		}
		return "template " + name
	}
	who := "No instance runs with this template; new ones"
	if u.Instances > 0 {
		who = plural(u.Instances, "Instance") + " " + u.Ordinals
	}
	text := fmt.Sprintf("%s (%s", who, template(u.Template))
	if u.Template != u.FromTemplate {
		text += ", until now " + template(u.FromTemplate)
	}
	text += fmt.Sprintf("): revision %s -> %s", cmp.Or(u.FromRevision, "unknown"), u.Revision)
	if u.UnderWay {
		text += ", under way already"
	}
	return text
}

func (s *SetChange) printUpdate(out io.Writer, p Paint, u *InstanceChange, wide bool) error {
	fmt.Fprintf(out, "\n%s\n", u.head())
	for _, w := range u.Waits {
		fmt.Fprintf(out, "  they stay as they are: %s\n", p.bad(w.String()))
	}
	for _, w := range u.Later {
		fmt.Fprintf(out, "  their resources stay as they are, and nothing else waits for that: %s\n", p.bad(w.String()))
	}
	if u.Held != "" {
		fmt.Fprintf(out, "  held back by updateStrategy.partition: %s\n", u.Held)
	}
	if len(u.Changes) == 0 {
		if len(u.Waits) == 0 {
			fmt.Fprintln(out, "  nothing of a pod that runs changes")
		}
		return nil
	}
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 0, 3, ' ', 0)
	why := map[bool]string{true: "\tWHY"}[wide]
	fmt.Fprintln(table, "  CHANGE\tBEFORE\tAFTER\tTAKES"+why)
	for _, c := range u.Changes {
		if wide {
			why = "\t" + c.Why
		}
		fmt.Fprintf(table, "  %s\t%s\t%s\t%s%s\n", c.Path, cmp.Or(c.Before, "-"), cmp.Or(c.After, "-"), s.takes(c), why)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for n, line := range strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n") {
		line = strings.TrimRight(line, " ")
		if n > 0 && (u.Changes[n-1].Blocked || u.Changes[n-1].Class == podspec.Refused.String()) {
			line = p.bad(line)
		}
		fmt.Fprintln(out, line)
	}
	return nil
}

// takes says what a change takes, in words.
func (s *SetChange) takes(c TemplateChange) string {
	switch {
	case c.Class == podspec.Refused.String():
		return "refused"
	case c.Class == podspec.Recreate.String() && c.Blocked:
		return "a new pod: refused (inPlace: " + s.InPlace + ")"
	case c.Class == podspec.Recreate.String(), s.InPlace == string(v1alpha1.InPlaceNever):
		return "a new pod on the same volumes"
	case c.Restarts:
		return "in place (" + c.Class + "), restarts " + c.Container
	}
	return "in place (" + c.Class + "), nothing restarts"
}

func (s *SetChange) printOrder(out io.Writer, p Paint, wide bool) error {
	inPlace, anew, _ := s.disturbed()
	switch {
	case len(s.Blocked) > 0 || len(s.Refused) > 0 || s.New || inPlace+anew == 0:
		return nil
	case s.Paused:
		_, err := fmt.Fprintf(out, "\n%s\n", p.warn("The set is paused: nothing is written to instances until it is resumed."))
		return err
	case s.Strategy == string(v1alpha1.UpdateOnDelete):
		_, err := fmt.Fprintf(out, "\n%s\n", p.warn("updateStrategy.type is OnDelete: an instance takes it up when somebody deletes its pod."))
		return err
	case len(s.Order) == 0:
		_, err := fmt.Fprintln(out, "\nNo instance is disturbed, so that all are changed at once.")
		return err
	}
	var names []string
	shown := len(s.Order)
	if !wide {
		shown = min(shown, shownOrder)
	}
	for _, i := range s.Order[:shown] {
		name := i.Instance
		if i.HandsOver {
			name += " (master: hands over first)"
		}
		names = append(names, name)
	}
	if rest := len(s.Order) - shown; rest > 0 {
		names = append(names, fmt.Sprintf("and %d more (-o wide)", rest))
	}
	_, err := fmt.Fprintf(out, "\nOrder, as long as each comes up again, with at most %d unavailable: %s\n", s.MaxUnavailable, strings.Join(names, ", "))
	return err
}
