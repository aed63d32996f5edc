package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Help in the documentation is what the program says.
func TestDocumentedHelpIsReal(t *testing.T) {
	page, err := os.ReadFile("../../docs/agent.md")
	if err != nil {
		t.Fatal(err)
	}
	var help strings.Builder
	c := command()
	c.SetOut(&help)
	c.SetArgs([]string{"--help"})
	if err := c.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), "$ shoal-agent --help\n"+help.String()+"```\n") {
		t.Errorf("docs/agent.md has another text than:\n%s", help.String())
	}
}

func TestFlagsThatAreRefused(t *testing.T) {
	for args, want := range map[string]string{
		"":                                    "--manager: give",
		"--manager m":                         "--manager: \"m\" is not host:port",
		"--manager m:1 --address :6379":       "--address",
		"--manager m:1 --heartbeat 59s":       "--heartbeat: 59s is not between 1m0s and 1h0m0s",
		"--manager m:1 --poll-interval 1ms":   "--poll-interval",
		"--manager m:1 --timeout 1m":          "--timeout",
		"--manager m:1 --failure-threshold 0": "--failure-threshold",
		"--manager m:1 --probe ldap":          "--probe: \"ldap\" is none of",
		"--manager m:1 --probe exec":          "takes a program",
		"--manager m:1 -- /bin/true":          "takes a program",
		"--manager m:1 --probe http":          "--url",
		"--manager m:1 --configuration c":     "--configuration-out",
		"--manager m:1 --configuration-out c": "--configuration-out",
		"--manager m:1 --probe tcp --configuration c --configuration-out c": "--probe=redis",
		"--manager m:1 --configuration-deadline 0s":                         "--configuration-deadline",
		"--manager m:1 --sentinels s:1":                                     "--sentinel-shard",
		"--manager m:1 --sentinels s":                                       "--sentinels",
		"--manager m:1 --tls-cert-file f":                                   "--tls-key-file",
		"--manager m:1 --sentinel-tls-key-file f":                           "--sentinel-tls-cert-file",
		"--manager m:1 --announced-address $(IP)":                           "--announced-address",
		"--manager m:1 --revision two\u00a0words":                           "--revision",
	} {
		c := command()
		c.SetArgs(strings.Fields(args))
		if args == "--manager m:1 --revision two\u00a0words" {
			c.SetArgs([]string{"--manager", "m:1", "--revision", "two words"})
		}
		ctx, stop := context.WithTimeout(t.Context(), 5*time.Second) // one that is not refused runs
		err := c.ExecuteContext(ctx)
		stop()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", args, err, want)
		}
	}
}

func TestPasswords(t *testing.T) {
	file := func(text string) string {
		name := filepath.Join(t.TempDir(), "password")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	for text, want := range map[string]string{"secret\n": "secret", "secret\r\n": "secret", " se cret": " se cret"} {
		l := login{passwordFile: file(text)}
		a, err := l.access(time.Second)
		if err != nil || string(a.Password) != want || strings.Contains(fmt.Sprintf("%+v", a), want) {
			t.Errorf("%q: %+v, %v", text, a, err)
		}
	}
	for _, name := range []string{file(""), file("\n"), file(strings.Repeat("x", maxPassword+1)), "/absent"} {
		if _, err := (&login{passwordFile: name}).access(time.Second); err == nil || strings.Contains(err.Error(), "xxx") {
			t.Errorf("%s: %v", name, err)
		}
	}
	l := login{tls: true, caFile: file("no certificate")}
	if _, err := l.access(time.Second); err == nil {
		t.Error("roots that are none are taken")
	}
}
