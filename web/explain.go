package web

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/treehouse-dns/treehouse/filter"
	"github.com/treehouse-dns/treehouse/household"
)

// explanation is a verdict in words: what, why, until when. It comes from the
// same Decide as an answer does.
type explanation struct {
	site    string // what to call it; not its name where that would be told to a small child
	name    string // the name itself, for asking
	blocked bool
	safe    bool
	closed  bool // everything is: paused or bedtime
	sealed  bool
	listed  bool   // lists decided, or none of them has it
	why     string // the rule that decided
	reason  string // the reason of the band, if it has one
}

// tenderAge is the age below which the name of a site for adults is not repeated.
const tenderAge = 13

func (s *Server) explain(p *page, person household.Person, name filter.Name, at time.Time) explanation {
	v, topic := s.home.Decide(person.ID, name, at)
	plain := strings.TrimSuffix(name.String(), ".")
	e := explanation{site: plain, name: plain, blocked: v.Action == filter.Block, safe: v.Action == filter.Rewrite}
	until := ""
	if !v.Until.IsZero() {
		until = p.Until(v.Until.In(p.now.Location()), at.In(p.now.Location()))
	}
	switch v.Rule {
	case filter.RuleService, filter.RuleCategory, filter.RuleNone:
		e.listed = true
	}
	title := ""
	if v.HasTopic {
		title = p.topicTitle(topic)
		for _, r := range s.policy(p.house, person.ID).Topics {
			if r.Topic == topic.ID || r.Topic == "" && r.Group == topic.Group {
				e.reason = p.T(r.Why)
				break
			}
		}
	}
	switch v.Rule {
	case filter.RuleSealed:
		e.sealed = true
		e.why = p.T("why.sealed")
	case filter.RulePaused, filter.RuleBedtime:
		e.closed = true
		if e.why = p.T("why." + v.Rule.String()); until != "" {
			e.why = p.T("why."+v.Rule.String()+".until", "until", until)
		}
	case filter.RuleService:
		e.why = p.T("why.service", "title", title)
		if until != "" && s.opens(person, name, v.Until) {
			e.why = p.T("why.service.until", "title", title, "until", until)
		}
	case filter.RuleCategory:
		e.why = p.T("why.category", "title", title)
		if band, _ := p.house.Bands().Band(person.Band); band.From < tenderAge && isHarm(p.house.Bands(), topic.ID) {
			e.site = p.T("why.unnamed")
		}
	default: // lifeline, allow, block, allow-list, safe-search, none
		e.why = p.T("why." + v.Rule.String())
	}
	return e
}

// tender tells whether the name of the site is not to be repeated.
func (e *explanation) tender() bool { return e.site != e.name }

// opens tells whether the name is answered once the rules have changed.
func (s *Server) opens(person household.Person, name filter.Name, at time.Time) bool {
	v, _ := s.home.Decide(person.ID, name, at)
	return v.Action != filter.Block
}

func isHarm(b *household.Bands, topic string) bool {
	for _, r := range b.Harm {
		if r.Topic == topic {
			return true
		}
	}
	return false
}

// topicTitle is what a topic is called: a category in the reader's words, a
// service by its own name.
func (p *page) topicTitle(t filter.Topic) string {
	if p.Has("topic." + t.ID) {
		return p.T("topic." + t.ID)
	}
	if t.Title != "" {
		return t.Title
	}
	return t.ID
}

// checkView is the page "Why blocked?".
type checkView struct {
	typed  string
	people []household.Person
	person household.Person
	result *explanation
	wrong  bool // what was typed is no site
}

// check says what happens to a name and why. A child sees their own rules, who
// is signed in sees everyone's.
func (s *Server) check(w http.ResponseWriter, r *http.Request, v *visitor) {
	p := s.page(r, v, "check.title")
	c := checkView{typed: r.URL.Query().Get("site"), person: household.Person{Band: p.house.Settings.Default}}
	id := v.person
	if v.signedIn() {
		c.people = byAge(p.house)
		if n, ok := parseID(r.URL.Query().Get("person")); ok {
			id = filter.PolicyID(n)
		} else if len(c.people) > 0 {
			id = c.people[0].ID // the youngest: nobody asks for themselves
		}
	}
	if person := p.house.Person(id); person != nil {
		c.person = *person
	}
	if c.typed != "" {
		site, err := household.Site(c.typed)
		name, err2 := filter.ParseName(site)
		if c.wrong = err != nil || err2 != nil; !c.wrong {
			e := s.explain(p, c.person, name, p.now)
			if c.result = &e; e.tender() && !v.signedIn() {
				c.typed = ""
			}
		}
	}
	s.show(w, r, http.StatusOK, p.checkPage(c))
}

// blockedElsewhere answers a request for a name that is not ours: the page that
// explains a block if it is one for this device, and nothing otherwise. It
// knows no session: the cookies of another name are not sent.
func (s *Server) blockedElsewhere(w http.ResponseWriter, r *http.Request) {
	v := &visitor{addr: remoteAddr(r)}
	device, person := s.home.Whose(v.addr)
	v.device, v.person = uint32(device), person
	host, _, _ := strings.Cut(r.Host, ":")
	name, err := filter.ParseName(host)
	if err != nil {
		http.Error(w, "This name is not one of this house.", http.StatusMisdirectedRequest)
		return
	}
	p := s.page(r, v, "blocked.title")
	of := household.Person{Band: p.house.Settings.Default}
	if found := p.house.Person(person); found != nil {
		of = *found
	}
	e := s.explain(p, of, name, p.now)
	if !e.blocked {
		http.Error(w, "This name is not one of this house.", http.StatusMisdirectedRequest)
		return
	}
	s.show(w, r, http.StatusForbidden, p.blockPage(e, helplines(s.countryOf(r), 13)))
}

// asking is the name as My internet takes it from a link, empty where asking
// is no use.
func (e explanation) asking() string {
	if e.sealed || e.closed {
		return ""
	}
	return url.QueryEscape(e.name)
}

// checked is the result of a check in one sentence.
func (p *page) checked(c checkView) string {
	key := "check.open"
	switch {
	case c.result.blocked:
		key = "check.blocked"
	case c.result.safe:
		key = "check.safe"
	}
	name := c.person.Name
	if name == "" {
		name = p.T("check.default")
	}
	return p.T(key, "site", c.result.site, "name", name)
}

// mineState is how things stand, said to the person.
func (p *page) mineState(v mineView) string {
	switch {
	case v.outlook.state == statePaused && v.outlook.until.IsZero():
		return p.T("mine.paused")
	case v.outlook.state == statePaused:
		return p.T("mine.paused.until", "until", p.Until(v.outlook.until, p.now))
	case v.outlook.state == stateBedtime && !v.outlook.until.IsZero():
		return p.T("mine.bedtime.until", "until", p.Until(v.outlook.until, p.now))
	case v.outlook.state == stateBedtime:
		return p.T("mine.bedtime")
	}
	return p.T("mine.open")
}

func parseID(s string) (uint64, bool) {
	n, err := strconv.ParseUint(s, 10, 16)
	return n, err == nil
}
