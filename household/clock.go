package household

import (
	"fmt"
	"strings"
	"time"

	"github.com/treehouse-dns/treehouse/filter"
)

// Clock is a time of day in minutes since midnight, written "21:30". "24:00" is
// the midnight at the end of the day.
type Clock uint16

// endOfDay is the midnight at the end of a day.
const endOfDay Clock = 24 * 60

// ParseClock reads "21:30".
func ParseClock(s string) (Clock, error) {
	if s == "24:00" {
		return endOfDay, nil
	}
	t, err := time.Parse("15:04", s)
	if err != nil {
		return 0, fmt.Errorf("%q is not a time of day; write it like 21:30", s)
	}
	return Clock(t.Hour()*60 + t.Minute()), nil
}

// String is the clock as ParseClock reads it.
func (c Clock) String() string { return fmt.Sprintf("%02d:%02d", c/60, c%60) }

// MarshalText writes the clock for JSON.
func (c Clock) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads the clock from JSON or YAML.
func (c *Clock) UnmarshalText(text []byte) (err error) {
	*c, err = ParseClock(string(text))
	return err
}

// DayKind is which days of the week something is about.
type DayKind string

// The kinds of days. A night belongs to the evening it begins on: a school night
// is one before a school day.
const (
	AllDays    DayKind = "all"
	SchoolDays DayKind = "school" // Monday to Friday, holidays not counted
	FreeDays   DayKind = "free"   // Saturday, Sunday and holidays
)

const (
	monToFri   = filter.Monday | filter.Tuesday | filter.Wednesday | filter.Thursday | filter.Friday
	satSun     = filter.Saturday | filter.Sunday
	freeNights = filter.Friday | filter.Saturday // no school on the day after
)

// days are the weekdays meant, holidays left aside.
func (k DayKind) days() filter.Days {
	switch k {
	case SchoolDays:
		return monToFri
	case FreeDays:
		return satSun
	}
	return filter.EveryDay
}

// UnmarshalText reads the kind and refuses words it does not know.
func (k *DayKind) UnmarshalText(text []byte) error {
	switch d := DayKind(text); d {
	case AllDays, SchoolDays, FreeDays:
		*k = d
		return nil
	}
	return fmt.Errorf("%q is not a kind of day; write all, school or free", text)
}

// cutGroup takes the group's name out of "group:social".
func cutGroup(subject string) (group string, ok bool) {
	return strings.CutPrefix(subject, GroupPrefix)
}
