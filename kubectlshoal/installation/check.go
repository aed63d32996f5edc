package installation

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/version"
	kubernetes "k8s.io/component-base/version"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/kubectlshoal/answer"
	"github.com/shoal-dev/shoal/kubectlshoal/snapshot"
)

// namespace is that of manifests/namespace.
const namespace = "shoal-system"

// install is what to do when something is not there.
const install = "kubectl apply --server-side -k manifests/install (docs/install.md)"

// Cluster is what is checked.
type Cluster struct {
	// Client reads, and creates SelfSubjectAccessReviews, which are questions.
	Client client.Client
	// Server is the version of the API server.
	Server version.Info
	Now    time.Time
	// Program is the version of this program; "dev" is compared with nothing.
	Program string
}

type check struct {
	area   string
	before bool // part of the check before the installation
	after  bool
	// optional is what Shoal works without: where it cannot be read, no failure is missed.
	optional bool
	run      func(Cluster, context.Context) []Result
}

// checks are all of them, in the order in which a person would look.
var checks = []check{
	{"API server", true, true, false, Cluster.apiServer},
	{"your rights", true, false, false, Cluster.rightsToInstall},
	{"your rights", false, true, false, Cluster.rightsToRead},
	{"namespace", false, true, false, folder("namespace", Failure)},
	{"kinds", false, true, false, Cluster.kinds},
	{"kinds", true, false, false, Cluster.leftOver},
	{"Shoal's rights", false, true, false, folder("rbac", Failure)},
	{"protected labels", false, true, false, folder("admission", Failure)},
	{"API server's share", false, true, true, folder("flowcontrol", Warning)},
	{"configuration", false, true, false, Cluster.configuration},
	{"scheduler", false, true, false, program("shoal-scheduler")},
	{"manager", false, true, false, program("shoal-manager")},
	{"nodes", true, false, false, Cluster.nodes},
	{"storage", true, true, false, Cluster.storage},
	{"bandwidth", false, true, true, Cluster.bandwidth},
	{"monitoring", false, true, true, Cluster.monitoring},
}

// Check looks at the cluster, before an installation or after it.
func Check(ctx context.Context, c Cluster, before bool) *Report {
	r := &Report{APIVersion: answer.ExplainVersion, Kind: Kind, Before: before, Server: c.Server.GitVersion, Complete: true}
	for _, one := range checks {
		if before && one.before || !before && one.after {
			r.add(one, one.run(c, ctx)...)
		}
	}
	return r
}

// oldest is the first minor version of Kubernetes 1 that serves all that is installed: ValidatingAdmissionPolicies.
const oldest = 30

func (c Cluster) apiServer(context.Context) []Result {
	_, text, _ := strings.Cut(kubernetes.DefaultKubeBinaryVersion, ".")
	tested, _ := strconv.Atoi(text)
	minor, err := strconv.Atoi(strings.TrimSuffix(c.Server.Minor, "+"))
	switch {
	case err != nil || c.Server.Major != "1":
		return []Result{warning("kubectl version", "version %q is not understood", c.Server.GitVersion)}
	case minor < oldest:
		return []Result{failure(fmt.Sprintf("upgrade Kubernetes, best to 1.%d", tested), "%s is too old: it has no ValidatingAdmissionPolicies, which came with 1.%d", c.Server.GitVersion, oldest)}
	case minor != tested:
		return []Result{warning(fmt.Sprintf("try it on a cluster that nobody needs first, or use Kubernetes 1.%d", tested), "%s: Shoal is built from 1.%d and tested with that alone", c.Server.GitVersion, tested)}
	}
	return []Result{ok("%s, the version with which Shoal is tested", c.Server.GitVersion)}
}

// missing reports whether an error says that something is not there, or not even its kind.
func missing(err error) bool { return apierrors.IsNotFound(err) || meta.IsNoMatchError(err) }

// ask is what to do about what may not be read.
const ask = "ask for the ClusterRole " + snapshot.Role + ": kubectl create clusterrolebinding NAME --clusterrole " + snapshot.Role + " --user YOU"

// unread is the result for what could not be read.
func unread(what string, err error) Result {
	if apierrors.IsForbidden(err) {
		return Result{State: NotChecked, Text: "you may not read " + what, Next: ask}
	}
	return Result{State: NotChecked, Text: fmt.Sprintf("reading %s: %v", what, err)}
}
