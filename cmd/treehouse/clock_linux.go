package main

import (
	"time"

	"golang.org/x/sys/unix"
)

// elapsed gives the time since the machine's start, its sleep included: a laptop
// that wakes up has not had its clock set.
func elapsed() func() time.Duration {
	began := time.Now()
	return func() time.Duration {
		var t unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil { // a kernel before 2.6.39
			return time.Since(began)
		}
		return time.Duration(t.Nano())
	}
}

// clockIsKept tells whether the kernel knows of something, such as an NTP client,
// that keeps its clock in step.
func clockIsKept() bool {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	return err == nil && state != unix.TIME_ERROR && t.Status&unix.STA_UNSYNC == 0
}
