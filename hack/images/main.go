// Command images packs container images without a registry, a container runtime or root: Shoal's three programs, which are
// one static file each, and Redis from the Debian packages that are installed on this machine.
//
// Each image becomes one OCI archive, which `ctr images import` and `podman load` take as it is and `skopeo copy` pushes,
// with a bill of materials (SPDX) beside it. It compiles nothing: `make images` builds the programs first, with the flags
// that everything is built with. The same input gives the same digest: files are sorted and carry no time of their own.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// options are the flags.
type options struct {
	repo, tag, version string
	programs, out      string
	entrypoint         string
	only               string
}

func main() {
	var o options
	flag.StringVar(&o.repo, "repo", "localhost", "registry and path before the names of the images")
	flag.StringVar(&o.tag, "tag", "dev", "tag of the images")
	flag.StringVar(&o.version, "version", "dev", "version of Shoal, for the label org.opencontainers.image.version")
	flag.StringVar(&o.programs, "programs", "bin", "folder with shoal-scheduler, shoal-manager and shoal-agent")
	flag.StringVar(&o.entrypoint, "redis-entrypoint", "images/redis/shoal-redis", "the entrypoint of the Redis image")
	flag.StringVar(&o.out, "out", "bin/images", "folder for the archives and bills of materials")
	flag.StringVar(&o.only, "only", "shoal-scheduler,shoal-manager,shoal-agent,redis", "images to pack")
	flag.Parse()
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "images:", err)
		os.Exit(1)
	}
}

func run(o options) error {
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return fmt.Errorf("making the folder for images: %w", err)
	}
	for what := range strings.SplitSeq(o.only, ",") {
		ref, err := name.NewTag(o.repo + "/" + what + ":" + o.tag)
		if err != nil {
			return fmt.Errorf("naming the image of %s: %w", what, err)
		}
		content, bill, err := o.describe(what)
		if err != nil {
			return err
		}
		if err := write(o.out, what, o.repo+"/"+what+":"+o.tag, ref, content, bill); err != nil {
			return fmt.Errorf("packing %s: %w", what, err)
		}
	}
	return nil
}

// describe says what is in an image, without packing it.
func (o options) describe(what string) (content, []component, error) {
	switch what {
	case "shoal-scheduler", "shoal-manager", "shoal-agent":
		return program(filepath.Join(o.programs, what), o.version)
	case "redis":
		return redis(o.entrypoint)
	}
	return content{}, nil, fmt.Errorf("there is no image %q: want some of shoal-scheduler, shoal-manager, shoal-agent, redis", what)
}

// write makes <folder>/<what>.tar and <folder>/<what>.sbom.json.
func write(folder, what, full string, ref name.Tag, c content, bill []component) error {
	image, err := c.image()
	if err != nil {
		return err
	}
	digest, err := image.Digest()
	if err != nil {
		return err
	}
	path := filepath.Join(folder, what)
	if err := writeArchive(path+".tar", full, ref.TagStr(), image); err != nil {
		return err
	}
	if err := writeBill(path+".sbom.json", what, full, digest, bill); err != nil {
		return err
	}
	size, err := sizeOf(image)
	if err != nil {
		return err
	}
	fmt.Printf("%s.tar  %s  %s  %.1f MB\n", path, full, digest, float64(size)/1e6)
	return nil
}

func sizeOf(image v1.Image) (int64, error) {
	layers, err := image.Layers()
	if err != nil {
		return 0, err
	}
	var total int64
	for _, layer := range layers {
		size, err := layer.Size()
		if err != nil {
			return 0, err
		}
		total += size
	}
	return total, nil
}

// platform is what the images run on: where they are packed, since Redis comes from here.
func platform() v1.Platform { return v1.Platform{OS: "linux", Architecture: runtime.GOARCH} }
