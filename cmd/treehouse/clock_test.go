package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"
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
