package main

import (
	"strings"
	"testing"
)

// TestDidYouMean: what was mistyped is proposed, and what is far from everything
// is not guessed at.
func TestDidYouMean(t *testing.T) {
	list := []string{"people", "devices", "serve", "tiktok", "url", "id"}
	for word, want := range map[string]string{
		"peple": "people", "device": "devices", "sevre": "serve", "tictok": "tiktok", "ulr": "url", "i": "id", "deivces": "devices",
		"frobnicate": "", "": "", "peeeeople": "people", "x": "", "topic": "", "servants": "",
	} {
		got := didYouMean(word, list, "look there")
		if want == "" && got != "look there" || want != "" && !strings.Contains(got, `"`+want+`"`) {
			t.Errorf("%q: %s", word, got)
		}
	}
}
