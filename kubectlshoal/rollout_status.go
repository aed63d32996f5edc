package kubectlshoal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/kubectlshoal/answer"
	"github.com/shoal-dev/shoal/kubectlshoal/snapshot"
)

// stoodFor is how long an update may stand still for a reason that could pass, such as an image that cannot be pulled, before -w ends.
const stoodFor = 30 * time.Second

func newRolloutStatus(o *options) *cobra.Command {
	q := &rolloutQuestion{options: o, patience: stoodFor}
	cmd := &cobra.Command{
		Use:   "status SET",
		Short: "How far the update of a set is, which shard is worked on, and what it waits for and why",
		Long: `Says how many instances have what their template asks for, which shards are worked on, and what the update waits for. The reasons are the
manager's own, from the condition Updating and the set's exceptions. An update that stands still names its cause, and what puts the
old template back.

With -w it goes on, a line for each change, until the update has ended, or does not go on without a person: it is paused or blocked,
or an instance has not come up for 30 s; or until --timeout is over.

For this command, exit code 0 says that the update is complete (as far as updateStrategy.partition goes), 2 that it does not go on
without a person, and 4 that it goes on, or that the time was over.`,
		Example: `  kubectl shoal rollout status cache -n redis
  kubectl shoal rollout status cache -w --timeout 30m      # in a pipeline: wait for the end
  kubectl shoal rollout status cache -o json               # the schema: docs/schemas/rolloutstatus.v1.json`,
		ValidArgsFunction: o.completeSet,
		RunE: func(cmd *cobra.Command, args []string) error {
			return q.run(cmd.Context(), cmd, args)
		},
	}
	cmd.Flags().BoolVarP(&q.watch, "watch", "w", false, "go on until the update has ended, or stands still")
	cmd.Flags().DurationVar(&q.timeout, "timeout", 0, "with -w: how long, such as 30m; 0 is for ever")
	cmd.Flags().Int64Var(&q.number, "revision", 0, "only if this is the revision that is asked for: another one ends it")
	return o.withOutput(cmd)
}

// rolloutQuestion is the command with its flags.
type rolloutQuestion struct {
	*options
	namespace, name string
	watch           bool
	timeout         time.Duration
	number          int64
	revision        string // of that number
	patience        time.Duration

	last *answer.RolloutStatus
	line string
	// ended says why -w ends: the update has, or it stands. Failed is an error that is not about reading the cluster.
	ended  bool
	failed error
	timer  *time.Timer
}

func (q *rolloutQuestion) run(ctx context.Context, cmd *cobra.Command, args []string) error {
	var err error
	if q.namespace, err = q.options.namespace(); err != nil {
		return err
	}
	if q.name, err = setOf("rollout status", args); err != nil {
		return err
	}
	switch {
	case q.watch && q.dump != "":
		return errors.New("-w watches a cluster, and nothing changes in a file: leave out --cluster-dump or -w")
	case q.watch && q.output != "" && q.output != "wide":
		return errors.New("-w is for people: for a program, leave out -w")
	case cmd.Flags().Changed("timeout") && (!q.watch || q.timeout < 0):
		return errors.New("--timeout: how long -w may take, such as 30m")
	case cmd.Flags().Changed("revision") && q.number < 1:
		return errors.New("--revision: they count from 1")
	}
	if q.number > 0 {
		if err := q.resolve(ctx); err != nil {
			return err
		}
	}
	if q.watch {
		return q.follow(ctx)
	}
	c, err := q.ofSet(ctx, q.namespace, q.name)
	if err != nil {
		return err
	}
	s, err := q.look(c)
	if err != nil {
		return err
	}
	return q.print(s)
}

// resolve finds the name of the revision of a number.
func (q *rolloutQuestion) resolve(ctx context.Context) error {
	c, err := q.ofHistory(ctx, q.namespace, q.name)
	if err != nil {
		return err
	}
	h, err := answer.HistoryOf(c, q.namespace, q.name, q.number, q.Now())
	if err != nil {
		return err
	}
	q.revision = h.Revisions[0].Name
	return nil
}

// look says how far the update is, if it is the one that was meant.
func (q *rolloutQuestion) look(c *snapshot.Cluster) (*answer.RolloutStatus, error) {
	s, err := answer.RolloutOf(c, q.namespace, q.name)
	if err == nil && q.revision != "" && s.UpdateRevision != q.revision {
		err = fmt.Errorf("revision %d (%s) is not asked for any more: the set asks for %s (kubectl shoal rollout history %s)", q.number, q.revision, s.UpdateRevision, q.name)
	}
	return s, err
}

// follow shows what changes until the update has ended, or stands.
func (q *rolloutQuestion) follow(ctx context.Context) error {
	config, c, err := q.connect()
	if err != nil {
		return err
	}
	return q.followOn(ctx, c, config)
}

func (q *rolloutQuestion) followOn(ctx context.Context, c client.WithWatch, config *rest.Config) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	if q.timeout > 0 {
		defer time.AfterFunc(q.timeout, func() { stop(errOver) }).Stop()
	}
	err := snapshot.Follow(ctx, c, q.Now, q.namespace, q.name, func(c *snapshot.Cluster) error { return q.show(c, func() { stop(errSeen) }) })
	switch over := errors.Is(context.Cause(ctx), errOver); {
	case q.failed != nil:
		return q.failed
	case err != nil && !q.ended && ctx.Err() == nil:
		return unread(config, err)
	case q.last == nil:
		return fmt.Errorf("nothing was read in %s", q.timeout)
	case over && !q.ended:
		fmt.Fprintf(q.Streams.Out, "%s is over\n", q.timeout)
	}
	if q.last.Done {
		return verdict(q.last)
	}
	return q.print(q.last)
}

// errSeen and errOver end the watching.
var (
	errSeen = errors.New("all was seen")
	errOver = errors.New("the time is over")
)

// show prints a line when it is another one, and says when there is nothing more to wait for.
func (q *rolloutQuestion) show(c *snapshot.Cluster, stop func()) error {
	s, err := q.look(c)
	if err != nil {
		q.failed = err
		return err
	}
	q.last = s
	if line := s.Line(); line != q.line {
		q.line = line
		if _, err := fmt.Fprintf(q.Streams.Out, "%s  %s\n", q.Now().UTC().Format("15:04:05"), line); err != nil {
			q.failed = fmt.Errorf("writing the answer: %w", err)
			return q.failed
		}
	}
	if s.Phase != answer.RolloutStopped {
		if q.timer != nil {
			q.timer.Stop()
			q.timer = nil
		}
		if s.Done || s.Phase.Stands() {
			q.ended = true
			return errSeen
		}
		return nil
	}
	if q.timer == nil {
		q.timer = time.AfterFunc(q.patience, stop)
	}
	return nil
}
