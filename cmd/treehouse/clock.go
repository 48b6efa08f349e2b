package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"github.com/treehouse-dns/treehouse/household"
)

// newTimekeeper takes as the last time seen the latest of the program's own date
// and of the last change of the files in the storage folder, so that nothing has
// to be written for it.
func newTimekeeper(now func() time.Time, dir string) *household.Timekeeper {
	seen := buildTime()
	for _, file := range datedFiles(dir) {
		if info, err := os.Stat(file); err == nil && info.ModTime().After(seen) {
			seen = info.ModTime()
		}
	}
	return household.NewTimekeeper(household.TimeSources{Now: now, Elapsed: elapsed(), Kept: clockIsKept}, seen)
}

// datedFiles are the files whose last change is a time seen.
func datedFiles(dir string) []string {
	return []string{filepath.Join(dir, "household.db"), filepath.Join(dir, "blocklists.db")}
}

// redate gives files that were written under a clock that was ahead the present
// date, so that the next start does not wait for theirs.
func redate(dir string, now time.Time) error {
	for _, file := range datedFiles(dir) {
		if info, err := os.Stat(file); err == nil && info.ModTime().After(now) {
			if err := os.Chtimes(file, now, now); err != nil {
				return err
			}
		}
	}
	return nil
}

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

// lookAtClock compares the clocks and says so where they come apart or together.
// The rules have to be bound again if it tells that something changed.
func (d *daemon) lookAtClock() (changed bool) {
	showed := d.clock.Shows()
	if !d.clock.Look() {
		return false
	}
	if d.clock.Trusted() {
		d.clockIsRight()
	} else {
		d.log.Warn("the system's clock has jumped; the stricter hours hold until it is back, has run evenly for half a day, or a parent says that it is right",
			"shows", showed, "last_seen", d.clock.Now(), "remedy", "treehouse clock confirm")
	}
	return true
}

// clockIsRight is what is due once the clock is believed again. A change of nothing
// tidies what was said of times that are not to come.
func (d *daemon) clockIsRight() {
	now := d.clock.Now()
	d.log.Info("the clock is right; the usual hours hold", "now", now)
	if err := d.family.Change(func(*household.Household) error { return nil }); err != nil {
		d.log.Warn("what was noted under the wrong time could not be put right", "err", err)
	}
	if err := redate(d.config.Storage.Dir, now); err != nil {
		d.log.Warn("a file keeps a date in the future; after a restart the stricter hours may hold for a while", "err", err)
	}
}

func (a *app) clockCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "clock", Short: "What time it is here, and whether that is believed", Args: exactly(),
		Long: `What time it is here. A running Treehouse compares the system's clock with the
time that has passed. One that jumps, or shows less than the last time seen, is
not believed: the stricter hours hold until it is right again, has run evenly for
twelve hours, or a parent confirms it.`,
		RunE: func(*cobra.Command, []string) error {
			c, err := a.config()
			if err != nil {
				return err
			}
			k := newTimekeeper(a.now, c.Storage.Dir)
			shows, behind := k.Shows().In(c.Time.Zone), !k.Trusted()
			return a.print(map[string]any{"shows": shows, "behind_last_seen": behind, "kept": clockIsKept()}, func(w io.Writer) {
				fmt.Fprintf(w, "The clock shows %s.\n", shows.Format("Mon 2 Jan 2006 15:04"))
				if behind {
					fmt.Fprintln(w, "That is before the last time seen. If it is right, `treehouse clock confirm` says so.")
				}
			})
		},
	}
	c.AddCommand(&cobra.Command{
		Use: "confirm", Short: "Say that the clock is right, after it has jumped", Args: exactly(),
		RunE: func(*cobra.Command, []string) error {
			return a.change(func(h *household.Household) (string, error) {
				h.Settings.Clock = a.now()
				return "The clock shows " + h.Settings.Clock.In(h.Zone()).Format("Mon 2 Jan 2006 15:04") + ", and that is right.", nil
			})
		},
	})
	return c
}
