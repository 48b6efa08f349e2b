package filter

import "encoding/binary"

// Bits are numbered as in a little-endian word: bit i is bit i%8 of byte i/8.

// wordAt is word i of b.
//
// It is written with byte loads and not with unsafe: amd64 and arm make one
// load of it, mips makes ten instructions, a twentieth of a walk, and the same
// bytes serve machines of either byte order, aligned or not.
func wordAt(b []byte, i int) uint32 { return binary.LittleEndian.Uint32(b[4*i:]) }

// bitAt is bit i of b.
func bitAt(b []byte, i int) bool { return b[i>>3]>>(i&7)&1 != 0 }

// bitsAt is the 57 bits of b from bit i on, and no more than those count.
func bitsAt(b []byte, i int) uint64 { return binary.LittleEndian.Uint64(b[i>>3:]) >> (i & 7) }

// next8 is the eight bits of b from bit i on. The last byte of b is never
// among them: past it, and in it, are zeros.
func next8(b []byte, i int) uint32 {
	at := i >> 3
	if at+1 >= len(b) {
		return 0
	}
	return (uint32(b[at]) | uint32(b[at+1])<<8) >> (i & 7) & 0xff
}

// bitWriter appends bits to b, whose last byte fills up from its lowest bit.
type bitWriter struct {
	b    []byte
	free int // bits of the last byte that are not written yet
}

// write appends the n lowest bits of v.
func (w *bitWriter) write(v uint32, n int) {
	for n > 0 {
		if w.free == 0 {
			w.b = append(w.b, 0)
			w.free = 8
		}
		k := min(n, w.free)
		w.b[len(w.b)-1] |= byte(v&(1<<k-1)) << (8 - w.free)
		v >>= k
		n -= k
		w.free -= k
	}
}
