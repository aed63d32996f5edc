package monitoring

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

func promtool(t *testing.T, arguments ...string) (string, error) {
	t.Helper()
	if _, err := exec.LookPath("promtool"); err != nil {
		missing := t.Skip
		if os.Getenv("REQUIRE_MONITORING") != "" { // set by .ci/run: there, nothing is left out unnoticed
			missing = t.Fatal
		}
		missing("promtool is not installed, so that alerts are not run: `make monitoring-deps` installs it, as root")
	}
	out, err := exec.CommandContext(t.Context(), "promtool", arguments...).CombinedOutput()
	return string(out), err
}

func TestAlertsAreValid(t *testing.T) {
	if out, err := promtool(t, "check", "rules", "--lint-fatal", filepath.Join(root, rulesFile)); err != nil {
		t.Errorf("%v:\n%s", err, out)
	}
}

func TestAlertsFire(t *testing.T) {
	if out, err := promtool(t, "test", "rules", "rules_test.yaml"); err != nil {
		t.Errorf("%v:\n%s", err, out)
	}
}

// Alerts that never fire, or always do, must not pass: then their cases tell nothing.
func TestAlertsCanFail(t *testing.T) {
	cases := strings.Replace(read(t, "test/monitoring/rules_test.yaml"), "../../"+rulesFile, "rules.yaml", 1)
	for name, expr := range map[string]string{"never": "vector(1) > 2", "always": "vector(1)"} {
		text := read(t, rulesFile)
		for _, a := range alerts(t) {
			broken := strings.Replace(text, "expr: "+a.Expr+"\n", "expr: "+expr+"\n", 1)
			if broken == text {
				t.Fatalf("%s: its expression was not found", a.Alert)
			}
			text = broken
		}
		dir := t.TempDir()
		write(t, dir, "rules.yaml", text)
		out, err := promtool(t, "test", "rules", write(t, dir, "test.yaml", cases))
		for _, a := range alerts(t) {
			if err == nil || !strings.Contains(out, a.Alert+`\"`) {
				t.Errorf("%s fires %s, and its cases pass", a.Alert, name)
			}
		}
	}
}

// Panels are checked as rules: promtool has no command for an expression alone.
func TestPanelsAreValid(t *testing.T) {
	type rule map[string]string
	var rules []rule
	for where, expr := range expressions(t) {
		rules = append(rules, rule{"record": "a:b", "expr": expr, "where": where})
	}
	for i := range rules {
		where := rules[i]["where"]
		delete(rules[i], "where")
		rules[i]["record"] = "panel:" + strings.Map(func(r rune) rune {
			if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
				return r
			}
			return '_'
		}, where)
	}
	text, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "panels", "rules": rules}}})
	if err != nil {
		t.Fatal(err)
	}
	name := write(t, t.TempDir(), "rules.yaml", string(text))
	if out, err := promtool(t, "check", "rules", name); err != nil {
		t.Errorf("%v:\n%s", err, out)
	}
}

// Debian builds Prometheus without discovery by Kubernetes, so that the rest of the example is checked with fixed targets.
func TestExampleIsValid(t *testing.T) {
	var config map[string]any
	if err := yaml.UnmarshalStrict([]byte(read(t, "examples/monitoring/prometheus.yaml")), &config); err != nil {
		t.Fatal(err)
	}
	var jobs []string
	for _, s := range config["scrape_configs"].([]any) {
		job := s.(map[string]any)
		if job["kubernetes_sd_configs"] == nil {
			t.Errorf("the job %v finds no pods", job["job_name"])
		}
		delete(job, "kubernetes_sd_configs")
		job["static_configs"] = []any{map[string]any{"targets": []string{"127.0.0.1:1"}}}
		jobs = append(jobs, job["job_name"].(string))
	}
	if got := strings.Join(jobs, " "); got != "shoal-manager shoal-scheduler" {
		t.Errorf("the jobs are called %s: alerts and dashboards know others", got)
	}
	text, err := yaml.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := promtool(t, "check", "config", "--syntax-only", write(t, t.TempDir(), "prometheus.yaml", string(text))); err != nil {
		t.Errorf("%v:\n%s", err, out)
	}
}

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
