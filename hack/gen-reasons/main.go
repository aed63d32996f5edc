// Command gen-reasons writes a page for each code of the catalogue in package reason into docs/reasons/, and an index.
// It removes pages of codes that are gone.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/shoal-dev/shoal/reason"
)

const directory = "docs/reasons"

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "gen-reasons:", err)
		os.Exit(1)
	}
}

func run() error {
	old, err := filepath.Glob(filepath.Join(directory, "*.md"))
	if err != nil {
		return fmt.Errorf("listing %s: %w", directory, err)
	}
	for _, page := range old {
		if err := os.Remove(page); err != nil {
			return fmt.Errorf("removing an old page: %w", err)
		}
	}
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return fmt.Errorf("making %s: %w", directory, err)
	}
	for _, c := range reason.All() {
		if err := write(c.String()+".md", page(c)); err != nil {
			return err
		}
	}
	return write("README.md", index())
}

func write(name, text string) error {
	if err := os.WriteFile(filepath.Join(directory, name), []byte(text), 0o644); err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return nil
}

func page(c reason.Code) string {
	e := c.Entry()
	return fmt.Sprintf("# %s %s\n\n> %s\n\n## What it means\n\n%s\n\n## What to do\n\n%s\n\n## Where you meet it\n\n%s\n\n[All reasons](README.md)\n",
		c, e.Name, e.Text, e.Meaning, e.Advice, where(c))
}

func where(c reason.Code) string {
	for _, f := range families {
		if int(c)/100 == f.hundred {
			return f.where
		}
	}
	return ""
}

var families = []struct {
	hundred      int
	title, where string
}{
	{11, "The scheduler refuses a node or holds a pod", "In the event FailedScheduling of the pod and, but for SHOAL1114, in its condition PodScheduled; and in the condition Placed of its InstanceSet."},
	{12, "The state of a placement group", "In the conditions of the PlacementPolicy."},
	{13, "Measured load", "In events on the scheduler's Lease, and in its log."},
	{20, "What the InstanceSet controller does, and why", "In the events of the InstanceSet and the label `reason` of the metric shoal_instanceset_changes_total."},
	{21, "Rebuild: what is done, and what it waits for", "In the condition Rebuilding, the exceptions and the events of the InstanceSet."},
	{22, "The state of an InstanceSet", "In the conditions and the exceptions of the InstanceSet."},
	{23, "How a planned switchover ended", "In the outcome of package switchover (docs/switchover.md)."},
	{24, "Roles: who carries the label, and why", "In the conditions NoMaster, TwoMasters and InSync and the events of the InstanceSet, and the label `reason` of the metric shoal_roles_writes_total."},
	{25, "Agents: their certificates, and who is refused", "In the conditions of PodCertificateRequests and the events of their pods (by the kubelet), the events of the Service shoal-manager, and the label `reason` of the metric shoal_signer_requests_total."},
	{26, "Updates: what is done to running instances, and what it waits for", "In the conditions Updating and Leaving, the exceptions and the events of the InstanceSet, and the label `reason` of the metric shoal_instanceset_changes_total."},
}

func index() string {
	var b strings.Builder
	b.WriteString("# Reasons\n\nEvery refusal, event and condition of Shoal carries one of these codes. The pages are generated from package\n`reason` by `make generate`.\n")
	for _, f := range families {
		fmt.Fprintf(&b, "\n## %s\n\n| code | name | text |\n|---|---|---|\n", f.title)
		for _, c := range reason.All() {
			if int(c)/100 == f.hundred {
				fmt.Fprintf(&b, "| [%s](%s.md) | %s | %s |\n", c, c, c.Name(), c.Text())
			}
		}
	}
	return b.String()
}
