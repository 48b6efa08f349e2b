package filter

import (
	"bufio"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
)

// A delta turns snapshot A into snapshot B, byte for byte. Both have the same
// key and the same buckets, so a name that is in both lies in the same place,
// and what differs is a few nodes of each segment. It is made and merged
// segment by segment, in the order of the files:
//
//	delta    = "treehtd" and version (8), CRC of A (4), CRC of B (4), length of B (4),
//	           length of B's head (4), of that deflated with A's head as the dictionary (4), that, segments
//	segment  = length in bytes (4), then bits:
//	  has the salt changed? if so, the new one (32)
//	  how many nodes go, how many change their value, how many come (Elias gamma)
//	  going:    gaps between their numbers in A (Rice)
//	  changing: gaps between their numbers in A (Rice), each with its new value (B's code)
//	  coming:   gaps between their buckets (Rice), each with: is it valued? hot bits (8),
//	            and if it is valued, cold bits (24) and value (B's code)
//
// A coming name costs 32 bits and the logarithm of how far apart they lie,
// which is what the hashes say of it: there is nothing left to save.
const (
	deltaMagic     = "treehtd\x01"              // the last byte is the version
	deltaFixed     = 28                         // bytes before the deflated head
	maxDeltaPart   = 1 << 20                    // bytes of a segment's changes: a whole segment fits, so more is a lie
	maxSegmentSize = segmentGroups * groupNodes // nodes
)

// Errors of MakeDelta and ApplyDelta.
var (
	ErrDeltaApart = errors.New("delta: the snapshots were built apart; build the new one Like the old one, or send it whole")
	ErrDeltaBase  = errors.New("delta: it is for another snapshot; fetch the whole one")
	ErrDelta      = errors.New("delta: it is damaged; fetch the whole snapshot")
)

// MakeDelta writes what ApplyDelta turns a into b with. It pays only where b
// was built Like a; where it comes out larger than b, send b.
func MakeDelta(w io.Writer, a, b *Trie) error {
	if a.key != b.key || a.buckets != b.buckets {
		return ErrDeltaApart
	}
	var head bytes.Buffer
	z, err := flate.NewWriterDict(&head, flate.BestCompression, a.raw)
	if err != nil {
		return fmt.Errorf("delta: %w", err)
	}
	if _, err := z.Write(b.raw); err != nil {
		return fmt.Errorf("delta: %w", err)
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("delta: %w", err)
	}
	out := bufio.NewWriter(w)
	fixed := []byte(deltaMagic)
	for _, n := range []uint32{a.checksum(), b.checksum(), uint32(len(b.file)), uint32(len(b.raw)), uint32(head.Len())} {
		fixed = binary.LittleEndian.AppendUint32(fixed, n)
	}
	out.Write(fixed)
	out.Write(head.Bytes())

	codes := newSegmentWriter(b.values, 0)
	same := sameValues(&a.head, &b.head)
	var before, after []node
	for i := range b.segments {
		before = a.segmentNodes(before[:0], i)
		renumber(before, same)
		after = b.segmentNodes(after[:0], i)
		d := difference(before, after)
		part := d.encode(codes, groupsOf(i, b.buckets), len(before), a.segments[i].salt, b.segments[i].salt)
		out.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(part))))
		out.Write(part)
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("delta: %w", err)
	}
	return nil
}

// ApplyDelta writes the snapshot that a and a delta make. It holds one segment
// at a time, under 2 MB; a may be mapped. What it has written is good only if
// it returns nil: the checksum comes last.
func ApplyDelta(w io.Writer, a *Trie, delta io.Reader) error {
	in := bufio.NewReader(delta)
	fixed := make([]byte, deltaFixed)
	if _, err := io.ReadFull(in, fixed); err != nil || string(fixed[:8]) != deltaMagic {
		return ErrDelta
	}
	if wordAt(fixed, 2) != a.checksum() {
		return ErrDeltaBase
	}
	h, err := readDeltaHead(in, a, wordAt(fixed, 5), wordAt(fixed, 6))
	if err != nil {
		return err
	}
	out := newTrieWriter(w)
	if err := out.head(h.raw); err != nil {
		return fmt.Errorf("delta: %w", err)
	}
	room := max(a.nodesPerSegment(), h.nodesPerSegment())
	layout := newSegmentWriter(h.values, room)
	same := sameValues(&a.head, h)
	var part []byte
	var d changes
	before, after := make([]node, 0, room), make([]node, 0, room)
	for i := range a.segments {
		if part, err = readPart(in, part); err != nil {
			return err
		}
		before = a.segmentNodes(before[:0], i)
		renumber(before, same)
		groups := groupsOf(i, h.buckets)
		salt, ok := d.decode(part, &h.code, groups, len(before), a.segments[i].salt)
		if !ok {
			return ErrDelta
		}
		after = d.apply(after[:0], before)
		if slices.ContainsFunc(after, func(n node) bool { return n.value() == absentValue }) {
			return ErrDelta // a value that B does not have
		}
		segment, err := layout.layout(salt, groups, after)
		if err != nil {
			return ErrDelta
		}
		if err := out.segment(segment); err != nil {
			return fmt.Errorf("delta: %w", err)
		}
	}
	if err := out.close(); err != nil {
		return fmt.Errorf("delta: %w", err)
	}
	if out.sum != wordAt(fixed, 3) || uint32(out.written) != wordAt(fixed, 4) {
		return ErrDelta
	}
	return nil
}

// readDeltaHead reads B's head.
func readDeltaHead(in io.Reader, a *Trie, size, deflated uint32) (*head, error) {
	if size > maxHead || deflated > maxHead {
		return nil, ErrDelta
	}
	raw := make([]byte, size)
	packed := io.LimitReader(in, int64(deflated))
	if _, err := io.ReadFull(flate.NewReaderDict(bufio.NewReader(packed), a.raw), raw); err != nil {
		return nil, ErrDelta
	}
	if _, err := io.Copy(io.Discard, packed); err != nil {
		return nil, ErrDelta
	}
	h, err := readHead(raw)
	if err != nil || h.key != a.key || h.buckets != a.buckets || len(h.raw) != len(raw) {
		return nil, ErrDelta
	}
	return h, nil
}

// readPart reads the changes of one segment into buf, and a zero word after them.
func readPart(in io.Reader, buf []byte) ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(in, size[:]); err != nil {
		return nil, ErrDelta
	}
	n := int(binary.LittleEndian.Uint32(size[:]) & 0x7fffffff)
	if n > maxDeltaPart {
		return nil, ErrDelta
	}
	buf = slices.Grow(buf[:0], n+4)[:n]
	if _, err := io.ReadFull(in, buf); err != nil {
		return nil, ErrDelta
	}
	return append(buf, 0, 0, 0, 0), nil
}

// checksum is the CRC at the end of the file.
func (t *Trie) checksum() uint32 {
	return binary.LittleEndian.Uint32(t.file[len(t.file)-crcSize:])
}

// segmentNodes appends the nodes of segment i.
func (t *Trie) segmentNodes(nodes []node, i int) []node {
	for g := range groupsOf(i, t.buckets) {
		nodes = t.segments[i].decode(nodes, g, &t.code)
	}
	return nodes
}

// sameValues gives for each value of a, counted from 1, the value of b that
// says the same, or absentValue if b has none.
func sameValues(a, b *head) []uint16 {
	name := func(h *head, v value) string {
		var key []byte
		for _, set := range [][]TopicID{h.sets[v.self], h.sets[v.below]} {
			ids := make([]string, len(set))
			for i, t := range set {
				ids[i] = h.topicID(t)
			}
			slices.Sort(ids)
			for _, id := range ids {
				key = append(append(key, byte(len(id))), id...)
			}
			key = append(key, 0)
		}
		return string(key)
	}
	numbers := make(map[string]uint16, len(b.values))
	for i, v := range b.values {
		numbers[name(b, v)] = uint16(i + 1)
	}
	same := make([]uint16, len(a.values)+1)
	for i, v := range a.values {
		same[i+1] = absentValue
		if n, there := numbers[name(a, v)]; there {
			same[i+1] = n
		}
	}
	return same
}

// renumber gives nodes their values' numbers in the other trie.
func renumber(nodes []node, same []uint16) {
	for i, n := range nodes {
		nodes[i] = n&^0xffff | node(same[n.value()])
	}
}
