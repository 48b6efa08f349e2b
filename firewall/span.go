package firewall

import (
	"net/netip"
	"sort"
)

// span is a run of addresses of one family, both ends included.
type span struct{ first, last netip.Addr }

// spans turns prefixes into runs of addresses, IPv4 and IPv6 apart, in order,
// and merged where they overlap or touch: the kernel refuses an interval set
// whose intervals overlap.
func spans(prefixes []netip.Prefix) (v4, v6 []span) {
	for _, p := range prefixes {
		if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 { // an IPv4 address in IPv6's clothes
			p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
		}
		s := span{p.Masked().Addr().WithZone(""), lastOf(p)}
		if s.first.Is4() {
			v4 = append(v4, s)
		} else {
			v6 = append(v6, s)
		}
	}
	return merge(v4), merge(v6)
}

func merge(in []span) []span {
	// Package sort has its code once, slices for every type: 10 KB on mipsle.
	sort.Slice(in, func(i, j int) bool { return in[i].first.Less(in[j].first) })
	var out []span
	for _, s := range in {
		if n := len(out) - 1; n >= 0 {
			// Next of the family's very last address is the zero Addr, below all.
			next := out[n].last.Next()
			if !next.IsValid() || s.first.Compare(next) <= 0 {
				if s.last.Compare(out[n].last) > 0 {
					out[n].last = s.last
				}
				continue
			}
		}
		out = append(out, s)
	}
	return out
}

// lastOf is the last address of a prefix.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	for bit := p.Bits(); bit < 8*len(b); bit++ {
		b[bit/8] |= 0x80 >> (bit % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}
