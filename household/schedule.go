package household

import (
	"slices"
	"sort"
	"time"

	"github.com/treehouse-dns/treehouse/filter"
)

// This file turns hours on school days and free days into the filter's
// schedules. A holiday makes a school day a free one, and the evening before a
// free day is a free evening.

// daySchedule applies during the hours, on the days they name.
func daySchedule(hours []Hours, holidays []Holiday, except []filter.Span, zone *time.Location) filter.Schedule {
	return schedule(hours, except, holidaySpans(holidays, zone, 0), monToFri, satSun)
}

// nightSchedule applies during the nights, where a school night is one before a
// school day.
func nightSchedule(hours []Hours, holidays []Holiday, except []filter.Span, zone *time.Location) filter.Schedule {
	return schedule(hours, except, holidaySpans(holidays, zone, -12*time.Hour), filter.SchoolNights, freeNights)
}

// schedule has a part for each stretch of hours, and a second one where a
// holiday changes the weekdays it is about.
func schedule(hours []Hours, except, holidays []filter.Span, school, free filter.Days) filter.Schedule {
	var s filter.Schedule
	part := func(h Hours, days filter.Days, but []filter.Span) {
		s.Also = append(s.Also, filter.Schedule{
			Windows: []filter.Window{{Days: days, From: uint16(h.From), To: uint16(h.To)}},
			Except:  slices.Concat(but, except),
		})
	}
	for _, h := range hours {
		switch h.Days {
		case SchoolDays:
			part(h, school, holidays)
		case FreeDays:
			part(h, free, nil)
			if len(holidays) > 0 {
				part(h, school, outside(holidays))
			}
		default:
			part(h, filter.EveryDay, nil)
		}
	}
	return s
}

// holidaySpans are the holidays as spans of local time, in order and without
// overlap. shift moves their edges: nights are counted from the noon before.
func holidaySpans(holidays []Holiday, zone *time.Location, shift time.Duration) []filter.Span {
	spans := make([]filter.Span, 0, len(holidays))
	for _, h := range holidays {
		hour := 0
		first, last := h.First, h.Last.AddDays(1)
		if shift != 0 {
			first, last, hour = first.AddDays(-1), last.AddDays(-1), 12
		}
		spans = append(spans, filter.Span{From: first.At(hour, 0, zone), To: last.At(hour, 0, zone)})
	}
	sort.Slice(spans, func(i, j int) bool { return spans[i].From.Before(spans[j].From) })
	merged := spans[:0]
	for _, s := range spans {
		if n := len(merged); n > 0 && !s.From.After(merged[n-1].To) {
			if s.To.After(merged[n-1].To) {
				merged[n-1].To = s.To
			}
			continue
		}
		merged = append(merged, s)
	}
	return merged
}

// outside are the stretches between the spans, which are in order: what to
// except so that only the spans are left.
func outside(spans []filter.Span) []filter.Span {
	var gaps []filter.Span
	var from time.Time
	for _, s := range spans {
		gaps = append(gaps, filter.Span{From: from, To: s.From})
		from = s.To
	}
	return append(gaps, filter.Span{From: from})
}

// during applies in the spans and at no other time.
func during(spans []filter.Span) filter.Schedule {
	return filter.Schedule{Always: true, Except: outside(spans)}
}

// closed are the hours in which something with opening hours is closed, for
// school days and free days apart. A kind of day without opening hours is
// closed all day.
func closed(open []Hours) []Hours {
	var shut []Hours
	for _, kind := range []DayKind{SchoolDays, FreeDays} {
		var of []Hours
		for _, h := range open {
			if h.Days == kind || h.Days == AllDays {
				of = append(of, h)
			}
		}
		sort.Slice(of, func(i, j int) bool { return of[i].From < of[j].From })
		at := Clock(0)
		for _, h := range of {
			if h.From > at {
				shut = append(shut, Hours{kind, at, h.From})
			}
			at = max(at, h.To)
		}
		if at < endOfDay {
			shut = append(shut, Hours{kind, at, endOfDay})
		}
	}
	return shut
}
