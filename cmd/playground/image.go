package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/shoal-dev/shoal/playground"
)

func newImage(at *location) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "image",
		Short: "Give the real nodes images",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(&cobra.Command{
		Use:   "load FILE...",
		Short: "Load archives of images on every real node",
		Long: `Loads archives, as 'docker save' or 'skopeo copy' write them, on every real node of a running cluster. Nodes have no way
to a registry: their pods need imagePullPolicy Never or IfNotPresent. Archives in bin/images are loaded whenever a node
starts.`,
		Args: someOf("an archive of images"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := playground.Open(at.dir, cmd.OutOrStdout())
			if err != nil {
				return err
			}
			for _, name := range args {
				if err := c.LoadImages(cmd.Context(), func() (io.ReadCloser, error) { return os.Open(name) }); err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "Loaded %s.\n", name)
			}
			return nil
		},
	})
	return cmd
}
