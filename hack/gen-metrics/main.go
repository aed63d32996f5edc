// Command gen-metrics writes docs/metrics.md: every metric that Shoal's sources declare.
package main

import (
	"fmt"
	"os"
	"path"
	"strings"
)

const page = "docs/metrics.md"

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "gen-metrics:", err)
		os.Exit(1)
	}
}

func run() error {
	all, err := declared(".")
	if err != nil {
		return err
	}
	if err := os.WriteFile(page, []byte(render(all)), 0o644); err != nil {
		return fmt.Errorf("writing %s: %w", page, err)
	}
	return nil
}

const head = `# Metrics

Every metric that Shoal declares. The page is generated from the sources by ` + "`make generate`" + `. How to collect them, and what to be
woken up for: [monitoring.md](monitoring.md).

Scheduler and manager also serve what their libraries count: scheduler_*, workqueue_*, rest_client_*, leader_election_*, go_* and
process_*; the agent go_* and process_*. A label never has the name of an object; a label ` + "`reason`" + ` has a code such as [SHOAL2109](reasons/SHOAL2109.md), or in metrics of
conditions the name of one.
`

var about = []struct{ program, text string }{
	{"shoal-manager", "Served on port 8080 (http). Those of type gauge are served by the manager that leads, and computed from its cache when they are asked for; in a standby they are absent."},
	{"shoal-scheduler", "Served on port 10259 (https) to those who may read /metrics. A scheduler that does not lead has no cycles to count."},
	{"shoal-agent", "Served on port 9721 (http) of each instance's pod."},
}

func render(all []metric) string {
	var b strings.Builder
	b.WriteString(head)
	for _, a := range about {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| name | type | labels | help |\n|---|---|---|---|\n", a.program, a.text)
		for _, m := range all {
			if m.program() == a.program {
				fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", m.name, m.kind, strings.Join(m.labels, ", "), m.help)
			}
		}
	}
	return b.String()
}

func (m metric) program() string {
	if p, there := programs[path.Dir(m.where)]; there {
		return p
	}
	return "shoal-manager"
}
