package web

import "net/http"

// learnView is the lesson of one age band.
type learnView struct{ id, title string }

// learn shows a child the lesson of their age, and everyone else all of them.
func (s *Server) learn(w http.ResponseWriter, r *http.Request, v *visitor) {
	p := s.page(r, v, "learn.title")
	var ages []learnView
	person := p.house.Person(v.person)
	for _, b := range p.house.Bands().Bands {
		if !b.Child() || !v.signedIn() && person != nil && isChild(p.house, *person) && person.Band != b.ID {
			continue
		}
		ages = append(ages, learnView{string(b.ID), p.Band(b.ID)})
	}
	s.show(w, r, http.StatusOK, p.learnPage(ages))
}
