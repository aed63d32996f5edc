//go:build integration

package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/kubectlshoal"
	"github.com/shoal-dev/shoal/kubectlshoal/installation"
	"github.com/shoal-dev/shoal/kubectlshoal/snapshot"
)

// check runs `kubectl shoal check` and gives back its exit code and what it printed.
func (k kit) check(t *testing.T, args ...string) (int, string) {
	t.Helper()
	klog.SetLogger(logr.Discard())
	var out bytes.Buffer
	cmd := kubectlshoal.New(kubectlshoal.Environment{Streams: genericiooptions.IOStreams{Out: &out, ErrOut: &out}, Version: "dev", Now: time.Now})
	cmd.SetArgs(append([]string{"check", "--kubeconfig", k.Kubeconfig()}, args...))
	err := cmd.ExecuteContext(t.Context())
	code, tell := kubectlshoal.ExitCode(err)
	if tell {
		fmt.Fprintln(&out, err)
	}
	return code, out.String()
}

// testCheck: what a real API server has stored of our manifests counts as what ships, defaults and all, and faults do not.
func testCheck(t *testing.T, k kit) {
	eventually(t, time.Minute, "checking a playground", func() error {
		code, text := k.check(t, "-o", "json")
		r := installation.Report{}
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			return fmt.Errorf("exit %d: %s", code, text)
		}
		if code != 0 || r.Failures > 0 {
			return fmt.Errorf("exit %d: %s", code, text)
		}
		return nil
	})
	_, text := k.check(t)
	t.Log("\n" + text)
	for _, line := range strings.Split(text, "\n") {
		for _, area := range []string{"namespace", "kinds", "Shoal's rights", "protected labels", "API server's share", "configuration", "your rights"} {
			if strings.Contains(line, "  "+area+"  ") && !strings.HasPrefix(line, "ok ") {
				t.Errorf("a fresh playground: %s", line)
			}
		}
	}
	if code, text := k.check(t, "--pre"); code != 0 || !strings.Contains(text, "instancesets.shoal.dev is there already, as it ships") {
		t.Errorf("before the installation, exit %d: %s", code, text)
	}
	k.checkAsOthers(t)
	k.checkFaults(t)
}

// checkAsOthers: with the ClusterRole that ships everything can be looked at, and with less the exit code says so.
func (k kit) checkAsOthers(t *testing.T) {
	t.Helper()
	few := &rbacv1.ClusterRole{Rules: []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"nodes", "pods"}, Verbs: []string{"list"}}}}
	few.Name = "nodes-and-pods"
	if err := k.client.Create(t.Context(), few); err != nil {
		t.Fatal(err)
	}
	for user, role := range map[string]string{"on-call": snapshot.Role, "hardly-anybody": few.Name} {
		binding := &rbacv1.ClusterRoleBinding{
			RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
		}
		binding.Name = user
		if err := k.client.Create(t.Context(), binding); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, time.Minute, "checking with the ClusterRole "+snapshot.Role, func() error {
		if code, text := k.check(t, "--as", "on-call"); code != 0 || strings.Contains(text, "not checked") {
			return fmt.Errorf("exit %d: %s", code, text)
		}
		return nil
	})
	eventually(t, time.Minute, "checking with the rights to list nodes and pods", func() error {
		code, text := k.check(t, "--as", "hardly-anybody")
		if code != kubectlshoal.ExitPartial || !strings.Contains(text, "works, as far as could be seen") {
			return fmt.Errorf("exit %d: %s", code, text)
		}
		return nil
	})
}

func (k kit) checkFaults(t *testing.T) {
	told := func(want string) {
		t.Helper()
		if code, text := k.check(t); code != kubectlshoal.ExitBad || !strings.Contains(text, want) {
			t.Errorf("exit %d, want %q in:\n%s", code, want, text)
		}
	}
	role := &rbacv1.ClusterRole{}
	if err := k.client.Get(t.Context(), client.ObjectKey{Name: "shoal-manager"}, role); err != nil {
		t.Fatal(err)
	}
	before := role.DeepCopy()
	role.Rules[0].Verbs = append(role.Rules[0].Verbs, "delete")
	k.update(t, role)
	told("ClusterRole shoal-manager is not as it ships: rules[0].verbs has 5 entries instead of 4")
	role.Rules = before.Rules
	k.update(t, role)

	kind := &apiextensionsv1.CustomResourceDefinition{}
	if err := k.client.Get(t.Context(), client.ObjectKey{Name: "placementpolicies.shoal.dev"}, kind); err != nil {
		t.Fatal(err)
	}
	older := []byte(`[{"op":"remove","path":"/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/mode"}]`)
	back, err := json.Marshal(kind.Spec)
	if err != nil {
		t.Fatal(err)
	}
	if err := k.client.Patch(t.Context(), kind, client.RawPatch(types.JSONPatchType, older)); err != nil {
		t.Fatal(err)
	}
	told("placementpolicies.shoal.dev is not of this version: spec.versions[0].schema.openAPIV3Schema.properties.spec.properties.mode is missing")
	if err := k.client.Patch(t.Context(), kind, client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"spec":%s}`, back))); err != nil {
		t.Fatal(err)
	}
	if code, text := k.check(t); code != 0 {
		t.Errorf("after the repair, exit %d: %s", code, text)
	}
}

func (k kit) update(t *testing.T, o client.Object) {
	t.Helper()
	if err := k.client.Update(t.Context(), o); err != nil {
		t.Fatal(err)
	}
}
