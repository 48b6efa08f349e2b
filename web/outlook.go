package web

import (
	"slices"
	"sort"
	"time"

	"github.com/treehouse-dns/treehouse/filter"
	"github.com/treehouse-dns/treehouse/household"
)

// compiled is a household with its policies, kept until the household is
// another: every page asks, and compiling takes 10 KiB a person.
type compiled struct {
	house    *household.Household
	policies map[filter.PolicyID]filter.Policy
}

// policy is the rules of a person in h, as the filter has them.
func (s *Server) policy(h *household.Household, id filter.PolicyID) filter.Policy {
	c := s.rules.Load()
	if c == nil || c.house != h {
		c = &compiled{h, map[filter.PolicyID]filter.Policy{}}
		for _, p := range h.Policies() {
			c.policies[p.ID] = p
		}
		s.rules.Store(c)
	}
	if p, ok := c.policies[id]; ok {
		return p
	}
	return c.policies[0]
}

// state is how things stand for a person.
type state string

// The states.
const (
	stateOpen    state = "open"
	statePaused  state = "paused"
	stateBedtime state = "bedtime"
)

// outlook is how things stand for a person now and what changes next.
type outlook struct {
	state state
	until time.Time // when the state ends; zero: when a parent ends it, or never
	next  string    // what changes next while it is open: "bedtime", "closes" or "opens"
	group string    // of next: the group that closes or opens
	at    time.Time // of next
}

// farthest is how far ahead a change is worth telling.
const farthest = 24 * time.Hour

// look works the outlook out. now is in the person's zone.
func look(p filter.Policy, now time.Time) outlook {
	if p.Paused.Contains(now) {
		return outlook{state: statePaused, until: p.Paused.To}
	}
	asleep, edge := steady(p.Bedtime, now)
	if asleep {
		return outlook{state: stateBedtime, until: edge}
	}
	o := outlook{state: stateOpen}
	if !edge.IsZero() && edge.Sub(now) <= farthest {
		o.next, o.at = "bedtime", edge
	}
	for _, r := range p.Topics {
		if r.Group == "" || r.Allow || r.When == nil {
			continue
		}
		closed, at := steady(*r.When, now)
		if at.IsZero() || at.Sub(now) > farthest || !o.at.IsZero() && !at.Before(o.at) {
			continue
		}
		o.next, o.group, o.at = "closes", r.Group, at
		if closed {
			o.next = "opens"
		}
	}
	return o
}

// steady tells whether a schedule applies and when that really changes: an edge
// of an exception at which nothing changes is passed over.
func steady(s filter.Schedule, now time.Time) (on bool, until time.Time) {
	on, until = s.At(now)
	for range 32 { // edges within a week, at most a few a day
		if until.IsZero() {
			return on, until
		}
		then, next := s.At(until)
		if then != on {
			return on, until
		}
		until = next
	}
	return on, time.Time{}
}

// nextEdge is when something changes by the clock for anybody, or the zero time.
func (s *Server) nextEdge(now time.Time) (next time.Time) {
	h := s.home.Household()
	now = now.In(h.Zone())
	for _, p := range h.People {
		o := look(s.policy(h, p.ID), now)
		for _, t := range [...]time.Time{o.until, o.at} {
			if t.After(now) && (next.IsZero() || t.Before(next)) {
				next = t
			}
		}
	}
	return next
}

// stateLine is an outlook in one sentence.
func (p *page) stateLine(o outlook) string {
	switch {
	case o.state == statePaused && o.until.IsZero():
		return p.T("state.paused")
	case o.state == statePaused:
		return p.T("state.paused.until", "until", p.Until(o.until, p.now))
	case o.state == stateBedtime && o.until.IsZero():
		return p.T("state.bedtime")
	case o.state == stateBedtime:
		return p.T("state.bedtime.until", "until", p.Until(o.until, p.now))
	}
	return p.T("state.open")
}

// nextLine is what changes next in one sentence, or nothing.
func (p *page) nextLine(o outlook) string {
	if o.next == "" {
		return ""
	}
	return p.T("next."+o.next, "group", p.Group(o.group), "when", p.When(o.at, p.now))
}

// Group is what a group of services is called. Those that the catalogue has given
// up have none.
func (p *page) Group(id string) string {
	if id == "" {
		id = "other"
	}
	if p.Has("group." + id) {
		return p.T("group." + id)
	}
	return id
}

// Age is how old a person is, or the age their rules are for.
func (p *page) Age(person household.Person) string {
	if years, ok := person.Born.Age(p.now); ok {
		return p.N("years", years)
	}
	return p.Band(person.Band)
}

// Band is what an age band is called.
func (p *page) Band(id household.BandID) string { return p.T("band." + string(id)) }

// isChild tells whether a person has the rules of a child.
func isChild(h *household.Household, p household.Person) bool {
	b, ok := h.Bands().Band(p.Band)
	return !ok || b.Child()
}

// byAge orders people youngest first, adults at the end, each by name.
func byAge(h *household.Household) []household.Person {
	people := slices.Clone(h.People)
	from := func(p household.Person) int {
		b, _ := h.Bands().Band(p.Band)
		return b.From
	}
	sort.SliceStable(people, func(i, j int) bool {
		a, b := from(people[i]), from(people[j])
		return a < b || a == b && people[i].Name < people[j].Name
	})
	return people
}
