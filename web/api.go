package web

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/treehouse-dns/treehouse/filter"
	"github.com/treehouse-dns/treehouse/household"
)

// openAPI describes everything below /api/v1; the tests hold every request and
// response against it.
//
//go:embed openapi.json
var openAPI []byte

// apiRoutes are the calls of openapi.json, each with the scope it takes.
func (s *Server) apiRoutes(m *http.ServeMux) {
	m.HandleFunc("GET /api/v1/openapi.json", func(w http.ResponseWriter, r *http.Request) {
		s.send(w, r, http.StatusOK, "application/json", openAPI)
	})
	m.HandleFunc("GET /api/v1/people", s.api(ScopeRead, s.apiPeople))
	m.HandleFunc("GET /api/v1/people/{id}", s.api(ScopeRead, s.apiPerson))
	m.HandleFunc("PUT /api/v1/people/{id}/pause", s.api(ScopePause, s.apiPause))
	m.HandleFunc("DELETE /api/v1/people/{id}/pause", s.api(ScopePause, s.apiResume))
	m.HandleFunc("POST /api/v1/people/{id}/more-time", s.api(ScopePause, s.apiMore))
	m.HandleFunc("GET /api/v1/requests", s.api(ScopeRead, s.apiRequests))
	m.HandleFunc("POST /api/v1/requests/{id}/answer", s.api(ScopeAdmin, s.apiAnswer))
	m.HandleFunc("GET /api/v1/devices", s.api(ScopeRead, s.apiDevices))
	m.HandleFunc("PATCH /api/v1/devices/{id}", s.api(ScopeAdmin, s.apiDevice))
	m.HandleFunc("GET /api/v1/devices/{id}/log", s.api(ScopeAdmin, s.apiLog))
	m.HandleFunc("PUT /api/v1/devices/{id}/log", s.api(ScopeAdmin, s.apiBeginLog))
	m.HandleFunc("DELETE /api/v1/devices/{id}/log", s.api(ScopeAdmin, s.apiEndLog))
	m.HandleFunc("GET /api/v1/explain", s.api(ScopeRead, s.apiExplain))
	m.HandleFunc("GET /api/v1/events", func(w http.ResponseWriter, r *http.Request) {
		if p := s.authorise(r, ScopeRead); p != nil {
			s.problem(w, r, p)
			return
		}
		s.serveLive(w, r)
	})
	m.HandleFunc("/api/", func(w http.ResponseWriter, r *http.Request) {
		s.problem(w, r, &problem{Status: http.StatusNotFound, Detail: "There is no such call; /api/v1/openapi.json lists them all."})
	})
}

// problem is an error as RFC 9457 has it.
type problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
}

func (p *problem) Error() string { return p.Detail }

func (s *Server) problem(w http.ResponseWriter, r *http.Request, err error) {
	var p *problem
	if !errors.As(err, &p) {
		p = &problem{Status: http.StatusUnprocessableEntity, Detail: err.Error()} // household's sentences
	}
	p.Title = http.StatusText(p.Status)
	if p.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	body, err := json.Marshal(p)
	if err != nil {
		panic(err) // two strings and a number
	}
	s.send(w, r, p.Status, "application/problem+json", body)
}

// api serves one call to a token of the scope. It takes no cookie, so no other
// site's page can make a browser call it.
func (s *Server) api(scope Scope, call func(r *http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := error(nil)
		if p := s.authorise(r, scope); p != nil {
			err = p
		}
		var answer any
		if err == nil {
			answer, err = call(r)
		}
		if err != nil {
			s.problem(w, r, err)
			return
		}
		body, err := json.Marshal(answer)
		if err != nil {
			s.log.Error("an answer could not be written", "path", r.URL.Path, "error", err)
			s.problem(w, r, &problem{Status: http.StatusInternalServerError, Detail: "The answer could not be written."})
			return
		}
		s.send(w, r, http.StatusOK, "application/json", body)
	}
}

// authorise finds the token of a request and what it may do.
func (s *Server) authorise(r *http.Request, want Scope) *problem {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	scope, found := s.accounts.tokenScope(token)
	switch {
	case !ok || !found:
		return &problem{Status: http.StatusUnauthorized, Detail: "Send a token as Authorization: Bearer; a parent makes one in Settings."}
	case !scope.includes(want):
		return &problem{Status: http.StatusForbidden, Detail: fmt.Sprintf("This token is for %q and this call needs %q.", scope, want)}
	}
	return nil
}

// read reads a small JSON body and refuses fields it does not know.
func read(r *http.Request, into any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return &problem{Status: http.StatusBadRequest, Detail: "The body is not what this call takes: " + err.Error()}
	}
	return nil
}

// apiPersonView is a person as the API shows them.
type apiPersonView struct {
	ID      filter.PolicyID  `json:"id"`
	Name    string           `json:"name"`
	Band    household.BandID `json:"band"`
	State   state            `json:"state"`
	Until   time.Time        `json:"until,omitzero"`
	Changes *apiChange       `json:"next,omitempty"`
}

// apiChange is what changes next for a person.
type apiChange struct {
	What  string    `json:"what"`
	Group string    `json:"group,omitempty"`
	At    time.Time `json:"at"`
}

func (s *Server) apiView(h *household.Household, p household.Person) apiPersonView {
	o := look(s.policy(h, p.ID), s.now().In(h.Zone()))
	v := apiPersonView{ID: p.ID, Name: p.Name, Band: p.Band, State: o.state, Until: o.until}
	if o.next != "" {
		v.Changes = &apiChange{o.next, o.group, o.at}
	}
	return v
}

func (s *Server) apiPeople(*http.Request) (any, error) {
	h := s.home.Household()
	people := make([]apiPersonView, 0, len(h.People))
	for _, p := range h.People {
		people = append(people, s.apiView(h, p))
	}
	return map[string]any{"people": people}, nil
}

func (s *Server) apiPerson(r *http.Request) (any, error) {
	h := s.home.Household()
	p := h.Person(personOf(r))
	if p == nil {
		return nil, &problem{Status: http.StatusNotFound, Detail: "There is nobody with this number; GET /api/v1/people lists everyone."}
	}
	return s.apiView(h, *p), nil
}

// changed alters the person of the address and shows them as they are then.
func (s *Server) changed(r *http.Request, change func(h *household.Household, id filter.PolicyID) error) (any, error) {
	if _, err := s.apiPerson(r); err != nil {
		return nil, err
	}
	if err := s.home.Change(func(h *household.Household) error { return change(h, personOf(r)) }); err != nil {
		return nil, err
	}
	return s.apiPerson(r)
}

func (s *Server) apiPause(r *http.Request) (any, error) {
	var body struct {
		Until time.Time `json:"until"`
	}
	if r.ContentLength != 0 {
		if err := read(r, &body); err != nil {
			return nil, err
		}
	}
	now := s.now()
	return s.changed(r, func(h *household.Household, id filter.PolicyID) error { return h.Pause(id, now, body.Until) })
}

func (s *Server) apiResume(r *http.Request) (any, error) {
	return s.changed(r, func(h *household.Household, id filter.PolicyID) error { return h.Resume(id) })
}

func (s *Server) apiMore(r *http.Request) (any, error) {
	var body struct {
		Minutes int `json:"minutes"`
	}
	if err := read(r, &body); err != nil {
		return nil, err
	}
	now := s.now()
	return s.changed(r, func(h *household.Household, id filter.PolicyID) error {
		of := lengthens(look(policyOf(h, id), now.In(h.Zone())))
		_, err := h.MoreTime(id, of, time.Duration(body.Minutes)*time.Minute, now, "")
		return err
	})
}

// apiRequestView is a child's request as the API shows it.
type apiRequestView struct {
	ID      household.RequestID `json:"id"`
	Person  filter.PolicyID     `json:"person"`
	Site    string              `json:"site,omitempty"`
	Of      string              `json:"of,omitempty"`
	Minutes int                 `json:"minutes,omitempty"`
	Words   string              `json:"words,omitempty"`
	Asked   time.Time           `json:"asked"`
	Open    bool                `json:"open"`
	Allowed bool                `json:"allowed"`
}

func (s *Server) apiRequests(*http.Request) (any, error) {
	all := []apiRequestView{}
	for _, q := range s.home.Household().Requests {
		all = append(all, apiRequestView{q.ID, q.Person, q.Site, q.Of, q.Length, q.Words, q.Asked, q.Open(), q.Answer.Allow})
	}
	return map[string]any{"requests": all}, nil
}

func (s *Server) apiAnswer(r *http.Request) (any, error) {
	var body struct {
		Allow bool      `json:"allow"`
		Until time.Time `json:"until"`
		Words string    `json:"words"`
	}
	if err := read(r, &body); err != nil {
		return nil, err
	}
	n, _ := strconv.ParseUint(r.PathValue("id"), 10, 32)
	now := s.now()
	err := s.home.Change(func(h *household.Household) error {
		return h.AnswerRequest(household.RequestID(n), body.Allow, now, body.Until, body.Words)
	})
	if err != nil {
		return nil, err
	}
	return s.apiRequests(r)
}

// apiDeviceView is a device as the API shows it.
type apiDeviceView struct {
	ID     household.DeviceID `json:"id"`
	Name   string             `json:"name"`
	Person filter.PolicyID    `json:"person"`
	Keeps  bool               `json:"keeps"`
}

func (s *Server) apiDevices(*http.Request) (any, error) {
	all := []apiDeviceView{}
	for _, d := range s.home.Household().Devices {
		all = append(all, apiDeviceView{d.ID, d.Name, d.Person, d.Keeps})
	}
	return map[string]any{"devices": all}, nil
}

func (s *Server) apiDevice(r *http.Request) (any, error) {
	var body struct {
		Name   *string          `json:"name"`
		Person *filter.PolicyID `json:"person"`
		Keeps  *bool            `json:"keeps"`
	}
	if err := read(r, &body); err != nil {
		return nil, err
	}
	n, _ := strconv.ParseUint(r.PathValue("id"), 10, 32)
	var view apiDeviceView
	err := s.home.Change(func(h *household.Household) error {
		d := h.Device(household.DeviceID(n))
		if d == nil {
			return &problem{Status: http.StatusNotFound, Detail: "There is no device with this number; GET /api/v1/devices lists them."}
		}
		if body.Person != nil {
			if *body.Person != 0 && h.Person(*body.Person) == nil {
				return &problem{Status: http.StatusUnprocessableEntity, Detail: "There is nobody with this number; GET /api/v1/people lists everyone."}
			}
			if err := h.Assign(d.ID, *body.Person); err != nil {
				return err
			}
		}
		if body.Name != nil {
			if d.Name = household.CleanName(*body.Name); d.Name == "" {
				return &problem{Status: http.StatusUnprocessableEntity, Detail: "A device needs a name."}
			}
		}
		if body.Keeps != nil {
			d.Keeps = *body.Keeps
		}
		view = apiDeviceView{d.ID, d.Name, d.Person, d.Keeps}
		return nil
	})
	return view, err
}

func (s *Server) apiExplain(r *http.Request) (any, error) {
	q := r.URL.Query()
	site, err := household.Site(q.Get("name"))
	if err != nil {
		return nil, err
	}
	name, err := filter.ParseName(site)
	if err != nil {
		return nil, err
	}
	h := s.home.Household()
	id, _ := parseID(q.Get("person"))
	if id != 0 && h.Person(filter.PolicyID(id)) == nil {
		return nil, &problem{Status: http.StatusUnprocessableEntity, Detail: "There is nobody with this number; GET /api/v1/people lists everyone."}
	}
	at := s.now().In(h.Zone())
	if when := q.Get("at"); when != "" {
		if at, err = time.Parse(time.RFC3339, when); err != nil {
			return nil, &problem{Status: http.StatusUnprocessableEntity, Detail: "at is a time as in 2026-12-24T21:30:00+01:00."}
		}
	}
	v, topic := s.home.Decide(filter.PolicyID(id), name, at.In(h.Zone()))
	answer := map[string]any{"name": site, "person": id, "blocked": v.Action == filter.Block, "rule": v.Rule.String()}
	if v.HasTopic && v.Rule != filter.RuleSealed {
		answer["topic"] = topic.ID
	}
	if !v.Until.IsZero() {
		answer["until"] = v.Until
	}
	return answer, nil
}

// includes tells whether a token of scope s may do what w asks.
func (s Scope) includes(w Scope) bool {
	order := []Scope{ScopeRead, ScopePause, ScopeAdmin}
	return slices.Contains(order, w) && slices.Index(order, s) >= slices.Index(order, w)
}
