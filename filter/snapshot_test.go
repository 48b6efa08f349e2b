package filter

import (
	"bytes"
	"slices"
	"testing"
	"time"
)

// trieOf builds a trie from entries in any order.
func trieOf(t testing.TB, topics []Topic, entries ...Entry) *Trie {
	t.Helper()
	slices.SortStableFunc(entries, func(a, b Entry) int { return a.Name.Compare(b.Name) })
	var buf bytes.Buffer
	_, err := BuildTrie(&buf, topics, func(yield func(Entry) bool) error {
		for _, e := range entries {
			if !yield(e) {
				break
			}
		}
		return nil
	}, BuildOptions{})
	if err != nil {
		t.Fatal(err)
	}
	trie, err := OpenTrie(buf.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return trie
}

const (
	adult TopicID = iota
	ads
	tiktok
	help
	kids
	google
)

var testTopics = []Topic{
	adult:  {ID: "adult", Kind: KindCategory},
	ads:    {ID: "ads", Kind: KindCategory},
	tiktok: {ID: "tiktok", Kind: KindService, Group: "social"},
	help:   {ID: "helplines", Kind: KindLifeline},
	kids:   {ID: "kids", Kind: KindListed},
	google: {ID: "google", Kind: KindSafeSearch, Target: "forcesafesearch.google.com"},
}

func testTrie(t testing.TB) *Trie {
	e := func(name string, topic TopicID, mode Mode) Entry { return Entry{MustName(name), topic, mode} }
	return trieOf(t, testTopics,
		e("adult.example", adult, Suffix), e("health.adult.example", AnyCategory, Except),
		e("worse.health.adult.example", adult, Suffix), e("tiktok.example", tiktok, Suffix),
		e("ads.tiktok.example", ads, Suffix), e("help.example", help, Suffix),
		e("help.adult.example", help, Suffix), e("kids.example", kids, Suffix),
		e("www.google.example", google, Exact), e("exact.example", adult, Exact))
}

// TestAnsweringOrder holds the order of the package comment, a line per rule.
func TestAnsweringOrder(t *testing.T) {
	noon := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) // a Monday
	night := Schedule{Windows: []Window{{EveryDay, 20 * 60, 6*60 + 30}}}
	child := Policy{
		ID: 1, Supervised: true, Bedtime: night,
		Allow:  []NameRule{{Name: MustName("good.adult.example")}, {Name: MustName("granted.example"), When: &Span{noon, noon.Add(time.Hour)}}},
		Block:  []NameRule{{Name: MustName("mine.example")}, {Name: MustName("bad.good.adult.example")}},
		Topics: []TopicRule{{Topic: "adult"}, {Topic: "google"}, {Group: "social", When: &Schedule{Windows: []Window{{EveryDay, 720, 780}}}}},
	}
	small := Policy{ID: 2, Supervised: true, OnlyListed: true, Topics: []TopicRule{{Topic: "kids"}, {Topic: "google"}}}
	paused := Policy{ID: 3, Paused: Span{From: noon}}
	free := Policy{ID: 4}
	snap := NewSnapshot(testTrie(t), nil, []Policy{{ID: 0, Topics: []TopicRule{{Topic: "adult"}}}, child, small, paused, free})

	for _, c := range []struct {
		policy PolicyID
		at     time.Duration // after noon
		name   string
		action Action
		rule   Rule
	}{
		{1, 0, "www.adult.example", Block, RuleCategory},
		{4, 0, "www.adult.example", Pass, RuleNone},
		{0, 0, "www.adult.example", Block, RuleCategory},
		{99, 0, "www.adult.example", Block, RuleCategory}, // unknown: the default profile
		{1, 0, "help.adult.example", Pass, RuleLifeline},
		{1, 9 * time.Hour, "help.adult.example", Pass, RuleLifeline},
		{3, 0, "help.example", Pass, RuleLifeline},
		{3, 0, "anything.example", Block, RulePaused},
		{1, 9 * time.Hour, "good.adult.example", Block, RuleBedtime},
		{1, 18*time.Hour + 30*time.Minute, "good.adult.example", Pass, RuleAllow}, // 06:30: awake
		{1, 0, "www.good.adult.example", Pass, RuleAllow},
		{1, 0, "bad.good.adult.example", Pass, RuleAllow}, // an allow rule comes before a block rule
		{1, 0, "granted.example", Pass, RuleAllow},
		{1, time.Hour, "granted.example", Pass, RuleNone},
		{1, 0, "x.mine.example", Block, RuleBlock},
		{1, 0, "tiktok.example", Block, RuleService},
		{1, time.Hour, "tiktok.example", Pass, RuleNone}, // 13:00: the window has ended
		{1, 0, "www.health.adult.example", Pass, RuleNone},
		{1, 0, "worse.health.adult.example", Block, RuleCategory},
		{1, 0, "exact.example", Block, RuleCategory},
		{1, 0, "below.exact.example", Pass, RuleNone},
		{1, 0, "www.google.example", Rewrite, RuleSafeSearch},
		{2, 0, "www.kids.example", Pass, RuleNone},
		{2, 0, "www.google.example", Block, RuleAllowList},
		{2, 0, "example.com", Block, RuleAllowList},
		{2, 0, "help.example", Pass, RuleLifeline},
	} {
		v := snap.Decide(Client{c.policy}, MustName(c.name), noon.Add(c.at))
		if v.Action != c.action || v.Rule != c.rule {
			t.Errorf("policy %d at %s, %s: %s by %s, want %s by %s", c.policy, noon.Add(c.at).Format("15:04"), c.name, v.Action, v.Rule, c.action, c.rule)
		}
	}
}

// TestAllowedServices: a service that is on is let through its group and
// through allow-list mode, and still meets categories and safe search.
func TestAllowedServices(t *testing.T) {
	topics := []Topic{
		{ID: "one", Kind: KindService, Group: "social"}, {ID: "two", Kind: KindService, Group: "social"},
		{ID: "adult", Kind: KindCategory}, {ID: "safe", Kind: KindSafeSearch, Target: "safe.example"},
	}
	e := func(name string, topic TopicID) Entry { return Entry{MustName(name), topic, Suffix} }
	trie := trieOf(t, topics, e("one.example", 0), e("two.example", 1), e("adult.one.example", 2), e("search.one.example", 3))
	noon := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	until := Schedule{Always: true, Except: []Span{{From: noon.Add(time.Hour)}}}
	group := []TopicRule{{Group: "social"}, {Topic: "adult"}, {Topic: "safe"}}
	snap := NewSnapshot(trie, nil, []Policy{
		{ID: 0, Topics: append([]TopicRule{{Topic: "one", Allow: true, When: &until}}, group...)},
		{ID: 1, Topics: append([]TopicRule{{Topic: "one", Allow: true}}, group...), OnlyListed: true},
	})
	for _, c := range []struct {
		policy PolicyID
		after  time.Duration
		name   string
		rule   Rule
	}{
		{0, 0, "www.one.example", RuleAllow}, {0, time.Hour, "www.one.example", RuleService}, {0, 0, "two.example", RuleService},
		{0, 0, "adult.one.example", RuleCategory}, {0, 0, "search.one.example", RuleSafeSearch}, {0, time.Hour, "search.one.example", RuleService},
		{1, 0, "one.example", RuleAllow}, {1, 0, "two.example", RuleService}, {1, 0, "other.example", RuleAllowList},
		{1, 0, "search.one.example", RuleSafeSearch}, {1, 0, "adult.one.example", RuleCategory},
	} {
		v := snap.Decide(Client{c.policy}, MustName(c.name), noon.Add(c.after))
		if v.HasTopic {
			about, ok := snap.Policy(Client{c.policy}).RuleAbout(trie.Topic(v.Topic), noon.Add(c.after))
			if !ok || about.Allow != (v.Rule == RuleAllow) || !about.matches(trie.Topic(v.Topic)) {
				t.Errorf("%s is decided by %s and RuleAbout says %+v", c.name, v.Rule, about)
			}
		}
		if v.Rule != c.rule {
			t.Errorf("policy %d, %v later: %s is decided by %s, want %s", c.policy, c.after, c.name, v.Rule, c.rule)
		}
	}
}

// TestZeroIsNever: a zero Schedule or Span never applies, wherever it stands; a
// rule without one always does.
func TestZeroIsNever(t *testing.T) {
	trie := trieOf(t, []Topic{{ID: "adult", Kind: KindCategory}}, Entry{MustName("adult.example"), 0, Suffix})
	own := NameRule{Name: MustName("own.example")}
	never := NameRule{Name: own.Name, When: new(Span)}
	snap := NewSnapshot(trie, nil, []Policy{
		{ID: 0, Topics: []TopicRule{{Topic: "adult", When: new(Schedule)}}, Block: []NameRule{never}},
		{ID: 1, Topics: []TopicRule{{Topic: "adult"}}, Block: []NameRule{own}},
	})
	for _, at := range []time.Time{{}, time.Unix(0, 0), time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)} {
		for _, name := range []string{"adult.example", "own.example"} {
			if v := snap.DecideAt(Client{0}, MustName(name), at); v.Rule != RuleNone {
				t.Errorf("%s at %s: %s by a rule that never applies", name, at, v.Rule)
			}
			if v := snap.DecideAt(Client{1}, MustName(name), at); v.Action != Block {
				t.Errorf("%s at %s: passes a rule that always applies", name, at)
			}
		}
	}
}
