package filter

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
)

// Trie is the compiled lists, read in place from the bytes of a snapshot. It is
// immutable; any number of goroutines may use it at once.
type Trie struct {
	head
	file     []byte
	root     suffixHash // what every walk starts from
	com      known      // what is found of com
	segments []segment
	mask     uint32 // cold bits that count: all of them, except where a test shortens hashes
}

// known is a suffix that has been looked for already.
type known struct {
	hash  suffixHash
	value uint16
	there bool
}

// head is what a trie holds besides its nodes.
type head struct {
	key     sipKey
	buckets uint32
	valued  int // nodes
	inner   int // nodes
	names   int // names the lists gave, the covered ones too

	text   string  // topics, as they are stored
	topics []int32 // by TopicID: where it starts in text
	sets   [][]TopicID
	values []value
	code   prefixCode
	raw    []byte // as it is stored
}

// nodesPerSegment is how many nodes to make room for.
func (h *head) nodesPerSegment() int { return nodesPerSegment(h.valued+h.inner, h.buckets) }

// value is what a valued node says.
type value struct {
	self, below SetID
	length      uint8 // of its code, in bits
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// OpenTrie reads a trie in place: b is kept and must not change. Where it comes
// from, a file's mapping or the heap, and on what machine it was made, makes no
// difference. Every byte is checked, so that Lookup need not: damaged and hostile
// bytes are refused with ErrTrieVersion or ErrTrieCorrupt.
func OpenTrie(b []byte) (*Trie, error) {
	if len(b) < len(trieMagic) || string(b[:len(trieMagic)]) != trieMagic {
		return nil, ErrTrieVersion
	}
	if len(b) < headFixed+crcSize || uint64(len(b)) > maxTrieSize {
		return nil, ErrTrieCorrupt
	}
	end := len(b) - crcSize
	if crc32.Checksum(b[:end], castagnoli) != binary.LittleEndian.Uint32(b[end:]) {
		return nil, ErrTrieCorrupt
	}
	h, err := readHead(b[:end])
	if err != nil {
		return nil, err
	}
	t := &Trie{head: *h, file: b, root: h.key.start(), mask: math.MaxUint32}
	if !t.openSegments(b[len(h.raw):end]) {
		return nil, ErrTrieCorrupt
	}
	t.com.hash = t.root
	t.com.hash.extend([]byte(com))
	t.com.value, t.com.there = t.find(t.com.hash.sum())
	return t, nil
}

// openSegments takes apart what follows the head, and checks every group.
func (t *Trie) openSegments(b []byte) bool {
	count := segmentsOf(t.buckets)
	if len(b) < 4*count || len(b)%4 != 0 {
		return false
	}
	body, ends := b[:len(b)-4*count], b[len(b)-4*count:]
	t.segments = make([]segment, count)
	start, nodes, valued := 0, 0, 0
	for i := range t.segments {
		end := wordAt(ends, i)
		if end%4 != 0 || uint64(end) > uint64(len(body)) || int(end) < start {
			return false
		}
		groups := groupsOf(i, t.buckets)
		s, ok := openSegment(body[start:end], groups)
		if !ok {
			return false
		}
		for g := range groups {
			n, v, ok := s.check(g, &t.code)
			if !ok {
				return false
			}
			nodes, valued = nodes+n, valued+v
		}
		t.segments[i], start = s, int(end)
	}
	return start == len(body) && valued == t.valued && nodes == t.valued+t.inner
}

// readHead reads the head at the front of b.
func readHead(b []byte) (*head, error) {
	if len(b) < headFixed || string(b[:len(trieMagic)]) != trieMagic {
		return nil, ErrTrieVersion
	}
	word := func(i int) uint32 { return wordAt(b, i) }
	size := word(10)
	if size < headFixed || size > maxHead || uint64(size) > uint64(len(b)) || size%4 != 0 {
		return nil, ErrTrieCorrupt
	}
	h := &head{
		key:     sipKey{binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint64(b[16:])},
		buckets: word(6), valued: int(word(7)), inner: int(word(8)), names: int(word(9)), raw: b[:size],
	}
	if h.buckets == 0 || h.buckets%groupBuckets != 0 || h.buckets > maxTrieSize/8 ||
		max(word(7), word(8), word(9)) > maxTrieSize {
		return nil, ErrTrieCorrupt
	}
	r := headReader{b: b[headFixed:size]}
	if !h.readTopics(&r, word(11)) || !h.readSets(&r, word(12)) || !h.readValues(&r, word(13)) || len(r.b) > 3 {
		return nil, ErrTrieCorrupt
	}
	return h, nil
}

func (h *head) readTopics(r *headReader, count uint32) bool {
	if count > maxTopics {
		return false
	}
	h.topics = make([]int32, count)
	all := r.b
	ids := make(map[string]bool, count)
	for i := range h.topics {
		h.topics[i] = int32(len(all) - len(r.b))
		t := Topic{Kind: Kind(r.byte()), ID: r.string(), Group: r.string(), Title: r.string(), Target: r.string()}
		if r.failed || checkTopic(t) != nil || ids[t.ID] {
			return false
		}
		ids[t.ID] = true
	}
	h.text = string(all[:len(all)-len(r.b)])
	return true
}

func (h *head) readSets(r *headReader, count uint32) bool {
	if count == 0 || count > maxSets || r.uint16() != 0 { // the first is the empty set
		return false
	}
	h.sets = make([][]TopicID, count)
	for i := range h.sets[1:] {
		n := int(r.uint16())
		if n > len(h.topics) || 2*n > len(r.b) {
			return false
		}
		set := make([]TopicID, n)
		for j := range set {
			set[j] = TopicID(r.uint16())
			if int(set[j]) >= len(h.topics) || j > 0 && set[j] <= set[j-1] {
				return false
			}
		}
		h.sets[i+1] = set
	}
	return !r.failed
}

func (h *head) readValues(r *headReader, count uint32) bool {
	if count >= math.MaxUint16 || 5*int(count) > len(r.b) {
		return false
	}
	h.values = make([]value, count)
	lengths := make([]uint8, count)
	for i := range h.values {
		v := value{self: SetID(r.uint16()), below: SetID(r.uint16()), length: r.byte()}
		if int(v.self) >= len(h.sets) || int(v.below) >= len(h.sets) {
			return false
		}
		h.values[i], lengths[i] = v, v.length
	}
	var ok bool
	h.code, ok = newPrefixCode(lengths)
	return ok && !r.failed
}

// checkTopic tells what is wrong with a topic, in the builder's input and in a file.
func checkTopic(t Topic) error {
	switch {
	case t.ID == "" || len(t.ID) > maxTopicID:
		return fmt.Errorf("topic %q: an ID has 1 to %d bytes", t.ID, maxTopicID)
	case len(t.Group) > maxTopicID:
		return fmt.Errorf("topic %q: a group has at most %d bytes", t.ID, maxTopicID)
	case len(t.Title) > maxTitle:
		return fmt.Errorf("topic %q: a title has at most %d bytes", t.ID, maxTitle)
	case t.Kind < KindCategory || t.Kind > KindSealed:
		return fmt.Errorf("topic %q: there is no kind %d", t.ID, t.Kind)
	}
	if t.Kind != KindSafeSearch {
		if t.Target != "" {
			return fmt.Errorf("topic %q: only a safe-search topic has a target", t.ID)
		}
		return nil
	}
	if len(t.Target) > maxTitle {
		return fmt.Errorf("topic %q: a target has at most %d bytes", t.ID, maxTitle)
	}
	if n, err := ParseName(t.Target); err != nil {
		return fmt.Errorf("topic %q: target %q: %w", t.ID, t.Target, err)
	} else if n.IsRoot() {
		return fmt.Errorf("topic %q: the root is no target", t.ID)
	}
	return nil
}

// headReader reads the head's tables. Past the end it reads zeros and fails.
type headReader struct {
	b      []byte
	failed bool
}

func (r *headReader) take(n int) []byte {
	if n > len(r.b) {
		r.failed = true
		r.b = nil
		return make([]byte, n)
	}
	taken := r.b[:n]
	r.b = r.b[n:]
	return taken
}

func (r *headReader) byte() uint8    { return r.take(1)[0] }
func (r *headReader) uint16() uint16 { return binary.LittleEndian.Uint16(r.take(2)) }
func (r *headReader) string() string { return string(r.take(int(r.byte()))) }
