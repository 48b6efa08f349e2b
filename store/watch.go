package store

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"
)

// defaultPoll is how often Watch looks where the kernel cannot tell it: two
// reads of 80 bytes, and a parent who waits no longer than for a page.
const defaultPoll = 2 * time.Second

// version is what a commit of any process changes, or a new file in its place.
type version struct {
	transaction, sum uint64 // of the meta page in force
	inode            uint64
}

// Watch tells of changes of the file, by whichever process, from the moment it
// is called. Changes that come quickly after each other are told once. The
// channel is closed when ctx ends.
func (f *File) Watch(ctx context.Context) <-chan struct{} {
	changed := make(chan struct{}, 1)
	last := f.version() // before Watch returns, so that nothing after it is missed
	kernel, poll, stop := f.kernelEvents()
	go func() {
		defer close(changed)
		defer stop()
		ticker := time.NewTicker(poll)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case e := <-kernel.Events:
				if filepath.Base(e.Name) != filepath.Base(f.path) {
					continue
				}
			case <-kernel.Errors: // it may have missed something: look
			case <-ticker.C:
			}
			now := f.version()
			if now == last || now == (version{}) {
				continue // nothing, or in the middle of something
			}
			last = now
			select {
			case changed <- struct{}{}:
			default: // not fetched yet: one is enough
			}
		}
	}()
	return changed
}

// slowPoll is the pace beside kernel events, for a change that they missed
// (a full queue, a file system that has none).
const slowPoll = 15

// kernelEvents are the kernel's words about the file's folder, silent where it
// has none, and how often to look in any case.
func (f *File) kernelEvents() (kernel *fsnotify.Watcher, poll time.Duration, stop func()) {
	watcher, err := fsnotify.NewWatcher()
	if err == nil {
		// The folder, because a restored file is a new file of the same name.
		err = watcher.Add(filepath.Dir(f.path))
		if err == nil {
			return watcher, slowPoll * f.opt.Poll, func() { watcher.Close() }
		}
		watcher.Close()
	}
	return &fsnotify.Watcher{}, f.opt.Poll, func() {} // its channels are nil and say nothing
}

// version reads the file's version, zero if it cannot be told.
func (f *File) version() version {
	file, err := os.Open(f.path)
	if err != nil {
		return version{}
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return version{}
	}
	m, err := readMeta(file, info.Size())
	if err != nil {
		return version{}
	}
	v := version{transaction: m.transaction, sum: m.sum}
	if system, ok := info.Sys().(*syscall.Stat_t); ok {
		v.inode = uint64(system.Ino)
	}
	return v
}
