package catalogue

import (
	"strconv"
	"strings"
	"time"
)

// AboutFile is the file in which an edition speaks of itself, a "key: value" on
// each line; all of them may be missing:
//
//	title: Example Telecom
//	number: 7            rises with each edition
//	expires: 2027-06-30  the last day on which it may be taken
//	services: some       the built-in ones stay beside these; "all": these replace them
const AboutFile = "edition.txt"

// ParseAbout reads an AboutFile. An error names its line.
func ParseAbout(text string) (About, error) {
	var a About
	number := 0
	for raw := range strings.Lines(text) {
		number++
		key, value, ok := strings.Cut(strings.TrimSpace(raw), ":")
		if value = strings.TrimSpace(value); key == "" || key[0] == '#' {
			continue
		}
		wrong := func(format string, args ...any) (About, error) {
			return About{}, errorAt(AboutFile, number, format, args...)
		}
		var err error
		switch {
		case !ok:
			return wrong("it is written “key: value”")
		case key == "title":
			if a.Title = value; !isTitle(value) {
				return wrong("a title has 1 to %d bytes of printable text", maxTitle)
			}
		case key == "number":
			if a.Number, err = strconv.ParseUint(value, 10, 63); err != nil || a.Number == 0 {
				return wrong("%q is not a whole number from 1 on", value)
			}
		case key == "expires":
			day, err := time.Parse(time.DateOnly, value)
			if err != nil {
				return wrong("%q is not a date such as 2027-06-30", value)
			}
			a.Expires = day.AddDate(0, 0, 1) // it may be taken on that day, too
		case key == "services" && (value == "all" || value == "some"):
			a.Partial = value == "some"
		case key == "services":
			return wrong("services is all or some, not %q", value)
		default:
			return wrong("there is no key %q; it is title, number, expires or services", key)
		}
	}
	return a, nil
}
