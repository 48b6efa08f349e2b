package household

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/treehouse-dns/treehouse/filter"
)

// maxName is the longest name of a person or device, in characters: what a card
// on a small phone shows.
const maxName = 40

// maxWords is the longest message between child and parent, in characters: two
// sentences.
const maxWords = 200

// Person is somebody of the family, with what a parent changed from the
// defaults of their band.
type Person struct {
	ID   filter.PolicyID `json:"id"` // never 0, which is the default profile
	Name string          `json:"name"`
	Born Born            `json:"born,omitzero"`
	// Band is the band in force. It is kept and not derived: nothing tightens
	// or loosens by itself, a birthday only proposes (see Household.Proposal).
	Band BandID `json:"band"`

	// Switch is what a parent switched on (true) or off for the person, by
	// subject: a topic's ID or "group:social".
	Switch map[string]bool `json:"switch,omitempty"`
	// Names are the person's own allow and block rules, grants among them.
	Names []NameRule `json:"names,omitempty"`
	// Unknown says what happens to a name in no list; empty is UnknownPass.
	Unknown Unknown `json:"unknown,omitempty"`
	Search  Search  `json:"search,omitempty"`  // empty: the band's
	YouTube YouTube `json:"youtube,omitempty"` // empty: the band's

	Paused Pause `json:"paused,omitzero"`
	// Nights replace the band's night; nil: the band's, empty: none.
	Nights     *[]Hours    `json:"nights,omitempty"`
	Homework   []Homework  `json:"homework,omitempty"`
	Exceptions []Exception `json:"exceptions,omitempty"`
	Tickets    []Ticket    `json:"tickets,omitempty"`
	// Counted is whether what is closed for the person is counted for a parent;
	// nil: as for the household.
	Counted *bool `json:"counted,omitempty"`
	// Declined is a band the family has said "not yet" to, so that a birthday
	// asks once.
	Declined BandID `json:"declined,omitempty"`
}

// Unknown is what happens to a name in no list.
type Unknown string

// What happens to a name in no list.
const (
	UnknownPass Unknown = "pass" // it resolves; the child may ask for what is blocked
	UnknownAsk  Unknown = "ask"  // it is not answered until the child asks and a parent allows
)

// Born is when somebody was born: a year, and the month if the family says so.
// The zero Born is unknown.
type Born struct {
	Year  int
	Month time.Month // 0: not told; the age is then the one of this year's birthday
}

// BornAgo is the birth year of somebody who is that old now.
func BornAgo(years int, now time.Time) Born { return Born{Year: now.Year() - years} }

// Age is the age in years at a time; ok is false where the year is unknown.
func (b Born) Age(now time.Time) (years int, ok bool) {
	if b.Year == 0 {
		return 0, false
	}
	years = now.Year() - b.Year
	if b.Month != 0 && now.Month() < b.Month {
		years--
	}
	return max(years, 0), true
}

// MarshalText writes "2017" or "2017-03".
func (b Born) MarshalText() ([]byte, error) {
	if b.Month == 0 {
		return fmt.Appendf(nil, "%04d", b.Year), nil
	}
	return fmt.Appendf(nil, "%04d-%02d", b.Year, int(b.Month)), nil
}

// UnmarshalText reads what MarshalText writes.
func (b *Born) UnmarshalText(text []byte) error {
	for _, layout := range []string{"2006-01", "2006"} {
		if t, err := time.Parse(layout, string(text)); err == nil {
			*b = Born{Year: t.Year()}
			if layout == "2006-01" {
				b.Month = t.Month()
			}
			return nil
		}
	}
	return fmt.Errorf("%q is not a birth year; write 2017, or 2017-03 with the month", text)
}

// NameRule is one of a person's own rules about a name and everything below it.
type NameRule struct {
	Name  string    `json:"name"` // presentation format, lower case, no final dot
	Allow bool      `json:"allow"`
	From  time.Time `json:"from,omitzero"`
	Until time.Time `json:"until,omitzero"` // zero: for good
	Why   string    `json:"why,omitempty"`  // in the parent's words
}

// Pause stops everything but the lifeline: From ≤ t < Until, for good where
// Until is zero. The zero Pause is none.
type Pause struct {
	From  time.Time `json:"from,omitzero"`
	Until time.Time `json:"until,omitzero"`
}

// CleanName makes a name that somebody typed, or a device gave itself, fit to
// be shown: no control or invisible characters, no line breaks, single spaces,
// at most 40 characters. It may come out empty. The result is still text and no
// markup: whoever shows it escapes it.
func CleanName(s string) string { return clean(s, maxName) }

// CleanWords does the same for a sentence somebody wrote, of at most 200
// characters.
func CleanWords(s string) string { return clean(s, maxWords) }

func clean(s string, limit int) string {
	var out []rune
	space := false
	for _, r := range s {
		if unicode.IsSpace(r) {
			space = len(out) > 0
			continue
		}
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			continue // control, direction marks, zero width, private use
		}
		if space {
			out, space = append(out, ' '), false
		}
		if len(out) >= limit {
			break
		}
		out = append(out, r)
	}
	return strings.TrimSpace(string(out[:min(len(out), limit)]))
}

// sameName compares names as people do.
func sameName(a, b string) bool { return strings.EqualFold(CleanName(a), CleanName(b)) }

// names are the IDs of the bands, for an error.
func (t *Bands) names() string {
	var ids []string
	for _, b := range t.Bands {
		ids = append(ids, string(b.ID))
	}
	return strings.Join(ids, ", ")
}
