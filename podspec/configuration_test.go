package podspec

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

func withParameters(set *v1alpha1.InstanceSet, parameters ...string) *v1alpha1.InstanceSet {
	set = set.DeepCopy()
	set.Spec.Configuration = &v1alpha1.Configuration{Container: "redis"}
	for _, p := range parameters {
		name, value, _ := strings.Cut(p, "=")
		set.Spec.Configuration.Parameters = append(set.Spec.Configuration.Parameters, v1alpha1.ConfigurationParameter{Name: name, Value: value})
	}
	return set
}

// The parts of a pod that a configuration adds. What changes here changes the pods of everybody's sets, though not those that run.
func TestPodWithConfiguration(t *testing.T) {
	set := withParameters(withRoles(), "maxmemory=1gb", "hz=20")
	set.Spec.Template.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "mine", MountPath: "/etc/shoal/"}, {Name: "data", MountPath: "/data"}}
	set.Spec.Template.Spec.Volumes = []corev1.Volume{{Name: "shoal-configuration"}, {Name: "mine"}}
	before := set.DeepCopy()
	pod := Pod(set, Instance{Ordinal: 4, Revision: Revision(set, nil), Agent: testAgent})
	pod.CreationTimestamp.Reset()
	got, err := yaml.Marshal(pod)
	if err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "pod-with-configuration.yaml")
	if *rewrite {
		if err := os.WriteFile(golden, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("got:\n%s\nwant what is in %s (-rewrite writes it)", got, golden)
	}
	if set.Spec.Template.Spec.Containers[0].VolumeMounts[0].Name != before.Spec.Template.Spec.Containers[0].VolumeMounts[0].Name || set.Spec.Configuration.Parameters[0].Name != "maxmemory" {
		t.Error("the set was changed")
	}
}

func TestDiffOfConfigurations(t *testing.T) {
	set := withParameters(diffSet(), "maxmemory=1gb", "io-threads=1", "databases=16", "save=")
	for name, c := range map[string]struct {
		is   []string
		want []string
	}{
		"nothing":        {[]string{"save=", "databases=16", "io-threads=1", "maxmemory=1gb"}, nil},
		"dynamic":        {[]string{"maxmemory=2gb", "io-threads=1", "databases=16", "save="}, []string{"configuration: configuration[maxmemory] from 1gb to 2gb: the agent changes the engine that runs"}},
		"static":         {[]string{"maxmemory=1gb", "io-threads=4", "databases=16", "save="}, []string{"configuration, restarts redis: configuration[io-threads] from 1 to 4: the engine reads it when it starts"}},
		"immutable":      {[]string{"maxmemory=1gb", "io-threads=1", "databases=32", "save="}, []string{"refused: configuration[databases] from 16 to 32: it can be given when an instance is made"}},
		"one more":       {[]string{"maxmemory=1gb", "io-threads=1", "databases=16", "save=", "hz=20"}, []string{"configuration: configuration[hz] is added (20): "}},
		"one less":       {[]string{"maxmemory=1gb", "io-threads=1", "databases=16"}, []string{`configuration, restarts redis: configuration[save] is removed (""): the engine's own value`}},
		"one less fixed": {[]string{"maxmemory=1gb", "io-threads=1", "save="}, []string{"refused: configuration[databases] is removed (16): it can be given"}},
		"unknown":        {[]string{"maxmemory=1gb", "io-threads=1", "databases=16", "save=", "requirepass=x"}, []string{"refused: configuration[requirepass] is added: Shoal knows no such"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := Diff(before(set), before(set), before(withParameters(diffSet(), c.is...)))
			if len(got) != len(c.want) {
				t.Fatalf("got %v, want %q", got, c.want)
			}
			for i, d := range got {
				if !strings.HasPrefix(d.String(), c.want[i]) {
					t.Errorf("got %q, want %q", d, c.want[i])
				}
			}
		})
	}
}

// A parameter that is given in another order, or a container that is named as it is by default, is no other revision.
func TestARevisionOfParameters(t *testing.T) {
	a, b := withParameters(withRoles(), "maxmemory=1gb", "hz=20"), withParameters(withRoles(), "hz=20", "maxmemory=1gb")
	b.Spec.Configuration.Container = ""
	if x, y, z := Revision(a, nil), Revision(b, nil), Revision(withRoles(), nil); x != y || x == z {
		t.Errorf("%s, %s, without %s", x, y, z)
	}
	asked, err := ParseAsked(Ask(a, nil).Encode())
	if err != nil {
		t.Fatal(err)
	}
	other := withParameters(withRoles(), "maxmemory=9gb")
	pod := Pod(other, Instance{Asked: asked, Agent: testAgent})
	if got := GivenConfiguration(pod); got != ConfigurationRevision(a.Spec.Configuration) {
		t.Errorf("a pod of the former revision is given %s, want %s", got, ConfigurationRevision(a.Spec.Configuration))
	}
	none, err := ParseAsked(Ask(withRoles(), nil).Encode())
	if err != nil {
		t.Fatal(err)
	}
	if pod := Pod(other, Instance{Asked: none, Agent: testAgent}); pod.Annotations[v1alpha1.AnnotationConfiguration] != "" || len(pod.Spec.Containers[0].VolumeMounts) > 0 {
		t.Error("a pod of a revision without configuration has one")
	}
}

// Configuration as a whole comes and goes with volumes; and without roles nobody would apply it.
func TestConfigurationAsAWholeTakesANewPod(t *testing.T) {
	with, without := withParameters(diffSet(), "maxmemory=1gb"), diffSet()
	for _, pair := range [][2]*v1alpha1.InstanceSet{{with, without}, {without, with}} {
		got := Diff(before(pair[0]), before(pair[0]), before(pair[1]))
		at := slices.IndexFunc(got, func(d Difference) bool { return d.Path == "configuration" })
		if at < 0 || slices.ContainsFunc(got, func(d Difference) bool { return d.Class != Recreate }) {
			t.Errorf("%v", got)
		}
	}
	plain := withParameters(testSet(), "maxmemory=1gb")
	if pod := before(plain); pod.Annotations[v1alpha1.AnnotationConfiguration] != "" || Revision(plain, nil) != Revision(testSet(), nil) {
		t.Error("a set without roles has a configuration")
	}
}

// Shoal is upgraded, and its agents are given their configuration in another way: no pod that runs may move for it, also not one
// that gets another parameter.
func TestAnotherManagerLeavesConfigurationsAlone(t *testing.T) {
	set := withParameters(diffSet(), "maxmemory=1gb")
	live := before(set)
	live.Spec.Volumes = slices.DeleteFunc(live.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == "shoal-agent-configuration" })
	live.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "former", MountPath: "/etc/former"}}
	for i := range live.Spec.InitContainers {
		live.Spec.InitContainers[i].Args, live.Spec.InitContainers[i].StartupProbe = []string{"--former"}, nil
	}
	if got := Diff(before(set), live, before(set)); got != nil {
		t.Errorf("the same template: %v", got)
	}
	edited := live.DeepCopy()
	edited.Annotations[v1alpha1.AnnotationConfiguration] = "{}"
	if got := Diff(before(set), edited, before(set)); got != nil {
		t.Errorf("the same template, and an annotation that somebody has edited: %v", got)
	}
	got := Diff(before(set), live, before(withParameters(diffSet(), "maxmemory=2gb")))
	if len(got) != 1 || got[0].Class != InPlaceConfiguration {
		t.Errorf("another parameter: %v", got)
	}
}

// An update that was interrupted does nothing twice, and what somebody has put into the annotation is replaced.
func TestAConfigurationIsGivenOnce(t *testing.T) {
	set := withParameters(diffSet(), "maxmemory=1gb")
	want := before(withParameters(diffSet(), "maxmemory=2gb"))
	live := before(set)
	live = Applied(live, want, Diff(before(set), live, want), InPlaceConfiguration)
	if got := Diff(before(set), live, want); len(got) > 0 || GivenConfiguration(live) != GivenConfiguration(want) {
		t.Errorf("%v", got)
	}
	live.Annotations[v1alpha1.AnnotationConfiguration] = "{"
	got := Diff(before(set), live, want)
	if len(got) != 1 || got[0].Class != InPlaceConfiguration || !got[0].Restarts {
		t.Fatalf("%v", got)
	}
	if again := Applied(live, want, got, InPlaceConfiguration); GivenConfiguration(again) != GivenConfiguration(want) {
		t.Error("it stays")
	}
}

func TestTemplatesCannotCarryAConfiguration(t *testing.T) {
	set := withRoles()
	set.Spec.Template.Annotations = map[string]string{v1alpha1.AnnotationConfiguration: "{}", v1alpha1.AnnotationRestartMaster: "x"}
	if got := before(set).Annotations; got[v1alpha1.AnnotationConfiguration] != "" || got[v1alpha1.AnnotationRestartMaster] != "" {
		t.Errorf("%v", got)
	}
}
