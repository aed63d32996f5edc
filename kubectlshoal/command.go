package kubectlshoal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/kubectlshoal/snapshot"
	"github.com/shoal-dev/shoal/kubectlshoal/trial"
)

// Exit codes, of every command. A script can tell a bad answer from none, and a good one from one that did not see all.
const (
	ExitFine    = 0 // answered, and nothing is wrong
	ExitError   = 1 // not answered: a wrong flag, no such pod, no connection
	ExitBad     = 2 // answered, and the answer is bad: the pod waits, data would be lost, it does not fit, a file is wrong
	ExitPartial = 3 // answered, and nothing is wrong with what was seen, but something could not be read

	ExitDiffers  = 1 // of diff: answered, and something differs; as kubectl diff, and diff itself
	ExitNotYet   = 4 // of rollout status: the update goes on, or has not ended in the time that was given
	ExitNoAnswer = 5 // of diff: not answered
)

// exitCodes is the end of every command's help.
const exitCodes = `Exit codes: 0 nothing is wrong; 1 no answer (wrong flag, no connection); 2 the answer is bad (the pod waits, data would be
lost, it does not fit, a file is wrong, a check has failed); 3 nothing is wrong in what was seen, but not all could be read; of
rollout status, 4 not yet; of diff, 1 something differs, and 5 no answer.`

// errBad and errPartial say that the command has printed its answer, and what is to be thought of it.
var (
	errBad     = errors.New("the answer is bad")
	errPartial = errors.New("the answer is incomplete")
	errDiffers = errors.New("something differs")
	errNotYet  = errors.New("it has not ended yet")
)

// noAnswerError is an error of a command that says something else with ExitError.
type noAnswerError struct{ error }

// Unwrap is the error.
func (e noAnswerError) Unwrap() error { return e.error }

// ExitCode is the exit code for what Execute returned, and whether the error is still to be printed.
func ExitCode(err error) (code int, tell bool) {
	switch {
	case err == nil:
		return ExitFine, false
	case errors.Is(err, errBad):
		return ExitBad, false
	case errors.Is(err, errPartial):
		return ExitPartial, false
	case errors.Is(err, errDiffers):
		return ExitDiffers, false
	case errors.Is(err, errNotYet):
		return ExitNotYet, false
	case errors.As(err, &noAnswerError{}):
		return ExitNoAnswer, true
	}
	return ExitError, true
}

// Told is what is said of an error. Findings stand on lines of their own, and so does whatever a library put into its message; within a
// line, what it has of white space becomes one space.
func Told(err error) string {
	var lines []string
	for line := range strings.Lines(err.Error()) {
		if words := strings.Fields(line); len(words) > 0 {
			lines = append(lines, strings.Join(words, " "))
		}
	}
	return strings.Join(lines, "\n")
}

// Environment is what the commands get from the process.
type Environment struct {
	Streams genericiooptions.IOStreams
	// Version of this program.
	Version string
	// Color says that the output is a terminal whose owner has nothing against colours.
	Color bool
	// Terminal says that errors go to a terminal, on which a line may show that a command goes on.
	Terminal bool
	// Height is how many lines the terminal has to which the output goes, 0 for none. It is asked whenever something is drawn; nil is 0.
	Height func() int
	Now    func() time.Time
}

// options are the flags that the commands share.
type options struct {
	Environment
	cluster *genericclioptions.ConfigFlags
	dump    string
	config  string
	output  string
	writes  client.Client // in tests, in place of the cluster
	progress
}

const pluginUse = "kubectl shoal"

// New makes the command.
func New(e Environment) *cobra.Command {
	o := &options{Environment: e, cluster: genericclioptions.NewConfigFlags(true)}
	if o.progress.now = e.Now; e.Terminal {
		o.progress.out = e.Streams.ErrOut
	}
	cmd := &cobra.Command{
		Use:   "kubectl-shoal",
		Short: "Answers about placement: why a pod waits, what a node's loss takes, how many more fit",
		Long: `Answers questions about instances and their placement. A command reads the cluster once, or a file that 'kubectl shoal dump'
wrote (--cluster-dump); 'status -w' goes on watching. None changes anything but 'switchover', which asks the manager to hand
over a master, and 'rollout pause', 'resume' and 'undo', which write to a set.

` + exitCodes,
		Example: `  kubectl shoal explain pod cache-5 -n redis     # why is this pod pending?
  kubectl shoal whatif node node-7 --lost        # what dies with node 7?
  kubectl shoal nodes                            # how full are we?
  kubectl shoal status cache -w                  # what does this set wait for?
  kubectl shoal check                            # does Shoal work here?`,
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: pluginUse},
		Version:       e.Version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	cobra.EnableCommandSorting = false // who is on call asks status first
	cmd.SetIn(e.Streams.In)
	cmd.SetOut(e.Streams.Out)
	cmd.SetErr(e.Streams.ErrOut)
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return noAnswer(cmd, fmt.Errorf("%w (see '%s --help')", err, cmd.CommandPath()))
	})
	flags := cmd.PersistentFlags()
	o.cluster.AddFlags(flags)
	flags.StringVar(&o.dump, "cluster-dump", "", "read this file instead of a cluster: from 'kubectl shoal dump', or YAML of nodes, pods and so on")
	_ = cmd.MarkPersistentFlagFilename("cluster-dump", "json", "yaml", "gz")
	for _, one := range commands(o) {
		o.equip(one)
		cmd.AddCommand(one)
	}
	shorten(cmd)
	return cmd
}

// equip gives a command, and those below it, what all have.
func (o *options) equip(one *cobra.Command) {
	one.Long += "\n\n" + exitCodes
	for _, below := range one.Commands() {
		o.equip(below)
	}
	run := one.RunE
	if run == nil {
		return
	}
	one.RunE = func(cmd *cobra.Command, args []string) error {
		if err := o.wrongOutput(); err != nil {
			return noAnswer(cmd, err)
		}
		defer o.clear() // before the error is printed
		return noAnswer(cmd, run(cmd, args))
	}
}

// shown are the flags that are common to all commands and stand in the help of each. The others are kubectl's own.
var shown = []string{"cluster-dump", "context", "kubeconfig", "namespace"}

// inherited begins the part of the help that has those flags, and asksCluster the same where a cluster is asked.
const (
	inherited   = "{{if .HasAvailableInheritedFlags}}\n\nGlobal Flags:\n{{.InheritedFlags.FlagUsages | trimTrailingWhitespaces}}"
	asksCluster = `{{if and .HasAvailableInheritedFlags (ne .Name "lint") (ne .Name "completion") (ne .Parent.Name "completion")}}

Global Flags:
{{.InheritedFlags.FlagUsages | trimTrailingWhitespaces}}

And those of 'kubectl options' that say which cluster, and who asks.`
)

// shorten leaves out of the help what it would say of every command, and all of it where no cluster is asked.
func shorten(cmd *cobra.Command) {
	cmd.PersistentFlags().VisitAll(func(f *pflag.Flag) { f.Hidden = !slices.Contains(shown, f.Name) })
	cmd.SetUsageTemplate(strings.Replace(cmd.UsageTemplate(), inherited, asksCluster, 1))
}

// withOutput adds -o to a command whose answer has a form for machines.
func (o *options) withOutput(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().StringVarP(&o.output, "output", "o", "", "json, yaml, or wide for more columns")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(outputs, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// withConfig adds the choice of the scheduler's configuration.
func (o *options) withConfig(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().StringVar(&o.config, "scheduler-config", "", "the configuration of shoal-scheduler, if it is not the shipped one")
	_ = cmd.MarkFlagFilename("scheduler-config", "yaml")
	return cmd
}

func (o *options) schedulerConfig() (*trial.Config, error) {
	config, err := trial.LoadConfig(o.config)
	if err == nil {
		config.Tried = o.tick
	}
	return config, err
}

// withScheduler is the cluster, and the configuration of the scheduler that is tried on it. A wrong configuration is told
// before anything is read.
func (o *options) withScheduler(ctx context.Context) (*snapshot.Cluster, *trial.Config, error) {
	config, err := o.schedulerConfig()
	if err != nil {
		return nil, nil, err
	}
	c, err := o.snapshot(ctx)
	return c, config, err
}

// namespace is that of -n, or of the kubeconfig; "default" for a dump without -n.
func (o *options) namespace() (string, error) {
	if o.dump != "" {
		if *o.cluster.Namespace != "" {
			return *o.cluster.Namespace, nil
		}
		return "default", nil
	}
	namespace, _, err := o.cluster.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return "", fmt.Errorf("reading the kubeconfig: %w", err)
	}
	return namespace, nil
}

// snapshot reads the dump, or the cluster.
func (o *options) snapshot(ctx context.Context, more ...func(*snapshot.Cluster, client.Reader) error) (*snapshot.Cluster, error) {
	if o.dump != "" {
		in, err := o.open(o.dump)
		if err != nil {
			return nil, fmt.Errorf("opening the dump: %w", err)
		}
		defer in.Close()
		c, err := snapshot.Load(in)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", o.dump, err)
		}
		return c.In(metav1.NamespaceDefault), nil
	}
	config, reader, err := o.connect()
	if err != nil {
		return nil, err
	}
	c, err := snapshot.Read(ctx, reader, o.Now())
	if err != nil {
		return nil, unread(config, err)
	}
	for _, add := range more {
		if err := add(c, reader); err != nil {
			return nil, unread(config, err)
		}
	}
	if d, err := discovery.NewDiscoveryClientForConfig(config); err == nil {
		if version, err := d.ServerVersion(); err == nil {
			c.Version = version.GitVersion
		}
	}
	return c, nil
}

// connect makes a client for the cluster.
func (o *options) connect() (*rest.Config, client.WithWatch, error) {
	config, err := o.cluster.ToRESTConfig()
	if err != nil {
		return nil, nil, fmt.Errorf("finding the cluster: %w (set KUBECONFIG or --kubeconfig, or read a file with --cluster-dump)", err)
	}
	config.QPS, config.Burst = -1, -1 // a handful of lists
	scheme, err := snapshot.Scheme()
	if err != nil {
		return nil, nil, err
	}
	c, err := client.NewWithWatch(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, nil, fmt.Errorf("connecting to %s: %w (is the cluster up, and the kubeconfig the right one?)", config.Host, err)
	}
	return config, c, nil
}

func unread(config *rest.Config, err error) error {
	return fmt.Errorf("reading the cluster at %s: %w; is it the right one (KUBECONFIG, --context)? A file does as well: --cluster-dump", config.Host, err)
}

// open opens a file; "-" is standard input.
func (o *options) open(name string) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(o.Streams.In), nil
	}
	return os.Open(name)
}
