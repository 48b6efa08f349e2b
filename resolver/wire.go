package resolver

import (
	"encoding/binary"

	"github.com/treehouse-dns/treehouse/filter"
)

// rr is where a resource record lies in a message (RFC 1035 §4.1.3).
type rr struct {
	start int // its owner name
	fixed int // type, class, TTL and length, ten bytes
	rdata int
	end   int
	rtype uint16
	class uint16
	ttl   uint32
}

// readRR reads the record at a place in a message. The owner's name is skipped,
// not followed, so a walk over all records is linear whatever they point at.
func readRR(msg []byte, at int) (r rr, ok bool) {
	r.start = at
	if r.fixed, ok = skipName(msg, at); !ok || r.fixed+10 > len(msg) {
		return r, false
	}
	f := msg[r.fixed:]
	r.rtype = binary.BigEndian.Uint16(f)
	r.class = binary.BigEndian.Uint16(f[2:])
	r.ttl = binary.BigEndian.Uint32(f[4:])
	r.rdata = r.fixed + 10
	r.end = r.rdata + int(binary.BigEndian.Uint16(f[8:]))
	return r, r.end <= len(msg)
}

// skipName finds the end of a name that may be compressed.
func skipName(msg []byte, at int) (end int, ok bool) {
	for at < len(msg) {
		n := int(msg[at])
		switch {
		case n == 0:
			return at + 1, true
		case n&0xc0 == 0xc0:
			return at + 2, at+2 <= len(msg)
		case n > filter.MaxLabelLen:
			return 0, false
		}
		at += 1 + n
	}
	return 0, false
}

// expandName reads a name that may be compressed, lower-cased, into buf. Each
// pointer has to lead further back than the last, so there are no loops, and
// there are few of them, so the work is bounded (RFC 9267 §2).
func expandName(msg []byte, at int, buf *[filter.MaxNameLen]byte) (filter.Name, bool) {
	n, floor := 0, at
	for jumps := 0; at < len(msg); {
		c := int(msg[at])
		switch {
		case c == 0:
			if n >= len(buf) {
				return nil, false
			}
			buf[n] = 0
			return filter.Name(buf[:n+1]), true
		case c&0xc0 == 0xc0:
			if at+2 > len(msg) {
				return nil, false
			}
			to := int(binary.BigEndian.Uint16(msg[at:]) & 0x3fff)
			if jumps++; to >= floor || to < headerLen || jumps > pointersMax {
				return nil, false
			}
			at, floor = to, to
		case c > filter.MaxLabelLen || at+1+c > len(msg) || n+1+c >= len(buf):
			return nil, false
		default:
			buf[n] = byte(c)
			for i, b := range msg[at+1 : at+1+c] {
				buf[n+1+i] = lower(b)
			}
			n += 1 + c
			at += 1 + c
		}
	}
	return nil, false
}

// appendRR writes a record's head with the name of the question as its owner.
func appendRR(b []byte, rtype uint16, ttl uint32, rdlen int) []byte {
	b = append(b, 0xc0, headerLen, byte(rtype>>8), byte(rtype), 0, byte(classIN))
	b = binary.BigEndian.AppendUint32(b, ttl)
	return append(b, byte(rdlen>>8), byte(rdlen))
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + ('a' - 'A')
	}
	return c
}
