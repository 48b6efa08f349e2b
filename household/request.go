package household

import (
	"fmt"
	"slices"
	"time"

	"github.com/treehouse-dns/treehouse/filter"
)

// RequestID names a request for good.
type RequestID uint32

const (
	// askedPerHour is how many things a child may ask for in an hour. More is
	// a child pressing a button, and a parent would turn the page off.
	askedPerHour = 5
	// openRequests of one person may wait at once.
	openRequests = 20
	// maxRequests of one person are kept, those that were answered among them.
	maxRequests = 200
	// requestLife is how long a request waits for an answer, and an answer is
	// shown to the child.
	requestLife = 7 * 24 * time.Hour
)

// Request is a child asking for a site or for time.
type Request struct {
	ID     RequestID       `json:"id"`
	Person filter.PolicyID `json:"person"`
	Site   string          `json:"site,omitempty"` // what it is about; empty: time
	// Service is the service that the site belongs to, where that is why it is
	// blocked. The answer is then about the whole service: one of its names
	// alone would rarely work.
	Service string      `json:"service,omitempty"`
	Of      string      `json:"of,omitempty"`      // for time: of what, as Exception.Of
	Length  int         `json:"minutes,omitempty"` // for time
	Words   string      `json:"words,omitempty"`   // the child's, cleaned
	Asked   time.Time   `json:"asked"`             // the first time
	Again   []time.Time `json:"again,omitempty"`   // asked the same again, within the last hour
	Answer  Answer      `json:"answer,omitzero"`
}

// Answer is a parent's. The zero Answer is none yet.
type Answer struct {
	At    time.Time `json:"at,omitzero"`
	Allow bool      `json:"allow,omitempty"`
	Until time.Time `json:"until,omitzero"` // zero with Allow: always
	Words string    `json:"words,omitempty"`
}

// Open tells whether the request still waits for an answer.
func (r Request) Open() bool { return r.Answer.At.IsZero() }

// Ask puts a child's request before the parents. One about the same thing that
// still waits is joined, not doubled.
func (h *Household) Ask(r Request, now time.Time) (*Request, error) {
	p := h.Person(r.Person)
	if p == nil {
		return nil, noPerson(r.Person)
	}
	var err error
	if r.Site != "" {
		if r.Site, err = Site(r.Site); err != nil {
			return nil, err
		}
		r.Of, r.Length = "", 0
		if len(r.Service) > maxSubject {
			r.Service = ""
		}
	} else if r.Service = ""; r.Of == "" || len(r.Of) > maxSubject || r.Length <= 0 || time.Duration(r.Length)*time.Minute > maxMoreTime {
		return nil, fmt.Errorf("a request is about a site, or about 1 to %d minutes of something", int(maxMoreTime.Minutes()))
	}
	if h.askedWithin(r.Person, now.Add(-time.Hour), now) >= askedPerHour {
		return nil, fmt.Errorf("you have asked %d times within an hour; try again a little later", askedPerHour)
	}
	waiting, kept := 0, 0
	for i := range h.Requests {
		o := &h.Requests[i]
		if o.Person == r.Person {
			kept++
		}
		if o.Person != r.Person || !o.Open() {
			continue
		}
		if o.Of == r.Of && o.Service == r.Service && (o.Site == r.Site || r.Service != "") {
			o.Again = append(slices.DeleteFunc(o.Again, func(t time.Time) bool { return t.Before(now.Add(-time.Hour)) }), now)
			o.Length = max(o.Length, r.Length)
			return o, nil
		}
		waiting++
	}
	if waiting >= openRequests || kept >= maxRequests {
		return nil, fmt.Errorf("%d of your requests are waiting; ask your parents to answer some first", waiting)
	}
	h.Settings.LastAsked++
	r.ID, r.Asked, r.Again, r.Answer, r.Words = h.Settings.LastAsked, now, nil, Answer{}, CleanWords(r.Words)
	h.Requests = append(h.Requests, r)
	return &h.Requests[len(h.Requests)-1], nil
}

// askedWithin counts how often a person has asked since a time. What was asked
// later than now was asked by a clock that was wrong.
func (h *Household) askedWithin(id filter.PolicyID, since, now time.Time) int {
	n := 0
	for _, r := range h.Requests {
		if r.Person != id {
			continue
		}
		for _, t := range append(r.Again[:len(r.Again):len(r.Again)], r.Asked) {
			if t.After(since) && !t.After(now) {
				n++
			}
		}
	}
	return n
}

// Request finds a request by ID, or nil.
func (h *Household) Request(id RequestID) *Request {
	for i := range h.Requests {
		if h.Requests[i].ID == id {
			return &h.Requests[i]
		}
	}
	return nil
}

// AnswerRequest answers a request and does what the answer says: a grant until a
// time, a rule for good, more time; or, where allow is false, nothing but a few
// words.
func (h *Household) AnswerRequest(id RequestID, allow bool, now, until time.Time, words string) error {
	r := h.Request(id)
	if r == nil {
		return fmt.Errorf("request %d is gone: it was withdrawn or a week has passed", id)
	}
	if !r.Open() {
		return fmt.Errorf("request %d was answered at %s", id, r.Answer.At.In(h.zone).Format("15:04"))
	}
	answer := Answer{At: now, Allow: allow, Words: CleanWords(words)}
	var err error
	switch {
	case !allow:
	case r.Service != "" && until.IsZero():
		err = h.SetSwitch(r.Person, r.Service, true)
	case r.Service != "":
		answer.Until = until
		err = h.Grant(r.Person, r.Service, now, until, words)
	case r.Site != "":
		answer.Until = until
		err = h.SetName(r.Person, r.Site, true, now, until, words)
	default:
		answer.Until, err = h.MoreTime(r.Person, r.Of, time.Duration(r.Length)*time.Minute, now, "asked for")
	}
	if err == nil {
		r.Answer = answer
	}
	return err
}

// Tidy drops what has ended: exceptions, grants and pauses that are over,
// requests that waited a week, answers shown for a week. Every change tidies,
// so the file does not grow with time. A pause that has not begun was said while
// the clock was ahead; it holds from now on.
func (h *Household) Tidy(now time.Time) {
	over := func(until time.Time) bool { return !until.IsZero() && !until.After(now) }
	for i := range h.People {
		p := &h.People[i]
		p.Exceptions = slices.DeleteFunc(p.Exceptions, func(e Exception) bool { return over(e.Until) })
		p.Names = slices.DeleteFunc(p.Names, func(r NameRule) bool { return over(r.Until) })
		p.dropTickets(now)
		p.Paused = p.Paused.tidied(now)
	}
	for i := range h.Devices {
		if d := &h.Devices[i]; over(d.Logged) || !d.Logged.IsZero() && (h.MayLog(*d) != nil || d.Logged.Sub(now) > MaxLogging) {
			d.Logged, d.LoggedBy = time.Time{}, ""
		}
	}
	h.Reports = slices.DeleteFunc(h.Reports, func(r Report) bool { return now.Sub(r.At) > reportLife })
	h.Settings.Paused = h.Settings.Paused.tidied(now)
	h.Settings.Holidays = slices.DeleteFunc(h.Settings.Holidays, func(d Holiday) bool {
		return d.Last.AddDays(2).At(0, 0, h.zone).Before(now)
	})
	h.Requests = slices.DeleteFunc(h.Requests, func(r Request) bool {
		since := r.Answer.At
		if r.Open() {
			since = r.Asked
		}
		return now.Sub(since) > requestLife
	})
}
