package household

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/treehouse-dns/treehouse/filter"
)

// TestWithoutClock: whatever a clock that is not set shows, nobody gets more than
// at their strictest hour.
func TestWithoutClock(t *testing.T) {
	h := New(DefaultBands(), time.UTC)
	for _, p := range []Person{{Name: "Ana", Band: "6-9"}, {Name: "Ben", Band: "13-15"}, {Name: "Kim", Band: "16-17"}} {
		_, err := h.AddPerson(p)
		must(t, err)
	}
	none := []Hours{}
	must(t, h.SetNights(2, none)) // Ben has no bedtime, so his games' hours show
	must(t, h.AwakeUntil(1, monday, monday.Add(24*time.Hour), ""))
	must(t, h.SetName(2, "granted.example", true, monday, monday.Add(time.Hour), ""))
	must(t, h.SetName(2, "blocked.example", false, monday, monday.Add(time.Hour), ""))
	_, err := h.MoreTime(2, "other-gaming", time.Hour, monday, "")
	must(t, err)
	must(t, h.Pause(3, monday, monday.Add(time.Hour)))
	snap := filter.NewSnapshot(compiled(t), nil, h.PoliciesWithoutClock())
	for _, at := range []time.Time{time.Unix(0, 0), monday, monday.AddDate(50, 0, 0)} {
		for _, c := range []struct {
			who  filter.PolicyID
			name string
			want filter.Rule
		}{
			{1, "wikipedia.org", filter.RuleBedtime}, {1, "pool.ntp.org", filter.RuleLifeline}, {2, "wikipedia.org", filter.RuleNone},
			{2, "games.example", filter.RuleService}, {2, "granted.example", filter.RuleNone}, {2, "blocked.example", filter.RuleBlock},
			{2, "tiktok.com", filter.RuleService}, {3, "wikipedia.org", filter.RulePaused},
		} {
			if v := snap.DecideAt(filter.Client{Policy: c.who}, filter.MustName(c.name), at); v.Rule != c.want {
				t.Errorf("%s for %d in %d: %s, want %s", c.name, c.who, at.Year(), v.Rule, c.want)
			}
		}
	}
}

// TestOpenAllDay: a group whose hours are all hours is open, with a clock and
// without one.
func TestOpenAllDay(t *testing.T) {
	bands := DefaultBands()
	for i := range bands.Bands {
		for n := range bands.Bands[i].Timed {
			bands.Bands[i].Timed[n].Open = []Hours{{AllDays, 0, endOfDay}}
		}
	}
	h := New(bands, time.UTC)
	_, err := h.AddPerson(Person{Name: "Ben", Band: "13-15"})
	must(t, err)
	must(t, h.SetNights(1, []Hours{}))
	for hour := range 24 {
		at := monday.Add(time.Duration(hour) * time.Hour)
		for _, policies := range [][]filter.Policy{h.Policies(), h.PoliciesWithoutClock()} {
			if v := filter.NewSnapshot(compiled(t), nil, policies).DecideAt(filter.Client{Policy: 1}, filter.MustName("games.example"), at); v.Action != filter.Pass {
				t.Errorf("at %s games are %s", at.Format("15:04"), v.Rule)
			}
		}
	}
}

// TestWithoutClockKept: a device that keeps its connection has the rules of its
// person without pauses and nights, while the clock is not known too.
func TestWithoutClockKept(t *testing.T) {
	h := New(DefaultBands(), time.UTC)
	must(t, twoPeople(h))
	for _, d := range h.Devices {
		must(t, h.KeepConnection(d.ID, true))
		must(t, h.SetName(d.Person, "granted.example", true, monday, monday.Add(time.Hour), ""))
		must(t, h.SetName(d.Person, "allowed.example", true, monday, time.Time{}, ""))
		_, err := h.MoreTime(d.Person, "other-gaming", time.Hour, monday, "")
		must(t, err)
	}
	policies := h.PoliciesWithoutClock()
	for _, p := range policies {
		at := slices.IndexFunc(policies, func(k filter.Policy) bool { return k.ID == p.ID|alwaysUp })
		if at < 0 || p.ID >= alwaysUp {
			continue
		}
		kept := policies[at]
		kept.ID, kept.Bedtime, kept.Paused = p.ID, p.Bedtime, p.Paused
		if !reflect.DeepEqual(kept, p) {
			t.Errorf("%s: the kept device has\n%+v\nnot\n%+v", p.Person, kept, p)
		}
	}
}
