package kubectlshoal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/kubectlshoal/answer"
	"github.com/shoal-dev/shoal/kubectlshoal/lint"
	"github.com/shoal-dev/shoal/kubectlshoal/snapshot"
)

// owner is the manager of the fields that these commands write.
const owner = client.FieldOwner("kubectl-shoal")

func newPause(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "pause SET",
		Short: "Write nothing more to the pods and claims of a set: its update stops where it is",
		Long: `Sets spec.paused. Nothing is written to the set's pods and claims any more: an update stops where it is, and so do scaling,
rebuilds and the replacement of pods that have ended. What was written before is still carried out by the kubelets.`,
		Example:           `  kubectl shoal rollout pause cache -n redis`,
		ValidArgsFunction: o.completeSet,
		RunE: func(cmd *cobra.Command, args []string) error {
			return hinted(o.setPaused(cmd.Context(), "rollout pause", args, true))
		},
	}
}

func newResume(o *options) *cobra.Command {
	return &cobra.Command{
		Use:               "resume SET",
		Short:             "Let a set that is paused go on",
		Long:              `Takes spec.paused away: the update of the set, scaling and rebuilds go on.`,
		Example:           `  kubectl shoal rollout resume cache -n redis`,
		ValidArgsFunction: o.completeSet,
		RunE: func(cmd *cobra.Command, args []string) error {
			return hinted(o.setPaused(cmd.Context(), "rollout resume", args, false))
		},
	}
}

func newUndo(o *options) *cobra.Command {
	number, dryRun := int64(0), false
	cmd := &cobra.Command{
		Use:   "undo SET",
		Short: "Put an earlier template of a set back, and say what comes of it",
		Long: `Writes the pod template of an earlier revision to spec.template of the set, and nothing else but its change cause. The manager brings it
to the instances as any other template: those that the bad one has broken come first. It says what that takes, as 'diff' does.

Without --to-revision it is the revision that the last update ended with or, when that is asked for, the one before. What would not be
carried out, such as a new pod under inPlace: Only, is not written. Whoever applies the set from a file has to put the template
back there, too.

For this command, exit code 2 says that nothing was written, since it would not be carried out.`,
		Example: `  kubectl shoal rollout undo cache -n redis --dry-run      # what would come of it
  kubectl shoal rollout undo cache -n redis
  kubectl shoal rollout undo cache --to-revision 3`,
		ValidArgsFunction: o.completeSet,
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("to-revision") && number < 1 {
				return errors.New("--to-revision: they count from 1 (kubectl shoal rollout history SET)")
			}
			return hinted(o.undo(cmd.Context(), args, number, dryRun))
		},
	}
	cmd.Flags().Int64Var(&number, "to-revision", 0, "the number of the revision, as 'rollout history' has it")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "write nothing: say what would come of it, and ask the API server whether it would take it")
	return cmd
}

// hinted adds to an error that nobody answered what may be the reason.
func hinted(err error) error {
	if unreached := (&url.Error{}); errors.As(err, &unreached) {
		return fmt.Errorf("%w; is the cluster up, and the right one (KUBECONFIG, --context)?", err)
	}
	return err
}

// toWrite is a client of the cluster, and the set that the arguments of a command name.
func (o *options) toWrite(command string, args []string) (c client.Client, namespace, name string, err error) {
	if namespace, err = o.namespace(); err != nil {
		return nil, "", "", err
	}
	if name, err = setOf(command, args); err != nil {
		return nil, "", "", err
	}
	c, err = o.writer(command)
	return c, namespace, name, err
}

func (o *options) setPaused(ctx context.Context, command string, args []string, paused bool) error {
	c, namespace, name, err := o.toWrite(command, args)
	if err != nil {
		return err
	}
	read, err := snapshot.ReadSets(ctx, c, o.Now(), namespace)
	if err != nil {
		return err
	}
	s, err := answer.RolloutOf(read, namespace, name)
	if err != nil {
		return err
	}
	set := snapshot.Find(read.Sets, namespace, name)
	var value any // what is null is taken away, and with it who owns it
	if paused {
		value = true
	}
	switch {
	case set.DeletionTimestamp != nil:
		return fmt.Errorf("InstanceSet %s is being deleted", name)
	case set.Spec.Paused != paused:
		text, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": set.UID}, "spec": map[string]any{"paused": value}})
		if err == nil {
			err = c.Patch(ctx, set.DeepCopy(), client.RawPatch(types.MergePatchType, text), owner)
		}
		if err != nil {
			return fmt.Errorf("writing spec.paused of InstanceSet %s: %w", name, err)
		}
	}
	state := map[bool]string{true: "is paused", false: "is not paused any more"}[paused]
	if set.Spec.Paused == paused {
		state = map[bool]string{true: "was paused already", false: "was not paused"}[paused]
	}
	text := fmt.Sprintf("InstanceSet %s/%s %s; %d of %s updated\n", namespace, name, state, s.Updated, answer.Count(s.Instances, "instance"))
	if paused {
		text += fmt.Sprintf("Nothing is written to its pods and claims, be it for updates, scaling or rebuilds. To go on: kubectl shoal rollout resume %s -n %s\n", name, namespace)
	} else if s.Updated < s.Instances {
		text += fmt.Sprintf("How it goes on: kubectl shoal rollout status %s -n %s -w\n", name, namespace)
	}
	return o.say(text)
}

func (o *options) say(text string) error {
	if _, err := o.Streams.Out.Write([]byte(text)); err != nil {
		return fmt.Errorf("writing the answer: %w", err)
	}
	return nil
}

func (o *options) undo(ctx context.Context, args []string, number int64, dryRun bool) error {
	c, namespace, name, err := o.toWrite("rollout undo", args)
	if err != nil {
		return err
	}
	read, err := snapshot.ReadHistory(ctx, c, o.Now(), namespace, name)
	if err != nil {
		return err
	}
	u, err := answer.UndoOf(ctx, read, namespace, name, number, lint.Unchangeable)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	fmt.Fprintf(&text, "Back to revision %d (%s)", u.Revision.Revision, u.Revision.Name)
	if u.Revision.Cause != "" {
		fmt.Fprintf(&text, ", %s", u.Revision.Cause)
	}
	text.WriteString("\n")
	if err := u.Change.Print(&text, answer.Paint(o.Color), false); err != nil {
		return err
	}
	if u.Change.Hopeless() {
		text.WriteString("\nNothing was written: it would not be carried out.\n")
		if err := o.say(text.String()); err != nil {
			return err
		}
		return errBad
	}
	if err := o.say(text.String()); err != nil {
		return err
	}
	if err := putBack(ctx, c, u, dryRun); err != nil {
		return err
	}
	if dryRun {
		return o.say("\nNothing was written; the API server would take it.\n")
	}
	return o.say(fmt.Sprintf("\nInstanceSet %s/%s asks for it now. How it goes: kubectl shoal rollout status %s -n %s -w\n"+
		"Whoever applies the set from a file has to put the template back there, too.\n", namespace, name, name, namespace))
}

// operation is one of a JSON patch.
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value,omitempty"`
}

// causePath is the path of the annotation for people in a JSON patch.
const causePath = "/metadata/annotations/kubernetes.io~1change-cause"

// putBack writes the template with the configuration, and what was said of it. The generation is that of the set as it was looked at: it changes with the spec, and not
// with the status, which the manager writes all the time.
func putBack(ctx context.Context, c client.Client, u *answer.Undo, dryRun bool) error {
	patch := []operation{
		{"test", "/metadata/uid", u.Set.UID}, {"test", "/metadata/generation", u.Set.Generation}, {"replace", "/spec/template", u.Template},
	}
	switch {
	case u.Configuration != nil:
		patch = append(patch, operation{"add", "/spec/configuration", u.Configuration})
	case u.Set.Spec.Configuration != nil:
		patch = append(patch, operation{Op: "remove", Path: "/spec/configuration"})
	}
	_, has := u.Set.Annotations[v1alpha1.AnnotationChangeCause]
	switch cause := u.Revision.Cause; {
	case cause != "" && len(u.Set.Annotations) == 0:
		patch = append(patch, operation{"add", "/metadata/annotations", map[string]string{v1alpha1.AnnotationChangeCause: cause}})
	case cause != "":
		patch = append(patch, operation{"add", causePath, cause})
	case has:
		patch = append(patch, operation{Op: "remove", Path: causePath})
	}
	text, err := json.Marshal(patch)
	if err != nil {
		return err
	}
	options := []client.PatchOption{owner}
	if dryRun {
		options = append(options, client.DryRunAll)
	}
	err = c.Patch(ctx, u.Set.DeepCopy(), client.RawPatch(types.JSONPatchType, text), options...)
	if err == nil {
		return nil
	}
	var now v1alpha1.InstanceSetList
	if apierrors.IsForbidden(err) || c.List(ctx, &now, client.InNamespace(u.Set.Namespace)) != nil {
		return fmt.Errorf("writing the template of InstanceSet %s: %w", u.Set.Name, err)
	}
	for _, set := range now.Items {
		if set.Name == u.Set.Name && set.UID == u.Set.UID && set.Generation == u.Set.Generation {
			return fmt.Errorf("writing the template of InstanceSet %s: %w", u.Set.Name, err)
		}
	}
	return fmt.Errorf("InstanceSet %s was changed meanwhile by somebody else: nothing was written; look again", u.Set.Name)
}
