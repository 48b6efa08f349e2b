package household

import (
	"slices"
	"time"

	"github.com/treehouse-dns/treehouse/filter"
)

// PoliciesWithoutClock are the policies for a router that does not know the time
// yet: the stricter phase of everything that has hours. It is night, groups with
// hours are closed, pauses last and grants are not there yet. The lifeline,
// which time servers are part of, answers, so this ends within seconds.
func (h *Household) PoliciesWithoutClock() []filter.Policy {
	policies := h.Policies()
	for i := range policies {
		p := &policies[i]
		if hasHours(p.Bedtime) {
			p.Bedtime = filter.Schedule{Always: true}
		}
		if p.Paused != (filter.Span{}) {
			p.Paused = filter.Span{From: time.Time{}.Add(1)} // before every moment a clock can show
		}
		// A device that keeps its connection shares its person's rules.
		p.Topics = slices.DeleteFunc(slices.Clone(p.Topics), func(r filter.TopicRule) bool { return r.Allow && r.When != nil })
		for n := range p.Topics {
			if when := p.Topics[n].When; when != nil && hasHours(*when) {
				p.Topics[n].When = nil
			}
		}
		p.Allow = slices.DeleteFunc(slices.Clone(p.Allow), func(r filter.NameRule) bool { return r.When != nil })
		p.Block = slices.Clone(p.Block)
		for n := range p.Block {
			p.Block[n].When = nil
		}
	}
	return policies
}

// hasHours tells whether a schedule is anything but never.
func hasHours(s filter.Schedule) bool {
	return s.Always || len(s.Windows) > 0 || len(s.Except) > 0 || len(s.Also) > 0
}
