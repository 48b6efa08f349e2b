package household

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/treehouse-dns/treehouse/filter"
)

// Limits of what a parent may change for one person. A policy is compiled on
// every change and held in memory.
const (
	MaxNames      = 1000 // own allow and block rules
	MaxSwitches   = 500  // services, groups and categories switched on or off
	MaxExceptions = 100  // exceptions that have not ended
)

// hostLetters are what the name of a site is made of.
const hostLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."

// Site reads what a person types for a site, "https://www.example.com/page"
// perhaps, and gives the name a rule should be about: in lower case, without
// "www.", without a final dot. Names in other scripts have to be A-labels
// already.
func Site(typed string) (string, error) {
	s := strings.TrimSpace(typed)
	if _, rest, ok := strings.Cut(s, "://"); ok {
		s = rest
	}
	s, _, _ = strings.Cut(s, "/")
	s, _, _ = strings.Cut(s, "?")
	s, _, _ = strings.Cut(s, "#")
	s, _, _ = strings.Cut(s, ":")
	s = strings.TrimSuffix(s, ".")
	if _, err := netip.ParseAddr(s); err == nil {
		return "", fmt.Errorf("%s is an address; rules are about names, like example.com", s)
	}
	name, err := filter.ParseName(s)
	if err != nil {
		return "", fmt.Errorf("%.60q is no site: %w", typed, err)
	}
	if strings.ContainsFunc(s, func(r rune) bool { return !strings.ContainsRune(hostLetters, r) }) {
		return "", fmt.Errorf("%.60q is no site; write it like example.com", typed)
	}
	if name.Labels() > 2 && strings.HasPrefix(strings.ToLower(s), "www.") {
		name = name.Parent()
	}
	if name.Labels() < 2 {
		return "", fmt.Errorf("%q would be every site below it; name one, like example.com", s)
	}
	return strings.TrimSuffix(name.String(), "."), nil
}

// SetName gives a person a rule of their own about a site, in place of any they
// had about it. until zero is for good.
func (h *Household) SetName(id filter.PolicyID, site string, allow bool, now, until time.Time, why string) error {
	p := h.Person(id)
	if p == nil {
		return noPerson(id)
	}
	name, err := Site(site)
	if err != nil {
		return err
	}
	if !until.IsZero() && !until.After(now) {
		return fmt.Errorf("the rule about %s would end before it begins; give a later time", name)
	}
	p.forget(name)
	if len(p.Names) >= MaxNames {
		return fmt.Errorf("%s already has %d rules of their own; remove one first", p.Name, MaxNames)
	}
	rule := NameRule{Name: name, Allow: allow, Until: until, Why: CleanWords(why)}
	if !until.IsZero() {
		rule.From = now
	}
	p.Names = append(p.Names, rule)
	return nil
}

// ForgetName takes a person's own rule about a site away.
func (h *Household) ForgetName(id filter.PolicyID, site string) error {
	p := h.Person(id)
	if p == nil {
		return noPerson(id)
	}
	name, err := Site(site)
	if err != nil {
		return err
	}
	if !p.forget(name) {
		return fmt.Errorf("%s has no rule about %s", p.Name, name)
	}
	return nil
}

func (p *Person) forget(name string) bool {
	before := len(p.Names)
	p.Names = slices.DeleteFunc(p.Names, func(r NameRule) bool { return r.Name == name })
	return len(p.Names) < before
}

// maxSubject is the longest subject in bytes: a topic's ID or a group's name.
const maxSubject = 63 + len(GroupPrefix)

// SetSwitch turns a service, a category ("tiktok", "forums") or a group
// ("group:social") on or off for a person, whatever their band says.
func (h *Household) SetSwitch(id filter.PolicyID, subject string, on bool) error {
	p := h.Person(id)
	if p == nil {
		return noPerson(id)
	}
	if subject == "" || len(subject) > maxSubject {
		return fmt.Errorf("%.70q is no service, category or group", subject)
	}
	if _, had := p.Switch[subject]; !had && len(p.Switch) >= MaxSwitches {
		return fmt.Errorf("%s already has %d switches; take one back first", p.Name, MaxSwitches)
	}
	if p.Switch == nil {
		p.Switch = map[string]bool{}
	}
	p.Switch[subject] = on
	return nil
}

// ClearSwitch gives a subject back to the person's band.
func (h *Household) ClearSwitch(id filter.PolicyID, subject string) error {
	p := h.Person(id)
	if p == nil {
		return noPerson(id)
	}
	delete(p.Switch, subject)
	return nil
}

// SetSearch makes search engines answer in safe mode for a person (SearchForced),
// or leaves it to the person (SearchChoice) or to nobody (SearchOff).
func (h *Household) SetSearch(id filter.PolicyID, search Search) error {
	return set(h, id, search, func(p *Person) *Search { return &p.Search }, "search setting", SearchForced, SearchChoice, SearchOff)
}

// set puts one of the choices, or the empty one that gives it back to the band,
// into a field of a person.
func set[T ~string](h *Household, id filter.PolicyID, value T, field func(*Person) *T, what string, choices ...T) error {
	p := h.Person(id)
	if p == nil {
		return noPerson(id)
	}
	if value != "" && !slices.Contains(choices, value) {
		var words []string
		for _, c := range choices {
			words = append(words, string(c))
		}
		last := len(words) - 1
		return fmt.Errorf("%q is no %s; it is %s or %s", value, what, strings.Join(words[:last], ", "), words[last])
	}
	*field(p) = value
	return nil
}

// SetYouTube chooses the mode YouTube answers in for a person. Whether the
// service is on at all is the switch "youtube".
func (h *Household) SetYouTube(id filter.PolicyID, mode YouTube) error {
	return set(h, id, mode, func(p *Person) *YouTube { return &p.YouTube }, "YouTube setting", YouTubeStrict, YouTubeModerate, YouTubeOff)
}

// SetUnknown says what happens to sites in no list. Only a band that says what
// is open without asking can ask.
func (h *Household) SetUnknown(id filter.PolicyID, unknown Unknown) error {
	p := h.Person(id)
	if p == nil {
		return noPerson(id)
	}
	switch unknown {
	case UnknownPass, "":
	case UnknownAsk:
		if band, _ := h.bands.Band(p.Band); len(band.Asking.Listed) == 0 {
			return fmt.Errorf("unknown sites cannot ask in the age band %s", p.Band)
		}
	default:
		return fmt.Errorf("%q is no setting for unknown sites; it is pass or ask", unknown)
	}
	p.Unknown = unknown
	return nil
}

// maxHours is how many stretches a night, homework or holidays may have.
const maxHours = 50

// SetNights replaces the nights of a person's band; nil gives them back, an
// empty list is no bedtime at all.
func (h *Household) SetNights(id filter.PolicyID, nights []Hours) error {
	p := h.Person(id)
	if p == nil {
		return noPerson(id)
	}
	if err := checkHours(nights); err != nil {
		return err
	}
	p.Nights = nil
	if nights != nil {
		p.Nights = &nights
	}
	return nil
}

// SetHomework replaces a person's homework times.
func (h *Household) SetHomework(id filter.PolicyID, work []Homework) error {
	p := h.Person(id)
	if p == nil {
		return noPerson(id)
	}
	for _, w := range work {
		if err := checkHours([]Hours{{w.Days, w.From, w.To}}); err != nil {
			return err
		}
	}
	if len(work) > maxHours {
		return fmt.Errorf("%s cannot have more than %d homework times", p.Name, maxHours)
	}
	p.Homework = work
	return nil
}

func checkHours(hours []Hours) error {
	if len(hours) > maxHours {
		return fmt.Errorf("there cannot be more than %d stretches of hours", maxHours)
	}
	for _, h := range hours {
		if h.From == h.To || h.From >= endOfDay || h.To > endOfDay {
			return fmt.Errorf("from %s to %s is no stretch of a day", h.From, h.To)
		}
		if d := h.Days; d != AllDays && d != SchoolDays && d != FreeDays {
			return fmt.Errorf("%q is not a kind of day; it is all, school or free", h.Days)
		}
	}
	return nil
}

// SetHolidays replaces the days without school.
func (h *Household) SetHolidays(days []Holiday) error {
	if len(days) > maxHours {
		return fmt.Errorf("there cannot be more than %d holidays", maxHours)
	}
	for i := range days {
		days[i].Name = CleanName(days[i].Name)
		if days[i].Last.Before(days[i].First) {
			return fmt.Errorf("the holidays %q end on %s, before they begin on %s", days[i].Name, days[i].Last, days[i].First)
		}
	}
	h.Settings.Holidays = days
	return nil
}

// SetDefault chooses the band of devices nobody has assigned.
func (h *Household) SetDefault(band BandID) error {
	if _, ok := h.bands.Band(band); !ok {
		return fmt.Errorf("there is no age band %q; it is one of %s", band, h.bands.names())
	}
	h.Settings.Default = band
	return nil
}
