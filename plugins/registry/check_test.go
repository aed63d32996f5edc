package registry

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const shipped = "../../manifests/scheduler-config/scheduler-config.yaml"

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestWhatIsShippedIsRight(t *testing.T) {
	files, err := filepath.Glob("../../examples/scheduler-config/*.yaml")
	if err != nil || len(files) < 3 {
		t.Fatalf("found %v: %v", files, err)
	}
	for _, file := range append(files, shipped) {
		if c, problems := Check([]byte(read(t, file))); c == nil || len(problems) > 0 {
			t.Errorf("%s: %v", file, problems)
		}
	}
}

// Each mistake is told with its place. Where upstream's start would pass it over, that is the point of the check.
func TestMistakes(t *testing.T) {
	text := read(t, shipped)
	for name, c := range map[string]struct{ old, new, want string }{
		"arguments for no plugin":     {"- name: Dispersion\n    args", "- name: Dispertion\n    args", `profiles[0].pluginConfig[0].name: Invalid value: "Dispertion": there is no such plugin, did you mean Dispersion?`},
		"an enabled plugin":           {"- name: LoadBalance\n        weight", "- name: LoadBalancer\n        weight", `profiles[0].plugins.multiPoint.enabled[1].name: Invalid value: "LoadBalancer": there is no such plugin, did you mean LoadBalance?`},
		"a disabled plugin":           {"multiPoint:\n", "score: {disabled: [{name: NodeResourceFit}]}\n    multiPoint:\n", `profiles[0].plugins.score.disabled[0].name: Invalid value: "NodeResourceFit": there is no such plugin, did you mean NodeResourcesFit?`},
		"out of range":                {"maxPerShard: 1", "maxPerShard: 0", "profiles[0].pluginConfig[0].args.defaults.maxPerShard: Invalid value: 0: must be between 1 and 100"},
		"out of range, upstream's":    {"percentageOfNodesToScore: 100", "percentageOfNodesToScore: 101", "percentageOfNodesToScore: Invalid value: 101: not in valid range [0-100]"},
		"a misspelt argument":         {"maxPerShard: 1", "maxPerShards: 1", "profiles[0].pluginConfig[0].args.defaults.maxPerShards: unknown field, did you mean maxPerShard?"},
		"a misspelt field":            {"percentageOfNodesToScore", "percentOfNodesToScore", "percentOfNodesToScore: unknown field, did you mean percentageOfNodesToScore?"},
		"a misspelt field far inside": {"multiPoint:", "multiPoints:", "profiles[0].plugins.multiPoints: unknown field, did you mean multiPoint?"},
		"a wrong type":                {"qps: 500", "qps: many", "clientConnection.qps: expected float32, got string"},
		"a wrong type in arguments":   {"worstDimensionPercent: 90", "worstDimensionPercent: high", "profiles[0].pluginConfig[1].args.worstDimensionPercent: expected int32, got string"},
		"an old version":              {"kubescheduler.config.k8s.io/v1", "kubescheduler.config.k8s.io/v1beta3", "apiVersion: expected apiVersion kubescheduler.config.k8s.io/v1 and kind KubeSchedulerConfiguration"},
		"no version":                  {"apiVersion: kubescheduler.config.k8s.io/v1\n", "", "apiVersion: expected apiVersion kubescheduler.config.k8s.io/v1 and kind KubeSchedulerConfiguration"},
		"two profiles of one name":    {"profiles:\n", "profiles:\n- schedulerName: shoal-scheduler\n", "profiles[1].schedulerName: Duplicate value"},
	} {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(text, c.old) {
				t.Fatalf("%s has no %q", shipped, c.old)
			}
			_, problems := Check([]byte(strings.Replace(text, c.old, c.new, 1)))
			for _, p := range problems {
				if strings.HasPrefix(p.String(), c.want) {
					return
				}
			}
			t.Errorf("got  %v\nwant %s", problems, c.want)
		})
	}
}

// One run shows all that is wrong.
func TestAllMistakesAtOnce(t *testing.T) {
	text := strings.NewReplacer("maxPerShard: 1", "maxPerShards: 1", "qps:", "qsp:", "worstDimensionPercent: 90", "worstDimensionPercent: 700").Replace(read(t, shipped))
	c, problems := Check([]byte(text))
	if c == nil || len(problems) != 3 {
		t.Errorf("got %d problems: %v", len(problems), problems)
	}
	if err := Error(problems); err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("got %v", err)
	}
	if Error(nil) != nil {
		t.Error("nothing is wrong, and there is an error")
	}
}
