package kubectlshoal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/yaml"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/kubectlshoal/snapshot"
	"github.com/shoal-dev/shoal/manifests"
	"github.com/shoal-dev/shoal/podspec"
)

// written runs a command that writes to a cluster, and tells what it wrote.
func written(t *testing.T, file string, d *datadriven.TestData) string {
	t.Helper()
	in, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	cluster, err := snapshot.Load(in)
	if err != nil {
		t.Fatal(err)
	}
	scheme, err := snapshot.Scheme()
	if err != nil {
		t.Fatal(err)
	}
	b := fake.NewClientBuilder().WithScheme(scheme)
	for _, o := range cluster.Objects() {
		o.SetResourceVersion("")
		b.WithObjects(o)
	}
	how := ""
	if len(d.CmdArgs) > 0 {
		how = d.CmdArgs[0].Key
	}
	var out, writes bytes.Buffer
	c := b.WithInterceptorFuncs(interceptor.Funcs{Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
		return patched(ctx, c, o, p, opts, how, &writes)
	}}).Build()
	o := &options{Environment: Environment{
		Streams: genericiooptions.IOStreams{Out: &out, ErrOut: &out}, Now: func() time.Time { return time.Unix(1_700_000_000, 0) },
	}, cluster: genericclioptions.NewConfigFlags(true), writes: c}
	*o.cluster.Namespace = "default"
	cmd := newRollout(o)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(strings.Fields(strings.TrimPrefix(d.Input, "rollout ")))
	err = cmd.ExecuteContext(t.Context())
	code, tell := ExitCode(err)
	text := out.String() + writes.String()
	if tell {
		text += "kubectl shoal: " + Told(err) + "\n"
	}
	if code != 0 {
		text += fmt.Sprintf("exit %d\n", code)
	}
	return text
}

// patched carries out a patch, unless the scenario says otherwise, and tells what came of it.
func patched(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts []client.PatchOption, how string, writes *bytes.Buffer) error {
	switch how {
	case "forbidden":
		return apierrors.NewForbidden(v1alpha1.Resource("instancesets"), o.GetName(), errors.New("you may not patch it"))
	case "meanwhile":
		set := &v1alpha1.InstanceSet{}
		if err := c.Get(ctx, client.ObjectKeyFromObject(o), set); err != nil {
			return err
		}
		set.Generation++
		if err := c.Update(ctx, set); err != nil {
			return err
		}
	}
	text, err := p.Data(o)
	if err != nil {
		return err
	}
	options := (&client.PatchOptions{}).ApplyOptions(opts)
	fmt.Fprintf(writes, "PATCH %s as %s%s: %s\n", p.Type(), options.FieldManager, map[bool]string{true: ", dry run"}[len(options.DryRun) > 0], text)
	if err := c.Patch(ctx, o, p, opts...); err != nil {
		return err
	}
	set := &v1alpha1.InstanceSet{}
	if err := c.Get(ctx, client.ObjectKeyFromObject(o), set); err != nil {
		return err
	}
	fmt.Fprintf(writes, "then: paused %v, image %s, revision %s, cause %q\n", set.Spec.Paused, set.Spec.Template.Spec.Containers[0].Image, podspec.Revision(set, nil),
		set.Annotations[v1alpha1.AnnotationChangeCause])
	return nil
}

// The ClusterRole shoal-rollout has each right that the commands ask for, and no other.
func TestRolloutRoleHasTheRightsThatAreUsed(t *testing.T) {
	text, err := manifests.Files.ReadFile("rbac/kubectl.yaml")
	if err != nil {
		t.Fatal(err)
	}
	granted := map[string]bool{}
	for document := range strings.SplitSeq(string(text), "\n---\n") {
		role := &rbacv1.ClusterRole{}
		if err := yaml.Unmarshal([]byte(document), role); err != nil {
			t.Fatal(err)
		}
		for _, rule := range role.Rules {
			for _, verb := range rule.Verbs {
				for _, resource := range rule.Resources {
					if role.Name == "shoal-rollout" {
						granted[verb+" "+rule.APIGroups[0]+" "+resource] = true
					}
				}
			}
		}
	}
	scheme, err := snapshot.Scheme()
	if err != nil {
		t.Fatal(err)
	}
	asked := map[string]bool{}
	record := func(verb string, o runtime.Object) {
		gvk, err := apiutil.GVKForObject(o, scheme)
		if err != nil {
			t.Fatal(err)
		}
		gvk.Kind = strings.TrimSuffix(gvk.Kind, "List")
		resource, _ := meta.UnsafeGuessKindToResource(gvk)
		asked[verb+" "+gvk.Group+" "+resource.Resource] = true
	}
	set := &v1alpha1.InstanceSet{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "s", UID: "u", Generation: 1}}
	set.Spec.Template.Spec.Containers = []corev1.Container{{Name: "redis", Image: "redis:8"}}
	before := set.DeepCopy()
	before.Spec.Template.Spec.Containers[0].Image = "redis:7"
	past := recorded(before, pastTemplate{Number: 1})
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(set, past).WithInterceptorFuncs(interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			record("list", list)
			return c.List(ctx, list, opts...)
		},
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			record("get", o)
			return c.Get(ctx, key, o, opts...)
		},
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			record("patch", o)
			return c.Patch(ctx, o, p, opts...)
		},
	}).Build()
	for _, command := range []string{"pause s", "resume s", "undo s"} {
		o := &options{Environment: Environment{Streams: genericiooptions.NewTestIOStreamsDiscard(), Now: time.Now}, cluster: genericclioptions.NewConfigFlags(true), writes: c}
		*o.cluster.Namespace = "default"
		cmd := newRollout(o)
		cmd.SetArgs(strings.Fields(command))
		if err := cmd.ExecuteContext(t.Context()); err != nil {
			t.Errorf("%s: %v", command, err)
		}
	}
	if len(asked) == 0 || !maps.Equal(asked, granted) {
		t.Errorf("asked for %v\ngranted  %v", slices.Sorted(maps.Keys(asked)), slices.Sorted(maps.Keys(granted)))
	}
}
