package kubectlshoal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/kubectlshoal/answer"
	"github.com/shoal-dev/shoal/kubectlshoal/snapshot"
)

func newStatus(o *options) *cobra.Command {
	q := &statusQuestion{options: o}
	cmd := &cobra.Command{
		Use:   "status SET",
		Short: "How is this set: its shards with roles, nodes, revisions, and what each waits for and why",
		Long: `Shows an InstanceSet: its conditions, and its shards as a tree. Shards that are not well come first, with what they or their instances
wait for; the others are summed up, unless --all lists them or --shard names one. The column LAG says which replicas are in sync with their
master, and for how long others have not been. Below stand Switchovers that run or wait, and those that failed last, with the reason.

With -w it goes on: on a terminal it draws anew whenever something has changed, and else it prints what has changed, line by line,
until it is interrupted. It needs the right to list the sets and pods of the namespace, and to watch them for -w; nodes and Switchovers are optional.`,
		Example: `  kubectl shoal status cache -n redis
  kubectl shoal status iset/cache -w
  kubectl shoal status cache --shard 17                    # one shard, with all of its instances
  kubectl shoal status cache --all -o wide                 # everything
  kubectl shoal status cache -o json                       # the schema: docs/schemas/setstatus.v1.json`,
		ValidArgsFunction: o.completeSet,
		RunE: func(cmd *cobra.Command, args []string) error {
			return q.run(cmd.Context(), args)
		},
	}
	cmd.Flags().BoolVarP(&q.watch, "watch", "w", false, "go on, and show what changes")
	cmd.Flags().BoolVar(&q.all, "all", false, "list the shards that are well, too")
	cmd.Flags().StringVar(&q.shard, "shard", "", "only this shard: its name, or its number")
	return o.withOutput(cmd)
}

// statusQuestion is the command with its flags.
type statusQuestion struct {
	*options
	namespace, name, shard string
	watch, all             bool
}

func (q *statusQuestion) run(ctx context.Context, args []string) error {
	var err error
	if q.namespace, err = q.options.namespace(); err != nil {
		return err
	}
	if q.name, err = setOf("status", args); err != nil {
		return err
	}
	switch {
	case q.watch && q.dump != "":
		return errors.New("-w watches a cluster, and nothing changes in a file: leave out --cluster-dump or -w")
	case q.watch && q.output != "" && q.output != "wide":
		return errors.New("-w is for people: for a program, leave out -w, or watch the set itself (kubectl get iset -w -o json)")
	case q.watch:
		return q.follow(ctx)
	}
	c, err := q.ofSet(ctx, q.namespace, q.name)
	if err != nil {
		return err
	}
	s, err := answer.StatusOf(c, q.namespace, q.name, q.shard, q.all)
	if err != nil {
		return err
	}
	return q.print(s)
}

// setOf is the name in "SET", "iset/SET" or "iset SET".
func setOf(command string, args []string) (string, error) {
	isSet := func(kind string) bool {
		kind, _, _ = strings.Cut(kind, ".")
		return kind == "iset" || kind == "instanceset" || kind == "instancesets"
	}
	if len(args) == 2 && isSet(args[0]) {
		args = args[1:]
	}
	if len(args) != 1 || isSet(args[0]) {
		return "", fmt.Errorf("which set? Write '%s SET'; kubectl get iset lists them", command)
	}
	kind, name, joined := strings.Cut(args[0], "/")
	switch {
	case !joined:
		return args[0], nil
	case !isSet(kind):
		return "", fmt.Errorf("expected an InstanceSet, got %q: write '%s SET' or '%s iset/SET'", args[0], command, command)
	}
	return name, nil
}

// ofSet reads what the status of a set needs, or the dump.
func (o *options) ofSet(ctx context.Context, namespace, name string) (*snapshot.Cluster, error) {
	return o.readOf(ctx, namespace, name, snapshot.ReadSet)
}

// readOf reads what a question about a set needs, or the dump.
func (o *options) readOf(ctx context.Context, namespace, name string,
	read func(ctx context.Context, c client.Reader, now time.Time, namespace, name string) (*snapshot.Cluster, error),
) (*snapshot.Cluster, error) {
	if o.dump != "" {
		return o.snapshot(ctx)
	}
	config, reader, err := o.connect()
	if err != nil {
		return nil, err
	}
	c, err := read(ctx, reader, o.Now(), namespace, name)
	if err != nil {
		return nil, unread(config, err)
	}
	return c, nil
}

// follow shows the set until it is interrupted. The exit code is that of what was shown last.
func (q *statusQuestion) follow(ctx context.Context) error {
	config, c, err := q.connect()
	if err != nil {
		return err
	}
	screen := &watched{question: q}
	switch err := snapshot.Follow(ctx, c, q.Now, q.namespace, q.name, screen.show); {
	case screen.failed != nil:
		return screen.failed
	case err != nil:
		return unread(config, err)
	}
	return verdict(screen.last)
}

// watched is what -w has shown.
type watched struct {
	question *statusQuestion
	last     *answer.SetStatus
	drawn    string
	failed   error // that is not about reading the cluster
}

// show draws the set on a terminal; elsewhere it is printed once, and then what has changed.
func (w *watched) show(c *snapshot.Cluster) error {
	q := w.question
	s, err := answer.StatusOf(c, q.namespace, q.name, q.shard, q.all)
	if err == nil {
		height := 0
		if q.Height != nil {
			height = q.Height()
		}
		switch {
		case height > 0:
			err = w.draw(s, height)
		case w.last == nil:
			err = s.Print(q.Streams.Out, answer.Paint(q.Color), q.output == "wide")
		default:
			err = w.tell(s)
		}
	}
	w.last, w.failed = s, err
	return err
}

// draw draws on a cleared terminal as much as it has lines for.
func (w *watched) draw(s *answer.SetStatus, height int) error {
	q := w.question
	var text bytes.Buffer
	if err := s.Print(&text, answer.Paint(q.Color), q.output == "wide"); err != nil {
		return err
	}
	if text.String() == w.drawn {
		return nil
	}
	w.drawn = text.String()
	lines := strings.Split(strings.TrimSuffix(w.drawn, "\n"), "\n")
	if room := height - 2; len(lines) > room && room > 0 {
		lines = append(lines[:room], fmt.Sprintf("... and %d more lines: a taller terminal, or without -w", len(lines)-room))
	}
	_, err := io.WriteString(q.Streams.Out, cleared+strings.Join(lines, "\n")+"\n"+wrapping)
	return err
}

// cleared is an empty terminal on which long lines are cut at its edge: they would take two lines and more. After wrapping they do again.
const cleared, wrapping = "\x1b[?7l\x1b[H\x1b[2J", "\x1b[?7h"

// tell prints what has changed.
func (w *watched) tell(s *answer.SetStatus) error {
	for _, line := range s.Changes(w.last) {
		if _, err := fmt.Fprintf(w.question.Streams.Out, "%s  %s\n", w.question.Now().UTC().Format("15:04:05"), line); err != nil {
			return err
		}
	}
	return nil
}
