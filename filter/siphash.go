package filter

import "encoding/binary"

// sipKey is the key of SipHash. Every trie has one of its own, so that two
// names that look alike in one trie do not in the next.
type sipKey struct{ k0, k1 uint64 }

// newSipKey spreads a seed over a key with SplitMix64, so that seeds that
// follow each other give keys that have nothing in common.
func newSipKey(seed uint64) sipKey {
	return sipKey{splitMix(2 * seed), splitMix(2*seed + 1)}
}

func splitMix(n uint64) uint64 {
	z := (n + 1) * 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// suffixHash is SipHash-1-3 stopped between two labels: the hash of a suffix,
// which the next label to the left extends.
//
// A label goes in as it travels, its length byte first, filled up with zeros to
// whole words of eight bytes. The length byte says where the label ends, so
// different suffixes never make the same words.
type suffixHash struct{ v0, v1, v2, v3 uint64 }

// start is the hash of the root, which every walk starts from.
func (k sipKey) start() suffixHash {
	return suffixHash{
		k.k0 ^ 0x736f6d6570736575, k.k1 ^ 0x646f72616e646f6d,
		k.k0 ^ 0x6c7967656e657261, k.k1 ^ 0x7465646279746573,
	}
}

// extend adds the first label of n, its length byte included. What follows the
// label does not count, but is there to be read: a word that is loaded whole
// and cut takes no loop over bytes, whose end a processor cannot foresee.
func (h *suffixHash) extend(n []byte) {
	v0, v1, v2, v3 := h.v0, h.v1, h.v2, h.v3
	label := 1 + int(n[0])
	for at := 0; at < label; at += 8 {
		var word uint64
		if len(n) >= 8 {
			from := min(at, len(n)-8)
			word = binary.LittleEndian.Uint64(n[from:]) >> (8 * (at - from))
			if rest := label - at; rest < 8 {
				word &= 1<<(8*rest) - 1
			}
		} else {
			for i, c := range n[:label] {
				word |= uint64(c) << (8 * i)
			}
		}
		v3 ^= word
		v0, v1, v2, v3 = sipHalf(v0, v1, v2, v3)
		v0, v1, v2, v3 = sipOtherHalf(v0, v1, v2, v3)
		v0 ^= word
	}
	h.v0, h.v1, h.v2, h.v3 = v0, v1, v2, v3
}

// sum is the hash of the suffix so far. The state stays as it is, ready for
// the next label.
func (h *suffixHash) sum() uint64 {
	v0, v1, v2, v3 := h.v0, h.v1, h.v2^0xff, h.v3
	for range 3 {
		v0, v1, v2, v3 = sipHalf(v0, v1, v2, v3)
		v0, v1, v2, v3 = sipOtherHalf(v0, v1, v2, v3)
	}
	return v0 ^ v1 ^ v2 ^ v3
}

// A round of SipHash is two halves and its rotations are written as shifts,
// since that is what the compiler inlines for 32-bit machines too. There a
// call would pass eight words through memory, both ways.

func sipHalf(v0, v1, v2, v3 uint64) (uint64, uint64, uint64, uint64) {
	v0 += v1
	v2 += v3
	return v0<<32 | v0>>32, (v1<<13 | v1>>51) ^ v0, v2, (v3<<16 | v3>>48) ^ v2
}

func sipOtherHalf(v0, v1, v2, v3 uint64) (uint64, uint64, uint64, uint64) {
	v0 += v3
	v2 += v1
	return v0, (v1<<17 | v1>>47) ^ v2, v2<<32 | v2>>32, (v3<<21 | v3>>43) ^ v0
}
