package web

import "github.com/treehouse-dns/treehouse/household"

// proposal is what a birthday suggests for a person, in words for the reader;
// empty where there is nothing to suggest.
func (p *page) proposal(key string, person household.Person) (text string, band household.BandID) {
	to, ok := p.house.Proposal(person.ID, p.now)
	if !ok {
		return "", ""
	}
	return p.T(key, "name", person.Name, "band", p.Band(to.ID)), to.ID
}
