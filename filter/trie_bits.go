package filter

import (
	"encoding/binary"
	"math/bits"
)

// Bits are numbered as in a little-endian word: bit i is bit i%8 of byte i/8.

// wordAt is word i of b.
//
// It is written with byte loads and not with unsafe: amd64 and arm make one
// load of it, mips makes ten instructions, a twentieth of a walk, and the same
// bytes serve machines of either byte order, aligned or not.
func wordAt(b []byte, i int) uint32 { return binary.LittleEndian.Uint32(b[4*i:]) }

// bitAt is bit i of b.
func bitAt(b []byte, i int) bool { return b[i>>3]>>(i&7)&1 != 0 }

// onesBefore counts the ones among the first n bits of b, a whole number of words.
func onesBefore(b []byte, n int) int {
	ones := 0
	i := 0
	for ; n >= 32; n -= 32 {
		ones += bits.OnesCount32(wordAt(b, i))
		i++
	}
	if n > 0 {
		ones += bits.OnesCount32(wordAt(b, i) & (1<<n - 1))
	}
	return ones
}

// bitReader reads bits one after the other. Past the end it reads zeros, so
// that whoever reads checks once, at the end.
type bitReader struct {
	b  []byte
	at int // the next bit
}

// ended tells whether more has been read than there is.
func (r *bitReader) ended() bool { return r.at > 8*len(r.b) }

func (r *bitReader) bit() uint32 {
	i, shift := r.at>>3, r.at&7
	r.at++
	if i >= len(r.b) {
		return 0
	}
	return uint32(r.b[i]) >> shift & 1
}

// next8 is the next eight bits, which stay unread.
func (r *bitReader) next8() uint8 {
	i, shift := r.at>>3, r.at&7
	if i+1 < len(r.b) {
		return uint8((uint32(r.b[i]) | uint32(r.b[i+1])<<8) >> shift)
	}
	if i < len(r.b) {
		return r.b[i] >> shift
	}
	return 0
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

// align ends the byte.
func (w *bitWriter) align() { w.free = 0 }
