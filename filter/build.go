package filter

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// Entries yields entries sorted by Name.Compare, the same ones each time it is
// called: a builder that may not hold them all reads them several times. A
// name may borrow a buffer until yield returns.
type Entries func(yield func(Entry) bool) error

// BuildOptions bounds a build. The bytes that come out depend on Seed and Like
// alone, never on Memory.
type BuildOptions struct {
	// Memory is how many bytes the builder may hold at once; 0 is 16 MiB, and it
	// takes no less than 2 MB. The less it has, the more often it reads the entries.
	Memory int
	// Seed chooses the key of the hashes.
	Seed uint64
	// Like is a trie whose key and places are kept where its size allows, so that
	// MakeDelta from it to the new one comes out small. Seed is ignored then.
	Like *Trie

	fingerprint uint32 // the bits of fingerprints that count; 0 is all, tests take fewer
}

// BuildStats tells what a build did.
type BuildStats struct {
	Names   int   // that the entries gave, each once
	Nodes   int   // that say something, so they carry a value
	Inner   int   // that only lead to those
	Covered int   // names left out, since their parent says the same
	Sets    int   // topic sets, the empty one included
	Passes  int   // times the entries were read
	Resalts int   // segments made again because two names were equal in them
	Bytes   int64 // written
}

// errChanged says that a source of entries does not keep its promise.
var errChanged = errors.New("snapshot: the entries were not the same each time they were read; build again")

const (
	defaultMemory = 16 << 20 // bytes
	// buildShare is how much of Memory the nodes of one pass may take, in
	// eighths: as much again is what Go's collector lets the rest of the
	// process, and what a pass leaves behind, grow before it runs.
	buildShare = 3
	// buckets are made a sixteenth more than there are valued nodes, so that
	// lists which grow can keep them and their deltas stay small.
	spareBuckets = 16
	// maxSalts bounds how often a segment is made again. Two tries in a row
	// fail once in a million builds unless the lists aim at it.
	maxSalts = 8
)

// BuildTrie writes the trie of entries to w as it goes. topics is the table
// that the entries' TopicIDs point into. It reads the entries once to count
// them, and then as often as Memory demands. The doc comment of the format has
// the layout, that of closure what entries mean.
func BuildTrie(w io.Writer, topics []Topic, entries Entries, opt BuildOptions) (BuildStats, error) {
	b := builder{entries: entries, opt: opt, values: valueTable{sets: newSetTable(topics), numbers: map[[2]setNumber]int{}}}
	if err := checkTopics(topics); err != nil {
		return b.stats, err
	}
	b.key = newSipKey(opt.Seed)
	if opt.Like != nil {
		b.key = opt.Like.key
	}
	if b.opt.Memory == 0 {
		b.opt.Memory = defaultMemory
	}
	if b.opt.fingerprint == 0 {
		b.opt.fingerprint = math.MaxUint32
	}
	if err := b.countNodes(); err != nil {
		return b.stats, err
	}
	b.chooseBuckets()
	out := newTrieWriter(w)
	if err := b.write(out); err != nil {
		return b.stats, err
	}
	b.stats.Bytes = out.written
	return b.stats, nil
}

func checkTopics(topics []Topic) error {
	if len(topics) > maxTopics {
		return fmt.Errorf("%d topics; a snapshot holds %d", len(topics), maxTopics)
	}
	ids := make(map[string]bool, len(topics))
	for _, t := range topics {
		if err := checkTopic(t); err != nil {
			return err
		}
		if ids[t.ID] {
			return fmt.Errorf("topic %q: there are two of that ID", t.ID)
		}
		ids[t.ID] = true
	}
	return nil
}

// builder is one build.
type builder struct {
	entries Entries
	opt     BuildOptions
	key     sipKey
	values  valueTable
	absent  int // suffixes that must not be found
	buckets uint32
	stats   BuildStats
}

// read goes through the entries once.
func (b *builder) read(found func(suffixKind, setNumber, setNumber, *suffixHash)) (names int, err error) {
	b.stats.Passes++
	c := newClosure(b.key, b.values.sets, found)
	var bad error
	err = b.entries(func(e Entry) bool {
		bad = c.add(e)
		return bad == nil
	})
	if err = errors.Join(bad, err); err != nil {
		return 0, err
	}
	c.close()
	if b.values.sets.full {
		return 0, errSets
	}
	return c.names, nil
}

// countNodes is the first reading: how many nodes of what value there are.
func (b *builder) countNodes() (err error) {
	b.stats.Names, err = b.read(func(kind suffixKind, self, below setNumber, _ *suffixHash) {
		switch kind {
		case suffixAbsent:
			b.absent++
		case suffixInner:
			b.stats.Inner++
		case suffixValued:
			b.stats.Nodes++
			b.values.count(self, below)
		}
	})
	if err != nil {
		return err
	}
	b.stats.Covered = b.stats.Names - b.stats.Nodes
	if err := b.values.fix(); err != nil {
		return err
	}
	b.stats.Sets = len(b.values.public)
	return nil
}

// chooseBuckets has a bucket for each valued node, which keeps the odds of a
// stranger to 2⁻³² a probe, and at least one for two nodes of any sort, which
// keeps groups from filling up.
func (b *builder) chooseBuckets() {
	need := max(b.stats.Nodes, (b.stats.Nodes+b.stats.Inner)/2, 1)
	if like := b.opt.Like; like != nil && need <= int(like.buckets) && need >= int(like.buckets)/2 {
		b.buckets = like.buckets
		return
	}
	need += need / spareBuckets
	b.buckets = uint32((need + groupBuckets - 1) / groupBuckets * groupBuckets)
}

// write lays out the head and then the segments, as many in one pass as
// memory allows.
func (b *builder) write(out *trieWriter) error {
	raw, err := b.head()
	if err != nil {
		return err
	}
	if err := out.head(raw); err != nil {
		return err
	}
	layout := newSegmentWriter(b.values.values, nodesPerSegment(b.stats.Nodes+b.stats.Inner, b.buckets))
	segments := segmentsOf(b.buckets)
	records := nodesPerSegment(b.stats.Nodes+b.stats.Inner+b.absent, b.buckets)
	perPass := max(1, min(segments, b.opt.Memory/8*buildShare/8/max(1, records)))
	room := make([]node, perPass*records)
	written := 0
	for first := 0; first < segments; first += perPass {
		pass := pass{builder: b, first: first, nodes: make([][]node, min(perPass, segments-first))}
		pass.salts = make([]uint32, len(pass.nodes))
		if err := pass.collect(room); err != nil {
			return err
		}
		for i, nodes := range pass.nodes {
			segment, err := layout.layout(pass.salts[i], groupsOf(first+i, b.buckets), nodes)
			if err != nil {
				return err
			}
			if err := out.segment(segment); err != nil {
				return err
			}
			written += len(nodes)
		}
	}
	if written != b.stats.Nodes+b.stats.Inner {
		return errChanged
	}
	return out.close()
}

// head is the head as it is stored.
func (b *builder) head() ([]byte, error) {
	var t []byte
	topics := b.values.sets.topics
	for _, topic := range topics {
		t = append(t, byte(topic.Kind))
		for _, field := range []string{topic.ID, topic.Group, topic.Title, topic.Target} {
			t = append(append(t, byte(len(field))), field...)
		}
	}
	for _, set := range b.values.public {
		t = binary.LittleEndian.AppendUint16(t, uint16(len(set)))
		for _, topic := range set {
			t = binary.LittleEndian.AppendUint16(t, uint16(topic))
		}
	}
	for _, v := range b.values.values {
		t = binary.LittleEndian.AppendUint16(t, uint16(v.self))
		t = binary.LittleEndian.AppendUint16(t, uint16(v.below))
		t = append(t, v.length)
	}
	t = room(t, 0)
	if headFixed+len(t) > maxHead {
		return nil, fmt.Errorf("snapshot: topics and their sets take %d bytes; there is room for %d", headFixed+len(t), maxHead)
	}
	h := []byte(trieMagic)
	h = binary.LittleEndian.AppendUint64(h, b.key.k0)
	h = binary.LittleEndian.AppendUint64(h, b.key.k1)
	for _, n := range []int{
		int(b.buckets), b.stats.Nodes, b.stats.Inner, b.stats.Names, headFixed + len(t),
		len(topics), len(b.values.public), len(b.values.values),
	} {
		h = binary.LittleEndian.AppendUint32(h, uint32(n))
	}
	return append(h, t...), nil
}
