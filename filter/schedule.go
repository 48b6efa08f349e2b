package filter

import "time"

// Days is a set of days; the zero Days is no day at all.
type Days uint8

// The days, by the bit of their time.Weekday.
const (
	Sunday    Days = 1 << time.Sunday
	Monday    Days = 1 << time.Monday
	Tuesday   Days = 1 << time.Tuesday
	Wednesday Days = 1 << time.Wednesday
	Thursday  Days = 1 << time.Thursday
	Friday    Days = 1 << time.Friday
	Saturday  Days = 1 << time.Saturday

	SchoolNights Days = Sunday | Monday | Tuesday | Wednesday | Thursday
	EveryDay     Days = SchoolNights | Friday | Saturday
)

// Window is a stretch of time on some days of the week. From and To are minutes
// since local midnight, 0 to 1440. A window whose To is not after its From runs
// over midnight and ends on the next day; Days are the days it begins on.
type Window struct {
	Days     Days
	From, To uint16
}

// Span is a stretch of time that happens once: From ≤ t < To. The zero Span is
// never; a zero To has no end.
type Span struct {
	From, To time.Time
}

// Contains tells whether t is in the span.
func (s Span) Contains(t time.Time) bool {
	if s.From.IsZero() && s.To.IsZero() {
		return false
	}
	return !t.Before(s.From) && (s.To.IsZero() || t.Before(s.To))
}

// nextEdge is the first edge of the span after t, or the zero time.
func (s Span) nextEdge(t time.Time) time.Time {
	if s.From.After(t) {
		return s.From
	}
	if s.To.After(t) {
		return s.To
	}
	return time.Time{}
}

// Schedule is when something applies: its windows in local time, less its
// exceptions. The zero Schedule never applies; Always is the one without edges.
type Schedule struct {
	Always  bool
	Windows []Window
	Except  []Span // stretches during which the windows do not apply
	// Also are schedules that apply besides this one, each with exceptions of
	// its own: school nights here, the nights of the holidays there.
	Also []Schedule
}

// always is the schedule that always applies.
var always = Schedule{Always: true}

// At tells whether the schedule applies at t and when that may change next: the
// first edge after t, or the zero time if there is none. t's location decides
// what local time is; a night with a change of clocks is as long as it is.
func (s Schedule) At(t time.Time) (on bool, until time.Time) {
	on = s.Always
	for _, w := range s.Windows {
		inside, edge := w.at(t)
		on = on || inside
		until = earlier(until, edge)
	}
	for _, e := range s.Except {
		if e.Contains(t) {
			on = false
		}
		until = earlier(until, e.nextEdge(t))
	}
	for _, other := range s.Also {
		too, edge := other.At(t)
		on, until = on || too, earlier(until, edge)
	}
	return on, until
}

// at tells whether t is in the window and gives the window's first edge after t.
func (w Window) at(t time.Time) (inside bool, edge time.Time) {
	if w.Days&EveryDay == 0 {
		return false, time.Time{}
	}
	y, m, d := t.Date()
	// A window that matters now began yesterday at the earliest, and the next
	// one begins within a week.
	for day := -1; day <= 8; day++ {
		began := time.Date(y, m, d+day, 0, 0, 0, 0, t.Location())
		if w.Days&(1<<began.Weekday()) == 0 {
			continue
		}
		from := time.Date(y, m, d+day, 0, int(w.From), 0, 0, t.Location())
		endDay := d + day
		if w.To <= w.From {
			endDay++
		}
		to := time.Date(y, m, endDay, 0, int(w.To), 0, 0, t.Location())
		if !t.Before(from) && t.Before(to) {
			inside = true
		}
		for _, e := range [2]time.Time{from, to} {
			if e.After(t) {
				edge = earlier(edge, e)
			}
		}
		if !edge.IsZero() && day > 0 {
			break
		}
	}
	return inside, edge
}

// earlier is the earlier of two times, where the zero time is no time at all.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}
