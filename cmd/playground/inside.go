package main

import (
	"context"
	"fmt"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/shoal-dev/shoal/playground"
	"github.com/shoal-dev/shoal/playground/forward"
	"github.com/shoal-dev/shoal/playground/realnode"
)

// The processes that a cluster with real nodes is made of. None is a command for people.

// firstFile is the descriptor of the first file that a parent passes on.
const firstFile = 3

func newForward() *cobra.Command {
	return &cobra.Command{
		Use:    "forward COUNT",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			count, err := strconv.Atoi(args[0])
			if err != nil {
				return fmt.Errorf("reading the number of sockets: %w", err)
			}
			var files []*os.File
			for i := range count {
				files = append(files, os.NewFile(uintptr(firstFile+i), "socket "+strconv.Itoa(i)))
			}
			return forward.Run(cmd.Context(), files)
		},
	}
}

func newJanitor() *cobra.Command {
	return &cobra.Command{
		Use:    "janitor GROUP",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return playground.Janitor(cmd.Context(), cmd.InOrStdin(), args[0])
		},
	}
}

func newNodeInit() *cobra.Command {
	return &cobra.Command{
		Use:    "node-init DIR",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			config, err := realnode.Read(args[0])
			if err != nil {
				return err
			}
			context.AfterFunc(cmd.Context(), func() { os.Exit(0) }) // there is nothing to end: the kernel does
			code, err := realnode.Init(config.Self, args[0])
			if err == nil {
				os.Exit(code)
			}
			return err
		},
	}
}

func newNodeAgent() *cobra.Command {
	return &cobra.Command{
		Use:    "node-agent DIR",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return realnode.Boot(cmd.Context(), args[0])
		},
	}
}
