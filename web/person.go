package web

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/treehouse-dns/treehouse/filter"
	"github.com/treehouse-dns/treehouse/household"
)

// personView is what a child's page shows a parent.
type personView struct {
	childView
	subjects []*subjectView
	harm     []*subjectView // what is closed at every age
	nights   []nightView
	devices  []household.Device
	sees     string // the end of its key in words
	week     *weekView
}

// subjectView is one group or category with its rule.
type subjectView struct {
	subject           string
	title, state, why string
	open              bool
	own               bool // a parent's choice and not the band's
}

// nightView is the night of one kind of day as a form has it; empty: none.
type nightView struct{ key, from, to string }

// showPerson is a child's page.
func (s *Server) showPerson(w http.ResponseWriter, r *http.Request, v *visitor) {
	h := s.home.Household()
	person := h.Person(personOf(r))
	if person == nil {
		p := s.page(r, v, "missing.title")
		s.show(w, r, http.StatusNotFound, p.plain("missing.text", "/", "missing.back"))
		return
	}
	p := s.page(r, v, "family.title")
	p.title, p.notice = person.Name, s.didNotice(p, r)
	band, _ := h.Bands().Band(person.Band)
	view := &personView{
		childView: s.childView(p, *person), week: s.week(p, *person),
		devices: h.DevicesOf(person.ID), sees: string(h.Counted(*person)), nights: nightsOf(*person, band),
	}
	if band.Sees != household.SeesNothing && h.Counted(*person) == household.SeesNothing {
		view.sees = "off"
	}
	always := map[string]bool{}
	for _, r := range h.Bands().Harm {
		always[r.Subject()] = band.Child()
	}
	for _, v := range s.subjects(p, *person, band) {
		if always[v.subject] && !v.own {
			view.harm = append(view.harm, v)
		} else {
			view.subjects = append(view.subjects, v)
		}
	}
	s.show(w, r, http.StatusOK, p.personPage(view))
}

// subjects are the groups of services, then the categories of the band, each
// with what holds and why.
func (s *Server) subjects(p *page, person household.Person, band household.Band) []*subjectView {
	why, timed := map[string]string{}, map[string]string{}
	reasons := p.house.Bands().Reasons(band)
	for _, r := range reasons {
		why[r.Subject()] = p.T(r.Why)
	}
	for _, t := range band.Timed {
		timed[household.GroupPrefix+t.Group] = p.hours(t.Open)
		why[household.GroupPrefix+t.Group] = p.T(t.Why)
	}
	var order []string
	seen := map[string]bool{}
	add := func(subject string) {
		if !seen[subject] {
			seen[subject] = true
			order = append(order, subject)
		}
	}
	group := "" // the topics come group by group
	for _, t := range s.home.Topics() {
		if t.Kind == filter.KindService && t.Group != "" && t.Group != group {
			group = t.Group
			add(household.GroupPrefix + group)
		}
	}
	for _, r := range reasons {
		add(r.Subject())
	}
	for _, subject := range sortedSwitches(person.Switch) {
		add(subject)
	}
	views := make([]subjectView, len(order))
	list := make([]*subjectView, len(order))
	for i, subject := range order {
		v := &views[i]
		list[i] = v
		*v = subjectView{subject: subject, title: p.subject(subject), why: why[subject]}
		on, own := person.Switch[subject]
		_, off := why[subject]
		hours := timed[subject]
		switch v.own = own; {
		case own && on, !own && !off:
			v.open, v.state = true, p.T("person.isopen")
		case !own && hours != "":
			v.open, v.state = true, p.T("rule.open", "hours", hours)
		default:
			v.state = p.T("person.isclosed")
		}
		if own {
			v.why = p.T("person.chosen")
		}
	}
	return list
}

// nightsOf are the nights as the form has them.
func nightsOf(person household.Person, band household.Band) []nightView {
	nights := []nightView{{key: "school"}, {key: "free"}}
	set := func(kind household.DayKind, from, to household.Clock) {
		for i := range nights {
			if kind == household.AllDays || string(kind) == nights[i].key {
				nights[i].from, nights[i].to = from.String(), to.String()
			}
		}
	}
	if person.Nights == nil {
		if band.Night.From != band.Night.To {
			set(household.AllDays, band.Night.From, band.Night.To)
		}
		return nights
	}
	for _, n := range *person.Nights {
		set(n.Days, n.From, n.To)
	}
	return nights
}

// nameRule is a rule about one site in words.
func (p *page) nameRule(n household.NameRule) string {
	key := "person.isclosed"
	if n.Allow {
		key = "person.isopen"
	}
	if n.Until.IsZero() {
		return p.T(key)
	}
	return p.T(key) + " " + p.Until(n.Until.In(p.now.Location()), p.now)
}

// setSwitch opens or closes a group for a person, or gives it back to the age.
func (s *Server) setSwitch(r *http.Request, _ *visitor) (done, error) {
	id, subject := personOf(r), r.PostFormValue("subject")
	known := false
	if group, ok := strings.CutPrefix(subject, household.GroupPrefix); ok {
		for _, t := range s.home.Topics() {
			known = known || t.Group == group
		}
	} else {
		for _, t := range s.home.Topics() {
			known = known || t.ID == subject
		}
	}
	if !known {
		return done{}, &sentence{key: "failed.text"}
	}
	return done{key: "saved"}, s.home.Change(func(h *household.Household) error {
		if to := r.PostFormValue("to"); to != "age" {
			return h.SetSwitch(id, subject, to == "on")
		}
		return h.ClearSwitch(id, subject)
	})
}

// setNight gives a person nights of their own, or the age's.
func (s *Server) setNight(r *http.Request, _ *visitor) (done, error) {
	id := personOf(r)
	var nights []household.Hours
	for _, kind := range []household.DayKind{household.SchoolDays, household.FreeDays} {
		from, to := r.PostFormValue(string(kind)+"-from"), r.PostFormValue(string(kind)+"-to")
		if from == "" || to == "" {
			continue
		}
		a, err := household.ParseClock(from)
		b, err2 := household.ParseClock(to)
		if err != nil || err2 != nil || a == b {
			return done{}, &sentence{key: "night.wrong"}
		}
		nights = append(nights, household.Hours{Days: kind, From: a, To: b})
	}
	return done{key: "saved"}, s.home.Change(func(h *household.Household) error {
		person := h.Person(id)
		if person == nil {
			return &sentence{key: "device.gone"}
		}
		if person.Nights = &nights; r.PostFormValue("to") == "age" {
			person.Nights = nil
		}
		return nil
	})
}

// setName allows or closes one site for a person.
func (s *Server) setName(r *http.Request, _ *visitor) (done, error) {
	id, now := personOf(r), s.now()
	site, err := household.Site(r.PostFormValue("site"))
	if err != nil {
		return done{}, &sentence{key: "ask.nosite"}
	}
	return done{key: "saved"}, s.home.Change(func(h *household.Household) error {
		if to := r.PostFormValue("to"); to != "none" {
			return h.SetName(id, site, to == "allow", now, time.Time{}, "")
		}
		return h.ForgetName(id, site)
	})
}

// setBand gives a person the rules of another age.
func (s *Server) setBand(r *http.Request, _ *visitor) (done, error) {
	id, band := personOf(r), household.BandID(r.PostFormValue("band"))
	return done{key: "saved"}, s.home.Change(func(h *household.Household) error {
		return h.SetBand(id, band)
	})
}

// notYet keeps a person's band although a birthday proposed another.
func (s *Server) notYet(r *http.Request, _ *visitor) (done, error) {
	id, band := personOf(r), household.BandID(r.PostFormValue("band"))
	return done{key: "saved"}, s.home.Change(func(h *household.Household) error { return h.NotYet(id, band) })
}

func (s *Server) removePerson(r *http.Request, _ *visitor) (done, error) {
	id := personOf(r)
	return done{key: "saved", to: "/"}, s.home.Change(func(h *household.Household) error { h.RemovePerson(id); return nil })
}

func (s *Server) showRequests(w http.ResponseWriter, r *http.Request, v *visitor) {
	p := s.page(r, v, "requests.page")
	p.notice = s.didNotice(p, r)
	var answered []requestView
	for i := len(p.house.Requests) - 1; i >= 0; i-- {
		q := p.house.Requests[i]
		if person := p.house.Person(q.Person); !q.Open() && person != nil {
			answered = append(answered, requestView{q, *person, p.asks(q, *person)})
		}
	}
	s.show(w, r, http.StatusOK, p.requestsPage(p.openRequests(), answered, s.reports(p)))
}

// shownDevices bounds the Devices page; a household has at most 1,000, and
// those nobody has assigned come first.
const shownDevices = 60

func (s *Server) showDevices(w http.ResponseWriter, r *http.Request, v *visitor) {
	p := s.page(r, v, "devices.title")
	p.notice = s.didNotice(p, r)
	devices := p.house.DevicesOf(0)
	people := byAge(p.house)
	for _, person := range people {
		devices = append(devices, p.house.DevicesOf(person.ID)...)
	}
	s.show(w, r, http.StatusOK, p.devicesPage(devices[:min(len(devices), shownDevices)], people, s.away))
}

// letAway has a device known wherever it is, or ends that.
func (s *Server) letAway(r *http.Request, _ *visitor) (done, error) {
	n, _ := strconv.ParseUint(r.PathValue("id"), 10, 32)
	id := household.DeviceID(n)
	return done{key: "saved"}, s.home.Change(func(h *household.Household) error {
		if h.Device(id) == nil {
			return &sentence{key: "device.gone"}
		}
		if r.PostFormValue("off") != "" {
			return h.EndAway(id)
		}
		_, err := h.LetAway(id)
		return err
	})
}

// saveDevice renames a device, gives it to somebody, and says whether it keeps its
// connection.
func (s *Server) saveDevice(r *http.Request, v *visitor) (done, error) {
	d, err := s.assign(r, v)
	if err != nil {
		return d, err
	}
	n, _ := strconv.ParseUint(r.PathValue("id"), 10, 32)
	return done{key: "saved"}, s.home.Change(func(h *household.Household) error {
		if d := h.Device(household.DeviceID(n)); d != nil {
			if name := household.CleanName(r.PostFormValue("name")); name != "" {
				d.Name = name
			}
			d.Keeps = r.PostFormValue("keeps") == "yes"
		}
		return nil
	})
}

// hint is what a phone is told, and where.
type hint struct{ words, what string }

func (p *page) hints(way Way) (all []hint) {
	if way.TLS != "" {
		all = append(all, hint{p.T("away.android"), way.TLS})
	}
	if way.HTTPS != "" {
		all = append(all, hint{p.T("away.https"), way.HTTPS})
	}
	return all
}

// awayVerb is what the button of a device's away form does.
func (p *page) awayVerb(d household.Device) string {
	if d.Away == "" {
		return p.T("away.on")
	}
	return p.T("away.off")
}
