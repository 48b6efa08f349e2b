package web

import (
	"fmt"
	"math"
	"regexp"
	"strings"
	"testing"

	"github.com/treehouse-dns/treehouse/blocklists/catalogue"
	"github.com/treehouse-dns/treehouse/filter"
)

// TestContrastForEveryHue: whatever hue a brand chooses, text keeps 4.5 to 1
// and edges 3 to 1 (WCAG 2.2, 1.4.3 and 1.4.11), light and dark.
func TestContrastForEveryHue(t *testing.T) {
	css, err := assetFiles.ReadFile("assets/style.css")
	if err != nil {
		t.Fatal(err)
	}
	light, dark, ok := strings.Cut(string(css), "@media (prefers-color-scheme: dark)")
	if !ok {
		t.Fatal("there is no dark half")
	}
	colour := regexp.MustCompile(`--([a-z]+): hsl\((var\(--hue\)|\d+) (\d+)% (\d+)%\)`)
	for half, text := range map[string]string{"light": light, "dark": dark} {
		for hue := range 360 {
			luminance := map[string]float64{}
			for _, m := range colour.FindAllStringSubmatch(text, -1) {
				if _, seen := luminance[m[1]]; seen {
					continue // the first half's, again in the rest of the file
				}
				h := float64(hue)
				if m[2] != "var(--hue)" {
					_, _ = fmt.Sscan(m[2], &h)
				}
				var s, l float64
				_, _ = fmt.Sscan(m[3], &s)
				_, _ = fmt.Sscan(m[4], &l)
				luminance[m[1]] = shine(h, s/100, l/100)
			}
			for _, pair := range []struct {
				a, b string
				want float64
			}{
				{"ink", "ground", 7}, {"ink", "card", 7}, {"ink", "glow", 7}, {"ink", "tint", 7}, {"soft", "ground", 4.5}, {"soft", "card", 4.5}, {"soft", "glow", 4.5},
				{"strong", "card", 4.5}, {"strong", "ground", 4.5}, {"strong", "tint", 4.5}, {"strong", "glow", 4.5}, {"on", "strong", 4.5}, {"edge", "card", 3}, {"edge", "ground", 3},
			} {
				x, okX := luminance[pair.a]
				y, okY := luminance[pair.b]
				if got := (math.Max(x, y) + .05) / (math.Min(x, y) + .05); !okX || !okY || got < pair.want {
					t.Fatalf("%s, hue %d: %s on %s is %.2f, want %.1f", half, hue, pair.a, pair.b, got, pair.want)
				}
			}
		}
	}
}

// shine is the relative luminance of a colour.
func shine(h, s, l float64) float64 {
	f := func(n float64) float64 {
		k := math.Mod(n+h/30, 12)
		v := l - s*math.Min(l, 1-l)*math.Max(-1, math.Min(k-3, math.Min(9-k, 1)))
		if v <= .04045 {
			return v / 12.92
		}
		return math.Pow((v+.055)/1.055, 2.4)
	}
	return .2126*f(0) + .7152*f(8) + .0722*f(4)
}

// TestScriptIsSmall: at most 3 kB as it is served, before compression.
func TestScriptIsSmall(t *testing.T) {
	js, err := assetFiles.ReadFile("assets/quick.js")
	if err != nil {
		t.Fatal(err)
	}
	served := withoutComments(js)
	if len(served) > 3000 {
		t.Errorf("the script is %d bytes", len(served))
	}
	for _, line := range []string{"document.addEventListener('submit', async e => {", "let count = 0 // of pages shown"} {
		if !strings.Contains(string(served), "\n"+line) {
			t.Errorf("more than comments was left out: %s", line)
		}
	}
}

// TestHelplinesAreOnTheLifeline: what we tell a child to open at night, opens.
func TestHelplinesAreOnTheLifeline(t *testing.T) {
	open := map[string]bool{}
	lifeline := map[string]bool{}
	for _, topic := range catalogue.Topics() {
		lifeline[topic.ID] = topic.Kind == filter.KindLifeline
	}
	catalogue.Entries(func(id string, name filter.Name, _ filter.Mode) bool {
		open[name.String()] = open[name.String()] || lifeline[id]
		return true
	})
	countries := map[string]bool{}
	for line := range strings.Lines(helplinesText) {
		if f := strings.Split(line, "|"); len(f) == 5 && !strings.HasPrefix(line, "#") {
			countries[strings.TrimSpace(f[0])] = true
		}
	}
	if len(countries) < 20 || !regexp.MustCompile(`^\d{4}-\d\d-\d\d$`).MatchString(helplinesDate()) {
		t.Errorf("%d countries, dated %q", len(countries), helplinesDate())
	}
	for country := range countries {
		lines := helplines(country, 18)
		if country == "*" {
			lines = helplines("", 18)
		}
		helps := 0
		for _, h := range lines {
			if h.Report || h.Emergency {
				continue
			}
			if helps++; h.Phone == "" && h.Site == "" {
				t.Errorf("%s: %s cannot be reached", country, h.Name)
			}
			if h.Site == "" {
				continue
			}
			name := filter.MustName(h.Site)
			for len(name) > 1 && !open[name.String()] {
				name = name.Parent()
			}
			if len(name) <= 1 {
				t.Errorf("%s: %s is not on the lifeline", country, h.Site)
			}
		}
		if helps == 0 {
			t.Errorf("%s: nobody helps", country)
		}
		for _, h := range helplines(country, 6) {
			if h.Report {
				t.Errorf("%s: a child of 6 is told of %s", country, h.Name)
			}
		}
	}
}

// FuzzLocalPath: a redirect never leaves the house.
func FuzzLocalPath(f *testing.F) {
	for _, s := range []string{"/", "//evil.example", `/\evil.example`, "/people/1?x=y", "https://evil.example", "/%2f/evil", "/\r\nX: y", "/..//evil"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		to := localPath(s)
		if !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.ContainsAny(to, "\\\r\n") {
			t.Errorf("%q leads to %q", s, to)
		}
	})
}
