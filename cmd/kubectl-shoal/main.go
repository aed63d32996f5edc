// Command kubectl-shoal is a plugin of kubectl: `kubectl shoal` answers questions about the placement of instances. It changes
// nothing, but for `switchover`, which asks the manager to hand over a master, and `rollout pause`, `resume` and `undo`, which write to
// the spec of an InstanceSet. See docs/kubectl-shoal.md.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"golang.org/x/term"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	_ "k8s.io/client-go/plugin/pkg/client/auth" // credentials of cloud providers
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/shoal-dev/shoal/kubectlshoal"
)

// version is set by the linker.
var version = "dev"

// completer is the name under which kubectl asks a plugin for completions.
const completer = "kubectl_complete-shoal"

func main() {
	klog.SetLogger(logr.Discard()) // the scheduler's log, which is not about the cluster
	log.SetLogger(logr.Discard())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	cmd := kubectlshoal.New(kubectlshoal.Environment{
		Streams:  genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr},
		Version:  version,
		Color:    term.IsTerminal(int(os.Stdout.Fd())) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb",
		Terminal: term.IsTerminal(int(os.Stderr.Fd())) && os.Getenv("TERM") != "dumb",
		Height:   height,
		Now:      time.Now,
	})
	if filepath.Base(os.Args[0]) == completer {
		cmd.SetArgs(append([]string{cobra.ShellCompRequestCmd}, os.Args[1:]...))
	}
	err := cmd.ExecuteContext(ctx)
	stop()
	code, tell := kubectlshoal.ExitCode(err)
	if tell {
		fmt.Fprintln(os.Stderr, "kubectl shoal:", kubectlshoal.Told(err))
	}
	os.Exit(code)
}

// height is how many lines the terminal on standard output has, 0 where there is none that can be drawn on.
func height() int {
	if os.Getenv("TERM") == "dumb" {
		return 0
	}
	_, lines, err := term.GetSize(int(os.Stdout.Fd()))
	if err != nil {
		return 0
	}
	return lines
}
