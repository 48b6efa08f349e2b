package household

import (
	"reflect"
	"slices"
	"time"

	"github.com/treehouse-dns/treehouse/filter"
)

// unassigned is what a device nobody has assigned is called.
const unassigned = "new device"

// alwaysUp is the bit of a PolicyID that stands for the same rules without pauses
// and nights, which the devices with Device.Keeps have. No person's ID has it.
const alwaysUp = maxPersonID + 1

// policy is the ID of the rules for a device.
func (d Device) policy() filter.PolicyID {
	if d.Keeps {
		return d.Person | alwaysUp
	}
	return d.Person
}

// PersonOf tells whose rules a policy is, 0 for nobody's.
func PersonOf(policy filter.PolicyID) filter.PolicyID { return policy &^ alwaysUp }

// Policies compiles the household to the filter's rules: the default profile
// first, with PolicyID 0, then everyone under their own ID, then the rules of
// devices that keep their connection. The result shares nothing with the
// household.
func (h *Household) Policies() []filter.Policy { return h.PoliciesAfter(nil, nil) }

// PoliciesAfter is Policies for who has those of another state of the household,
// an earlier one: whoever nothing has changed for keeps theirs, which the result
// shares. last may be nil.
func (h *Household) PoliciesAfter(last *Household, policies []filter.Policy) []filter.Policy {
	if last != nil && (h.bands != last.bands || h.zone != last.zone || !h.Settings.rulesAs(last.Settings)) {
		last = nil
	}
	fresh := make([]filter.Policy, 0, len(h.People)+1)
	if last != nil {
		fresh = append(fresh, policies[0])
	} else {
		fresh = append(fresh, h.policy(Person{Name: unassigned, Band: h.Settings.Default}))
	}
	i := 0 // in last.People; both are by ID
	for _, p := range h.People {
		for last != nil && i < len(last.People) && last.People[i].ID < p.ID {
			i++
		}
		if last != nil && i < len(last.People) && reflect.DeepEqual(last.People[i], p) {
			fresh = append(fresh, policies[i+1])
		} else {
			fresh = append(fresh, h.policy(p))
		}
	}
	return h.withKept(fresh)
}

// withKept adds the rules of devices that keep their connection to everyone's.
func (h *Household) withKept(policies []filter.Policy) []filter.Policy {
	for _, p := range policies {
		of := p.ID
		if slices.ContainsFunc(h.Devices, func(d Device) bool { return d.Keeps && d.Person == of }) {
			p.ID, p.Paused, p.Bedtime = of|alwaysUp, filter.Span{}, filter.Schedule{}
			policies = append(policies, p)
		}
	}
	return policies
}

// rulesAs tells whether what settings say of everyone's rules is the same.
func (s Settings) rulesAs(o Settings) bool {
	return s.Default == o.Default && s.Paused == o.Paused && slices.Equal(s.Overlays, o.Overlays) && slices.Equal(s.Holidays, o.Holidays)
}

// policy compiles one person.
func (h *Household) policy(p Person) filter.Policy {
	band, ok := h.bands.Band(p.Band)
	if !ok { // a table without this band: the safe one
		band, _ = h.bands.Band(DefaultBand)
	}
	c := compiler{person: p, band: band, engines: h.bands.Search, holidays: h.Settings.Holidays, zone: h.zone}
	out := filter.Policy{ID: p.ID, Person: p.Name, Band: string(band.ID), Zone: h.zone}

	out.Allow, out.Block = c.names()
	// About one topic the first rule that applies decides, so what is nearer to
	// the person and the moment comes first.
	out.Topics = slices.Concat(c.granted(), c.homework(), c.switched(), h.overlaid(band.ID), c.defaults(h.bands), c.timed(), c.search(), c.listed())
	out.OnlyListed = band.Mode == ModeListed || c.asks()
	out.Bedtime = c.bedtime()
	out.Supervised = len(out.Topics) > 0 || len(out.Allow) > 0 || len(out.Block) > 0 || out.OnlyListed || len(out.Bedtime.Also) > 0
	out.Paused = p.Paused.span()
	if band.Child() || p.ID == 0 { // pausing everyone leaves a parent able to undo it
		out.Paused = longer(out.Paused, h.Settings.Paused.span())
	}
	out.Supervised = out.Supervised || out.Paused != (filter.Span{})
	return out
}

// span is the pause as the filter has it.
func (p Pause) span() filter.Span { return filter.Span{From: p.From, To: p.Until} }

// longer is the pause that lasts longer.
func longer(a, b filter.Span) filter.Span {
	none := filter.Span{}
	switch {
	case a == none:
		return b
	case b == none, a.To.IsZero():
		return a
	case b.To.IsZero(), b.To.After(a.To):
		return b
	}
	return a
}

// compiler turns one person's rules into the filter's.
type compiler struct {
	person   Person
	band     Band
	engines  []string // the safe-search topics
	holidays []Holiday
	zone     *time.Location
}

// names are the person's own rules, longest-lived grants among them. A name
// that does not parse was refused when it was added.
func (c compiler) names() (allow, block []filter.NameRule) {
	for _, r := range c.person.Names {
		name, err := filter.ParseName(r.Name)
		if err != nil {
			continue
		}
		rule := filter.NameRule{Name: name}
		if !r.Until.IsZero() {
			rule.When = &filter.Span{From: r.From, To: r.Until}
		}
		if r.Allow {
			allow = append(allow, rule)
		} else {
			block = append(block, rule)
		}
	}
	return allow, block
}

// granted are services opened for a while.
func (c compiler) granted() []filter.TopicRule {
	var rules []filter.TopicRule
	for _, e := range c.person.Exceptions {
		if _, group := cutGroup(e.Of); group || e.Of == ExceptNight || e.Of == ExceptAll {
			continue
		}
		why := e.Name
		if why == "" {
			why = "Open for a while."
		}
		rules = append(rules, filter.TopicRule{Topic: e.Of, Allow: true, Why: why, When: new(during([]filter.Span{e.span()}))})
	}
	return rules
}

// chosen is the reason for what a parent switched.
const chosen = "A parent chose this for you."

// isSafeMode tells whether a subject is the safe mode of a search engine or of
// YouTube.
func (c compiler) isSafeMode(subject string) bool {
	return slices.Contains(c.engines, subject) || subject == youTubeStrict || subject == youTubeModerate
}

// switched are the person's own switches, those of one topic before those of
// whole groups.
func (c compiler) switched() []filter.TopicRule {
	var topics, groups []filter.TopicRule
	for _, subject := range sortedKeys(c.person.Switch) {
		rule := topicRule(subject, chosen)
		// On lets a service or a category be; for a safe mode it is the mode
		// that is on.
		if rule.Allow = c.person.Switch[subject] != c.isSafeMode(subject); !rule.Allow {
			rule.When = c.always(subject)
		}
		if rule.Group != "" {
			groups = append(groups, rule)
		} else {
			topics = append(topics, rule)
		}
	}
	return append(topics, groups...)
}

// defaults are the band's, those of one topic before those of whole groups.
func (c compiler) defaults(bands *Bands) []filter.TopicRule {
	var topics, groups []filter.TopicRule
	add := func(r Reason, on bool) {
		rule := topicRule(r.Subject(), r.Why)
		if rule.Allow = on; !on {
			rule.When = c.always(r.Subject())
		}
		if r.Group != "" {
			groups = append(groups, rule)
		} else {
			topics = append(topics, rule)
		}
	}
	for _, r := range c.band.On {
		add(r, true)
	}
	for _, r := range bands.Reasons(c.band) {
		add(r, false)
	}
	return append(topics, groups...)
}

// always is the schedule of something that is off at all hours: nil, which is
// always, or always less the exceptions made for it.
func (c compiler) always(subject string) *filter.Schedule {
	var except []filter.Span
	for _, e := range c.person.Exceptions {
		if e.Of == subject {
			except = append(except, e.span())
		}
	}
	if except == nil {
		return nil
	}
	return &filter.Schedule{Always: true, Except: except}
}

// timed are the groups that have hours.
func (c compiler) timed() []filter.TopicRule {
	var rules []filter.TopicRule
	for _, t := range c.band.Timed {
		subject := GroupPrefix + t.Group
		of := []string{subject, ExceptAll}
		if t.Night {
			of = append(of, ExceptNight)
		}
		rule := topicRule(subject, t.Why)
		rule.When = new(daySchedule(closed(t.Open), c.holidays, c.except(of...), c.zone))
		rules = append(rules, rule)
	}
	return rules
}

// homework is when the person's groups pause for work.
func (c compiler) homework() []filter.TopicRule {
	var rules []filter.TopicRule
	for _, w := range c.person.Homework {
		groups := w.Groups
		if len(groups) == 0 {
			groups = homeworkGroups[:]
		}
		for _, subject := range groups {
			rule := topicRule(subject, "It is homework time.")
			rule.When = new(daySchedule([]Hours{{w.Days, w.From, w.To}}, c.holidays, c.except(subject, ExceptAll), c.zone))
			rules = append(rules, rule)
		}
	}
	return rules
}

// search is safe search and YouTube's mode.
func (c compiler) search() []filter.TopicRule {
	var rules []filter.TopicRule
	if search := c.person.search(c.band); search == SearchForced || search == SearchChoice {
		for _, id := range c.engines {
			rules = append(rules, filter.TopicRule{Topic: id, Why: "Searches are made in safe mode."})
		}
	}
	switch c.person.youTube(c.band) {
	case YouTubeStrict:
		rules = append(rules, filter.TopicRule{Topic: youTubeStrict, Why: "YouTube is in its strict mode."})
	case YouTubeModerate:
		rules = append(rules, filter.TopicRule{Topic: youTubeModerate, Why: "YouTube is in its moderate mode."})
	}
	return rules
}

// search is the setting in force for the person.
func (p Person) search(b Band) Search {
	if p.Search != "" {
		return p.Search
	}
	return b.Search
}

// youTube is the setting in force for the person.
func (p Person) youTube(b Band) YouTube {
	if p.YouTube != "" {
		return p.YouTube
	}
	return b.YouTube
}

// asks tells whether unknown sites have to be asked for.
func (c compiler) asks() bool {
	return c.person.Unknown == UnknownAsk && len(c.band.Asking.Listed) > 0
}

// onTheList is the reason for what allow-list mode shows.
const onTheList = "On your list."

// listed is what allow-list mode shows.
func (c compiler) listed() []filter.TopicRule {
	topics := c.band.Listed
	var rules []filter.TopicRule
	if c.asks() {
		topics = c.band.Asking.Listed
		for _, subject := range c.band.Asking.Open {
			rule := topicRule(subject, "Open without asking.")
			rule.Allow = true
			rules = append(rules, rule)
		}
	}
	for _, id := range topics {
		rules = append(rules, filter.TopicRule{Topic: id, Why: onTheList})
	}
	return rules
}

// nights are the person's nights: their own, or the band's.
func (c compiler) nights() []Hours {
	if c.person.Nights != nil {
		return *c.person.Nights
	}
	if c.band.Night.From == c.band.Night.To {
		return nil
	}
	return []Hours{{AllDays, c.band.Night.From, c.band.Night.To}}
}

func (c compiler) bedtime() filter.Schedule {
	return nightSchedule(c.nights(), c.holidays, c.except(ExceptNight, ExceptAll), c.zone)
}

// except are the spans of the exceptions made for any of the subjects.
func (c compiler) except(of ...string) []filter.Span {
	var spans []filter.Span
	for _, e := range c.person.Exceptions {
		if slices.Contains(of, e.Of) {
			spans = append(spans, e.span())
		}
	}
	return spans
}

func sortedKeys(m map[string]bool) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
