package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
)

// A table is a bucket that is replaced as a whole. Each generation has a bucket
// of its own; which one is in force is one small value, written last:
//
//	~tables/<name>/current        the generation in force
//	~tables/<name>/<generation>/  its keys and values
const (
	tables  = "~tables"
	current = "current"

	// batchBytes of keys and values go into one transaction: bbolt holds all
	// pages of a transaction in memory.
	batchBytes = 256 << 10
)

// Table is the table of that name as it is in force, empty if there is none. It
// is for reading; Replace writes.
func (t *Tx) Table(name string) *Bucket {
	in := t.Bucket(tables, name)
	generation, err := in.Get([]byte(current))
	if err != nil || generation == nil {
		return t.Bucket(tables, name, "none")
	}
	return t.Bucket(tables, name, string(generation))
}

// Tables are the names of all tables in force.
func (t *Tx) Tables() ([]string, error) {
	names, err := t.Bucket(tables).Buckets()
	if err != nil {
		return nil, err
	}
	inForce := names[:0]
	for _, name := range names {
		generation, err := t.Bucket(tables, name).Get([]byte(current))
		if err != nil {
			return nil, err
		}
		if generation != nil {
			inForce = append(inForce, name)
		}
	}
	return inForce, nil
}

// Replace fills a new generation of the table and puts it in force in the same
// transaction as also (which may be nil) runs in. fill hands every key, in any
// order, to put, which copies it. Until the end everyone sees the old
// generation; an error, or the end of the process at any point, leaves it.
// Memory is bounded whatever the size of the table. One Replace at a time may
// run on a table; Lock helps.
func (f *File) Replace(name string, fill func(put func(key, value []byte) error) error, also func(*Tx) error) error {
	return f.batch(func(update updateFunc) error {
		var old, fresh string
		err := update(func(tx *Tx) (err error) {
			old, fresh, err = beginGeneration(tx, name)
			return err
		})
		if err != nil {
			return err
		}
		err = fillGeneration(update, name, fresh, fill)
		if err == nil {
			err = update(func(tx *Tx) error {
				if err := tx.Bucket(tables, name).Put([]byte(current), []byte(fresh)); err != nil {
					return err
				}
				if old != "" {
					if err := tx.Bucket(tables, name, old).Clear(); err != nil {
						return err
					}
				}
				if also == nil {
					return nil
				}
				return also(tx)
			})
		}
		if err != nil {
			// What cannot be cleared now is swept by the next Replace.
			_ = update(func(tx *Tx) error { return tx.Bucket(tables, name, fresh).Clear() })
		}
		return err
	})
}

// Drop takes the table away, in the same transaction as also, which may be nil.
func (f *File) Drop(name string, also func(*Tx) error) error {
	return f.Update(func(tx *Tx) error {
		if err := tx.Bucket(tables, name).Clear(); err != nil {
			return err
		}
		if also == nil {
			return nil
		}
		return also(tx)
	})
}

// beginGeneration sweeps what a killed Replace has left and names the next
// generation.
func beginGeneration(tx *Tx, name string) (old, fresh string, err error) {
	if name == "" || strings.HasPrefix(name, "~") {
		return "", "", errStoreName
	}
	in := tx.Bucket(tables, name)
	inForce, err := in.Get([]byte(current))
	if err != nil {
		return "", "", err
	}
	old = string(inForce)
	generations, err := in.Buckets()
	if err != nil {
		return "", "", err
	}
	for _, generation := range generations {
		if generation != old {
			if err := tx.Bucket(tables, name, generation).Clear(); err != nil {
				return "", "", err
			}
		}
	}
	var number uint64
	fmt.Sscanf(old, "%x", &number)
	fresh = fmt.Sprintf("%016x", number+1)
	_, err = tx.Bucket(tables, name, fresh).make()
	return old, fresh, err
}

// fillGeneration writes what fill puts, batchBytes to a transaction.
func fillGeneration(update updateFunc, name, generation string, fill func(put func(key, value []byte) error) error) error {
	var arena []byte // key length, value length, key, value; again and again
	flush := func() error {
		err := update(func(tx *Tx) error {
			to := tx.Bucket(tables, name, generation)
			in, err := to.make()
			if err != nil {
				return err
			}
			in.FillPercent = 1 // keys mostly ascend, and nothing is changed later
			for rest := arena; len(rest) > 0; {
				k, v := binary.BigEndian.Uint32(rest), binary.BigEndian.Uint32(rest[4:])
				key, value := rest[8:8+k], rest[8+k:8+k+v]
				rest = rest[8+k+v:]
				if err := in.Put(bytes.Clone(key), seal(key, value)); err != nil {
					return err
				}
			}
			return nil
		})
		arena = arena[:0]
		return err
	}
	err := fill(func(key, value []byte) error {
		if len(arena) > 0 && len(arena)+len(key)+len(value) > batchBytes {
			if err := flush(); err != nil {
				return err
			}
		}
		arena = binary.BigEndian.AppendUint32(arena, uint32(len(key)))
		arena = binary.BigEndian.AppendUint32(arena, uint32(len(value)))
		arena = append(append(arena, key...), value...)
		return nil
	})
	if err != nil {
		return err
	}
	return flush()
}
