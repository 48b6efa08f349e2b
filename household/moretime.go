package household

import (
	"fmt"
	"slices"
	"time"

	"github.com/treehouse-dns/treehouse/filter"
)

const (
	// maxMoreTime is the longest that one tap can give.
	maxMoreTime = 4 * time.Hour
	// soon is how far ahead a bedtime may be for "more time" to mean tonight's.
	soon = 24 * time.Hour
	// maxTickets a person may hold: enough for two weeks of one a day.
	maxTickets = 14
)

// MoreTime gives a person some more time: of the evening (ExceptNight), of a
// group ("group:gaming") or of one service. If it is closed now, the time
// begins now; if it closes later today, the time is added to that. It tells
// when the time ends.
func (h *Household) MoreTime(id filter.PolicyID, of string, length time.Duration, now time.Time, name string) (until time.Time, err error) {
	p := h.Person(id)
	if p == nil {
		return time.Time{}, noPerson(id)
	}
	if length <= 0 || length > maxMoreTime {
		return time.Time{}, fmt.Errorf("more time is between 1 minute and %s at once", maxMoreTime)
	}
	from, ok := h.closing(*p, of, now)
	if !ok {
		return time.Time{}, fmt.Errorf("%s is open to %s all day already", of, p.Name)
	}
	until = from.Add(length)
	return until, p.except(Exception{Of: of, From: from, Until: until, Name: CleanWords(name)})
}

// AwakeUntil lifts a person's night until a time: "tonight until 22:30".
func (h *Household) AwakeUntil(id filter.PolicyID, now, until time.Time, name string) error {
	p := h.Person(id)
	if p == nil {
		return noPerson(id)
	}
	if !until.After(now) || until.Sub(now) > 31*24*time.Hour {
		return fmt.Errorf("an exception ends after now and within a month; %s does not", until.Format("2006-01-02 15:04"))
	}
	return p.except(Exception{Of: ExceptNight, From: now, Until: until, Name: CleanWords(name)})
}

// Grant opens a service, a category or a group for a person until a time.
func (h *Household) Grant(id filter.PolicyID, subject string, now, until time.Time, name string) error {
	p := h.Person(id)
	switch {
	case p == nil:
		return noPerson(id)
	case subject == "" || len(subject) > maxSubject:
		return fmt.Errorf("%.70q is no service, category or group", subject)
	case !until.After(now):
		return fmt.Errorf("the grant would end before it begins; give a later time")
	}
	return p.except(Exception{Of: subject, From: now, Until: until, Name: CleanWords(name)})
}

// CancelExceptions takes every exception from a subject back.
func (h *Household) CancelExceptions(id filter.PolicyID, of string) error {
	p := h.Person(id)
	if p == nil {
		return noPerson(id)
	}
	p.Exceptions = slices.DeleteFunc(p.Exceptions, func(e Exception) bool { return e.Of == of })
	return nil
}

func (p *Person) except(e Exception) error {
	if len(p.Exceptions) >= MaxExceptions {
		return fmt.Errorf("%s already has %d exceptions; cancel one first", p.Name, MaxExceptions)
	}
	p.Exceptions = append(p.Exceptions, e)
	return nil
}

// closing is when more time of something would begin: now if it is closed, when
// it closes next if that is soon; ok is false if it does not close.
func (h *Household) closing(p Person, of string, now time.Time) (from time.Time, ok bool) {
	local := now.In(h.zone)
	policy := h.policy(p)
	var schedules []filter.Schedule
	switch of {
	case ExceptNight:
		schedules = append(schedules, policy.Bedtime)
	case ExceptAll:
		return now, true
	default:
		group, isGroup := cutGroup(of)
		if !isGroup {
			return now, true // a service: which group it is in is the lists' to know
		}
		for _, rule := range policy.Topics {
			if rule.Group == group && rule.Allow {
				break // open, whatever comes after
			}
			if rule.Group == group {
				when := filter.Schedule{Always: true}
				if rule.When != nil {
					when = *rule.When
				}
				schedules = append(schedules, when)
			}
		}
	}
	for _, s := range schedules {
		if at, closes := closesAt(s, local); closes && (!ok || at.Before(from)) {
			from, ok = at, true
		}
	}
	return from, ok
}

// closesAt is when a schedule of closed hours applies next: at once, or at one
// of its edges that is soon.
func closesAt(s filter.Schedule, now time.Time) (at time.Time, ok bool) {
	for at = now; ; {
		closed, edge := s.At(at)
		if closed {
			return at, true
		}
		if edge.IsZero() || edge.After(now.Add(soon)) {
			return time.Time{}, false
		}
		at = edge // where an exception begins or ends, nothing may close
	}
}

// GiveTicket gives a person a ticket for more time, to redeem when they like.
func (h *Household) GiveTicket(id filter.PolicyID, t Ticket, now time.Time) error {
	p := h.Person(id)
	if p == nil {
		return noPerson(id)
	}
	if t.Minutes <= 0 || time.Duration(t.Minutes)*time.Minute > maxMoreTime {
		return fmt.Errorf("a ticket is for 1 to %d minutes", int(maxMoreTime.Minutes()))
	}
	if t.Of == "" {
		t.Of = ExceptNight
	}
	p.dropTickets(now)
	if len(p.Tickets) >= maxTickets {
		return fmt.Errorf("%s already holds %d tickets", p.Name, maxTickets)
	}
	p.Tickets = append(p.Tickets, t)
	return nil
}

// Redeem uses the person's ticket number n, counted from 0, and tells until
// when its time lasts. The child does this without asking again. A pause is not
// lifted by it.
func (h *Household) Redeem(id filter.PolicyID, n int, now time.Time) (until time.Time, err error) {
	p := h.Person(id)
	if p == nil {
		return time.Time{}, noPerson(id)
	}
	p.dropTickets(now)
	if n < 0 || n >= len(p.Tickets) {
		return time.Time{}, fmt.Errorf("this ticket is used or has expired")
	}
	t := p.Tickets[n]
	until, err = h.MoreTime(id, t.Of, time.Duration(t.Minutes)*time.Minute, now, "ticket")
	if err == nil {
		p.Tickets = slices.Delete(p.Tickets, n, n+1)
	}
	return until, err
}

func (p *Person) dropTickets(now time.Time) {
	p.Tickets = slices.DeleteFunc(p.Tickets, func(t Ticket) bool { return !t.Expires.IsZero() && !t.Expires.After(now) })
}
