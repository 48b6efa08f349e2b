package filter

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"slices"
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
		}
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

// pass is one reading of the entries that collects the nodes of some segments.
type pass struct {
	*builder
	first int      // segment
	nodes [][]node // by segment from first on
	salts []uint32
}

// absentValue marks a suffix that must not be found, until that is proven.
const absentValue = 0xffff

// isValued tells whether a lookup would take a suffix equal to n for n.
func (n node) isValued() bool { return n.value() != inner && n.value() != absentValue }

// collect reads the entries until no segment of the pass has two names that
// could be taken for each other.
func (p *pass) collect(room []node) error {
	if like := p.opt.Like; like != nil && p.buckets == like.buckets {
		for i := range p.salts {
			p.salts[i] = like.segments[p.first+i].salt
		}
	}
	for range maxSalts {
		size := len(room) / len(p.nodes)
		for i := range p.nodes {
			p.nodes[i] = room[i*size : i*size : (i+1)*size]
		}
		if _, err := p.read(p.record); err != nil {
			return err
		}
		again := false
		for i := range p.nodes {
			var proven bool
			p.nodes[i], proven = p.prove(p.nodes[i])
			if !proven {
				again = true
				p.salts[i]++
				p.stats.Resalts++
			}
		}
		if !again {
			return nil
		}
	}
	return errCrowded
}

// record keeps a suffix that lies in the segments of the pass.
func (p *pass) record(kind suffixKind, self, below setNumber, h *suffixHash) {
	hash := h.sum()
	bucket := place(hash, p.buckets)
	i := int(bucket/segmentBuckets) - p.first
	if i < 0 || i >= len(p.nodes) {
		return
	}
	value := uint16(absentValue)
	switch kind {
	case suffixInner:
		value = inner
	case suffixValued:
		value = p.values.number(self, below)
	}
	p.nodes[i] = append(p.nodes[i], newNode(bucket, fingerprint(hash, p.salts[i])&p.opt.fingerprint, value))
}

// prove looks for suffixes that are equal in bucket and fingerprint, of which
// one would be taken for the other: it is proven that there are none. It
// returns the nodes alone, in order.
func (p *pass) prove(all []node) (nodes []node, proven bool) {
	slices.Sort(all)
	proven = true
	nodes = all[:0]
	var before node
	for i, n := range all {
		if i > 0 && before>>16 == n>>16 && (before.isValued() || n.isValued()) {
			proven = false
		}
		before = n
		switch n.value() {
		case absentValue:
			continue
		case inner:
			n &^= 0xffffff << 16
		}
		nodes = append(nodes, n)
	}
	slices.Sort(nodes) // inner nodes have lost their cold bits
	return nodes, proven
}

// trieWriter writes a trie part by part, for builder and delta.
type trieWriter struct {
	w       io.Writer
	written int64
	base    int64  // where the segments start
	crc     uint32 // of what is written
	sum     uint32 // the checksum at the end, once closed
	ends    []byte
}

func newTrieWriter(w io.Writer) *trieWriter { return &trieWriter{w: w} }

func (t *trieWriter) write(b []byte) error {
	t.crc = crc32.Update(t.crc, castagnoli, b)
	n, err := t.w.Write(b)
	t.written += int64(n)
	if err == nil && t.written > maxTrieSize {
		err = fmt.Errorf("snapshot: it would be larger than %d bytes; build with fewer lists", maxTrieSize)
	}
	return err
}

func (t *trieWriter) head(b []byte) error {
	t.base = int64(len(b))
	return t.write(b)
}

func (t *trieWriter) segment(b []byte) error {
	if err := t.write(b); err != nil {
		return err
	}
	t.ends = binary.LittleEndian.AppendUint32(t.ends, uint32(t.written-t.base))
	return nil
}

func (t *trieWriter) close() error {
	if err := t.write(t.ends); err != nil {
		return err
	}
	t.sum = t.crc
	return t.write(binary.LittleEndian.AppendUint32(nil, t.sum))
}
