package filter

import (
	"encoding/binary"
	"errors"
	"math/bits"
)

// segment is one segment of a trie, read in place.
type segment struct {
	salt      uint32
	hotStart  []byte // 2 bytes each, in words from the start of hot; one more than groups
	hot       []byte // and what follows to the segment's end
	coldStart []byte
	cold      []byte
}

// openSegment takes b apart. Groups lie within it afterwards; what is in them
// decode checks.
func openSegment(b []byte, groups int) (segment, bool) {
	if len(b) < segmentHead {
		return segment{}, false
	}
	coldAt := wordAt(b, 1)
	if coldAt < segmentHead || uint64(coldAt) > uint64(len(b)) || coldAt%4 != 0 {
		return segment{}, false
	}
	s := segment{salt: wordAt(b, 0)}
	var ok1, ok2 bool
	s.hotStart, s.hot, ok1 = openPart(b[segmentHead:coldAt], groups)
	s.coldStart, s.cold, ok2 = openPart(b[coldAt:], groups)
	s.hot = b[int(coldAt)-len(s.hot):]
	return s, ok1 && ok2 && len(b)-int(coldAt) >= overread
}

func openPart(b []byte, groups int) (starts, rest []byte, ok bool) {
	table := wholeWords(2 * (groups + 1))
	if len(b) < table {
		return nil, nil, false
	}
	starts, rest = b[:table:table], b[table:]
	last := uint16(0)
	for g := range groups + 1 {
		start := binary.LittleEndian.Uint16(starts[2*g:])
		if start < last || g == 0 && start != 0 {
			return nil, nil, false
		}
		last = start
	}
	return starts, rest, 4*int(last) == len(rest)
}

// hotGroup is group g's hot part.
func (s *segment) hotGroup(g int) hotGroup {
	return hotGroup(s.hot[4*int(binary.LittleEndian.Uint16(s.hotStart[2*g:])):])
}

// hotSize is the bytes of group g's hot part.
func (s *segment) hotSize(g int) int {
	return 4 * int(binary.LittleEndian.Uint16(s.hotStart[2*g+2:])-binary.LittleEndian.Uint16(s.hotStart[2*g:]))
}

// coldGroup is group g's cold part.
func (s *segment) coldGroup(g int) coldGroup {
	return coldGroup(s.cold[4*int(binary.LittleEndian.Uint16(s.coldStart[2*g:])) : 4*int(binary.LittleEndian.Uint16(s.coldStart[2*g+2:]))])
}

// hotGroup answers whether a bucket has a node with a hot byte. It does not end
// where the group does: words are read whole, and bits past the group ignored.
//
// There is next to no branch in it: which bucket is asked for is chance, so a
// processor guesses a branch that hangs on it wrong every other time, and
// pays for that with the time of some fifty instructions.
type hotGroup []byte

// nodes is the number of nodes in the group.
func (h hotGroup) nodes() int { return int(h[0]) }

// nodesBefore is the number of nodes before quad q.
func (h hotGroup) nodesBefore(q int) int {
	n := int(h[q])
	if q == 0 {
		n = 0
	}
	return n
}

// bucket tells which nodes are in bucket b: the first one's number in the
// group, and how many there are.
func (h hotGroup) bucket(b int) (first, n int) {
	q, k := b/quadBuckets, b%quadBuckets
	before := h.nodesBefore(q)
	// The zero that is shifted in ends the bucket before the quad; the bucket
	// lies between the kth zero after it and the next.
	zeros := ^(bitsAt(h, 8*hotHead+9*h.nodes()+q*quadBuckets+before) << 1)
	if k > 0 {
		zeros &= zeros - 1
	}
	if k > 1 {
		zeros &= zeros - 1
	}
	if k > 2 {
		zeros &= zeros - 1
	}
	start := bits.TrailingZeros64(zeros)
	end := bits.TrailingZeros64(zeros & (zeros - 1))
	return before + start - k, end - start - 1
}

// byteOf is node i's hot byte.
func (h hotGroup) byteOf(i int) byte { return h[hotHead+i] }

// same marks which of n nodes from the first on have a hot byte: the highest
// bit of byte i says it of the ith. It looks at four at most.
func (h hotGroup) same(first, n int, hot byte) uint32 {
	const low = 0x7f7f7f7f
	differ := binary.LittleEndian.Uint32(h[hotHead+first:]) ^ 0x01010101*uint32(hot)
	return ^((differ&low + low) | differ | low) & (1<<(8*n) - 1)
}

// valued tells whether node i is valued. It is asked before they are counted:
// 32-bit machines pay for that, and most of the way down is inner nodes.
func (h hotGroup) valued(i int) bool { return bitAt(h[hotHead+h.nodes():], i) }

// valuedBefore counts the valued nodes before node i.
func (h hotGroup) valuedBefore(i int) (before int) {
	flags := h[hotHead+h.nodes():]
	for ; i >= 64; i -= 64 {
		before += bits.OnesCount64(binary.LittleEndian.Uint64(flags))
		flags = flags[8:]
	}
	return before + bits.OnesCount64(binary.LittleEndian.Uint64(flags)&(1<<i-1))
}

// coldGroup confirms valued nodes and holds their values.
type coldGroup []byte

// confirm compares the cold bits of the ith valued node and gives its value.
func (c coldGroup) confirm(i int, cold, mask uint32, code *prefixCode) (value uint16, same bool) {
	if (c.bitsOf(i)^cold)&mask != 0 {
		return 0, false
	}
	at, from := c.codeBefore(i)
	value, _ = code.read(c, code.skip(c, at, i-from))
	return 1 + value, true
}

// codeBefore is the bit where a code before the ith one starts, or that one
// itself, and which one it is.
func (c coldGroup) codeBefore(i int) (at, which int) {
	for q := min(i/codeStep, coldHead/8) - 1; q >= 0; q-- {
		if c[q] < farCode {
			return coldHead + int(c[q]), (q + 1) * codeStep
		}
	}
	return coldHead, 0
}

// bitsOf are the 24 cold bits of the ith valued node.
func (c coldGroup) bitsOf(i int) uint32 {
	return binary.LittleEndian.Uint32(c[len(c)-4-3*i:]) >> 8 // the byte before is never the first's
}

// check counts the nodes of group g, and reports whether it is laid out as it
// should be: no lookup in it can then leave it.
func (s *segment) check(g int, code *prefixCode) (nodes, valued int, ok bool) {
	hot, cold := s.hotGroup(g), s.coldGroup(g)
	size := s.hotSize(g)
	if size < hotHead {
		return 0, 0, false
	}
	nodes = hot.nodes()
	at := 8*hotHead + 9*nodes
	if size != wholeWords((at+groupBuckets+nodes+7)/8) {
		return 0, 0, false
	}
	before := 0
	for q := range groupBuckets / quadBuckets {
		upTo := nodes
		if q < groupBuckets/quadBuckets-1 {
			upTo = hot.nodesBefore(q + 1)
		}
		n := upTo - before
		if n < 0 || n > quadNodes {
			return 0, 0, false
		}
		quad := bitsAt(hot, at) & (1<<(quadBuckets+n) - 1)
		if bits.OnesCount64(quad) != n || quad>>(quadBuckets+n-1) != 0 {
			return 0, 0, false
		}
		at += quadBuckets + n
		before = upTo
	}
	valued = hot.valuedBefore(nodes)
	if valued > 0 && len(code.symbols) == 0 {
		return 0, 0, false
	}
	if len(cold) < coldHead/8 {
		return 0, 0, false
	}
	codes, left := coldHead, valued
	for q := range coldHead / 8 {
		codes = code.skip(cold, codes, min(left, codeStep))
		left = max(0, left-codeStep)
		if int(cold[q]) != min(codes-coldHead, farCode) {
			return 0, 0, false
		}
	}
	codes = code.skip(cold, codes, left)
	return nodes, valued, len(cold) == wholeWords((codes+7)/8+3*valued)
}

// decode appends the nodes of group g, which has been checked.
func (s *segment) decode(nodes []node, g int, code *prefixCode) []node {
	hot, cold := s.hotGroup(g), s.coldGroup(g)
	n := hot.nodes()
	i, nth, bucket, codeAt := 0, 0, g*groupBuckets, coldHead
	for at := range groupBuckets + n {
		if !bitAt(hot, 8*hotHead+9*n+at) {
			bucket++
			continue
		}
		fingerprint, value := uint32(hot.byteOf(i))<<24, uint16(inner)
		if hot.valued(i) {
			fingerprint |= cold.bitsOf(nth)
			value, codeAt = code.read(cold, codeAt)
			value++
			nth++
		}
		nodes = append(nodes, newNode(uint32(bucket), fingerprint, value))
		i++
	}
	return nodes
}

// errCrowded says that hashes fall together as no honest list makes them.
var errCrowded = errors.New("snapshot: too many names fall into one place; build it with another seed")

// segmentWriter lays out segments. It is kept from one to the next for its buffers.
type segmentWriter struct {
	codes     []uint32 // by value - 1
	lengths   []uint8
	out       []byte
	hot, cold []byte
	hotStart  []byte
	coldStart []byte
}

// newSegmentWriter makes room for segments of so many nodes, as a node takes a
// byte and a half in the hot part and under four in the cold part.
func newSegmentWriter(values []value, nodes int) *segmentWriter {
	lengths := make([]uint8, len(values))
	for i, v := range values {
		lengths[i] = v.length
	}
	code, _ := newPrefixCode(lengths) // the builder made them, or readHead refused them
	return &segmentWriter{
		codes: code.codes(), lengths: lengths,
		hot: make([]byte, 0, 3*nodes/2), cold: make([]byte, 0, 4*nodes), out: make([]byte, 0, 6*nodes),
	}
}

// layout gives the bytes of the segment that holds nodes, which are in order.
// They are good until the next call.
func (w *segmentWriter) layout(salt uint32, groups int, nodes []node) ([]byte, error) {
	w.hot, w.cold, w.hotStart, w.coldStart = w.hot[:0], w.cold[:0], w.hotStart[:0], w.coldStart[:0]
	for g := range groups {
		n := 0
		for n < len(nodes) && nodes[n].bucket() < (g+1)*groupBuckets {
			n++
		}
		if n > groupNodes || crowded(nodes[:n]) {
			return nil, errCrowded
		}
		w.start()
		w.addHot(g*groupBuckets, nodes[:n])
		w.addCold(nodes[:n])
		nodes = nodes[n:]
	}
	w.start()
	if len(w.hot)/4 > 0xffff || len(w.cold)/4 > 0xffff {
		return nil, errCrowded
	}
	table := wholeWords(len(w.hotStart))
	w.out = binary.LittleEndian.AppendUint32(w.out[:0], salt)
	w.out = binary.LittleEndian.AppendUint32(w.out, uint32(segmentHead+table+len(w.hot)))
	w.out = append(room(append(w.out, w.hotStart...), 0), w.hot...)
	w.out = append(room(append(w.out, w.coldStart...), 0), w.cold...)
	return w.out, nil
}

// crowded tells whether more nodes lie in a quad than a lookup reads at once.
func crowded(nodes []node) bool {
	for i := quadNodes; i < len(nodes); i++ {
		if nodes[i].bucket()/quadBuckets == nodes[i-quadNodes].bucket()/quadBuckets {
			return true
		}
	}
	return false
}

// start notes where the next group starts.
func (w *segmentWriter) start() {
	w.hotStart = binary.LittleEndian.AppendUint16(w.hotStart, uint16(len(w.hot)/4))
	w.coldStart = binary.LittleEndian.AppendUint16(w.coldStart, uint16(len(w.cold)/4))
}

func (w *segmentWriter) addHot(bucket int, nodes []node) {
	var head [hotHead]byte
	head[0] = byte(len(nodes))
	for _, n := range nodes {
		for q := 1 + (n.bucket()-bucket)/quadBuckets; q < len(head); q++ {
			head[q]++
		}
	}
	w.hot = append(w.hot, head[:]...)
	for _, n := range nodes {
		w.hot = append(w.hot, byte(n.fingerprint()>>24))
	}
	bw := bitWriter{b: w.hot}
	for _, n := range nodes {
		if n.value() == inner {
			bw.write(0, 1)
		} else {
			bw.write(1, 1)
		}
	}
	for end := bucket + groupBuckets; bucket < end; bucket++ {
		in := 0
		for ; in < len(nodes) && nodes[in].bucket() == bucket; in++ {
			bw.write(1, 1)
		}
		bw.write(0, 1)
		nodes = nodes[in:]
	}
	w.hot = room(bw.b, 0)
}

func (w *segmentWriter) addCold(nodes []node) {
	var head [coldHead / 8]byte
	at := len(w.cold)
	bw := bitWriter{b: append(w.cold, head[:]...)}
	valued, bits := 0, 0
	for _, n := range nodes {
		if n.value() == inner {
			continue
		}
		bits += w.writeValue(&bw, n.value())
		for q := valued / codeStep; q < len(head); q++ {
			bw.b[at+q] = byte(min(bits, farCode))
		}
		valued++
	}
	w.cold = room(bw.b, 3*valued)
	for i := len(nodes) - 1; i >= 0; i-- {
		if n := nodes[i]; n.value() != inner {
			w.cold = append(w.cold, byte(n.fingerprint()), byte(n.fingerprint()>>8), byte(n.fingerprint()>>16))
		}
	}
}

// room appends zeros, so that with n bytes more b ends in a whole word.
func room(b []byte, n int) []byte {
	for (len(b)+n)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

// writeValue writes a value's code, and gives its bits.
func (w *segmentWriter) writeValue(bw *bitWriter, value uint16) int {
	n := int(w.lengths[value-1])
	bw.write(w.codes[value-1], n)
	return n
}
