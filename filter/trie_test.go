package filter

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// emulated is true where 32 bits tell that this is most likely a router's
// processor played by another one, and patience is short.
const emulated = strconv.IntSize == 32

// entriesOf yields entries, which it sorts.
func entriesOf(entries []Entry) Entries {
	slices.SortStableFunc(entries, func(a, b Entry) int { return a.Name.Compare(b.Name) })
	return func(yield func(Entry) bool) error {
		for _, e := range entries {
			if !yield(e) {
				break
			}
		}
		return nil
	}
}

// build builds a trie and opens it.
func build(t testing.TB, topics []Topic, entries []Entry, opt BuildOptions) (*Trie, BuildStats) {
	t.Helper()
	var b bytes.Buffer
	stats, err := BuildTrie(&b, topics, entriesOf(entries), opt)
	if err != nil {
		t.Fatal(err)
	}
	trie, err := OpenTrie(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if stats.Bytes != int64(b.Len()) {
		t.Fatalf("%d bytes written, BuildStats says %d", b.Len(), stats.Bytes)
	}
	return trie, stats
}

// agree asks trie and twin the same.
func agree(t testing.TB, trie *Trie, w twin, n Name) {
	t.Helper()
	m := trie.Lookup(n)
	topics, length := w.lookup(n)
	if !slices.Equal(trie.Set(m.Set), topics) || int(m.Len) != length {
		t.Fatalf("%s: the trie says %v by %d bytes, its twin %v by %d", n, trie.Set(m.Set), m.Len, topics, length)
	}
}

// randomName draws from few labels, so that names meet.
func randomName(r *rand.Rand) Name {
	var n Name
	for range 1 + r.IntN(5) {
		label := fmt.Sprintf("%c%s", 'a'+r.IntN(6), strings.Repeat("-", r.IntN(2)*r.IntN(12)))
		n = append(append(n, byte(len(label))), label...)
	}
	return append(n, 0)
}

func randomEntry(r *rand.Rand, topics []Topic) Entry {
	e := Entry{Name: randomName(r), Topic: TopicID(r.IntN(len(topics))), Mode: Mode(r.IntN(3))}
	switch r.IntN(6) {
	case 0:
		e.Mode |= Important
	case 1:
		e.Mode = Witness
	}
	if e.Mode&^Important == Except && r.IntN(3) == 0 {
		e.Topic = AnyCategory
	}
	return e
}

func TestTrieAgreesWithTwin(t *testing.T) {
	seeds := uint64(300)
	if emulated {
		seeds = 60
	}
	for seed := range seeds {
		r := rand.New(rand.NewPCG(seed, 1))
		entries := make([]Entry, r.IntN(300))
		for i := range entries {
			entries[i] = randomEntry(r, testTopics)
		}
		trie, _ := build(t, testTopics, entries, BuildOptions{Seed: seed})
		w := newTwin(testTopics, entries)
		for _, e := range entries {
			agree(t, trie, w, e.Name)
		}
		for range 1000 {
			agree(t, trie, w, randomName(r))
		}
	}
}

// TestTrieBelowCom asks below com, whose node a trie has at hand, where com is
// listed, an inner node, and not there.
func TestTrieBelowCom(t *testing.T) {
	for _, entries := range [][]Entry{
		{{MustName("com"), adult, Exact}, {MustName("a.com"), ads, Suffix}},
		{{MustName("com"), adult, Suffix}, {MustName("a.com"), adult, Except}},
		{{MustName("a.com"), ads, Suffix}},
		{{MustName("a.net"), ads, Suffix}, {MustName("com.net"), ads, Exact}},
	} {
		trie, _ := build(t, testTopics, entries, BuildOptions{})
		w := newTwin(testTopics, entries)
		for _, name := range []string{"com", "a.com", "b.a.com", "b.com", "com.com", "com.net", "a.com.net", "acom"} {
			agree(t, trie, w, MustName(name))
		}
	}
}

// TestTrieOfManySets has nearly as many sets as names, so that codes are long
// and lie far from where a group's codes start.
func TestTrieOfManySets(t *testing.T) {
	var topics []Topic
	for i := range 60 {
		topics = append(topics, Topic{ID: fmt.Sprint(i), Kind: KindService})
	}
	r := rand.New(rand.NewPCG(16, 16))
	var entries []Entry
	for _, e := range scatter(4000, 16) {
		for range 1 + r.IntN(4) {
			entries = append(entries, Entry{e.Name, TopicID(r.IntN(len(topics))), Mode(r.IntN(2))})
		}
	}
	trie, stats := build(t, topics, entries, BuildOptions{})
	w := newTwin(topics, entries)
	for _, e := range entries {
		agree(t, trie, w, e.Name)
	}
	far := 0
	for g := range groupsOf(0, trie.buckets) {
		if trie.segments[0].coldGroup(g)[2] == farCode {
			far++
		}
	}
	if stats.Sets < 2000 || far == 0 {
		t.Errorf("%d sets, %d groups whose codes lie far: the test shows nothing", stats.Sets, far)
	}
}

// TestTrieNameLimits asks for names of 127 labels, and of 63 bytes in a label.
func TestTrieNameLimits(t *testing.T) {
	long := MustName(strings.Repeat("a.", 127))
	wide := MustName(strings.Repeat("b", 63) + "." + strings.Repeat("c", 63) + "." + strings.Repeat("d", 63) + "." + strings.Repeat("e", 61))
	if long.Labels() != MaxLabels || len(wide) != MaxNameLen {
		t.Fatal(long.Labels(), len(wide))
	}
	var entries []Entry
	for _, n := range []Name{long, wide} {
		for i := 0; len(n) > 1; n = n.Parent() {
			entries = append(entries, Entry{n, TopicID(i % 2), []Mode{Suffix, Exact, Except}[i%3]})
			i++
		}
	}
	for l := 1; l <= MaxLabelLen; l++ {
		entries = append(entries, Entry{MustName(strings.Repeat("x", l)), adult, Suffix})
	}
	trie, _ := build(t, testTopics, entries, BuildOptions{})
	w := newTwin(testTopics, entries)
	for _, e := range entries {
		agree(t, trie, w, e.Name)
		agree(t, trie, w, e.Name.Parent())
	}
	for l := 1; l <= MaxLabelLen; l++ {
		agree(t, trie, w, MustName(strings.Repeat("x", l)+"."+strings.Repeat("x", MaxLabelLen+1-l)))
	}
	if m := trie.Lookup(nil); m != (Match{}) {
		t.Errorf("no name matches %v", m)
	}
	if m := trie.Lookup(root); m != (Match{}) {
		t.Errorf("the root matches %v", m)
	}
}

func TestTrieHoldsItsTables(t *testing.T) {
	topics := slices.Clone(testTopics)
	topics[ads].Title = strings.Repeat("é", 127)
	trie, stats := build(t, topics, []Entry{
		{MustName("a.example"), ads, Suffix}, {MustName("b.a.example"), ads, Suffix}, {MustName("c.example"), tiktok, Suffix},
		{MustName("top.example"), 0, Witness},
	}, BuildOptions{})
	if trie.Topics() != len(topics) {
		t.Fatalf("%d topics, want %d", trie.Topics(), len(topics))
	}
	for i, want := range topics {
		if got := trie.Topic(TopicID(i)); got != want {
			t.Errorf("topic %d is %+v, want %+v", i, got, want)
		}
	}
	if trie.Sets() != 3 || len(trie.Set(0)) != 0 {
		t.Errorf("%d sets, the first %v; want 3, the first empty", trie.Sets(), trie.Set(0))
	}
	want := BuildStats{Names: 3, Nodes: 2, Inner: 1, Covered: 1, Sets: 3, Passes: 2, Bytes: stats.Bytes}
	if stats != want || trie.Names() != 3 || int64(trie.Size()) != stats.Bytes {
		t.Errorf("built %+v, want %+v; the trie has %d names in %d bytes", stats, want, trie.Names(), trie.Size())
	}
}

func TestBuildRefuses(t *testing.T) {
	good := []Entry{{MustName("a.example"), adult, Suffix}}
	many := make([]Topic, maxTopics+1)
	for i := range many {
		many[i] = Topic{ID: fmt.Sprint(i), Kind: KindService}
	}
	for _, c := range []struct {
		why     string
		topics  []Topic
		entries []Entry
	}{
		{"unknown topic", testTopics, []Entry{{MustName("a.example"), 99, Suffix}}},
		{"AnyCategory in a block", testTopics, []Entry{{MustName("a.example"), AnyCategory, Suffix}}},
		{"unknown mode", testTopics, []Entry{{MustName("a.example"), adult, 9}}},
		{"root", testTopics, []Entry{{root, adult, Suffix}}},
		{"no name", testTopics, []Entry{{nil, adult, Suffix}}},
		{"descending", testTopics, []Entry{{MustName("b.example"), adult, Suffix}, {MustName("a.example"), adult, Suffix}}},
		{"parent after child", testTopics, []Entry{{MustName("b.example"), adult, Suffix}, {MustName("example"), adult, Suffix}}},
		{"too many topics", many, good},
		{"topic without ID", []Topic{{Kind: KindCategory}}, good},
		{"topic twice", []Topic{testTopics[0], testTopics[0]}, good},
		{"topic of no kind", []Topic{{ID: "x"}}, good},
		{"long ID", []Topic{{ID: strings.Repeat("x", 64), Kind: KindCategory}}, good},
		{"long group", []Topic{{ID: "x", Kind: KindService, Group: strings.Repeat("x", 64)}}, good},
		{"long title", []Topic{{ID: "x", Kind: KindService, Title: strings.Repeat("x", 256)}}, good},
		{"safe search without target", []Topic{{ID: "x", Kind: KindSafeSearch}}, good},
		{"bad target", []Topic{{ID: "x", Kind: KindSafeSearch, Target: "a..b"}}, good},
		{"root as target", []Topic{{ID: "x", Kind: KindSafeSearch, Target: "."}}, good},
		{"target of another kind", []Topic{{ID: "x", Kind: KindCategory, Target: "a.example"}}, good},
	} {
		_, err := BuildTrie(io.Discard, c.topics, func(yield func(Entry) bool) error {
			for _, e := range c.entries {
				if !yield(e) {
					return nil
				}
			}
			return nil
		}, BuildOptions{})
		if err == nil {
			t.Errorf("%s: the builder takes it", c.why)
		}
	}
	mixed := func(yield func(Entry) bool) error { // every name in another set
		for i := range 100_000 {
			n := MustName(fmt.Sprintf("n%06d", i))
			for bit := range 17 {
				if i>>bit&1 != 0 && !yield(Entry{n, TopicID(bit), Suffix}) {
					return nil
				}
			}
		}
		return nil
	}
	if _, err := BuildTrie(io.Discard, many[:17], mixed, BuildOptions{}); !errors.Is(err, errSets) {
		t.Errorf("100,000 different sets: %v", err)
	}
	times := 0
	changing := func(yield func(Entry) bool) error {
		times++
		for i := range times {
			yield(Entry{MustName(fmt.Sprintf("n%d", i)), adult, Suffix})
		}
		return nil
	}
	if _, err := BuildTrie(io.Discard, testTopics, changing, BuildOptions{}); !errors.Is(err, errChanged) {
		t.Errorf("entries that change: %v", err)
	}
	broken := errors.New("the disk is gone")
	_, err := BuildTrie(io.Discard, testTopics, func(func(Entry) bool) error { return broken }, BuildOptions{})
	if !errors.Is(err, broken) {
		t.Errorf("entries fail with %v, the build with %v", broken, err)
	}
}

// scatter makes n names of a few thousand second-level domains, some two deep.
func scatter(n int, seed uint64) []Entry {
	r := rand.New(rand.NewPCG(seed, 2))
	entries := make([]Entry, n)
	for i := range entries {
		s := fmt.Sprintf("d%d.%c%c", r.IntN(5*n), 'a'+r.IntN(26), 'a'+r.IntN(3))
		if r.IntN(4) == 0 {
			s = fmt.Sprintf("w%d.", r.IntN(100)) + s
		}
		entries[i] = Entry{MustName(s), TopicID(r.IntN(3) * r.IntN(2)), Suffix}
	}
	return entries
}

// TestBytesWhateverMemory builds with little and with much memory.
func TestBytesWhateverMemory(t *testing.T) {
	entries := entriesOf(scatter(100_000, 1))
	var want []byte
	for _, memory := range []int{1, 4 << 20, 0, 256 << 20} {
		var b bytes.Buffer
		stats, err := BuildTrie(&b, testTopics, entries, BuildOptions{Memory: memory})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%d bytes: %d passes", memory, stats.Passes)
		if want == nil {
			want = b.Bytes()
			if stats.Passes < 3 {
				t.Errorf("with one byte of memory it took %d passes", stats.Passes)
			}
		}
		if !bytes.Equal(b.Bytes(), want) {
			t.Errorf("%d bytes of memory build another trie", memory)
		}
	}
}

// TestSameBytesEverywhere builds what was built when version 1 was laid down,
// on whatever processor this is.
func TestSameBytesEverywhere(t *testing.T) {
	trie, _ := build(t, testTopics, scatter(5000, 15), BuildOptions{Seed: 15})
	const want = "942d9020664e8b23c19b6760d360a73dae0dd19b77605afbaaa656b08daf2823"
	if got := fmt.Sprintf("%x", sha256.Sum256(trie.file)); got != want {
		t.Errorf("the bytes have changed: %s; a changed format needs another version", got)
	}
}

// TestCollisionsAreBuiltAway shortens hashes until names collide in every
// build, and looks for a salt that keeps them apart.
func TestCollisionsAreBuiltAway(t *testing.T) {
	const mask = 0xff0000ff // 16 bits: some 0.4 equal pairs in 26,000 names
	entries := scatter(20_000, 3)
	for i := range entries {
		if i%5 == 0 {
			entries[i].Mode, entries[i].Topic = Witness, 0
		}
	}
	w := newTwin(testTopics, entries)
	resalts := 0
	for seed := range uint64(10) {
		trie, stats := build(t, testTopics, entries, BuildOptions{Seed: seed, fingerprint: mask})
		trie.mask = mask
		resalts += stats.Resalts
		for _, e := range entries {
			agree(t, trie, w, e.Name)
		}
	}
	if resalts == 0 {
		t.Error("no build had to be made again: the test shows nothing")
	}
	t.Logf("%d of 10 builds made again", resalts)
}

// TestWrongPositives counts strangers that are taken for names, with 8 hot and
// few cold bits, and compares with the formula: valued nodes to a bucket, times
// 2 to the minus bits, a probe.
func TestWrongPositives(t *testing.T) {
	trie, stats := build(t, testTopics, scatter(50_000, 4), BuildOptions{})
	const probes = 1_000_000
	for _, cold := range []int{0, 2, 4} {
		trie.mask = 1<<cold - 1
		wrong := 0
		r := rand.New(rand.NewPCG(5, 5))
		for range probes {
			if v, there := trie.find(r.Uint64()); there && v != inner {
				wrong++
			}
		}
		want := float64(probes) * float64(stats.Nodes) / float64(trie.buckets) / float64(int(1)<<(8+cold))
		t.Logf("%d bits: %d wrong positives, %.0f expected", 8+cold, wrong, want)
		if d := float64(wrong) - want; d*d > 25*want { // five standard deviations
			t.Errorf("%d bits: %d wrong positives, %.0f expected", 8+cold, wrong, want)
		}
	}
}

func TestLookupAllocatesNothing(t *testing.T) {
	trie, _ := build(t, testTopics, scatter(1000, 6), BuildOptions{})
	hit, miss := MustName("www.d1.aa"), MustName("www.example.com")
	if n := testing.AllocsPerRun(1000, func() { trie.Lookup(hit); trie.Lookup(miss) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// realNames opens one of the lists of real names that lie beside the repository.
func realNames(t testing.TB, path string) []Name {
	shared := os.Getenv("TREEHOUSE_SHARED")
	if shared == "" {
		shared = "../../shared"
	}
	f, err := os.Open(filepath.Join(shared, "data", path))
	if err != nil {
		t.Skip("there are no real names here:", err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var names []Name
	for s := bufio.NewScanner(z); s.Scan(); {
		n, err := ParseName(s.Text())
		if err != nil {
			t.Fatalf("%s: %q: %v", path, s.Text(), err)
		}
		names = append(names, n)
	}
	return names
}

// TestRealNames asks for every real name, and for top sites.
func TestRealNames(t *testing.T) {
	path := "scale/domains-1m.txt.gz"
	if testing.Short() || emulated {
		path = "scale/domains-100k.txt.gz"
	}
	listed, sites := realNames(t, path), realNames(t, "queries/top-sites-65k.txt.gz")
	entries := make([]Entry, 0, len(listed)+len(sites))
	for i, n := range listed {
		entries = append(entries, Entry{n, TopicID(i % 4 * (i % 3) % 3), Suffix})
	}
	for _, n := range sites {
		entries = append(entries, Entry{n, 0, Witness})
	}
	trie, stats := build(t, testTopics, entries, BuildOptions{})
	t.Logf("%+v, %.2f bytes a name", stats, float64(stats.Bytes)/float64(stats.Names))
	w := newTwin(testTopics, entries)
	for _, n := range listed {
		agree(t, trie, w, n)
	}
	for _, n := range sites {
		agree(t, trie, w, n)
	}
}
