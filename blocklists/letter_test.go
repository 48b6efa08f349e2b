package blocklists

import (
	"net/url"
	"strings"
	"testing"
)

// TestKeeper: where a report about a list goes, from what is known of it.
func TestKeeper(t *testing.T) {
	for _, c := range []struct{ url, contact, want string }{
		{"https://raw.githubusercontent.com/owner/repo/main/hosts.txt", "", "https://github.com/owner/repo/issues/new"},
		{"https://github.com/owner/repo/raw/main/hosts.txt", "", "https://github.com/owner/repo/issues/new"},
		{"https://gitlab.com/owner/repo/-/raw/main/hosts", "", "https://gitlab.com/owner/repo/-/issues/new"},
		{"https://lists.example/adult/hosts.txt", "", "https://lists.example/"},
		{"https://lists.example/adult/hosts.txt", "mailto:us@lists.example", "mailto:us@lists.example"},
		{"", "", ""},
	} {
		if got := (Source{URL: c.url, Contact: c.contact}).Keeper(); got != c.want {
			t.Errorf("%s %s: %s, want %s", c.url, c.contact, got, c.want)
		}
	}
	for contact, good := range map[string]bool{
		"https://lists.example/report": true, "mailto:us@lists.example": true, "us@lists.example": false, "http://lists.example": false,
		"javascript:alert(1)": false, "mailto:us@lists.example?bcc=x@y.example": false, "": false,
	} {
		if err := CheckContact(contact); (err == nil) != good {
			t.Errorf("%q: %v", contact, err)
		}
	}
}

// TestLetter: what a form or a mail program is handed is the letter, and no more.
func TestLetter(t *testing.T) {
	l := Letter{List: "mine", Site: "xn--bcher-kva.example", Topic: "adult"}
	if got := l.URL("mailto:us@lists.example"); got != "mailto:us@lists.example?subject=Listed%20by%20mistake%3A%20xn--bcher-kva.example&body=xn--bcher-kva.example%20is%20listed%20under%20adult.%20I%20think%20that%20it%20should%20not%20be." {
		t.Error(got)
	}
	u, err := url.Parse(l.URL(CatalogueKeeper))
	if err != nil || u.Query().Get("title") != l.Subject() || u.Query().Get("body") != l.Text() {
		t.Errorf("%v %v", u, err)
	}
	if got := l.URL("https://lists.example/"); got != "https://lists.example/" {
		t.Errorf("a page that takes no letter is handed one: %s", got)
	}
	if l.Missed = true; strings.Contains(l.Text(), "adult") || !strings.Contains(l.Subject(), "Missing") {
		t.Errorf("what is missing reads %q", l.Text())
	}
}
