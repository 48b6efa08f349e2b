package filter

import "errors"

// The format of a trie, all numbers little-endian, version 1.
//
// The lists are a tree of labels: com, example.com, ads.example.com. Every name
// is a node, and so is every suffix of it, so a walk from the right goes label
// by label and stops at the first suffix that is not there. A node is not
// stored by its name but by 64 bits of a keyed hash of it (SipHash-1-3), of
// which the place where it lies tells the first half:
//
//	high 32 bits → bucket   the node's place: times the number of buckets, shifted right by 32
//	low 32 bits  → 8 hot    turn away 255 of 256 names that are not there
//	               24 cold  confirm; an inner node has none
//
// There are at least as many buckets as valued nodes, so a probe for a name that
// is not there takes another's answer once in 2³² times at most.
//
// There are two sorts of nodes. A *valued* node changes what is known of a name:
// its value is a pair of topic sets, one for the name itself and one for what
// lies below. An *inner* node only says that something lies further down; to
// take a stranger for one costs a probe and changes no answer, so 8 bits will do.
//
//	file      = head, segments, segment ends (4 bytes each), CRC-32C (4) of all before
//	head      = fixed part (56 bytes), topics, sets, values, zeros to a whole word
//	  fixed     "treehtr" and version (8), key (16), buckets (4), valued nodes (4),
//	            inner nodes (4), names given (4), head's length (4), topics (4), sets (4), values (4)
//	  topic     kind (1), then ID, group, title, target: length (1) and bytes
//	  set       number of topics (2), their numbers (2 each), ascending; the first set is empty
//	  value     set of the name itself (2), set below (2), length of its code in bits (1)
//	segment   = 1024 groups (the last has what is left), made, read and patched on its own
//	  salt (4), where the cold part starts (4)
//	  hot:  start of each group and the end (2 each, in words), zeros to a whole word, hot groups
//	  cold: start of each group and the end (2 each, in words), zeros to a whole word, cold groups
//	group     = 32 buckets, whole words in each part
//	  hot   nodes in all buckets (1), in the first 4, 8 and so on to 28 (1 each); the hot
//	        byte of each node; then bits: for each node, is it valued? then for each
//	        bucket a 1 per node and a 0
//	  cold  where the codes of the 9th, 17th and 25th valued node start, in bits after the
//	        first (1 each; 255 is too far to say); then the valued nodes' codes
//	        (see prefixCode), first bit lowest; and from the back, the 24 cold bits of each valued node
//
// Nodes are numbered by bucket, then by hash. To find a suffix: hash it; bucket
// b of its group starts after the bth zero, and the ones before it are the
// nodes before it, of which those before its quad of buckets are counted
// already; compare the hot bytes of the bucket's nodes. Nearly every
// stranger ends here, and inner nodes do: they touch the hot part only. Where a
// valued node's hot byte is equal, compare the cold bits; then its code, found by
// passing over at most a few before it, is its value.
//
// What a node costs, with as many buckets as valued nodes and 1.3 nodes to a
// bucket as real lists have them:
//
//	hot bytes                       8.0 bits
//	bit vector, 1 + 1/1.3           1.8
//	valued?                         1.0
//	24 cold bits of 77 % of them   18.5
//	codes                           1 to 2
//	starts, counts, whole words     3.5
//	                               about 34.5 bits, 4.3 bytes; 1.2 to 1.3 nodes make a name
//
// Of the 3.5 bits, two are paid for speed: groups of 64 buckets that count every
// 16th take 1.4, but a loop to find a bucket, and more cache lines.
//
// The salt is for the one build in a thousand where two names of a segment, or
// a name that must not be in it, are equal in bucket and hash: the segment is
// made again with the next salt. The low half counts as low XOR high times salt,
// so that the bits of the high half that the bucket does not use tell them apart. Checked are all names given, the covered ones that are not
// stored too, and every Witness.
const (
	trieMagic   = "treehtr\x01" // the last byte is the version
	headFixed   = 56            // bytes of the head's fixed part
	crcSize     = 4             // bytes of the checksum at the end
	segmentHead = 8             // bytes of a segment before its first table
	overread    = 8             // bytes after the hot groups that may be read with their end: a cold table and group are no shorter

	groupBuckets   = 32   // a group's hot part mostly lies in one cache line; fewer cost bytes
	segmentGroups  = 1024 // keeps word offsets within 16 bits, and a builder's smallest pass at 0.5 MB
	segmentBuckets = groupBuckets * segmentGroups
	quadBuckets    = 4                          // a group's nodes are counted at each quad, so that one word of bits is read and no loop
	quadNodes      = 52                         // nodes in one quad, by the bits a word has at any bit offset; 5 are usual
	hotHead        = groupBuckets / quadBuckets // bytes of the counts
	coldHead       = 24                         // bits of the codes' starts
	codeStep       = 8                          // codes between those
	farCode        = 255                        // a start that a byte cannot say
	groupNodes     = 255                        // nodes in one group, by the byte that counts them; 42 are usual

	maxHead     = 1 << 20 // bytes: thousands of services with their titles fit
	maxTopics   = 1 << 12 // 64 times what a household is shown
	maxSets     = 1 << 14 // a few hundred are usual; more say that lists are mixed up
	maxTopicID  = 63      // bytes of a topic's ID or group
	maxTitle    = 255     // bytes of a topic's title or target, by the byte that counts them
	maxTrieSize = 1 << 30 // bytes; what a 32-bit process can still map
)

// Errors of OpenTrie.
var (
	ErrTrieVersion = errors.New("snapshot: this is not a snapshot of a version this program reads")
	ErrTrieCorrupt = errors.New("snapshot: it is damaged; fetch or build it again")
)

// node is a node as builder and delta handle it: where it lies in its segment
// and what it is. Nodes sort as they are stored.
//
//	bucket in the segment (16 bits), fingerprint (32 bits), value (16 bits)
//
// An inner node has value 0, and no cold bits in its fingerprint.
type node uint64

const inner = 0 // the value of an inner node; those of valued nodes count from 1

func newNode(bucket, fingerprint uint32, value uint16) node {
	return node(bucket%segmentBuckets)<<48 | node(fingerprint)<<16 | node(value)
}

func (n node) bucket() int         { return int(n >> 48) }
func (n node) fingerprint() uint32 { return uint32(n >> 16) }
func (n node) value() uint16       { return uint16(n) }

// place is where a hash lies: its bucket among all.
func place(hash uint64, buckets uint32) uint32 {
	return uint32(hash >> 32 * uint64(buckets) >> 32)
}

// fingerprint is what a hash is told apart by within its bucket.
func fingerprint(hash uint64, salt uint32) uint32 {
	return uint32(hash) ^ uint32(hash>>32)*salt
}

// groupsOf is the number of groups in a segment.
func groupsOf(segment int, buckets uint32) int {
	return min(segmentGroups, int(buckets)/groupBuckets-segment*segmentGroups)
}

// segmentsOf is the number of segments of a trie.
func segmentsOf(buckets uint32) int {
	return (int(buckets) + segmentBuckets - 1) / segmentBuckets
}

// wholeWords rounds bytes up to whole words.
func wholeWords(n int) int { return (n + 3) &^ 3 }

// nodesPerSegment is the most nodes that a segment will have, where so many
// are spread over all. Hashes scatter: it is the mean and a sixteenth more, eight
// standard deviations in a full segment; a slice that is made for so many may
// still have to grow.
func nodesPerSegment(all int, buckets uint32) int {
	groups := int(buckets) / groupBuckets
	if groups <= segmentGroups {
		return all
	}
	return (all/groups + 1) * segmentGroups / 16 * 17
}
