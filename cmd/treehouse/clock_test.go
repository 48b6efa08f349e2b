package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestClockNeverRunsBehind boots a router whose clock says 1970.
func TestClockNeverRunsBehind(t *testing.T) {
	dir := t.TempDir()
	seen := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	path := filepath.Join(dir, "household.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, seen, seen); err != nil {
		t.Fatal(err)
	}
	system := time.Unix(0, 0)
	c := newClock(func() time.Time { return system }, dir)
	if c.isSet() || !c.Now().Equal(seen) {
		t.Errorf("at boot it is %v, set: %v", c.Now(), c.isSet())
	}
	system = seen.Add(time.Hour)
	if !c.isSet() || !c.Now().Equal(system) {
		t.Errorf("an hour after it is %v, set: %v", c.Now(), c.isSet())
	}
}
