package blocklists

import (
	"bytes"

	"github.com/treehouse-dns/treehouse/filter"
)

// rpzParser reads a response policy zone as a master file (RFC 1035 §5, one
// record to a line, the SOA over several):
//
//	name   CNAME .  or  *.           blocked, the name only
//	*.name CNAME .                   blocked, all below it (and the name: filter
//	                                 has no "below only", and zones that list one
//	                                 list the other)
//	name   CNAME rpz-drop.           blocked
//	name   CNAME rpz-passthru.       an exception; for all below it too
//	name   A 0.0.0.0, AAAA ::        blocked
//
// Triggers on addresses and name servers, and answers that send a name
// elsewhere, are counted as what DNS filtering by name cannot express.
type rpzParser struct {
	origin []byte // in lower case, with its final dot; empty if unknown
	owner  []byte // of the last record, in lower case
	open   int    // parentheses that are still open

	kind, target []byte // of this record, in lower case
}

func (p *rpzParser) parse(s *sink, line []byte) {
	inside := p.open > 0
	line = p.uncomment(line)
	if len(line) == 0 || inside {
		return // the numbers of an SOA
	}
	if line[0] == '$' {
		p.directive(line)
		return
	}
	rest := line
	if c := s.line; len(c) > 0 && c[0] != ' ' && c[0] != '\t' {
		var owner []byte
		owner, rest = field(line)
		p.owner = appendLower(p.owner[:0], owner)
	}
	kind, target := rpzType(rest)
	p.kind, p.target = appendLower(p.kind[:0], kind), appendLower(p.target[:0], target)
	switch string(p.kind) {
	case "soa":
		if len(p.origin) == 0 && len(p.owner) > 1 && p.owner[len(p.owner)-1] == '.' {
			p.origin = append(p.origin, p.owner...)
		}
	case "ns", "txt", "rrsig", "nsec", "nsec3", "nsec3param", "dnskey": // the zone's own
	default:
		p.policy(s)
	}
}

// policy is a record that says what becomes of a name.
func (p *rpzParser) policy(s *sink) {
	name := p.relative()
	for _, trigger := range [...]string{".rpz-ip", ".rpz-client-ip", ".rpz-nsdname", ".rpz-nsip"} {
		if bytes.HasSuffix(name, []byte(trigger)) {
			s.refuse(NotDNS)
			return
		}
	}
	mode := filter.Exact
	if below, ok := bytes.CutPrefix(name, []byte("*.")); ok {
		name, mode = below, filter.Suffix
	}
	switch string(p.kind) {
	case "cname":
		switch string(p.target) {
		case ".", "*.", "rpz-drop.":
		case "rpz-passthru.":
			mode = filter.Except
		default:
			s.refuse(NotDNS)
			return
		}
	case "a", "aaaa":
		if len(p.target) == 0 || !isNowhere(p.target) {
			s.refuse(NotDNS)
			return
		}
	default:
		s.refuse(NotDNS)
		return
	}
	s.name(name, mode)
}

// relative is the owner without the zone's own name.
func (p *rpzParser) relative() []byte {
	if rest := len(p.owner) - len(p.origin); len(p.origin) > 1 && rest > 0 && p.owner[rest-1] == '.' && bytes.HasSuffix(p.owner, p.origin) {
		return p.owner[:rest-1]
	}
	return p.owner
}

// directive takes the zone's name from $ORIGIN; $TTL and the rest mean nothing
// here.
func (p *rpzParser) directive(line []byte) {
	word, value := field(line)
	if bytes.EqualFold(word, []byte("$ORIGIN")) && len(value) > 0 {
		value, _ = field(value)
		p.origin = appendLower(p.origin[:0], value)
		if p.origin[len(p.origin)-1] != '.' {
			p.origin = append(p.origin, '.')
		}
	}
}

// uncomment cuts a comment off and counts parentheses, outside of quotes.
func (p *rpzParser) uncomment(line []byte) []byte {
	quoted := false
	for i, c := range line {
		switch {
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == ';':
			return bytes.TrimSpace(line[:i])
		case c == '(':
			p.open++
		case c == ')' && p.open > 0:
			p.open--
		}
	}
	return line
}

// rpzType passes over TTL and class and gives the type and the first word of
// its value.
func rpzType(rest []byte) (kind, target []byte) {
	for {
		kind, rest = field(rest)
		if len(kind) == 0 {
			return nil, nil
		}
		if isDigits(kind) || bytes.EqualFold(kind, []byte("IN")) {
			continue
		}
		target, _ = field(rest)
		return kind, target
	}
}

// isDigits tells a TTL: digits, perhaps with a unit ("1h30m").
func isDigits(word []byte) bool {
	if word[0] < '0' || word[0] > '9' {
		return false
	}
	for _, c := range word {
		if (c < '0' || c > '9') && bytes.IndexByte([]byte("smhdwSMHDW"), c) < 0 {
			return false
		}
	}
	return true
}

func appendLower(dst, text []byte) []byte {
	for _, c := range text {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}
