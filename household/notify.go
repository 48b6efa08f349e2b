package household

import (
	"fmt"
	"time"
)

// Tell is how much of a child's request may leave the home, so that a parent
// who is elsewhere knows of it.
type Tell string

// How much may leave the home.
const (
	TellNothing Tell = ""     // requests wait on the pages
	TellWho     Tell = "who"  // "Ana asks for something."
	TellWhat    Tell = "what" // "Ana asks for puzzles.example."
)

// tellWithin is how long ago a request may have been made to be told of: what
// comes back with a backup is no news.
const tellWithin = time.Hour

// Notice is that a child asks, with no more in it than the family chose to let
// out: no device, no time, none of the child's own words.
type Notice struct {
	Request RequestID
	Who     string
	What    string // a site, or "30 minutes"; empty unless the family chose TellWhat
}

// String is the notice as an English sentence.
func (n Notice) String() string {
	if n.What == "" {
		return n.Who + " asks for something."
	}
	return n.Who + " asks for " + n.What + "."
}

// Notifier carries notices to parents. Notify returns at once: it is called
// while a change is being made, by one goroutine at a time.
type Notifier interface {
	Notify(Notice)
}

// SetTell chooses how much of a request leaves the home.
func (h *Household) SetTell(tell Tell) error {
	switch tell {
	case TellNothing, TellWho, TellWhat:
		h.Settings.Tell = tell
		return nil
	}
	return fmt.Errorf("%q does not say what to tell; it is who, what, or nothing, which is written as an empty word", tell)
}

// notice is what may be told of a request; ok is false where nothing may.
func (h *Household) notice(r Request) (n Notice, ok bool) {
	p := h.Person(r.Person)
	if p == nil || h.Settings.Tell != TellWho && h.Settings.Tell != TellWhat {
		return n, false
	}
	n = Notice{Request: r.ID, Who: p.Name}
	if h.Settings.Tell == TellWhat {
		if n.What = r.Site; n.What == "" {
			n.What = fmt.Sprintf("%d minutes", r.Length)
		}
	}
	return n, true
}

// announce tells of the requests that are new since before. One that is asked
// again is told of once.
func (f *Family) announce(before, now *Household) {
	if f.opt.Notifier == nil || before == nil {
		return
	}
	for _, r := range now.Requests {
		if r.ID <= before.Settings.LastAsked || !r.Open() || f.opt.Now().Sub(r.Asked) > tellWithin {
			continue
		}
		if n, ok := now.notice(r); ok {
			f.opt.Notifier.Notify(n)
		}
	}
}
