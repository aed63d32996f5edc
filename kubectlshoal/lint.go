package kubectlshoal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/shoal-dev/shoal/kubectlshoal/lint"
)

func newLint(o *options) *cobra.Command {
	var names []string
	cmd := &cobra.Command{
		Use:   "lint -f FILE...",
		Short: "What is wrong with these files, line by line, before they reach a cluster",
		Long: `Says what is wrong with files of InstanceSets, PlacementPolicies, Switchovers and configurations of shoal-scheduler, without a
cluster. They are judged by those who would read them: objects by the API server's code with the schemas and rules of the CRDs,
configurations by the code with which the scheduler starts, also inside ConfigMaps. Limits that cannot hold all replicas are told
in the words of the policy's status. Of other objects, StatefulSets in placement groups and labels under shoal.dev/ are looked at.

Of a folder, every .yaml, .yml and .json in it is read, however deep.`,
		Example: `  kubectl shoal lint -f cache.yaml
  kubectl shoal lint -f manifests/ -f scheduler-config.yaml
  helm template redis | kubectl shoal lint -f -
  kubectl shoal lint -f manifests/ -o json | jq -r '.findings[].code'`,
		Args: noArgs("name files with -f"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			sources, unread, err := o.sources(names)
			if err != nil {
				return err
			}
			report, err := lint.Check(cmd.Context(), sources)
			if err != nil {
				return err
			}
			report.Unread = unread
			if err := o.print(report); len(sources) > 0 || err != nil && !errors.Is(err, errPartial) {
				return err
			}
			return errors.New("none of the files could be read")
		},
	}
	cmd.Flags().StringArrayVarP(&names, "file", "f", nil, "file or folder; may be given several times; - is standard input")
	_ = cmd.MarkFlagFilename("file", "yaml", "yml", "json")
	return o.withOutput(cmd)
}

// sources reads files, and says of those that it cannot read why. Without any there is nothing to judge.
func (o *options) sources(names []string) (sources []lint.Source, unread []string, err error) {
	if len(names) == 0 {
		return nil, nil, errors.New("which files? Name them with -f; - is standard input")
	}
	for _, name := range names {
		files, err := filesIn(name)
		if err != nil {
			unread = append(unread, err.Error())
			continue
		}
		for _, file := range files {
			text, err := o.readAll(file)
			if err != nil {
				unread = append(unread, err.Error())
				continue
			}
			sources = append(sources, lint.Source{Name: file, Text: text})
		}
	}
	return sources, unread, nil
}

func (o *options) readAll(name string) ([]byte, error) {
	in, err := o.open(name)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	text, err := io.ReadAll(in)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return text, nil
}

// filesIn are the files of a folder; a file that is named is read whatever its name.
func filesIn(name string) ([]string, error) {
	if name == "-" {
		return []string{name}, nil
	}
	var files []string
	err := filepath.WalkDir(name, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		extension := strings.ToLower(filepath.Ext(path))
		if !entry.IsDir() && (path == name || slices.Contains([]string{".yaml", ".yml", ".json"}, extension)) {
			files = append(files, path)
		}
		return nil
	})
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("%s: no .yaml, .yml or .json in it", name)
	}
	return files, err
}
