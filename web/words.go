package web

import (
	"bytes"
	"compress/gzip"
	"embed"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

//go:embed words/*.txt
var wordFiles embed.FS

// tongue is one language the pages speak.
type tongue struct {
	Tag  string // BCP 47, and the file's name in words/
	Name string // in the language itself
	RTL  bool
	// plural gives the form of a count, by the rules of Unicode CLDR for whole
	// numbers.
	plural func(n int) string
}

// tongues are the languages, in the order they are offered in.
func tongues() []tongue {
	return []tongue{
		{"en", "English", false, pluralOne},
		{"es", "Español", false, pluralOne},
		{"fr", "Français", false, pluralZeroOne},
		{"de", "Deutsch", false, pluralOne},
		{"pt-BR", "Português (Brasil)", false, pluralZeroOne},
		{"ar", "العربية", true, pluralArabic},
		{"ru", "Русский", false, pluralRussian},
		{"zh-Hans", "简体中文", false, func(int) string { return "other" }},
		{"hi", "हिन्दी", false, pluralZeroOne},
	}
}

func pluralOne(n int) string {
	if n == 1 {
		return "one"
	}
	return "other"
}

func pluralZeroOne(n int) string {
	if n == 0 || n == 1 {
		return "one"
	}
	return "other"
}

func pluralRussian(n int) string {
	switch {
	case n%10 == 1 && n%100 != 11:
		return "one"
	case n%10 >= 2 && n%10 <= 4 && (n%100 < 12 || n%100 > 14):
		return "few"
	}
	return "many"
}

func pluralArabic(n int) string {
	switch {
	case n == 0:
		return "zero"
	case n == 1:
		return "one"
	case n == 2:
		return "two"
	case n%100 >= 3 && n%100 <= 10:
		return "few"
	case n%100 >= 11:
		return "many"
	}
	return "other"
}

// words are the texts of one language. Immutable.
type words struct {
	tongue
	texts map[string]string
}

// dictionary has the words of all languages; each is read when it is first
// asked for, because a family speaks one or two (about 60 KiB each).
type dictionary struct {
	tongues []tongue
	once    []sync.Once
	words   []*words
	house   int // the house's own language
}

func newDictionary(house string) (*dictionary, error) {
	d := &dictionary{tongues: tongues()}
	d.once, d.words = make([]sync.Once, len(d.tongues)), make([]*words, len(d.tongues))
	if house == "" {
		house = "en"
	}
	d.house = slices.IndexFunc(d.tongues, func(t tongue) bool { return strings.EqualFold(t.Tag, house) })
	if d.house < 0 {
		return nil, fmt.Errorf("there are no pages in the language %q", house)
	}
	return d, nil
}

// in gives the words of the tongue number i.
func (d *dictionary) in(i int) *words {
	d.once[i].Do(func() {
		text, err := wordFiles.ReadFile("words/" + d.tongues[i].Tag + ".txt")
		if err != nil {
			panic(err) // embedded, and a test reads each
		}
		if text, err = unpackWords(text); err != nil {
			panic(err)
		}
		texts, err := parseWords(string(text))
		if err != nil {
			panic(err)
		}
		d.words[i] = &words{d.tongues[i], texts}
	})
	return d.words[i]
}

// unpackWords unpacks the words where the build has packed them
// (deploy/small/small.mk).
func unpackWords(text []byte) ([]byte, error) {
	if !bytes.HasPrefix(text, []byte("\x1f\x8b")) { // gzip, RFC 1952 §2.3.1
		return text, nil
	}
	packed, err := gzip.NewReader(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(packed)
}

// parseWords reads lines of "key = text", "key[one] = text" for a count, and
// comments. A key in quotation marks is an English sentence of the age bands.
func parseWords(text string) (map[string]string, error) {
	texts := make(map[string]string, strings.Count(text, "\n"))
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		key, value, ok := strings.Cut(line, " = ")
		if !ok || value == "" {
			return nil, fmt.Errorf("words, line %d: write key = text", number)
		}
		key = strings.Trim(key, `"`)
		if _, twice := texts[key]; twice {
			return nil, fmt.Errorf("words, line %d: %s is there twice", number, key)
		}
		texts[key] = value
	}
	return texts, nil
}

// languageCookie keeps the language a visitor chose on this browser.
const languageCookie = "treehouse-language"

// choose is the language of a request: chosen on this browser, else what the
// browser asks for, else the house's.
func (d *dictionary) choose(r *http.Request) *words {
	if c, err := r.Cookie(cookieName(r, languageCookie)); err == nil {
		if i := d.index(c.Value); i >= 0 {
			return d.in(i)
		}
	}
	best, weight := d.house, 0.0
	for part := range strings.SplitSeq(r.Header.Get("Accept-Language"), ",") {
		tag, q, _ := strings.Cut(strings.TrimSpace(part), ";q=")
		w := 1.0
		if q != "" {
			if w, _ = strconv.ParseFloat(q, 64); !(w > 0 && w <= 1) {
				continue
			}
		}
		if i := d.index(tag); i >= 0 && w > weight {
			best, weight = i, w
		}
	}
	return d.in(best)
}

// index finds a tag, or the language it is a variety of: "de-AT" is "de".
func (d *dictionary) index(tag string) int {
	for i, t := range d.tongues {
		if strings.EqualFold(t.Tag, tag) {
			return i
		}
	}
	main, _, _ := strings.Cut(tag, "-")
	for i, t := range d.tongues {
		if base, _, _ := strings.Cut(t.Tag, "-"); strings.EqualFold(base, main) {
			return i
		}
	}
	return -1
}

// T is the text of a key, with {name} replaced by what follows it in pairs. A
// key without a text is shown as it is; a test keeps that from happening, and
// sentences that a family's own band table brings are shown so on purpose.
func (w *words) T(key string, pairs ...any) string {
	text, ok := w.texts[key]
	if !ok {
		return key
	}
	return w.fill(text, pairs)
}

// Has tells whether there is a text for the key.
func (w *words) Has(key string) bool { _, ok := w.texts[key]; return ok }

// N is the text for a count, in the form the language has for it; {n} is the count.
func (w *words) N(key string, n int, pairs ...any) string {
	text, ok := w.texts[key+"["+w.plural(n)+"]"]
	if !ok {
		text = w.texts[key+"[other]"]
	}
	return w.fill(text, append(pairs[:len(pairs):len(pairs)], "n", n))
}

// fill puts the values in. In a right-to-left language each is set apart
// (U+2068, U+2069), so that a Latin name does not turn the sentence round.
func (w *words) fill(text string, pairs []any) string {
	if len(pairs) == 0 || !strings.Contains(text, "{") {
		return text
	}
	var b strings.Builder
	for text != "" {
		before, rest, ok := strings.Cut(text, "{")
		b.WriteString(before)
		if !ok {
			break
		}
		name, after, _ := strings.Cut(rest, "}")
		for i := 0; i+1 < len(pairs); i += 2 {
			if pairs[i] != name {
				continue
			}
			switch v := pairs[i+1].(type) {
			case int:
				b.WriteString(strconv.Itoa(v))
			case string:
				if w.RTL && !strings.Contains(v, "\u2068") { // a text of our own runs as the sentence does
					b.WriteString("\u2068" + v + "\u2069")
				} else {
					b.WriteString(v)
				}
			}
		}
		text = after
	}
	return b.String()
}

// Clock is a time of day as the language writes it.
func (w *words) Clock(t time.Time) string {
	if w.texts["clock"] == "12" {
		half := w.T("clock.am")
		if t.Hour() >= 12 {
			half = w.T("clock.pm")
		}
		return t.Format("3:04") + "\u00a0" + half
	}
	return t.Format("15:04")
}

// Day is a date in words: "Saturday, 28 November".
func (w *words) Day(t time.Time) string {
	return w.T("date", "weekday", w.Weekday(t.Weekday()), "day", t.Day(), "month", w.T("month."+strconv.Itoa(int(t.Month()))))
}

// Weekday is the name of a day of the week.
func (w *words) Weekday(d time.Weekday) string { return w.T("weekday." + strconv.Itoa(int(d))) }

// When is "at 20:00", "tomorrow at 06:30", "on Saturday at 09:00", or with the
// date. Both times are in the house's zone.
func (w *words) When(t, now time.Time) string { return w.moment("when", t, now) }

// Until is the same with until: "until 20:00", "until 06:30 tomorrow".
func (w *words) Until(t, now time.Time) string { return w.moment("until", t, now) }

func (w *words) moment(key string, t, now time.Time) string {
	day := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, now.Location())
	switch {
	case !t.Before(day) && t.Before(day.AddDate(0, 0, 1)):
		return w.T(key+".today", "time", w.Clock(t))
	case !t.Before(day) && t.Before(day.AddDate(0, 0, 2)):
		return w.T(key+".tomorrow", "time", w.Clock(t))
	case !t.Before(day) && t.Before(day.AddDate(0, 0, 7)):
		return w.T(key+".week", "day", w.Weekday(t.Weekday()), "time", w.Clock(t))
	}
	return w.T(key+".date", "day", w.Day(t), "time", w.Clock(t))
}

// Ago is how long ago something was, coarsely.
func (w *words) Ago(t, now time.Time) string {
	switch d := now.Sub(t); {
	case d < 2*time.Minute:
		return w.T("ago.now")
	case d < time.Hour:
		return w.N("ago.minutes", int(d.Minutes()))
	case d < 24*time.Hour:
		return w.N("ago.hours", int(d.Hours()))
	default:
		return w.N("ago.days", int(d.Hours()/24))
	}
}
