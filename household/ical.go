package household

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"
)

const (
	// maxEvents is how many events of a calendar are read: school holidays of
	// ten years are fewer than a hundred.
	maxEvents = 500
	// maxCalendarLine in bytes, folded lines put together (RFC 5545 §3.1).
	maxCalendarLine = 8192
	// maxHoliday is the longest holiday in days; a longer event is no holiday
	// but a mistake that would leave a child without school nights.
	maxHoliday = 120
)

// ReadHolidays reads the days without school from a calendar (iCalendar, RFC
// 5545), as school authorities publish them: every event is one. Those that are
// over by today are left out, and so are events that repeat. The error names
// the line.
func ReadHolidays(r io.Reader, today Date) ([]Holiday, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 4096), maxCalendarLine)
	var (
		holidays []Holiday
		event    *icalEvent
		line     string // the one that is being put together
		number   int
	)
	finish := func() error { // line is whole: a line that follows is not folded
		name, value, _ := strings.Cut(line, ":")
		name, _, _ = strings.Cut(strings.ToUpper(name), ";")
		switch {
		case name == "BEGIN" && strings.EqualFold(value, "VEVENT"):
			event = &icalEvent{}
		case name == "END" && strings.EqualFold(value, "VEVENT") && event != nil:
			if h, ok, err := event.holiday(); err != nil {
				return fmt.Errorf("the calendar's event before line %d: %w", number, err)
			} else if ok && !h.Last.Before(today) {
				holidays = append(holidays, h)
			}
			event = nil
		case event != nil:
			event.set(name, value)
		}
		return nil
	}
	calendar := false
	for lines.Scan() && len(holidays) < maxEvents {
		number++
		text := strings.TrimRight(lines.Text(), "\r")
		if number == 1 {
			calendar = strings.EqualFold(strings.TrimPrefix(text, "\ufeff"), "BEGIN:VCALENDAR")
		}
		if !calendar {
			break
		}
		if (strings.HasPrefix(text, " ") || strings.HasPrefix(text, "\t")) && len(line)+len(text) < maxCalendarLine {
			line += text[1:]
			continue
		}
		if err := finish(); err != nil {
			return nil, err
		}
		line = text
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("the calendar cannot be read after line %d: %w", number, err)
	}
	if !calendar {
		return nil, fmt.Errorf("this is no calendar; a calendar (.ics) begins with BEGIN:VCALENDAR")
	}
	return holidays, finish()
}

// icalEvent is a VEVENT, as far as it matters.
type icalEvent struct{ summary, start, end, repeats string }

func (e *icalEvent) set(name, value string) {
	switch name {
	case "SUMMARY":
		e.summary = strings.NewReplacer(`\n`, " ", `\N`, " ", `\,`, ",", `\;`, ";", `\\`, `\`).Replace(value)
	case "DTSTART":
		e.start = value
	case "DTEND":
		e.end = value
	case "RRULE":
		e.repeats = value
	}
}

// holiday is the event as days. A DTEND that is a date is the day after (RFC 5545
// §3.6.1); without one the event is a day long.
func (e *icalEvent) holiday() (h Holiday, ok bool, err error) {
	if e.start == "" || e.repeats != "" {
		return h, false, nil
	}
	first, err := icalDate(e.start)
	if err != nil {
		return h, false, err
	}
	last := first
	if e.end != "" {
		if last, err = icalDate(e.end); err != nil {
			return h, false, err
		}
		if first.Before(last) && (!strings.Contains(e.end, "T") || strings.HasPrefix(e.end[8:], "T000000")) {
			last = last.AddDays(-1)
		}
	}
	if last.Before(first) || first.AddDays(maxHoliday).Before(last) {
		return h, false, fmt.Errorf("it lasts from %s to %s, which is no holiday", first, last)
	}
	return Holiday{Name: CleanName(e.summary), First: first, Last: last}, true, nil
}

// icalDate reads the day of 20261224 or 20261224T080000Z. The time of day does
// not matter to a holiday.
func icalDate(s string) (Date, error) {
	day, _, _ := strings.Cut(s, "T")
	t, err := time.Parse("20060102", day)
	if err != nil {
		return Date{}, fmt.Errorf("%.40q is not a date", s)
	}
	return DateOf(t), nil
}
