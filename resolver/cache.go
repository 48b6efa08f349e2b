package resolver

import (
	"encoding/binary"
	"hash/maphash"
	"sync"
)

const (
	// shards keeps the cores of a router out of each other's way.
	shards = 4
	// hitsMax is how many hits an entry is credited with: enough to outlive
	// three rounds of eviction without another.
	hitsMax = 3
	// youngShare is the part of the cache, one in youngShare, where new entries
	// prove themselves; a flood of random names gets no further (S3-FIFO).
	youngShare = 8
	// keptPerPut bounds how many popular entries one insertion moves along.
	keptPerPut = 32
	// cacheMin is the least cache that can hold a large answer per shard.
	cacheMin = 256 << 10
	// bytesPerEntry is what an entry takes on average, for sizing the index.
	bytesPerEntry = 160
)

// cache holds what upstreams said, in a fixed number of bytes without pointers,
// so that the garbage collector has nothing to look at. An entry starts out
// among the young; if it is asked for before it gets to the end of their ring
// it moves to the old, and there it stays for as long as it is asked for now
// and then. Entries past their time are kept until they are pushed out: they
// may still be needed (RFC 8767). Any number of goroutines may use it.
type cache struct {
	seed   maphash.Seed
	shards [shards]shard
}

type shard struct {
	mu    sync.Mutex
	index []uint32 // open addressing; an entry's place + 1, with the top bit for old
	count int
	young ring
	old   ring
	// ghosts remembers, by hash, who was lately pushed out of the young: who
	// comes back is popular enough for the old.
	ghosts []uint32

	evicted uint64
}

const inOld = 1 << 31

// newCache makes a cache that holds size bytes of entries, its index included.
func newCache(size int) *cache {
	size = max(size, cacheMin)
	c := &cache{seed: maphash.MakeSeed()}
	for i := range c.shards {
		s := &c.shards[i]
		each := size / shards
		slots := 64
		for slots*bytesPerEntry*3/4 < each {
			slots *= 2
		}
		s.index = make([]uint32, slots)
		s.ghosts = make([]uint32, slots/4)
		each -= 4 * (len(s.index) + len(s.ghosts))
		s.young.buf = make([]byte, each/youngShare&^3)
		s.old.buf = make([]byte, (each-each/youngShare)&^3)
	}
	return c
}

// keyOf is the key of a question in this cache.
func (c *cache) keyOf(name []byte, qtype uint16, variant uint8) key {
	h := maphash.Bytes(c.seed, name)
	h ^= (uint64(qtype)<<8 | uint64(variant)) * 0x9e3779b97f4a7c15 // so that types of one name spread
	return key{name: name, qtype: qtype, variant: variant, hash: h}
}

func (c *cache) shard(k *key) *shard { return &c.shards[k.hash>>62%shards] }

// get appends the entry for k to dst, whatever its age, and counts a hit.
func (c *cache) get(dst []byte, k *key) (entry, bool) {
	s := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	slot, ok := s.find(k)
	if !ok {
		return nil, false
	}
	e := s.entry(s.index[slot])
	if e[20] < hitsMax {
		e[20]++
	}
	return entry(append(dst, e...)), true
}

// put takes e in, in place of what was known before. An entry too large to
// share the cache with others is left out.
func (c *cache) put(k *key, e entry) {
	s := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(e) > len(s.young.buf)/4 {
		return
	}
	settled := s.ghost(k.hash)
	if slot, ok := s.find(k); ok {
		was := s.index[slot]
		before := s.entry(was)
		settled = settled || was&inOld != 0 || before[20] > 0
		before[21] |= markDead
		s.drop(slot)
	}
	for s.count >= len(s.index)*3/4 {
		s.shrink()
	}
	if settled {
		s.makeRoomOld(len(e))
		s.link(k.hash, s.old.push(e)|inOld)
		return
	}
	for !s.young.room(len(e)) {
		s.evictYoung()
	}
	s.link(k.hash, s.young.push(e))
}

// held counts the entries, the ones past their time included, and what has been
// pushed out so far.
func (c *cache) held() (entries int, evicted uint64) {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		entries += s.count
		evicted += s.evicted
		s.mu.Unlock()
	}
	return entries, evicted
}

// clear forgets everything.
func (c *cache) clear() {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		clear(s.index)
		clear(s.ghosts)
		s.count = 0
		s.young.clear()
		s.old.clear()
		s.mu.Unlock()
	}
}

// entry is what a slot of the index points at.
func (s *shard) entry(place uint32) entry {
	r := &s.young
	if place&inOld != 0 {
		r = &s.old
	}
	at := place&^inOld - 1
	e := entry(r.buf[at:])
	return e[:e.length()]
}

func (s *shard) find(k *key) (slot int, ok bool) {
	mask := len(s.index) - 1
	for i := int(k.hash) & mask; s.index[i] != 0; i = (i + 1) & mask {
		if s.entry(s.index[i]).matches(k) {
			return i, true
		}
	}
	return 0, false
}

// slotOf finds the slot that points at a place.
func (s *shard) slotOf(hash uint64, place uint32) int {
	mask := len(s.index) - 1
	i := int(hash) & mask
	for s.index[i] != place {
		i = (i + 1) & mask
	}
	return i
}

func (s *shard) link(hash uint64, place uint32) {
	mask := len(s.index) - 1
	i := int(hash) & mask
	for s.index[i] != 0 {
		i = (i + 1) & mask
	}
	s.index[i] = place
	s.count++
}

// drop empties a slot and moves up those that had to make way for it.
func (s *shard) drop(slot int) {
	mask := len(s.index) - 1
	hole := slot
	for i := (hole + 1) & mask; s.index[i] != 0; i = (i + 1) & mask {
		home := int(s.entry(s.index[i]).hash()) & mask
		if (i-home)&mask >= (i-hole)&mask {
			s.index[hole] = s.index[i]
			hole = i
		}
	}
	s.index[hole] = 0
	s.count--
}

// shrink takes one entry out, the young first.
func (s *shard) shrink() {
	if !s.young.empty() {
		s.evictYoung()
		return
	}
	s.evictOld(false)
}

// evictYoung takes the entry at the end of the young: who was asked for moves
// to the old, the others leave.
func (s *shard) evictYoung() {
	e, at := s.young.pop()
	if e == nil || e.has(markDead) {
		return
	}
	h := e.hash()
	s.drop(s.slotOf(h, at))
	if e[20] == 0 {
		s.evicted++
		s.ghosts[h>>32%uint64(len(s.ghosts))] = ghostOf(h)
		return
	}
	s.makeRoomOld(len(e))
	e[20] = 0
	s.link(h, s.old.push(e)|inOld)
}

// makeRoomOld lets the old have room for n more bytes.
func (s *shard) makeRoomOld(n int) {
	for kept := 0; !s.old.room(n); {
		if s.evictOld(kept < keptPerPut) {
			kept++
		}
	}
}

// evictOld takes the entry at the end of the old. Who was asked for since goes
// round again, if keep allows.
func (s *shard) evictOld(keep bool) (kept bool) {
	e, at := s.old.pop()
	if e == nil || e.has(markDead) {
		return false
	}
	h := e.hash()
	s.drop(s.slotOf(h, at|inOld))
	if !keep || e[20] == 0 || !s.old.room(len(e)) {
		s.evicted++
		return false
	}
	e[20]--
	s.link(h, s.old.push(e)|inOld)
	return true
}

// ghost tells whether a hash was lately pushed out of the young.
func (s *shard) ghost(h uint64) bool {
	return s.ghosts[h>>32%uint64(len(s.ghosts))] == ghostOf(h)
}

func ghostOf(h uint64) uint32 { return uint32(h) | 1 }

// ring is entries one after another in a fixed buffer, the oldest at the tail.
// An entry does not wrap around the end; a length of zero there says so.
type ring struct {
	buf        []byte
	head, tail int
	full       bool // head == tail, and not because it is empty
}

func (r *ring) clear()      { r.head, r.tail, r.full = 0, 0, false }
func (r *ring) empty() bool { return r.head == r.tail && !r.full }

// room tells whether n bytes, a multiple of four, can be pushed.
func (r *ring) room(n int) bool {
	switch {
	case r.empty():
		return n <= len(r.buf)
	case r.full:
		return false
	case r.head > r.tail:
		return len(r.buf)-r.head >= n || r.tail >= n
	}
	return r.tail-r.head >= n
}

// push copies e behind the head and gives its place plus one. There has to be
// room. e may be what pop has just given.
func (r *ring) push(e entry) (place uint32) {
	if r.empty() {
		r.head, r.tail = 0, 0
	}
	if r.head >= r.tail && len(r.buf)-r.head < len(e) {
		if r.head < len(r.buf) {
			binary.BigEndian.PutUint32(r.buf[r.head:], 0)
		}
		r.head = 0
	}
	at := r.head
	copy(r.buf[at:], e)
	r.head += len(e)
	r.full = r.head == r.tail || r.head == len(r.buf) && r.tail == 0
	return uint32(at) + 1
}

// pop takes the oldest entry out. Its bytes stay as they are until the next push.
func (r *ring) pop() (e entry, place uint32) {
	if r.empty() {
		return nil, 0
	}
	if r.tail == len(r.buf) || binary.BigEndian.Uint32(r.buf[r.tail:]) == 0 {
		r.tail = 0
		if r.empty() {
			return nil, 0
		}
	}
	at := r.tail
	e = entry(r.buf[at:])
	e = e[:e.length()]
	r.tail += len(e)
	r.full = false
	return e, uint32(at) + 1
}
