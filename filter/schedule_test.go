package filter

import (
	"testing"
	"time"
)

func madrid(t *testing.T) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Madrid")
	if err != nil {
		t.Skip("no zone files on this machine: ", err)
	}
	return zone
}

// TestNightOverMidnight walks a night edge by edge, and the two nights a year
// in which the clocks change: a night is from the hour on the clock to the hour
// on the clock, however long that is.
func TestNightOverMidnight(t *testing.T) {
	zone := madrid(t)
	night := Schedule{Windows: []Window{{EveryDay, 21 * 60, 6*60 + 30}}}
	for _, c := range []struct{ at, until string }{ // "on" when until is a morning
		{"2026-11-23 12:00", "2026-11-23 21:00"},
		{"2026-11-23 20:59", "2026-11-23 21:00"},
		{"2026-11-23 21:00", "2026-11-24 06:30"},
		{"2026-11-24 00:00", "2026-11-24 06:30"},
		{"2026-11-24 06:29", "2026-11-24 06:30"},
		{"2026-11-24 06:30", "2026-11-24 21:00"},
		{"2026-03-28 23:00", "2026-03-29 06:30"}, // clocks go forward
		{"2026-10-24 23:00", "2026-10-25 06:30"}, // and back
	} {
		at, _ := time.ParseInLocation("2006-01-02 15:04", c.at, zone)
		on, until := night.At(at)
		if got := until.Format("2006-01-02 15:04"); got != c.until || on != (until.Hour() == 6) {
			t.Errorf("at %s: %v until %s, want until %s", c.at, on, got, c.until)
		}
	}
	at := time.Date(2026, 3, 28, 23, 0, 0, 0, zone)
	if _, until := night.At(at); until.Sub(at) != 6*time.Hour+30*time.Minute {
		t.Errorf("the night the clocks go forward lasts %v from 23:00", until.Sub(at))
	}
}

func TestScheduleDaysAndExceptions(t *testing.T) {
	noon := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC) // a Friday
	school := Schedule{
		Windows: []Window{{SchoolNights, 20 * 60, 7 * 60}, {Friday | Saturday, 22 * 60, 9 * 60}},
		Except:  []Span{{From: noon.Add(9 * time.Hour), To: noon.Add(11 * time.Hour)}}, // Friday 21:00 to 23:00
	}
	for _, c := range []struct {
		after time.Duration
		on    bool
		until time.Duration
	}{
		{0, false, 9 * time.Hour},                 // the exception begins
		{10*time.Hour + 1, false, 11 * time.Hour}, // Friday 22:00 would be night
		{11 * time.Hour, true, 21 * time.Hour},    // until Saturday 09:00
		{21 * time.Hour, false, 34 * time.Hour},   // until Saturday 22:00
		{45 * time.Hour, false, 56 * time.Hour},   // Sunday 09:00 until 20:00
		{56 * time.Hour, true, 67 * time.Hour},    // until Monday 07:00
	} {
		on, until := school.At(noon.Add(c.after))
		if on != c.on || until.Sub(noon) != c.until {
			t.Errorf("%v after noon: %v until %v, want %v until %v", c.after, on, until.Sub(noon), c.on, c.until)
		}
	}
}

func TestEdgesOfSchedules(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	if on, until := (Schedule{}).At(now); on || !until.IsZero() {
		t.Errorf("the zero schedule: %v until %v", on, until)
	}
	if on, until := (Schedule{Always: true}).At(now); !on || !until.IsZero() {
		t.Errorf("always: %v until %v", on, until)
	}
	allDay := Schedule{Windows: []Window{{Monday, 0, 1440}}}
	if on, until := allDay.At(now); !on || !until.Equal(now.Add(12*time.Hour)) {
		t.Errorf("all Monday: %v until %v", on, until)
	}
	if (Span{}).Contains(now) || !(Span{From: now}).Contains(now.Add(1000*time.Hour)) || (Span{To: now}).Contains(now) {
		t.Error("a span ends where it should not, or does not where it should")
	}
}
