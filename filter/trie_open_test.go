package filter

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math/rand/v2"
	"testing"
)

// sealed gives b, a file without its checksum, the right one.
func sealed(b []byte) []byte {
	return binary.LittleEndian.AppendUint32(bytes.Clone(b), crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
}

// visit looks into every part of a trie: whatever OpenTrie has let in must
// answer, and use only what is there.
func visit(trie *Trie, r *rand.Rand) {
	for id := range trie.Topics() {
		trie.Topic(TopicID(id))
	}
	use := func(m Match) {
		for _, t := range trie.Set(m.Set) {
			trie.Topic(t)
		}
	}
	for range 200 {
		use(trie.Lookup(randomName(r)))
	}
	for i, s := range trie.segments {
		for g := range groupsOf(i, trie.buckets) {
			for b := range groupBuckets {
				hot := s.hotGroup(g)
				first, n := hot.bucket(b)
				hot.same(first, n, 0)
				hot.valued(first)
			}
		}
		for _, n := range trie.segmentNodes(nil, i) {
			bucket := uint64(i*segmentBuckets + n.bucket())
			hi := (bucket<<32 + uint64(trie.buckets) - 1) / uint64(trie.buckets) // the lowest that falls into the bucket
			hash := hi<<32 | uint64(n.fingerprint()^uint32(hi)*s.salt)
			if v, there := trie.find(hash); there && v != inner {
				use(Match{Set: trie.values[v-1].self})
			}
		}
	}
}

// assorted makes n names with hundreds of different sets, so that codes are long.
func assorted(n int) (entries []Entry) {
	r := rand.New(rand.NewPCG(14, 14))
	for _, e := range scatter(n, 14) {
		for range r.IntN(6) {
			entries = append(entries, Entry{e.Name, TopicID(r.IntN(len(testTopics))), Mode(r.IntN(2))})
		}
	}
	return entries
}

// snapshots are tries of different kinds, without their checksums.
func snapshots(t testing.TB) [][]byte {
	e := func(name string, topic TopicID, mode Mode) Entry { return Entry{MustName(name), topic, mode} }
	var all [][]byte
	for _, entries := range [][]Entry{
		nil,
		{e("a.example", adult, Suffix)},
		{e("a.example", adult, Suffix), e("b.a.example", AnyCategory, Except), e("c.example", ads, Exact), e("d.e.f.example", tiktok, Suffix)},
		scatter(400, 13),
		assorted(400),
	} {
		trie, _ := build(t, testTopics, entries, BuildOptions{})
		all = append(all, trie.file[:len(trie.file)-crcSize])
	}
	return all
}

func TestOpenTrieRefuses(t *testing.T) {
	for _, b := range snapshots(t) {
		whole := sealed(b)
		if _, err := OpenTrie(whole); err != nil {
			t.Fatal(err)
		}
		for n := range len(whole) {
			if _, err := OpenTrie(whole[:n]); err == nil {
				t.Fatalf("cut after %d of %d bytes, and opened", n, len(whole))
			}
		}
		for i := range whole {
			bad := bytes.Clone(whole)
			bad[i] ^= 0x10
			if _, err := OpenTrie(bad); err == nil {
				t.Fatalf("byte %d of %d changed, and opened", i, len(whole))
			}
		}
	}
	next := bytes.Clone(snapshots(t)[0])
	next[len(trieMagic)-1]++
	if _, err := OpenTrie(sealed(next)); !errors.Is(err, ErrTrieVersion) {
		t.Errorf("a later version: %v", err)
	}
}

// TestHostileSnapshots changes snapshots and makes the checksum right again.
// Most are refused; what is let in must not panic or run away.
func TestHostileSnapshots(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 5))
	opened, tries := 0, 1000
	if testing.Short() {
		tries = 300
	}
	for _, b := range snapshots(t) {
		for range tries {
			bad := bytes.Clone(b)
			for range 1 + r.IntN(3) {
				switch i := r.IntN(len(bad)); r.IntN(4) {
				case 0:
					bad[i] = byte(r.Uint32())
				case 1:
					bad[i] ^= 1 << r.IntN(8)
				case 2:
					binary.LittleEndian.PutUint32(bad[i&^3:], []uint32{0, 1, 0xff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff}[r.IntN(7)])
				default:
					bad = append(bad[:i&^3], bad[min(len(bad), i&^3+4*r.IntN(8)):]...)
				}
				if len(bad) < 4 {
					break
				}
			}
			if trie, err := OpenTrie(sealed(bad)); err == nil {
				visit(trie, r)
				opened++
			}
		}
	}
	t.Logf("%d of %d let in", opened, 4*tries)
}

func FuzzOpenTrie(f *testing.F) {
	for _, b := range snapshots(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		trie, err := OpenTrie(sealed(b))
		if err == nil {
			visit(trie, rand.New(rand.NewPCG(1, 1)))
		}
	})
}

// FuzzTwin takes names and what lists say of them from bytes, and compares.
func FuzzTwin(f *testing.F) {
	f.Add([]byte("\x01a\x00\x02ab\x01\x11\x03a.b\x02\x82"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var entries []Entry
		for len(b) > 3 && len(entries) < 200 {
			n := 1 + int(b[0])%min(40, len(b)-2)
			name, err := ParseName(string(b[1:min(1+n, len(b)-1)]))
			how := b[min(1+n, len(b)-1)]
			b = b[min(2+n, len(b)):]
			if err != nil || name.IsRoot() {
				continue
			}
			e := Entry{Name: name, Topic: TopicID(how>>4) % TopicID(len(testTopics)), Mode: Mode(how & 3)}
			if how&4 != 0 && e.Mode != Witness {
				e.Mode |= Important
			}
			if how&8 != 0 && e.Mode&^Important == Except {
				e.Topic = AnyCategory
			}
			entries = append(entries, e)
		}
		trie, _ := build(t, testTopics, entries, BuildOptions{})
		w := newTwin(testTopics, entries)
		for _, e := range entries {
			agree(t, trie, w, e.Name)
			agree(t, trie, w, e.Name.Parent())
			if len(e.Name) < 200 {
				agree(t, trie, w, append(Name{1, 'a'}, e.Name...))
			}
		}
	})
}
