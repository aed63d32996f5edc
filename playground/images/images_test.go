package images

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

func example(t *testing.T) Image {
	t.Helper()
	program := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(program, []byte("#!/bin/sh\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return Image{
		Ref:        "localhost/example:1",
		Files:      map[string]string{"/usr/bin/b": program, "/usr/bin/a": program, "/bin/c": program},
		Links:      map[string]string{"/usr/bin/y": "/usr/bin/a", "/usr/bin/x": "b"},
		Entrypoint: []string{"/usr/bin/a"}, Env: []string{"K=v"},
	}
}

func TestTheSameInputGivesTheSameBytes(t *testing.T) {
	image := example(t)
	written := func(name string) []byte {
		file := filepath.Join(t.TempDir(), name)
		if err := Write(file, image); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	first := written("a.tar")
	// The order of a map differs from run to run, and the file's own time must not matter.
	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(image.Files["/bin/c"], later, later); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if !bytes.Equal(first, written("b.tar")) {
			t.Fatal("two archives of one image differ")
		}
	}
}

func TestWhatIsInAnImage(t *testing.T) {
	file := filepath.Join(t.TempDir(), "image.tar")
	if err := Write(file, example(t)); err != nil {
		t.Fatal(err)
	}
	entries := layerOf(t, file)
	for name, want := range map[string]tar.Header{
		"usr/bin/a": {Typeflag: tar.TypeReg, Mode: 0o755}, // whatever mode the file has here
		"bin/c":     {Typeflag: tar.TypeReg, Mode: 0o755},
		"usr/bin/x": {Typeflag: tar.TypeSymlink, Mode: 0o777, Linkname: "b"},
		"usr/bin/y": {Typeflag: tar.TypeSymlink, Mode: 0o777, Linkname: "/usr/bin/a"},
		"usr/bin/":  {Typeflag: tar.TypeDir, Mode: 0o755},
		"tmp/":      {Typeflag: tar.TypeDir, Mode: 0o1777},
	} {
		got, ok := entries[name]
		if !ok || got.Typeflag != want.Typeflag || got.Mode != want.Mode || got.Linkname != want.Linkname {
			t.Errorf("%s is %+v, want %+v", name, got, want)
		}
		if got.Uid != 0 || got.Gid != 0 {
			t.Errorf("%s belongs to %d:%d", name, got.Uid, got.Gid)
		}
	}
}

// layerOf reads the one layer of an archive. Names that come twice, or before their directory, fail the test.
func layerOf(t *testing.T, file string) map[string]tar.Header {
	t.Helper()
	image, err := tarball.ImageFromPath(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(config.Config.Env, " "); got != "PATH=/usr/bin:/bin K=v" {
		t.Errorf("its environment is %q", got)
	}
	layers, err := image.Layers()
	if err != nil || len(layers) != 1 {
		t.Fatalf("%d layers, %v", len(layers), err)
	}
	reader, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = reader.Close() }()
	entries := map[string]tar.Header{}
	for archive := tar.NewReader(reader); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return entries
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := entries[header.Name]; twice {
			t.Errorf("%s is there twice", header.Name)
		}
		if parent := filepath.Dir(strings.TrimSuffix(header.Name, "/")); parent != "." {
			if _, made := entries[parent+"/"]; !made {
				t.Errorf("%s comes before its directory", header.Name)
			}
		}
		if header.ModTime.Unix() != 0 { // to the second: an archive that is written soon after would not show it
			t.Errorf("%s is of %s", header.Name, header.ModTime)
		}
		entries[header.Name] = *header
	}
}

func TestWhatCannotBePacked(t *testing.T) {
	image := example(t)
	image.Files["/gone"] = filepath.Join(t.TempDir(), "gone")
	if err := Write(filepath.Join(t.TempDir(), "x.tar"), image); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), image.Ref) {
		t.Errorf("a file that is not there: %v", err)
	}
	image = example(t)
	image.Ref = "no tag"
	if err := Write(filepath.Join(t.TempDir(), "x.tar"), image); err == nil {
		t.Error("a reference without a tag was taken")
	}
}
