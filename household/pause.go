package household

import (
	"fmt"
	"time"

	"github.com/treehouse-dns/treehouse/filter"
)

// tidied is the pause as it holds at a moment: none once it is over, and never
// one that is still to begin. Its end stays: rather too long than not at all.
func (p Pause) tidied(now time.Time) Pause {
	switch {
	case !p.Until.IsZero() && !p.Until.After(now):
		return Pause{}
	case p.From.After(now):
		p.From = now
	}
	return p
}

// Pause stops everything but the lifeline for a person from now on: until a
// time, or until somebody resumes where until is zero. Pausing again replaces
// the pause, so it may be said twice.
func (h *Household) Pause(id filter.PolicyID, now, until time.Time) error {
	p := h.Person(id)
	if p == nil {
		return noPerson(id)
	}
	if !until.IsZero() && !until.After(now) {
		return fmt.Errorf("the pause would end at %s, which is over; give a later time", until.Format("15:04"))
	}
	p.Paused = Pause{From: now, Until: until}
	return nil
}

// Resume ends a person's pause, if there is one.
func (h *Household) Resume(id filter.PolicyID) error {
	p := h.Person(id)
	if p == nil {
		return noPerson(id)
	}
	p.Paused = Pause{}
	return nil
}

// PauseEveryone pauses all children and every device nobody has assigned.
// Adults go on: somebody has to be able to end it.
func (h *Household) PauseEveryone(now, until time.Time) error {
	if !until.IsZero() && !until.After(now) {
		return fmt.Errorf("the pause would end at %s, which is over; give a later time", until.Format("15:04"))
	}
	h.Settings.Paused = Pause{From: now, Until: until}
	return nil
}

// ResumeEveryone ends what PauseEveryone began. A pause of one person alone
// stays.
func (h *Household) ResumeEveryone() { h.Settings.Paused = Pause{} }

func noPerson(id filter.PolicyID) error {
	return fmt.Errorf("there is no person with the number %d; list them with treehouse people", id)
}
