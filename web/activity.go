package web

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/treehouse-dns/treehouse/filter"
	"github.com/treehouse-dns/treehouse/household"
)

// activityView is the page Activity: each child with what may be seen.
type activityView struct {
	children []countedView
	anyOn    bool
}

// countedView is one child there.
type countedView struct {
	person household.Person
	may    household.Sees // what the band lets a parent see
	on     bool           // counting is
	week   *weekView      // nil: it could not be read
}

// shownWeeks are the columns of the chart, this week the last.
const shownWeeks = 5

// weekTotal is one column of it: how often something was closed in the week that
// began on a Monday.
type weekTotal struct {
	monday time.Time
	count  uint64
}

// The chart's own units: a column's place and its bar, and the room above and
// below for figures.
const (
	columnWidth = 60
	barInset    = 10
	barHeight   = 80
	chartTop    = 24
	chartBottom = 28
)

// columns draws the weeks. Time runs the way the language is read.
func (p *page) columns(weeks [shownWeeks]weekTotal) templ.Component {
	most := uint64(1)
	for _, t := range weeks {
		most = max(most, t.count)
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="weeks" viewBox="0 0 %d %d" aria-hidden="true">`, shownWeeks*columnWidth, chartTop+barHeight+chartBottom)
	for i, t := range weeks {
		if p.RTL {
			i = shownWeeks - 1 - i
		}
		left, height := i*columnWidth, int(t.count*barHeight/most)
		top := chartTop + barHeight - height
		fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%d" height="%d" rx="4"/><text x="%d" y="%d">%d</text><text x="%[5]d" y="%[8]d">%s</text>`,
			left+barInset, top, columnWidth-2*barInset, height, left+columnWidth/2, top-6, t.count, chartTop+barHeight+chartBottom-8, templ.EscapeString(p.shortDate(t.monday)))
	}
	b.WriteString("</svg>")
	return templ.Raw(b.String())
}

// twin is the columns as rows.
func (p *page) twin(weeks [shownWeeks]weekTotal) []row {
	rows := make([]row, len(weeks))
	for i, t := range weeks {
		rows[i] = row{p.shortDate(t.monday), strconv.FormatUint(t.count, 10)}
	}
	return rows
}

// table says what is in a table: keys of words, and whether the second cell is
// a number and the third the width of a bar, or both are text.
type table struct {
	class, caption string // caption may be empty
	head           [3]string
	numbers        bool
}

// row is its cells.
type row [3]string

// showActivity is the page of counts. It names kinds and weeks, no sites.
func (s *Server) showActivity(w http.ResponseWriter, r *http.Request, v *visitor) {
	p := s.page(r, v, "activity.title")
	p.notice = s.didNotice(p, r)
	view := &activityView{}
	for _, person := range byAge(p.house) {
		if !isChild(p.house, person) {
			continue
		}
		band, _ := p.house.Bands().Band(person.Band)
		c := countedView{person: person, may: band.Sees, on: p.house.Counted(person) != household.SeesNothing}
		if c.on {
			c.week = s.week(p, person)
			view.anyOn = true
		}
		view.children = append(view.children, c)
	}
	s.show(w, r, http.StatusOK, p.activityPage(view))
}

// setCounting turns counting on or off, for one person or for all.
func (s *Server) setCounting(r *http.Request, _ *visitor) (done, error) {
	on := r.PostFormValue("to") == "on"
	id, err := strconv.ParseUint(r.PostFormValue("person"), 10, 16)
	return done{key: "saved", to: "/activity"}, s.home.Change(func(h *household.Household) error {
		if err != nil {
			h.SetCountingForAll(on)
			return nil
		}
		return h.SetCounting(filter.PolicyID(id), on)
	})
}

// weekView is what a parent may see of the last weeks: for a child counts by
// kind, for a teenager one number.
type weekView struct {
	rows   []row
	total  uint64 // of this week
	totals [shownWeeks]weekTotal
}

// barWidth is the longest bar, in the chart's own units.
const barWidth = 100

// shownKinds fit on a small screen; the smallest are left out of the chart and
// not of the total.
const shownKinds = 8

// week is a person's, or nil where nothing may be seen, nothing is counted, or
// the counts cannot be read.
func (s *Server) week(p *page, person household.Person) *weekView {
	counter, ok := s.home.(Counter)
	sees := p.house.Counted(person)
	if !ok || sees == household.SeesNothing {
		return nil
	}
	weeks, err := counter.Weeks(person.ID)
	if err != nil {
		s.log.Error("the counts could not be read", "error", err)
		return nil
	}
	v := &weekView{}
	monday := p.now.AddDate(0, 0, -(int(p.now.Weekday())+6)%7)
	for i := range v.totals {
		t := &v.totals[shownWeeks-1-i]
		t.monday = monday.AddDate(0, 0, -7*i)
		year, number := t.monday.ISOWeek()
		name := fmt.Sprintf("%04d-W%02d", year, number)
		for _, w := range weeks {
			if w.Week != name {
				continue
			}
			t.count = w.Blocked
			if i == 0 {
				v.total = w.Blocked
				if sees == household.SeesWeekly {
					v.rows = s.kinds(p, w.Counts)
				}
			}
		}
	}
	return v
}

// kinds are the counts of a week by kind, the most first, each with the width of
// its bar.
func (s *Server) kinds(p *page, counts household.Counts) (rows []row) {
	titles := map[string]uint64{}
	for _, t := range s.home.Topics() {
		n := counts.Topics[t.ID]
		if n == 0 {
			continue
		}
		title := p.subject(t.ID)
		if t.Kind == filter.KindService {
			title = p.Group(t.Group) // a service is nearly a site
		}
		titles[title] += n
	}
	order := slices.Collect(maps.Keys(titles))
	slices.SortFunc(order, func(a, b string) int {
		return cmp.Or(cmp.Compare(titles[b], titles[a]), cmp.Compare(a, b))
	})
	for _, title := range order[:min(len(order), shownKinds)] {
		n := titles[title]
		rows = append(rows, row{title, strconv.FormatUint(n, 10), strconv.FormatUint(max(1, n*barWidth/titles[order[0]]), 10)})
	}
	return rows
}

// shortDate is a day in figures, as the language writes it.
func (p *page) shortDate(t time.Time) string {
	return p.T("date.short", "day", t.Day(), "month", int(t.Month()))
}
