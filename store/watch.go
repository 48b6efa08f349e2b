package store

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"time"
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
	events, stop := f.events(filepath.Dir(f.path))
	poll := f.opt.Poll
	if events != nil {
		poll *= slowPoll
	}
	go func() {
		defer close(changed)
		defer stop()
		ticker := time.NewTicker(poll)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-events:
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

// slowPoll is how much slower to poll beside kernel events, for a change that
// they missed (a file system that has none).
const slowPoll = 15

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
