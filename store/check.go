package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"math"
	"math/bits"
	"os"
)

// bbolt trusts its file: a page that points outside of it ends the process, and
// from a goroutine of bbolt's own no recover helps. So every page that can be
// reached is looked at here first, through reads instead of a mapping. This is
// the layout that bbolt's file format 2 gives them, in the byte order of the
// processor that wrote it:
//
//	page header  0 id u64 · 8 flags u16 · 10 count u16 · 12 overflow u32
//	meta         16 magic u32 · 20 version u32 · 24 page size u32 · 28 flags u32 ·
//	             32 root u64 · 40 sequence u64 · 48 freelist u64 ·
//	             56 pages in use u64 · 64 transaction u64 · 72 FNV-1a of 16 to 72
//	branch       count × (pos u32 · key length u32 · page id u64), keys
//	leaf         count × (flags u32 · pos u32 · key length u32 · value length u32),
//	             keys and values; pos counts from its own element
//	freelist     count × page id u64; a count of 65,535 stands first as a u64
//	a bucket     a value: root page u64 · sequence u64, and if the root page is
//	             0 one leaf page follows inline
const (
	headerLen  = 16
	metaEnd    = 80
	elementLen = 16
	bucketLen  = 16

	metaMagic     = 0xED0CDAED
	formatVersion = 2

	branchFlag   = 0x01
	leafFlag     = 0x02
	freelistFlag = 0x10
	bucketFlag   = 0x01 // of a leaf's element

	noFreelist = math.MaxUint64

	// deepest is how many pages one may be below another. A tree of 4 KiB pages
	// that deep would not fit on any disk.
	deepest = 64

	// smallest and largest page sizes that bbolt itself looks for.
	minPageSize, maxPageSize = 1024, 64 << 10
)

var order = binary.NativeEndian

// meta is what a meta page says.
type meta struct {
	pageSize         int64
	root, freelist   uint64
	high             uint64 // the first page id that is not in use
	transaction, sum uint64
}

// checkFile looks at every page of the file at path that bbolt may read. A
// DamageError says what is wrong with it; other errors are the system's.
func checkFile(path string) error {
	return inspect(path, func(r io.ReaderAt, m meta) error {
		c := checker{r: r, m: m, seen: make([]uint64, m.high/64+1), page: make([]byte, m.pageSize)}
		if err := c.bucket(m.root, 0); err != nil {
			return err
		}
		return c.freelist()
	})
}

// checkEnds is the part of checkFile that costs two reads: one sound meta page,
// and a file as long as it says.
func checkEnds(path string) error {
	return inspect(path, func(io.ReaderAt, meta) error { return nil })
}

func inspect(path string, more func(io.ReaderAt, meta) error) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	m, err := readMeta(file, info.Size())
	if err == nil {
		err = more(file, m)
	}
	var system *fs.PathError
	if err != nil && !errors.As(err, &system) {
		return &DamageError{Path: path, What: err.Error()}
	}
	return err
}

// readMeta finds the meta page in force: of the two sound ones, the later.
func readMeta(r io.ReaderAt, size int64) (meta, error) {
	switch {
	case size == 0:
		return meta{}, errors.New("it is empty")
	case size < 4*minPageSize:
		return meta{}, fmt.Errorf("it has only %d bytes", size)
	}
	best, found, why := meta{}, false, errors.New("no page of it is a database's")
	consider := func(at int64) {
		var page [metaEnd]byte
		if _, err := r.ReadAt(page[:], at); err != nil {
			return
		}
		m, err := parseMeta(page[:])
		switch {
		case err != nil && at == 0:
			why = err
		case err == nil && (!found || m.transaction > best.transaction):
			best, found = m, true
		}
	}
	consider(0)
	for at := int64(minPageSize); at <= maxPageSize; at *= 2 {
		if !found || at == best.pageSize {
			consider(at)
		}
	}
	if !found {
		return meta{}, why
	}
	if best.high > math.MaxInt64/uint64(best.pageSize) || int64(best.high)*best.pageSize > size {
		return meta{}, fmt.Errorf("it ends at byte %d of %d", size, best.high*uint64(best.pageSize))
	}
	return best, nil
}

func parseMeta(page []byte) (meta, error) {
	m := meta{
		pageSize:    int64(order.Uint32(page[24:])),
		root:        order.Uint64(page[32:]),
		freelist:    order.Uint64(page[48:]),
		high:        order.Uint64(page[56:]),
		transaction: order.Uint64(page[64:]),
		sum:         order.Uint64(page[72:]),
	}
	hash := fnv.New64a()
	hash.Write(page[16:72])
	switch magic := order.Uint32(page[16:]); {
	case magic == bits.ReverseBytes32(metaMagic):
		return m, errors.New("it was written by a processor of the other byte order; restore a backup instead of copying the file")
	case magic != metaMagic:
		return m, errors.New("it is no database")
	case order.Uint32(page[20:]) != formatVersion:
		return m, fmt.Errorf("its format is version %d and this program reads %d", order.Uint32(page[20:]), formatVersion)
	case m.sum != hash.Sum64():
		return m, errors.New("its first page does not match its checksum")
	case m.pageSize < minPageSize || m.pageSize > maxPageSize || m.pageSize&(m.pageSize-1) != 0:
		return m, fmt.Errorf("it has pages of %d bytes", m.pageSize)
	}
	return m, nil
}

// checker walks the pages of one file.
type checker struct {
	r    io.ReaderAt
	m    meta
	seen []uint64 // one bit for each page that something points to
	page []byte   // the first page of the run that was read last
}

// bucket checks the tree below the page root.
func (c *checker) bucket(root uint64, depth int) error {
	return c.visit(root, depth, nil)
}

// visit checks page id and all below it. Each of its keys is at least `least`.
func (c *checker) visit(id uint64, depth int, least []byte) error {
	if depth > deepest {
		return fmt.Errorf("page %d is nested too deep", id)
	}
	run, err := c.run(id)
	if err != nil {
		return err
	}
	switch run.flags {
	case branchFlag:
		if run.count == 0 {
			return fmt.Errorf("branch page %d is empty", id)
		}
		return c.branch(run, depth, least)
	case leafFlag:
		return c.leaf(run, depth, least)
	}
	return fmt.Errorf("page %d has the flags %#x", id, run.flags)
}

// run is a page with those that continue it, or an inline page.
type run struct {
	id       uint64
	flags    uint16
	count    int
	elements []byte // a copy
	read     func(at, n int64) ([]byte, error)
	size     int64
}

// run reads the header and the elements of page id and marks its pages as seen.
func (c *checker) run(id uint64) (run, error) {
	if id < 2 || id >= c.m.high {
		return run{}, fmt.Errorf("page %d does not exist", id)
	}
	base := int64(id) * c.m.pageSize
	if _, err := c.r.ReadAt(c.page, base); err != nil {
		return run{}, err
	}
	overflow := uint64(order.Uint32(c.page[12:]))
	switch {
	case order.Uint64(c.page) != id:
		return run{}, fmt.Errorf("page %d holds page %d", id, order.Uint64(c.page))
	case id+overflow >= c.m.high:
		return run{}, fmt.Errorf("page %d runs past the end", id)
	}
	for i := id; i <= id+overflow; i++ {
		if c.seen[i/64]>>(i%64)&1 != 0 {
			return run{}, fmt.Errorf("page %d is used twice", i)
		}
		c.seen[i/64] |= 1 << (i % 64)
	}
	return newRun(id, c.page[:headerLen], int64(overflow+1)*c.m.pageSize, func(at, n int64) ([]byte, error) {
		out := make([]byte, n)
		_, err := c.r.ReadAt(out, base+at)
		return out, err
	})
}

func newRun(id uint64, header []byte, size int64, read func(at, n int64) ([]byte, error)) (run, error) {
	r := run{id: id, size: size, read: read,
		flags: order.Uint16(header[8:]), count: int(order.Uint16(header[10:]))}
	if r.flags == freelistFlag {
		return r, nil
	}
	end := int64(r.count) * elementLen
	if headerLen+end > size {
		return run{}, fmt.Errorf("page %d holds %d elements, more than fit", id, r.count)
	}
	var err error
	r.elements, err = read(headerLen, end)
	return r, err
}

// key reads the key of element i, which lies at pos from the element's start.
func (r *run) key(i int, pos, length uint32, least []byte) ([]byte, error) {
	at := headerLen + int64(i)*elementLen + int64(pos)
	if at+int64(length) > r.size {
		return nil, fmt.Errorf("key %d of page %d lies outside of it", i, r.id)
	}
	key, err := r.read(at, int64(length))
	if err != nil {
		return nil, err
	}
	if least != nil && bytes.Compare(key, least) < 0 || i > 0 && bytes.Equal(key, least) {
		return nil, fmt.Errorf("the keys of page %d are out of order", r.id)
	}
	return key, nil
}

func (c *checker) branch(r run, depth int, least []byte) error {
	for i := range r.count {
		e := r.elements[i*elementLen:]
		key, err := r.key(i, order.Uint32(e), order.Uint32(e[4:]), least)
		if err != nil {
			return err
		}
		if err := c.visit(order.Uint64(e[8:]), depth+1, key); err != nil {
			return err
		}
		least = key
	}
	return nil
}

func (c *checker) leaf(r run, depth int, least []byte) error {
	for i := range r.count {
		e := r.elements[i*elementLen:]
		pos, keyLen, valueLen := order.Uint32(e[4:]), order.Uint32(e[8:]), order.Uint32(e[12:])
		key, err := r.key(i, pos, keyLen, least)
		if err != nil {
			return err
		}
		least = key
		at := headerLen + int64(i)*elementLen + int64(pos) + int64(keyLen)
		if at+int64(valueLen) > r.size {
			return fmt.Errorf("value %d of page %d lies outside of it", i, r.id)
		}
		if order.Uint32(e)&bucketFlag == 0 {
			continue
		}
		if valueLen < bucketLen {
			return fmt.Errorf("bucket %.40q is cut short", key)
		}
		value, err := r.read(at, int64(valueLen))
		if err != nil {
			return err
		}
		if err := c.nested(key, value, depth); err != nil {
			return err
		}
	}
	return nil
}

// nested checks a bucket inside of a bucket, which may be inline.
func (c *checker) nested(name, value []byte, depth int) error {
	if root := order.Uint64(value); root != 0 {
		return c.visit(root, depth+1, nil)
	}
	inline := value[bucketLen:]
	if len(inline) < headerLen {
		return fmt.Errorf("bucket %.40q is cut short", name)
	}
	if depth > deepest {
		return fmt.Errorf("bucket %.40q is nested too deep", name)
	}
	r, err := newRun(0, inline, int64(len(inline)), func(at, n int64) ([]byte, error) { return inline[at : at+n], nil })
	if err != nil {
		return err
	}
	if r.flags != leafFlag {
		return fmt.Errorf("bucket %.40q has the flags %#x", name, r.flags)
	}
	return c.leaf(r, depth+1, nil)
}

// freelist checks that the pages said to be free are, and are there.
func (c *checker) freelist() error {
	if c.m.freelist == noFreelist {
		return nil
	}
	r, err := c.run(c.m.freelist)
	if err != nil {
		return err
	}
	if r.flags != freelistFlag {
		return fmt.Errorf("page %d is not the list of free pages", r.id)
	}
	start, count := int64(headerLen), uint64(r.count)
	if count == math.MaxUint16 {
		first, err := r.read(start, 8)
		if err != nil {
			return err
		}
		start, count = start+8, order.Uint64(first)
	}
	if count > uint64(r.size-start)/8 {
		return fmt.Errorf("the list of free pages claims %d", count)
	}
	list, err := r.read(start, int64(count)*8)
	if err != nil {
		return err
	}
	for ; len(list) > 0; list = list[8:] {
		id := order.Uint64(list)
		if id < 2 || id >= c.m.high || c.seen[id/64]>>(id%64)&1 != 0 {
			return fmt.Errorf("page %d is not free but listed as free", id)
		}
		c.seen[id/64] |= 1 << (id % 64)
	}
	return nil
}

// Check says whether the file at path is whole, by reading it: nothing is
// repaired, set aside or created. A DamageError says what is wrong with it,
// fs.ErrNotExist that there is none.
func Check(path string) error {
	if _, err := os.Stat(path); err != nil {
		return err
	}
	release, err := Lock(context.Background(), path+".lock", false, defaultWait)
	if err != nil {
		return sentence(path, err)
	}
	defer release()
	return sentence(path, checkFile(path))
}
