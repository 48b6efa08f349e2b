package household

import (
	"slices"
	"testing"
	"time"

	"github.com/treehouse-dns/treehouse/filter"
)

func TestState(t *testing.T) {
	h, _ := one(t, time.UTC, Person{Name: "Ana", Band: "6-9"}, nil) // 20:00–06:30
	state := func(at time.Time) State { return h.State(1, at) }
	bedtime, morning := monday.Add(8*time.Hour), monday.Add(18*time.Hour+30*time.Minute)
	if s := state(monday); s != (State{IsOpen, bedtime, IsAsleep}) {
		t.Errorf("at noon: %+v", s)
	}
	if s := state(bedtime); s != (State{IsAsleep, morning, IsOpen}) {
		t.Errorf("at bedtime: %+v", s)
	}
	must(t, h.Pause(1, monday, monday.Add(time.Hour)))
	if s := state(monday); s != (State{IsPaused, monday.Add(time.Hour), IsOpen}) {
		t.Errorf("paused for an hour: %+v", s)
	}
	must(t, h.Pause(1, monday, bedtime.Add(time.Hour))) // it ends while she sleeps
	if s := state(monday); s != (State{IsPaused, bedtime.Add(time.Hour), IsAsleep}) {
		t.Errorf("paused into the night: %+v", s)
	}
	must(t, h.Pause(1, monday, time.Time{}))
	if s := state(monday); s != (State{Is: IsPaused}) {
		t.Errorf("paused without an end: %+v", s)
	}
	must(t, h.Resume(1))
	must(t, h.AwakeUntil(1, monday, monday.Add(10*time.Hour), "cinema"))
	if s := state(monday); s != (State{IsOpen, monday.Add(10 * time.Hour), IsAsleep}) {
		t.Errorf("awake until 22:00: %+v", s)
	}
	must(t, h.SetNights(1, []Hours{}))
	if s := state(monday.AddDate(0, 0, 1)); s != (State{Is: IsOpen}) {
		t.Errorf("without a bedtime: %+v", s)
	}
}

func TestLines(t *testing.T) {
	h, _ := one(t, time.UTC, Person{Name: "Ben", Band: "10-12", Switch: map[string]bool{"whatsapp": true, "group:social": true}}, nil)
	lines := h.Lines(1)
	find := func(subject string) Line {
		i := slices.IndexFunc(lines, func(l Line) bool { return l.Subject == subject })
		if i < 0 {
			t.Fatalf("no line about %s", subject)
		}
		return lines[i]
	}
	if l := find("whatsapp"); !l.On || !l.Parent {
		t.Errorf("%+v", l)
	}
	if l := find("group:social"); !l.On || !l.Parent {
		t.Errorf("%+v", l)
	}
	if l := find("group:gaming"); l.On || !l.Timed || l.Parent || l.Why == "" {
		t.Errorf("%+v", l)
	}
	if l := find("adult"); l.On || l.Timed || l.Why == "" {
		t.Errorf("%+v", l)
	}
	for _, l := range lines {
		if l.Why == "" {
			t.Errorf("%s has no reason", l.Subject)
		}
	}
}

// TestSafeModesAreSwitchedLikeEverything: off is off, whatever it does to a name.
func TestSafeModesAreSwitchedLikeEverything(t *testing.T) {
	h, _ := one(t, time.UTC, Person{Name: "Ben", Band: "13-15"}, nil)
	trie := compiled(t)
	rule := func(name string) filter.Rule {
		return filter.NewSnapshot(trie, nil, h.Policies()).Decide(filter.Client{Policy: 1}, filter.MustName(name), monday).Rule
	}
	must(t, h.SetSwitch(1, "google", false))
	if google, bing := rule("www.google.de"), rule("www.bing.com"); google != filter.RuleNone || bing != filter.RuleSafeSearch {
		t.Errorf("Google without safe search: %s, Bing: %s", google, bing)
	}
	must(t, h.SetSearch(1, SearchOff))
	must(t, h.SetSwitch(1, "bing", true))
	if bing, ecosia := rule("www.bing.com"), rule("www.ecosia.org"); bing != filter.RuleSafeSearch || ecosia != filter.RuleNone {
		t.Errorf("Bing alone in safe mode: %s, Ecosia: %s", bing, ecosia)
	}
	must(t, h.SetYouTube(1, YouTubeOff))
	if got := rule("www.youtube.com"); got != filter.RuleNone {
		t.Errorf("YouTube without a mode: %s", got)
	}
	if h.SetSearch(1, "maybe") == nil || h.SetYouTube(1, "x") == nil || h.SetUnknown(1, UnknownAsk) == nil || h.SetNights(1, []Hours{{"never", 1, 2}}) == nil {
		t.Error("a wrong setting was taken")
	}
}
