package filter

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
)

// oneGroup lays out a group and reads it as a trie of one segment would.
func oneGroup(t *testing.T, nodes []node) (segment, error) {
	t.Helper()
	w := newSegmentWriter([]value{{}}, len(nodes))
	b, err := w.layout(0, 1, nodes)
	if err != nil {
		return segment{}, err
	}
	s, ok := openSegment(slices.Clone(b), 1)
	if !ok {
		t.Fatal("the segment does not open")
	}
	n, _, ok := s.check(0, &prefixCode{count: [maxCode + 1]uint16{1}, symbols: []uint16{0}})
	if !ok || n != len(nodes) {
		t.Fatalf("check: %d nodes, %v; there are %d", n, ok, len(nodes))
	}
	return s, nil
}

// TestHotGroup lays out groups from empty to full, nodes anyhow in their
// buckets, and finds each node as a plain count does.
func TestHotGroup(t *testing.T) {
	r := rand.New(rand.NewPCG(21, 21))
	for size := range groupNodes + 1 {
		nodes := make([]node, size)
		for i := range nodes {
			nodes[i] = newNode(uint32(r.IntN(groupBuckets)), uint32(r.IntN(8))<<24, uint16(r.IntN(2)))
		}
		slices.Sort(nodes)
		s, err := oneGroup(t, nodes)
		if err != nil {
			t.Fatalf("%d nodes: %v", size, err)
		}
		hot := s.hotGroup(0)
		at, valued := 0, 0
		for b := range groupBuckets {
			first, n := hot.bucket(b)
			if first != at {
				t.Fatalf("%d nodes: bucket %d starts at %d, not %d", size, b, first, at)
			}
			for i := range n {
				at++
				node := nodes[first+i]
				if node.bucket() != b {
					t.Fatalf("%d nodes: node %d is in bucket %d, not %d", size, first+i, node.bucket(), b)
				}
				nth, is := hot.valuedBefore(first+i), hot.valued(first+i)
				if nth != valued || is != (node.value() != inner) {
					t.Fatalf("%d nodes: node %d is valued: %v, after %d; after %d", size, first+i, is, nth, valued)
				}
				if is {
					valued++
				}
			}
			for hot8 := range byte(9) {
				want := uint32(0)
				for i := range min(n, 4) {
					if nodes[first+i].fingerprint()>>24 == uint32(hot8) {
						want |= 0x80 << (8 * i)
					}
				}
				if got := hot.same(first, n, hot8); got != want {
					t.Fatalf("%d nodes, bucket %d, byte %d: %#x, want %#x", size, b, hot8, got, want)
				}
			}
		}
		if at != size {
			t.Fatalf("%d nodes: the buckets hold %d", size, at)
		}
	}
}

// TestQuadLimit fills every quad as far as a lookup can read it, and one node further.
func TestQuadLimit(t *testing.T) {
	for bucket := range uint32(groupBuckets) {
		var nodes []node
		for i := range uint32(quadNodes) {
			nodes = append(nodes, newNode(bucket, i<<24, 0))
		}
		s, err := oneGroup(t, nodes)
		if err != nil {
			t.Fatal(err)
		}
		if first, n := s.hotGroup(0).bucket(int(bucket)); first != 0 || n != quadNodes {
			t.Errorf("bucket %d has %d nodes from %d on", bucket, n, first)
		}
		nodes = append(nodes, newNode(bucket, quadNodes<<24, 0))
		if _, err := oneGroup(t, nodes); !errors.Is(err, errCrowded) {
			t.Errorf("bucket %d with a node too many: %v", bucket, err)
		}
	}
}
