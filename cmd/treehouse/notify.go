package main

import (
	"context"
	"net"
	"os"
	"strconv"
	"time"
)

// notifySystemd tells the service manager a state, "READY=1" or "STOPPING=1".
// Where none asked to be told, nothing happens.
func notifySystemd(state string) {
	socket := os.Getenv("NOTIFY_SOCKET")
	if socket == "" {
		return
	}
	if socket[0] == '@' { // an abstract name, as the kernel writes it
		socket = "\x00" + socket[1:]
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = conn.Write([]byte(state)) // it will notice by its own timeout
}

// keepWatchdog tells the service manager that alive still holds, twice as often
// as it asks for, until ctx ends.
func keepWatchdog(ctx context.Context, alive func() bool) error {
	every, err := strconv.Atoi(os.Getenv("WATCHDOG_USEC"))
	if err != nil || every <= 0 {
		return nil
	}
	ticker := time.NewTicker(time.Duration(every) * time.Microsecond / 2)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
			if alive() {
				notifySystemd("WATCHDOG=1")
			}
		}
	}
}
