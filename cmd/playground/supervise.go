package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/shoal-dev/shoal/playground"
)

// newSupervise is the process that 'up' leaves behind. It is no command for people.
func newSupervise() *cobra.Command {
	return &cobra.Command{
		Use:    "supervise",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var options playground.Options
			if err := json.NewDecoder(cmd.InOrStdin()).Decode(&options); err != nil {
				return fmt.Errorf("reading the options: %w", err)
			}
			out := &progress{file: os.NewFile(messages, "messages")}
			options.Progress = out
			err := playground.Supervise(cmd.Context(), options, func() {
				out.tell(message{Ready: true})
				_ = out.file.Close()
			})
			if err != nil {
				out.tell(message{Error: err.Error()})
			}
			return err
		},
	}
}

// progress turns what is written to it into messages. After the reader has gone, or the file is closed, writing does
// nothing.
type progress struct {
	file *os.File
}

func (p *progress) Write(text []byte) (int, error) {
	p.tell(message{Progress: string(text)})
	return len(text), nil
}

func (p *progress) tell(m message) { _ = json.NewEncoder(p.file).Encode(m) }

// newProvision is the process that provisions local volumes.
func newProvision() *cobra.Command {
	var options playground.ProvisionOptions
	cmd := &cobra.Command{
		Use:    "provision",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return playground.Provision(cmd.Context(), options)
		},
	}
	cmd.Flags().StringVar(&options.Kubeconfig, "kubeconfig", "", "of the provisioner's ServiceAccount")
	cmd.Flags().StringVar(&options.Dir, "volumes", "", "directory that the paths of the volumes are in")
	cmd.Flags().StringVar(&options.Nodes, "nodes", "", "directory that the directories of real nodes are in")
	cmd.Flags().StringVar(&options.Address, "address", "", "where to answer /readyz")
	return cmd
}
