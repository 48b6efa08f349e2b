package web

import (
	"bytes"
	"compress/gzip"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/treehouse-dns/treehouse/blocklists/catalogue"
	"github.com/treehouse-dns/treehouse/filter"
	"github.com/treehouse-dns/treehouse/household"
)

var (
	placeholder = regexp.MustCompile(`\{[a-z]+\}`)
	pluralForm  = regexp.MustCompile(`\[(zero|one|two|few|many|other)\]$`)
)

func allWords(t testing.TB) []*words {
	t.Helper()
	d, err := newDictionary("en")
	if err != nil {
		t.Fatal(err)
	}
	var all []*words
	for i := range d.tongues {
		all = append(all, d.in(i))
	}
	return all
}

// sentences are the reasons of the age bands, which every other language has a
// translation of under the English sentence.
func sentences() []string {
	seen := map[string]bool{}
	bands := household.DefaultBands()
	for _, b := range bands.Bands {
		for _, r := range slices.Concat(bands.Reasons(b), b.On, b.Notice) {
			seen[r.Why] = true
		}
		for _, t := range b.Timed {
			seen[t.Why] = true
		}
		seen[b.Night.Why] = true
	}
	for _, p := range household.Sample(time.Now(), bands, nil).Policies() {
		for _, r := range p.Topics {
			seen[r.Why] = true
		}
	}
	seen["It is homework time."], seen["A parent chose this for you."] = true, true
	delete(seen, "")
	var all []string
	for s := range seen {
		all = append(all, s)
	}
	slices.Sort(all)
	return all
}

// TestNothingIsMissing: every language has every text of English, with the same
// placeholders and all its plural forms, and no text that English has not.
func TestNothingIsMissing(t *testing.T) {
	all := allWords(t)
	english := all[0]
	for _, w := range all[1:] {
		for key, text := range english.texts {
			if pluralForm.MatchString(key) {
				continue
			}
			theirs, ok := w.texts[key]
			if !ok {
				t.Errorf("%s: %s is missing", w.Tag, key)
				continue
			}
			if a, b := marks(text), marks(theirs); !slices.Equal(a, b) {
				t.Errorf("%s: %s has %v, English has %v", w.Tag, key, b, a)
			}
		}
		for _, s := range sentences() {
			if !w.Has(s) {
				t.Errorf("%s: no words for %q", w.Tag, s)
			}
		}
	}
	for _, w := range all {
		forms := map[string]bool{}
		for n := range 200 {
			forms[w.plural(n)] = true
		}
		for key := range english.texts {
			stem := pluralForm.ReplaceAllString(key, "")
			if stem == key {
				continue
			}
			for form := range forms {
				if text, ok := w.texts[stem+"["+form+"]"]; !ok {
					t.Errorf("%s: %s[%s] is missing", w.Tag, stem, form)
				} else if more := strings.ReplaceAll(strings.Join(marks(text), ""), "{n}", ""); more != strings.ReplaceAll(strings.Join(marks(english.texts[stem+"[other]"]), ""), "{n}", "") {
					t.Errorf("%s: %s[%s] has other placeholders than English", w.Tag, stem, form)
				}
			}
		}
		for key := range w.texts {
			_, known := english.texts[key]
			if !known && !pluralForm.MatchString(key) && !slices.Contains(sentences(), key) {
				t.Errorf("%s: nobody asks for %q", w.Tag, key)
			}
		}
	}
}

func marks(text string) []string {
	found := placeholder.FindAllString(text, -1)
	slices.Sort(found)
	return slices.Compact(found)
}

// TestEverySubjectHasAName: each group, and each category of the bands.
func TestEverySubjectHasAName(t *testing.T) {
	w := allWords(t)[0]
	bands := household.DefaultBands()
	own := map[string]bool{} // services have their own names
	for _, topic := range catalogue.Topics() {
		own["topic."+topic.ID] = topic.Kind == filter.KindService
	}
	for _, b := range bands.Bands {
		if !w.Has("band." + string(b.ID)) {
			t.Errorf("no words for the band %s", b.ID)
		}
		for _, r := range bands.Reasons(b) {
			if key := strings.Replace("topic."+r.Subject(), "topic."+household.GroupPrefix, "group.", 1); !w.Has(key) && !own[key] {
				t.Errorf("no words for %s", key)
			}
		}
	}
	for _, topic := range catalogue.Topics() {
		if topic.Kind == filter.KindService && !w.Has("group."+topic.Group) {
			t.Errorf("no words for the group %s", topic.Group)
		}
	}
}

// TestHouseWords: how it speaks. Nobody is denied anything here.
func TestHouseWords(t *testing.T) {
	for key, text := range allWords(t)[0].texts {
		for _, word := range []string{"denied", "forbidden", "violation", "illegal content", "warning", "unauthorized", "must not", "caught", "error:"} {
			if strings.Contains(strings.ToLower(text), word) {
				t.Errorf("%s says %q", key, word)
			}
		}
	}
}

// TestReadingAge holds English to the age of its readers, after Flesch and
// Kincaid: a grade is five years less than an age.
func TestReadingAge(t *testing.T) {
	w := allWords(t)[0]
	for _, c := range []struct {
		who      string
		age      float64
		prefixes []string
	}{
		{"a child who tests", 9, []string{"probe.", "cannot."}},
		{"children", 9, []string{"mine.", "told.", "ask.", "rules.", "rule.", "sees.", "answer.", "ticket.", "why.", "help.text", "did.asked", "learn.0-5", "learn.6-9", "learn.10-12", "probe."}},
		{"parents", 12, []string{"around.", "setup.", "child.", "family.", "login.", "passphrase.", "cannot.", "trouble.", "person.", "parent.", "devices.", "confirm.", "band.", "learn.carers", "learn.agree", "learn.13-15", "learn.16-17", "activity.", "log.", "report."}},
	} {
		var text strings.Builder
		for key, s := range w.texts {
			for _, p := range c.prefixes {
				if strings.HasPrefix(key, p) {
					text.WriteString(placeholder.ReplaceAllString(s, "Ana") + ". ")
				}
			}
		}
		if c.who == "children" {
			text.WriteString(strings.Join(sentences(), " "))
		}
		if age := grade(text.String()) + 5; age > c.age {
			t.Errorf("the words for %s want an age of %.1f, the limit is %.0f", c.who, age, c.age)
		} else {
			t.Logf("%s: reading age %.1f", c.who, age)
		}
	}
	if hard := grade("The implementation necessitates comprehensive administrative authorisation. ") + 5; hard < 15 {
		t.Errorf("the test would not notice hard words: %.1f", hard)
	}
}

// grade is the Flesch–Kincaid grade level.
func grade(text string) float64 {
	sentences, count, syllables := 0.0, 0.0, 0.0
	for _, sentence := range regexp.MustCompile(`[.!?]+`).Split(text, -1) {
		words := regexp.MustCompile(`[A-Za-z’']+`).FindAllString(sentence, -1)
		if len(words) == 0 {
			continue
		}
		sentences++
		for _, word := range words {
			count++
			syllables += float64(syllablesOf(word))
		}
	}
	return 0.39*count/sentences + 11.8*syllables/count - 15.59
}

func syllablesOf(word string) int {
	word = strings.ToLower(strings.Trim(word, "’'"))
	n := len(regexp.MustCompile(`[aeiouy]+`).FindAllString(word, -1))
	if strings.HasSuffix(word, "e") && !strings.HasSuffix(word, "le") || strings.HasSuffix(word, "ed") && !strings.HasSuffix(word, "ted") && !strings.HasSuffix(word, "ded") {
		n--
	}
	return int(math.Max(1, float64(n)))
}

func TestPlurals(t *testing.T) {
	for tag, want := range map[string]string{"en": "other one other other", "fr": "one one other other", "ru": "many one few many", "ar": "zero one two few", "zh-Hans": "other other other other"} {
		for _, w := range allWords(t) {
			if w.Tag == tag {
				if got := strings.Join([]string{w.plural(0), w.plural(1), w.plural(2), w.plural(5)}, " "); got != want {
					t.Errorf("%s: %s, want %s", tag, got, want)
				}
			}
		}
	}
	if pluralRussian(21) != "one" || pluralRussian(11) != "many" || pluralRussian(112) != "many" || pluralArabic(11) != "many" || pluralArabic(103) != "few" || pluralArabic(100) != "other" {
		t.Error("a rule of CLDR is broken")
	}
}

func TestMomentsInWords(t *testing.T) {
	w := allWords(t)[0]
	now := time.Date(2026, 11, 23, 21, 5, 0, 0, time.UTC)
	for want, at := range map[string]time.Time{
		"until 22:00":                     now.Add(55 * time.Minute),
		"until 06:30 tomorrow":            time.Date(2026, 11, 24, 6, 30, 0, 0, time.UTC),
		"until Saturday, 09:00":           time.Date(2026, 11, 28, 9, 0, 0, 0, time.UTC),
		"until Friday 25 December, 00:00": time.Date(2026, 12, 25, 0, 0, 0, 0, time.UTC),
	} {
		if got := w.Until(at, now); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := w.Ago(now.Add(-7*time.Minute), now); got != "7 minutes ago" {
		t.Error(got)
	}
}

// TestEveryAgeLearns: every band of children has a lesson, in every language
// (TestNothingIsMissing), and the page has all its parts.
func TestEveryAgeLearns(t *testing.T) {
	w := allWords(t)[0]
	for _, b := range household.DefaultBands().Bands {
		if b.Child() && !(w.Has("learn."+string(b.ID)+".1") && w.Has("learn."+string(b.ID)+".3")) {
			t.Errorf("no lesson for %s", b.ID)
		}
	}
	for _, part := range []string{"carers", "agree", "school"} {
		if !w.Has("learn."+part+".1") || !w.Has("learn."+part+".3") {
			t.Errorf("nothing for %s", part)
		}
	}
}

// TestPackedWords: a router's binary has the same words, packed.
func TestPackedWords(t *testing.T) {
	plain, err := wordFiles.ReadFile("words/ar.txt")
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write(plain); err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	for _, text := range [][]byte{plain, packed.Bytes()} {
		if got, err := unpackWords(text); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d bytes become %d: %v", len(text), len(got), err)
		}
	}
	if _, err := unpackWords(packed.Bytes()[:100]); err == nil {
		t.Error("words that are cut off pass for whole")
	}
}

// TestSetApart: in a right-to-left language a value is set apart once; around a
// date that has such values in it, a browser would find no letter to tell its
// direction by and turn the date round.
func TestSetApart(t *testing.T) {
	for _, w := range allWords(t) {
		day := w.Day(time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC))
		text := w.T("trouble.jump", "day", day, "year", 2026, "time", "16:30")
		if strings.Contains(text, "\u2068\u2068") || w.RTL != strings.Contains(text, "\u2068") || !strings.Contains(text, day) {
			t.Errorf("%s: %q", w.Tag, text)
		}
	}
}
