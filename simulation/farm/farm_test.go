package farm

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// script makes a program that stands for a worker.
func script(t *testing.T, lines string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "worker")
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"+lines), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Chdir(filepath.Join("..", ".."))
	return file
}

func TestASeedThatEndsItsProcessFailsAndTheNextIsPlayed(t *testing.T) {
	w := &Worker{Binary: script(t, `read -r job
case $job in
*'"Seed":1,'*) echo "panic: deadlock" >&2; exit 2 ;;
esac
echo '{"Seed":2,"Happened":["off.1"]}' >&3
cat >/dev/null
`)}
	defer w.Close()
	r, err := w.Play(t.Context(), Job{Seed: 1})
	if err != nil || r.Invariant != Ended || r.Seed != 1 || !strings.Contains(r.Failure, "panic: deadlock") {
		t.Errorf("%+v, %v", r, err)
	}
	r, err = w.Play(t.Context(), Job{Seed: 2})
	if err != nil || r.Failed() || r.Seed != 2 || !slices.Equal(r.Happened, []string{"off.1"}) {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestARunEndsWithItsContext(t *testing.T) {
	binary := script(t, "cat >/dev/null\n")
	ctx, stop := context.WithCancel(t.Context())
	jobs := make(chan Job)
	go func() {
		jobs <- Job{Seed: 1}
		stop()
		close(jobs)
	}()
	if err := Run(ctx, binary, 2, jobs, func(r Result) { t.Errorf("%+v", r) }); err == nil {
		t.Error("the run did not say that it was ended")
	}
}

// Nothing at all may happen, and everything may: a worker must tell the two apart.
func TestServeTellsNothingFromEverything(t *testing.T) {
	var got []Job
	var out bytes.Buffer
	err := Serve(strings.NewReader(`{"Seed":1,"Only":null}{"Seed":2,"Only":[]}{"Seed":3,"Only":["lag"]}`), &out, func(j Job) Result {
		got = append(got, j)
		return Result{Job: j}
	})
	want := []Job{{1, nil}, {2, []string{}}, {3, []string{"lag"}}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%#v, %v", got, err)
	}
	if n := strings.Count(out.String(), "\n"); n != 3 {
		t.Errorf("%d lines: %s", n, out.String())
	}
}
