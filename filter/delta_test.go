package filter

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// patched makes a delta from a to b, applies it, and gives its length.
func patched(t testing.TB, a, b *Trie) int {
	t.Helper()
	var delta, out bytes.Buffer
	if err := MakeDelta(&delta, a, b); err != nil {
		t.Fatal(err)
	}
	n := delta.Len()
	if err := ApplyDelta(&out, a, &delta); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(out.Bytes(), b.file) {
		t.Fatal("a and the delta make something else than b")
	}
	return n
}

// churn takes a share of the entries out and puts as many new ones in.
func churn(entries []Entry, share float64, seed uint64, fresh func(i int) Name) []Entry {
	r := rand.New(rand.NewPCG(seed, 3))
	next := slices.Clone(entries)
	for range int(share * float64(len(entries))) {
		i := r.IntN(len(next))
		next[i] = Entry{Name: fresh(r.IntN(1 << 30)), Topic: next[i].Topic}
	}
	return next
}

func TestDelta(t *testing.T) {
	entries := scatter(40_000, 8) // more than one segment holds
	a, _ := build(t, testTopics, entries, BuildOptions{Seed: 8})
	fresh := func(i int) Name { return MustName(fmt.Sprintf("new%d.xx", i)) }
	topics := append(slices.Clone(testTopics), Topic{ID: "new", Kind: KindService})
	slices.Reverse(topics) // every TopicID becomes another one, and means the same
	renamed := func(entries []Entry) []Entry {
		entries = slices.Clone(entries)
		for i := range entries {
			entries[i].Topic = TopicID(len(topics)-1) - entries[i].Topic
		}
		return entries
	}
	for i, next := range [][]Entry{
		entries, nil, entries[:1], churn(entries, 0.001, 1, fresh), churn(entries, 0.5, 2, fresh),
		entries[:30_000], append(scatter(1000, 10), entries...),
	} {
		for _, table := range [][]Topic{testTopics, topics} {
			entries := slices.Clone(next)
			if len(table) == len(topics) {
				entries = renamed(next)
			}
			b, _ := build(t, table, entries, BuildOptions{Like: a})
			if len(next) < 20_000 {
				if err := MakeDelta(io.Discard, a, b); !errors.Is(err, ErrDeltaApart) {
					t.Errorf("%d: a delta between snapshots of other sizes: %v", i, err)
				}
				continue
			}
			t.Logf("%d: a delta of %d bytes makes a snapshot of %d", i, patched(t, a, b), b.Size())
		}
	}
}

// TestDeltaChangesSalt patches a segment that had to be made again.
func TestDeltaChangesSalt(t *testing.T) {
	const mask = 0xff0000ff
	entries := scatter(20_000, 3)
	salted := false
	for seed := uint64(20); !salted && seed < 50; seed++ {
		a, _ := build(t, testTopics, slices.Clone(entries[:19_500]), BuildOptions{Seed: seed, fingerprint: mask})
		b, _ := build(t, testTopics, slices.Clone(entries), BuildOptions{Like: a, fingerprint: mask})
		if salted = a.segments[0].salt != b.segments[0].salt; salted {
			t.Logf("seed %d: a delta of %d bytes", seed, patched(t, a, b))
		}
	}
	if !salted {
		t.Error("no salt changed: the test shows nothing")
	}
}

func TestApplyDeltaRefuses(t *testing.T) {
	entries := scatter(1000, 11)
	a, _ := build(t, testTopics, entries, BuildOptions{})
	b, _ := build(t, testTopics, churn(entries, 0.1, 1, func(i int) Name { return MustName(fmt.Sprintf("n%d.xx", i)) }), BuildOptions{Like: a})
	other, _ := build(t, testTopics, entries, BuildOptions{Seed: 1})
	var buf bytes.Buffer
	if err := MakeDelta(&buf, a, b); err != nil {
		t.Fatal(err)
	}
	delta := buf.Bytes()
	if err := ApplyDelta(io.Discard, other, bytes.NewReader(delta)); !errors.Is(err, ErrDeltaBase) {
		t.Errorf("applied to another snapshot: %v", err)
	}
	for n := range len(delta) {
		if err := ApplyDelta(io.Discard, a, bytes.NewReader(delta[:n])); !errors.Is(err, ErrDelta) {
			t.Fatalf("cut after %d bytes: %v", n, err)
		}
	}
	r := rand.New(rand.NewPCG(1, 1))
	for range 500 {
		bad := bytes.Clone(delta)
		bad[r.IntN(len(bad))] ^= 1 << r.IntN(8)
		var out bytes.Buffer
		if err := ApplyDelta(&out, a, bytes.NewReader(bad)); err == nil && !bytes.Equal(out.Bytes(), b.file) {
			t.Fatal("a damaged delta makes another snapshot")
		}
	}
}

// FuzzApplyDelta gives hostile deltas to a snapshot they name.
func FuzzApplyDelta(f *testing.F) {
	entries := scatter(300, 11)
	a, _ := build(f, testTopics, entries, BuildOptions{})
	b, _ := build(f, testTopics, churn(entries, 0.1, 1, func(i int) Name { return MustName(fmt.Sprintf("n%d.xx", i)) }), BuildOptions{Like: a})
	var delta bytes.Buffer
	if err := MakeDelta(&delta, a, b); err != nil {
		f.Fatal(err)
	}
	f.Add(delta.Bytes())
	f.Add(delta.Bytes()[:40])
	f.Fuzz(func(t *testing.T, delta []byte) {
		var out bytes.Buffer
		if ApplyDelta(&out, a, bytes.NewReader(delta)) == nil {
			if trie, err := OpenTrie(out.Bytes()); err == nil {
				trie.Lookup(MustName("a.b.c"))
			}
		}
	})
}

// listedIn reads the names of a real list: a UT1 tarball or lines that start
// with an adblock mark.
func listedIn(t testing.TB, path string) []Entry {
	shared := os.Getenv("TREEHOUSE_SHARED")
	if shared == "" {
		shared = "../../shared"
	}
	f, err := os.Open(filepath.Join(shared, "data/lists", path))
	if err != nil {
		t.Skip("there are no real lists here:", err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var text []byte
	if strings.HasSuffix(path, ".tar.gz") {
		for files := tar.NewReader(z); ; {
			h, err := files.Next()
			if err != nil {
				break
			}
			if filepath.Base(h.Name) == "domains" {
				if text, err = io.ReadAll(files); err != nil {
					t.Fatal(err)
				}
			}
		}
	} else if text, err = io.ReadAll(z); err != nil {
		t.Fatal(err)
	}
	var entries []Entry
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(line), "||"), "^")
		if n, err := ParseName(line); err == nil && !strings.HasPrefix(line, "!") && !n.IsRoot() {
			entries = append(entries, Entry{n, adult, Suffix})
		}
	}
	return entries
}

// TestDeltaOfRealLists holds the budgets of a day and of a week, which are in
// bytes and so may be a test.
func TestDeltaOfRealLists(t *testing.T) {
	for _, c := range []struct {
		list   string
		share  float64 // of the names that go, and as many come
		budget int     // bytes
	}{
		{"hagezi/adblock-light.txt.gz", 0.005, 8 << 10}, // a day
		{"ut1/malware.tar.gz", 0.025, 45 << 10},         // a week in which a twentieth differs
		{"ut1/malware.tar.gz", 0.05, 64 << 10},          // 38 bits a coming name are the least: 49 KB
	} {
		if emulated && c.share > 0.01 {
			continue
		}
		entries := listedIn(t, c.list)
		old := churn(entries, 0, 0, nil)
		var kept, fresh []Entry // the share that comes is taken from the list itself: real names
		r := rand.New(rand.NewPCG(1, 4))
		for _, e := range old {
			if r.Float64() < c.share/(1+c.share) {
				fresh = append(fresh, e)
			} else {
				kept = append(kept, e)
			}
		}
		next := append([]Entry(nil), fresh...)
		for _, e := range kept {
			if r.Float64() >= c.share {
				next = append(next, e)
			}
		}
		a, _ := build(t, testTopics, kept, BuildOptions{})
		b, _ := build(t, testTopics, next, BuildOptions{Like: a})
		n := patched(t, a, b)
		t.Logf("%s: %d of %d names come, %d go: a delta of %d bytes, a snapshot of %d", c.list, len(fresh), len(kept), len(kept)+len(fresh)-len(next), n, b.Size())
		if n > c.budget {
			t.Errorf("%s: %d bytes, over the budget of %d", c.list, n, c.budget)
		}
	}
}

// TestApplyDeltaMemory counts what a merge allocates in all, which is more than
// it ever holds.
func TestApplyDeltaMemory(t *testing.T) {
	entries := scatter(100_000, 12)
	a, _ := build(t, testTopics, entries, BuildOptions{})
	b, _ := build(t, testTopics, churn(entries, 0.05, 1, func(i int) Name { return MustName(fmt.Sprintf("n%d.xx", i)) }), BuildOptions{Like: a})
	var delta bytes.Buffer
	if err := MakeDelta(&delta, a, b); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := ApplyDelta(io.Discard, a, &delta); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	allocated := after.TotalAlloc - before.TotalAlloc
	t.Logf("%d bytes allocated for a snapshot of %d", allocated, b.Size())
	if allocated > 2<<20 {
		t.Errorf("%d bytes allocated", allocated)
	}
}
