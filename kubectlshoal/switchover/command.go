package switchover

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// Environment is what the command gets from the others.
type Environment struct {
	Out, ErrOut io.Writer
	Now         func() time.Time
	// Namespace is that of -n or of the kubeconfig, and Connect a client of the cluster.
	Namespace func() (string, error)
	Connect   func() (client.Client, error)
	// Complete offers shards; nil offers none.
	Complete cobra.CompletionFunc
	// Bad is the error of an answer that was given and is bad.
	Bad error
	// Poll is between two looks; 0 means 200 ms.
	Poll time.Duration
}

// flags are those of one call.
type flags struct {
	to, policy, output string
	timeout            time.Duration
	wait, noWait       bool
	dryRun             bool
}

// call is one run of the command.
type call struct {
	Environment
	flags
	namespace, set, shard string
}

const defaultPoll = 200 * time.Millisecond

// New makes the command.
func New(e Environment) *cobra.Command {
	f := flags{}
	cmd := &cobra.Command{
		Use:   "switchover SET/SHARD",
		Short: "Hand over the master of a shard to a replica, losing no write",
		Long: `Asks shoal-manager to hand over the master of one shard to a replica of it, while clients write: writes wait for a moment, and
none that was acknowledged is lost. Creates an object of the kind Switchover, shows each step, and says how it ended. Ctrl-C ends
the showing and not the switchover.

SHARD is <set>-<i>, as the label shoal.dev/shard has it, or i alone. Without --to, a replica is chosen: in sync, on another node
than the master, on one that is not about to go, of the newest revision, least behind.

--policy Strict (the default) counts only another master as success. With BestEffort it is also success (exit code 0) if no
replica could take over and the master is master as before: for whoever stops the instance next, whatever comes.

For this command, exit code 2 says that the master was not handed over; the reason says whether it takes writes as before. After
Ctrl-C, and when nothing more is heard, the exit code is 1: how it ends is not known.`,
		Example: `  kubectl shoal switchover orders/orders-2 -n redis              # whoever suits best takes over
  kubectl shoal switchover orders/2 --to orders-7                # this one
  kubectl shoal switchover orders/2 --dry-run                    # who is master, who could take over, what speaks against it
  kubectl shoal switchover orders/2 --no-wait -o name            # ask, and print what to look at
  kubectl shoal switchover orders/2 --policy BestEffort &&
    kubectl annotate pod orders-6 shoal.dev/allow-disruption=true && kubectl delete pod orders-6`,
		Args:              oneShard,
		ValidArgsFunction: e.Complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := newCall(e, f, args[0], cmd.Flags().Changed("wait"))
			if err != nil {
				return err
			}
			return c.run(cmd.Context())
		},
	}
	s := cmd.Flags()
	s.StringVar(&f.to, "to", "", "instance that takes over, such as orders-7")
	s.StringVar(&f.policy, "policy", string(v1alpha1.SwitchoverStrict), "Strict or BestEffort")
	s.DurationVar(&f.timeout, "timeout", 10*time.Second, "how long it may wait to begin, and then take until it gives the writes back; 1s to 5m")
	s.BoolVar(&f.wait, "wait", true, "show the steps, and wait for the end")
	s.BoolVar(&f.noWait, "no-wait", false, "ask, and do not wait")
	s.BoolVar(&f.dryRun, "dry-run", false, "ask for nothing: say what would be")
	s.StringVarP(&f.output, "output", "o", "", "json, yaml or name: print the Switchover, at the end")
	_ = cmd.RegisterFlagCompletionFunc("policy", cobra.FixedCompletions([]string{"Strict", "BestEffort"}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"json", "yaml", "name"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// oneShard wants one argument.
func oneShard(_ *cobra.Command, args []string) error {
	switch len(args) {
	case 0:
		return errors.New("which shard? Write 'switchover SET/SHARD'")
	case 1:
		return nil
	}
	return fmt.Errorf("expected one shard, got %d: write 'switchover SET/SHARD'", len(args))
}

func newCall(e Environment, f flags, arg string, waitSet bool) (*call, error) {
	if e.Poll == 0 {
		e.Poll = defaultPoll
	}
	c := &call{Environment: e, flags: f}
	var err error
	if c.set, c.shard, err = shardOf(arg); err != nil {
		return nil, err
	}
	switch {
	case f.policy != string(v1alpha1.SwitchoverStrict) && f.policy != string(v1alpha1.SwitchoverBestEffort):
		return nil, fmt.Errorf("--policy: %q is neither Strict nor BestEffort", f.policy)
	case f.timeout < time.Second || f.timeout > 5*time.Minute:
		return nil, fmt.Errorf("--timeout: %s is not between 1s and 5m", f.timeout)
	case f.output != "" && f.output != "json" && f.output != "yaml" && f.output != "name":
		return nil, fmt.Errorf("unknown output %q: json, yaml, name, or none", f.output)
	case f.noWait && waitSet && f.wait:
		return nil, errors.New("--wait or --no-wait, not both")
	case f.dryRun && f.output != "":
		return nil, errors.New("--dry-run is for people, and has no -o")
	}
	c.wait = f.wait && !f.noWait
	if c.namespace, err = e.Namespace(); err != nil {
		return nil, err
	}
	return c, nil
}

// shardOf reads SET/SHARD, where SHARD is <set>-<i> or <i>.
func shardOf(arg string) (set, shard string, err error) {
	set, number, ok := strings.Cut(arg, "/")
	number = strings.TrimPrefix(number, set+"-")
	if n, not := strconv.ParseUint(number, 10, 31); ok && set != "" && not == nil && strconv.FormatUint(n, 10) == number {
		return set, set + "-" + number, nil
	}
	return "", "", fmt.Errorf("%q is not SET/SHARD, such as orders/orders-2 or orders/2", arg)
}
