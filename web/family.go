package web

import (
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/treehouse-dns/treehouse/filter"
	"github.com/treehouse-dns/treehouse/household"
)

const (
	// shownRequests and shownNewcomers fit on the Family page; the rest has
	// pages of its own. A child can make as many of both as the limits allow.
	shownRequests  = 5
	shownNewcomers = 3
)

// familyView is what the Family page shows.
type familyView struct {
	children      []childView
	adults        []household.Person
	people        []household.Person
	requests      []requestView
	moreRequests  int
	newcomers     []household.Device
	moreNewcomers int
	allPaused     bool
}

type childView struct {
	person  household.Person
	outlook outlook
	own     bool // the pause is this person's and not everyone's

	proposal string // of a birthday, in words; empty: none
	proposed household.BandID
}

type requestView struct {
	household.Request
	person household.Person
	what   string
}

func (f familyView) adultNames() string {
	var names []string
	for _, a := range f.adults {
		names = append(names, a.Name)
	}
	return strings.Join(names, ", ")
}

// family is "/": the Family page for who is signed in, My internet on a child's
// device, and the way in for everyone else.
func (s *Server) family(w http.ResponseWriter, r *http.Request) {
	v := s.visitor(r)
	switch {
	case v.signedIn() && !s.accounts.ready():
		http.Redirect(w, r, "/setup", http.StatusSeeOther)
		return
	case v.signedIn():
	case s.accounts.claimed() && !s.isAdult(v.person):
		http.Redirect(w, r, "/me", http.StatusSeeOther)
		return
	default:
		s.toLogin(w, r)
		return
	}
	p := s.page(r, v, "family.title")
	p.notice = s.didNotice(p, r)
	s.show(w, r, http.StatusOK, p.familyPage(s.familyView(p)))
}

// troubleLine is a trouble in words.
func (p *page) troubleLine(t Trouble) string {
	shows := p.now
	if clock, ok := p.home.(Clock); ok {
		shows = clock.Shows().In(p.now.Location())
	}
	return p.T("trouble."+string(t), "day", p.Day(shows), "year", shows.Year(), "time", p.Clock(shows))
}

// confirmClock takes a parent's word that the clock is right.
func (s *Server) confirmClock(*http.Request, *visitor) (done, error) {
	shows := s.now()
	if clock, ok := s.home.(Clock); ok {
		shows = clock.Shows()
	}
	return done{key: "saved"}, s.home.Change(func(h *household.Household) error { h.Settings.Clock = shows; return nil })
}

// isAdult tells whether a person is known to be one.
func (s *Server) isAdult(id filter.PolicyID) bool {
	h := s.home.Household()
	p := h.Person(id)
	return p != nil && !isChild(h, *p)
}

func (s *Server) familyView(p *page) familyView {
	f := familyView{people: byAge(p.house), allPaused: p.house.Settings.Paused != household.Pause{}}
	for _, person := range f.people {
		if isChild(p.house, person) {
			f.children = append(f.children, s.childView(p, person))
		} else {
			f.adults = append(f.adults, person)
		}
	}
	f.requests = p.openRequests()
	if over := len(f.requests) - shownRequests; over > 0 {
		f.requests, f.moreRequests = f.requests[:shownRequests], over
	}
	f.newcomers = p.house.DevicesOf(0)
	if over := len(f.newcomers) - shownNewcomers; over > 0 {
		f.newcomers, f.moreNewcomers = f.newcomers[:shownNewcomers], over
	}
	return f
}

func (s *Server) childView(p *page, person household.Person) childView {
	c := childView{person: person, outlook: look(s.policy(p.house, person.ID), p.now), own: person.Paused != household.Pause{}}
	c.proposal, c.proposed = p.proposal("birthday.ask", person)
	return c
}

// openRequests are those that wait, the oldest first.
func (p *page) openRequests() []requestView {
	var open []requestView
	for _, q := range p.house.Requests {
		if person := p.house.Person(q.Person); q.Open() && person != nil {
			open = append(open, requestView{q, *person, p.asks(q, *person)})
		}
	}
	return open
}

// asks is a request in one sentence.
func (p *page) asks(q household.Request, person household.Person) string {
	if q.Site != "" {
		return p.T("request.site", "name", person.Name, "site", q.Site)
	}
	return p.N("request.time", q.Length, "name", person.Name, "what", p.ofWhat(q.Of))
}

// ofWhat is what time is for: a group, a service, or the evening.
func (p *page) ofWhat(of string) string {
	switch {
	case of == household.ExceptNight || of == household.ExceptAll:
		return p.T("time.evening")
	case strings.HasPrefix(of, household.GroupPrefix):
		return p.Group(strings.TrimPrefix(of, household.GroupPrefix))
	}
	return of
}

// deviceName is what a device is called; its own name for itself is only a hint.
func (p *page) deviceName(d household.Device) string {
	switch {
	case d.Name != "":
		return d.Name
	case d.Hint != "":
		return d.Hint
	}
	return p.T("device.unnamed", "n", int(d.ID))
}

// deviceLine says how a device is known: who made it, and its address.
func (p *page) deviceLine(d household.Device) string {
	line := p.T("device.other")
	switch {
	case d.PrivateAddress():
		line = p.T("device.private")
	case len(d.MACs) > 0:
		line = p.T("device.mac", "mac", d.MACs[len(d.MACs)-1].String())
	case len(d.Addrs) > 0:
		line = p.T("device.mac", "mac", d.Addrs[0].String())
	}
	if vendor := d.Vendor(); vendor != "" {
		return vendor + " · " + line
	}
	return line
}

// navLink is one entry of the way round.
type navLink struct {
	path, key string
	current   string
	count     int
}

// nav is the way round for who is signed in.
func (p *page) nav() []navLink {
	links := []navLink{
		{path: "/", key: "family.title"}, {path: "/requests", key: "requests.page", count: len(p.openRequests())},
		{path: "/devices", key: "devices.title"}, {path: "/activity", key: "activity.title"}, {path: "/check", key: "check.title"}, {path: "/settings", key: "settings.title"},
	}
	for i := range links {
		if links[i].current = "false"; links[i].path == p.path {
			links[i].current = "page"
		}
	}
	return links
}

func (p *page) dir() string {
	if p.RTL {
		return "rtl"
	}
	return "ltr"
}

// initial is the first letter of a name.
func initial(name string) string {
	r, _ := utf8.DecodeRuneInString(strings.ToUpper(name))
	return string(r)
}

// faceClass is one of six shades, by a person's number.
func faceClass(number int) string { return fmt.Sprint("f", number%6) }

func actionOf(p household.Person, verb string) string {
	return fmt.Sprintf("/people/%d/%s", p.ID, verb)
}
func idOf(what string, p household.Person) string { return fmt.Sprint(what, "-", p.ID) }
