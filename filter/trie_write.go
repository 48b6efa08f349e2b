package filter

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
)

// trieWriter writes a trie part by part, for builder and delta.
type trieWriter struct {
	w       io.Writer
	written int64
	base    int64  // where the segments start
	crc     uint32 // of what is written
	sum     uint32 // the checksum at the end, once closed
	ends    []byte
}

func newTrieWriter(w io.Writer) *trieWriter { return &trieWriter{w: w} }

func (t *trieWriter) write(b []byte) error {
	t.crc = crc32.Update(t.crc, castagnoli, b)
	n, err := t.w.Write(b)
	t.written += int64(n)
	if err == nil && t.written > maxTrieSize {
		err = fmt.Errorf("snapshot: it would be larger than %d bytes; build with fewer lists", maxTrieSize)
	}
	return err
}

func (t *trieWriter) head(b []byte) error {
	t.base = int64(len(b))
	return t.write(b)
}

func (t *trieWriter) segment(b []byte) error {
	if err := t.write(b); err != nil {
		return err
	}
	t.ends = binary.LittleEndian.AppendUint32(t.ends, uint32(t.written-t.base))
	return nil
}

func (t *trieWriter) close() error {
	if err := t.write(t.ends); err != nil {
		return err
	}
	t.sum = t.crc
	return t.write(binary.LittleEndian.AppendUint32(nil, t.sum))
}
