package store

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// lockStep is the time between two tries for a lock. Short enough not to be
// felt, long enough not to be a load on a router.
const lockStep = 10 * time.Millisecond

// Lock takes the lock file at path, alone or shared, waiting up to wait or until
// ctx ends, and gives back what releases it. The lock is a flock: it ends with the process
// that holds it, however that ends. Where the file system is read-only and has
// no lock file there is nothing to guard against, and release does nothing.
func Lock(ctx context.Context, path string, alone bool, wait time.Duration) (release func(), err error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		var missing error
		file, missing = os.Open(path) // a lock can be taken on a file that one may only read
		switch {
		case errors.Is(missing, fs.ErrNotExist) && errors.Is(err, syscall.EROFS) && !alone:
			return func() {}, nil
		case missing != nil:
			return nil, err
		}
	}
	giveToOwner(file, filepath.Dir(path))
	how := syscall.LOCK_SH
	if alone {
		how = syscall.LOCK_EX
	}
	for waited := time.Duration(0); ; waited += lockStep {
		err = syscall.Flock(int(file.Fd()), how|syscall.LOCK_NB)
		if err == nil {
			return func() { file.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			file.Close()
			return nil, err
		}
		if waited >= wait {
			file.Close()
			return nil, &LockedError{Path: path, Waited: wait}
		}
		select {
		case <-time.After(lockStep):
		case <-ctx.Done():
			file.Close()
			return nil, ctx.Err()
		}
	}
}
