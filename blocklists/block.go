package blocklists

import (
	"bytes"
	"encoding/binary"
	"errors"
)

// blockBytes is how much front-coded text stands together. It is what one
// source takes in memory while sources are merged, and what a lookup unpacks.
const blockBytes = 32 << 10

// A block is sorted records, each coded as what it shares with the one before:
//
//	shared u8 · length uvarint · the rest of the record
//
// The first shares nothing, so a block reads by itself.
type block struct {
	first record // of the block, a copy
	last  record // a copy
	coded []byte
}

// add appends a record that is not below the last.
func (b *block) add(r record) {
	shared := 0
	if len(b.coded) == 0 {
		b.first = append(b.first[:0], r...)
	} else {
		for limit := min(len(r), len(b.last), 255); shared < limit && r[shared] == b.last[shared]; {
			shared++
		}
	}
	b.coded = append(b.coded, byte(shared))
	b.coded = binary.AppendUvarint(b.coded, uint64(len(r)-shared))
	b.coded = append(b.coded, r[shared:]...)
	b.last = append(b.last[:0], r...)
}

// full tells whether another record may not fit.
func (b *block) full() bool { return len(b.coded) > blockBytes-maxRecordLen-4 }

func (b *block) reset() { b.coded = b.coded[:0] }

var errBlock = errors.New("a block of stored names is damaged; import or update its source again")

// blockReader gives the records of a block, in order.
type blockReader struct {
	rest []byte
	at   record
}

// next is the next record, borrowed until the one after; nil at the end.
func (b *blockReader) next() (record, error) {
	if len(b.rest) == 0 {
		return nil, nil
	}
	shared := int(b.rest[0])
	length, width := binary.Uvarint(b.rest[1:])
	start := 1 + width
	if width <= 0 || length > maxRecordLen || shared > len(b.at) || start+int(length) > len(b.rest) {
		return nil, errBlock
	}
	b.at = append(b.at[:shared], b.rest[start:start+int(length)]...)
	b.rest = b.rest[start+int(length):]
	if !b.at.valid() {
		return nil, errBlock
	}
	return b.at, nil
}

func (b *blockReader) reset(coded []byte) { b.rest, b.at = coded, b.at[:0] }

// same tells whether two records are of the same name and mode.
func same(a, b record) bool { return bytes.Equal(a.withoutTopic(), b.withoutTopic()) }
