package household

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/treehouse-dns/treehouse/filter"
)

func TestRequests(t *testing.T) {
	h, _ := one(t, time.UTC, Person{Name: "Ana", Band: "6-9"}, nil)
	r, err := h.Ask(Request{Person: 1, Site: "https://www.Minecraft.net/skins", Words: "please\x00 \u202eplease"}, monday)
	must(t, err)
	if r.Site != "minecraft.net" || r.Words != "please please" || !r.Open() {
		t.Errorf("asked for %+v", r)
	}
	again, err := h.Ask(Request{Person: 1, Site: "minecraft.net"}, monday.Add(time.Minute))
	must(t, err)
	if again.ID != r.ID || len(h.Requests) != 1 {
		t.Error("the same request twice")
	}
	must(t, h.AnswerRequest(r.ID, true, monday.Add(2*time.Minute), monday.Add(time.Hour), "until lunch"))
	if h.AnswerRequest(r.ID, false, monday, time.Time{}, "") == nil {
		t.Error("answered twice")
	}
	snap := filter.NewSnapshot(compiled(t), nil, h.Policies())
	name := filter.MustName("www.minecraft.net")
	if v := snap.Decide(filter.Client{Policy: 1}, name, monday.Add(3*time.Minute)); v.Rule != filter.RuleAllow || !v.Until.Equal(monday.Add(time.Hour)) {
		t.Errorf("granted: %s until %s", v.Rule, v.Until)
	}
	if v := snap.Decide(filter.Client{Policy: 1}, name, monday.Add(time.Hour)); v.Rule != filter.RuleService {
		t.Errorf("after the grant: %s", v.Rule)
	}

	for _, bad := range []Request{
		{Person: 9, Site: "a.example"}, {Person: 1, Site: "com"}, {Person: 1, Site: "192.0.2.1"}, {Person: 1, Site: "<script>.example"},
		{Person: 1}, {Person: 1, Of: ExceptNight}, {Person: 1, Of: ExceptNight, Length: 1000},
	} {
		if _, err := h.Ask(bad, monday.Add(3*time.Minute)); err == nil {
			t.Errorf("%+v was accepted", bad)
		}
	}
	// Of a service that is off, the answer is about the whole service.
	one, err := h.Ask(Request{Person: 1, Site: "roblox.com", Service: "roblox"}, monday.Add(4*time.Minute))
	must(t, err)
	two, err := h.Ask(Request{Person: 1, Site: "rbxcdn.com", Service: "roblox"}, monday.Add(5*time.Minute))
	must(t, err)
	if one.ID != two.ID {
		t.Error("one service asked for twice")
	}
	must(t, h.AnswerRequest(one.ID, true, monday.Add(6*time.Minute), monday.Add(time.Hour), ""))
	snap = filter.NewSnapshot(compiled(t), nil, h.Policies())
	if v := snap.DecideAt(filter.Client{Policy: 1}, filter.MustName("www.rbxcdn.com"), monday.Add(7*time.Minute)); v.Rule != filter.RuleAllow || !v.Until.Equal(monday.Add(time.Hour)) {
		t.Errorf("the rest of the service: %s until %s", v.Rule, v.Until)
	}
	// Time that is asked for is given by the answer.
	more, err := h.Ask(Request{Person: 1, Of: ExceptNight, Length: 30}, monday.Add(8*time.Hour-time.Minute))
	must(t, err)
	must(t, h.AnswerRequest(more.ID, true, monday.Add(8*time.Hour), time.Time{}, ""))
	if until := h.Request(more.ID).Answer.Until; until.Format("15:04") != "20:30" {
		t.Errorf("30 minutes more at 20:00 end at %s", until)
	}
}

// TestRequestLimits: a child who presses the button all day stays bounded, and
// what is old goes.
func TestRequestLimits(t *testing.T) {
	h, _ := one(t, time.UTC, Person{Name: "Ana", Band: "6-9"}, nil)
	asked := 0
	for i := range 1000 {
		if _, err := h.Ask(Request{Person: 1, Site: fmt.Sprintf("s%d.example", i)}, monday.Add(time.Duration(i)*time.Minute)); err == nil {
			asked++
		}
	}
	if asked != openRequests || len(h.Requests) != openRequests {
		t.Errorf("%d requests in a day, %d kept", asked, len(h.Requests))
	}
	for i := range 20 {
		_, err := h.Ask(Request{Person: 1, Site: "s0.example"}, monday.Add(24*time.Hour))
		if (err != nil) != (i >= askedPerHour) {
			t.Errorf("asked %d times: %v", i+1, err)
		}
	}
	h.Tidy(monday.Add(requestLife + time.Second))
	if len(h.Requests) != openRequests-1 {
		t.Errorf("%d requests are left after a week and a second", len(h.Requests))
	}
	h.Tidy(monday.Add(9 * 24 * time.Hour))
	if len(h.Requests) != 0 {
		t.Errorf("%d requests are left after nine days", len(h.Requests))
	}
}

func TestBirthdays(t *testing.T) {
	h, _ := one(t, time.UTC, Person{Name: "Ana", Band: "6-9", Born: Born{2017, time.March}}, nil)
	march := time.Date(2027, 3, 1, 0, 0, 0, 0, time.UTC)
	if to, ok := h.Proposal(1, march.Add(-time.Hour)); ok {
		t.Errorf("at 9: %s", to.ID)
	}
	to, ok := h.Proposal(1, march)
	if !ok || to.ID != "10-12" {
		t.Errorf("at 10: %s %v", to.ID, ok)
	}
	if h.Person(1).Band != "6-9" {
		t.Error("a birthday changed something by itself")
	}
	must(t, h.NotYet(1, to.ID))
	if _, ok := h.Proposal(1, march); ok {
		t.Error("asked again after “not yet”")
	}
	must(t, h.SetBand(1, "13-15")) // a parent's choice, ahead of the age
	if to, ok := h.Proposal(1, march); ok {
		t.Errorf("a birthday proposes to tighten to %s", to.ID)
	}
	if to, ok := h.Proposal(1, march.AddDate(8, 0, 0)); !ok || to.ID != Adult || h.NotYet(1, Adult) == nil {
		t.Errorf("at 18: %s %v", to.ID, ok)
	}
}

func TestSite(t *testing.T) {
	for typed, want := range map[string]string{
		"example.com": "example.com", " https://WWW.Example.com:443/a?b#c ": "example.com", "www.com": "www.com", "m.example.com.": "m.example.com",
		"xn--mnchen-3ya.example": "xn--mnchen-3ya.example", "_dmarc.example.com": "_dmarc.example.com",
		"": "", "com": "", ".": "", "192.0.2.1": "", "a b.example": "", "münchen.example": "", "a..example": "", "http://": "", "*.example.com": "",
		strings.Repeat("a.", 128) + "example": "",
	} {
		got, err := Site(typed)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("Site(%q) = %q, %v; want %q", typed, got, err, want)
		}
	}
}

func FuzzSite(f *testing.F) {
	for _, s := range []string{"https://www.example.com/", "com", "[::1]", "a..b", "\\046.example", "例え.テスト"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		name, err := Site(typed)
		if err != nil {
			return
		}
		again, err := Site(name)
		if err != nil || (again != name && !strings.HasPrefix(name, "www.")) {
			t.Errorf("Site(%q) = %q, of which Site is %q, %v", typed, name, again, err)
		}
		if n, err := filter.ParseName(name); err != nil || n.Labels() < 2 {
			t.Errorf("Site(%q) = %q: %v", typed, name, err)
		}
	})
}

func FuzzCleanName(f *testing.F) {
	for _, s := range []string{"Ana's tablet", "<script>alert(1)</script>", "a\r\nSet-Cookie: x", "\u202egnp.exe", "\u200b", "  a \t b  ", "\x1b[31m", "\xff\xfe"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name := CleanName(s)
		if n := len([]rune(name)); n > maxName {
			t.Errorf("%d characters", n)
		}
		if strings.ContainsAny(name, "\r\n\t\x00\x1b\u202e\u200b\u2066") || strings.Contains(name, "  ") || CleanName(name) != name {
			t.Errorf("CleanName(%q) = %q", s, name)
		}
	})
}

// TestAskedInAFalseFuture: what a child asked while the clock was ahead does not
// keep them from asking once it is right, nor wait for ever.
func TestAskedInAFalseFuture(t *testing.T) {
	h, _ := one(t, time.UTC, Person{Name: "Ana", Band: "6-9"}, nil)
	future := monday.AddDate(1, 0, 0)
	for i := range askedPerHour {
		_, err := h.Ask(Request{Person: 1, Site: fmt.Sprintf("site%d.example", i)}, future)
		must(t, err)
	}
	if _, err := h.Ask(Request{Person: 1, Site: "one.example"}, future); err == nil {
		t.Fatal("there is no limit")
	}
	if _, err := h.Ask(Request{Person: 1, Site: "one.example"}, monday); err != nil {
		t.Errorf("a year earlier: %v", err)
	}
}

// TestPausedInAFalseFuture: a pause that was said while the clock was ahead holds,
// and one is not cut short by a clock that is behind.
func TestPausedInAFalseFuture(t *testing.T) {
	h, _ := one(t, time.UTC, Person{Name: "Ana", Band: "6-9"}, nil)
	future := monday.AddDate(1, 0, 0)
	must(t, h.Pause(1, future, future.Add(time.Hour)))
	must(t, h.PauseEveryone(future, time.Time{}))
	h.Tidy(monday)
	if p := h.Person(1).Paused; !p.From.Equal(monday) || !p.Until.Equal(future.Add(time.Hour)) {
		t.Errorf("Ana: %+v", p)
	}
	if p := h.Settings.Paused; !p.From.Equal(monday) || !p.Until.IsZero() {
		t.Errorf("everyone: %+v", p)
	}
	h.Tidy(time.Unix(0, 0))
	if s := h.State(1, monday); s.Is != IsPaused || !s.Until.IsZero() {
		t.Errorf("after a change with a clock that was never set: %+v", s)
	}
}
