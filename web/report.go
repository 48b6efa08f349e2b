package web

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/treehouse-dns/treehouse/blocklists"
	"github.com/treehouse-dns/treehouse/filter"
	"github.com/treehouse-dns/treehouse/household"
)

// reportView is a report that a parent may send.
type reportView struct {
	household.Report
	letters []letterView
	text    string // of the letters, the same for all but the list's name
}

// letterView is a report to one list.
type letterView struct {
	list string // its name
	url  string // with the letter filled in; empty: nobody is known to write to
}

// report keeps a report about a site. The lists it is about are looked up
// again: what a form says may be old.
func (s *Server) report(r *http.Request, _ *visitor) (done, error) {
	site, err := household.Site(r.PostFormValue("site"))
	name, err2 := filter.ParseName(site)
	if err != nil || err2 != nil {
		return done{}, &sentence{key: "ask.nosite"}
	}
	now, h := s.now(), s.home.Household()
	person, _ := parseID(r.PostFormValue("person"))
	v, topic := s.home.Decide(filter.PolicyID(person), name, now.In(h.Zone()))
	if v.Rule == filter.RuleSealed {
		return done{}, &sentence{key: "why.sealed.complain"} // nobody may ask who lists it
	}
	one := household.Report{Site: site, Missed: v.Action != filter.Block, Lists: []string{""}}
	if librarian, ok := s.home.(Librarian); ok {
		if one.Missed {
			one.Lists = one.Lists[:0]
			for list := range librarian.Keepers() {
				one.Lists = append(one.Lists, list)
			}
		} else if v.HasTopic {
			one.Topic, one.Lists = topic.ID, librarian.Listed(name, topic.ID)
		}
		slices.Sort(one.Lists) // the catalogue first
	}
	return done{key: "reported", to: "/requests"}, s.home.Change(func(h *household.Household) error {
		_, err := h.Report(one, now)
		return err
	})
}

// forgetReport takes a report away: sent, or not worth it.
func (s *Server) forgetReport(r *http.Request, _ *visitor) (done, error) {
	id, _ := strconv.ParseUint(r.PathValue("id"), 10, 32)
	return done{key: "saved", to: "/requests"}, s.home.Change(func(h *household.Household) error { h.ForgetReport(household.ReportID(id)); return nil })
}

// looked says that the family read from a backup is all right.
func (s *Server) looked(*http.Request, *visitor) (done, error) {
	keeper, ok := s.home.(Keeper)
	if !ok {
		return done{key: "saved"}, nil
	}
	return done{key: "saved"}, keeper.Looked()
}

// reports are the letters to be sent, the latest first.
func (s *Server) reports(p *page) []reportView {
	keepers := map[string]string{"": blocklists.CatalogueKeeper}
	if librarian, ok := s.home.(Librarian); ok && len(p.house.Reports) > 0 {
		keepers = librarian.Keepers()
	}
	var all []reportView
	for _, one := range p.house.Reports {
		v := reportView{Report: one}
		for _, list := range one.Lists {
			to, known := keepers[list]
			if !known {
				continue // a list that is gone
			}
			name := list
			if name == "" {
				name = "Treehouse"
			}
			letter := blocklists.Letter{List: name, Site: one.Site, Topic: one.Topic, Missed: one.Missed}
			v.letters, v.text = append(v.letters, letterView{name, letter.URL(to)}), letter.Text()
		}
		all = append(all, v)
	}
	slices.Reverse(all)
	return all
}

// said is what a report says, in one sentence.
func (p *page) said(r household.Report) string {
	if r.Missed {
		return p.T("report.ismissed", "site", r.Site)
	}
	return p.T("report.iswrong", "site", r.Site)
}

// plainName is a name as people write it, without the final dot.
func plainName(n filter.Name) string { return strings.TrimSuffix(n.String(), ".") }
