package blocklists

import (
	"fmt"
	"unicode/utf8"
)

// Reason is why a line of a list was not taken, as a phrase for people.
type Reason string

// The reasons.
const (
	NotAName     Reason = "not a domain name"
	IsAddress    Reason = "an IP address"
	SingleLabel  Reason = "a single label"
	PublicSuffix Reason = "a public suffix, which would block a whole registry"
	TooLong      Reason = "a name over 253 or a label over 63 bytes"
	BadIDN       Reason = "an international name without an ASCII form"
	LongLine     Reason = "a line over 4096 bytes"
	IsURL        Reason = "a URL: DNS sees the host only, and the host is not meant"
	IsPattern    Reason = "a pattern: DNS decides by whole labels"
	NotDNS       Reason = "a rule that DNS cannot express"
	NoInclude    Reason = "an include that is not in the archive"
	IsProtected  Reason = "a protected name"
	NoTopic      Reason = "a category that has no topic here"
	IsCategory   Reason = "a file about a category: that is a list for lists.sources"
	IsAnothers   Reason = "a name that is known already, or of another service, or of several"
)

// maxSamples is how many refused lines a report keeps, and maxSampleLen how
// many bytes of each: enough to see what is wrong with a list.
const (
	maxSamples   = 10
	maxSampleLen = 80
)

// Sample is a refused line, its text made safe for a terminal or a page.
type Sample struct {
	File   string `json:",omitempty"` // in an archive
	Line   int    // from 1
	Reason Reason
	Text   string
}

// Report tells what became of one source's lines.
type Report struct {
	Source     string
	Format     Format
	Lines      int            // read, comments and empty ones included
	Entries    int            // names taken, each with its mode and topic
	Duplicates int            // names that stood there before
	Topics     map[string]int // entries by topic
	Refused    map[Reason]int
	Unmapped   map[string]int `json:",omitempty"` // lines by folder or file that has no topic
	Samples    []Sample       // the first refused lines
	Added      int            // entries that the last good list did not have
	Removed    int            // entries that only the last good list had
}

// RefusedLines counts the lines that were refused for whatever reason.
func (r *Report) RefusedLines() int {
	n := 0
	for _, count := range r.Refused {
		n += count
	}
	return n
}

func (r *Report) refuse(file string, line int, reason Reason, text []byte) {
	if r.Refused == nil {
		r.Refused = map[Reason]int{}
	}
	r.Refused[reason]++
	if len(r.Samples) < maxSamples {
		r.Samples = append(r.Samples, Sample{File: printable([]byte(file)), Line: line, Reason: reason, Text: printable(text)})
	}
}

// printable is text that does nothing to a terminal, cut to maxSampleLen. Lists
// come from strangers: whatever is not printable ASCII or a letter is escaped.
func printable(text []byte) string {
	cut := len(text) > maxSampleLen
	if cut {
		text = text[:maxSampleLen]
		for len(text) > 0 && !utf8.RuneStart(text[len(text)-1]) {
			text = text[:len(text)-1] // half a letter
		}
	}
	quoted := fmt.Sprintf("%+q", text)
	if utf8.Valid(text) {
		quoted = fmt.Sprintf("%q", text)
	}
	quoted = quoted[1 : len(quoted)-1]
	if cut {
		quoted += "…"
	}
	return quoted
}
