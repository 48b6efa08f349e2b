package household

import (
	"time"

	"github.com/treehouse-dns/treehouse/filter"
)

// Is says how it stands with a person.
type Is string

// How it can stand with a person.
const (
	IsOpen   Is = "open"
	IsAsleep Is = "asleep"
	IsPaused Is = "paused"
)

// State is how it stands with a person now, and what changes next by itself.
type State struct {
	Is Is
	// Until is when Is changes, zero if it does not by itself.
	Until time.Time
	// Next is what it will be then.
	Next Is
}

// State tells how it stands with a person; with 0, with the default profile.
func (h *Household) State(id filter.PolicyID, now time.Time) State {
	p := Person{Band: h.Settings.Default}
	if found := h.Person(id); found != nil {
		p = *found
	}
	policy := h.policy(p)
	s := State{Is: at(policy, now)}
	if s.Until = change(policy, now, func(next Is) bool { return next != s.Is }); !s.Until.IsZero() {
		s.Next = at(policy, s.Until)
	}
	return s
}

// Closed tells whether a policy lets nothing through at a moment, because of a
// pause or a bedtime, and until when; the zero time if that does not change by
// itself within a week.
func Closed(p filter.Policy, now time.Time) (closed bool, until time.Time) {
	closed = at(p, now) != IsOpen
	return closed, change(p, now, func(next Is) bool { return (next != IsOpen) != closed })
}

// change is the next moment at which how it stands is news, zero if that is more
// than a week away. An edge may change nothing to be seen (an exception inside a
// pause), so it looks further, though not for ever.
func change(p filter.Policy, now time.Time, news func(Is) bool) time.Time {
	for t, edges := now, 0; edges < maxEdges; edges++ {
		t = nextEdge(p, t)
		if t.IsZero() || t.Sub(now) > 8*24*time.Hour {
			break
		}
		if news(at(p, t)) {
			return t
		}
	}
	return time.Time{}
}

// maxEdges bounds the search for the next change: four a day for a week.
const maxEdges = 32

func at(p filter.Policy, t time.Time) Is {
	if p.Paused.Contains(t) {
		return IsPaused
	}
	if asleep, _ := p.Bedtime.At(t.In(p.Zone)); asleep {
		return IsAsleep
	}
	return IsOpen
}

// nextEdge is the first moment after t at which a pause or a bedtime begins or
// ends, zero if there is none.
func nextEdge(p filter.Policy, t time.Time) time.Time {
	_, edge := p.Bedtime.At(t.In(p.Zone))
	for _, e := range [...]time.Time{p.Paused.From, p.Paused.To} {
		if e.After(t) && (edge.IsZero() || e.Before(edge)) {
			edge = e
		}
	}
	return edge
}

// Line is one rule in the words for the person it is about.
type Line struct {
	Subject string // a topic's ID or "group:social"
	On      bool   // open, or off
	Timed   bool   // only at some hours
	Why     string
	Parent  bool // a parent's choice, and not the age's
}

// Lines are a person's rules in the order in which they decide, each subject
// once: what a child sees about their own rules, and a parent too.
func (h *Household) Lines(id filter.PolicyID) []Line {
	p := h.Person(id)
	if p == nil {
		return nil
	}
	policy := h.policy(*p)
	c := compiler{engines: h.bands.Search}
	var lines []Line
	seen := map[string]bool{}
	for _, r := range policy.Topics {
		subject := r.Topic
		if r.Group != "" {
			subject = GroupPrefix + r.Group
		}
		if seen[subject] {
			continue
		}
		seen[subject] = true
		_, own := p.Switch[subject]
		lines = append(lines, Line{
			Subject: subject,
			On:      r.Allow != (c.isSafeMode(subject) || r.Why == onTheList),
			Timed:   r.When != nil && (len(r.When.Windows) > 0 || len(r.When.Also) > 0),
			Why:     r.Why,
			Parent:  own,
		})
	}
	return lines
}
