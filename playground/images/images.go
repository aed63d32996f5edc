// Package images puts files of this machine together to container images, without a registry: the playground's nodes
// have no way to one. What it writes can be read by 'ctr images import' and by 'docker load'.
package images

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// Image is what an image is made of: one layer of programs.
type Image struct {
	Ref        string            // for example "localhost/pause:1"
	Files      map[string]string // path in the image to file of this machine; all of them executable
	Links      map[string]string // path in the image to target
	Entrypoint []string
	Env        []string
}

// Write writes the image as an archive. The same input gives the same bytes.
func Write(file string, image Image) error {
	layer, err := image.layer()
	if err != nil {
		return fmt.Errorf("packing %s: %w", image.Ref, err)
	}
	packed, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return fmt.Errorf("packing %s: %w", image.Ref, err)
	}
	config, err := packed.ConfigFile()
	if err != nil {
		return fmt.Errorf("packing %s: %w", image.Ref, err)
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", runtime.GOARCH
	config.Config = v1.Config{Entrypoint: image.Entrypoint, Env: append([]string{"PATH=/usr/bin:/bin"}, image.Env...), WorkingDir: "/"}
	if packed, err = mutate.ConfigFile(packed, config); err != nil {
		return fmt.Errorf("packing %s: %w", image.Ref, err)
	}
	tag, err := name.NewTag(image.Ref, name.StrictValidation)
	if err != nil {
		return fmt.Errorf("naming an image: %w", err)
	}
	if err := tarball.WriteToFile(file, tag, packed); err != nil {
		return fmt.Errorf("writing %s: %w", file, err)
	}
	return nil
}

func (i Image) layer() (v1.Layer, error) {
	var buffer bytes.Buffer
	w := &writer{tar: tar.NewWriter(&buffer), made: map[string]bool{}}
	for _, dir := range []string{"tmp", "proc", "sys", "dev", "etc"} {
		w.dir(dir)
	}
	for _, target := range slices.Sorted(maps.Keys(i.Files)) {
		text, err := os.ReadFile(i.Files[target])
		if err != nil {
			return nil, err
		}
		w.entry(&tar.Header{Typeflag: tar.TypeReg, Name: target, Size: int64(len(text)), Mode: 0o755}, text)
	}
	for _, link := range slices.Sorted(maps.Keys(i.Links)) {
		w.entry(&tar.Header{Typeflag: tar.TypeSymlink, Name: link, Linkname: i.Links[link], Mode: 0o777}, nil)
	}
	if err := errors.Join(w.err, w.tar.Close()); err != nil {
		return nil, fmt.Errorf("writing the layer: %w", err)
	}
	text := buffer.Bytes()
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text)), nil })
}

// writer keeps the first error, so that the callers need not.
type writer struct {
	tar  *tar.Writer
	made map[string]bool
	err  error
}

// dir makes a directory and its parents, each once.
func (w *writer) dir(name string) {
	name = strings.Trim(name, "/")
	if name == "" || name == "." || w.made[name] {
		return
	}
	w.dir(path.Dir(name))
	w.made[name] = true
	mode := int64(0o755)
	if name == "tmp" {
		mode = 0o1777
	}
	w.write(&tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: mode}, nil)
}

func (w *writer) entry(header *tar.Header, text []byte) {
	header.Name = strings.TrimPrefix(header.Name, "/")
	w.dir(path.Dir(header.Name))
	w.write(header, text)
}

func (w *writer) write(header *tar.Header, text []byte) {
	if w.err != nil {
		return
	}
	header.ModTime = time.Unix(0, 0) // or two equal images would have different digests
	if w.err = w.tar.WriteHeader(header); w.err == nil {
		_, w.err = w.tar.Write(text)
	}
}
