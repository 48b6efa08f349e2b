package household

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/treehouse-dns/treehouse/blocklists/catalogue"
	"github.com/treehouse-dns/treehouse/filter"
)

// compiled is the catalogue as a trie.
func compiled(t testing.TB) *filter.Trie {
	t.Helper()
	topics := catalogue.Topics()
	index := map[string]filter.TopicID{}
	for i, topic := range topics {
		index[topic.ID] = filter.TopicID(i)
	}
	var entries []filter.Entry
	catalogue.Entries(func(id string, name filter.Name, mode filter.Mode) bool {
		entries = append(entries, filter.Entry{Name: name, Topic: index[id], Mode: mode})
		return true
	})
	slices.SortStableFunc(entries, func(a, b filter.Entry) int { return a.Name.Compare(b.Name) })
	var buf bytes.Buffer
	if _, err := filter.BuildTrie(&buf, topics, func(yield func(filter.Entry) bool) error {
		for _, e := range entries {
			if !yield(e) {
				break
			}
		}
		return nil
	}, filter.BuildOptions{}); err != nil {
		t.Fatal(err)
	}
	trie, err := filter.OpenTrie(buf.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return trie
}

// monday is a Monday at noon.
var monday = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// TestSampleAnswersAlikeAtEveryHour: within the first day the clock plays no
// part; after it, the bedtimes do.
func TestSampleAnswersAlikeAtEveryHour(t *testing.T) {
	h := Sample(monday, DefaultBands(), time.UTC)
	snap := filter.NewSnapshot(compiled(t), nil, h.Policies())
	who := h.Clients(nil)
	ana, ben, maria := netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("127.0.0.3"), netip.MustParseAddr("127.0.0.4")
	stranger := netip.MustParseAddr("127.0.0.9")
	decide := func(from netip.Addr, name string, at time.Time) filter.Verdict {
		return snap.Decide(who.Identify(from, nil), filter.MustName(name), at)
	}
	for _, c := range []struct {
		name                      string
		ana, ben, maria, stranger filter.Rule
	}{
		{"www.adult.example", filter.RuleCategory, filter.RuleCategory, filter.RuleNone, filter.RuleCategory},
		{"www.tiktok.com", filter.RuleService, filter.RuleNone, filter.RuleNone, filter.RuleService},
		{"games.example", filter.RuleService, filter.RuleNone, filter.RuleNone, 0},
		{"www.google.com", filter.RuleSafeSearch, filter.RuleSafeSearch, filter.RuleNone, filter.RuleSafeSearch},
		{"www.youtube.com", filter.RuleSafeSearch, filter.RuleSafeSearch, filter.RuleNone, filter.RuleSafeSearch},
		{"www.wikipedia.org", filter.RuleNone, filter.RuleNone, filter.RuleNone, filter.RuleNone},
		{"malware.example", filter.RuleCategory, filter.RuleCategory, filter.RuleCategory, filter.RuleCategory},
		{"www.childline.org.uk", filter.RuleLifeline, filter.RuleLifeline, filter.RuleLifeline, filter.RuleLifeline},
	} {
		for hour := range 24 {
			at := monday.Add(time.Duration(hour) * time.Hour)
			for from, want := range map[netip.Addr]filter.Rule{ana: c.ana, ben: c.ben, maria: c.maria, stranger: c.stranger} {
				got := decide(from, c.name, at)
				if from == stranger && (want == 0 || got.Rule == filter.RuleBedtime) {
					continue // the default profile keeps its night
				}
				if from == ana && c.name == "www.youtube.com" && got.Rule == filter.RuleAllow {
					t.Error("a service that is on must still be in safe mode")
				}
				if got.Rule != want {
					t.Errorf("%s for %s at %s: %s, want %s", c.name, from, at.Format("15:04"), got.Rule, want)
				}
			}
		}
	}
	saturday := time.Date(2026, 11, 28, 21, 30, 0, 0, time.UTC)
	if v := decide(ana, "www.wikipedia.org", saturday); v.Rule != filter.RuleBedtime || !v.Until.Equal(time.Date(2026, 11, 29, 6, 30, 0, 0, time.UTC)) {
		t.Errorf("Ana on Saturday at 21:30: %s until %s, want bedtime until 06:30", v.Rule, v.Until)
	}
	if v := decide(ben, "www.wikipedia.org", saturday); v.Rule != filter.RuleNone {
		t.Errorf("Ben on Saturday at 21:30: %s", v.Rule)
	}
	if v := snap.DecideAt(who.Identify(ana, nil), filter.MustName("www.youtube.com"), monday); string(v.Target) != string(filter.MustName("restrict.youtube.com")) {
		t.Errorf("Ana's YouTube is %s", v.Target)
	}
}

func TestIdentifyDoesNotAllocate(t *testing.T) {
	who := Sample(monday, DefaultBands(), nil).Clients(nil)
	mapped := netip.MustParseAddr("::ffff:127.0.0.3")
	mac := []byte{2, 0, 0, 0, 0, 1}
	if n := testing.AllocsPerRun(100, func() {
		if who.Identify(mapped, nil).Policy != 2 || who.Identify(mapped, mac).Policy != 0 {
			t.Error("wrong client")
		}
	}); n != 0 {
		t.Errorf("%v allocations a query", n)
	}
}

func BenchmarkDefaultBands(b *testing.B) {
	for b.Loop() {
		DefaultBands()
	}
}
