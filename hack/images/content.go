package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// nonroot is the user that all images run as, and owns what they may write to.
const nonroot = 65532

// epoch is the time of everything in an image: a time of its own would change the digest with every run.
var epoch = time.Unix(0, 0).UTC()

// file is one entry of an image: text, the content of a file of this machine, a link, or a directory.
type file struct {
	mode  fs.FileMode
	owner int
	text  string
	from  string // a file of this machine
	link  string // target of a symbolic link
}

// content is what an image holds and how it starts.
type content struct {
	layers     []map[string]file // by absolute path; lower layers first
	entrypoint []string
	workingDir string
	env        []string
	labels     map[string]string
}

// accounts are the files that a program without a distribution around it still expects.
func accounts() map[string]file {
	return map[string]file{
		"/etc/passwd":        {mode: 0o644, text: fmt.Sprintf("root:x:0:0:root:/:/sbin/nologin\nnonroot:x:%d:%d:nonroot:/:/sbin/nologin\n", nonroot, nonroot)},
		"/etc/group":         {mode: 0o644, text: fmt.Sprintf("root:x:0:\nnonroot:x:%d:\n", nonroot)},
		"/etc/nsswitch.conf": {mode: 0o644, text: "hosts: files dns\n"},
		"/tmp":               {mode: fs.ModeDir | fs.ModeSticky | 0o777},
	}
}

func (c content) image() (v1.Image, error) {
	base := mutate.MediaType(mutate.ConfigMediaType(empty.Image, types.OCIConfigJSON), types.OCIManifestSchema1)
	var additions []mutate.Addendum
	for _, files := range c.layers {
		text, err := pack(files)
		if err != nil {
			return nil, err
		}
		layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text)), nil },
			tarball.WithMediaType(types.OCILayer))
		if err != nil {
			return nil, fmt.Errorf("packing a layer: %w", err)
		}
		additions = append(additions, mutate.Addendum{
			Layer: layer, MediaType: types.OCILayer, History: v1.History{CreatedBy: "hack/images", Created: v1.Time{Time: epoch}},
		})
	}
	image, err := mutate.Append(base, additions...)
	if err != nil {
		return nil, fmt.Errorf("adding layers: %w", err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Created = platform().OS, platform().Architecture, v1.Time{Time: epoch}
	config.Config = v1.Config{
		User: fmt.Sprintf("%d:%d", nonroot, nonroot), Entrypoint: c.entrypoint, WorkingDir: c.workingDir, Env: c.env, Labels: c.labels,
	}
	return mutate.ConfigFile(image, config)
}

// pack makes the archive of a layer: parents before children, sorted, all of one time.
func pack(files map[string]file) ([]byte, error) {
	all := maps.Clone(files)
	for name := range files {
		for dir := path.Dir(name); dir != "/"; dir = path.Dir(dir) {
			if _, given := all[dir]; !given {
				all[dir] = file{mode: fs.ModeDir | 0o755}
			}
		}
	}
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if err := all[name].add(w, strings.TrimPrefix(name, "/")); err != nil {
			return nil, fmt.Errorf("packing %s: %w", name, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func (f file) add(w *tar.Writer, name string) error {
	header := &tar.Header{
		Name: name, Typeflag: tar.TypeReg, Mode: int64(f.mode.Perm()), Uid: f.owner, Gid: f.owner, ModTime: epoch, Format: tar.FormatPAX,
	}
	if f.mode&fs.ModeSticky != 0 {
		header.Mode |= 0o1000
	}
	text := []byte(f.text)
	switch {
	case f.mode.IsDir():
		header.Typeflag, header.Name = tar.TypeDir, name+"/"
	case f.link != "":
		header.Typeflag, header.Linkname, header.Mode = tar.TypeSymlink, f.link, 0o777
	case f.from != "":
		var err error
		if text, err = os.ReadFile(f.from); err != nil {
			return err
		}
	}
	header.Size = int64(len(text))
	if err := w.WriteHeader(header); err != nil {
		return err
	}
	_, err := w.Write(text)
	return err
}
