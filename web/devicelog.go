package web

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/treehouse-dns/treehouse/filter"
	"github.com/treehouse-dns/treehouse/household"
)

// shownEntries of a device's log fit on a page, the latest first.
const shownEntries = 120

// logLengths are how long a log may be asked for, in minutes.
var logLengths = [...]int{15, 60, int(household.MaxLogging / time.Minute)}

// logView is the page of one device's log.
type logView struct {
	device  household.Device
	owner   household.Person
	refused string // why it may not be noted, in words; empty: it may
	on      bool
	entries []row
}

// deviceOf is the device an action's address names.
func deviceOf(r *http.Request) household.DeviceID {
	id, _ := strconv.ParseUint(r.PathValue("id"), 10, 32)
	return household.DeviceID(id)
}

// showLog is the log of a device for who may change something: whoever may only
// look does not look over a child's shoulder.
func (s *Server) showLog(w http.ResponseWriter, r *http.Request, v *visitor) {
	d := s.home.Household().Device(deviceOf(r))
	switch {
	case !v.may(RoleSecond):
		p := s.page(r, v, "viewer.title")
		s.show(w, r, http.StatusForbidden, p.plain("viewer.text", "/", "missing.back"))
		return
	case d == nil:
		p := s.page(r, v, "missing.title")
		s.show(w, r, http.StatusNotFound, p.plain("device.gone", "/devices", "missing.back"))
		return
	}
	p := s.page(r, v, "log.title")
	p.notice = s.didNotice(p, r)
	view := &logView{device: *d, on: d.Logged.After(p.now)}
	if owner := p.house.Person(d.Person); owner != nil {
		view.owner = *owner
	}
	if why := logRefused(p.house, *d); why != nil {
		view.refused = p.because(why)
	}
	if noter, ok := s.home.(Noter); ok && view.on {
		all := noter.Log(d.ID)
		for i := len(all) - 1; i >= max(0, len(all)-shownEntries); i-- {
			e := all[i]
			view.entries = append(view.entries, row{p.Clock(e.At.In(p.now.Location())), plainName(e.Name), p.outcome(e.Verdict)})
		}
	}
	s.show(w, r, http.StatusOK, p.logPage(view))
}

// logRefused says in words why a device may not be noted.
func logRefused(h *household.Household, d household.Device) error {
	return inWords(h.MayLog(d), h, d)
}

// inWords gives the errors of household.LogDevice their words.
func inWords(err error, h *household.Household, d household.Device) error {
	switch {
	case errors.Is(err, household.ErrLogNobodys):
		return &sentence{key: "log.nobody"}
	case errors.Is(err, household.ErrLogFull):
		return &sentence{key: "log.full"}
	case errors.Is(err, household.ErrLogGrown):
		return &sentence{key: "log.grown", pairs: []any{"name", h.Person(d.Person).Name}}
	}
	return err
}

// beginLog notes a device's names until a time, and its owner is told.
func (s *Server) beginLog(r *http.Request, v *visitor) (done, error) {
	id, now := deviceOf(r), s.now()
	var owner filter.PolicyID
	err := s.home.Change(func(h *household.Household) error {
		d := h.Device(id)
		if d == nil {
			return &sentence{key: "device.gone"}
		}
		owner = d.Person
		return inWords(h.LogDevice(id, now, now.Add(minutes(r, "minutes")), v.account.Name), h, *d)
	})
	return done{key: "logging", id: uint32(owner)}, err
}

// endLog stops it, and what was noted is gone.
func (s *Server) endLog(r *http.Request, _ *visitor) (done, error) {
	id, now := deviceOf(r), s.now()
	return done{key: "unlogged"}, s.home.Change(func(h *household.Household) error {
		if h.Device(id) == nil {
			return &sentence{key: "device.gone"}
		}
		return h.LogDevice(id, now, time.Time{}, "")
	})
}

// loggedBy is who turned a device's log on.
func (p *page) loggedBy(d household.Device) string {
	if d.LoggedBy == "" {
		return p.T("account.parent")
	}
	return d.LoggedBy
}

// outcome is what became of a name, in one word.
func (p *page) outcome(v filter.Verdict) string {
	switch v.Action {
	case filter.Block:
		return p.T("person.isclosed")
	case filter.Rewrite:
		return p.T("rule.search")
	}
	return p.T("person.isopen")
}

// apiEntry is one name of a log as the API shows it.
type apiEntry struct {
	At      time.Time `json:"at"`
	Name    string    `json:"name"`
	Blocked bool      `json:"blocked"`
	Rule    string    `json:"rule"`
}

// apiLogView is a device's log as the API shows it.
type apiLogView struct {
	Device  household.DeviceID `json:"device"`
	Until   time.Time          `json:"until,omitzero"` // absent: it is off
	By      string             `json:"by,omitempty"`
	Entries []apiEntry         `json:"entries"`
}

func (s *Server) apiLog(r *http.Request) (any, error) {
	d := s.home.Household().Device(deviceOf(r))
	if d == nil {
		return nil, &problem{Status: http.StatusNotFound, Detail: "There is no device with this number; GET /api/v1/devices lists them."}
	}
	view := apiLogView{Device: d.ID, Entries: []apiEntry{}}
	if d.Logged.After(s.now()) {
		view.Until, view.By = d.Logged, d.LoggedBy
		if noter, ok := s.home.(Noter); ok {
			for _, e := range noter.Log(d.ID) {
				view.Entries = append(view.Entries, apiEntry{e.At, plainName(e.Name), e.Verdict.Action == filter.Block, e.Verdict.Rule.String()})
			}
		}
	}
	return view, nil
}

// apiBeginLog notes a device's names until a time of at most a day away.
func (s *Server) apiBeginLog(r *http.Request) (any, error) {
	var body struct {
		Until time.Time `json:"until"`
	}
	if err := read(r, &body); err != nil {
		return nil, err
	}
	if body.Until.IsZero() {
		return nil, &problem{Status: http.StatusUnprocessableEntity, Detail: "until is a time of at most 24 hours from now."}
	}
	return s.logged(r, body.Until)
}

func (s *Server) apiEndLog(r *http.Request) (any, error) { return s.logged(r, time.Time{}) }

// logged sets until when a device is noted, for the program that asks.
func (s *Server) logged(r *http.Request, until time.Time) (any, error) {
	if _, err := s.apiLog(r); err != nil {
		return nil, err
	}
	now, by := s.now(), s.accounts.tokenName(r)
	if err := s.home.Change(func(h *household.Household) error { return h.LogDevice(deviceOf(r), now, until, by) }); err != nil {
		return nil, err
	}
	return s.apiLog(r)
}
