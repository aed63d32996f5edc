package realnode

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"

	"github.com/shoal-dev/shoal/playground/control"
	"github.com/shoal-dev/shoal/playground/process"
)

// Orders that a node takes on its control socket, all with POST.
const (
	StopKubelet  = "/kubelet/stop"  // containers run on
	StartKubelet = "/kubelet/start" // if it does not run
	FailDisk     = "/disk/fail"
	MakeVolume   = "/volumes/make/"   // and the name of the volume
	RemoveVolume = "/volumes/remove/" // and the name of the volume: its data is gone
	LoadImage    = "/images/load"     // the body is an archive of images
)

// Order gives the node in a directory an order.
func Order(ctx context.Context, dir, order string, body io.Reader) error {
	return control.Call(ctx, Socket(dir), http.MethodPost, order, body)
}

func (a *agent) orders() http.Handler {
	mux := http.NewServeMux()
	handle := func(order string, do func(*http.Request) error) {
		mux.Handle("POST "+order, control.Handle(func(r *http.Request) error {
			a.ordering.Lock()
			defer a.ordering.Unlock()
			return do(r)
		}))
	}
	handle(StopKubelet, func(r *http.Request) error { return a.supervisor.Kill(r.Context(), kubelet) })
	handle(StartKubelet, func(*http.Request) error {
		if slices.ContainsFunc(a.supervisor.Statuses(), func(s process.Status) bool { return s.Name == kubelet }) {
			return nil
		}
		return a.startKubelet()
	})
	handle(FailDisk, func(*http.Request) error { return failDisk() })
	handle(MakeVolume+"{name}", func(r *http.Request) error { return makeVolume(r.PathValue("name")) })
	handle(RemoveVolume+"{name}", func(r *http.Request) error { return removeVolume(r.PathValue("name")) })
	handle(LoadImage, func(r *http.Request) error { return a.importImages(r.Context(), r.Body) })
	return mux
}

// volumeMode lets every user of a container write: who that is only the pod knows.
const volumeMode = 0o777

// makeVolume makes the directory of a volume. That it is there already is no error: the provisioner tries again.
func makeVolume(name string) error {
	path, err := volumeDir(name)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(path, volumeMode); err != nil {
		return fmt.Errorf("making a volume: %w", err)
	}
	if err := os.Chmod(path, volumeMode); err != nil { // not subject to the umask
		return fmt.Errorf("making a volume: %w", err)
	}
	return nil
}

func removeVolume(name string) error {
	path, err := volumeDir(name)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(path); err != nil {
		return fmt.Errorf("removing the data of a volume: %w", err)
	}
	return nil
}

// volumeDir refuses names that would lead out of the disk.
func volumeDir(name string) (string, error) {
	// "/" is its own base, and would be the disk with all volumes.
	if name == "." || name == ".." || name == "/" || name != filepath.Base(name) {
		return "", fmt.Errorf("%q is no name of a volume", name)
	}
	return VolumePath(name), nil
}
