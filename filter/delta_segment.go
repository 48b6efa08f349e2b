package filter

import "math/bits"

// changes are what turns the nodes of one segment into the next.
type changes struct {
	going    []int // numbers in the old list, ascending
	changing []int // numbers in the old list, ascending
	values   []uint16
	coming   []node // in order
}

// difference finds the changes from one list of nodes to another, both in order.
func difference(before, after []node) (d changes) {
	i, j := 0, 0
	for i < len(before) || j < len(after) {
		switch {
		case j == len(after) || i < len(before) && before[i]>>16 < after[j]>>16:
			d.going = append(d.going, i)
			i++
		case i == len(before) || after[j]>>16 < before[i]>>16:
			d.coming = append(d.coming, after[j])
			j++
		case before[i] == after[j]:
			i, j = i+1, j+1
		case before[i].value() != inner && after[j].value() != inner:
			d.changing, d.values = append(d.changing, i), append(d.values, after[j].value())
			i, j = i+1, j+1
		case before[i] < after[j]: // an inner node goes, a valued one that looks like it stays
			d.going = append(d.going, i)
			i++
		default:
			d.coming = append(d.coming, after[j])
			j++
		}
	}
	return d
}

// apply appends to after what the changes make of before.
func (d *changes) apply(after, before []node) []node {
	going, changing, coming := d.going, d.changing, d.coming
	for i, n := range before {
		if len(going) > 0 && going[0] == i {
			going = going[1:]
			continue
		}
		if at := len(d.changing) - len(changing); len(changing) > 0 && changing[0] == i {
			n = n&^0xffff | node(d.values[at])
			changing = changing[1:]
		}
		for len(coming) > 0 && coming[0] < n {
			after = append(after, coming[0])
			coming = coming[1:]
		}
		after = append(after, n)
	}
	return append(after, coming...)
}

// encode writes the changes of a segment of so many groups and old nodes.
func (d *changes) encode(codes *segmentWriter, groups, before int, oldSalt, salt uint32) []byte {
	var w bitWriter
	if salt == oldSalt {
		w.write(0, 1)
	} else {
		w.write(1, 1)
		w.write(salt, 32)
	}
	writeGamma(&w, len(d.going))
	writeGamma(&w, len(d.changing))
	writeGamma(&w, len(d.coming))
	last, k := -1, riceParameter(before, len(d.going))
	for _, i := range d.going {
		writeRice(&w, i-last-1, k)
		last = i
	}
	last, k = -1, riceParameter(before, len(d.changing))
	for j, i := range d.changing {
		writeRice(&w, i-last-1, k)
		codes.writeValue(&w, d.values[j])
		last = i
	}
	last, k = 0, riceParameter(groups*groupBuckets, len(d.coming))
	for _, n := range d.coming {
		writeRice(&w, n.bucket()-last, k)
		last = n.bucket()
		if n.value() == inner {
			w.write(0, 1)
			w.write(n.fingerprint()>>24, 8)
			continue
		}
		w.write(1, 1)
		w.write(n.fingerprint()>>24, 8)
		w.write(n.fingerprint()&0xffffff, 24)
		codes.writeValue(&w, n.value())
	}
	return w.b
}

// decode reads what encode wrote, in place of what d held before. Nothing in b
// can make it hold more than a segment's worth of changes, or name nodes that
// are not there.
func (d *changes) decode(b []byte, code *prefixCode, groups, before int, salt uint32) (newSalt uint32, ok bool) {
	d.going, d.changing, d.values, d.coming = d.going[:0], d.changing[:0], d.values[:0], d.coming[:0]
	r := bitReader{b: b}
	if r.read(1) == 1 {
		salt = r.read(32)
	}
	going, changing, coming := r.gamma(), r.gamma(), r.gamma()
	if going > before || changing > before || coming > maxSegmentSize {
		return 0, false
	}
	next, k := 0, riceParameter(before, going)
	for range going {
		next += r.rice(k)
		if next >= before {
			return 0, false
		}
		d.going = append(d.going, next)
		next++
	}
	next, k = 0, riceParameter(before, changing)
	for range changing {
		next += r.rice(k)
		if next >= before || len(code.symbols) == 0 {
			return 0, false
		}
		d.changing, d.values = append(d.changing, next), append(d.values, r.value(code))
		next++
	}
	bucket, k := 0, riceParameter(groups*groupBuckets, coming)
	for range coming {
		bucket += r.rice(k)
		if bucket >= groups*groupBuckets || r.ended() {
			return 0, false
		}
		valued := r.read(1) == 1
		fingerprint, value := r.read(8)<<24, uint16(inner)
		if valued {
			if len(code.symbols) == 0 {
				return 0, false
			}
			fingerprint |= r.read(24)
			value = r.value(code)
		}
		d.coming = append(d.coming, newNode(uint32(bucket), fingerprint, value))
	}
	return salt, !r.ended()
}

// riceParameter is the number of low bits that a gap is written with as they
// are, where n things are spread over a range: near the logarithm of the mean gap.
func riceParameter(width, n int) int {
	return max(0, bits.Len(uint(width/max(1, n)))-1)
}

// writeRice writes a gap: its high part as so many ones and a zero, then k bits.
func writeRice(w *bitWriter, gap, k int) {
	for range gap >> k {
		w.write(1, 1)
	}
	w.write(0, 1)
	w.write(uint32(gap)&(1<<k-1), k)
}

// writeGamma writes a count in twice the bits of its length, less one.
func writeGamma(w *bitWriter, n int) {
	length := bits.Len(uint(n + 1))
	writeRice(w, length-1, 0)
	w.write(uint32(n+1)&(1<<(length-1)-1), length-1)
}

// bitReader reads bits one after the other. b ends in a zero word that is not
// part of it: past the end it reads zeros, so that whoever reads may check late.
type bitReader struct {
	b  []byte
	at int
}

// ended tells whether more has been read than there is.
func (r *bitReader) ended() bool { return r.at > 8*(len(r.b)-4) }

func (r *bitReader) read(n int) (v uint32) {
	for got := 0; got < n; got += 8 {
		v |= next8(r.b, r.at+got) << got
	}
	r.at += n
	if n < 32 {
		v &= 1<<n - 1
	}
	return v
}

// rice reads a gap. One that no segment is wide enough for, which 32 bits may
// not even hold, comes out as the width of a segment.
func (r *bitReader) rice(k int) int {
	high := 0
	for !r.ended() && r.read(1) == 1 {
		high++
	}
	if high > maxSegmentSize>>k {
		return maxSegmentSize
	}
	return high<<k | int(r.read(k))
}

func (r *bitReader) gamma() int {
	length := r.rice(0)
	if length > 30 {
		return 1 << 30
	}
	return (1<<length | int(r.read(length))) - 1
}

func (r *bitReader) value(code *prefixCode) (value uint16) {
	value, r.at = code.read(r.b, r.at)
	return value + 1
}
