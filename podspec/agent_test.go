package podspec

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/api/v1alpha1"
)

var rewrite = flag.Bool("rewrite", false, "write what is expected anew")

func withRoles() *v1alpha1.InstanceSet {
	set := testSet()
	set.Spec.Roles = []v1alpha1.InstanceRole{{Name: v1alpha1.RoleMaster, Exclusive: true}, {Name: v1alpha1.RoleReplica}}
	return set
}

var testAgent = Agent{Image: "registry.example/shoal-agent:v1", Manager: "shoal-manager.shoal-system.svc:9722"}

// The pod as it is created. What changes here changes the pods of everybody's sets, though not those that run.
func TestPodWithAgent(t *testing.T) {
	set := withRoles()
	pod := Pod(set, Instance{Ordinal: 4, Revision: Revision(set, nil), Agent: testAgent})
	pod.CreationTimestamp.Reset()
	got, err := yaml.Marshal(pod)
	if err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "pod-with-agent.yaml")
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
}

func TestTheSignerIsTheAgents(t *testing.T) {
	if AgentSigner != agent.Signer {
		t.Errorf("pods ask %s, agents name %s", AgentSigner, agent.Signer)
	}
}

// Nothing of the manager is in a revision: another version of it must not make pods that run look outdated.
func TestTheManagerIsInNoRevision(t *testing.T) {
	if got, want := Revision(testSet(), nil), "f1a83bc708"; got != want {
		t.Errorf("without roles %s, before %s", got, want)
	}
	if got, want := Revision(withRoles(), nil), "1b74e41d42"; got != want {
		t.Errorf("with roles %s, before %s", got, want)
	}
}

// A pod from before has no agent: a set that gets roles is rolled out.
func TestRolesAndTheEnginesPortAreInTheRevision(t *testing.T) {
	other := withRoles()
	other.Spec.Rebuild.Port = 6380
	if a, b, c := Revision(testSet(), nil), Revision(withRoles(), nil), Revision(other, nil); a == b || b == c {
		t.Errorf("%s, %s, %s", a, b, c)
	}
}

func TestWhoHasAnAgent(t *testing.T) {
	for name, c := range map[string]struct {
		set  *v1alpha1.InstanceSet
		with Agent
		want string
	}{
		"a set with roles":           {withRoles(), testAgent, testAgent.Image},
		"a set without roles":        {testSet(), testAgent, ""},
		"a manager without an image": {withRoles(), Agent{}, ""},
	} {
		pod := Pod(c.set, Instance{Agent: c.with})
		if got := AgentImage(pod); got != c.want || HasAgent(pod) != (c.want != "") {
			t.Errorf("%s: image %q, want %q", name, got, c.want)
		}
	}
}

// The agent's certificate is for the agent: what a template has under its names is not what runs.
func TestTheTemplateDoesNotReplaceTheAgent(t *testing.T) {
	set := withRoles()
	always := corev1.ContainerRestartPolicyAlways
	set.Spec.Template.Spec.InitContainers = []corev1.Container{{Name: "first"}, {Name: AgentContainer, Image: "mine", RestartPolicy: &always}}
	set.Spec.Template.Spec.Volumes = []corev1.Volume{{Name: AgentContainer}, {Name: "tmp"}}
	before := set.DeepCopy()
	pod := Pod(set, Instance{Agent: testAgent})
	containers, volumes := pod.Spec.InitContainers, pod.Spec.Volumes
	if len(containers) != 2 || containers[0].Name != "first" || containers[1].Image != testAgent.Image {
		t.Errorf("init containers %+v", containers)
	}
	if n := slices.IndexFunc(volumes, func(v corev1.Volume) bool { return v.Name == AgentContainer }); len(volumes) != 3 || volumes[n].Projected == nil {
		t.Errorf("volumes %+v", volumes)
	}
	if set.Spec.Template.Spec.InitContainers[1].Image != before.Spec.Template.Spec.InitContainers[1].Image {
		t.Error("the template was changed")
	}
}

// A pod whose containers have requests as limits is the last that a node evicts. The agent must not change that.
func TestAGuaranteedPodStaysOne(t *testing.T) {
	for _, c := range Pod(withRoles(), Instance{Agent: testAgent}).Spec.InitContainers {
		for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
			request, limit := c.Resources.Requests[name], c.Resources.Limits[name]
			if request.IsZero() || request.Cmp(limit) != 0 {
				t.Errorf("%s: request %s, limit %s", name, request.String(), limit.String())
			}
		}
	}
}
