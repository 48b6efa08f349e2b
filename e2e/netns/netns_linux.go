// Package netns lets tests that may make networks of their own act inside of them.
package netns

import (
	"fmt"
	"os/exec"
	"runtime"
	"strings"
	"testing"

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

// Run runs a command line, whose words have no spaces in them, gives what it
// printed, and fails the test with it.
func Run(t testing.TB, format string, args ...any) string {
	t.Helper()
	line := strings.Fields(fmt.Sprintf(format, args...))
	out, err := exec.Command(line[0], line[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(line, " "), err, out)
	}
	return string(out)
}
