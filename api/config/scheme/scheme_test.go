package scheme_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/cmd/kube-scheduler/app/options"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	schedulerv1 "k8s.io/kubernetes/pkg/scheduler/apis/config/v1"

	"github.com/shoal-dev/shoal/api/config"
	"github.com/shoal-dev/shoal/api/config/scheme"
)

func TestMain(m *testing.M) {
	if err := scheme.Register(); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// profile is a scheduler configuration with one of our plugins, and with the lines of args as its arguments.
func profile(plugin string, args ...string) string {
	lines := []string{
		"apiVersion: kubescheduler.config.k8s.io/v1",
		"kind: KubeSchedulerConfiguration",
		"profiles:",
		"- schedulerName: shoal-scheduler",
		"  plugins: {multiPoint: {enabled: [{name: " + plugin + "}]}}",
	}
	if len(args) > 0 {
		lines = append(lines, "  pluginConfig:", "  - name: "+plugin, "    args:")
	}
	for _, a := range args {
		lines = append(lines, "      "+a)
	}
	return strings.Join(lines, "\n") + "\n"
}

func load(t *testing.T, text string) (*schedulerconfig.KubeSchedulerConfiguration, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return options.LoadConfigFromFile(klog.Background(), file)
}

func argsOf(c *schedulerconfig.KubeSchedulerConfiguration, plugin string) runtime.Object {
	for _, p := range c.Profiles[0].PluginConfig {
		if p.Name == plugin {
			return p.Args
		}
	}
	return nil
}

func TestDefaultsAndConversion(t *testing.T) {
	for name, tc := range map[string]struct {
		plugin string
		args   []string
		want   runtime.Object
	}{
		"Dispersion without arguments": {
			plugin: "Dispersion",
			want:   &config.DispersionArgs{Defaults: config.GroupLimits{MaxPerShard: new(int32(1))}},
		},
		"Dispersion with all arguments": {
			plugin: "Dispersion",
			args:   []string{"maxInstancesPerNode: 20", "defaults: {maxInstancesPerNode: 6, maxNodes: 24, maxPerShard: 2}"},
			want: &config.DispersionArgs{
				Defaults:            config.GroupLimits{MaxInstancesPerNode: new(int32(6)), MaxNodes: new(int32(24)), MaxPerShard: new(int32(2))},
				MaxInstancesPerNode: 20,
			},
		},
		"LoadBalance without arguments": {
			plugin: "LoadBalance",
			want: &config.LoadBalanceArgs{
				Resources: []config.ResourceWeight{
					{Name: "cpu", Weight: 1}, {Name: "memory", Weight: 1}, {Name: "shoal.dev/net-ingress-mbps", Weight: 1}, {Name: "shoal.dev/net-egress-mbps", Weight: 1},
				},
				WorstDimensionPercent: 90,
			},
		},
		"LoadBalance with Prometheus": {
			plugin: "LoadBalance",
			args: []string{
				"resources: [{name: cpu}]", "thresholds: [{name: cpu, percent: 85}]",
				"load: {type: Prometheus, prometheus: {url: 'http://p:9090', queries: [{name: age, query: q}]}}",
			},
			want: &config.LoadBalanceArgs{
				Resources: []config.ResourceWeight{{Name: "cpu", Weight: 1}}, WorstDimensionPercent: 90,
				Thresholds: []config.ResourceThreshold{{Name: "cpu", Percent: 85}},
				Load: &config.LoadSource{
					Type: "Prometheus", IntervalSeconds: 30, TimeoutSeconds: 10, MaxAgeSeconds: 180,
					Prometheus: config.PrometheusSource{
						URL: "http://p:9090", NodeLabel: "instance", Percentile: 95, WindowSeconds: 900, RateWindowSeconds: 120, StepSeconds: 30,
						Devices: `eth[0-9]+|em[0-9]+|ib[0-9]+|p[0-9]+p[0-9]+|en[oPpsx][0-9a-zA-Z]+`, Queries: []config.Query{{Name: "age", Query: "q"}},
					},
				},
			},
		},
		"LoadBalance with short intervals": {
			plugin: "LoadBalance",
			args:   []string{"resources: [{name: cpu}]", "load: {type: MetricsAPI, intervalSeconds: 5}"},
			want: &config.LoadBalanceArgs{
				Resources: []config.ResourceWeight{{Name: "cpu", Weight: 1}}, WorstDimensionPercent: 90,
				Load: &config.LoadSource{Type: "MetricsAPI", IntervalSeconds: 5, TimeoutSeconds: 5, MaxAgeSeconds: 30},
			},
		},
		"LoadBalance with a weight left out and w = 0": {
			plugin: "LoadBalance",
			args:   []string{"apiVersion: kubescheduler.config.k8s.io/v1", "kind: LoadBalanceArgs", "resources: [{name: memory}]", "worstDimensionPercent: 0"},
			want:   &config.LoadBalanceArgs{Resources: []config.ResourceWeight{{Name: "memory", Weight: 1}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			loaded, err := load(t, profile(tc.plugin, tc.args...))
			if err != nil {
				t.Fatal(err)
			}
			if got := argsOf(loaded, tc.plugin); !apiequality.Semantic.DeepEqual(got, tc.want) {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
		})
	}
}

func TestAMisspeltArgumentIsRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		plugin, line string
		want         []string
	}{
		"a field":        {"Dispersion", "maxInstancePerNode: 3", []string{".profiles[0].pluginConfig[0]", "plugin Dispersion", `unknown field "maxInstancePerNode"`}},
		"a nested field": {"Dispersion", "defaults: {maxNode: 3}", []string{".profiles[0].pluginConfig[0]", `unknown field "defaults.maxNode"`}},
		"in a list":      {"LoadBalance", "resources: [{name: cpu, wieght: 3}]", []string{".profiles[0].pluginConfig[0]", `unknown field "resources[0].wieght"`}},
		"twice":          {"LoadBalance", "worstDimensionPercent: 1\n      worstDimensionPercent: 2", []string{"worstDimensionPercent"}},
		"another type":   {"LoadBalance", "worstDimensionPercent: high", []string{".profiles[0].pluginConfig[0]", "worstDimensionPercent"}},
		"in the source":  {"LoadBalance", "load: {type: MetricsAPI, intervall: 3}", []string{`unknown field "load.intervall"`}},
		"a percentage":   {"Dispersion", "defaults: {maxInstancesPerNode: 5%}", []string{".profiles[0].pluginConfig[0]", "defaults.maxInstancesPerNode"}},
		"a wrong kind":   {"Dispersion", "kind: LoadBalanceArgs", []string{".profiles[0].pluginConfig[0]", "DispersionArgs"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := load(t, profile(tc.plugin, tc.line))
			if err == nil {
				t.Fatal("it was accepted")
			}
			for _, part := range tc.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("the error does not say %s: %v", part, err)
				}
			}
		})
	}
}

// The scheduler publishes its configuration (configz) in the versioned form, and does not start if it cannot.
func TestArgumentsCanBePublished(t *testing.T) {
	for plugin, lines := range map[string][]string{
		"Dispersion": nil,
		"LoadBalance": {
			"thresholds: [{name: cpu, percent: 85}]", "load: {type: Prometheus, prometheus: {url: 'http://p:9090', queries: [{name: age, query: q}]}}",
		},
	} {
		loaded, err := load(t, profile(plugin, lines...))
		if err != nil {
			t.Fatal(err)
		}
		s := schedulerv1.GetPluginArgConversionScheme()
		internal := argsOf(loaded, plugin)
		versioned, err := s.ConvertToVersion(internal, schedulerv1.SchemeGroupVersion)
		if err != nil {
			t.Fatal(err)
		}
		back, err := s.ConvertToVersion(versioned, schedulerconfig.SchemeGroupVersion)
		if err != nil {
			t.Fatal(err)
		}
		if !apiequality.Semantic.DeepEqual(back, internal) {
			t.Errorf("%s: after a round trip %+v, before it %+v", plugin, back, internal)
		}
	}
}
