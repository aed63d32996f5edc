package configuration

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/shoal-dev/shoal/api/agent"
)

// Store is where the configuration that is wanted comes from, and where the file of the engine goes to.
type Store interface {
	// Wanted is the text of the configuration, and the revision for which a master may be restarted, "" if none.
	Wanted() (configuration, restartMaster string, err error)
	// Recall is what was remembered last; nothing before.
	Recall() ([]byte, error)
	Remember([]byte) error
	// Render writes what the engine reads at its next start.
	Render([]byte) error
}

// Folder is a Store on disk. In has the files configuration and restart-master (a downwardAPI volume, in which they change together);
// Out is a volume that lives as long as the pod, and which the engine reads.
type Folder struct{ In, Out string }

// The files of a Folder.
const (
	wantedFile   = "configuration"
	allowedFile  = "restart-master"
	engineFile   = "redis.conf"
	rememberFile = "shoal-agent.json"
)

// maxRemembered bounds what is remembered: a configuration that runs, one that is tried and one that was refused.
const maxRemembered = 4 * agent.MaxConfigurationBytes

// Wanted reads both files. Without restart-master none is allowed.
func (f Folder) Wanted() (configuration, restartMaster string, err error) {
	text, err := read(filepath.Join(f.In, wantedFile), agent.MaxConfigurationBytes)
	if err != nil {
		return "", "", fmt.Errorf("reading the configuration that is wanted: %w", err)
	}
	allowed, err := read(filepath.Join(f.In, allowedFile), 64)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", "", fmt.Errorf("reading which master may be restarted: %w", err)
	}
	return string(text), strings.TrimSpace(string(allowed)), nil
}

// Recall reads what was remembered.
func (f Folder) Recall() ([]byte, error) {
	text, err := read(filepath.Join(f.Out, rememberFile), maxRemembered)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading what the agent remembers: %w", err)
	}
	return text, nil
}

// Remember writes it. After a crash, either this or what was there before is read.
func (f Folder) Remember(text []byte) error { return f.write(rememberFile, text) }

// Render writes the engine's file, in the same way.
func (f Folder) Render(text []byte) error { return f.write(engineFile, text) }

func read(name string, most int64) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, most+1))
	if err == nil && int64(len(text)) > most {
		err = fmt.Errorf("%s has more than %d bytes", name, most)
	}
	return text, err
}

func (f Folder) write(name string, text []byte) error {
	if err := replace(f.Out, name, text); err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return nil
}

// replace has the file be the text or what it was before, also if the machine stops meanwhile. The engine may run as another user.
func replace(folder, name string, text []byte) error {
	if there, err := os.ReadFile(filepath.Join(folder, name)); err == nil && bytes.Equal(there, text) {
		return nil
	}
	draft, err := os.OpenFile(filepath.Join(folder, "."+name), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = draft.Write(text)
	err = errors.Join(err, draft.Chmod(0o644), draft.Sync(), draft.Close())
	if err == nil {
		err = os.Rename(draft.Name(), filepath.Join(folder, name))
	}
	if err != nil {
		return errors.Join(err, os.Remove(draft.Name()))
	}
	at, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(at.Sync(), at.Close())
}
