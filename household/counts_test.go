package household

import (
	"encoding/json"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/treehouse-dns/treehouse/filter"
	"github.com/treehouse-dns/treehouse/store"
)

// TestCountsKeepOnlyWhatMayBeSeen: by category for a small child, one number for
// a teenager, nothing for an adult, and no name anywhere in the file.
func TestCountsKeepOnlyWhatMayBeSeen(t *testing.T) {
	now := monday
	file, err := store.Open(filepath.Join(t.TempDir(), "household.db"), store.Options{})
	must(t, err)
	f, err := Open(file, Options{Now: func() time.Time { return now }})
	must(t, err)
	must(t, f.Change(func(h *Household) error { h.BeginSample(now); h.SetCountingForAll(true); return nil }))
	trie := compiled(t)
	snap := filter.NewSnapshot(trie, nil, f.Household().Policies())
	var tally Tally
	tally.Observe(filter.Client{Policy: 1}, filter.Verdict{Rule: filter.RuleBlock}) // before Bind: nothing
	tally.Bind(f.Household(), trie)
	ask := func(id filter.PolicyID, name string, times int) {
		for range times {
			tally.Observe(filter.Client{Policy: id}, snap.Decide(filter.Client{Policy: id}, filter.MustName(name), now))
		}
	}
	ask(1, "adult.example", 3)
	ask(1, "tiktok.com", 2)
	ask(1, "wikipedia.org", 5)
	tally.Bind(f.Household(), trie) // new lists in between
	ask(2, "adult.example", 4)
	ask(3, "malware.example", 5)
	ask(0, "adult.example", 6)
	ask(99, "adult.example", 7)

	must(t, f.FlushCounts(&tally))
	before := file.BytesWritten()
	must(t, f.FlushCounts(&tally))
	if file.BytesWritten() != before {
		t.Error("nothing was counted and something was written")
	}
	weeks := func(id filter.PolicyID) []Week {
		w, err := f.Weeks(id)
		must(t, err)
		return w
	}
	if w := weeks(1); len(w) != 1 || w[0].Week != "2026-W48" || w[0].Blocked != 5 || w[0].Topics["adult"] != 3 || w[0].Topics["tiktok"] != 2 || len(w[0].Topics) != 2 {
		t.Errorf("Ana: %+v", w)
	}
	if w := weeks(2); len(w) != 1 || w[0].Blocked != 4 || w[0].Topics != nil {
		t.Errorf("Ben: %+v", w)
	}
	if w := weeks(3); w != nil {
		t.Errorf("Maria: %+v", w)
	}
	must(t, file.View(func(tx *store.Tx) error {
		return tx.Bucket(bucketCounts).Each(nil, func(key, value []byte) bool {
			if want := map[string]string{"2026-W48 0000000001": `{"blocked":5,"topics":{"adult":3,"tiktok":2}}`, "2026-W48 0000000002": `{"blocked":4}`}[string(key)]; want != string(value) {
				t.Errorf("the file has %s: %s", key, value)
			}
			return true
		})
	}))

	// It adds up within a week, and only five weeks are kept.
	ask(1, "adult.example", 1)
	must(t, f.FlushCounts(&tally))
	if w := weeks(1); w[0].Blocked != 6 || w[0].Topics["adult"] != 4 {
		t.Errorf("Ana, later: %+v", w)
	}
	for range 8 {
		now = now.AddDate(0, 0, 7)
		ask(1, "adult.example", 1)
		must(t, f.FlushCounts(&tally))
	}
	if w := weeks(2); w != nil {
		t.Errorf("Ben's counts of last year: %+v", w)
	}
	if w := weeks(1); len(w) != keptWeeks || w[0].Week != "2027-W03" {
		t.Errorf("%d weeks, the latest %s", len(w), w[0].Week)
	}
	// Who moves to a band that shows less is shown less, of the past too.
	must(t, f.Change(func(h *Household) error { return h.SetBand(1, "16-17") }))
	if w := weeks(1); w != nil {
		t.Errorf("at 16 a parent still sees %+v", w)
	}
	must(t, file.View(func(tx *store.Tx) error {
		return tx.Bucket(bucketCounts).Each(nil, func(key, _ []byte) bool {
			t.Errorf("and the file still has %s", key)
			return true
		})
	}))
}

// TestCountingIsOff until a parent turns it on, for one or for all; off again,
// nothing is left, neither in memory nor in the file.
func TestCountingIsOff(t *testing.T) {
	f := openFamily(t, filepath.Join(t.TempDir(), "household.db"))
	must(t, f.Change(func(h *Household) error { h.BeginSample(monday); return nil }))
	trie := compiled(t)
	v := filter.NewSnapshot(trie, nil, f.Household().Policies()).Decide(filter.Client{Policy: 1}, filter.MustName("adult.example"), monday)
	var tally Tally
	count := func() (written int) {
		t.Helper()
		tally.Bind(f.Household(), trie)
		for id := range filter.PolicyID(4) {
			tally.Observe(filter.Client{Policy: id}, v)
		}
		if got, want := tally.Unwritten(1).Blocked > 0, f.Household().Counted(*f.Household().Person(1)) != SeesNothing; got != want {
			t.Errorf("Ana is counted in memory: %t", got)
		}
		must(t, f.FlushCounts(&tally))
		must(t, f.file.View(func(tx *store.Tx) error {
			return tx.Bucket(bucketCounts).Each(nil, func(_, _ []byte) bool { written++; return true })
		}))
		return written
	}
	set := func(change func(h *Household) error) { t.Helper(); must(t, f.Change(change)) }
	if n := count(); n != 0 {
		t.Errorf("%d were counted before anybody asked for it", n)
	}
	set(func(h *Household) error { return h.SetCounting(1, true) })
	if n := count(); n != 1 {
		t.Errorf("%d were counted, and only Ana should be", n)
	}
	set(func(h *Household) error { h.SetCountingForAll(true); return nil })
	if n := count(); n != 2 {
		t.Errorf("%d were counted, and Ana and Ben should be", n)
	}
	set(func(h *Household) error { return h.SetCounting(1, false) })
	if n := count(); n != 1 {
		t.Errorf("%d are counted after Ana's was turned off", n)
	}
	if w, err := f.Weeks(1); err != nil || w != nil {
		t.Errorf("and her weeks are %+v, %v", w, err)
	}
	tally.Observe(filter.Client{Policy: 2}, v) // and is not written before it is turned off
	set(func(h *Household) error { h.SetCountingForAll(false); return nil })
	if n := count(); n != 0 {
		t.Errorf("%d are counted after it was turned off", n)
	}
	set(func(h *Household) error { h.SetCountingForAll(true); return nil })
	if tally.Bind(f.Household(), trie); tally.Unwritten(2).Blocked != 0 {
		t.Error("what was counted before comes back")
	}
	if err := f.Change(func(h *Household) error { return h.SetCounting(3, true) }); err == nil {
		t.Error("an adult is counted")
	}
}

// TestObserveFromEverywhere: no count is lost between queries and new lists, and
// counting allocates nothing.
func TestObserveFromEverywhere(t *testing.T) {
	h := Sample(monday, DefaultBands(), nil)
	h.SetCountingForAll(true)
	trie := compiled(t)
	v := filter.NewSnapshot(trie, nil, h.Policies()).Decide(filter.Client{Policy: 1}, filter.MustName("adult.example"), monday)
	var tally Tally
	tally.Bind(h, trie)
	if n := testing.AllocsPerRun(99, func() { tally.Observe(filter.Client{Policy: 1}, v) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 1000 {
				tally.Observe(filter.Client{Policy: 1}, v)
			}
		})
	}
	wg.Wait()
	tally.Bind(h, trie)
	if c := tally.take()[1]; c.Blocked != 4100 || c.Topics["adult"] != 4100 {
		t.Errorf("%+v", c)
	}
}

// TestCountsEndWithTheFamily: what was counted and not yet written of a family that
// is erased comes up under nobody's name in the next one.
func TestCountsEndWithTheFamily(t *testing.T) {
	file, err := store.Open(filepath.Join(t.TempDir(), "household.db"), store.Options{})
	must(t, err)
	f, err := Open(file, Options{Now: func() time.Time { return monday }})
	must(t, err)
	trie := compiled(t)
	var tally Tally
	block := func(id filter.PolicyID) {
		tally.Bind(f.Household(), trie)
		tally.Observe(filter.Client{Policy: id}, filter.Verdict{Rule: filter.RuleBlock})
	}
	begin := func(name string) {
		must(t, f.Change(func(h *Household) error {
			must(t, json.Unmarshal([]byte(`{"counted":true}`), &h.Settings))
			_, err := h.AddPerson(Person{Name: name, Band: "6-9"})
			return err
		}))
	}
	written := func() (keys []string) {
		must(t, file.View(func(tx *store.Tx) error {
			return tx.Bucket(bucketCounts).Each(nil, func(key, _ []byte) bool {
				keys = append(keys, string(key))
				return true
			})
		}))
		return keys
	}

	begin("Ana")
	begin("Ben")
	block(2)
	must(t, f.Erase())
	tally.Bind(f.Household(), trie)
	begin("Zoe")
	tally.Bind(f.Household(), trie)
	must(t, f.FlushCounts(&tally))
	begin("Kim") // who is number 2 now
	tally.Bind(f.Household(), trie)
	must(t, f.FlushCounts(&tally))
	if keys := written(); keys != nil {
		t.Errorf("of an erased family: %q", keys)
	}
	block(2)
	must(t, f.FlushCounts(&tally))
	if keys := written(); len(keys) != 1 {
		t.Errorf("of the family that lives here now: %q", keys)
	}

	// Erased and begun anew in one breath.
	block(1)
	block(2)
	must(t, f.Erase())
	begin("Eve") // and nobody has bound meanwhile
	tally.Bind(f.Household(), trie)
	must(t, f.FlushCounts(&tally))
	if keys := written(); keys != nil {
		t.Errorf("and in one breath: %q", keys)
	}
}
