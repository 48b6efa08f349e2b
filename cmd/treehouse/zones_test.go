package main

import (
	"testing"
	"time"
)

// TestZonesOfOurOwn finds a zone on a machine without any.
func TestZonesOfOurOwn(t *testing.T) {
	t.Setenv("ZONEINFO", t.TempDir())
	zone, err := loadZone("Antarctica/Troll") // its clocks jump by two hours
	if err != nil {
		t.Fatal(err)
	}
	winter, summer := time.Date(2026, 1, 1, 0, 0, 0, 0, zone), time.Date(2026, 7, 1, 0, 0, 0, 0, zone)
	_, w := winter.Zone()
	_, s := summer.Zone()
	if w != 0 || s != 7200 {
		t.Errorf("offsets %d and %d seconds", w, s)
	}
	for _, name := range []string{"America/Los_Angeles", "US/Pacific"} { // one file with two names
		zone, err := loadZone(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, offset := time.Date(2026, 7, 1, 0, 0, 0, 0, zone).Zone(); offset != -7*3600 {
			t.Errorf("%s: offset %d seconds", name, offset)
		}
	}
	if _, err := loadZone("Mars/Base"); err == nil {
		t.Error("there is a zone on Mars")
	}
}
