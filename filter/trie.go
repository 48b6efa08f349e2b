package filter

import "math/bits"

// Match is what a Trie knows of a name.
type Match struct {
	// Set is the topic set of the deepest suffix of the name that the lists say
	// something about, with everything that suffix inherits from above; zero if
	// there is none.
	Set SetID
	// Len is that suffix's length in bytes at the end of the name, the root's
	// byte included; 0 if there is none. A listed name that says nothing its
	// parent does not say already is not kept: the parent is matched.
	Len uint8
}

// Mode is how an Entry counts.
type Mode uint8

// The modes. Suffix is what lists mean by default.
const (
	Suffix  Mode = 0 // the name and everything below it
	Exact   Mode = 1 // the name only
	Except  Mode = 2 // the topic ends here: the name and everything below it are free of it
	Witness Mode = 3 // no topic: the builder proves that no collision of hashes touches the name
)

// Important is a flag on Suffix and Exact: an Except does not undo it, unless
// it is Important too.
const Important Mode = 0x80

// Entry is one line of the lists on its way into a Trie.
type Entry struct {
	Name  Name
	Topic TopicID // a place in the table of topics the Trie is built with, or AnyCategory with Except
	Mode  Mode
}

// Lookup finds what the lists say of n. It walks from the right, label by
// label, and stops at the first suffix that is not there: two or three probes
// for most names, however long. It allocates nothing.
func (t *Trie) Lookup(n Name) Match {
	var w walk
	w.trie, w.whole, w.hash = t, len(n), t.root
	w.to(n)
	return w.match
}

// com is the suffix that half of all names end in. What is found of it is kept
// at hand, which saves those names one probe of two or three.
const com = "\x03com\x00"

// walk is one walk down the tree of labels.
type walk struct {
	trie  *Trie
	whole int // length of the name asked for
	hash  suffixHash
	match Match
}

// to goes to the suffix n, its parent first, and tells whether the walk may go
// on from there. It recurses where a loop would need the offsets of all labels:
// 32-bit machines clear that array at the price of a whole probe.
func (w *walk) to(n Name) bool {
	if len(n) <= 1 {
		return len(n) == 1
	}
	var v uint16
	var there bool
	if string(n) == com {
		w.hash, v, there = w.trie.com.hash, w.trie.com.value, w.trie.com.there
	} else {
		if !w.to(n[1+int(n[0]):]) {
			return false
		}
		w.hash.extend(n)
		v, there = w.trie.find(w.hash.sum())
	}
	if v != inner {
		value := &w.trie.values[v-1]
		w.match = Match{Set: value.below, Len: uint8(len(n))}
		if len(n) == w.whole {
			w.match.Set = value.self
		}
	}
	return there
}

// find looks for the node of a hash: inner or the number of its value.
func (t *Trie) find(hash uint64) (value uint16, there bool) {
	bucket := place(hash, t.buckets)
	s := &t.segments[bucket/segmentBuckets]
	group := int(bucket / groupBuckets % segmentGroups)
	hot := s.hotGroup(group)
	first, n := hot.bucket(int(bucket % groupBuckets))
	fp := fingerprint(hash, s.salt)
	for {
		for same := hot.same(first, n, byte(fp>>24)); same != 0; same &= same - 1 {
			i := first + bits.TrailingZeros32(same)/8
			if !hot.valued(i) {
				there = true
				continue
			}
			if v, ok := s.coldGroup(group).confirm(hot.valuedBefore(i), fp&0xffffff, t.mask, &t.code); ok {
				return v, true
			}
		}
		if n <= 4 { // nearly always; an empty bucket comes here too, as a test of its own would be a guess
			return inner, there
		}
		first, n = first+4, n-4
	}
}

// Topics counts the topics.
func (t *Trie) Topics() int { return len(t.topics) }

// Topic is one topic.
func (t *Trie) Topic(id TopicID) Topic {
	kind, text := Kind(t.text[t.topics[id]]), t.text[t.topics[id]+1:]
	next := func() (field string) {
		field, text = text[1:1+text[0]], text[1+text[0]:]
		return field
	}
	return Topic{Kind: kind, ID: next(), Group: next(), Title: next(), Target: next()}
}

// topicID is the ID of a topic alone.
func (h *head) topicID(id TopicID) string {
	text := h.text[h.topics[id]+1:]
	return text[1 : 1+text[0]]
}

// Sets counts the topic sets, the empty one included.
func (t *Trie) Sets() int { return len(t.sets) }

// Set is the topics of a set, ascending. Read-only.
func (t *Trie) Set(id SetID) []TopicID { return t.sets[id] }

// Names counts the names the lists gave, each once, the ones that a parent
// covers too.
func (t *Trie) Names() int { return t.names }

// Size is the length of the trie's bytes.
func (t *Trie) Size() int { return len(t.file) }
