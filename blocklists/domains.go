package blocklists

import (
	"bytes"

	"github.com/treehouse-dns/treehouse/filter"
)

// parseDomains reads one name to a line; "#" and "!" begin comments, ";" does at
// the start of a line. A name with "*." or "." before it stands for all below
// it, even in a source of exact names; lists write it for the name itself too,
// so both formats, plain and wildcard, mean the same.
func parseDomains(s *sink, line []byte) {
	if line[0] == '!' || line[0] == ';' {
		return
	}
	line = uncomment(line, '#')
	name, rest := field(line)
	switch {
	case len(name) == 0:
	case len(rest) > 0:
		s.refuse(NotAName)
	case bytes.HasPrefix(name, []byte("*.")):
		s.name(name[2:], filter.Suffix)
	case name[0] == '.' && len(name) > 1:
		s.name(name[1:], filter.Suffix)
	default:
		s.plain(name)
	}
}
