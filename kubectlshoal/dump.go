package kubectlshoal

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/kubectlshoal/snapshot"
)

func newDump(o *options) *cobra.Command {
	file := ""
	cmd := &cobra.Command{
		Use:   "dump",
		Short: "Write what the other commands read into a file, without secrets",
		Long: `Writes nodes, pods, claims, volumes, storage classes, policies, sets and Switchovers of the whole cluster into a file, for support or
for later: every other command reads it with --cluster-dump, and answers the same.

The file holds what placement depends on, and nothing else. Not in it: Secrets, ConfigMaps, environment, commands, probes,
arguments other than those of Redis' memory, contents of volumes, managed fields, and annotations of others. In it: names,
labels and images. Look at them before you hand it on.`,
		Example: `  kubectl shoal dump -f case.json.gz
  kubectl shoal explain pod cache-5 --cluster-dump case.json.gz
  kubectl shoal dump | jq '.items | length'`,
		Args: noArgs("name the file with -f"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := o.snapshot(cmd.Context(), func(c *snapshot.Cluster, from client.Reader) error {
				return c.ReadSwitchovers(cmd.Context(), from, metav1.NamespaceAll)
			})
			if err != nil {
				return err
			}
			if err := o.write(file, c); err != nil {
				return err
			}
			for _, missing := range c.Unreadable {
				fmt.Fprintf(o.Streams.ErrOut, "not in it: %s\n", missing)
			}
			if len(c.Unreadable) > 0 {
				return errPartial
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&file, "file", "f", "", "where to write; compressed if it ends in .gz (default: standard output)")
	_ = cmd.MarkFlagFilename("file")
	return cmd
}

// write writes a dump to a file, or to standard output.
func (o *options) write(file string, c *snapshot.Cluster) error {
	if file == "" || file == "-" {
		return snapshot.Write(o.Streams.Out, c)
	}
	if err := writeTo(file, c); err != nil {
		return err
	}
	fmt.Fprintf(o.Streams.ErrOut, "%s: %d nodes, %d pods, %d claims, %d volumes, %d policies, %d sets\n",
		file, len(c.Nodes), len(c.Pods), len(c.Claims), len(c.Volumes), len(c.Policies), len(c.Sets))
	return nil
}

// writeTo writes a dump that only its owner may read: names and images are nobody else's business.
func writeTo(name string, c *snapshot.Cluster) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("creating the dump: %w", err)
	}
	if err := onlyOwners(f); err != nil {
		return errors.Join(fmt.Errorf("keeping the dump from others: %w", err), f.Close())
	}
	var out io.WriteCloser = f
	if strings.HasSuffix(name, ".gz") {
		out = gzip.NewWriter(f)
	}
	err = snapshot.Write(out, c)
	if zipped, ok := out.(*gzip.Writer); ok && err == nil {
		err = zipped.Close()
	}
	if closing := f.Close(); err == nil {
		err = closing
	}
	return err
}

// onlyOwners takes a file from everybody but its owner: one that was there before kept its mode when it was opened. A device or a pipe
// stays as it is, or a dump to /dev/null as root would take that from all programs.
func onlyOwners(f *os.File) error {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return err
	}
	return f.Chmod(0o600)
}
