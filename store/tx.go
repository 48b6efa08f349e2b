package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strings"

	"go.etcd.io/bbolt"
)

// castagnoli is the polynomial of every checksum here.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sumLen is the length in bytes of the checksum at the end of each value.
const sumLen = 4

// Tx is one transaction. It ends with the function it was handed to, and
// belongs to that function's goroutine.
type Tx struct {
	tx   *bbolt.Tx
	path string
}

// Bucket is a sorted map from key to value with a name. In a View a bucket that
// is not there reads as empty; in an Update the first Put makes it.
type Bucket struct {
	tx   *Tx
	name []string
}

// Bucket is the bucket at a path of names; none of them may be empty or start
// with "~".
func (t *Tx) Bucket(name ...string) *Bucket { return &Bucket{tx: t, name: name} }

// Buckets are the names of the buckets directly below b.
func (b *Bucket) Buckets() ([]string, error) {
	in, err := b.find()
	if in == nil || err != nil {
		return nil, err
	}
	var names []string
	err = in.ForEachBucket(func(name []byte) error {
		names = append(names, string(name))
		return nil
	})
	return names, err
}

// Get is the value of key, a copy, or nil if there is none. A value that has
// rotted is a DamageError.
func (b *Bucket) Get(key []byte) ([]byte, error) {
	in, err := b.find()
	if in == nil || err != nil {
		return nil, err
	}
	sealed := in.Get(key)
	if sealed == nil {
		return nil, nil
	}
	value, err := b.unseal(key, sealed)
	return bytes.Clone(value), err
}

// Put gives key a value, with its checksum. Key and value are copied. bbolt's
// limits hold: a key has 1 to 32,768 bytes.
func (b *Bucket) Put(key, value []byte) error {
	in, err := b.make()
	if err != nil {
		return err
	}
	return in.Put(bytes.Clone(key), seal(key, value))
}

// Delete takes key away; that there is none is no error.
func (b *Bucket) Delete(key []byte) error {
	in, err := b.find()
	if in == nil || err != nil {
		return err
	}
	return in.Delete(key)
}

// Clear takes the bucket away with all that is in it.
func (b *Bucket) Clear() error {
	if err := b.valid(); err != nil {
		return err
	}
	last := len(b.name) - 1
	if last == 0 {
		if b.tx.tx.Bucket([]byte(b.name[0])) == nil {
			return nil
		}
		return b.tx.tx.DeleteBucket([]byte(b.name[0]))
	}
	in, err := (&Bucket{tx: b.tx, name: b.name[:last]}).find()
	if in == nil || err != nil || in.Bucket([]byte(b.name[last])) == nil {
		return err
	}
	return in.DeleteBucket([]byte(b.name[last]))
}

// Each calls fn for every key from `from` on (nil is the first), ascending,
// until fn returns false. Key and value are borrowed until fn returns.
func (b *Bucket) Each(from []byte, fn func(key, value []byte) bool) error {
	in, err := b.find()
	if in == nil || err != nil {
		return err
	}
	c := in.Cursor()
	for k, v := c.Seek(from); k != nil; k, v = c.Next() {
		if v == nil {
			continue // a bucket
		}
		value, err := b.unseal(k, v)
		if err != nil {
			return err
		}
		if !fn(k, value) {
			break
		}
	}
	return nil
}

// Floor is the last key that is not above key, with its value, copies; nil if
// there is none.
func (b *Bucket) Floor(key []byte) (at, value []byte, err error) {
	in, err := b.find()
	if in == nil || err != nil {
		return nil, nil, err
	}
	c := in.Cursor()
	k, v := c.Seek(key)
	if !bytes.Equal(k, key) || k == nil {
		if k == nil {
			k, v = c.Last()
		} else {
			k, v = c.Prev()
		}
	}
	if k == nil || v == nil {
		return nil, nil, nil
	}
	value, err = b.unseal(k, v)
	return bytes.Clone(k), bytes.Clone(value), err
}

func (b *Bucket) valid() error {
	if len(b.name) == 0 {
		return errStoreName
	}
	for _, name := range b.name {
		if name == "" || strings.HasPrefix(name, "~") && b.name[0] != tables {
			return errStoreName
		}
	}
	return nil
}

// find is the bucket, or nil if it is not there.
func (b *Bucket) find() (*bbolt.Bucket, error) {
	if err := b.valid(); err != nil {
		return nil, err
	}
	in := b.tx.tx.Bucket([]byte(b.name[0]))
	for _, name := range b.name[1:] {
		if in == nil {
			return nil, nil
		}
		in = in.Bucket([]byte(name))
	}
	return in, nil
}

func (b *Bucket) make() (*bbolt.Bucket, error) {
	if err := b.valid(); err != nil {
		return nil, err
	}
	in, err := b.tx.tx.CreateBucketIfNotExists([]byte(b.name[0]))
	for _, name := range b.name[1:] {
		if err != nil {
			return nil, err
		}
		in, err = in.CreateBucketIfNotExists([]byte(name))
	}
	return in, err
}

// seal appends the checksum of key and value, so that a value under the wrong
// key is found out too.
func seal(key, value []byte) []byte {
	sealed := make([]byte, 0, len(value)+sumLen)
	sealed = append(sealed, value...)
	return binary.BigEndian.AppendUint32(sealed, sum(key, value))
}

func (b *Bucket) unseal(key, sealed []byte) ([]byte, error) {
	end := len(sealed) - sumLen
	if end < 0 || binary.BigEndian.Uint32(sealed[end:]) != sum(key, sealed[:end]) {
		return nil, &DamageError{Path: b.tx.path, What: fmt.Sprintf("the value of %.40q in %s does not match its checksum", key, strings.Join(b.name, "/"))}
	}
	return sealed[:end:end], nil
}

func sum(key, value []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, value)
}
