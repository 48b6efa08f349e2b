package web_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/treehouse-dns/treehouse/filter"
	"github.com/treehouse-dns/treehouse/household"
	"github.com/treehouse-dns/treehouse/web"
)

// TestActivityIsOff until a parent turns it on, for one child or for all; the
// child reads what can be seen, and a teenager's kinds stay theirs.
func TestActivityIsOff(t *testing.T) {
	s := newStage(t, nil)
	parent, ana := s.parent(), s.browser(anas)
	page := text(parent.get("/activity").Body.String())
	says(t, page, "Nothing is counted.", "Turn on for all children", "Never which site")
	if strings.Contains(page, "61") {
		t.Error("counts are shown before anybody turned them on")
	}
	says(t, text(ana.get("/me").Body.String()), "What a parent can see Nothing about what you do.")

	page = parent.follow("/activity", "person", "1", "to", "on")
	says(t, page, "Social media 55", "In all: 61", "Week from", "23/11 61", "16/11 43", "2/11 0")
	says(t, text(ana.get("/me").Body.String()), "How often something was closed for you")
	if n := strings.Count(page, "61"); n > 3 { // the total, the column and its twin
		t.Errorf("Ben is counted too: %d", n)
	}
	page = parent.follow("/activity", "to", "on")
	says(t, text(s.browser(bens).get("/me").Body.String()), "How many sites were blocked in all.")
	if strings.Count(page, "Social media") != 1 {
		t.Error("a teenager's kinds are shown")
	}
	for _, leak := range []string{"TikTok", "tiktok", "Snapchat", "adult.example"} {
		if strings.Contains(page, leak) {
			t.Errorf("the page names %s", leak)
		}
	}
	s.home.Counts("unread")
	says(t, text(parent.get("/activity").Body.String()), "could not be read")
	s.home.Counts("none")
	says(t, text(parent.get("/activity").Body.String()), "Nothing was closed this week.")
	s.home.Counts("some")
	if page = parent.follow("/activity", "to", "off"); strings.Contains(page, "61") {
		t.Error("counts are shown after they were turned off")
	}

	// At 16 there is nothing to turn on, and for an adult no card.
	if err := s.home.Change(func(h *household.Household) error { return h.SetBand(2, "16-17") }); err != nil {
		t.Fatal(err)
	}
	page = text(parent.get("/activity").Body.String())
	says(t, page, "Nothing. At this age that is theirs.")
	if strings.Contains(page, "Maria") {
		t.Error("an adult has a card")
	}
	if w := parent.post("/activity", "person", "2", "to", "on"); w.Code != http.StatusConflict {
		t.Errorf("counting was turned on for a sixteen-year-old: %d", w.Code)
	}
	s.home.Empty()
	says(t, text(parent.get("/activity").Body.String()), "Nobody lives here yet")
}

// TestDeviceLog: a parent begins it with their passphrase, the child reads who
// and until when, the viewer sees none of it, and stopped it is gone.
func TestDeviceLog(t *testing.T) {
	s := newStage(t, nil)
	parent, ana := s.parent(), s.browser(anas)
	says(t, text(parent.get("/devices").Body.String()), "Look for a fault : Ana's tablet")
	says(t, text(parent.get("/devices/1/log").Body.String()), "memory only", "Ana reads about it", "24 hours")
	s.home.Ask(1, "before.example", s.now())

	s.passes(time.Hour) // the passphrase is asked for again
	parent.get("/devices/1/log")
	if w := parent.post("/devices/1/log", "minutes", "60", "_back", "/devices/1/log"); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "Is it you?") {
		t.Fatalf("a log begins without the passphrase: %d", w.Code)
	}
	says(t, parent.follow("/devices/1/log", "minutes", "60", "_again", passphrase, "_back", "/devices/1/log"), "Ana is told now.", "until 18:30", "Turned on by: Parent", "Nothing yet.")
	s.home.Ask(1, "wikipedia.org", s.now())
	s.home.Ask(1, "www.tiktok.com", s.now())
	page := text(parent.get("/devices/1/log").Body.String())
	says(t, page, "17:30 www.tiktok.com closed 17:30 wikipedia.org open")
	says(t, text(parent.get("/devices").Body.String()), "Sites are noted until 18:30")
	mine := text(ana.get("/me").Body.String())
	says(t, mine, "Your sites are noted for a while", "Parent wants to know why something does not work on Ana's tablet.", "until 18:30")
	if strings.Contains(mine, "Nobody keeps a list") || strings.Contains(mine, "Nothing about what you do") {
		t.Error("the child is told that nobody keeps a list")
	}
	for _, path := range []string{"/devices/1/log"} {
		if w := ana.get(path); w.Code != http.StatusSeeOther {
			t.Errorf("a child sees a log: %d", w.Code)
		}
	}
	parent.get("/settings")
	parent.post("/settings/account", "name", "Gran", "role", "viewer", "new", "another warm house")
	gran := s.browser("127.0.0.50")
	gran.get("/login")
	gran.post("/login", "name", "Gran", "passphrase", "another warm house")
	if w := gran.get("/devices/1/log"); w.Code != http.StatusForbidden || strings.Contains(w.Body.String(), "tiktok") {
		t.Errorf("who may only look sees a log: %d", w.Code)
	}

	parent.get("/devices/1/log")
	says(t, parent.follow("/devices/1/unlog", "_back", "/devices/1/log"), "What was noted is gone.", "For how long?")
	if mine := text(ana.get("/me").Body.String()); strings.Contains(mine, "noted") || !strings.Contains(mine, "Nobody keeps a list") {
		t.Error("the child is not told that it ended")
	}

	// Nobody's, a grown-up's and a sixteen-year-old's: a reason and no button.
	if err := s.home.Change(func(h *household.Household) error {
		if _, err := h.AddDevice(household.Device{Name: "Pixel-7"}); err != nil {
			return err
		}
		return h.SetBand(2, "16-17")
	}); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]string{"4": "nobody’s yet", "2": "At the age of Ben nobody looks over their shoulder.", "3": "At the age of Maria"} {
		says(t, text(parent.get("/devices/"+id+"/log").Body.String()), want)
		if strings.Contains(parent.page, "/devices/"+id+"/log\" class=\"row") {
			t.Errorf("device %s can be logged", id)
		}
		if w := parent.post("/devices/"+id+"/log", "minutes", "60"); w.Code != http.StatusConflict || !strings.Contains(text(w.Body.String()), want) {
			t.Errorf("device %s: %d", id, w.Code)
		}
	}
	if w := parent.get("/devices/99/log"); w.Code != http.StatusNotFound {
		t.Errorf("a device that is not there: %d", w.Code)
	}

	// Another owner ends it, whoever gives the device away.
	parent.get("/devices/1/log")
	parent.follow("/devices/1/log", "minutes", "15", "_back", "/devices/1/log")
	parent.get("/devices")
	parent.follow("/devices/1/save", "person", "3", "name", "Tablet", "_back", "/devices")
	if d := s.home.Household().Device(1); !d.Logged.IsZero() || d.LoggedBy != "" {
		t.Error("another owner inherits the log")
	}
}

// TestReports: a parent says that a list is wrong; it is kept, and nothing leaves
// but by the parent's own hand.
func TestReports(t *testing.T) {
	s := newStage(t, nil)
	parent, ana := s.parent(), s.browser(anas)
	says(t, text(parent.get("/check?site=adult.example&person=1").Body.String()), "It should be open: report it")
	says(t, parent.follow("/reports", "site", "adult.example", "person", "1"), "The report is ready.", "adult.example is closed by mistake", "Write to Treehouse", "Write to adults-list")
	for _, want := range []string{
		`href="https://github.com/treehouse-dns/treehouse/issues/new?title=Listed%20by%20mistake%3A%20adult.example&amp;body=adult.example%20is%20listed%20under%20adult.`,
		`href="mailto:lists@lists.example?subject=Listed%20by%20mistake%3A%20adult.example&amp;body=`,
	} {
		if !strings.Contains(parent.page, want) {
			t.Errorf("the page has no %s", want)
		}
	}
	if strings.Contains(strings.Join(strings.Split(parent.page, "mailto:")[1:], ""), "Ana") {
		t.Error("the letter names a child")
	}
	says(t, text(parent.get("/check?site=example.com&person=1").Body.String()), "It should be closed: report it")
	says(t, parent.follow("/reports", "site", "example.com", "person", "1"), "example.com should be closed", "by-hand was added by hand.")
	if n := len(s.home.Household().Reports); n != 2 {
		t.Errorf("%d reports are kept", n)
	}
	parent.follow("/reports/1")
	if page := text(parent.get("/requests").Body.String()); strings.Contains(page, "adult.example") {
		t.Error("a report that was removed is shown")
	}

	// Not where a parent or the hour decided, and not by a child.
	parent.follow("/people/1/name", "site", "example.org", "to", "block")
	if page := text(parent.get("/check?site=example.org&person=1").Body.String()); strings.Contains(page, "report it") {
		t.Error("a parent's own rule can be reported")
	}
	says(t, text(ana.get("/check?site=adult.example").Body.String()), "Show it to a parent.")
	if w := ana.post("/reports", "site", "adult.example"); w.Code != http.StatusSeeOther || len(s.home.Household().Reports) != 1 {
		t.Errorf("a child reports: %d", w.Code)
	}
	if w := parent.post("/reports", "site", "no site"); w.Code != http.StatusConflict {
		t.Errorf("what is no site: %d", w.Code)
	}
	s.start(func(o *web.Options) { o.LANPage = true })
	blocked := s.browser(anas).do(httptest.NewRequest(http.MethodGet, "http://www.tiktok.com/", nil))
	says(t, text(blocked.Body.String()), "Is this wrong?")
}

// TestRestoredIsSeen: that the family was read from a backup stands on every
// page of a parent until one says that it is all right.
func TestRestoredIsSeen(t *testing.T) {
	s := newStage(t, nil)
	parent := s.parent()
	s.home.Trouble(web.TroubleRestored, web.TroubleFirewall)
	for _, path := range []string{"/", "/people/1", "/requests", "/devices", "/activity", "/settings", "/check", "/devices/1/log"} {
		says(t, text(parent.get(path).Body.String()), "was read back from a backup", "It is all right", "cannot use the router")
	}
	page := parent.follow("/settings/looked", "_back", "/")
	if strings.Contains(page, "was read back") {
		t.Error("it is said after a parent has looked")
	}
	says(t, page, "cannot use the router")
	s.home.Trouble(web.TroubleOffline)
	says(t, text(s.browser(anas).get("/me").Body.String()), "No rule did that.")
}

// TestBrand: the name, the logo, the hue and the contact are a provider's; the
// words and the help lines stay.
func TestBrand(t *testing.T) {
	s := newStage(t, func(o *web.Options) {
		logo, err := web.CleanLogo([]byte(`<svg viewBox="0 0 8 8"><circle cx="4" cy="4" r="4" fill="teal"/></svg>`))
		if err != nil {
			t.Fatal(err)
		}
		o.Brand = web.Brand{Name: "Fibre & Sons <b>", Logo: logo, Hue: 360, Support: "0800 123"}
	})
	parent := s.parent()
	says(t, text(parent.page), "Fibre & Sons <b>", "Help with this service: 0800 123")
	icon := parent.page[strings.Index(parent.page, `<link rel="icon" href="`)+len(`<link rel="icon" href="`):]
	icon, _, _ = strings.Cut(icon, `"`)
	if w := parent.get(icon); !strings.Contains(w.Body.String(), `fill="teal"`) || w.Header().Get("Content-Type") != "image/svg+xml" || !strings.Contains(w.Header().Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("the logo is %s", w.Body)
	}
	says(t, text(s.browser(anas).get("/me").Body.String()), "Hi Ana", "Childline", "Your rules")
	for _, hue := range []int{-1, 361} {
		if _, err := web.New(web.Options{Home: s.home, Vault: s.vault, Now: s.now, Brand: web.Brand{Hue: hue}}); err == nil {
			t.Errorf("the hue %d is taken", hue)
		}
	}
}

// TestLogEntriesAreText: the names in a log come from a device, so from a child.
func TestLogEntriesAreText(t *testing.T) {
	s := newStage(t, nil)
	parent := s.parent()
	parent.get("/devices/1/log")
	parent.follow("/devices/1/log", "minutes", "15", "_back", "/devices/1/log")
	s.home.AskName(1, filter.Name("\x08<script>\x07example\x00"), s.now())
	if parent.get("/devices/1/log"); strings.Contains(parent.page, "<script>\\") || strings.Contains(parent.page, "<script>.") {
		t.Error("a name came out as markup")
	}
}
