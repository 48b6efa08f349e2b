package store

import (
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

// ReadLarge is the large value name as one piece of memory of exactly its
// length, the caller's to keep; nil if there is none. A value that is not what
// was written is a DamageError.
func (t *Tx) ReadLarge(name string) ([]byte, error) {
	in := t.Table(name)
	head, err := in.Get(lengthKey)
	if head == nil || err != nil {
		return nil, err
	}
	length := binary.BigEndian.Uint64(head)
	if length > maxLarge {
		return nil, &DamageError{Path: t.path, What: fmt.Sprintf("%s claims %d bytes", name, length)}
	}
	value := make([]byte, 0, length)
	err = in.Each(nil, func(key, piece []byte) bool {
		if len(key) != 4 || int(binary.BigEndian.Uint32(key)) != len(value)/pieceBytes || uint64(len(value)+len(piece)) > length {
			return false
		}
		value = append(value, piece...)
		return true
	})
	if err == nil && uint64(len(value)) != length {
		err = &DamageError{Path: t.path, What: fmt.Sprintf("%s has %d of its %d bytes", name, len(value), length)}
	}
	if err != nil {
		return nil, err
	}
	return value, nil
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
