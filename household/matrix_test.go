package household

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/treehouse-dns/treehouse/blocklists/catalogue"
	"github.com/treehouse-dns/treehouse/filter"
)

var update = flag.Bool("update", false, "write testdata/matrix.txt from what the code does now; then read the difference")

// matrixHours are the moments of the matrix: a school day, its night, a free day.
var matrixHours = []struct {
	title string
	at    time.Time
}{
	{"Wed 10:00", time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC)},
	{"Wed 16:00", time.Date(2026, 11, 25, 16, 0, 0, 0, time.UTC)},
	{"Wed 19:45", time.Date(2026, 11, 25, 19, 45, 0, 0, time.UTC)},
	{"Wed 20:30", time.Date(2026, 11, 25, 20, 30, 0, 0, time.UTC)},
	{"Wed 21:30", time.Date(2026, 11, 25, 21, 30, 0, 0, time.UTC)},
	{"Wed 23:00", time.Date(2026, 11, 25, 23, 0, 0, 0, time.UTC)},
	{"Sat 10:00", time.Date(2026, 11, 28, 10, 0, 0, 0, time.UTC)},
}

// TestMatrix is the golden matrix: every band, category and service group at
// every hour that matters, against a file that a person can read.
func TestMatrix(t *testing.T) {
	const file = "testdata/matrix.txt"
	got := matrix(t)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	gotLines, wantLines := strings.Split(got, "\n"), strings.Split(string(want), "\n")
	for i := range max(len(gotLines), len(wantLines)) {
		var g, w string
		if i < len(gotLines) {
			g = gotLines[i]
		}
		if i < len(wantLines) {
			w = wantLines[i]
		}
		if g != w {
			t.Errorf("%s line %d:\n got %s\nwant %s", file, i+1, g, w)
		}
	}
}

func matrix(t *testing.T) string {
	bands := DefaultBands()
	h := New(bands, time.UTC)
	for _, b := range bands.Bands {
		if _, err := h.AddPerson(Person{Name: string(b.ID), Band: b.ID}); err != nil {
			t.Fatal(err)
		}
	}
	snap := filter.NewSnapshot(compiled(t), nil, h.Policies())

	var out strings.Builder
	out.WriteString(`# What each age band is answered, by category and service group, at some hours.
# Written by the test (go test ./household -run Matrix -update) and read by
# people: every change of a default shows here, line by line.
#
#   +  answered                    s  answered with the safe host
#   .  no, because of what it is   -  no, it is not on the list
#   z  no, it is bedtime
#
# One character for each of these hours, all in one week without holidays:
#  `)
	for _, hour := range matrixHours {
		out.WriteString(" " + hour.title)
	}
	out.WriteString("\n")
	section := ""
	for _, row := range matrixRows() {
		if row.section != section {
			section = row.section
			fmt.Fprintf(&out, "\n%-40s", "# "+section)
			for i, b := range bands.Bands {
				width := len(matrixHours)
				if i == len(bands.Bands)-1 {
					width = 0 // no spaces at the end of a line
				}
				fmt.Fprintf(&out, "  %-*s", width, b.ID)
			}
			out.WriteString("\n")
		}
		fmt.Fprintf(&out, "%-40s", row.title)
		for _, p := range h.People {
			out.WriteString("  ")
			for _, hour := range matrixHours {
				out.WriteByte(answer(snap.DecideAt(filter.Client{Policy: p.ID}, row.name, hour.at)))
			}
		}
		out.WriteString("\n")
	}
	return out.String()
}

// answer is one verdict as one character.
func answer(v filter.Verdict) byte {
	switch {
	case v.Rule == filter.RuleBedtime:
		return 'z'
	case v.Rule == filter.RuleAllowList:
		return '-'
	case v.Action == filter.Rewrite:
		return 's'
	case v.Action == filter.Block:
		return '.'
	}
	return '+'
}

type matrixRow struct {
	section, title string
	name           filter.Name
}

// matrixRows are one name for each category, group and special topic: the first
// name of the first topic of its kind.
func matrixRows() []matrixRow {
	var rows []matrixRow
	topics := map[string]filter.Topic{}
	for _, topic := range catalogue.Topics() {
		topics[topic.ID] = topic
	}
	seen := map[string]bool{}
	catalogue.Entries(func(id string, name filter.Name, mode filter.Mode) bool {
		topic := topics[id]
		key := topic.Kind.String() + topic.Group
		switch topic.Kind {
		case filter.KindCategory, filter.KindSafeSearch, filter.KindLifeline, filter.KindListed:
			key += id
		}
		if seen[key] {
			return true
		}
		seen[key] = true
		section := map[filter.Kind]string{
			filter.KindCategory: "categories", filter.KindService: "service groups", filter.KindSafeSearch: "search and YouTube",
			filter.KindLifeline: "lifeline", filter.KindListed: "listed",
		}[topic.Kind]
		title := id
		if topic.Group != "" {
			title = topic.Group + " (" + topic.Title + ")"
		}
		rows = append(rows, matrixRow{section, title, name})
		return true
	})
	return append(rows,
		matrixRow{"single names", "wikipedia.org, in no list", filter.MustName("wikipedia.org")},
		matrixRow{"single names", "youtube.com, a service", filter.MustName("youtube.com")},
		matrixRow{"single names", "youtubekids.com, a service", filter.MustName("www.youtubekids.com")},
		matrixRow{"single names", "classroom.google.com, a service", filter.MustName("classroom.google.com")})
}
