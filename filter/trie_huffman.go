package filter

import (
	"cmp"
	"slices"
)

// maxCode is the longest code of a value, in bits. 2²⁰ leaves room for every
// set a trie may have, and keeps a hostile table from making a walk long.
const maxCode = 20

// prefixCode is a canonical Huffman code: only the lengths are stored; codes of
// one length follow each other in the order of the symbols. Codes are read
// from bytes of which the last holds something else; see next8.
type prefixCode struct {
	count   [maxCode + 1]uint16 // by length: how many codes have it
	symbols []uint16            // by code: the symbol
	ahead   [256]ahead          // by the next eight bits
}

// ahead is what the next eight bits hold.
type ahead struct {
	symbol uint16 // the first code's
	length uint8  // the first code's, in bits; 0 if it is longer than eight
	codes  uint8  // how many codes end in the eight bits
	bits   uint8  // and how many bits those take
}

// newPrefixCode makes the code of lengths, where 0 is allowed for a lone symbol
// only: it needs no bits at all. It reports false for lengths that no complete
// code has.
func newPrefixCode(lengths []uint8) (prefixCode, bool) {
	var c prefixCode
	room := 1 << maxCode // codes of maxCode bits that are still free
	for s, n := range lengths {
		if n > maxCode || n == 0 && len(lengths) > 1 {
			return c, false
		}
		c.count[n]++
		c.symbols = append(c.symbols, uint16(s))
		room -= 1 << (maxCode - n)
	}
	slices.SortStableFunc(c.symbols, func(a, b uint16) int { return cmp.Compare(lengths[a], lengths[b]) })
	if room != 0 && len(lengths) > 0 {
		return c, false
	}
	if len(lengths) > 1 {
		for b := range c.ahead {
			c.ahead[b] = c.look([]byte{byte(b), 0, 0, 0})
		}
	}
	return c, true
}

// look works out what the first eight bits of b hold.
func (c *prefixCode) look(b []byte) (a ahead) {
	for at := 0; ; a.codes++ {
		symbol, length := c.decode(b, at)
		if at += length; at > 8 {
			return a
		}
		if a.codes == 0 {
			a.symbol, a.length = symbol, uint8(length)
		}
		a.bits = uint8(at)
	}
}

// decode reads the code at bit at of b, bit by bit.
func (c *prefixCode) decode(b []byte, at int) (symbol uint16, length int) {
	var code, first, index uint32
	for n := 1; n <= maxCode; n++ {
		code |= next8(b, at+n-1) & 1
		count := uint32(c.count[n])
		if code-first < count {
			return c.symbols[index+code-first], n
		}
		index += count
		first = (first + count) << 1
		code <<= 1
	}
	return 0, maxCode // not reached: the code is complete
}

// read reads the code at bit at of b and tells where the next one starts.
func (c *prefixCode) read(b []byte, at int) (symbol uint16, next int) {
	if c.count[0] == 1 {
		return c.symbols[0], at
	}
	if a := &c.ahead[next8(b, at)]; a.length > 0 {
		return a.symbol, at + int(a.length)
	}
	symbol, length := c.decode(b, at)
	return symbol, at + length
}

// skip passes over n codes, several at a time, and tells where the next one starts.
func (c *prefixCode) skip(b []byte, at, n int) (next int) {
	if c.count[0] == 1 {
		return at
	}
	for n > 0 {
		a := &c.ahead[next8(b, at)]
		if codes := int(a.codes); codes > 0 && codes <= n {
			n -= codes
			at += int(a.bits)
		} else if a.length > 0 {
			n--
			at += int(a.length)
		} else {
			_, length := c.decode(b, at)
			n--
			at += length
		}
	}
	return at
}

// codes gives each symbol's code, its first bit lowest, as bitWriter takes it.
func (c *prefixCode) codes() []uint32 {
	codes := make([]uint32, len(c.symbols))
	var code uint32
	i := 0
	for n := 0; n <= maxCode; n++ {
		for range c.count[n] {
			for b := range n {
				codes[c.symbols[i]] |= code >> (n - 1 - b) & 1 << b
			}
			code++
			i++
		}
		code <<= 1
	}
	return codes
}

// codeLengths gives the lengths of a Huffman code for symbols that occur this
// often, none longer than maxCode.
func codeLengths(often []int) []uint8 {
	if len(often) < 2 {
		return make([]uint8, len(often))
	}
	often = slices.Clone(often)
	for {
		lengths := huffman(often)
		if slices.Max(lengths) <= maxCode {
			return lengths
		}
		for i := range often { // flatten until it fits
			often[i] = (often[i] + 1) / 2
		}
	}
}

// huffman is the construction with two queues: the symbols in order, and the
// joined nodes, which come out in order by themselves.
func huffman(often []int) []uint8 {
	n := len(often)
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(often[a], often[b]) })

	weight := make([]int, 0, 2*n-1) // of the leaves in order, then of the joined nodes
	for _, s := range order {
		weight = append(weight, often[s])
	}
	parent := make([]int, 2*n-1)
	leaf, joined := 0, n
	least := func() int {
		if joined == len(weight) || leaf < n && weight[leaf] <= weight[joined] {
			leaf++
			return leaf - 1
		}
		joined++
		return joined - 1
	}
	for len(weight) < 2*n-1 {
		a, b := least(), least()
		parent[a], parent[b] = len(weight), len(weight)
		weight = append(weight, weight[a]+weight[b])
	}
	depth := make([]uint8, 2*n-1)
	for i := 2*n - 3; i >= 0; i-- {
		depth[i] = min(depth[parent[i]]+1, maxCode+1)
	}
	lengths := make([]uint8, n)
	for i, s := range order {
		lengths[s] = depth[i]
	}
	return lengths
}
