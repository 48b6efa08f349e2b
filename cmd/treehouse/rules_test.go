package main

import (
	"strings"
	"testing"

	"github.com/treehouse-dns/treehouse/household"
)

// TestPrintRequests: one without an answer waits; "open" would read as a yes.
func TestPrintRequests(t *testing.T) {
	h := &household.Household{Requests: []household.Request{{ID: 1, Site: "puzzles.example"}, {ID: 2, Of: "night", Length: 1}}}
	var out strings.Builder
	printRequests(&out, h)
	for _, want := range []string{"puzzles.example", "1 minute of night", "waiting"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it does not say %q:\n%s", want, out.String())
		}
	}
}
