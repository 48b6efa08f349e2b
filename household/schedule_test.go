package household

import (
	"testing"
	"time"

	"github.com/treehouse-dns/treehouse/filter"
)

// newYork has changes of the clock on 8 March 2026 (02:00 → 03:00) and on
// 1 November 2026 (02:00 → 01:00), made here so that no zone file is needed.
func berlin(t *testing.T) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip("this machine has no zone data: ", err)
	}
	return zone
}

// clock is a moment of 2026 in a zone.
func clock(zone *time.Location, month time.Month, day, hour, minute int) time.Time {
	return time.Date(2026, month, day, hour, minute, 0, 0, zone)
}

// one is a household of one person, compiled.
func one(t *testing.T, zone *time.Location, p Person, with func(*Household)) (*Household, filter.Policy) {
	t.Helper()
	h := New(DefaultBands(), zone)
	if _, err := h.AddPerson(p); err != nil {
		t.Fatal(err)
	}
	if with != nil {
		with(h)
	}
	return h, h.Policies()[1]
}

func hours(days DayKind, from, to string) Hours {
	f, err := ParseClock(from)
	if err != nil {
		panic(err)
	}
	u, err := ParseClock(to)
	if err != nil {
		panic(err)
	}
	return Hours{days, f, u}
}

// TestNightsWithTheClocks: a bedtime over midnight in the nights when the clocks
// change is as long as that night is, and ends when the clock on the wall says.
func TestNightsWithTheClocks(t *testing.T) {
	zone := berlin(t)
	_, p := one(t, zone, Person{Name: "Ana", Band: "6-9"}, nil) // 20:00–06:30
	for _, night := range []struct {
		month time.Month
		day   int
		long  time.Duration
	}{
		{time.March, 27, 10*time.Hour + 30*time.Minute},
		{time.March, 28, 9*time.Hour + 30*time.Minute},    // 02:00 → 03:00 on the 29th
		{time.October, 24, 11*time.Hour + 30*time.Minute}, // 03:00 → 02:00 on the 25th
	} {
		start := clock(zone, night.month, night.day, 20, 0)
		if on, until := p.Bedtime.At(start.Add(-time.Minute)); on || !until.Equal(start) {
			t.Errorf("%s: asleep %v until %s before bedtime", start, on, until)
		}
		if on, until := p.Bedtime.At(start); !on || until.Sub(start) != night.long || until.Format("15:04") != "06:30" {
			t.Errorf("%s: asleep %v for %s until %s, want %s", start, on, until.Sub(start), until.Format("15:04"), night.long)
		}
	}
}

// TestHolidays: the evening before a free day is a free evening, a free day has
// a free day's hours, and the last evening of the holidays is a school night.
func TestHolidays(t *testing.T) {
	zone := berlin(t)
	nights := []Hours{hours(SchoolDays, "20:00", "06:30"), hours(FreeDays, "22:00", "08:00")}
	_, p := one(t, zone, Person{Name: "Max", Band: "10-12", Nights: &nights}, func(h *Household) {
		// Wednesday to the Tuesday after, given in two overlapping pieces.
		h.Settings.Holidays = []Holiday{
			{"second", Date{2026, 10, 9}, Date{2026, 10, 13}},
			{"first", Date{2026, 10, 7}, Date{2026, 10, 10}},
		}
	})
	gaming := ruleFor(t, p, "gaming")
	for _, c := range []struct {
		day, hour, minute int
		asleep, closed    bool
	}{
		{5, 20, 30, true, true},    // Monday
		{6, 20, 30, false, true},   // Tuesday, no school tomorrow; games have a school day's hours still
		{6, 22, 0, true, true},     //
		{7, 7, 30, true, true},     // Wednesday, the first free day: long in bed
		{7, 8, 0, false, true},     //
		{7, 10, 0, false, false},   // games open at 9 as on a Saturday
		{9, 21, 0, false, true},    // Friday
		{13, 10, 0, false, false},  // Tuesday, the last free day
		{13, 20, 0, true, true},    // and a school night
		{14, 7, 0, false, true},    // Wednesday
		{14, 10, 0, false, true},   //
		{16, 21, 59, false, true},  // an ordinary Friday
		{16, 22, 0, true, true},    //
		{17, 10, 0, false, false},  // and Saturday
		{18, 19, 59, false, false}, // Sunday
		{18, 20, 0, true, true},    //
	} {
		at := clock(zone, time.October, c.day, c.hour, c.minute)
		if asleep, _ := p.Bedtime.At(at); asleep != c.asleep {
			t.Errorf("%s: asleep %v", at.Format("Mon 2 15:04"), asleep)
		}
		if closed, _ := gaming.At(at); closed != c.closed {
			t.Errorf("%s: games closed %v", at.Format("Mon 2 15:04"), closed)
		}
	}
}

// ruleFor is when the first blocking rule about a group applies.
func ruleFor(t *testing.T, p filter.Policy, group string) filter.Schedule {
	t.Helper()
	for _, r := range p.Topics {
		if r.Group == group && !r.Allow {
			return *r.When
		}
	}
	t.Fatalf("%s has no rule about %s", p.Person, group)
	return filter.Schedule{}
}

// TestEdgesAreEdges: until never comes late. From every quarter of an hour of
// two weeks with holidays, exceptions and a change of clocks, nothing changes
// before the time that At gives.
func TestEdgesAreEdges(t *testing.T) {
	zone := berlin(t)
	nights := []Hours{hours(SchoolDays, "20:00", "06:30"), hours(FreeDays, "22:00", "08:00")}
	start := clock(zone, time.October, 19, 0, 0)
	_, p := one(t, zone, Person{Name: "Max", Band: "13-15", Nights: &nights}, func(h *Household) {
		h.Settings.Holidays = []Holiday{{"autumn", Date{2026, 10, 22}, Date{2026, 10, 26}}}
		must(t, h.AwakeUntil(1, start.Add(44*time.Hour), start.Add(46*time.Hour), ""))
	})
	schedules := []filter.Schedule{p.Bedtime, ruleFor(t, p, "gaming"), ruleFor(t, p, "social")}
	for n, s := range schedules {
		var on bool
		var until time.Time
		for at := start; at.Before(start.Add(14 * 24 * time.Hour)); at = at.Add(15 * time.Minute) {
			now, edge := s.At(at)
			if !until.IsZero() && at.Before(until) && now != on {
				t.Fatalf("schedule %d: %v at %s although it was to stay %v until %s", n, now, at, on, until)
			}
			on, until = now, edge
		}
	}
}

func TestHomework(t *testing.T) {
	work := Homework{Days: SchoolDays}
	work.From, work.To = hours(AllDays, "15:00", "16:30").From, hours(AllDays, "15:00", "16:30").To
	h, _ := one(t, time.UTC, Person{Name: "Ben", Band: "13-15", Homework: []Homework{work}, Switch: map[string]bool{"minecraft": true}}, nil)
	trie := compiled(t)
	rule := func(name string, at time.Time) filter.Rule {
		return filter.NewSnapshot(trie, nil, h.Policies()).Decide(filter.Client{Policy: 1}, filter.MustName(name), at).Rule
	}
	wednesday := time.Date(2026, 11, 25, 15, 30, 0, 0, time.UTC)
	for name, want := range map[string]filter.Rule{
		"tiktok.com": filter.RuleService, "minecraft.net": filter.RuleService, "netflix.com": filter.RuleService, // also what a parent switched on
		"wikipedia.org": filter.RuleNone, "chatgpt.com": filter.RuleNone, "whatsapp.com": filter.RuleNone,
	} {
		if got := rule(name, wednesday); got != want {
			t.Errorf("%s in homework time: %s, want %s", name, got, want)
		}
	}
	if got := rule("tiktok.com", wednesday.Add(time.Hour)); got != filter.RuleNone {
		t.Errorf("tiktok.com at 16:30: %s", got)
	}
	if got := rule("tiktok.com", wednesday.AddDate(0, 0, 3)); got != filter.RuleNone {
		t.Errorf("tiktok.com on Saturday: %s", got)
	}
	// A parent's ten minutes of one service count in homework time too.
	_, err := h.MoreTime(1, "tiktok", 10*time.Minute, wednesday, "")
	must(t, err)
	if got := rule("tiktok.com", wednesday); got != filter.RuleAllow {
		t.Errorf("tiktok.com with ten minutes: %s", got)
	}
	if got := rule("tiktok.com", wednesday.Add(10*time.Minute)); got != filter.RuleService {
		t.Errorf("tiktok.com after ten minutes: %s", got)
	}
}

func TestMoreTime(t *testing.T) {
	evening := time.Date(2026, 11, 25, 19, 30, 0, 0, time.UTC) // a Wednesday; bedtime at 20:00
	h, _ := one(t, time.UTC, Person{Name: "Ana", Band: "6-9"}, nil)
	asleep := func(at time.Time) bool { on, _ := h.Policies()[1].Bedtime.At(at); return on }
	until, err := h.MoreTime(1, ExceptNight, 30*time.Minute, evening, "")
	must(t, err)
	if until.Format("15:04") != "20:30" || asleep(evening.Add(59*time.Minute)) || !asleep(until) {
		t.Errorf("30 minutes more end at %s", until)
	}
	until, err = h.MoreTime(1, ExceptNight, 15*time.Minute, evening, "") // twice adds up
	must(t, err)
	if until.Format("15:04") != "20:45" || !asleep(until) {
		t.Errorf("15 minutes on top end at %s", until)
	}
	late := evening.Add(3 * time.Hour) // in bed already: from now on
	until, err = h.MoreTime(1, ExceptNight, 15*time.Minute, late, "")
	must(t, err)
	if !until.Equal(late.Add(15*time.Minute)) || asleep(late) || !asleep(until) {
		t.Errorf("15 minutes at night end at %s", until)
	}
	if _, err := h.MoreTime(1, "group:kids-games", time.Hour, evening, ""); err == nil {
		t.Error("more of what is open all day")
	}
	if _, err := h.MoreTime(1, "group:gaming", 5*time.Hour, evening, ""); err == nil {
		t.Error("five hours at once")
	}
	until, err = h.MoreTime(1, "group:gaming", time.Hour, evening, "")
	must(t, err)
	if closed, _ := ruleFor(t, h.Policies()[1], "gaming").At(evening); closed || !until.Equal(evening.Add(time.Hour)) {
		t.Errorf("games are closed %v, an hour ends at %s", closed, until)
	}
}

func TestTickets(t *testing.T) {
	h, _ := one(t, time.UTC, Person{Name: "Ana", Band: "6-9"}, nil)
	evening := time.Date(2026, 11, 25, 20, 30, 0, 0, time.UTC)
	must(t, h.GiveTicket(1, Ticket{Minutes: 30}, evening))
	must(t, h.GiveTicket(1, Ticket{Minutes: 15, Expires: evening.Add(-time.Minute)}, evening.Add(-time.Hour)))
	if _, err := h.Redeem(1, 1, evening); err == nil {
		t.Error("an expired ticket was good")
	}
	until, err := h.Redeem(1, 0, evening)
	must(t, err)
	if !until.Equal(evening.Add(30 * time.Minute)) {
		t.Errorf("the ticket lasts until %s", until)
	}
	if _, err := h.Redeem(1, 0, evening); err == nil {
		t.Error("a ticket was good twice")
	}
}

// TestPause: one person, everyone, with and without an end.
func TestPause(t *testing.T) {
	h := Sample(monday, DefaultBands(), time.UTC)
	trie := compiled(t)
	rules := func(at time.Time) (rules [4]filter.Rule) {
		snap := filter.NewSnapshot(trie, nil, h.Policies())
		for id := range rules {
			rules[id] = snap.Decide(filter.Client{Policy: filter.PolicyID(id)}, filter.MustName("wikipedia.org"), at).Rule
		}
		return rules
	}
	const none, paused = filter.RuleNone, filter.RulePaused
	must(t, h.Pause(1, monday, monday.Add(time.Hour)))
	if got := rules(monday); got != [4]filter.Rule{none, paused, none, none} {
		t.Errorf("Ana paused: %v", got)
	}
	must(t, h.PauseEveryone(monday, time.Time{}))
	if got := rules(monday.Add(2 * time.Hour)); got != [4]filter.Rule{paused, paused, paused, none} {
		t.Errorf("everyone paused: %v", got)
	}
	h.ResumeEveryone()
	if got := rules(monday); got != [4]filter.Rule{none, paused, none, none} {
		t.Errorf("everyone resumed: %v", got)
	}
	if got := rules(monday.Add(time.Hour)); got != [4]filter.Rule{none, none, none, none} {
		t.Errorf("an hour later: %v", got)
	}
	if h.Pause(1, monday, monday) == nil || h.Pause(9, monday, time.Time{}) == nil || h.Resume(9) == nil {
		t.Error("a pause that is over, or nobody's, is no error")
	}
}

// TestUnknownAsks: the family's choice for a small child.
func TestUnknownAsks(t *testing.T) {
	h, _ := one(t, time.UTC, Person{Name: "Ana", Band: "6-9", Unknown: UnknownAsk}, nil)
	snap := filter.NewSnapshot(compiled(t), nil, h.Policies())
	for name, want := range map[string]filter.Rule{
		"some.example": filter.RuleAllowList, "pbskids.org": filter.RuleAllow, "klexikon.zum.de": filter.RuleNone,
		"classroom.google.com": filter.RuleAllow, "tiktok.com": filter.RuleService, "adult.example": filter.RuleCategory,
		"www.youtube.com": filter.RuleSafeSearch, "childline.org.uk": filter.RuleLifeline,
	} {
		if got := snap.Decide(filter.Client{Policy: 1}, filter.MustName(name), monday).Rule; got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}
