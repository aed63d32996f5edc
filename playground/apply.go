package playground

import (
	"context"
	"path/filepath"
)

// Apply applies manifests as a user would: kubectl apply --server-side -f. Relative paths are relative to the repository.
func (c *Cluster) Apply(ctx context.Context, files ...string) error {
	args := []string{"apply", "--server-side"}
	for _, file := range files {
		if !filepath.IsAbs(file) {
			file = filepath.Join(c.options.Root, file)
		}
		args = append(args, "-f", file)
	}
	return c.kubectl(ctx, args...)
}
