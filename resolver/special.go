package resolver

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"

	"github.com/treehouse-dns/treehouse/filter"
)

// treatment is what is done with a name that means something special.
type treatment uint8

const (
	ordinary      treatment = iota
	doesNotExist            // NXDOMAIN
	hasNothing              // NODATA
	isLoopback              // localhost
	isOurs                  // the names of the pages
	existsNowhere           // NXDOMAIN below, NODATA for the name itself
)

// canaries are names by which a browser or phone finds out whether it may go
// around the resolver of the network; the answer is that it may not.
func canaries() map[string]treatment {
	return map[string]treatment{
		"use-application-dns.net": doesNotExist, // Firefox: DNS over HTTPS by default
		"mask.icloud.com":         doesNotExist, // Apple: Private Relay
		"mask-h2.icloud.com":      doesNotExist,
	}
}

// specialZones are the names that are not to be asked of anybody outside.
func specialZones() map[string]treatment {
	zones := map[string]treatment{
		"localhost":                    isLoopback,    // RFC 6761 §6.3
		"invalid":                      doesNotExist,  // RFC 6761 §6.4
		"test":                         doesNotExist,  // RFC 6761 §6.2
		"onion":                        doesNotExist,  // RFC 7686 §2
		"alt":                          doesNotExist,  // RFC 9476 §4
		"local":                        doesNotExist,  // RFC 6762 §22.1
		"home.arpa":                    existsNowhere, // RFC 8375 §4
		"0.in-addr.arpa":               existsNowhere, // RFC 6303 §4.2, as the next
		"127.in-addr.arpa":             existsNowhere,
		"254.169.in-addr.arpa":         existsNowhere,
		"2.0.192.in-addr.arpa":         existsNowhere,
		"100.51.198.in-addr.arpa":      existsNowhere,
		"113.0.203.in-addr.arpa":       existsNowhere,
		"255.255.255.255.in-addr.arpa": existsNowhere,
		"10.in-addr.arpa":              existsNowhere, // RFC 6303 §4.1
		"168.192.in-addr.arpa":         existsNowhere,
		"d.f.ip6.arpa":                 existsNowhere, // RFC 6303 §4.4
		"8.e.f.ip6.arpa":               existsNowhere, // RFC 6303 §4.5
		"9.e.f.ip6.arpa":               existsNowhere,
		"a.e.f.ip6.arpa":               existsNowhere,
		"b.e.f.ip6.arpa":               existsNowhere,
		"8.b.d.0.1.0.0.2.ip6.arpa":     existsNowhere, // RFC 6303 §4.6
	}
	for i := 16; i < 32; i++ {
		zones[fmt.Sprintf("%d.172.in-addr.arpa", i)] = existsNowhere
	}
	for i := 64; i < 128; i++ {
		zones[fmt.Sprintf("%d.100.in-addr.arpa", i)] = existsNowhere // RFC 7793
	}
	zeros := "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa"
	zones["0."+zeros], zones["1."+zeros] = existsNowhere, existsNowhere // RFC 6303 §4.3
	return zones
}

// specials is every name that means something special, ready to be found.
type specials struct {
	exact map[string]treatment // canaries and our own names
	zones map[string]treatment
	tops  map[string]bool // the last labels of zones, so that most names cost one look

	probes []filter.Name // what probe names are right below
}

func newSpecials(c *Config) *specials {
	p := &specials{exact: map[string]treatment{}, zones: map[string]treatment{}, tops: map[string]bool{}}
	if !c.CanariesOff {
		for name, t := range canaries() {
			p.exact[string(filter.MustName(name))] = t
		}
	}
	for _, name := range c.OwnNames {
		p.exact[string(name)] = isOurs
		if c.Probes != nil && len(name)+1+len(probeLabel) <= filter.MaxNameLen {
			p.probes = append(p.probes, slices.Concat(filter.Name{byte(len(probeLabel))}, filter.Name(probeLabel), name))
		}
	}
	for name, t := range specialZones() {
		p.addZone(filter.MustName(name), t)
	}
	for _, name := range c.LocalDomains {
		p.addZone(name, existsNowhere)
	}
	return p
}

func (p *specials) addZone(name filter.Name, t treatment) {
	p.zones[string(name)] = t
	p.tops[string(lastLabel(name))] = true
}

// lastLabel is the top-level domain of a name, with the root's byte.
func lastLabel(name filter.Name) filter.Name {
	for len(name) > 1 {
		parent := name.Parent()
		if parent.IsRoot() {
			return name
		}
		name = parent
	}
	return name
}

// zone finds what is special about a name; whole tells that it is the zone's own.
func (p *specials) zone(name filter.Name) (t treatment, whole bool) {
	if !p.tops[string(lastLabel(name))] {
		return ordinary, false
	}
	for n := name; len(n) > 1; n = n.Parent() {
		if t, ok := p.zones[string(n)]; ok {
			return t, len(n) == len(name)
		}
	}
	return ordinary, false
}

// resolverARPA is where clients look for an encrypted way to their resolver
// (RFC 9462 §4). There is none.
var resolverARPA = filter.MustName("resolver.arpa")

// always answers what is answered whoever asks and whatever their rules: the
// pages' own names, the names of their probes, and the canaries.
func (s *Server) always(q *query) (response, bool) {
	switch s.specials.exact[string(q.name)] {
	case isOurs:
		return s.addresses(q, s.config.OwnAddresses, ttlLocal), true
	case doesNotExist:
		return s.noName(q, ttlLocal), true
	}
	for _, zone := range s.specials.probes {
		if n := 1 + int(q.name[0]); len(q.name) == n+len(zone) && bytes.Equal(q.name[n:], zone) {
			if !s.config.Probes.Asked(q.source.Addr(), q.id, q.name[1:n], q.qtype == typeAAAA) {
				return s.noName(q, ttlLocal), true
			}
			return s.addresses(q, s.config.OwnAddresses, ttlLocal), true
		}
	}
	if q.name.IsBelow(resolverARPA) { // RFC 9462 §6.4
		return s.noData(q, ttlLocal), true
	}
	return response{}, false
}

// special answers names of the house and names that nobody outside may be
// asked for. A route for such a name comes before what is said of its zone.
func (s *Server) special(q *query, ttl uint32) (response, bool) {
	// A token is seen by networks that it passes, and the names of the house are
	// for who is in it.
	if local := s.config.Local; local != nil && (!q.away || s.admits(q.source.Addr())) {
		if addrs, known := local.Addresses(q.name); known {
			return s.addresses(q, addrs, ttl), true
		}
		if q.qtype == typePTR {
			if addr, ok := reverse(q.name); ok {
				if name := local.NameOf(addr); name != nil {
					return s.pointer(q, name, ttl), true
				}
			}
		}
	}
	t, whole := s.specials.zone(q.name)
	plain := q.name.Labels() == 1 && (q.qtype == typeA || q.qtype == typeAAAA || q.qtype == typeHTTPS)
	if t == ordinary && !plain || s.routes.special(q.name) {
		return response{}, false
	}
	switch {
	case t == isLoopback:
		return s.addresses(q, s.loopback, ttl), true
	case t == existsNowhere && whole:
		return s.noData(q, ttl), true
	}
	return s.noName(q, ttl), true // a name without a dot is a name of the house that nobody knows
}

// addresses answers A and AAAA from a list, other types with NODATA.
func (s *Server) addresses(q *query, addrs []netip.Addr, ttl uint32) response {
	b, n := appendAddresses(q.scratch[:0], q.qtype, ttl, addrs)
	q.scratch = b
	if n == 0 {
		return s.noData(q, ttl)
	}
	return response{answers: n, body: b, aa: true}
}

// pointer answers a PTR question.
func (s *Server) pointer(q *query, name filter.Name, ttl uint32) response {
	b := append(appendRR(q.scratch[:0], typePTR, ttl, len(name)), name...)
	q.scratch = b
	return response{answers: 1, body: b, aa: true}
}

// appendAddresses writes a record for each address of the type.
func appendAddresses(b []byte, qtype uint16, ttl uint32, addrs []netip.Addr) (_ []byte, n uint16) {
	for _, a := range addrs {
		switch {
		case qtype == typeA && a.Is4():
			v4 := a.As4()
			b = append(appendRR(b, typeA, ttl, 4), v4[:]...)
		case qtype == typeAAAA && a.Is6():
			v6 := a.As16()
			b = append(appendRR(b, typeAAAA, ttl, 16), v6[:]...)
		default:
			continue
		}
		n++
	}
	return b, n
}

// appendSOA writes the record that says how long a denial is good for (RFC 2308
// §3). The name that was asked is its own zone: that is true of nothing else.
func (s *Server) appendSOA(b []byte, ttl uint32) []byte {
	b = appendRR(b, typeSOA, ttl, len(s.soa)+4)
	b = append(b, s.soa...)
	return append(b, byte(ttl>>24), byte(ttl>>16), byte(ttl>>8), byte(ttl))
}

// soaData is the SOA's data without its last field, the minimum.
func soaData() []byte {
	b := append([]byte{}, filter.MustName("treehouse.home.arpa")...)
	b = append(b, filter.MustName("nobody.invalid")...)
	return append(b, 0, 0, 0, 1, 0, 0, 0x0e, 0x10, 0, 0, 0x03, 0x84, 0, 0x09, 0x3a, 0x80) // serial, refresh, retry, expire
}

// The zones of reverse lookups (RFC 1035 §3.5, RFC 3596 §2.5).
var (
	reverse4 = filter.MustName("in-addr.arpa")
	reverse6 = filter.MustName("ip6.arpa")
)

// reverse reads the address from a name below in-addr.arpa or ip6.arpa.
func reverse(name filter.Name) (netip.Addr, bool) {
	switch labels := name.Labels(); {
	case labels == 6 && name.IsBelow(reverse4):
		var a [4]byte
		for i := range a {
			v := 0
			for _, c := range name[1 : 1+name[0]] {
				if c < '0' || c > '9' {
					return netip.Addr{}, false
				}
				v = v*10 + int(c-'0')
			}
			if v > 255 || name[0] > 3 {
				return netip.Addr{}, false
			}
			a[3-i] = byte(v)
			name = name.Parent()
		}
		return netip.AddrFrom4(a), true
	case labels == 34 && name.IsBelow(reverse6):
		var a [16]byte
		for i := range 32 {
			if name[0] != 1 {
				return netip.Addr{}, false
			}
			c := name[1]
			switch {
			case '0' <= c && c <= '9':
				c -= '0'
			case 'a' <= c && c <= 'f':
				c -= 'a' - 10
			default:
				return netip.Addr{}, false
			}
			a[15-i/2] |= c << (4 * (i % 2))
			name = name.Parent()
		}
		return netip.AddrFrom16(a), true
	}
	return netip.Addr{}, false
}
