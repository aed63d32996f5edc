package main

import (
	"archive/tar"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
)

// writeArchive writes an OCI image layout as one tar archive. The annotations name the image: containerd reads the full
// name from its own key, everybody else the tag from the one of the specification
// (https://github.com/opencontainers/image-spec/blob/main/annotations.md).
func writeArchive(target, full, tag string, image v1.Image) error {
	dir, err := os.MkdirTemp(filepath.Dir(target), ".layout-")
	if err != nil {
		return fmt.Errorf("making a folder for the layout: %w", err)
	}
	defer os.RemoveAll(dir)
	blobs, err := layout.Write(filepath.Join(dir, "layout"), empty.Index)
	if err != nil {
		return fmt.Errorf("writing the layout: %w", err)
	}
	names := map[string]string{"io.containerd.image.name": full, "org.opencontainers.image.ref.name": tag}
	if err := blobs.AppendImage(image, layout.WithAnnotations(names), layout.WithPlatform(platform())); err != nil {
		return fmt.Errorf("writing the image: %w", err)
	}
	temporary := filepath.Join(dir, "archive.tar")
	if err := archive(string(blobs), temporary); err != nil {
		return fmt.Errorf("writing %s: %w", target, err)
	}
	return os.Rename(temporary, target) // a reader never sees half of it
}

// archive packs the layout below dir. WalkDir goes in the order of names.
func archive(dir, target string) error {
	out, err := os.Create(target)
	if err != nil {
		return err
	}
	defer out.Close()
	w := tar.NewWriter(out)
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		f := file{mode: 0o644, from: path}
		if entry.IsDir() {
			f = file{mode: fs.ModeDir | 0o755}
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		return f.add(w, filepath.ToSlash(name))
	})
	if err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return out.Close()
}
