package switchover

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/reason"
)

// TestScenarios runs testdata. `cluster` takes a set of three instances in one shard: each line is `r-0 master|replica [lost]`, or
// `paused`. `run ARGS` runs the command; the lines below are what the manager does, one before each look:
//
//	waits CODE-NAME TEXT...      it has not begun
//	begins FROM                  it has
//	step DO INSTANCE TEXT...     a step, 20 ms after the one before
//	ends RESULT NAME TEXT...     complete with RESULT HandedOver, failed otherwise; `ends! ...` is complete whatever it is
//	deleted                      somebody deletes it
//	ctrl-c                       the person goes
//	nothing                      is heard of the manager for ten seconds
//	refused                      before the first look: the API server takes no Switchovers
func TestScenarios(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		var w *world
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "cluster":
				w = newWorld(t, strings.Split(d.Input, "\n"))
				return "ok\n"
			case "run":
				var args []string
				for _, a := range d.CmdArgs {
					args = append(args, a.String())
				}
				return w.run(t, args, strings.Split(d.Input, "\n"))
			}
			t.Fatalf("%s: unknown command %q", d.Pos, d.Cmd)
			return ""
		})
	})
}

// world is a cluster whose clock moves with each look, and whose manager does what a test says.
type world struct {
	client.Client
	now     time.Time
	script  []string
	object  string
	stop    context.CancelFunc
	refused bool
}

func newWorld(t *testing.T, lines []string) *world {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	w := &world{now: time.Unix(1_700_000_000, 0).UTC()}
	set := &v1alpha1.InstanceSet{ObjectMeta: metav1.ObjectMeta{Namespace: "redis", Name: "r", UID: "set"}}
	set.Spec.ShardSize, set.Spec.Roles = ptr.To[int32](3), []v1alpha1.InstanceRole{{Name: v1alpha1.RoleMaster}}
	b := fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(&v1alpha1.Switchover{})
	for n, line := range lines {
		words := strings.Fields(line)
		switch {
		case len(words) == 0:
			continue
		case words[0] == "paused":
			set.Spec.Paused = true
			continue
		}
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
			Namespace: "redis", Name: words[0],
			Labels:          map[string]string{v1alpha1.LabelInstanceSet: "r", v1alpha1.LabelShard: "r-0", v1alpha1.LabelRole: words[1]},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: v1alpha1.GroupVersion.String(), Kind: "InstanceSet", Name: "r", UID: "set", Controller: ptr.To(true)}},
		}}
		if pod.Spec.NodeName = fmt.Sprint("node-", n); len(words) > 2 {
			pod.Labels[v1alpha1.LabelLost] = "uid"
		}
		b.WithObjects(pod)
	}
	w.Client = b.WithObjects(set).WithInterceptorFuncs(interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			if w.refused {
				return apierrors.NewForbidden(v1alpha1.Resource("switchovers"), "", errors.New("you may not create it"))
			}
			o.SetName(o.GetGenerateName() + "abcde")
			o.SetCreationTimestamp(metav1.NewTime(w.now))
			w.object = o.GetName()
			return c.Create(ctx, o, opts...)
		},
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			w.next(t)
			return c.Get(ctx, key, o, opts...)
		},
	}).Build()
	return w
}

// next does what the manager does before a look.
func (w *world) next(t *testing.T) {
	t.Helper()
	w.now = w.now.Add(20 * time.Millisecond)
	if len(w.script) == 0 {
		return
	}
	words := strings.Fields(w.script[0])
	w.script = w.script[1:]
	if len(words) == 0 {
		return
	}
	var list v1alpha1.SwitchoverList
	if err := w.List(t.Context(), &list); err != nil || len(list.Items) != 1 {
		t.Fatal(err, len(list.Items))
	}
	s := &list.Items[0]
	switch words[0] {
	case "nothing":
		w.now = w.now.Add(10 * time.Second)
		return
	case "ctrl-c":
		w.stop()
		return
	case "deleted":
		if err := w.Delete(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		return
	case "waits":
		conditions(s, words[1], strings.Join(words[2:], " "), "")
	case "begins":
		s.Status.From, s.Status.StartedAt = words[1], ptr.To(metav1.NewTime(w.now))
		s.Status.Attempts++
		code := reason.SwitchoverRunning
		if s.Status.Attempts > 1 {
			code = reason.SwitchoverContinued
		}
		conditions(s, code.Name(), code.Message(), v1alpha1.ConditionProgressing)
	case "step":
		s.Status.Steps = append(s.Status.Steps, v1alpha1.SwitchoverStep{At: metav1.NewMicroTime(w.now), Do: words[1], Instance: strings.Trim(words[2], "-"), Message: strings.Join(words[3:], " ")})
		if words[1] == "Promote" {
			s.Status.To = words[2]
		}
	case "ends", "ends!":
		s.Status.Result, s.Status.CompletedAt = v1alpha1.SwitchoverResult(words[1]), ptr.To(metav1.NewTime(w.now))
		yes := v1alpha1.ConditionFailed
		if words[0] == "ends!" || s.Status.Result == v1alpha1.SwitchoverHandedOver {
			yes = v1alpha1.ConditionComplete
		}
		conditions(s, words[2], strings.Join(words[3:], " "), yes)
	default:
		t.Fatalf("unknown line %q", words)
	}
	if err := w.Status().Update(t.Context(), s); err != nil {
		t.Fatal(err)
	}
}

func conditions(s *v1alpha1.Switchover, cause, message, yes string) {
	for _, kind := range []string{v1alpha1.ConditionProgressing, v1alpha1.ConditionComplete, v1alpha1.ConditionFailed} {
		c := metav1.Condition{Type: kind, Status: metav1.ConditionFalse, Reason: cause, Message: message, LastTransitionTime: metav1.NewTime(time.Unix(1_700_000_000, 0).UTC())}
		if kind == yes {
			c.Status = metav1.ConditionTrue
		}
		meta.SetStatusCondition(&s.Status.Conditions, c)
	}
}

var errBad = errors.New("bad")

func (w *world) run(t *testing.T, args, script []string) string {
	t.Helper()
	var out, problems bytes.Buffer
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	w.script, w.stop = script, stop
	if w.refused = len(script) > 0 && script[0] == "refused"; w.refused {
		w.script = nil
	}
	cmd := New(Environment{
		Out: &out, ErrOut: &problems, Now: func() time.Time { return w.now }, Namespace: func() (string, error) { return "redis", nil },
		Connect: func() (client.Client, error) { return w.Client, nil }, Bad: errBad, Poll: time.Millisecond,
	})
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	cmd.SetOut(&out)
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(ctx)
	text := out.String() + problems.String()
	switch {
	case errors.Is(err, errBad):
		text += "exit 2\n"
	case err != nil:
		text += "error: " + err.Error() + "\n"
	}
	return text
}
