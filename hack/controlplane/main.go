// Command controlplane builds etcd, the Kubernetes components, kubectl and kwok from the modules that go.mod pins, into
// bin/k8s/. With --real-nodes it builds what a node with a real kubelet needs beside them, into bin/node/. What is up to
// date is not built again.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// program is a main package, and the name under which it is known.
type program struct {
	name, pkg string
}

// set is what is built together: one go build, one directory below bin/.
type set struct {
	name, dir string
	programs  []program
	notice    string
}

var controlPlane = set{name: "control plane", dir: "k8s", programs: []program{
	{"etcd", "go.etcd.io/etcd/server/v3"}, // go build would call it server
	{"kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"},
	{"kube-controller-manager", "k8s.io/kubernetes/cmd/kube-controller-manager"},
	{"kube-scheduler", "k8s.io/kubernetes/cmd/kube-scheduler"},
	{"kubectl", "k8s.io/kubernetes/cmd/kubectl"},
	{"kwok", "sigs.k8s.io/kwok/cmd/kwok"},
}, notice: "With an empty build cache this takes more than ten minutes on two cores, and 4 GB of disk."}

// realNodes are apart from the control plane: whoever has simulated nodes only need not wait for them. CoreDNS has a module
// of its own, see the Makefile.
var realNodes = set{name: "real nodes", dir: "node", programs: []program{
	{"kubelet", "k8s.io/kubernetes/cmd/kubelet"},
	{"kube-proxy", "k8s.io/kubernetes/cmd/kube-proxy"},
}, notice: "On top of the control plane this takes a minute or two on two cores."}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	chosen := controlPlane
	real := flag.Bool("real-nodes", false, "build kubelet and kube-proxy instead")
	flag.Parse()
	if *real {
		chosen = realNodes
	}
	err := run(ctx, chosen)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "controlplane:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, chosen set) error {
	b, err := newBuild(ctx, chosen)
	if err != nil {
		return err
	}
	current, err := b.upToDate(ctx)
	if err != nil {
		return err
	}
	if current {
		fmt.Printf("%s %s: up to date in %s\n", b.set.name, b.version, b.dir)
		return nil
	}
	if err := b.build(ctx); err != nil {
		return err
	}
	return b.writeStamp(ctx)
}

// build is one run of this command.
type build struct {
	set     set
	root    string
	dir     string // where the programs go
	version string // of Kubernetes, as go.mod pins it
}

func newBuild(ctx context.Context, chosen set) (*build, error) {
	gomod, err := output(ctx, "", "env", "GOMOD")
	if err != nil {
		return nil, err
	}
	if gomod == "" || gomod == os.DevNull {
		return nil, errors.New("no go.mod here: run this from the repository")
	}
	b := &build{set: chosen, root: filepath.Dir(gomod)}
	b.dir = filepath.Join(b.root, "bin", chosen.dir)
	if b.version, err = output(ctx, b.root, "list", "-m", "-f", "{{.Version}}", "k8s.io/kubernetes"); err != nil {
		return nil, err
	}
	return b, nil
}

// flags are those of everything else in this repository, or nothing that is compiled here could be used there. Without
// gitVersion the components would report no version, and clients refuse to talk to them.
func (b *build) flags() []string {
	return []string{"-ldflags", "-s -w -X k8s.io/component-base/version.gitVersion=" + b.version}
}

func (b *build) build(ctx context.Context) error {
	fmt.Printf("%s: building %s from source (Kubernetes %s).\n", b.set.name, strings.Join(b.set.names(), ", "), b.version)
	fmt.Println(b.set.notice)
	deps, err := b.dependencies(ctx)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(b.dir, 0o755); err != nil {
		return fmt.Errorf("making %s: %w", b.dir, err)
	}
	// Built beside the others and moved when all are there: a build that is interrupted leaves the old ones working.
	next, err := os.MkdirTemp(b.dir, ".next-")
	if err != nil {
		return fmt.Errorf("making a directory for the programs: %w", err)
	}
	defer func() { _ = os.RemoveAll(next) }()
	started := time.Now()
	if err := b.compile(ctx, next, len(deps.packages), started); err != nil {
		return err
	}
	for _, p := range b.set.programs {
		if err := os.Rename(filepath.Join(next, builtName(p.pkg)), filepath.Join(b.dir, p.name)); err != nil {
			return fmt.Errorf("moving %s into place: %w", p.name, err)
		}
	}
	fmt.Printf("%s: built in %s\n", b.set.name, time.Since(started).Round(time.Second))
	return nil
}

// builtName is what go build calls the program of a main package.
func builtName(pkg string) string {
	if name := path.Base(pkg); !majorVersion.MatchString(name) {
		return name
	}
	return path.Base(path.Dir(pkg))
}

var majorVersion = regexp.MustCompile(`^v[0-9]+$`)

// compile builds all programs in one go build, which shares the packages among them and keeps all cores busy.
func (b *build) compile(ctx context.Context, dir string, packages int, started time.Time) error {
	args := append([]string{"build", "-v", "-o", dir + "/"}, b.flags()...)
	command := goCommand(ctx, b.root, append(args, b.set.packages()...)...)
	reader, err := command.StderrPipe()
	if err != nil {
		return fmt.Errorf("making a pipe: %w", err)
	}
	if err := command.Start(); err != nil {
		return fmt.Errorf("starting go build: %w", err)
	}
	p := &progress{set: b.set, started: started, packages: packages}
	done := make(chan struct{})
	var telling sync.WaitGroup
	telling.Go(func() { p.tell(done) })
	p.read(reader)
	err = command.Wait()
	close(done)
	telling.Wait()
	if err != nil {
		return fmt.Errorf("building %s: %w", b.set.name, err)
	}
	return nil
}

// progress follows the output of go build -v, which names each package when it is compiled. Packages that are in the
// cache already are not named.
type progress struct {
	set      set
	started  time.Time
	packages int // that there are at most

	mu       sync.Mutex
	compiled int
	latest   string
}

const tellEvery = 15 * time.Second

var packageLine = regexp.MustCompile(`^[A-Za-z0-9._~/-]+$`)

// read counts packages, and passes on everything else: downloads and errors.
func (p *progress) read(from io.Reader) {
	lines := bufio.NewScanner(from)
	for lines.Scan() {
		line := lines.Text()
		if !packageLine.MatchString(line) {
			fmt.Fprintln(os.Stderr, line)
			continue
		}
		p.mu.Lock()
		p.compiled++
		p.latest = line
		p.mu.Unlock()
	}
}

func (p *progress) tell(done <-chan struct{}) {
	ticker := time.NewTicker(tellEvery)
	defer ticker.Stop()
	for {
		select {
		case <-done:
			return
		case <-ticker.C:
			p.mu.Lock()
			fmt.Printf("  %6s  %s\n", time.Since(p.started).Round(time.Second), p.sentence())
			p.mu.Unlock()
		}
	}
}

func (p *progress) sentence() string {
	switch {
	case p.latest == "":
		return "looking into the build cache, or linking"
	case slices.Contains(p.set.packages(), p.latest):
		return fmt.Sprintf("%d packages compiled, now linking %s", p.compiled, path.Base(p.latest))
	}
	return fmt.Sprintf("%d of at most %d packages compiled, now %s", p.compiled, p.packages, p.latest)
}

func (s set) packages() []string {
	var list []string
	for _, p := range s.programs {
		list = append(list, p.pkg)
	}
	return list
}

func (s set) names() []string {
	var list []string
	for _, p := range s.programs {
		list = append(list, p.name)
	}
	return list
}

// goCommand runs go with the settings of the Makefile, whoever calls.
func goCommand(ctx context.Context, dir string, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, "go", args...)
	command.Dir = dir
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false", "GOWORK=off")
	return command
}

func output(ctx context.Context, dir string, args ...string) (string, error) {
	command := goCommand(ctx, dir, args...)
	command.Stderr = os.Stderr
	text, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("running go %s: %w", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(text)), nil
}
