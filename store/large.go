package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
)

// pieceBytes is how a large value is cut: several pieces fill a transaction.
const pieceBytes = 120 << 10

// lengthKey sorts after every piece of a large value and holds its length, so
// that a value whose end is missing is found out.
var lengthKey = []byte{0xff, 0xff, 0xff, 0xff, 0xff}

// WriteLarge replaces the table name by one value of any size, which write
// writes. It is all there or not at all, as in Replace, and put in force in the
// same transaction as also (which may be nil) runs in.
func (f *File) WriteLarge(name string, write func(io.Writer) error, also func(*Tx) error) error {
	return f.Replace(name, func(put func(key, value []byte) error) error {
		w := &pieceWriter{put: put}
		if err := write(w); err != nil {
			return err
		}
		if err := w.flush(); err != nil {
			return err
		}
		return put(lengthKey, binary.BigEndian.AppendUint64(nil, w.length))
	}, also)
}

// readStep is how much of a large value is read under one mapping of the file,
// in bytes. Pages that were read count as the process's memory while they are
// mapped; this way a value costs its own length and little more.
const readStep = 2 << 20

// ReadLarge is the large value name as one piece of memory of exactly its
// length, the caller's to keep; nil if there is none. A value that is not what
// was written is a DamageError.
func (f *File) ReadLarge(name string) ([]byte, error) {
	for {
		r := largeReader{name: name}
		for !r.done {
			if err := f.View(r.step); err != nil {
				return nil, err
			}
		}
		if !r.replaced { // else somebody has put a newer one in force: read that
			return r.value, nil
		}
	}
}

// largeReader reads a value in several Views.
type largeReader struct {
	name           string
	generation     []byte
	length         uint64
	value          []byte
	done, replaced bool
}

// step reads the next pieces.
func (r *largeReader) step(tx *Tx) error {
	generation, err := tx.Bucket(tables, r.name).Get([]byte(current))
	if err != nil {
		return err
	}
	if r.generation == nil {
		r.generation = generation
		if r.length, err = r.begin(tx); err != nil || r.done {
			return err
		}
		r.value = make([]byte, 0, r.length)
	} else if !bytes.Equal(generation, r.generation) {
		r.done, r.replaced = true, true
		return nil
	}
	pieces := len(r.value) / pieceBytes
	err = tx.Table(r.name).Each(binary.BigEndian.AppendUint32(nil, uint32(pieces)), func(key, piece []byte) bool {
		if len(key) != 4 || int(binary.BigEndian.Uint32(key)) != len(r.value)/pieceBytes || uint64(len(r.value)+len(piece)) > r.length {
			return false
		}
		r.value = append(r.value, piece...)
		return (len(r.value)/pieceBytes-pieces)*pieceBytes < readStep
	})
	read := uint64(len(r.value))
	r.done = read == r.length
	if err == nil && !r.done && int(read)/pieceBytes == pieces {
		err = &DamageError{Path: tx.path, What: fmt.Sprintf("%s has %d of its %d bytes", r.name, read, r.length)}
	}
	return err
}

// begin reads the length, and is done if there is no value.
func (r *largeReader) begin(tx *Tx) (uint64, error) {
	head, err := tx.Table(r.name).Get(lengthKey)
	if head == nil || err != nil {
		r.done = true
		return 0, err
	}
	length := binary.BigEndian.Uint64(head)
	if length > maxLarge {
		return 0, &DamageError{Path: tx.path, What: fmt.Sprintf("%s claims %d bytes", r.name, length)}
	}
	return length, nil
}

// maxLarge in bytes is more than any snapshot can have, and little enough to be
// an int on a 32-bit router.
const maxLarge = 1 << 30

// pieceWriter cuts what is written to it.
type pieceWriter struct {
	put    func(key, value []byte) error
	piece  []byte
	number uint32
	length uint64
}

func (w *pieceWriter) Write(p []byte) (int, error) {
	written := len(p)
	for len(p) > 0 {
		if w.piece == nil {
			w.piece = make([]byte, 0, pieceBytes)
		}
		n := min(len(p), pieceBytes-len(w.piece))
		w.piece, p = append(w.piece, p[:n]...), p[n:]
		if len(w.piece) == pieceBytes {
			if err := w.flush(); err != nil {
				return 0, err
			}
		}
	}
	w.length += uint64(written)
	return written, nil
}

func (w *pieceWriter) flush() error {
	if len(w.piece) == 0 {
		return nil
	}
	err := w.put(binary.BigEndian.AppendUint32(nil, w.number), w.piece)
	w.number, w.piece = w.number+1, w.piece[:0]
	return err
}
