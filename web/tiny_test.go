//go:build tiny

package web_test

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/treehouse-dns/treehouse/household"
)

// TestTinyHasMyInternet: a child sees what was blocked and why, asks, and reads
// the answer that a parent gave elsewhere.
func TestTinyHasMyInternet(t *testing.T) {
	s := newStage(t, nil)
	child := s.browser(anas)
	s.home.Block(netip.MustParseAddr(anas), "www.tiktok.com", s.now())
	says(t, text(child.get("/me").Body.String()), "Hi Ana", "www.tiktok.com does not open now.", "Social media is for older children.", "Ask for this site", "Childline")
	says(t, child.follow("/me/ask", "site", "https://www.tiktok.com/@x", "words", "for dancing"), "Your parents can see it now.", "tiktok.com waiting for an answer")
	if err := s.home.Change(func(h *household.Household) error {
		return h.AnswerRequest(h.Requests[0].ID, true, s.now(), s.now().Add(time.Hour), "")
	}); err != nil {
		t.Fatal(err)
	}
	says(t, text(child.get("/me").Body.String()), "tiktok.com Yes, until 17:30")
	says(t, text(child.get("/check?site=tiktok.com").Body.String()), "tiktok.com")
	says(t, text(child.get("/help").Body.String()), "Childline")
}

// TestTinyHasNothingElse: no page for parents is there, no link leads to one,
// and nobody can sign in or is told a claim code.
func TestTinyHasNothingElse(t *testing.T) {
	s := newStage(t, nil)
	if code := s.server.ClaimCode(); code != "" {
		t.Errorf("the claim code %q is of no use", code)
	}
	b := s.browser(marias)
	if w := b.get("/"); w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/me" {
		t.Errorf("/ answers %d and leads to %q", w.Code, w.Header().Get("Location"))
	}
	for _, path := range []string{"/login", "/setup", "/learn", "/people/1", "/requests", "/devices", "/settings", "/api/v1/people"} {
		if w := b.get(path); w.Code != http.StatusNotFound {
			t.Errorf("%s answers %d", path, w.Code)
		}
		for _, page := range []string{"/me", "/check", "/help"} {
			if strings.Contains(b.get(page).Body.String(), `"`+path) {
				t.Errorf("%s leads to %s", page, path)
			}
		}
	}
	b.get("/me")
	if w := b.post("/pause"); w.Code != http.StatusNotFound && w.Code != http.StatusMethodNotAllowed {
		t.Errorf("a parent's action answers %d", w.Code)
	}
}
