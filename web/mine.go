package web

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/treehouse-dns/treehouse/filter"
	"github.com/treehouse-dns/treehouse/household"
)

// mineView is what a child's own page shows.
type mineView struct {
	person   household.Person // the default profile's for a device nobody has assigned
	known    bool             // the device is somebody's
	child    bool
	outlook  outlook
	block    *explanation
	rules    []ruleView // what is off, has hours, or is in a safe mode
	harm     []ruleView // what is closed at every age
	requests []requestView
	sees     household.Sees
	help     []helpline
	prefill  string             // a site to ask for
	birthday string             // what the parents are being asked
	noted    []household.Device // whose names a parent may see for a while
	trouble  []string           // why things may be slow or stricter, and no rule's doing
}

// ruleView is one rule in words.
type ruleView struct{ title, why, hours string }

func (s *Server) myInternet(w http.ResponseWriter, r *http.Request, v *visitor) {
	s.showMine(w, r, v, http.StatusOK, nil)
}

func (s *Server) showMine(w http.ResponseWriter, r *http.Request, v *visitor, status int, n *notice) {
	p := s.page(r, v, "mine.title")
	if p.notice = n; n == nil {
		p.notice = s.didNotice(p, r)
	}
	s.show(w, r, status, p.minePage(s.mineView(p, r)))
}

func (s *Server) mineView(p *page, r *http.Request) mineView {
	v := mineView{person: household.Person{Band: p.house.Settings.Default}}
	if person := p.house.Person(p.who.person); person != nil {
		v.person, v.known = *person, true
	}
	v.child = !v.known || isChild(p.house, v.person)
	band, _ := p.house.Bands().Band(v.person.Band)
	policy := s.policy(p.house, v.person.ID)
	v.outlook, v.sees = look(policy, p.now), p.house.Counted(v.person)
	if v.known {
		v.noted = p.house.Logged(v.person.ID, p.now)
	}
	if b, ok := s.home.LastBlock(p.who.addr); ok && p.now.Sub(b.At) <= BlockMemory {
		e := s.explain(p, v.person, b.Name, b.At)
		if e.blocked {
			v.block = &e
		}
	}
	if v.known && v.child {
		v.birthday, _ = p.proposal("birthday.child", v.person)
	}
	v.harm, v.rules = p.rules(v.person, band)
	for _, q := range p.house.Requests {
		if v.known && q.Person == v.person.ID {
			v.requests = append(v.requests, requestView{q, v.person, p.wish(q)})
		}
	}
	slices.Reverse(v.requests) // the latest first
	v.help = helplines(s.countryOf(r), band.From)
	for _, t := range s.home.Health() {
		switch t {
		case TroubleOffline:
			v.trouble = append(v.trouble, p.T("mine.offline"))
		case TroubleClock:
			v.trouble = append(v.trouble, p.T("trouble.clock"))
		}
	}
	if site, err := household.Site(r.URL.Query().Get("site")); err == nil {
		if name, err := filter.ParseName(site); err == nil {
			if e := s.explain(p, v.person, name, p.now); !e.tender() {
				v.prefill = site
			}
		}
	}
	return v
}

// wish is a request in the words of whoever asked.
func (p *page) wish(q household.Request) string {
	if q.Site != "" {
		return q.Site
	}
	return p.N("wish.time", q.Length, "what", p.ofWhat(q.Of))
}

// answered is what became of a request.
func (p *page) answered(q household.Request) string {
	switch {
	case q.Open():
		return p.T("answer.open")
	case !q.Answer.Allow:
		return p.T("answer.no")
	case q.Answer.Until.IsZero():
		return p.T("answer.yes")
	case !q.Answer.Until.After(p.now):
		return p.T("answer.over")
	}
	return p.T("answer.until", "until", p.Until(q.Answer.Until.In(p.now.Location()), p.now))
}

// rules are a person's rules in the words of their band: what is closed at
// every age, and the rest.
func (p *page) rules(person household.Person, band household.Band) (harm, rest []ruleView) {
	bands := p.house.Bands()
	if band.Mode == household.ModeListed {
		rest = append(rest, ruleView{title: p.T("rule.listed"), why: p.T("rule.listed.why")})
	}
	off := func(list []household.Reason) (lines []ruleView) {
		seen := map[string]bool{}
		for _, r := range list {
			if person.Switch[r.Subject()] {
				continue
			}
			title := p.subject(r.Subject())
			if !seen[title] {
				lines = append(lines, ruleView{title: title, why: p.T(r.Why)})
			}
			seen[title] = true
		}
		return lines
	}
	if band.Child() {
		harm = off(bands.Harm)
	}
	if nights := person.Nights; nights != nil {
		for _, n := range *nights {
			rest = append(rest, ruleView{p.T("rule.night"), "", p.hours([]household.Hours{n})})
		}
	} else if band.Night.From != band.Night.To {
		rest = append(rest, ruleView{p.T("rule.night"), p.T(band.Night.Why), p.hours([]household.Hours{{Days: household.AllDays, From: band.Night.From, To: band.Night.To}})})
	}
	for _, work := range person.Homework {
		rest = append(rest, ruleView{p.T("rule.homework"), p.T("It is homework time."), p.hours([]household.Hours{{Days: work.Days, From: work.From, To: work.To}})})
	}
	for _, t := range band.Timed {
		if _, switched := person.Switch[household.GroupPrefix+t.Group]; !switched {
			rest = append(rest, ruleView{p.Group(t.Group), p.T(t.Why), p.T("rule.open", "hours", p.hours(t.Open))})
		}
	}
	for _, subject := range sortedSwitches(person.Switch) {
		if !person.Switch[subject] {
			rest = append(rest, ruleView{title: p.subject(subject), why: p.T("A parent chose this for you.")})
		}
	}
	rest = append(rest, off(band.Off)...)
	if search := person.Search; search == household.SearchForced || search == "" && band.Search != household.SearchOff {
		rest = append(rest, ruleView{title: p.T("rule.search"), why: p.T("rule.search.why")})
	}
	for _, n := range band.Notice {
		rest = append(rest, ruleView{p.subject(n.Subject()), p.T(n.Why), p.T("rule.on")})
	}
	return harm, rest
}

func sortedSwitches(m map[string]bool) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// subject is what a topic or a group is called.
func (p *page) subject(subject string) string {
	if group, ok := strings.CutPrefix(subject, household.GroupPrefix); ok {
		return p.Group(group)
	}
	if p.Has("topic." + subject) {
		return p.T("topic." + subject)
	}
	for _, t := range p.home.Topics() { // one service, by its own name
		if t.ID == subject && t.Title != "" {
			return t.Title
		}
	}
	return subject
}

// hours are stretches of the day in words.
func (p *page) hours(all []household.Hours) string {
	text := ""
	clock := func(c household.Clock) string {
		return p.Clock(time.Date(2000, 1, 1, int(c)/60, int(c)%60, 0, 0, time.UTC))
	}
	for _, h := range all {
		part := p.T("hours."+string(h.Days), "from", clock(h.From), "to", clock(h.To))
		if text == "" {
			text = part
		} else {
			text = p.T("list", "a", text, "b", part)
		}
	}
	return text
}

// ask puts a child's request before the parents. A device that is nobody's
// cannot ask: whose answer would it be?
func (s *Server) ask(w http.ResponseWriter, r *http.Request, v *visitor) {
	q := household.Request{Person: v.person, Words: r.PostFormValue("words")}
	now := s.now()
	err := func() error {
		if v.person == 0 {
			return &sentence{key: "ask.nobody"}
		}
		n, _ := strconv.Atoi(r.PostFormValue("minutes"))
		if q.Length = n; n == 0 {
			site, err := household.Site(r.PostFormValue("site"))
			if err != nil {
				return &sentence{key: "ask.nosite"}
			}
			q.Site = site
		}
		return s.home.Change(func(h *household.Household) error {
			if q.Length > 0 {
				q.Of = lengthens(look(policyOf(h, v.person), now.In(h.Zone())))
			}
			_, err := h.Ask(q, now)
			return err
		})
	}()
	if err == nil {
		http.Redirect(w, r, done{key: "asked", to: "/me"}.back(r), http.StatusSeeOther)
		return
	}
	if known := (*sentence)(nil); !errors.As(err, &known) {
		err = &sentence{key: "ask.later"} // the limits of household.Ask
	}
	p := s.page(r, v, "mine.title")
	s.showMine(w, r, v, http.StatusConflict, &notice{text: p.because(err), wait: true})
}

// lengthens is what more time would be of: the evening, or the group whose
// hours end next.
func lengthens(o outlook) string {
	if o.group != "" {
		return household.GroupPrefix + o.group
	}
	return household.ExceptNight
}

// redeem uses a ticket for more time.
func (s *Server) redeem(w http.ResponseWriter, r *http.Request, v *visitor) {
	n, err := strconv.Atoi(r.PostFormValue("ticket"))
	now := s.now()
	if err == nil {
		err = s.home.Change(func(h *household.Household) error {
			_, err := h.Redeem(v.person, n, now)
			return err
		})
	}
	if err != nil {
		p := s.page(r, v, "mine.title")
		s.showMine(w, r, v, http.StatusConflict, &notice{text: p.T("ticket.gone"), wait: true})
		return
	}
	http.Redirect(w, r, done{key: "ticket", to: "/me"}.back(r), http.StatusSeeOther)
}

func (s *Server) help(w http.ResponseWriter, r *http.Request, v *visitor) {
	p := s.page(r, v, "help.title")
	s.show(w, r, http.StatusOK, p.helpPage(helplines(s.countryOf(r), 18)))
}
