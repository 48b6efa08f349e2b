package blocklists

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	"github.com/treehouse-dns/treehouse/filter"
)

// maxLine in bytes. A name takes 255; a rule with options may take some more.
const maxLine = 4096

// lineParser reads one line of a list, without its end and the blanks around
// it, and tells the sink what stands there. Parsers remember nothing between
// lines, except for RPZ.
type lineParser func(s *sink, line []byte)

// sink takes what parsers find.
type sink struct {
	report *Report
	emit   func(name []byte, mode filter.Mode) (Reason, error) // a clean name, borrowed
	err    error                                               // of emit: nothing more can be taken
	exact  bool                                                // Source.Exact
	file   string                                              // in an archive
	number int                                                 // of the line
	line   []byte
	buf    []byte
}

// plain takes a name that stands alone, whose mode is the source's to say.
func (s *sink) plain(raw []byte) {
	if s.exact {
		s.name(raw, filter.Exact)
		return
	}
	s.name(raw, filter.Suffix)
}

// name takes a name with its mode, or refuses the line.
func (s *sink) name(raw []byte, mode filter.Mode) {
	name, reason := cleanName(s.buf[:0], raw)
	s.buf = name
	if reason == "" && s.err == nil {
		reason, s.err = s.emit(name, mode)
	}
	if reason != "" {
		s.refuse(reason)
	}
}

func (s *sink) refuse(reason Reason) { s.report.refuse(s.file, s.number, reason, s.line) }

// readLines gives every line of r to parse. The memory it takes is one line's.
func readLines(r io.Reader, s *sink, parse lineParser) error {
	in := bufio.NewReaderSize(r, maxLine)
	s.number = 0
	for {
		line, err := in.ReadSlice('\n')
		if err != nil && err != io.EOF && err != bufio.ErrBufferFull {
			return err
		}
		if len(line) == 0 && err == io.EOF {
			return nil
		}
		s.number++
		s.report.Lines++
		if errors.Is(err, bufio.ErrBufferFull) {
			s.line = line
			s.refuse(LongLine)
			if err = skipLine(in); err != nil && err != io.EOF {
				return err
			}
		} else {
			if s.number == 1 {
				line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
			}
			s.line = bytes.TrimRight(line, "\r\n")
			if text := bytes.TrimSpace(s.line); len(text) > 0 {
				parse(s, text)
			}
			if s.err != nil {
				return s.err
			}
		}
		if err == io.EOF {
			return nil
		}
	}
}

func skipLine(in *bufio.Reader) error {
	for {
		if _, err := in.ReadSlice('\n'); err != bufio.ErrBufferFull {
			return err
		}
	}
}

// uncomment cuts a line at c where it begins a comment: at the start, or after
// a blank.
func uncomment(line []byte, c byte) []byte {
	for i := range line {
		if line[i] == c && (i == 0 || line[i-1] == ' ' || line[i-1] == '\t') {
			return bytes.TrimSpace(line[:i])
		}
	}
	return line
}

// field cuts the first word off a line.
func field(line []byte) (word, rest []byte) {
	end := bytes.IndexAny(line, " \t")
	if end < 0 {
		return line, nil
	}
	return line[:end], bytes.TrimLeft(line[end:], " \t")
}
