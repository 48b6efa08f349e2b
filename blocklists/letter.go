package blocklists

import (
	"fmt"
	"net/url"
	"strings"
)

// CatalogueKeeper is where to write about the built-in catalogue.
const CatalogueKeeper = "https://github.com/treehouse-dns/treehouse/issues/new"

// Keeper is where to write about a source: its contact, else what its address
// tells. Empty: nobody is known.
func (s Source) Keeper() string {
	if s.Contact != "" {
		return s.Contact
	}
	u, err := url.Parse(s.URL)
	if err != nil || u.Host == "" {
		return ""
	}
	part := strings.Split(strings.Trim(u.Path, "/"), "/")
	switch host := u.Hostname(); {
	case (host == "raw.githubusercontent.com" || host == "github.com") && len(part) > 2:
		return "https://github.com/" + part[0] + "/" + part[1] + "/issues/new"
	case host == "gitlab.com" && len(part) > 2:
		return "https://gitlab.com/" + part[0] + "/" + part[1] + "/-/issues/new"
	}
	return "https://" + u.Host + "/"
}

// CheckContact refuses what is neither an https address nor a mail address.
func CheckContact(contact string) error {
	u, err := url.Parse(contact)
	if err == nil && (u.Scheme == "https" && u.Host != "" || u.Scheme == "mailto" && strings.Contains(u.Opaque, "@") && u.RawQuery == "") {
		return nil
	}
	return fmt.Errorf("%q is no contact; write https://… or mailto:name@host", contact)
}

// Letter is what to tell the keeper of a list who may be wrong about a site. It
// is in English, says nothing of who asks, and is sent by nobody but a person.
type Letter struct {
	List   string // the list's name
	Site   string
	Topic  string // the list's, a topic's ID; may be empty
	Missed bool   // the list lacks the site; else it should not have it
}

// Subject is the letter in a line.
func (l Letter) Subject() string {
	if l.Missed {
		return "Missing: " + l.Site
	}
	return "Listed by mistake: " + l.Site
}

// Text is the letter.
func (l Letter) Text() string {
	under := ""
	if l.Topic != "" {
		under = " under " + l.Topic
	}
	if l.Missed {
		return fmt.Sprintf("%s is not on the list. I think that it should be.", l.Site)
	}
	return fmt.Sprintf("%s is listed%s. I think that it should not be.", l.Site, under)
}

// URL is where the letter can be sent from: a mail or a form with the letter
// filled in where the keeper takes that, and else the keeper's own address.
func (l Letter) URL(keeper string) string {
	fill := func(subject, body string) string {
		// %20 and not +, which mail programs show as it is (RFC 6068 §5).
		escape := func(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
		return keeper + "?" + subject + "=" + escape(l.Subject()) + "&" + body + "=" + escape(l.Text())
	}
	switch {
	case strings.HasPrefix(keeper, "mailto:"):
		return fill("subject", "body")
	case strings.HasPrefix(keeper, "https://github.com/") && strings.HasSuffix(keeper, "/issues/new"):
		return fill("title", "body")
	case strings.HasSuffix(keeper, "/-/issues/new"):
		return fill("issue[title]", "issue[description]")
	}
	return keeper
}
