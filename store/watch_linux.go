package store

import (
	"os"
	"syscall"
)

// folderEvents tells, by inotify(7), that something in a folder has changed: the
// folder and not the file, because a restored file is a new file of the same
// name. nil where the kernel will not.
//
// What the events say is not read. They would have to be taken out of the buffer
// at the right alignment, which not every library gets right on mips, and
// whether it matters is in the file anyway.
func folderEvents(dir string) (events <-chan struct{}, stop func()) {
	fd, err := syscall.InotifyInit1(syscall.IN_NONBLOCK | syscall.IN_CLOEXEC)
	if err != nil {
		return nil, func() {}
	}
	kernel := os.NewFile(uintptr(fd), "inotify")
	if _, err := syscall.InotifyAddWatch(fd, dir, syscall.IN_MODIFY|syscall.IN_MOVED_TO|syscall.IN_CREATE); err != nil {
		kernel.Close()
		return nil, func() {}
	}
	changed := make(chan struct{}, 1)
	go func() {
		var buf [4096]byte
		for {
			if _, err := kernel.Read(buf[:]); err != nil {
				return // closed
			}
			select {
			case changed <- struct{}{}:
			default:
			}
		}
	}()
	return changed, func() { kernel.Close() }
}
