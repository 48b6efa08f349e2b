package blocklists

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"slices"
)

const (
	// pageBits is the size of the pieces that a sorter's memory is asked for in:
	// a short list takes little, and nothing is copied to grow.
	pageBits  = 18
	pageBytes = 1 << pageBits

	// minSortBytes is the least a sorter works with, however small the bound.
	minSortBytes = pageBytes
)

// sorter sorts records in bounded memory: what does not fit is spilled, sorted,
// to a temporary file that has no name any more while it is used.
type sorter struct {
	folder string
	limit  int // bytes of records in memory

	pages [][]byte
	index []uint32 // of records: page number and place in it
	runs  []extent // in spill
	spill *os.File
	out   *bufio.Writer
	end   int64 // of spill
}

// extent is a part of the spill file.
type extent struct{ start, end int64 }

func newSorter(folder string, memory int) *sorter {
	return &sorter{folder: folder, limit: max(memory, minSortBytes)}
}

// add takes a copy of r.
func (s *sorter) add(r record) error {
	need := 2 + len(r)
	if len(s.pages) == 0 || len(s.pages[len(s.pages)-1])+need > pageBytes {
		if len(s.index) > 0 && len(s.pages)*pageBytes+4*len(s.index)+pageBytes > s.limit {
			if err := s.spillRun(); err != nil {
				return err
			}
		}
		s.addPage()
	}
	last := len(s.pages) - 1
	page := s.pages[last]
	s.index = append(s.index, uint32(last<<pageBits|len(page)))
	page = binary.BigEndian.AppendUint16(page, uint16(len(r)))
	s.pages[last] = append(page, r...)
	return nil
}

// addPage takes a page of an earlier run again, or a new one.
func (s *sorter) addPage() {
	if n := len(s.pages); n < cap(s.pages) && cap(s.pages[:n+1][n]) > 0 {
		s.pages = s.pages[:n+1]
		return
	}
	s.pages = append(s.pages, make([]byte, 0, pageBytes))
}

func (s *sorter) at(i uint32) record {
	rest := s.pages[i>>pageBits][i&(pageBytes-1):]
	return record(rest[2 : 2+int(binary.BigEndian.Uint16(rest))])
}

func (s *sorter) sort() {
	slices.SortFunc(s.index, func(a, b uint32) int { return bytes.Compare(s.at(a), s.at(b)) })
}

// spillRun writes what is in memory to the file and forgets it.
func (s *sorter) spillRun() error {
	if s.spill == nil {
		file, err := os.CreateTemp(s.folder, "treehouse-sort-*")
		if err != nil {
			return err
		}
		os.Remove(file.Name()) // it lasts while it is open, whatever ends the process
		s.spill, s.out = file, bufio.NewWriterSize(file, blockBytes)
	}
	s.sort()
	start := s.end
	var b block
	flush := func() error {
		frame := binary.BigEndian.AppendUint32(nil, uint32(len(b.coded)))
		s.out.Write(frame)
		_, err := s.out.Write(b.coded)
		s.end += int64(len(frame) + len(b.coded))
		b.reset()
		return err
	}
	for _, i := range s.index {
		b.add(s.at(i))
		if b.full() {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if err := flush(); err != nil {
		return err
	}
	s.runs = append(s.runs, extent{start, s.end})
	for i := range s.pages {
		s.pages[i] = s.pages[i][:0]
	}
	s.pages, s.index = s.pages[:0], s.index[:0]
	return s.out.Flush()
}

// finish ends the adding; streams may follow.
func (s *sorter) finish() error {
	if len(s.runs) == 0 {
		s.sort()
		return nil
	}
	if len(s.index) > 0 {
		if err := s.spillRun(); err != nil {
			return err
		}
	}
	s.pages, s.index = nil, nil
	return nil
}

// stream gives all records in order, each once. It may be called again.
func (s *sorter) stream() stream {
	if len(s.runs) == 0 {
		return &unique{in: &memoryRun{s: s}}
	}
	streams := make([]stream, len(s.runs))
	for i, run := range s.runs {
		streams[i] = &spilledRun{in: io.NewSectionReader(s.spill, run.start, run.end-run.start)}
	}
	return &unique{in: &merger{streams: streams}}
}

func (s *sorter) close() {
	if s.spill != nil {
		s.spill.Close()
	}
}

// memoryRun gives the records of a sorter that did not spill.
type memoryRun struct {
	s *sorter
	i int
}

func (m *memoryRun) next() (record, error) {
	if m.i == len(m.s.index) {
		return nil, nil
	}
	m.i++
	return m.s.at(m.s.index[m.i-1]), nil
}

// spilledRun gives the records of one run, block by block.
type spilledRun struct {
	in    io.Reader
	coded []byte
	blockReader
}

func (s *spilledRun) next() (record, error) {
	r, err := s.blockReader.next()
	for r == nil && err == nil {
		var frame [4]byte
		if _, err := io.ReadFull(s.in, frame[:]); err == io.EOF {
			return nil, nil
		} else if err != nil {
			return nil, err
		}
		length := int(binary.BigEndian.Uint32(frame[:]))
		if cap(s.coded) < length {
			s.coded = make([]byte, length, blockBytes)
		}
		s.coded = s.coded[:length]
		if _, err := io.ReadFull(s.in, s.coded); err != nil {
			return nil, err
		}
		s.reset(s.coded)
		r, err = s.blockReader.next()
	}
	return r, err
}

// unique leaves out a record that equals the one before.
type unique struct {
	in   stream
	last record
}

func (u *unique) next() (record, error) {
	for {
		r, err := u.in.next()
		if r == nil || err != nil {
			return nil, err
		}
		if !bytes.Equal(r, u.last) {
			u.last = append(u.last[:0], r...)
			return u.last, nil
		}
	}
}
