package web_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/treehouse-dns/treehouse/household"
	"github.com/treehouse-dns/treehouse/web"
)

// The adversary is a child on the same Wi-Fi, with time.

// TestRebinding: a name that is pointed at us gets no page, whatever it asks for.
func TestRebinding(t *testing.T) {
	s := newStage(t, nil)
	b := s.parent()
	for _, host := range []string{"evil.example", "treehouse.home.arpa.evil.example", "treehouse.home.arpa@evil.example", "192.0.2.1", "[2001:db8::1]", "", "xtreehouse.home.arpa", "localhost.evil.example"} {
		for _, path := range []string{"/", "/me", "/api/v1/people", "/live"} {
			r := httptest.NewRequest(http.MethodGet, path, nil)
			r.Host = host
			if w := b.do(r); w.Code != http.StatusMisdirectedRequest || strings.Contains(w.Body.String(), "Ana") {
				t.Errorf("%q%s: %d", host, path, w.Code)
			}
		}
	}
	for _, host := range []string{web.DefaultName, "TREEHOUSE.home.arpa:80", "treehouse.home.arpa."} {
		r := httptest.NewRequest(http.MethodGet, "/me", nil)
		r.Host = host
		if w := b.do(r); w.Code != http.StatusOK {
			t.Errorf("%q: %d", host, w.Code)
		}
	}
}

// TestHeaders: no foreign script, no inline script or style, no frame.
func TestHeaders(t *testing.T) {
	s := newStage(t, nil)
	b := s.parent()
	inline := regexp.MustCompile(`(?i)<script(?: [^>]*)?>[^<]|\son[a-z]+=|\sstyle=|javascript:|<style`)
	for _, path := range []string{"/", "/me", "/login", "/people/1", "/settings", "/devices", "/requests", "/check", "/setup?step=3", "/nowhere", "/around", "/around/device", "/around/far"} {
		w := b.get(path)
		policy := w.Header().Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"} {
			if !strings.Contains(policy, want) {
				t.Errorf("%s: the content policy lacks %s", path, want)
			}
		}
		if strings.Contains(policy, "unsafe") || w.Header().Get("X-Frame-Options") != "DENY" || w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", path, w.Header())
		}
		if found := inline.FindString(w.Body.String()); found != "" {
			t.Errorf("%s has %q in it", path, found)
		}
	}
}

// TestForgedForms: another site's page cannot change anything, with the
// parent's cookies or without.
func TestForgedForms(t *testing.T) {
	s := newStage(t, nil)
	b := s.parent()
	paused := func() bool { return s.home.Household().Person(1).Paused != household.Pause{} }
	for name, spoil := range map[string]func(*http.Request){
		"no Origin":      func(r *http.Request) { r.Header.Del("Origin") },
		"null Origin":    func(r *http.Request) { r.Header.Set("Origin", "null") },
		"foreign Origin": func(r *http.Request) { r.Header.Set("Origin", "http://evil.example") },
		"near Origin":    func(r *http.Request) { r.Header.Set("Origin", "http://treehouse.home.arpa.evil.example") },
		"other port":     func(r *http.Request) { r.Header.Set("Origin", "http://treehouse.home.arpa:8080") },
		"cross-site":     func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
		"no token":       func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader("")) },
		"wrong token":    func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader("_token=" + strings.Repeat("A", 22))) },
	} {
		r := b.form("/people/1/pause")
		spoil(r)
		if w := b.do(r); w.Code != http.StatusForbidden || paused() {
			t.Errorf("%s: %d, paused %v", name, w.Code, paused())
		}
	}
	// A child's own token is no good with a parent's cookie, and the other way round.
	child := s.browser(anas)
	child.get("/me")
	b.page = child.page
	if w := b.post("/people/1/pause"); w.Code != http.StatusForbidden {
		t.Errorf("a guest's token was taken: %d", w.Code)
	}
	// Nothing changes by looking.
	before, _ := json.Marshal(s.home.Household().People)
	for _, path := range []string{"/people/1/pause", "/pause", "/requests/1", "/me/ask?site=x.example", "/settings/account", "/logout"} {
		if w := b.get(path); w.Code == http.StatusOK {
			t.Errorf("GET %s: %d", path, w.Code)
		}
	}
	if after, _ := json.Marshal(s.home.Household().People); !bytes.Equal(before, after) {
		t.Error("a GET changed something")
	}
}

// TestChildrenCannotAct: every action of a parent, from a child's device with a
// form of its own.
func TestChildrenCannotAct(t *testing.T) {
	s := newStage(t, nil)
	s.parent()
	child := s.browser(anas)
	before, _ := json.Marshal(s.home.Household())
	for _, path := range []string{"/pause", "/resume", "/people/1/pause", "/people/1/resume", "/people/1/more", "/people/1/less", "/people/1/switch", "/people/1/night",
		"/people/1/name", "/people/1/band", "/people/1/remove", "/requests/1", "/devices/1/assign", "/devices/1/save", "/devices/1/merge", "/people/1/notyet", "/settings/token", "/settings/untoken", "/settings/session", "/settings/passphrase",
		"/settings/account", "/settings/forget", "/settings/default", "/clock", "/setup/child", "/setup/done"} {
		child.get("/me")
		w := child.post(path, "subject", "group:social", "to", "on", "minutes", "60", "band", "adult", "person", "0", "name", "x", "age", "9", "new", "another passphrase", "site", "x.example")
		if w.Code != http.StatusSeeOther || !strings.HasPrefix(w.Header().Get("Location"), "/login") {
			t.Errorf("%s: %d to %q", path, w.Code, w.Header().Get("Location"))
		}
	}
	if after, _ := json.Marshal(s.home.Household()); !bytes.Equal(before, after) {
		t.Error("a child changed something")
	}
}

// TestGuessing: a passphrase cannot be guessed, and guessing keeps no parent out.
func TestGuessing(t *testing.T) {
	s := newStage(t, nil)
	parent := s.parent()
	child := s.browser(anas)
	child.get("/login")
	waited := 0
	for i := range 12 {
		switch w := child.post("/login", "passphrase", fmt.Sprint("guess number ", i)); w.Code {
		case http.StatusForbidden:
		case http.StatusTooManyRequests:
			if waited++; w.Header().Get("Retry-After") == "" {
				t.Error("it does not say how long to wait")
			}
		default:
			t.Fatalf("guess %d: %d", i, w.Code)
		}
	}
	if waited < 5 {
		t.Errorf("only %d of 12 guesses had to wait", waited)
	}
	if w := child.post("/login", "passphrase", passphrase); w.Code != http.StatusTooManyRequests {
		t.Errorf("the right one while waiting: %d", w.Code)
	}
	// The parent's browser has signed in before: it does not wait, even at the
	// same address (a tablet behind the same address, a spoofed one).
	parent.get("/")
	parent.post("/logout")
	parent.addr = anas
	parent.get("/login")
	if w := parent.post("/login", "passphrase", passphrase); w.Code != http.StatusSeeOther {
		t.Errorf("the parent is kept out: %d", w.Code)
	}
	// A new parent's phone at another address does not wait either.
	phone := s.browser("192.168.1.77")
	phone.get("/login")
	if w := phone.post("/login", "passphrase", passphrase); w.Code != http.StatusSeeOther {
		t.Errorf("a new phone is kept out: %d", w.Code)
	}
	// Another IPv6 address of the same device is the same source.
	for i := range 8 {
		six := s.browser(fmt.Sprintf("2001:db8::%x", i+1))
		six.get("/login")
		if w := six.post("/login", "passphrase", "guess"); i == 7 && w.Code != http.StatusTooManyRequests {
			t.Errorf("changing IPv6 addresses gives another try: %d", w.Code)
		}
	}
	// Over a day of guessing as fast as it goes, few guesses come through.
	through := 0
	start := s.now()
	for s.now().Sub(start) < 24*time.Hour {
		w := child.post("/login", "passphrase", "guess")
		if w.Code == http.StatusTooManyRequests {
			n := 0
			fmt.Sscan(w.Header().Get("Retry-After"), &n)
			s.passes(time.Duration(n) * time.Second)
			continue
		}
		if through++; through > 150 {
			t.Fatal("more than 150 guesses a day come through")
		}
		child.get("/login")
	}
}

// TestSessions: new at sign-in, in a cookie that scripts cannot read, kept only
// as a hash, listed and ended by hand, over after a while.
func TestSessions(t *testing.T) {
	needParents(t)
	s := newStage(t, nil)
	b := s.browser(marias)
	b.get("/setup")
	b.cookies["treehouse"] = "planted"
	w := b.post("/setup", "code", s.server.ClaimCode(), "passphrase", passphrase)
	first := b.cookies["treehouse"]
	if first == "planted" || len(first) < 22 {
		t.Fatalf("the session is %q", first)
	}
	for _, c := range w.Result().Cookies() {
		if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode {
			t.Errorf("the cookie %s is open: %v", c.Name, c)
		}
	}
	kept, _ := s.vault.Load()
	if bytes.Contains(kept, []byte(first)) || bytes.Contains(kept, []byte(passphrase)) {
		t.Error("the vault holds what a thief could use")
	}
	b.get("/login")
	b.post("/login", "passphrase", passphrase)
	if b.cookies["treehouse"] == first {
		t.Error("signing in keeps the session")
	}
	old := s.browser(marias)
	old.cookies["treehouse"] = first
	if w := old.get("/settings"); w.Code != http.StatusSeeOther {
		t.Error("the session before is still good")
	}
	// Another device, ended from this one.
	phone := s.browser("192.168.1.77")
	phone.get("/login")
	phone.post("/login", "passphrase", passphrase)
	b.get("/settings")
	says(t, text(b.page), "Maria's laptop", "this device", "Browser")
	for _, line := range regexp.MustCompile(`(?s)<li class="switch">.*?</li>`).FindAllString(b.page, -1) {
		if !strings.Contains(line, "this device") {
			b.post("/settings/session", "session", regexp.MustCompile(`name="session" value="([^"]+)"`).FindStringSubmatch(line)[1])
			break
		}
	}
	if phone.get("/settings").Code != http.StatusSeeOther {
		t.Error("an ended session is still good")
	}
	// They outlive a restart, and not a month without use.
	s.start(nil)
	if b.get("/settings").Code != http.StatusOK {
		t.Error("a restart signs everybody out")
	}
	s.passes(31 * 24 * time.Hour)
	if b.get("/settings").Code != http.StatusSeeOther {
		t.Error("a session lasts for ever")
	}
}

// TestFoundPhone: on a parent's phone that lies about, what loosens rules for
// good asks for the passphrase; a pause or an answer does not.
func TestFoundPhone(t *testing.T) {
	s := newStage(t, nil)
	b := s.parent()
	says(t, b.follow("/people/1/switch", "subject", "group:social", "to", "on", "_back", "/people/1"), "Saved.")
	s.passes(16 * time.Minute)
	b.get("/people/1")
	says(t, b.follow("/people/1/pause", "_back", "/people/1"), "Ana is paused.")
	if w := b.post("/people/1/band", "band", "adult", "_back", "/people/1"); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "Is it you?") {
		t.Fatalf("the age was changed without asking: %d", w.Code)
	}
	if w := b.post("/people/1/band", "band", "adult", "_again", "not the one"); w.Code != http.StatusOK || s.home.Household().Person(1).Band == household.Adult {
		t.Fatal("a wrong passphrase was taken")
	}
	says(t, b.follow("/people/1/band", "band", "adult", "_back", "/people/1", "_again", passphrase), "Saved.")
	if s.home.Household().Person(1).Band != household.Adult {
		t.Error("the age was not changed")
	}
	s.passes(16 * time.Minute)
	b.get("/settings")
	if w := b.post("/settings/token", "name", "mine", "scope", "admin"); strings.Contains(w.Body.String(), "treehouse_") {
		t.Error("a token was made without asking")
	}
	if page := b.page; strings.Contains(page, passphrase) {
		t.Error("the passphrase came back in a page")
	}
}

// TestForgottenPassphrase: the command line sets another, and the running
// server takes it and signs everybody out.
func TestForgottenPassphrase(t *testing.T) {
	s := newStage(t, nil)
	parent := s.parent()
	if err := web.Claim(s.vault, "", "password"); err == nil {
		t.Error("a common passphrase was taken")
	}
	if err := web.Claim(s.vault, "", "quite another house"); err != nil {
		t.Fatal(err)
	}
	if err := s.server.Reload(); err != nil {
		t.Fatal(err)
	}
	if parent.get("/settings").Code != http.StatusSeeOther {
		t.Error("who was signed in still is, until somebody signs in")
	}
	b := s.browser("192.168.1.77")
	b.get("/login")
	if w := b.post("/login", "passphrase", passphrase); w.Code != http.StatusForbidden {
		t.Errorf("the old passphrase: %d", w.Code)
	}
	if w := b.post("/login", "passphrase", "quite another house"); w.Code != http.StatusSeeOther {
		t.Errorf("the new passphrase: %d", w.Code)
	}
	if parent.get("/settings").Code != http.StatusSeeOther {
		t.Error("who was signed in still is")
	}
}

// TestVisitUndoesNothing: a page looked at before the server has noticed what the
// command line wrote does not write the accounts back as they were.
func TestVisitUndoesNothing(t *testing.T) {
	s := newStage(t, nil)
	parent := s.parent()
	if err := web.Claim(s.vault, "", "quite another house"); err != nil {
		t.Fatal(err)
	}
	want, _ := s.vault.Load()
	s.passes(25 * time.Hour) // when it is next written down that a session is used
	if w := parent.get("/settings"); w.Code != http.StatusSeeOther {
		t.Errorf("who was signed in: %d", w.Code)
	}
	if got, _ := s.vault.Load(); !bytes.Equal(got, want) {
		t.Error("the old passphrase is back")
	}
}

// TestErasedElsewhere: the command line erases the family, and whoever was signed
// in is no parent of the next one. The house is claimed anew.
func TestErasedElsewhere(t *testing.T) {
	s := newStage(t, nil)
	parent := s.parent()
	if err := s.vault.Save(nil); err != nil {
		t.Fatal(err)
	}
	if err := s.server.Reload(); err != nil {
		t.Fatal(err)
	}
	if w := parent.get("/settings"); w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/setup" {
		t.Errorf("who was signed in: %d %s", w.Code, w.Header().Get("Location"))
	}
	if s.server.ClaimCode() == "" {
		t.Error("nobody can claim the house")
	}
	if kept, _ := s.vault.Load(); bytes.Contains(kept, []byte("accounts")) || bytes.Contains(kept, []byte("sessions")) {
		t.Errorf("written again: %s", kept)
	}
	s.parent()
}

// TestRestoredElsewhere: a backup brings nobody back in: neither who was signed in
// when it was made, nor what was taken back since.
func TestRestoredElsewhere(t *testing.T) {
	s := newStage(t, nil)
	parent := s.parent()
	tokens := regexp.MustCompile(`treehouse_[A-Za-z0-9_-]+`)
	token := func(name string) string {
		parent.get("/settings")
		return tokens.FindString(parent.post("/settings/token", "name", name, "scope", "read").Body.String())
	}
	calls := func(token string) int {
		r := httptest.NewRequest(http.MethodGet, "/api/v1/people", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		return s.browser(marias).do(r).Code
	}
	stays := token("stays")
	backup, _ := s.vault.Load()
	restore := func(backup, now []byte) {
		t.Helper()
		value, err := web.Restored(backup, now)
		if err == nil {
			err = s.vault.Save(value)
		}
		if err == nil {
			err = s.server.Reload()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if parent.get("/settings").Code != http.StatusOK || calls(stays) != http.StatusOK {
		t.Fatal("they are not in before")
	}
	restore(backup, backup)
	if parent.get("/settings").Code != http.StatusSeeOther {
		t.Error("the cookie of before is signed in")
	}
	if calls(stays) != http.StatusOK {
		t.Error("a token that was never taken back is")
	}
	if web.Claim(s.vault, "", "quite another house") != nil {
		t.Fatal("no other passphrase")
	}
	now, _ := s.vault.Load()
	restore(backup, now)
	if parent.get("/settings").Code != http.StatusSeeOther {
		t.Error("the cookie of before the new passphrase is signed in")
	}
	restore(backup, nil) // erased meanwhile, or another house
	if parent.get("/settings").Code != http.StatusSeeOther || calls(stays) != http.StatusUnauthorized {
		t.Error("what was erased is in again")
	}
	b := s.browser("192.168.1.77")
	b.get("/login")
	if w := b.post("/login", "passphrase", passphrase); w.Code != http.StatusSeeOther {
		t.Errorf("the backup's passphrase: %d", w.Code)
	}
	restore([]byte(`{"claim":"AAAA-AAAA","sessions":[]}`), backup)
	if code := s.server.ClaimCode(); code == "" || code == "AAAA-AAAA" {
		t.Errorf("a house nobody had claimed is claimed with %q", code)
	}
	if _, err := web.Restored([]byte("<html>"), nil); err == nil {
		t.Error("nonsense was taken")
	}
}

// TestRestoredPasskeys: one that was taken away since the backup stays away.
func TestRestoredPasskeys(t *testing.T) {
	const accounts = `{"key":"a2V5","accounts":[{"name":"Maria","role":"parent","hash":"h"}],"passkeys":[`
	const phone, lost = `{"id":"cGhvbmU=","account":"Maria","credential":{}}`, `{"id":"bG9zdA==","account":"Maria","credential":{}}`
	got, err := web.Restored([]byte(accounts+phone+","+lost+"]}"), []byte(accounts+phone+"]}"))
	if err != nil || !bytes.Contains(got, []byte("cGhvbmU=")) || bytes.Contains(got, []byte("bG9zdA==")) {
		t.Errorf("%s, %v", got, err)
	}
	if bytes.Contains(got, []byte("a2V5")) {
		t.Error("whoever has the backup can sign the cookie of a known browser")
	}
}

// TestClockSetBack: who signed in or mistyped in a false future is neither signed
// in nor kept out until then.
func TestClockSetBack(t *testing.T) {
	s := newStage(t, nil)
	s.passes(365 * 24 * time.Hour)
	parent := s.parent()
	b := s.browser("192.168.1.77")
	for range 20 {
		b.get("/login")
		b.post("/login", "passphrase", "not the right one")
	}
	s.passes(-365 * 24 * time.Hour)
	b.get("/login")
	if w := b.post("/login", "passphrase", passphrase); w.Code != http.StatusSeeOther {
		t.Errorf("kept out until then: %d", w.Code)
	}
	if w := parent.get("/settings"); w.Code != http.StatusOK {
		t.Errorf("signed out by the clock: %d", w.Code)
	}
	s.passes(31 * 24 * time.Hour)
	if w := parent.get("/settings"); w.Code != http.StatusSeeOther {
		t.Errorf("signed in until then: %d", w.Code)
	}
}

func TestRoles(t *testing.T) {
	s := newStage(t, nil)
	parent := s.parent()
	parent.get("/settings")
	for name, role := range map[string]string{"Sam": "second", "Gran": "viewer"} {
		says(t, parent.follow("/settings/account", "name", name, "role", role, "new", "their own words", "_back", "/settings"), "Saved.", name)
	}
	if w := parent.post("/settings/account", "name", "Eve", "role", "parent", "new", "their own words"); w.Code != http.StatusConflict {
		t.Errorf("a role that is not on offer: %d", w.Code)
	}
	for name, may := range map[string]bool{"Sam": true, "Gran": false} {
		b := s.browser("192.168.1.50")
		b.get("/login")
		if w := b.post("/login", "name", name, "passphrase", "their own words"); w.Code != http.StatusSeeOther {
			t.Fatalf("%s: %d", name, w.Code)
		}
		b.get("/")
		if w := b.post("/people/2/pause"); (w.Code == http.StatusSeeOther) != may {
			t.Errorf("%s pauses: %d", name, w.Code)
		}
		b.get("/settings")
		if strings.Contains(b.page, "/settings/account") {
			t.Errorf("%s is offered accounts", name)
		}
		if w := b.post("/settings/account", "name", "Eve", "role", "second", "new", "their own words"); w.Code == http.StatusSeeOther {
			t.Errorf("%s adds an account", name)
		}
		if w := b.post("/settings/forget", "name", "Parent"); w.Code == http.StatusSeeOther {
			t.Errorf("%s removes the parent", name)
		}
	}
	b := s.browser("192.168.1.51")
	b.get("/login")
	if w := b.post("/login", "name", "Nobody", "passphrase", "their own words"); w.Code != http.StatusForbidden {
		t.Errorf("a name nobody has: %d", w.Code)
	}
}

// hostile are names that a child may give a device or a request.
var hostile = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `'; alert(1); '`, `</title><script>alert(1)</script>`, `<svg/onload=alert(1)>`,
	`javascript:alert(1)`, `{{.}}`, `${alert(1)}`, "a\u202egnp.exe", "line\nbreak\r\nSet-Cookie: a=b", "\x00\x1b[31m", `&lt;script&gt;`, `<!--`, `]]>`, strings.Repeat("W", 5000),
}

// script finds what a browser would run in a page, beside our own file.
func script(page string) string {
	for z := html.NewTokenizer(strings.NewReader(page)); z.Next() != html.ErrorToken; {
		t := z.Token()
		if t.Type != html.StartTagToken && t.Type != html.SelfClosingTagToken {
			continue
		}
		for _, a := range t.Attr {
			own := strings.HasPrefix(a.Val, "/a/")
			if strings.HasPrefix(a.Key, "on") || (a.Key == "href" || a.Key == "action") && strings.HasPrefix(strings.ToLower(a.Val), "javascript") || a.Key == "src" && !own {
				return t.String()
			}
		}
		if t.Data == "script" && len(t.Attr) == 0 || t.Data == "iframe" {
			return t.String()
		}
	}
	return ""
}

func TestScriptIsFound(t *testing.T) {
	for _, page := range []string{"<script>x</script>", `<img src=x onerror=y>`, `<a href="javascript:x">`, `<p title="a"onclick="b">`} {
		if script(page) == "" {
			t.Errorf("%s is not noticed", page)
		}
	}
}

// TestHostileNames: none of them runs, none breaks out of where it stands.
func TestHostileNames(t *testing.T) {
	var log bytes.Buffer
	s := newStage(t, func(o *web.Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	parent, child := s.parent(), s.browser(anas)
	for i, name := range hostile {
		if err := s.home.Change(func(h *household.Household) error {
			h.Requests = nil
			h.Devices = append(h.Devices[:3:3], household.Device{ID: household.DeviceID(100 + i), Name: name, Hint: name, Addrs: []netip.Addr{netip.MustParseAddr("127.0.0.50")}})
			_, err := h.Ask(household.Request{Person: 1, Site: fmt.Sprintf("site%d.example", i), Words: name}, s.now())
			return err
		}); err != nil {
			t.Fatal(err)
		}
		s.passes(time.Hour)
		for _, path := range []string{"/", "/devices", "/requests", "/setup", "/check?site=" + url.QueryEscape(name), "/people/1"} {
			w := parent.get(path)
			if found := script(w.Body.String()); found != "" {
				t.Errorf("%q on %s: %s", name, path, found)
			}
		}
		child.get("/me?site=" + url.QueryEscape(name) + "&did=" + url.QueryEscape(name))
		if found := script(child.page); found != "" {
			t.Errorf("%q on /me: %s", name, found)
		}
		child.post("/me/ask", "site", name, "words", name)
		child.post("/login", "name", name, "passphrase", name, "to", "//evil.example/"+name)
	}
	if strings.Contains(log.String(), "alert") || strings.Contains(log.String(), "\x1b") {
		t.Errorf("the log repeats a hostile name: %s", log.String())
	}
}

func TestRedirectsStayHome(t *testing.T) {
	s := newStage(t, nil)
	b := s.parent()
	for _, to := range []string{"//evil.example", "https://evil.example/", `/\evil.example`, "/%5cevil.example\r\nX: y", "javascript:alert(1)", "evil.example", ""} {
		b.get("/")
		w := b.post("/people/1/pause", "_back", to)
		at, err := url.Parse(w.Header().Get("Location"))
		if err != nil || at.Host != "" || at.Scheme != "" || !strings.HasPrefix(at.Path, "/") || strings.HasPrefix(at.Path, "//") || strings.Contains(w.Header().Get("Location"), `\`) {
			t.Errorf("%q leads to %q", to, w.Header().Get("Location"))
		}
	}
}

// TestFloods: big bodies, many requests, many streams; the parent still gets a page.
func TestFloods(t *testing.T) {
	s := newStage(t, nil)
	parent, child := s.parent(), s.browser(anas)
	child.get("/me")
	if w := child.post("/me/ask", "site", strings.Repeat("x", 1<<20)); w.Code != http.StatusForbidden && w.Code != http.StatusConflict {
		t.Errorf("a megabyte of form: %d", w.Code)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var streams sync.WaitGroup
	refused := make(chan int, 40)
	for range 40 {
		streams.Go(func() {
			r := httptest.NewRequest(http.MethodGet, "/live", nil).WithContext(ctx)
			r.Host, r.RemoteAddr = web.DefaultName, anas+":40000"
			w := httptest.NewRecorder()
			s.server.ServeHTTP(w, r)
			refused <- w.Code
		})
	}
	for range 34 { // all but the six that stay
		if code := <-refused; code != http.StatusTooManyRequests {
			t.Errorf("a stream too many: %d", code)
		}
	}
	if w := parent.get("/"); w.Code != http.StatusOK {
		t.Errorf("the parent gets %d", w.Code)
	}
	cancel()
	streams.Wait()
	s.home.Broken = errors.New("disk full")
	parent.get("/")
	if w := parent.post("/people/1/pause"); w.Code != http.StatusConflict || !strings.Contains(w.Body.String(), "Nothing was changed") || strings.Contains(w.Body.String(), "disk") {
		t.Errorf("a failed change: %d", w.Code)
	}
	s.vault.Full = true
	b := s.browser(marias)
	b.get("/login")
	if w := b.post("/login", "passphrase", passphrase); w.Code != http.StatusInternalServerError {
		t.Errorf("a session that cannot be kept: %d", w.Code)
	}
}

// TestRun: over real sockets, live pages hear of a change, one device cannot
// take all connections, and the server stops when told to.
func TestRun(t *testing.T) {
	s := newStage(t, nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	go func() { stopped <- s.server.Run(ctx, l) }()
	base := "http://" + l.Addr().String()
	w, err := http.Get(base + "/me") // by its address, which no foreign name can stand for
	if err != nil || w.StatusCode != http.StatusOK {
		t.Fatalf("%v %v", w, err)
	}
	w.Body.Close()
	stream, err := http.Get(base + "/live")
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stream.Body)
	lines.Scan()
	if err := s.home.Change(func(h *household.Household) error { return h.Pause(1, s.now(), time.Time{}) }); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() && lines.Text() != "event: changed" {
	}
	if lines.Text() != "event: changed" {
		t.Error("the page did not hear of the change")
	}
	var open []net.Conn
	closed := 0
	for range 20 {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, c)
	}
	for _, c := range open {
		_ = c.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		if _, err := c.Read(make([]byte, 1)); errors.Is(err, io.EOF) || err != nil && strings.Contains(err.Error(), "reset") {
			closed++
		}
		c.Close()
	}
	if closed < 8 {
		t.Errorf("one address holds %d connections", 20-closed)
	}
	cancel()
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}
