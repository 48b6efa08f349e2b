package resolver

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"time"

	"github.com/treehouse-dns/treehouse/filter"
)

// cacheMagic begins a saved cache; the number is that of the format.
const cacheMagic = "treehouse cache 1\n"

// errCacheFile is what is wrong with a saved cache that cannot be used.
var errCacheFile = errors.New("the saved cache is damaged or of another version; it is left aside and filled anew")

// SaveCache writes what the cache holds, for LoadCache after a restart. It is
// names that were looked up, without who asked: nothing is saved unless the
// family has chosen so. The form is the same on every processor.
func (s *Server) SaveCache(w io.Writer) error {
	now := s.config.Now()
	sum := crc32.NewIEEE()
	out := bufio.NewWriter(io.MultiWriter(w, sum))
	out.WriteString(cacheMagic)
	out.Write(binary.BigEndian.AppendUint64(nil, uint64(now.Unix())))
	for _, e := range s.cache.all() {
		age := s.clock(now) - min(s.clock(now), e.stored())
		if age >= e.lifetime()+staleMax {
			continue
		}
		binary.BigEndian.PutUint32(e[12:], age)
		if _, err := out.Write(e); err != nil {
			return fmt.Errorf("saving the cache: %w", err)
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("saving the cache: %w", err)
	}
	if _, err := w.Write(binary.BigEndian.AppendUint32(nil, sum.Sum32())); err != nil {
		return fmt.Errorf("saving the cache: %w", err)
	}
	return nil
}

// LoadCache takes in what SaveCache wrote and gives the number of answers. The
// time between counts; if the clock is behind the time of saving, because it
// has not been set since the router started, the answers are taken for past
// their time, and used only while no upstream answers. A damaged file changes
// nothing.
func (s *Server) LoadCache(r io.Reader) (answers int, err error) {
	limit := int64(2*s.config.CacheBytes + 1<<10)
	b, err := io.ReadAll(io.LimitReader(r, limit))
	if err != nil {
		return 0, fmt.Errorf("loading the cache: %w", err)
	}
	const head = len(cacheMagic) + 8
	end := len(b) - 4
	if end < head || string(b[:len(cacheMagic)]) != cacheMagic || crc32.ChecksumIEEE(b[:end]) != binary.BigEndian.Uint32(b[end:]) {
		return 0, errCacheFile
	}
	now := s.config.Now()
	away := now.Sub(time.Unix(int64(binary.BigEndian.Uint64(b[len(cacheMagic):])), 0))
	for b = b[head:end]; len(b) > 0; {
		e, ok := readEntry(b)
		if !ok {
			return answers, errCacheFile
		}
		b = b[len(e):]
		age := uint64(e.stored()) + uint64(max(away/time.Second, 0))
		if away < 0 {
			age = uint64(e.lifetime())
		}
		if age >= uint64(e.lifetime()+staleMax) {
			continue
		}
		k := s.cache.keyOf(e.name(), binary.BigEndian.Uint16(e[24:]), e[23])
		binary.BigEndian.PutUint64(e[4:], k.hash)
		binary.BigEndian.PutUint32(e[12:], s.clock(now)-uint32(age))
		e[20], e[21] = hitsMax, e[21]&^markDead // what was worth saving stays
		s.cache.put(&k, e)
		answers++
	}
	return answers, nil
}

// all is a copy of every entry.
func (c *cache) all() (out []entry) {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		for _, place := range s.index {
			if place != 0 {
				out = append(out, slices.Clone(s.entry(place)))
			}
		}
		s.mu.Unlock()
	}
	return out
}

// readEntry reads an entry that somebody else may have written: every length
// in it has been checked when it is given.
func readEntry(b []byte) (entry, bool) {
	if len(b) < entryHead {
		return nil, false
	}
	e := entry(b)
	n := entryHead + e.at(30) + e.at(32) + 2*e.at(34) + e.at(36)
	if e.length() != (n+3)&^3 || e.length() > len(b) || e.lifetime() > ttlMax {
		return nil, false
	}
	e = e[:e.length():e.length()]
	var buf [filter.MaxNameLen]byte
	if name, width, err := filter.ReadName(&buf, e.name()); err != nil || width != e.at(30) || string(name) != string(e.name()) {
		return nil, false
	}
	for names := e.targets(); len(names) > 0; {
		_, width, err := filter.ReadName(&buf, names)
		if err != nil {
			return nil, false
		}
		names = names[width:]
	}
	for at := e.ttls(); len(at) > 0; at = at[2:] {
		if field := int(binary.BigEndian.Uint16(at)); field < 4 || field+6 > len(e.body()) || field+6+int(binary.BigEndian.Uint16(e.body()[field+4:])) > len(e.body()) {
			return nil, false
		}
	}
	return e, true
}
