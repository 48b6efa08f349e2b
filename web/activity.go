package web

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

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

// weekTotal is one column: how often something was closed in the week that
// began on a Monday, by the height of its bar.
type weekTotal struct {
	monday time.Time
	count  uint64
	height int // 0 to barHeight
}

// The chart's own units: a column's place and bar, and the room above and below
// for figures.
const (
	columnWidth = 60
	barHeight   = 80
	chartTop    = 24
)

func (t weekTotal) top() int { return chartTop + barHeight - t.height }

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
	rows   []weekRow
	total  uint64 // of this week
	totals [shownWeeks]weekTotal
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
	most := uint64(1)
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
			t.count, most = w.Blocked, max(most, w.Blocked)
			if i == 0 {
				v.total = w.Blocked
				if sees == household.SeesWeekly {
					v.rows = s.kinds(p, w.Counts)
				}
			}
		}
	}
	for i := range v.totals {
		v.totals[i].height = int(v.totals[i].count * barHeight / most)
	}
	return v
}

// kinds are the counts of a week by kind, the most first.
func (s *Server) kinds(p *page, counts household.Counts) (rows []weekRow) {
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
	for title, n := range titles {
		rows = append(rows, weekRow{title: title, count: n})
	}
	slices.SortFunc(rows, func(a, b weekRow) int {
		return cmp.Or(cmp.Compare(b.count, a.count), cmp.Compare(a.title, b.title))
	})
	rows = rows[:min(len(rows), shownKinds)]
	for i := range rows {
		rows[i].width = max(1, rows[i].count*barWidth/rows[0].count)
	}
	return rows
}

// shortDate is a day in figures, as the language writes it.
func (p *page) shortDate(t time.Time) string {
	return p.T("date.short", "day", t.Day(), "month", int(t.Month()))
}

// column is where a column of the chart begins: time runs the way the language
// is read.
func (p *page) column(i int) int {
	if p.RTL {
		i = shownWeeks - 1 - i
	}
	return i * columnWidth
}
