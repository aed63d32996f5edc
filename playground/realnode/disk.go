package realnode

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// VolumePath is where a volume of this name is on the node that has it.
func VolumePath(name string) string { return filepath.Join(DiskPath, name) }

// mountDisk mounts the node's disk, which it makes at the first start. What an earlier run left half written is repaired,
// as a machine does after a power failure.
func (c Config) mountDisk(ctx context.Context, p programs) error {
	image := c.path(diskImage)
	if _, err := os.Stat(image); errors.Is(err, fs.ErrNotExist) {
		if err := makeDisk(ctx, p, image, c.DiskBytes); err != nil {
			return err
		}
	} else if err := repairDisk(ctx, p, image); err != nil {
		return err
	}
	device, err := attach(image)
	if err != nil {
		return err
	}
	defer func() { _ = device.Close() }() // from then on the mount alone holds it: it is detached with the last mount
	if err := os.MkdirAll(DiskPath, 0o755); err != nil {
		return fmt.Errorf("making the mount point of the disk: %w", err)
	}
	if err := unix.Mount(device.Name(), DiskPath, "ext4", 0, ""); err != nil {
		return fmt.Errorf("mounting the disk: %w", err)
	}
	return nil
}

// makeDisk makes a file of that length which takes no more room than what is written to it, and a file system in it.
func makeDisk(ctx context.Context, p programs, image string, bytes int64) error {
	next := image + ".next" // a start that is interrupted here begins anew
	file, err := os.Create(next)
	if err != nil {
		return fmt.Errorf("making the disk: %w", err)
	}
	if err := errors.Join(file.Truncate(bytes), file.Close()); err != nil {
		return fmt.Errorf("making the disk: %w", err)
	}
	if err := run(ctx, nil, p.path("mkfs.ext4"), "-q", "-F", "-m", "0", next); err != nil {
		return fmt.Errorf("making the disk: %w", err)
	}
	if err := os.Rename(next, image); err != nil {
		return fmt.Errorf("making the disk: %w", err)
	}
	return nil
}

// repairedDisk is the exit code of e2fsck for a file system that was not in order and is now.
const repairedDisk = 1

func repairDisk(ctx context.Context, p programs, image string) error {
	err := run(ctx, nil, p.path("e2fsck"), "-p", image)
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == repairedDisk {
		return nil
	}
	if err != nil {
		return fmt.Errorf("repairing the disk: %w", err)
	}
	return nil
}

// attachTries is for other nodes that look for a free device at the same time.
const attachTries = 50

// attach makes a loop device of the file. It is detached when the last user closes it.
func attach(image string) (*os.File, error) {
	backing, err := os.OpenFile(image, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("opening the disk: %w", err)
	}
	defer func() { _ = backing.Close() }()
	selector, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("looking for a loop device: %w", err)
	}
	defer func() { _ = selector.Close() }()
	for range attachTries {
		var number int
		if number, err = unix.IoctlRetInt(int(selector.Fd()), unix.LOOP_CTL_GET_FREE); err != nil {
			return nil, fmt.Errorf("looking for a loop device: %w", err)
		}
		var device *os.File
		if device, err = os.OpenFile(fmt.Sprintf("/dev/loop%d", number), os.O_RDWR, 0); err != nil {
			return nil, fmt.Errorf("opening a loop device: %w", err)
		}
		config := unix.LoopConfig{Fd: uint32(backing.Fd()), Info: unix.LoopInfo64{Flags: unix.LO_FLAGS_AUTOCLEAR}}
		if err = unix.IoctlLoopConfigure(int(device.Fd()), &config); err == nil {
			return device, nil
		}
		_ = device.Close()
		if !errors.Is(err, unix.EBUSY) {
			break
		}
	}
	return nil, fmt.Errorf("attaching the disk to a loop device: %w", err)
}

// The kernel's names and values: EXT4_IOC_SHUTDOWN and EXT4_GOING_FLAGS_NOLOGFLUSH of fs/ext4/ext4.h.
const (
	ext4Shutdown   = 0x8004587d
	ext4NoLogFlush = 2
)

// failDisk shuts the file system down as it does itself after an error of the device: from now on every access fails, and
// what was not written to the journal is lost. Only mounting it anew brings it back.
func failDisk() error {
	dir, err := os.Open(DiskPath)
	if err != nil {
		return fmt.Errorf("opening the disk: %w", err)
	}
	defer func() { _ = dir.Close() }()
	if err := unix.IoctlSetPointerInt(int(dir.Fd()), ext4Shutdown, ext4NoLogFlush); err != nil {
		return fmt.Errorf("shutting the disk down: %w", err)
	}
	return nil
}
