package store

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"

	"go.etcd.io/bbolt"
)

// A backup reads the same on every processor:
//
//	"treehouse backup 1\n"
//	'b' name          a bucket begins
//	'v' key value     a value, with its own checksum
//	'e'               the bucket ends
//	'.' CRC32C u32    the end; the checksum of all before it, big-endian
//
// where each of name, key and value is a uvarint length and its bytes.
const backupMagic = "treehouse backup 1\n"

// Limits of what Restore reads in one piece, so that a forged backup cannot ask
// for all memory.
const (
	maxBackupKey   = 32 << 10 // bytes; bbolt's own limit
	maxBackupValue = 1 << 20  // bytes; nothing here is larger than batchBytes
	maxBackupDepth = 16       // buckets inside of each other
)

// ErrBackup says that what was handed to Restore is no whole backup.
var ErrBackup = errors.New("this is no whole Treehouse backup; nothing was changed")

func (f *File) backupPath() string {
	if f.opt.Backup != "" {
		return f.opt.Backup
	}
	return f.path + ".backup"
}

// SaveBackup writes a backup beside the file, where Open finds it when the file
// turns out damaged.
func (f *File) SaveBackup() error {
	release, err := f.lock(true) // so that no Open takes its unfinished file away
	if err != nil {
		return sentence(f.path, err)
	}
	defer release()
	return sentence(f.path, writeWhole(f.backupPath(), func(file *os.File) error {
		if err := f.backup(file, nil); err != nil {
			return err
		}
		info, err := file.Stat()
		if err == nil {
			f.written.Add(uint64(info.Size()))
		}
		return err
	}))
}

// Backup writes everything in the file to w in a portable form.
func (f *File) Backup(w io.Writer) error {
	release, err := f.lock(false)
	if err != nil {
		return sentence(f.path, err)
	}
	defer release()
	return f.backup(w, nil)
}

// ErrNoRoom says that a backup would be larger than it may be.
var ErrNoRoom = errors.New("there is no room for it; the last one stays")

// SaveBackupWithout is SaveBackup without the tables that leaveOut names, which
// can be had again. It takes at most `most` bytes and leaves `spare` bytes of the
// backup's file system free: ErrNoRoom, and the last backup stays. Flash may take
// half a minute to write it: others read the file meanwhile, and write to it after;
// when ctx ends, the last backup stays.
func (f *File) SaveBackupWithout(ctx context.Context, leaveOut func(table string) bool, most, spare int64) error {
	release, err := f.lock(false)
	if err != nil {
		return sentence(f.path, err)
	}
	defer release()
	path := f.backupPath()
	if err := os.MkdirAll(filepath.Dir(path), folderMode); err != nil {
		return sentence(filepath.Dir(path), err)
	}
	sweepTemporary(path)
	var disk syscall.Statfs_t
	if err := syscall.Statfs(filepath.Dir(path), &disk); err != nil {
		return sentence(path, err)
	}
	left := min(most, int64(disk.Bavail)*int64(disk.Bsize)-spare)
	// Tried into nothing first: flash that is written in vain wears all the same.
	if err := f.backup(&boundedWriter{ctx: ctx, w: io.Discard, left: left, written: new(atomic.Uint64)}, leaveOut); err != nil {
		return sentence(path, err)
	}
	return sentence(path, writeWhole(path, func(file *os.File) error {
		return f.backup(&boundedWriter{ctx: ctx, w: file, left: left, written: &f.written}, leaveOut)
	}))
}

// boundedWriter writes no more than it may, as long as it may, and counts it.
type boundedWriter struct {
	ctx     context.Context
	w       io.Writer
	left    int64
	written *atomic.Uint64
}

func (b *boundedWriter) Write(p []byte) (int, error) {
	if b.left -= int64(len(p)); b.left < 0 {
		return 0, ErrNoRoom
	}
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	b.written.Add(uint64(len(p)))
	return b.w.Write(p)
}

// BackedUp is one value of the last backup, without restoring it: of a bucket
// that is not inside of another. It is nil if there is no backup, or none that
// can be read as far as that.
func (f *File) BackedUp(bucket, key string) []byte {
	backup, err := os.Open(f.backupPath())
	if err != nil {
		return nil
	}
	defer backup.Close()
	in := &backupReader{in: bufio.NewReader(backup), hash: crc32.New(castagnoli)}
	if string(in.bytes(uint64(len(backupMagic)))) != backupMagic {
		return nil
	}
	for depth, at := 0, ""; in.err == nil; {
		switch in.bytes(1)[0] {
		case 'b':
			name := in.blob(maxBackupKey)
			if depth++; depth == 1 {
				at = string(name)
			}
		case 'v':
			k, v := in.blob(maxBackupKey), in.blob(maxBackupValue)
			if in.err == nil && depth == 1 && at == bucket && string(k) == key {
				value, err := (&Bucket{tx: &Tx{path: f.backupPath()}}).unseal(k, v)
				if err != nil {
					return nil
				}
				return value
			}
		case 'e':
			if depth--; depth == 0 && at >= bucket { // they are in order
				return nil
			}
		default:
			return nil
		}
	}
	return nil
}

// backup is Backup for a caller that holds the lock, without the tables that
// leaveOut names (nil: none).
func (f *File) backup(w io.Writer, leaveOut func(table string) bool) error {
	hash := crc32.New(castagnoli)
	out := bufio.NewWriter(io.MultiWriter(w, hash))
	err := f.view(func(tx *Tx) error {
		out.WriteString(backupMagic)
		return tx.tx.ForEach(func(name []byte, b *bbolt.Bucket) error {
			if string(name) != tables {
				return backupBucket(out, name, b, nil)
			}
			return backupBucket(out, name, b, leaveOut)
		})
	})
	if err != nil {
		return err
	}
	out.WriteByte('.')
	if err := out.Flush(); err != nil {
		return err
	}
	_, err = w.Write(binary.BigEndian.AppendUint32(nil, hash.Sum32()))
	return err
}

// backupBucket writes a bucket, without those inside of it that leaveOut names.
func backupBucket(out *bufio.Writer, name []byte, b *bbolt.Bucket, leaveOut func(string) bool) error {
	out.WriteByte('b')
	writeBlob(out, name)
	err := b.ForEach(func(key, value []byte) error {
		if value == nil {
			if leaveOut != nil && leaveOut(string(key)) {
				return nil
			}
			return backupBucket(out, key, b.Bucket(key), nil)
		}
		out.WriteByte('v')
		writeBlob(out, key)
		return writeBlob(out, value)
	})
	if err != nil {
		return err
	}
	return out.WriteByte('e')
}

func writeBlob(out *bufio.Writer, b []byte) error {
	var length [binary.MaxVarintLen64]byte
	out.Write(length[:binary.PutUvarint(length[:], uint64(len(b)))])
	_, err := out.Write(b)
	return err // a bufio.Writer keeps its first error
}

// Restore replaces everything in the file by a backup, all of it or nothing.
// amend, if there is one, may alter what the backup holds (after) in view of what
// it takes the place of (before), ere anybody sees it; its error changes nothing.
func (f *File) Restore(r io.Reader, amend func(before, after *Tx) error) error {
	release, err := f.lock(true)
	if err != nil {
		return sentence(f.path, err)
	}
	defer release()
	return sentence(f.path, f.create(func(path string) error {
		if err := f.fill(path, r); err != nil || amend == nil {
			return err
		}
		return f.view(func(before *Tx) error {
			return f.update(path, func(after *Tx) error { return amend(before, after) })
		})
	}))
}

// fill puts a backup into the new database at path.
func (f *File) fill(path string, r io.Reader) error {
	in := &backupReader{in: bufio.NewReader(r), hash: crc32.New(castagnoli)}
	if magic := in.bytes(uint64(len(backupMagic))); string(magic) != backupMagic {
		return ErrBackup
	}
	var at []string
	for done := false; !done; {
		err := f.update(path, func(tx *Tx) error {
			for size := 0; size < batchBytes && !done; {
				var err error
				var n int
				if at, n, done, err = in.step(tx, at); err != nil {
					return err
				}
				size += n
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

type backupReader struct {
	in   *bufio.Reader
	hash interface {
		io.Writer
		Sum32() uint32
	}
	err error
}

// step does what the next record of the backup says, inside the bucket at.
func (r *backupReader) step(tx *Tx, at []string) (next []string, size int, done bool, err error) {
	switch kind := r.bytes(1); {
	case r.err != nil:
	case kind[0] == 'b' && len(at) < maxBackupDepth:
		name := r.blob(maxBackupKey)
		if r.err == nil && len(name) > 0 {
			next = append(at[:len(at):len(at)], string(name))
			_, err := makeBuckets(tx, next)
			return next, len(name), false, err
		}
	case kind[0] == 'v' && len(at) > 0:
		key, value := r.blob(maxBackupKey), r.blob(maxBackupValue)
		if r.err == nil && len(key) > 0 {
			in, err := makeBuckets(tx, at)
			if err == nil {
				err = in.Put(key, value)
			}
			return at, len(key) + len(value), false, err
		}
	case kind[0] == 'e' && len(at) > 0:
		return at[:len(at)-1], 0, false, nil
	case kind[0] == '.' && len(at) == 0:
		want := binary.BigEndian.AppendUint32(nil, r.hash.Sum32())
		if got := r.bytes(4); bytes.Equal(got, want) {
			return at, 0, true, nil
		}
	}
	if r.err != nil && !errors.Is(r.err, io.EOF) && !errors.Is(r.err, io.ErrUnexpectedEOF) {
		return at, 0, false, fmt.Errorf("%w: %w", ErrBackup, r.err)
	}
	return at, 0, false, ErrBackup
}

// makeBuckets is the bucket at a path, made if it is not there. Unlike
// Bucket.make it takes the store's own names: a backup holds tables too.
func makeBuckets(tx *Tx, at []string) (*bbolt.Bucket, error) {
	b, err := tx.tx.CreateBucketIfNotExists([]byte(at[0]))
	for _, name := range at[1:] {
		if err != nil {
			return nil, err
		}
		b, err = b.CreateBucketIfNotExists([]byte(name))
	}
	return b, err
}

func (r *backupReader) blob(limit uint64) []byte {
	var length uint64
	for shift := 0; ; shift += 7 {
		b := r.bytes(1)
		if r.err != nil || shift > 28 {
			r.fail()
			return nil
		}
		length |= uint64(b[0]&0x7f) << shift
		if b[0] < 0x80 {
			break
		}
	}
	if length > limit {
		r.fail()
		return nil
	}
	return r.bytes(length)
}

func (r *backupReader) fail() {
	if r.err == nil {
		r.err = io.ErrUnexpectedEOF
	}
}

// bytes reads n bytes, always n of them: zeros after an error.
func (r *backupReader) bytes(n uint64) []byte {
	out := make([]byte, n)
	if r.err == nil {
		_, r.err = io.ReadFull(r.in, out)
		r.hash.Write(out)
	}
	return out
}
