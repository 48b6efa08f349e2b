package web

import (
	_ "embed"
	"net/http"
	"strings"
)

//go:embed helplines.txt
var helplinesText string

// helpline is somebody who helps. Their sites are on the lifeline, so they are
// answered at night and while paused.
type helpline struct {
	Country, Name, Phone, Site string
	Report, Emergency          bool
}

// dial is the number without what people read it by.
func (h helpline) dial() string {
	return strings.ReplaceAll(strings.ReplaceAll(h.Phone, " ", ""), "-", "")
}

// helplinesDate is the day the table was gone through last.
func helplinesDate() string {
	_, rest, _ := strings.Cut(helplinesText, "\ndate: ")
	day, _, _ := strings.Cut(rest, "\n")
	return day
}

// reportAge is the age from which a child is told where illegal material is
// reported; younger ones are told to talk to somebody.
const reportAge = 13

// helplines are those of a country, and of every country where there are none.
// from is the age the reader's rules begin at.
func helplines(country string, from int) []helpline {
	var own, every []helpline
	for line := range strings.Lines(helplinesText) {
		if !strings.HasPrefix(line, "*") && (country == "" || !strings.HasPrefix(line, country)) {
			continue
		}
		f := strings.Split(strings.TrimSpace(line), "|")
		if len(f) != 5 {
			continue
		}
		for i := range f {
			f[i] = strings.TrimSpace(f[i])
		}
		h := helpline{Country: f[0], Name: f[2], Phone: f[3], Site: f[4], Report: f[1] == "report", Emergency: f[1] == "emergency"}
		if h.Report && from < reportAge {
			continue
		}
		switch f[0] {
		case country:
			own = append(own, h)
		case "*":
			every = append(every, h)
		}
	}
	if len(own) > 0 {
		return own
	}
	return every
}

// countryOf is the house's country, or the one the browser's language names.
func (s *Server) countryOf(r *http.Request) string {
	if s.country != "" {
		return s.country
	}
	first, _, _ := strings.Cut(r.Header.Get("Accept-Language"), ",")
	if _, region, ok := strings.Cut(first, "-"); ok && len(region) == 2 {
		return strings.ToUpper(region)
	}
	return ""
}
