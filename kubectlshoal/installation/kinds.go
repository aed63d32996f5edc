package installation

import (
	"context"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// eachKind looks at the CRDs that ship, and at what there is of each in the cluster: nil for nothing. The result of one that
// could not be read stands already; one without a text is left out.
func (c Cluster) eachKind(ctx context.Context, look func(ships, live *unstructured.Unstructured) Result) []Result {
	objects, err := shipped("crds")
	if err != nil {
		return []Result{failure("", "%v", err)}
	}
	var results []Result
	for _, o := range objects {
		live, err := c.live(ctx, o)
		var one Result
		switch {
		case missing(err):
			one = look(o, nil)
		case err != nil:
			one = unread(named(o), err)
		default:
			one = look(o, live)
		}
		if one.Text != "" {
			results = append(results, one)
		}
	}
	return results
}

// kinds checks that the CRDs are there, served, and of the version of this program: where a field is missing, what it says is
// dropped without a word.
func (c Cluster) kinds(ctx context.Context) []Result { return c.eachKind(ctx, kind) }

func kind(ships, live *unstructured.Unstructured) Result {
	if live == nil {
		return failure(install, "%s is missing", ships.GetName())
	}
	if live.GetDeletionTimestamp() != nil {
		return failure("docs/install.md, Uninstall, says how it ends", "%s is being deleted", live.GetName())
	}
	if older := differences(ships, live); older != "" {
		return failure(install, "%s is not of this version: %s", live.GetName(), older)
	}
	var newer []string
	compare("spec.versions", field(live, "spec", "versions"), field(ships, "spec", "versions"), &newer)
	if len(newer) > 0 {
		return warning("use the kubectl-shoal of the version that is installed", "%s is newer than this program: here, %s", live.GetName(), listed(newer))
	}
	if !established(live) {
		return failure("kubectl describe crd "+live.GetName(), "%s is not served yet", live.GetName())
	}
	return ok("%s as shipped", live.GetName())
}

func field(u *unstructured.Unstructured, path ...string) any {
	value, _, _ := unstructured.NestedFieldNoCopy(u.Object, path...)
	return value
}

func established(u *unstructured.Unstructured) bool {
	conditions, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
	for _, c := range conditions {
		if condition, _ := c.(map[string]any); condition["type"] == "Established" {
			return condition["status"] == "True"
		}
	}
	return false
}

// leftOver looks for kinds of an earlier installation.
func (c Cluster) leftOver(ctx context.Context) []Result {
	results := c.eachKind(ctx, func(ships, live *unstructured.Unstructured) Result {
		switch {
		case live == nil:
			return Result{}
		case live.GetDeletionTimestamp() != nil:
			return failure("docs/install.md, Uninstall, says how it ends", "%s of an earlier installation is being deleted", ships.GetName())
		case differences(ships, live) != "":
			return warning("read \"Before you upgrade\" in CHANGELOG.md", "%s of another version is there and would be replaced: %s", ships.GetName(), differences(ships, live))
		}
		return ok("%s is there already, as it ships", ships.GetName())
	})
	if len(results) == 0 {
		results = append(results, ok("none of an earlier installation"))
	}
	return results
}
