//go:build e2e

// Package e2e tests what needs real containers: nodes with real kubelets, as root. `make e2e` builds what it needs, and
// `make real-node-deps` installs the rest.
package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/shoal-dev/shoal/playground"
	"github.com/shoal-dev/shoal/playground/images"
	"github.com/shoal-dev/shoal/playground/process"
	"github.com/shoal-dev/shoal/playground/realnode"
)

func TestMain(m *testing.M) {
	// A run that skips everything would look like one that passes.
	if err := realnode.Check(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	log.SetLogger(logr.Discard()) // or it complains that there is none
	os.Exit(m.Run())
}

// world is a cluster with real nodes under test.
type world struct {
	cluster *playground.Cluster
	client  kubernetes.Interface
	kubectl string
}

const testImage = "localhost/busybox:1"

// up starts a cluster that ends with the test. When the test fails, the ends of the logs are in its output.
func up(t *testing.T, options playground.Options) *world {
	t.Helper()
	options.Dir = filepath.Join(t.TempDir(), "cluster")
	options.Progress = t.Output()
	options.KubeScheduler = true
	c, err := playground.Up(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			tellLogs(t, c)
		}
		if err := c.Down(context.Background()); err != nil {
			t.Error(err)
		}
	})
	client, err := kubernetes.NewForConfig(c.Config())
	if err != nil {
		t.Fatal(err)
	}
	return &world{cluster: c, client: client, kubectl: filepath.Join(repository(t), "bin", "k8s", "kubectl")}
}

func repository(t *testing.T) string {
	t.Helper()
	root, err := playground.FindRoot()
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func tellLogs(t *testing.T, c *playground.Cluster) {
	t.Helper()
	logs := filepath.Join(filepath.Dir(c.Kubeconfig()), "logs")
	for _, pattern := range []string{"*.log", "*/*.log"} {
		names, _ := filepath.Glob(filepath.Join(logs, pattern))
		for _, name := range names {
			t.Logf("the end of %s:\n  %s", name, strings.Join(process.Tail(name), "\n  "))
		}
	}
}

// packTestImage packs the static busybox: a shell, a web server and a client.
func packTestImage(t *testing.T) string {
	t.Helper()
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		t.Fatalf("%v (run: make real-node-deps)", err)
	}
	archive := filepath.Join(t.TempDir(), "busybox.tar")
	err = images.Write(archive, images.Image{
		Ref: testImage, Files: map[string]string{"/bin/busybox": busybox}, Links: map[string]string{"/bin/sh": "busybox", "/bin/cat": "busybox"},
		Entrypoint: []string{"/bin/busybox", "httpd", "-f", "-v", "-p", "8080", "-h", "/etc"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return archive
}

// run runs a shell command in a pod and returns what it prints. The error has what it prints too.
func (w *world) run(ctx context.Context, pod, script string) (string, error) {
	return w.ctl(ctx, "exec", pod, "--", "sh", "-c", script)
}

func (w *world) ctl(ctx context.Context, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	return w.kubectlWith(ctx, args...)
}

func (w *world) kubectlWith(ctx context.Context, args ...string) (string, error) {
	var out bytes.Buffer
	command := exec.CommandContext(ctx, w.kubectl, append([]string{"--kubeconfig=" + w.cluster.Kubeconfig()}, args...)...)
	command.Stdout, command.Stderr = &out, &out
	err := command.Run()
	if err != nil {
		err = fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, out.String())
	}
	return out.String(), err
}

// mustPrint is a command in a pod that has to print this.
func (w *world) mustPrint(t *testing.T, pod, script, want string) {
	t.Helper()
	out, err := w.run(t.Context(), pod, script)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out, want) {
		t.Fatalf("%q in %s printed %q, want %q in it", script, pod, out, want)
	}
}

// eventually tries until it works. What does not work within the time is the test's failure.
func eventually(t *testing.T, within time.Duration, what string, try func() error) {
	t.Helper()
	deadline := time.Now().Add(within)
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s: %v", what, within, err)
		}
		<-ticker.C
	}
}
