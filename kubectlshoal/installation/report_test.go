package installation

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"k8s.io/kube-openapi/pkg/validation/spec"
	"k8s.io/kube-openapi/pkg/validation/strfmt"
	"k8s.io/kube-openapi/pkg/validation/validate"
)

func TestReportIsOfThePublishedForm(t *testing.T) {
	text, err := os.ReadFile("../../docs/schemas/check.v1.json")
	if err != nil {
		t.Fatal(err)
	}
	published := &spec.Schema{}
	if err := json.Unmarshal(text, published); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	w.renewed("shoal-manager", time.Hour)
	w.hides = only("ClusterRole")
	answer, err := json.Marshal(w.check(false))
	if err != nil {
		t.Fatal(err)
	}
	var value any
	if err := json.Unmarshal(answer, &value); err != nil {
		t.Fatal(err)
	}
	if result := validate.NewSchemaValidator(published, nil, "", strfmt.Default).Validate(value); !result.IsValid() {
		t.Errorf("%v\n%s", result.AsError(), answer)
	}
}

// Whoever may read nodes and pods alone hears that next to nothing was seen, and not that all is well.
func TestBlindCheckIsNotFine(t *testing.T) {
	w := newWorld(t)
	w.hides = func(kind string) bool { return kind != "Node" && kind != "Pod" }
	w.refused = func(_, resource string) bool { return resource != "nodes" && resource != "pods" }
	r := w.check(false)
	if r.Bad() || !r.Partial() || r.Complete {
		t.Errorf("bad %v, partial %v: %+v", r.Bad(), r.Partial(), r)
	}
	blind := 0
	for _, one := range r.Results {
		sees := one.Area == "API server" || one.Area == "your rights" || one.Area == "bandwidth"
		if sees == (one.State == NotChecked) {
			t.Errorf("%s is %s: %s", one.Area, one.State, one.Text)
		}
		if one.State == NotChecked {
			blind++
			if !strings.Contains(one.Next, "shoal-kubectl") {
				t.Errorf("%s: the advice is %q", one.Area, one.Next)
			}
		}
	}
	got := printed(t, r)
	if want := "1 warning, 0 failures: works, as far as could be seen: 14 of 17 checks could not read what they need\n"; blind != 14 || !strings.HasSuffix(got, want) {
		t.Errorf("%d checks were blind:\n%s", blind, got)
	}
	if strings.Count(got, "-> ") != 2 || strings.Count(got, "\nnot checked  ") != 14 {
		t.Errorf("the same advice again and again:\n%s", got)
	}
}

// What Shoal works without may stay unseen, but is told.
func TestOptionalPartsMayStayUnseen(t *testing.T) {
	w := newWorld(t)
	w.hides = only("FlowSchema")
	if r := w.check(false); r.Partial() || r.NotChecked != 1 || !strings.Contains(printed(t, r), "as far as could be seen: 1 of") {
		t.Errorf("%+v", r)
	}
}

// What could not be read does not hide what is wrong.
func TestFailureBesideWhatIsUnseen(t *testing.T) {
	w := newWorld(t)
	w.renewed("shoal-manager", time.Hour)
	w.hides = only("ClusterRole")
	if r := w.check(false); !r.Bad() || !strings.Contains(printed(t, r), ": not fine, and 2 of ") {
		t.Errorf("%+v", r)
	}
}

// A class that is wrong is told also where the sets may not be read that use it.
func TestClassesAreJudgedWithoutSets(t *testing.T) {
	w := newWorld(t)
	w.bindAtOnce("local")
	w.hides = only("InstanceSet")
	got := printed(t, w.check(false))
	for _, want := range []string{"you may not read instancesets", "no class waits for its first consumer"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

// The documentation shows what the check prints.
func TestDocumentedCheckIsReal(t *testing.T) {
	docs, err := os.ReadFile("../../docs/kubectl-shoal.md")
	if err != nil {
		t.Fatal(err)
	}
	blind := newWorld(t)
	blind.hides = func(kind string) bool { return kind == "ConfigMap" || kind == "Lease" || kind == "Deployment" }
	for _, r := range []*Report{newWorld(t).check(false), blind.check(false)} {
		if got := printed(t, r); !strings.Contains(string(docs), "$ kubectl shoal check\n"+got+"```\n") {
			t.Errorf("docs/kubectl-shoal.md does not show:\n%s", got)
		}
	}
}

func printed(t *testing.T, r *Report) string {
	t.Helper()
	var b strings.Builder
	if err := r.Print(&b, false, false); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// full is a disk without room.
type full struct{}

// Write fails.
func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestPrintTellsWhenNobodyReads(t *testing.T) {
	if err := newWorld(t).check(false).Print(full{}, false, false); err == nil {
		t.Error("it was not told")
	}
}
