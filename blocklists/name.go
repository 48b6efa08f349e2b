package blocklists

import (
	"bytes"
	"unicode/utf8"

	"golang.org/x/net/publicsuffix"

	"github.com/treehouse-dns/treehouse/filter"
)

// maxTextLen is the longest name in bytes as text, without its final dot:
// filter.MaxNameLen less the first label's length byte and the root's.
const maxTextLen = filter.MaxNameLen - 2

// cleanName appends the one form a name is kept in to dst: lower case, A-labels,
// no final dot. It is a host's name of at least two labels that is no address
// and no public suffix; else the Reason says what it is. dst must be empty.
func cleanName(dst, raw []byte) ([]byte, Reason) {
	raw = bytes.TrimSuffix(raw, []byte{'.'})
	if len(raw) == 0 {
		return dst, NotAName
	}
	if len(raw) > 4*maxTextLen { // before any work on it; UTF-8 takes up to four bytes
		return dst, TooLong
	}
	if !isASCII(raw) {
		ascii, err := toASCII(string(raw))
		if err != nil || !utf8.Valid(raw) { // which idna lets pass
			return dst, BadIDN
		}
		raw = []byte(ascii)
	}
	label, dots, digits := 0, 0, true // of the label so far
	for _, c := range raw {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		switch {
		case c == '.':
			if label == 0 {
				return dst, NotAName
			}
			label, digits = 0, true
			dots++
		case isHostByte(c):
			label++
			digits = digits && '0' <= c && c <= '9'
		case c == ':':
			return dst, notHost(raw)
		case c == '/':
			return dst, IsURL
		case c == '*':
			return dst, IsPattern
		default:
			return dst, NotAName
		}
		if label > filter.MaxLabelLen {
			return dst, TooLong
		}
		dst = append(dst, c)
	}
	switch {
	case label == 0:
		return dst, NotAName
	case len(dst) > maxTextLen:
		return dst, TooLong
	case digits && dots == 3:
		return dst, IsAddress
	case digits && dots > 0: // no top-level domain is a number (RFC 3696 §2)
		return dst, NotAName
	case dots == 0:
		return dst, SingleLabel
	case isPublicSuffix(dst):
		return dst, PublicSuffix
	}
	return dst, ""
}

func isASCII(text []byte) bool {
	for _, c := range text {
		if c >= 0x80 {
			return false
		}
	}
	return true
}

// notHost tells an IPv6 address from a URL and from junk.
func notHost(raw []byte) Reason {
	if bytes.Contains(raw, []byte("://")) {
		return IsURL
	}
	if isAddress(raw) {
		return IsAddress
	}
	return NotAName
}

// isPublicSuffix tells whether everybody may register below name. Suffixes that
// companies have put on the public list (github.io, blogspot.com) are not
// registries: a list may mean them.
func isPublicSuffix(name []byte) bool {
	if bytes.Count(name, []byte{'.'}) > 3 { // the longest ones have four labels
		return false
	}
	suffix, registry := publicsuffix.PublicSuffix(string(name))
	return registry && len(suffix) == len(name)
}

// isHostByte tells whether c, in lower case, may stand in a host's name
// (RFC 952), or is the "_" that many names in the field have.
func isHostByte(c byte) bool {
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}
