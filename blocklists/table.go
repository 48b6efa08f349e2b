package blocklists

import (
	"bytes"
	"compress/flate"
	"io"

	"github.com/treehouse-dns/treehouse/store"
)

// A source's names are one table of blocklists.db: a block under the first
// record that stands in it, deflated.

// deflateLevel is the quickest: the front coding has done most of the work, and
// a router's processor does the rest.
const deflateLevel = flate.BestSpeed

func namesTable(id string) string { return "names " + id }

// writeTable hands the blocks of a stream to put and counts the records.
func writeTable(s stream, topics []string, put func(key, value []byte) error) (byTopic map[string]int, err error) {
	byTopic = map[string]int{}
	counts := make([]int, len(topics))
	var packed bytes.Buffer
	pack, err := flate.NewWriter(&packed, deflateLevel)
	if err != nil {
		return nil, err
	}
	var b block
	flush := func() error {
		packed.Reset()
		pack.Reset(&packed)
		pack.Write(b.coded)
		if err := pack.Close(); err != nil {
			return err
		}
		b.reset()
		return put(b.first, packed.Bytes())
	}
	for {
		r, err := s.next()
		if err != nil {
			return nil, err
		}
		if r == nil {
			break
		}
		counts[r.topic()]++
		b.add(r)
		if b.full() {
			if err := flush(); err != nil {
				return nil, err
			}
		}
	}
	if len(b.coded) > 0 {
		if err := flush(); err != nil {
			return nil, err
		}
	}
	for i, n := range counts {
		if n > 0 {
			byTopic[topics[i]] = n
		}
	}
	return byTopic, nil
}

// inflater unpacks blocks, one after the other, with the memory of one.
type inflater struct {
	packed  bytes.Reader
	inflate io.ReadCloser
}

// unpack appends the block to dst.
func (in *inflater) unpack(dst, packed []byte) ([]byte, error) {
	in.packed.Reset(packed)
	if in.inflate == nil {
		in.inflate = flate.NewReader(&in.packed)
	} else if err := in.inflate.(flate.Resetter).Reset(&in.packed, nil); err != nil {
		return nil, err
	}
	for {
		if len(dst) == cap(dst) {
			if cap(dst) >= blockBytes {
				return nil, errBlock
			}
			dst = append(make([]byte, 0, blockBytes), dst...)
		}
		n, err := in.inflate.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		if err == io.EOF {
			return dst, nil
		}
		if err != nil {
			return nil, errBlock
		}
	}
}

// cursor is the stream of a source's stored records. It looks into the file
// once for every block and holds nothing of it in between, neither the lock nor
// the mapping, which would count as memory.
type cursor struct {
	file  *store.File
	table string
	in    *inflater // shared by all cursors of one goroutine
	after []byte    // the key of the block in hand
	coded []byte
	blockReader
}

func (c *cursor) next() (record, error) {
	r, err := c.blockReader.next()
	for r == nil && err == nil {
		var more bool
		if more, err = c.load(); err != nil || !more {
			return nil, err
		}
		r, err = c.blockReader.next()
	}
	return r, err
}

// load takes the next block in hand.
func (c *cursor) load() (more bool, err error) {
	failed := c.file.View(func(tx *store.Tx) error {
		return tx.Table(c.table).Each(append(c.after, 0), func(key, packed []byte) bool {
			c.after = append(c.after[:0], key...)
			if c.coded, err = c.in.unpack(c.coded[:0], packed); err == nil {
				more = true
				c.reset(c.coded)
			}
			return false
		})
	})
	if err == nil {
		err = failed
	}
	return more, err
}
