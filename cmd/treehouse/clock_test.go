package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/treehouse-dns/treehouse/filter"
	"github.com/treehouse-dns/treehouse/household"
	"github.com/treehouse-dns/treehouse/web"
)

// TestLastTimeSeen boots a router whose clock says 1970, and one whose file was
// written in a false future.
func TestLastTimeSeen(t *testing.T) {
	dir := t.TempDir()
	seen := time.Date(2126, 11, 23, 12, 0, 0, 0, time.UTC)
	path := filepath.Join(dir, "household.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, seen, seen); err != nil {
		t.Fatal(err)
	}
	system := time.Unix(0, 0)
	now := func() time.Time { return system }
	if k := newTimekeeper(now, dir); k.Trusted() || !k.Unset() || k.Now().Before(seen) || k.Now().After(seen.Add(time.Minute)) {
		t.Errorf("at boot it is %v, trusted: %v", k.Now(), k.Trusted())
	}
	system = seen.Add(time.Hour)
	if k := newTimekeeper(now, dir); !k.Trusted() || !k.Now().Equal(system) {
		t.Errorf("an hour after it is %v, trusted: %v", k.Now(), k.Trusted())
	}
	system = seen.AddDate(-1, 0, 0)
	if err := redate(dir, system); err != nil {
		t.Fatal(err)
	}
	if k := newTimekeeper(now, dir); !k.Trusted() {
		t.Errorf("the false future still counts: it is %v", k.Now())
	}
}

// TestElapsed: what the timekeeper compares with runs, and forward.
func TestElapsed(t *testing.T) {
	passed := elapsed()
	before := passed()
	for passed() == before {
	}
	if passed() < before {
		t.Error("time ran back")
	}
	clockIsKept() // whatever this machine says, it says it
}

// TestClockJumpsWhileRunning: a grant is not there while the clock is doubted, the
// log and the pages say so, and a parent's word brings it back.
func TestClockJumpsWhileRunning(t *testing.T) {
	t.Setenv("TREEHOUSE_STORAGE_DIR", t.TempDir())
	t.Setenv("TREEHOUSE_DNS_LISTEN", "127.0.0.1:0")
	t.Setenv("TREEHOUSE_PAGES_LISTEN", "")
	config, err := load(t, "")
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	system, passed := time.Now(), time.Duration(0)
	a := &app{out: io.Discard, errs: &log, now: func() time.Time { return system }}
	d, err := a.newDaemon(t.Context(), config, false)
	if err != nil {
		t.Fatal(err)
	}
	defer d.server.Close()
	d.clock = household.NewTimekeeper(household.TimeSources{
		Now: func() time.Time { return system }, Elapsed: func() time.Duration { return passed }, Kept: func() bool { return true },
	}, system)
	d.clock.Look()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(d.family.Change(func(h *household.Household) error {
		_, err := h.AddPerson(household.Person{Name: "Ben", Band: "13-15"})
		if err == nil {
			err = h.SetNights(1, []household.Hours{})
		}
		if err == nil {
			err = h.SetName(1, "adult.example", true, system, system.Add(24*time.Hour), "")
		}
		return err
	}))
	expect := func(when string, answered bool, troubles ...web.Trouble) {
		t.Helper()
		d.bind(d.live.Load().Trie())
		v := d.live.Load().Decide(filter.Client{Policy: 1}, filter.MustName("adult.example"), d.clock.Now())
		if (v.Rule == filter.RuleAllow) != answered {
			t.Errorf("%s: %s", when, v.Rule)
		}
		got := slices.DeleteFunc(pagesHome{d.family, d}.Health(), func(t web.Trouble) bool { return t != web.TroubleClock && t != web.TroubleJump })
		if !slices.Equal(got, troubles) {
			t.Errorf("%s: a parent is told %v", when, got)
		}
	}
	expect("at first", true)
	system = system.Add(-2 * time.Hour)
	if !d.lookAtClock() {
		t.Error("a jump was not noticed")
	}
	expect("after a jump back", false, web.TroubleJump)
	must(d.family.Change(func(h *household.Household) error { h.Settings.Clock = system; return nil }))
	if !d.clock.Confirm(d.family.Household().Settings.Clock) {
		t.Error("a parent's word does nothing")
	}
	system, passed = system.Add(3*time.Hour), passed+3*time.Hour
	if d.lookAtClock() {
		t.Error("what a parent confirmed is doubted again")
	}
	expect("after a parent's word", true)
	system = system.AddDate(1, 0, 0) // a pause that is said in a false future
	must(d.family.Change(func(h *household.Household) error { return h.Pause(1, system, time.Time{}) }))
	system = system.AddDate(-1, 0, 0)
	d.clockIsRight()
	if s := d.family.Household().State(1, system); s.Is != household.IsPaused {
		t.Errorf("a pause of a false future is forgotten: %s", s.Is)
	}
	if text := log.String(); !strings.Contains(text, "the system's clock has jumped") || !strings.Contains(text, "treehouse clock confirm") {
		t.Errorf("the log says %s", text)
	}
}
