package web

import (
	"fmt"
	"sort"

	"github.com/treehouse-dns/treehouse/filter"
	"github.com/treehouse-dns/treehouse/household"
)

// weekView is what a parent may see of this week: for a child counts by kind,
// for a teenager one number.
type weekView struct {
	rows  []weekRow
	total uint64
}

type weekRow struct {
	title string
	count uint64
	width uint64 // of the bar, 1 to barWidth
}

// barWidth is the longest bar, in the chart's own units.
const barWidth = 100

// shownKinds fit on a small screen; the smallest are left out of the chart and
// not of the total.
const shownKinds = 8

// week is a person's, or nil where nothing may be seen or nothing is counted.
func (s *Server) week(p *page, person household.Person, sees household.Sees) *weekView {
	counter, ok := s.home.(Counter)
	if !ok || sees == household.SeesNothing {
		return nil
	}
	weeks, err := counter.Weeks(person.ID)
	if err != nil {
		s.log.Error("the counts could not be read", "error", err)
		return nil
	}
	v := &weekView{}
	year, number := p.now.ISOWeek()
	for _, w := range weeks {
		if w.Week != fmt.Sprintf("%04d-W%02d", year, number) {
			continue
		}
		v.total = w.Blocked
		if sees != household.SeesWeekly {
			continue
		}
		titles := map[string]uint64{}
		for _, t := range s.home.Topics() {
			n := w.Topics[t.ID]
			if n == 0 {
				continue
			}
			title := p.subject(t.ID)
			if t.Kind == filter.KindService {
				title = p.Group(t.Group) // a service is nearly a site
			}
			titles[title] += n
		}
		for title, n := range titles {
			v.rows = append(v.rows, weekRow{title: title, count: n})
		}
	}
	sort.Slice(v.rows, func(i, j int) bool {
		a, b := v.rows[i], v.rows[j]
		return a.count > b.count || a.count == b.count && a.title < b.title
	})
	v.rows = v.rows[:min(len(v.rows), shownKinds)]
	for i := range v.rows {
		v.rows[i].width = max(1, v.rows[i].count*barWidth/v.rows[0].count)
	}
	return v
}

// proposal is what a birthday suggests for a person, in words for the reader;
// empty where there is nothing to suggest.
func (p *page) proposal(key string, person household.Person) (text string, band household.BandID) {
	to, ok := p.house.Proposal(person.ID, p.now)
	if !ok {
		return "", ""
	}
	return p.T(key, "name", person.Name, "band", p.Band(to.ID)), to.ID
}
