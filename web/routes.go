package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/treehouse-dns/treehouse/filter"
	"github.com/treehouse-dns/treehouse/household"
)

// routes is every page and every action. An action is always a POST; pages are
// GET and change nothing.
func (s *Server) routes() http.Handler {
	m := http.NewServeMux()
	m.Handle("GET /a/", s.assets)
	m.HandleFunc("GET /live", s.serveLive)
	m.HandleFunc("GET /favicon.ico", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, s.assets.icon, http.StatusMovedPermanently)
	})

	// For everyone.
	m.HandleFunc("GET /me", s.open(s.myInternet))
	m.HandleFunc("POST /me/ask", s.act(s.ask))
	m.HandleFunc("POST /me/ticket", s.act(s.redeem))
	m.HandleFunc("GET /check", s.open(s.check))
	m.HandleFunc("GET /help", s.open(s.help))
	m.HandleFunc("POST /language", s.act(s.setLanguage))
	m.HandleFunc("/", s.open(func(w http.ResponseWriter, r *http.Request, v *visitor) {
		p := s.page(r, v, "missing.title")
		s.show(w, r, http.StatusNotFound, p.plain("missing.text", "/", "missing.back"))
	}))
	if !parentsPages {
		m.Handle("GET /{$}", http.RedirectHandler("/me", http.StatusSeeOther))
		return m
	}
	m.HandleFunc("GET /learn", s.open(s.learn))
	m.HandleFunc("GET /around/device", s.open(s.testDevice))
	m.HandleFunc("GET /around/far", s.open(s.testFar))
	m.HandleFunc("GET /login", s.open(s.login))
	m.HandleFunc("POST /login", s.act(s.signIn))
	m.HandleFunc("POST /logout", s.act(s.signOut))
	m.HandleFunc("GET /setup", s.open(s.setup))
	m.HandleFunc("POST /setup", s.act(s.claim))

	// For parents.
	m.HandleFunc("GET /{$}", s.family)
	m.HandleFunc("POST /pause", s.parents(s.pauseEveryone))
	m.HandleFunc("POST /resume", s.parents(s.resumeEveryone))
	m.HandleFunc("POST /clock", s.loosens(s.confirmClock))
	m.HandleFunc("POST /people/{id}/pause", s.parents(s.pause))
	m.HandleFunc("POST /people/{id}/resume", s.parents(s.resume))
	m.HandleFunc("POST /people/{id}/more", s.parents(s.more))
	m.HandleFunc("POST /people/{id}/less", s.parents(s.less))
	m.HandleFunc("POST /requests/{id}", s.parents(s.answer))
	m.HandleFunc("POST /devices/{id}/assign", s.parents(s.assign))
	m.HandleFunc("POST /devices/{id}/merge", s.parents(s.merge))
	m.HandleFunc("POST /devices/{id}/save", s.loosens(s.saveDevice))
	m.HandleFunc("POST /devices/{id}/away", s.loosens(s.letAway))
	m.HandleFunc("GET /people/{id}", s.seen(s.showPerson))
	m.HandleFunc("POST /people/{id}/switch", s.loosens(s.setSwitch))
	m.HandleFunc("POST /people/{id}/night", s.loosens(s.setNight))
	m.HandleFunc("POST /people/{id}/name", s.loosens(s.setName))
	m.HandleFunc("POST /people/{id}/band", s.loosens(s.setBand))
	m.HandleFunc("POST /people/{id}/notyet", s.parents(s.notYet))
	m.HandleFunc("POST /people/{id}/remove", s.loosens(s.removePerson))
	m.HandleFunc("GET /requests", s.seen(s.showRequests))
	m.HandleFunc("GET /devices", s.seen(s.showDevices))
	m.HandleFunc("GET /around", s.seen(s.around))
	m.HandleFunc("GET /activity", s.seen(s.showActivity))
	m.HandleFunc("POST /activity", s.parents(s.setCounting))
	m.HandleFunc("GET /devices/{id}/log", s.seen(s.showLog))
	m.HandleFunc("POST /devices/{id}/log", s.loosens(s.beginLog))
	m.HandleFunc("POST /devices/{id}/unlog", s.parents(s.endLog))
	m.HandleFunc("POST /reports", s.parents(s.report))
	m.HandleFunc("POST /reports/{id}", s.parents(s.forgetReport))
	m.HandleFunc("POST /settings/looked", s.parents(s.looked))
	m.HandleFunc("GET /settings", s.seen(s.showSettings))
	m.HandleFunc("POST /settings/session", s.signed(s.endSession))
	m.HandleFunc("POST /settings/passphrase", s.signed(s.changePassphrase))
	m.HandleFunc("POST /settings/account", s.loosens(s.addAccount))
	m.HandleFunc("POST /settings/forget", s.loosens(s.forgetAccount))
	m.HandleFunc("POST /settings/default", s.loosens(s.setDefault))
	m.HandleFunc("POST /setup/child", s.parents(s.setupChild))
	m.HandleFunc("POST /setup/done", s.parents(s.setupDone))

	m.HandleFunc("POST /settings/token", s.proven(s.signed(s.addToken)))
	m.HandleFunc("POST /settings/untoken", s.signed(s.forgetToken))
	s.passkeyRoutes(m)
	s.apiRoutes(m)
	return m
}

type handler func(w http.ResponseWriter, r *http.Request, v *visitor)

// open serves a page to everyone.
func (s *Server) open(h handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { h(w, r, s.visitor(r)) }
}

// act serves an action to everyone whose form is ours.
func (s *Server) act(h handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v := s.visitor(r)
		if !s.isOwnForm(r, v) {
			p := s.page(r, v, "stale.title")
			s.show(w, r, http.StatusForbidden, p.plain("stale.text", "/", "stale.back"))
			return
		}
		h(w, r, v)
	}
}

// seen serves a page to those who sign in; others are sent to do so.
func (s *Server) seen(h handler) http.HandlerFunc {
	return s.open(func(w http.ResponseWriter, r *http.Request, v *visitor) {
		if !v.signedIn() {
			s.toLogin(w, r)
			return
		}
		h(w, r, v)
	})
}

// signed serves an action about the sign-in itself, which every role has.
func (s *Server) signed(h handler) http.HandlerFunc {
	return s.act(func(w http.ResponseWriter, r *http.Request, v *visitor) {
		if !v.signedIn() {
			s.toLogin(w, r)
			return
		}
		h(w, r, v)
	})
}

func (s *Server) toLogin(w http.ResponseWriter, r *http.Request) {
	to := "/login"
	if !s.accounts.claimed() {
		to = "/setup"
	} else if r.URL.Path != "/" && r.Method == http.MethodGet {
		to += "?to=" + url.QueryEscape(r.URL.Path)
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// parents serves an action to those who may change something.
func (s *Server) parents(h func(r *http.Request, v *visitor) (done, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v := s.visitor(r)
		switch {
		case !v.signedIn():
			s.toLogin(w, r)
			return
		case !s.isOwnForm(r, v):
			p := s.page(r, v, "stale.title")
			s.show(w, r, http.StatusForbidden, p.plain("stale.text", "/", "stale.back"))
			return
		case !v.may(RoleSecond):
			p := s.page(r, v, "viewer.title")
			s.show(w, r, http.StatusForbidden, p.plain("viewer.text", "/", "missing.back"))
			return
		}
		d, err := h(r, v)
		if err != nil {
			var known *sentence
			if !errors.As(err, &known) {
				s.log.Error("a change was not made", "path", r.URL.Path, "error", err)
			}
			p := s.page(r, v, "failed.title")
			s.show(w, r, http.StatusConflict, p.failed(p.because(err), localPath(r.PostFormValue("_back"))))
			return
		}
		http.Redirect(w, r, d.back(r), http.StatusSeeOther)
	}
}

// sentence is an error with words of its own in every language.
type sentence struct {
	key   string
	pairs []any
}

func (e *sentence) Error() string { return e.key }

// because is an error in the reader's words, as far as there are any.
func (p *page) because(err error) string {
	var known *sentence
	if errors.As(err, &known) {
		return p.T(known.key, known.pairs...)
	}
	return p.T("failed.text")
}

// done is what an action did, for the page that comes next to say so. It goes
// there in the address, as a key and an ID, so that it works without a session;
// somebody who makes such an address up only fools themselves.
type done struct {
	key string
	id  uint32
	to  string // where to go instead of back
}

// back is the address of the page an action was started from, with what it did.
func (d done) back(r *http.Request) string {
	to := d.to
	if to == "" {
		to = localPath(r.PostFormValue("_back"))
	}
	if d.key == "" {
		return to
	}
	join := "?"
	if strings.Contains(to, "?") {
		join = "&"
	}
	return to + join + "did=" + d.key + "." + strconv.FormatUint(uint64(d.id), 10)
}

// localPath keeps a redirect on our own pages: a path, never "//elsewhere".
func localPath(to string) string {
	u, err := url.Parse(to)
	if err != nil || u.Scheme != "" || u.Host != "" || !strings.HasPrefix(u.Path, "/") || strings.HasPrefix(u.Path, "//") || strings.ContainsAny(to, "\\\r\n") {
		return "/"
	}
	return u.Path
}

// didNotice turns ?did= into words.
func (s *Server) didNotice(p *page, r *http.Request) *notice {
	key, rest, ok := strings.Cut(r.URL.Query().Get("did"), ".")
	if !ok || !p.Has("did."+key) {
		return nil
	}
	id, err := strconv.ParseUint(rest, 10, 32)
	if err != nil {
		return nil
	}
	n := &notice{}
	name := ""
	if person := p.house.Person(filter.PolicyID(id)); person != nil {
		name = person.Name
	}
	switch key {
	case "paused":
		n.undo = fmt.Sprintf("/people/%d/resume", id)
	case "more":
		n.undo = fmt.Sprintf("/people/%d/less", id)
	case "everyone":
		n.undo = "/resume"
	case "resumed", "all", "allowed", "notnow", "assigned", "asked", "ticket", "less", "saved", "logging", "unlogged", "reported":
	default:
		name = ""
	}
	if name == "" && strings.Contains(p.T("did."+key), "{name}") {
		return nil
	}
	n.text = p.T("did."+key, "name", name)
	return n
}

// personOf is the person an action's address names.
func personOf(r *http.Request) filter.PolicyID {
	id, _ := strconv.ParseUint(r.PathValue("id"), 10, 16)
	return filter.PolicyID(id)
}

// minutes reads a length from a form.
func minutes(r *http.Request, field string) time.Duration {
	n, _ := strconv.ParseUint(r.PostFormValue(field), 10, 16)
	return time.Duration(n) * time.Minute
}

func (s *Server) pause(r *http.Request, _ *visitor) (done, error) {
	id, now := personOf(r), s.now()
	var until time.Time
	if d := minutes(r, "minutes"); d > 0 {
		until = now.Add(d)
	}
	return done{key: "paused", id: uint32(id)}, s.home.Change(func(h *household.Household) error { return h.Pause(id, now, until) })
}

func (s *Server) resume(r *http.Request, _ *visitor) (done, error) {
	id := personOf(r)
	return done{key: "resumed", id: uint32(id)}, s.home.Change(func(h *household.Household) error { return h.Resume(id) })
}

func (s *Server) pauseEveryone(*http.Request, *visitor) (done, error) {
	now := s.now()
	return done{key: "everyone"}, s.home.Change(func(h *household.Household) error { return h.PauseEveryone(now, time.Time{}) })
}

func (s *Server) resumeEveryone(*http.Request, *visitor) (done, error) {
	return done{key: "all"}, s.home.Change(func(h *household.Household) error { h.ResumeEveryone(); return nil })
}

// more gives more time. It is of everything that has hours, so that one word
// means one thing; a request may be about a single group.
func (s *Server) more(r *http.Request, _ *visitor) (done, error) {
	id, now, length := personOf(r), s.now(), minutes(r, "minutes")
	return done{key: "more", id: uint32(id)}, s.home.Change(func(h *household.Household) error {
		o := look(policyOf(h, id), now.In(h.Zone()))
		of := household.ExceptNight
		if o.next == "closes" || o.next == "opens" {
			of = household.GroupPrefix + o.group
		}
		_, err := h.MoreTime(id, of, length, now, "")
		return err
	})
}

// less takes the last more time back.
func (s *Server) less(r *http.Request, _ *visitor) (done, error) {
	id := personOf(r)
	return done{key: "less", id: uint32(id)}, s.home.Change(func(h *household.Household) error {
		if p := h.Person(id); p != nil && len(p.Exceptions) > 0 {
			p.Exceptions = p.Exceptions[:len(p.Exceptions)-1]
		}
		return nil
	})
}

// policyOf compiles the rules of one person of a household that is being changed.
func policyOf(h *household.Household, id filter.PolicyID) filter.Policy {
	for _, p := range h.Policies() {
		if p.ID == id {
			return p
		}
	}
	return filter.Policy{}
}

// answerToday is how long "just today" lasts at most: until midnight.
func (s *Server) answer(r *http.Request, _ *visitor) (done, error) {
	n, _ := strconv.ParseUint(r.PathValue("id"), 10, 32)
	id, now := household.RequestID(n), s.now()
	said := r.PostFormValue("answer")
	var who filter.PolicyID
	err := s.home.Change(func(h *household.Household) error {
		q := h.Request(id)
		if q == nil || !q.Open() {
			return &sentence{key: "request.gone"}
		}
		who = q.Person
		var until time.Time
		if said == "today" {
			y, m, d := now.In(h.Zone()).Date()
			until = time.Date(y, m, d+1, 0, 0, 0, 0, h.Zone())
		}
		return h.AnswerRequest(id, said != "no", now, until, r.PostFormValue("words"))
	})
	d := done{key: "allowed", id: uint32(who)}
	if said == "no" {
		d.key = "notnow"
	}
	return d, err
}

func (s *Server) assign(r *http.Request, _ *visitor) (done, error) {
	n, _ := strconv.ParseUint(r.PathValue("id"), 10, 32)
	p, err := strconv.ParseUint(r.PostFormValue("person"), 10, 16)
	if err != nil {
		return done{}, &sentence{key: "device.gone"}
	}
	person := filter.PolicyID(p)
	return done{key: "assigned", id: uint32(person)}, s.home.Change(func(h *household.Household) error {
		d := h.Device(household.DeviceID(n))
		if d == nil || person != 0 && h.Person(person) == nil {
			return &sentence{key: "device.gone"}
		}
		if d.Person != 0 && !strings.HasSuffix(r.URL.Path, "/save") {
			return &sentence{key: "device.taken"} // the one tap is for new devices
		}
		return h.Assign(d.ID, person)
	})
}

// merge says that a new device is one that is known, under another address.
func (s *Server) merge(r *http.Request, _ *visitor) (done, error) {
	n, _ := strconv.ParseUint(r.PathValue("id"), 10, 32)
	into, _ := strconv.ParseUint(r.PostFormValue("into"), 10, 32)
	return done{key: "saved"}, s.home.Change(func(h *household.Household) error {
		if d := h.Device(household.DeviceID(n)); d == nil || d.Person != 0 || h.Device(household.DeviceID(into)) == nil {
			return &sentence{key: "device.gone"}
		}
		return h.Merge(household.DeviceID(into), household.DeviceID(n))
	})
}

func (s *Server) setLanguage(w http.ResponseWriter, r *http.Request, _ *visitor) {
	if i := s.dictionary.index(r.PostFormValue("language")); i >= 0 {
		s.setCookie(w, r, languageCookie, s.dictionary.tongues[i].Tag, 400*24*time.Hour)
	}
	http.Redirect(w, r, localPath(r.PostFormValue("_back")), http.StatusSeeOther)
}
