// Package netns lets tests that may make networks of their own act inside of them.
package netns

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// Inside runs f in a network namespace that `ip netns add` has made. Sockets that
// f opens stay in there.
func Inside(name string, f func()) error {
	failed := make(chan error)
	go func() {
		// The thread is never unlocked, so it ends with the goroutine and nobody
		// else wakes up in the wrong namespace.
		runtime.LockOSThread()
		fd, err := unix.Open("/run/netns/"+name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == nil {
			defer unix.Close(fd)
			err = unix.Setns(fd, unix.CLONE_NEWNET)
		}
		if err == nil {
			f()
		}
		failed <- err
	}()
	if err := <-failed; err != nil {
		return fmt.Errorf("entering %s: %w", name, err)
	}
	return nil
}
