package main

import (
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/shoal-dev/shoal/playground"
)

func newDown(at *location) *cobra.Command {
	keepLogs := false
	cmd := &cobra.Command{
		Use:   "down",
		Short: "Stop the cluster and remove its files",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := playground.Remove(cmd.Context(), at.dir, keepLogs); err != nil {
				return err
			}
			said := fmt.Sprintf("Nothing runs in %s.", at.dir)
			if entries, err := fs.ReadDir(os.DirFS(at.dir), "logs"); err == nil && len(entries) > 0 {
				said += " The logs are still there."
			}
			fmt.Fprintln(cmd.OutOrStdout(), said)
			return nil
		},
	}
	cmd.Flags().BoolVar(&keepLogs, "keep-logs", false, "leave the logs")
	return cmd
}
