package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// small builds a program named like one of Shoal's.
func small(t *testing.T, env ...string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":  "module example.org/small\n\ngo 1.26\n",
		"main.go": "package main\n\nfunc main() { println(\"small\") }\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.Command("go", "build", "-o", "shoal-manager", ".")
	build.Dir = dir
	build.Env = append(append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false", "GOWORK=off"), env...)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return dir
}

func packed(t *testing.T, programs string) string {
	t.Helper()
	out := t.TempDir()
	o := options{repo: "registry.example:5000/team", tag: "v1", version: "v1.2.3", programs: programs, out: out, only: "shoal-manager"}
	if err := run(o); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestTheSameInputGivesTheSameArchive(t *testing.T) {
	programs := small(t)
	first := packed(t, programs)
	later := time.Now().Add(-time.Hour)
	if err := os.Chtimes(filepath.Join(programs, "shoal-manager"), later, later); err != nil {
		t.Fatal(err)
	}
	second := packed(t, programs)
	for _, name := range []string{"shoal-manager.tar", "shoal-manager.sbom.json"} {
		if !bytes.Equal(read(t, filepath.Join(first, name)), read(t, filepath.Join(second, name))) {
			t.Errorf("%s differs between two runs", name)
		}
	}
	if err := os.WriteFile(filepath.Join(programs, "shoal-manager"), append(read(t, filepath.Join(programs, "shoal-manager")), 'x'), 0o755); err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(read(t, filepath.Join(first, "shoal-manager.tar")), read(t, filepath.Join(packed(t, programs), "shoal-manager.tar"))) {
		t.Error("another program gives the same archive: the comparison above proves nothing")
	}
}

// What RELEASE=1 promises: the folder that a program was built in leaves no trace. Without -trimpath it does.
func TestAReleaseIsTheSameEverywhere(t *testing.T) {
	build := func(flags string) []byte { return read(t, filepath.Join(small(t, "GOFLAGS="+flags), "shoal-manager")) }
	if !bytes.Equal(build("-buildvcs=false -trimpath"), build("-buildvcs=false -trimpath")) {
		t.Error("two folders give different programs")
	}
	if bytes.Equal(build("-buildvcs=false"), build("-buildvcs=false")) {
		t.Error("without -trimpath two folders give the same program: the comparison above proves nothing")
	}
}

func TestArchive(t *testing.T) {
	out := packed(t, small(t))
	files := untar(t, read(t, filepath.Join(out, "shoal-manager.tar")))
	var index v1.IndexManifest
	decode(t, files["index.json"], &index)
	if len(index.Manifests) != 1 {
		t.Fatalf("%d images", len(index.Manifests))
	}
	names := index.Manifests[0].Annotations
	if names["io.containerd.image.name"] != "registry.example:5000/team/shoal-manager:v1" || names["org.opencontainers.image.ref.name"] != "v1" {
		t.Errorf("it is named %v", names)
	}
	blob := func(h v1.Hash) []byte { return files["blobs/sha256/"+h.Hex] }
	var manifest v1.Manifest
	decode(t, blob(index.Manifests[0].Digest), &manifest)
	var config v1.ConfigFile
	decode(t, blob(manifest.Config.Digest), &config)
	if config.Config.User != "65532:65532" || !slices.Equal(config.Config.Entrypoint, []string{"/shoal-manager"}) ||
		config.Config.Labels["org.opencontainers.image.version"] != "v1.2.3" || config.OS != "linux" || config.Architecture == "" {
		t.Errorf("%+v", config)
	}
}

func TestBillOfMaterials(t *testing.T) {
	var bill spdxDocument
	decode(t, read(t, filepath.Join(packed(t, small(t)), "shoal-manager.sbom.json")), &bill)
	ids := map[string]bool{}
	var purls []string
	for _, p := range bill.Packages {
		if ids[p.ID] {
			t.Errorf("%s stands there twice", p.ID)
		}
		ids[p.ID] = true
		for _, r := range p.References {
			purls = append(purls, r.Locator)
		}
	}
	if len(purls) != 2 || purls[0] != "pkg:golang/example.org/small@v1.2.3" || !strings.HasPrefix(purls[1], "pkg:golang/stdlib@go1.") {
		t.Errorf("it lists %v", purls)
	}
	for _, r := range bill.Relationships {
		if !ids[r.To] || r.From != "SPDXRef-DOCUMENT" && !ids[r.From] {
			t.Errorf("%+v names what is not there", r)
		}
	}
}

func TestMistakes(t *testing.T) {
	programs := small(t)
	for name, c := range map[string]struct {
		o    options
		want string
	}{
		"a program that is not built": {options{only: "shoal-manager", programs: t.TempDir()}, "is not built yet: run make build"},
		"an image that is not there":  {options{only: "shoal"}, `there is no image "shoal"`},
		"a tag that is none":          {options{only: "shoal-manager", programs: programs, tag: "a b"}, "naming the image"},
	} {
		c.o.repo, c.o.out = "localhost", t.TempDir()
		if c.o.tag == "" {
			c.o.tag = "dev"
		}
		if err := run(c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestLibraries(t *testing.T) {
	got, err := parseLdd("\tlinux-vdso.so.1 (0x00007f)\n\tlibm.so.6 => /lib/x/libm.so.6 (0x00007f)\n\t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n")
	if err != nil || !slices.Equal(got, []string{"/lib/x/libm.so.6", "/lib64/ld-linux-x86-64.so.2"}) {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := parseLdd("\tlibgone.so.1 => not found\n"); err == nil {
		t.Error("a library that is missing is passed over")
	}
}

// TestRedisRunsByItself unpacks the image and runs what is in it, with nothing else of this machine, as the image's user.
func TestRedisRunsByItself(t *testing.T) {
	if err := installed(); err != nil {
		t.Skip(err)
	}
	if os.Geteuid() != 0 {
		t.Skip("only root may change the root directory")
	}
	c, bill, err := redis("../../images/redis/shoal-redis")
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	for _, layer := range c.layers {
		text, err := pack(layer)
		if err != nil {
			t.Fatal(err)
		}
		unpack(t, root, text)
	}
	for _, o := range []string{root, filepath.Dir(root), filepath.Dir(filepath.Dir(root))} {
		if err := os.Chmod(o, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, command := range [][]string{
		{"/usr/bin/redis-server", "--version"}, {"/usr/bin/redis-sentinel", "--version"}, {"/usr/bin/redis-cli", "--version"},
		{"/usr/bin/redis-benchmark", "--version"},
		{"/bin/sh", "-c", "touch /data/x /tmp/x && ! touch /etc/x 2>/dev/null && grep -q nonroot /etc/passwd && timeout 5 sh -n /usr/local/bin/shoal-redis"},
	} {
		run := exec.Command(command[0], command[1:]...)
		run.Dir = "/"
		run.Env = c.env
		run.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: nonroot, Gid: nonroot}}
		if out, err := run.CombinedOutput(); err != nil {
			t.Errorf("%v: %v: %s", command, err, out)
		}
	}
	for _, name := range append([]string{"libc6"}, debianPackages...) {
		if !slices.ContainsFunc(bill, func(c component) bool { return c.name == name && c.version != "" }) {
			t.Errorf("the bill of materials lacks %s", name)
		}
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func decode(t *testing.T, text []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatalf("%v: %q", err, text)
	}
}

func untar(t *testing.T, text []byte) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	each(t, text, func(h *tar.Header, text []byte) { files[h.Name] = text })
	return files
}

func each(t *testing.T, text []byte, visit func(*tar.Header, []byte)) {
	t.Helper()
	for r := tar.NewReader(bytes.NewReader(text)); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		visit(header, content)
	}
}

func unpack(t *testing.T, root string, text []byte) {
	t.Helper()
	each(t, text, func(h *tar.Header, text []byte) {
		path := filepath.Join(root, h.Name)
		var err error
		switch h.Typeflag {
		case tar.TypeDir:
			err = os.MkdirAll(path, 0o755)
		case tar.TypeSymlink:
			err = os.Symlink(h.Linkname, path)
		default:
			err = os.WriteFile(path, text, os.FileMode(h.Mode))
		}
		if err == nil && h.Typeflag == tar.TypeDir {
			mode := os.FileMode(h.Mode & 0o777)
			if h.Mode&0o1000 != 0 {
				mode |= os.ModeSticky
			}
			err = errors.Join(os.Chmod(path, mode), os.Chown(path, h.Uid, h.Gid))
		}
		if err != nil {
			t.Fatal(err)
		}
	})
}
