package household

import (
	"fmt"
	"time"

	"github.com/treehouse-dns/treehouse/filter"
)

// Proposal is what a birthday suggests for a person: the next band, looser than
// theirs. Nothing happens by itself; the family says yes or "not yet", and the
// child is told that it is being asked. ok is false where there is nothing to
// propose: the year of birth is unknown, the age fits the band or a stricter
// one, or the family has said "not yet" to this band.
func (h *Household) Proposal(id filter.PolicyID, now time.Time) (to Band, ok bool) {
	p := h.Person(id)
	if p == nil {
		return Band{}, false
	}
	age, known := p.Born.Age(now.In(h.zone))
	if !known {
		return Band{}, false
	}
	to = h.bands.ForAge(age)
	return to, h.bands.before(p.Band, to.ID) && p.Declined != to.ID
}

// SetBand puts a person into a band, by a parent's choice.
func (h *Household) SetBand(id filter.PolicyID, band BandID) error {
	p := h.Person(id)
	if p == nil {
		return noPerson(id)
	}
	if _, ok := h.bands.Band(band); !ok {
		return fmt.Errorf("there is no age band %q; it is one of %s", band, h.bands.names())
	}
	p.Band, p.Declined = band, ""
	return nil
}

// NotYet keeps a person in their band although a birthday proposed another, and
// does not ask about that one again. At 18 the law asks nobody: the band for
// adults is always proposed anew.
func (h *Household) NotYet(id filter.PolicyID, band BandID) error {
	p := h.Person(id)
	if p == nil {
		return noPerson(id)
	}
	if band == Adult {
		return fmt.Errorf("%s is of age: the rules are theirs to keep or to end", p.Name)
	}
	p.Declined = band
	return nil
}
