package configuration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shoal-dev/shoal/api/agent"
)

func TestFolders(t *testing.T) {
	f := Folder{In: t.TempDir(), Out: t.TempDir()}
	put := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := f.Wanted(); err == nil {
		t.Error("nothing is a configuration")
	}
	if text, err := f.Recall(); err != nil || len(text) > 0 {
		t.Errorf("before anything was remembered: %q, %v", text, err)
	}
	put(filepath.Join(f.In, wantedFile), "{}")
	if text, allowed, err := f.Wanted(); err != nil || text != "{}" || allowed != "" {
		t.Errorf("%q, %q, %v", text, allowed, err)
	}
	put(filepath.Join(f.In, allowedFile), "0123456789abcdef\n")
	if text, allowed, err := f.Wanted(); err != nil || text != "{}" || allowed != "0123456789abcdef" {
		t.Errorf("%q, %q, %v", text, allowed, err)
	}
	put(filepath.Join(f.In, wantedFile), strings.Repeat("x", agent.MaxConfigurationBytes+1))
	if _, _, err := f.Wanted(); err == nil {
		t.Error("a file without bounds is read")
	}
	for _, text := range []string{"one", "two", "two", ""} {
		if err := f.Render([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if err := f.Remember([]byte("m" + text)); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(f.Out, "redis.conf"))
		back, failed := f.Recall()
		if err != nil || failed != nil || string(got) != text || string(back) != "m"+text {
			t.Errorf("%q and %q, %v, %v, want %q", got, back, err, failed, text)
		}
	}
	info, err := os.Stat(filepath.Join(f.Out, "redis.conf"))
	if err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("the engine, which is another user, may not read it: %v, %v", info.Mode(), err)
	}
	// What a crash has left is in nobody's way.
	put(filepath.Join(f.Out, ".redis.conf"), "half of someth")
	if err := f.Render([]byte("three")); err != nil {
		t.Error(err)
	}
	if all, _ := os.ReadDir(f.Out); len(all) != 2 {
		t.Errorf("%v is left", all)
	}
	if err := (Folder{Out: filepath.Join(f.Out, "absent")}).Render(nil); err == nil {
		t.Error("a folder that is not there was written to")
	}
}

func TestRenderedFiles(t *testing.T) {
	c := agent.NewConfiguration([]agent.Parameter{
		{Name: "maxmemory", Value: "2gb"}, {Name: "save", Value: ""}, {Name: "client-output-buffer-limit", Value: "replica 1gb  512mb 60"},
		{Name: "loglevel", Value: `a "b" \c # d`}, {Name: "maxmemory-clients", Value: "5%"}, {Name: "hz", Value: "-1"}, {Name: "timeout", Value: "1;2"},
	})
	want := "# Written by shoal-agent, revision " + c.Revision + ". Change spec.configuration of the InstanceSet, and not this.\n" +
		"client-output-buffer-limit replica 1gb 512mb 60\nhz -1\nloglevel \"a \\\"b\\\" \\\\c # d\"\nmaxmemory 2gb\nmaxmemory-clients 5%\nsave \"\"\ntimeout \"1;2\"\n"
	if got := string(render(c)); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestRecalled(t *testing.T) {
	if _, err := recalled([]byte("{")); err == nil {
		t.Error("half of a memory is one")
	}
	if m, err := recalled(nil); err != nil || m.file() != nil || m.runs() != "" {
		t.Errorf("%+v, %v", m, err)
	}
}
