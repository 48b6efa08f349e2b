package store

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"time"
)

// LockedError says that another process held the file for too long.
type LockedError struct {
	Path   string
	Waited time.Duration
}

func (e *LockedError) Error() string {
	return fmt.Sprintf("%s is in use by another process (waited %s); try again when it has finished", e.Path, e.Waited)
}

// DamageError says that a file, or one value in it, is not what was written.
type DamageError struct {
	Path string
	What string // a phrase, "it ends at byte 8192 of 20480"
}

func (e *DamageError) Error() string { return fmt.Sprintf("%s is damaged: %s", e.Path, e.What) }

// ErrReadOnly is returned by Update when the file or its file system cannot be
// written to.
var ErrReadOnly = errors.New("it cannot be written to (read-only file or file system)")

// errStoreName guards the names that Replace keeps its tables under.
var errStoreName = errors.New(`a bucket's name may not be empty or start with "~"`)

// sentence turns an error of the operating system into one that says which file
// and what to do.
func sentence(path string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%s: %w; mount it writable or set storage.dir to another folder", path, ErrReadOnly)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s: permission denied; run as its owner or set storage.dir to a folder of your own", path)
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%s: no folder can be made or used there; set storage.dir to one that can: %w", path, err)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%s: the disk is full and nothing was changed; free some space and try again: %w", path, err)
	case errors.Is(err, ErrNoRoom):
		return fmt.Errorf("%s: %w", path, err)
	}
	return err
}
