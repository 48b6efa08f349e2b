package resolver

import (
	crand "crypto/rand"
	"math/rand/v2"
	"sync"
)

// freshFor is how many draws a number is not drawn again for: long enough that
// the questions in flight differ in every one, short enough that who has seen
// the last ones learns nothing of use (10 of 16 bits remain free at the least).
const freshFor = 1024

// numbers draws query ids, source ports and letter cases that cannot be
// foretold (RFC 5452 §4): ChaCha8, seeded by the system. The zero numbers has
// to be seeded. Any number of goroutines may use it.
type numbers struct {
	mu     sync.Mutex
	source *rand.ChaCha8
	seen   [1 << 16 / 64]uint64
	last   [freshFor]uint16
	next   int
	drawn  bool // last has gone round once
}

func (n *numbers) seed() {
	var seed [32]byte
	crand.Read(seed[:])
	n.source = rand.NewChaCha8(seed)
}

// draw gives a number that was not among the last freshFor ones.
func (n *numbers) draw() uint16 { return n.drawFrom(0) }

// drawFrom is draw for numbers from least on.
func (n *numbers) drawFrom(least uint16) uint16 {
	n.mu.Lock()
	defer n.mu.Unlock()
	for {
		if v := uint16(n.source.Uint64()); v >= least && n.note(v) {
			return v
		}
	}
}

// fresh tells whether a number that somebody else drew was not among the last
// freshFor ones, and counts it among them.
func (n *numbers) fresh(v uint16) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.note(v)
}

func (n *numbers) note(v uint16) bool {
	if n.seen[v/64]&(1<<(v%64)) != 0 {
		return false
	}
	if n.drawn {
		old := n.last[n.next]
		n.seen[old/64] &^= 1 << (old % 64)
	}
	n.seen[v/64] |= 1 << (v % 64)
	n.last[n.next] = v
	n.next++
	if n.next == len(n.last) {
		n.next, n.drawn = 0, true
	}
	return true
}

// mix gives each letter of a name in wire form a case by chance.
func (n *numbers) mix(name []byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var bits uint64
	left := 0
	for i, c := range name {
		if c < 'a' || c > 'z' { // no length byte is that large
			continue
		}
		if left == 0 {
			bits, left = n.source.Uint64(), 64
		}
		if bits&1 != 0 {
			name[i] = c - ('a' - 'A')
		}
		bits >>= 1
		left--
	}
}
