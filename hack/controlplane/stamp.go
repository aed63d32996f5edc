package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// stamp says from what the programs in a directory were built.
type stamp struct {
	// Files is a digest of go.mod and go.sum, with the toolchain and the flags. While it is the same nothing can have
	// changed, and it costs nothing to find out.
	Files string `json:"files"`
	// Modules is a digest of the modules that the programs are really built from, with the same. Another dependency of
	// Shoal changes go.mod and leaves this alone.
	Modules string `json:"modules"`
}

func (b *build) stampFile() string { return filepath.Join(b.dir, "stamp.json") }

// upToDate says whether the programs are there and what they were built from is what would be built from now.
func (b *build) upToDate(ctx context.Context) (bool, error) {
	for _, p := range b.set.programs {
		if _, err := os.Stat(filepath.Join(b.dir, p.name)); err != nil {
			return false, nil
		}
	}
	var built stamp
	text, err := os.ReadFile(b.stampFile())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading the stamp: %w", err)
	}
	if err := json.Unmarshal(text, &built); err != nil {
		return false, nil // damaged: build again
	}
	files, err := b.digestFiles(ctx)
	if err != nil {
		return false, err
	}
	if built.Files == files {
		return true, nil
	}
	deps, err := b.dependencies(ctx)
	if err != nil {
		return false, err
	}
	modules, err := b.digestModules(ctx, deps)
	if err != nil || built.Modules != modules {
		return false, err
	}
	return true, b.writeStamp(ctx)
}

func (b *build) writeStamp(ctx context.Context) error {
	deps, err := b.dependencies(ctx)
	if err != nil {
		return err
	}
	var now stamp
	if now.Modules, err = b.digestModules(ctx, deps); err != nil {
		return err
	}
	if now.Files, err = b.digestFiles(ctx); err != nil {
		return err
	}
	text, err := json.Marshal(now)
	if err != nil {
		return fmt.Errorf("encoding the stamp: %w", err)
	}
	if err := os.WriteFile(b.stampFile(), append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("writing the stamp: %w", err)
	}
	return nil
}

func (b *build) digestFiles(ctx context.Context) (string, error) {
	parts, err := b.settings(ctx)
	if err != nil {
		return "", err
	}
	for _, name := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(filepath.Join(b.root, name))
		if err != nil {
			return "", fmt.Errorf("reading %s: %w", name, err)
		}
		parts = append(parts, string(text))
	}
	return digest(parts), nil
}

func (b *build) digestModules(ctx context.Context, deps dependencies) (string, error) {
	parts, err := b.settings(ctx)
	if err != nil {
		return "", err
	}
	return digest(append(parts, deps.modules...)), nil
}

// settings are what the programs depend on beside their sources.
func (b *build) settings(ctx context.Context) ([]string, error) {
	toolchain, err := output(ctx, b.root, "version")
	if err != nil {
		return nil, err
	}
	return append([]string{toolchain}, append(b.flags(), b.set.packages()...)...), nil
}

// dependencies are the packages of all programs, and the modules that these come from.
type dependencies struct {
	packages, modules []string
}

func (b *build) dependencies(ctx context.Context) (dependencies, error) {
	const format = `{{.ImportPath}} {{with .Module}}{{.Path}}@{{.Version}}{{with .Replace}}=>{{.Path}}@{{.Version}}{{end}}{{end}}`
	text, err := output(ctx, b.root, append([]string{"list", "-deps", "-f", format}, b.set.packages()...)...)
	if err != nil {
		return dependencies{}, err
	}
	var deps dependencies
	for line := range strings.Lines(text) {
		pkg, module, _ := strings.Cut(strings.TrimSpace(line), " ")
		deps.packages = append(deps.packages, pkg)
		if module != "" {
			deps.modules = append(deps.modules, module)
		}
	}
	slices.Sort(deps.modules)
	deps.modules = slices.Compact(deps.modules)
	return deps, nil
}

func digest(parts []string) string {
	hash := sha256.New()
	for _, part := range parts {
		_, _ = fmt.Fprintf(hash, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(hash.Sum(nil))
}
