package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/shoal-dev/shoal/playground"
)

func newUp(at *location) *cobra.Command {
	options := playground.Options{Schedulers: 1, Managers: 1, KubeScheduler: true}
	shape := playground.Shape{}
	noShoal := false
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start a cluster and return when it is ready",
		Long: `Starts a cluster and returns when it is ready. Simulated nodes need neither root nor images, and run nothing; Shoal's
programs run as processes beside them.

With --real-nodes containers run. Shoal then runs in the cluster, as the Deployments of manifests/install and from the
images that 'make images' packs, unless --schedulers or --managers asks for processes. Simulated nodes beside real ones
have a taint, so that a pod lands there only if it says that it need not run. docs/playground.md explains all of it.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			// In a Shape zero stands for the default: whoever asks for zero here should hear that it is impossible.
			if shape.Pods == 0 || shape.Zones == 0 {
				return fmt.Errorf("--node-pods %d and --zones %d: at least 1", shape.Pods, shape.Zones)
			}
			root, err := repository()
			if err != nil {
				return err
			}
			options.Root = root
			options.Dir, options.Nodes, options.Install = at.dir, []playground.Shape{shape}, !noShoal
			// On real nodes Shoal runs as its Deployments, unless processes are asked for.
			asked := cmd.Flags().Changed("schedulers") || cmd.Flags().Changed("managers")
			if noShoal || options.RealNodes > 0 && !asked {
				options.Schedulers, options.Managers = 0, 0
			}
			if err := options.Check(); err != nil {
				return err
			}
			if err := detach(cmd.Context(), options, cmd.OutOrStdout()); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "\nReady. Use it with:\n  export KUBECONFIG=%s\n", filepath.Join(at.dir, "kubeconfig"))
			return nil
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&shape.Count, "nodes", 3, "simulated nodes")
	flags.IntVar(&options.RealNodes, "real-nodes", 0, "nodes with a real kubelet beside them; needs root, and what 'make real-node-deps' installs")
	flags.StringVar(&options.RealDisk, "real-disk", "2Gi", "size of the disk of each real node")
	flags.StringVar(&shape.CPU, "node-cpu", "8", "CPUs of each simulated node")
	flags.StringVar(&shape.Memory, "node-memory", "32Gi", "memory of each simulated node")
	flags.IntVar(&shape.Pods, "node-pods", 110, "pods that each simulated node takes")
	flags.IntVar(&shape.Zones, "zones", 3, "zones that the nodes take turns in")
	flags.IntVar(&options.Schedulers, "schedulers", 1, "processes of shoal-scheduler; one leads, the others wait")
	flags.IntVar(&options.Managers, "managers", 1, "processes of shoal-manager; one leads, the others wait")
	flags.BoolVar(&options.KubeScheduler, "kube-scheduler", true, "run the stock kube-scheduler too, for pods that name no scheduler")
	flags.BoolVar(&noShoal, "no-shoal", false, "leave Shoal out: control plane, nodes and volumes only")
	return cmd
}

// repository is the one that the caller stands in, or else the one that this program was built in.
func repository() (string, error) {
	root, notHere := playground.FindRoot()
	if notHere == nil {
		return root, nil
	}
	self, err := os.Executable()
	if err != nil {
		return "", notHere
	}
	root = filepath.Dir(filepath.Dir(self))
	if _, err := os.Stat(filepath.Join(root, "go.mod")); err != nil {
		return "", notHere
	}
	return root, nil
}

// message is what the supervisor tells the command that started it, one in a line. Exactly one field is set.
type message struct {
	Progress string `json:"progress,omitempty"`
	Ready    bool   `json:"ready,omitempty"`
	Error    string `json:"error,omitempty"`
}

// messages is the file descriptor on which the supervisor writes them. Stdout would do, but for SIGPIPE: the supervisor
// outlives the reader.
const messages = 3

// detach starts a supervisor in a session of its own and shows its progress until the cluster is ready. If ctx ends
// before, so does the supervisor.
func detach(ctx context.Context, options playground.Options, progress io.Writer) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding this program: %w", err)
	}
	log, err := supervisorLog(options.Dir)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	reader, writer, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("making a pipe: %w", err)
	}
	defer func() { _ = reader.Close() }()
	supervisor := exec.Command(self, "supervise") // not with ctx: that would kill it without its cleaning up
	supervisor.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	supervisor.Stdout, supervisor.Stderr = log, log
	supervisor.ExtraFiles = []*os.File{writer} // becomes descriptor 3
	input, err := supervisor.StdinPipe()
	if err != nil {
		return fmt.Errorf("making a pipe: %w", err)
	}
	err = supervisor.Start()
	_ = writer.Close() // the supervisor has its own: when that is closed, reading ends
	if err != nil {
		return fmt.Errorf("starting the supervisor: %w", err)
	}
	if err := errors.Join(json.NewEncoder(input).Encode(options), input.Close()); err != nil {
		return fmt.Errorf("telling the supervisor what to do: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = supervisor.Process.Signal(syscall.SIGTERM) })
	defer stop()
	if err := follow(reader, progress); err != nil {
		_ = supervisor.Wait() // it cleans up before it ends
		if ctx.Err() != nil {
			return errors.New("interrupted: the cluster is stopped")
		}
		return err
	}
	return nil
}

func supervisorLog(dir string) (*os.File, error) {
	logs := filepath.Join(dir, "logs")
	if err := os.MkdirAll(logs, 0o700); err != nil {
		return nil, fmt.Errorf("making the directory of the cluster: %w", err)
	}
	log, err := os.OpenFile(filepath.Join(logs, playground.SupervisorLog), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the supervisor's log: %w", err)
	}
	return log, nil
}

// follow copies the progress until the cluster is ready or has failed.
func follow(reader io.Reader, progress io.Writer) error {
	lines := bufio.NewScanner(reader)
	lines.Buffer(nil, 1<<20) // an error can hold the tail of a log
	for lines.Scan() {
		var m message
		if err := json.Unmarshal(lines.Bytes(), &m); err != nil {
			return fmt.Errorf("reading the supervisor's progress: %w", err)
		}
		switch {
		case m.Ready:
			return nil
		case m.Error != "":
			return errors.New(m.Error)
		default:
			_, _ = io.WriteString(progress, m.Progress)
		}
	}
	return errors.New("the supervisor ended: its log is logs/supervisor.log in the directory of the cluster")
}
