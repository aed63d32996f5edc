//go:build integration

package integration

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/shoal-dev/shoal/playground"
)

func root(t *testing.T) string {
	t.Helper()
	dir, err := playground.FindRoot()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

var (
	printed = regexp.MustCompile(`(?m)^.+$`)
	logged  = regexp.MustCompile(`(?m)^[IWE]\d{4} .+$`) // the scheduler logs a few steps before it fails
)

// TestBadInput: one line that says what is wrong, an exit code, and no stack trace.
func TestBadInput(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	file := func(text string) string {
		path := filepath.Join(t.TempDir(), "config.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	nobody := file("apiVersion: v1\nkind: Config\nclusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]\ncontexts: [{name: c, context: {cluster: c, user: u}}]\nusers: [{name: u, user: {}}]\ncurrent-context: c\n")
	scheduler := func(args string) string {
		return file(`apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
clientConnection: {kubeconfig: ` + nobody + `}
profiles:
- schedulerName: shoal-scheduler
  plugins: {multiPoint: {enabled: [{name: Dispersion}]}}
  pluginConfig:
  - name: Dispersion
    args: ` + args + "\n")
	}
	for name, c := range map[string]struct {
		command string
		args    []string
		says    []string
	}{
		"scheduler: misspelt argument":  {"shoal-scheduler", []string{"--config=" + scheduler("{maxInstancesPerNod: 3}")}, []string{"maxInstancesPerNod"}},
		"scheduler: argument too large": {"shoal-scheduler", []string{"--config=" + scheduler("{maxInstancesPerNode: 20000}")}, []string{"maxInstancesPerNode", "10000"}},
		"scheduler: unknown flag":       {"shoal-scheduler", []string{"--nonsense"}, []string{"nonsense"}},
		"scheduler: no kubeconfig":      {"shoal-scheduler", []string{"--kubeconfig=/nowhere"}, []string{"/nowhere"}},
		"manager: unknown flag":         {"shoal-manager", []string{"--nonsense"}, []string{"nonsense"}},
		"manager: no kubeconfig":        {"shoal-manager", []string{"--kubeconfig=/nowhere"}, []string{"/nowhere"}},
		"manager: unknown controller":   {"shoal-manager", []string{"--controllers=instancesets"}, []string{"instancesets"}},
		"manager: busy port":            {"shoal-manager", []string{"--kubeconfig=" + nobody, "--metrics-bind-address=" + busy.Addr().String()}, []string{busy.Addr().String()}},
		"playground: unknown flag":      {"playground", []string{"up", "--nonsense"}, []string{"nonsense"}},
		"playground: nothing is up":     {"playground", []string{"status", "--dir", t.TempDir()}, []string{"playground up"}},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			command := exec.CommandContext(ctx, filepath.Join(root(t), "bin", c.command), c.args...)
			text, err := command.CombinedOutput()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() <= 0 {
				t.Fatalf("want an exit code: %v\n%s", err, text)
			}
			for _, word := range c.says {
				if !strings.Contains(string(text), word) {
					t.Errorf("%q does not name %q", text, word)
				}
			}
			if lines := len(printed.FindAllString(string(text), -1)) - len(logged.FindAllString(string(text), -1)); lines != 1 || strings.Contains(string(text), "goroutine ") {
				t.Errorf("%d lines, wanted one:\n%s", lines, text)
			}
		})
	}
}
