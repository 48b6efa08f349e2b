package resolver

import (
	"bytes"
	"encoding/binary"

	"github.com/treehouse-dns/treehouse/filter"
)

// entry is what an upstream said to one question, as flat bytes without
// pointers: that is how the cache holds it, and how a flight hands it to those
// who wait. Its body is the records as they follow the question of a reply, so
// that a cached answer is a copy and a few TTLs counted down.
//
//	 0  4  length of the entry, a multiple of four
//	 4  8  hash of the key
//	12  4  when it was stored, in seconds of the cache's clock
//	16  4  for how many seconds it is true
//	20  1  hits since it was last looked over for eviction, at most hitsMax
//	21  1  marks
//	22  1  rcode
//	23  1  variant
//	24  2  QTYPE
//	26  2  records in the answer section
//	28  2  records in the authority section
//	30  2  length of QNAME
//	32  2  length of the targets
//	34  2  number of TTLs
//	36  2  length of the body
//	38     QNAME · targets, one name after another · where in the body the TTLs are, two bytes each · body
type entry []byte

const (
	entryHead = 38

	markDead      uint8 = 1 << 0 // replaced, and no longer in the index
	markAD        uint8 = 1 << 1 // the upstream says it has validated (RFC 4035 §3.2.3)
	markUncached  uint8 = 1 << 2 // good for those who wait, and for nobody later
	markRebinding uint8 = 1 << 3 // addresses of the home were taken out

	variantDO uint8 = 1 << 0
	variantCD uint8 = 1 << 1
)

// key is what an entry answers.
type key struct {
	name    filter.Name
	qtype   uint16
	variant uint8
	hash    uint64
}

// equal tells whether two keys are of one question.
func (k *key) equal(other *key) bool {
	return k.hash == other.hash && k.qtype == other.qtype && k.variant == other.variant && bytes.Equal(k.name, other.name)
}

func (e entry) length() int      { return int(binary.BigEndian.Uint32(e)) }
func (e entry) hash() uint64     { return binary.BigEndian.Uint64(e[4:]) }
func (e entry) stored() uint32   { return binary.BigEndian.Uint32(e[12:]) }
func (e entry) lifetime() uint32 { return binary.BigEndian.Uint32(e[16:]) }
func (e entry) rcode() rcode     { return rcode(e[22]) }
func (e entry) has(m uint8) bool { return e[21]&m != 0 }
func (e entry) answers() uint16  { return binary.BigEndian.Uint16(e[26:]) }
func (e entry) authority() uint16 {
	return binary.BigEndian.Uint16(e[28:])
}

// at gives the length in a head's field.
func (e entry) at(field int) int { return int(binary.BigEndian.Uint16(e[field:])) }

// name is the QNAME the entry answers.
func (e entry) name() filter.Name { return filter.Name(e[entryHead : entryHead+e.at(30)]) }

// targets are the names that the answer leads to, one after another.
func (e entry) targets() []byte {
	from := entryHead + e.at(30)
	return e[from : from+e.at(32)]
}

// ttls is where in the body the TTLs are, two bytes each.
func (e entry) ttls() []byte {
	from := entryHead + e.at(30) + e.at(32)
	return e[from : from+2*e.at(34)]
}

// body is the records.
func (e entry) body() []byte {
	from := entryHead + e.at(30) + e.at(32) + 2*e.at(34)
	return e[from : from+e.at(36)]
}

// matches tells whether the entry answers k.
func (e entry) matches(k *key) bool {
	return e.hash() == k.hash && e[23] == k.variant &&
		binary.BigEndian.Uint16(e[24:]) == k.qtype && bytes.Equal(e.name(), k.name)
}

// facts is what goes into an entry.
type facts struct {
	rcode              rcode
	marks              uint8
	answers, authority uint16
	lifetime           uint32
	targets            []byte
	ttls               []uint16
	body               []byte
}

// appendEntry appends the entry that answers k with f. It is nil where f is too
// large for the fields.
func appendEntry(b []byte, k *key, stored uint32, f *facts) entry {
	if len(f.targets) > 0xffff || len(f.body) > 0xffff {
		return nil
	}
	n := entryHead + len(k.name) + len(f.targets) + 2*len(f.ttls) + len(f.body)
	n = (n + 3) &^ 3
	start := len(b)
	be := binary.BigEndian
	b = be.AppendUint32(b, uint32(n))
	b = be.AppendUint64(b, k.hash)
	b = be.AppendUint32(b, stored)
	b = be.AppendUint32(b, f.lifetime)
	b = append(b, 0, f.marks, byte(f.rcode), k.variant)
	b = be.AppendUint16(b, k.qtype)
	b = be.AppendUint16(b, f.answers)
	b = be.AppendUint16(b, f.authority)
	b = be.AppendUint16(b, uint16(len(k.name)))
	b = be.AppendUint16(b, uint16(len(f.targets)))
	b = be.AppendUint16(b, uint16(len(f.ttls)))
	b = be.AppendUint16(b, uint16(len(f.body)))
	b = append(b, k.name...)
	b = append(b, f.targets...)
	for _, at := range f.ttls {
		b = be.AppendUint16(b, at)
	}
	b = append(b, f.body...)
	for len(b)-start < n {
		b = append(b, 0)
	}
	return entry(b[start:])
}
