package main

import (
	"fmt"
	"strings"
	"time"
)

// parseWhen reads a moment as people say it, counted from now in now's zone:
// "21:30" (the next one), "Sat 21:30", "tomorrow 07:00", "2026-12-24 21:30", or
// RFC 3339. "" and "now" are now.
func parseWhen(s string, now time.Time) (time.Time, error) {
	s = strings.TrimSpace(s)
	if s == "" || strings.EqualFold(s, "now") {
		return now, nil
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, nil
	}
	if t, err := time.ParseInLocation("2006-01-02 15:04", s, now.Location()); err == nil {
		return t, nil
	}
	day, clock, spoken := strings.Cut(s, " ")
	if !spoken {
		day, clock = "", s
	}
	hm, err := time.Parse("15:04", strings.TrimSpace(clock))
	if err == nil {
		for ahead := range 8 {
			y, m, d := now.AddDate(0, 0, ahead).Date()
			t := time.Date(y, m, d, hm.Hour(), hm.Minute(), 0, 0, now.Location())
			if isDay(day, t, ahead) && (!t.Before(now) || strings.EqualFold(day, "today")) {
				return t, nil
			}
		}
	}
	return time.Time{}, fmt.Errorf(`%q is not a time; write "21:30", "Sat 21:30", "tomorrow 07:00" or "2026-12-24 21:30"`, s)
}

// isDay tells whether t, which is that many days ahead, is the day people mean.
func isDay(day string, t time.Time, ahead int) bool {
	switch day = strings.ToLower(day); {
	case day == "":
		return true
	case day == "today":
		return ahead == 0
	case day == "tomorrow":
		return ahead == 1
	}
	return len(day) >= 3 && strings.HasPrefix(strings.ToLower(t.Weekday().String()), day)
}
