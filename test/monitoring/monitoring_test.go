package monitoring

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/reason"
)

// upstream are metrics that others declare, with the program that serves them and where they come from. Of histograms, _bucket,
// _sum and _count are served.
var upstream = map[string]struct{ program, where string }{
	"up":                                            {"", "Prometheus"},
	"process_resident_memory_bytes":                 {"any", "client_golang"},
	"leader_election_master_status":                 {"any", "client-go's leader election, through controller-runtime and component-base"},
	"workqueue_depth":                               {"shoal-manager", "controller-runtime"},
	"scheduler_pending_pods":                        {"shoal-scheduler", "kube-scheduler"},
	"scheduler_schedule_attempts_total":             {"shoal-scheduler", "kube-scheduler"},
	"scheduler_scheduling_attempt_duration_seconds": {"shoal-scheduler", "kube-scheduler, histogram"},
	"scheduler_preemption_attempts_total":           {"shoal-scheduler", "kube-scheduler"},
	"scheduler_preemption_victims":                  {"shoal-scheduler", "kube-scheduler, histogram"},
}

var row = regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| ([a-z]+) \\| ([a-z, ]*) \\|")

// documented are the metrics of docs/metrics.md, which a test of its generator compares with the sources: their labels, by the
// names under which they are served.
func documented(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for _, m := range row.FindAllStringSubmatch(read(t, "docs/metrics.md"), -1) {
		labels := append([]string{"job", "instance"}, strings.Split(m[3], ", ")...)
		if m[2] == "histogram" {
			for _, part := range []string{"_bucket", "_sum", "_count"} {
				all[m[1]+part] = append(labels, "le")
			}
			continue
		}
		all[m[1]] = labels
	}
	if len(all) < 20 {
		t.Fatalf("only %d metrics are documented", len(all))
	}
	return all
}

func TestMetricsThatAreAskedForAreServed(t *testing.T) {
	ours := documented(t)
	for where, expr := range expressions(t) {
		found := selectorsOf(expr)
		if len(found) == 0 {
			t.Errorf("%s: no metric was found in %s", where, expr)
		}
		// The queue of a scheduler that does not lead holds all pods that wait, too: a sum would count them twice.
		if strings.Contains(expr, "scheduler_pending_pods") && !strings.Contains(expr, "leader_election_master_status") {
			t.Errorf("%s counts the pods of a standby, too", where)
		}
		for _, s := range found {
			for _, wrong := range unserved(ours, s) {
				t.Errorf("%s: %s", where, wrong)
			}
		}
	}
}

// unserved says why a selector finds nothing.
func unserved(ours map[string][]string, s selector) (wrong []string) {
	if strings.HasPrefix(s.name, "shoal_") {
		labels, there := ours[s.name]
		if !there {
			return []string{s.name + " is not in docs/metrics.md"}
		}
		for label := range s.matchers {
			if !slices.Contains(labels, label) {
				wrong = append(wrong, fmt.Sprintf("%s has no label %s", s.name, label))
			}
		}
		return append(wrong, unknownValues(s)...)
	}
	base := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(s.name, "")
	u, there := upstream[s.name]
	if !there && base != s.name {
		u, there = upstream[base]
		there = there && strings.HasSuffix(u.where, "histogram")
	}
	if !there {
		return []string{s.name + " is neither ours nor in the list `upstream`"}
	}
	if s.matchers["job"] == "" || u.program != "" && u.program != "any" && s.matchers["job"] != u.program {
		return []string{fmt.Sprintf("%s is served by other programs, too: want a matcher job=%q", s.name, u.program)}
	}
	return nil
}

// unknownValues are types of conditions, names and codes of reasons that do not exist: a series that never comes.
func unknownValues(s selector) (wrong []string) {
	types := []string{
		v1alpha1.ConditionReady, v1alpha1.ConditionProgressing, v1alpha1.ConditionPlaced, v1alpha1.ConditionRebuilding, v1alpha1.ConditionPaused, v1alpha1.ConditionNoMaster,
		v1alpha1.ConditionTwoMasters, v1alpha1.ConditionInSync,
		v1alpha1.ConditionFeasible, v1alpha1.ConditionWithinLimits, v1alpha1.ConditionSurvivesNodeLoss,
	}
	var reasons []string
	for _, c := range reason.All() {
		reasons = append(reasons, c.String(), c.Name())
	}
	for label, known := range map[string][]string{"type": types, "reason": reasons, "status": {"True", "False", "Unknown"}} {
		text, asked := s.matchers[label]
		if !asked {
			continue
		}
		for value := range strings.SplitSeq(text, "|") {
			pattern := regexp.MustCompile("^(?:" + value + ")$")
			if !slices.ContainsFunc(known, pattern.MatchString) {
				wrong = append(wrong, fmt.Sprintf("%s: no %s is %s", s.name, label, value))
			}
		}
	}
	return wrong
}

// The checks above find something when it is wrong.
func TestUnservedMetricsAreFound(t *testing.T) {
	ours := documented(t)
	for expr, want := range map[string]string{
		`shoal_nothing`:                                          "not in docs/metrics.md",
		`shoal_scheduler_plan_duration_seconds`:                  "not in docs/metrics.md",
		`shoal_instanceset_sets{type="Ready"}`:                   "no label type",
		`shoal_instanceset_condition_sets{type="Redy"}`:          "no type is Redy",
		`shoal_instanceset_exception_instances{reason="SHOAL1"}`: "no reason is SHOAL1",
		`scheduler_nothing{job="shoal-scheduler"}`:               "neither ours",
		`up`: "want a matcher job",
		`scheduler_pending_pods{job="shoal-manager"}`: "want a matcher job",
	} {
		if got := strings.Join(unserved(ours, selectorsOf(expr)[0]), "; "); !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", expr, got, want)
		}
	}
}

const repository = "https://github.com/shoal-dev/shoal/blob/main/"

func TestAlertsSayWhatToDo(t *testing.T) {
	all := alerts(t)
	if len(all) > 24 {
		t.Errorf("%d alerts: nobody can know them all", len(all))
	}
	page := read(t, "docs/monitoring.md")
	for _, a := range all {
		if s := a.Labels["severity"]; s != "critical" && s != "warning" {
			t.Errorf("%s: severity %q", a.Alert, s)
		}
		if a.Annotations["summary"] == "" || !strings.Contains(a.Annotations["description"], "kubectl ") {
			t.Errorf("%s: want a summary, and a description that says what to type", a.Alert)
		}
		if !strings.Contains(page, "`"+a.Alert+"`") {
			t.Errorf("%s is not in docs/monitoring.md", a.Alert)
		}
		for _, name := range runbooks(a) {
			if _, err := os.Stat(filepath.Join(root, name)); err != nil || name == "" {
				t.Errorf("%s: its runbook %q is not in the repository", a.Alert, name)
			}
		}
	}
}

// runbooks are the files that the alert may lead to: with a code in the address, one for each code that it is about.
func runbooks(a alert) []string {
	name, in := strings.CutPrefix(a.Annotations["runbook_url"], repository)
	if !in {
		return []string{""}
	}
	const label = "{{ $labels.reason }}"
	if !strings.Contains(name, label) {
		return []string{name}
	}
	codes := regexp.MustCompile(`SHOAL\d{4}`).FindAllString(a.Expr, -1)
	if len(codes) == 0 {
		codes = []string{reason.ForeignObject.String(), reason.WriteFailed.String()} // what a change can fail with
	}
	var names []string
	for _, code := range codes {
		names = append(names, strings.ReplaceAll(name, label, code))
	}
	return names
}

func TestEveryAlertIsSeenToFireAndToBeSilent(t *testing.T) {
	var file struct {
		Tests []struct {
			Name  string `json:"name"`
			Exprs []struct {
				Expr    string `json:"expr"`
				Samples []any  `json:"exp_samples"`
			} `json:"promql_expr_test"`
		} `json:"tests"`
	}
	if err := yaml.Unmarshal([]byte(read(t, "test/monitoring/rules_test.yaml")), &file); err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, test := range file.Tests {
		for _, e := range test.Exprs {
			how := " is silent"
			if len(e.Samples) > 0 {
				how = " fires"
			}
			for _, name := range regexp.MustCompile(`alertname="([A-Za-z]+)"`).FindAllStringSubmatch(e.Expr, -1) {
				seen[name[1]+how]++
			}
		}
	}
	for _, a := range alerts(t) {
		if seen[a.Alert+" fires"] == 0 || seen[a.Alert+" is silent"] == 0 {
			t.Errorf("%s: %d cases in which it fires, %d in which it is silent: want one of each in rules_test.yaml", a.Alert, seen[a.Alert+" fires"], seen[a.Alert+" is silent"])
		}
	}
}

func TestKustomizationHasAllFiles(t *testing.T) {
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), filepath.Join(root, "manifests", "monitoring"))
	if err != nil {
		t.Fatal(err)
	}
	held := map[string]bool{}
	for _, r := range resources.Resources() {
		if r.GetKind() != "ConfigMap" {
			continue
		}
		for name, text := range r.GetDataMap() {
			held[name] = true
			if dashboard := strings.HasSuffix(name, ".json"); dashboard != (r.GetLabels()["grafana_dashboard"] == "1") {
				t.Errorf("%s is in the ConfigMap %s, whose labels are %v", name, r.GetName(), r.GetLabels())
			}
			if len(text) > 900_000 {
				t.Errorf("%s has %d bytes, and a ConfigMap holds one MiB", name, len(text))
			}
		}
	}
	files, err := filepath.Glob(filepath.Join(root, "manifests/monitoring/dashboards/*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(files, "rules.yaml") {
		if !held[filepath.Base(name)] {
			t.Errorf("%s is in no ConfigMap", filepath.Base(name))
		}
	}
}
