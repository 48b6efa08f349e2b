package firewall

import (
	"bufio"
	_ "embed"
	"fmt"
	"io"
	"net/netip"
	"strings"
)

//go:embed resolvers.txt
var resolvers string

// Resolvers are the addresses of well-known public resolvers that answer DNS over
// HTTPS and serve nothing else there: what Rules.Blocked begins with. Lists with
// all that is known are other people's and change daily; see ReadBlocked.
func Resolvers() []netip.Prefix {
	list, err := ReadBlocked(strings.NewReader(resolvers), "resolvers.txt")
	if err != nil {
		panic(err) // a test reads it
	}
	return list
}

// The largest networks that a list may name, in bits. A list with a mistake is
// not to take a continent's web sites away; the largest network of a resolver
// that we know of is a /24, or a /32 of IPv6.
const (
	minBits4 = 16
	minBits6 = 29
)

// maxBadLines is how many wrong lines are named: who has more has given another file.
const maxBadLines = 5

// ReadBlocked reads addresses and networks, one a line, "#" and what follows
// left out. A line that is wrong is left out and named in the error, with the
// file's name and its number; the list holds all others.
func ReadBlocked(r io.Reader, file string) (list []netip.Prefix, err error) {
	var wrong []string
	bad, full := 0, false
	lines := bufio.NewScanner(r)
	for number := 1; lines.Scan() && !full; number++ {
		text, _, _ := strings.Cut(lines.Text(), "#")
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		p, why := parseBlocked(text)
		switch full = why == "" && len(list) == MaxBlocked; {
		case full:
			wrong = append(wrong, fmt.Sprintf("%s:%d: there are more than %d addresses, the rest are left out", file, number, MaxBlocked))
		case why == "":
			list = append(list, p)
		default:
			if bad++; bad <= maxBadLines {
				wrong = append(wrong, fmt.Sprintf("%s:%d: %.64q %s", file, number, text, why))
			}
		}
	}
	if bad > maxBadLines {
		wrong = append(wrong, fmt.Sprintf("%d more lines like these", bad-maxBadLines))
	}
	if lines.Err() != nil {
		wrong = append(wrong, fmt.Sprintf("%s cannot be read to the end: %v", file, lines.Err()))
	}
	if len(wrong) > 0 {
		err = fmt.Errorf("%s", strings.Join(wrong, "; "))
	}
	return list, err
}

// parseBlocked reads one line, or says what is wrong with it.
func parseBlocked(text string) (p netip.Prefix, why string) {
	if a, err := netip.ParseAddr(text); err == nil {
		a = a.Unmap().WithZone("")
		return netip.PrefixFrom(a, a.BitLen()), ""
	}
	p, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		return p, "is neither an address nor a network; write 9.9.9.9 or 2620:fe::/48"
	case p.Addr().Is4() && p.Bits() < minBits4:
		return p, fmt.Sprintf("is too large to be a resolver's; a network has at least /%d", minBits4)
	case p.Addr().Is6() && p.Bits() < minBits6:
		return p, fmt.Sprintf("is too large to be a resolver's; a network has at least /%d", minBits6)
	}
	return p.Masked(), ""
}
