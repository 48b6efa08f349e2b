package main

import (
	"os"
	"path/filepath"
	"runtime/debug"
	"time"
)

// clock is the time as Treehouse sees it: never before the last time this router
// is known to have seen. A router without a battery begins each day in 1970,
// and a child may move a clock back.
type clock struct {
	now   func() time.Time
	floor time.Time
}

// newClock takes as the last time seen the latest of the program's own date and
// of the last change of the files in the storage folder, so that nothing has to
// be written for it.
func newClock(now func() time.Time, dir string) *clock {
	c := &clock{now: now, floor: buildTime()}
	for _, name := range []string{"household.db", "blocklists.db"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil && info.ModTime().After(c.floor) {
			c.floor = info.ModTime()
		}
	}
	return c
}

// Now is the system's time, or the last time seen where that is later. It
// carries the monotonic reading where it is the system's.
func (c *clock) Now() time.Time {
	if now := c.now(); !now.Before(c.floor) {
		return now
	}
	return c.floor
}

// isSet tells whether the system's clock is past the last time seen.
func (c *clock) isSet() bool { return !c.now().Before(c.floor) }

// buildTime is the date of the commit this binary was built from, the zero time
// if that is not known.
func buildTime() time.Time {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return time.Time{}
	}
	for _, s := range info.Settings {
		if t, err := time.Parse(time.RFC3339, s.Value); s.Key == "vcs.time" && err == nil {
			return t
		}
	}
	return time.Time{}
}
