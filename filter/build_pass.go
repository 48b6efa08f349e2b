package filter

import "slices"

// pass is one reading of the entries that collects the nodes of some segments.
type pass struct {
	*builder
	first int      // segment
	nodes [][]node // by segment from first on
	salts []uint32
}

// absentValue marks a suffix that must not be found, until that is proven.
const absentValue = 0xffff

// isValued tells whether a lookup would take a suffix equal to n for n.
func (n node) isValued() bool { return n.value() != inner && n.value() != absentValue }

// collect reads the entries until no segment of the pass has two names that
// could be taken for each other.
func (p *pass) collect(room []node) error {
	if like := p.opt.Like; like != nil && p.buckets == like.buckets {
		for i := range p.salts {
			p.salts[i] = like.segments[p.first+i].salt
		}
	}
	for range maxSalts {
		size := len(room) / len(p.nodes)
		for i := range p.nodes {
			p.nodes[i] = room[i*size : i*size : (i+1)*size]
		}
		if _, err := p.read(p.record); err != nil {
			return err
		}
		again := false
		for i := range p.nodes {
			var proven bool
			p.nodes[i], proven = p.prove(p.nodes[i])
			if !proven {
				again = true
				p.salts[i]++
				p.stats.Resalts++
			}
		}
		if !again {
			return nil
		}
	}
	return errCrowded
}

// record keeps a suffix that lies in the segments of the pass.
func (p *pass) record(kind suffixKind, self, below setNumber, h *suffixHash) {
	hash := h.sum()
	bucket := place(hash, p.buckets)
	i := int(bucket/segmentBuckets) - p.first
	if i < 0 || i >= len(p.nodes) {
		return
	}
	value := uint16(absentValue)
	switch kind {
	case suffixInner:
		value = inner
	case suffixValued:
		value = p.values.number(self, below)
	}
	p.nodes[i] = append(p.nodes[i], newNode(bucket, fingerprint(hash, p.salts[i])&p.opt.fingerprint, value))
}

// prove looks for suffixes that are equal in bucket and fingerprint, of which
// one would be taken for the other: it is proven that there are none. It
// returns the nodes alone, in order.
func (p *pass) prove(all []node) (nodes []node, proven bool) {
	slices.Sort(all)
	proven = true
	nodes = all[:0]
	var before node
	for i, n := range all {
		if i > 0 && before>>16 == n>>16 && (before.isValued() || n.isValued()) {
			proven = false
		}
		before = n
		switch n.value() {
		case absentValue:
			continue
		case inner:
			n &^= 0xffffff << 16
		}
		nodes = append(nodes, n)
	}
	slices.Sort(nodes) // inner nodes have lost their cold bits
	return nodes, proven
}
