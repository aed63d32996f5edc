package realnode

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/shoal-dev/shoal/playground/cgroup"
	"github.com/shoal-dev/shoal/playground/control"
	"github.com/shoal-dev/shoal/playground/process"
)

// agent keeps the programs of one node running, and carries out orders.
type agent struct {
	config     Config
	programs   programs
	supervisor *process.Supervisor
	ordering   sync.Mutex // one order at a time
}

// Boot sets the node in the directory up and keeps it running until ctx ends. It is the second process of the node.
func Boot(ctx context.Context, dir string) error {
	config, err := Read(dir)
	if err != nil {
		return err
	}
	found, missing := findPrograms()
	if len(missing) > 0 {
		return fmt.Errorf("starting the node: %s are missing", strings.Join(missing, ", "))
	}
	if err := config.prepare(ctx, found); err != nil {
		return err
	}
	a := &agent{
		config: config, programs: found,
		supervisor: process.New(config.Logs, func([]process.Status) {}, func(s process.Status) {
			fmt.Fprintf(os.Stderr, "%s ended: %s\n", s.Name, s.Exit.How)
		}),
	}
	if err := a.start(ctx); err != nil {
		return err
	}
	return control.Serve(ctx, Socket(dir), a.orders())
}

// prepare makes the surroundings that a machine has before its first program starts.
func (c Config) prepare(ctx context.Context, p programs) error {
	if err := unix.Sethostname([]byte(c.Name)); err != nil {
		return fmt.Errorf("naming the node: %w", err)
	}
	if err := c.isolateMounts(); err != nil {
		return err
	}
	if err := os.MkdirAll(c.Logs, 0o700); err != nil {
		return fmt.Errorf("making the directory of the logs: %w", err)
	}
	groups, err := cgroup.Detect()
	if err != nil {
		return err
	}
	// Of an earlier run: a kubelet would count what it finds there as running.
	if err := groups.Remove(c.Cgroup); err != nil {
		return err
	}
	if err := groups.Make(c.Cgroup); err != nil {
		return err
	}
	if err := c.mountDisk(ctx, p); err != nil {
		return err
	}
	link, err := awaitLink(ctx)
	if err != nil {
		return err
	}
	if err := c.joinNetwork(link); err != nil {
		return err
	}
	return c.writeFiles(p)
}

const (
	pollEvery   = 20 * time.Millisecond
	pollTimeout = time.Minute // for a busy machine
)

// awaitLink waits for the supervisor to plug the cable in.
func awaitLink(ctx context.Context) (netlink.Link, error) {
	var link netlink.Link
	err := wait.PollUntilContextTimeout(ctx, pollEvery, pollTimeout, true, func(context.Context) (bool, error) {
		var err error
		link, err = netlink.LinkByName(nodeLink)
		return err == nil, nil
	})
	if err != nil {
		return nil, fmt.Errorf("waiting for the link %s: %w", nodeLink, err)
	}
	return link, nil
}

func (a *agent) start(ctx context.Context) error {
	// Plugins of CNI and the shim look for their tools in PATH.
	if err := os.Setenv("PATH", strings.Join(searchPath, ":")); err != nil {
		return fmt.Errorf("setting the path of programs: %w", err)
	}
	err := a.supervisor.Start(process.Spec{
		Name: "containerd", Path: a.programs.path("containerd"), Args: []string{"--config", a.config.path("containerd.toml")}, Restart: true,
	})
	if err != nil {
		return err
	}
	if err := awaitSocket(ctx, containerdSocket); err != nil {
		return err
	}
	archives, err := filepath.Glob(filepath.Join(a.config.Images, "*.tar"))
	if err != nil {
		return fmt.Errorf("listing the images: %w", err)
	}
	// Before the kubelet: a pod whose image is not there yet would wait for its next try.
	for _, archive := range append([]string{a.config.path(PauseArchive)}, archives...) {
		if err := a.importFile(ctx, archive); err != nil {
			return err
		}
	}
	proxy := process.Spec{Name: "kube-proxy", Path: a.config.Proxy, Args: []string{"--config=" + a.config.path("kube-proxy.yaml")}, Restart: true}
	return errors.Join(a.startKubelet(), a.supervisor.Start(proxy))
}

const kubelet = "kubelet"

func (a *agent) startKubelet() error {
	return a.supervisor.Start(process.Spec{Name: kubelet, Path: a.config.Kubelet, Args: a.config.kubeletArgs(), Restart: true})
}

func awaitSocket(ctx context.Context, path string) error {
	err := wait.PollUntilContextTimeout(ctx, pollEvery, pollTimeout, true, func(ctx context.Context) (bool, error) {
		connection, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
		if err != nil {
			return false, nil
		}
		return true, connection.Close()
	})
	if err != nil {
		return fmt.Errorf("waiting for %s to answer: %w", path, err)
	}
	return nil
}

func (a *agent) importFile(ctx context.Context, archive string) error {
	file, err := os.Open(archive)
	if err != nil {
		return fmt.Errorf("opening an image: %w", err)
	}
	defer func() { _ = file.Close() }()
	if err := a.importImages(ctx, file); err != nil {
		return fmt.Errorf("%w (%s)", err, archive)
	}
	return nil
}

func (a *agent) importImages(ctx context.Context, archive io.Reader) error {
	if err := run(ctx, archive, a.programs.path("ctr"), "--address", containerdSocket, "--namespace", "k8s.io", "images", "import", "-"); err != nil {
		return fmt.Errorf("importing an image: %w", err)
	}
	return nil
}

// run runs a program to its end. Its error has the program's own words.
func run(ctx context.Context, input io.Reader, program string, args ...string) error {
	var out bytes.Buffer
	command := exec.CommandContext(ctx, program, args...)
	command.Stdin, command.Stdout, command.Stderr = input, &out, &out
	if err := command.Run(); err != nil {
		return fmt.Errorf("running %s: %w: %s", filepath.Base(program), err, strings.TrimSpace(out.String()))
	}
	return nil
}
