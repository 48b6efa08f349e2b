package resolver

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"slices"

	"github.com/miekg/dns"

	"github.com/treehouse-dns/treehouse/filter"
)

// Errors of an upstream's message that matched its query.
var (
	errMalformed = errors.New("the upstream's answer is malformed")
	errChain     = errors.New("the upstream's answer is a chain of more than 16 names")
	errRecords   = errors.New("the upstream's answer holds too many records nobody asked for")
	errForeign   = errors.New("the answer holds records nobody asked for") // and has to be made anew
)

// harvester takes from an upstream's message what answers the question and
// leaves the rest: the chain of aliases from the name that was asked, the
// records of the type at its end, and in a denial the SOA of a zone above it
// with its proofs. A second name, glue, and the upstream's own options are not
// taken, so they can poison nothing.
type harvester struct {
	private bool // the answer may hold addresses of the home

	chain    [chainMax + 1]filter.Name // the name asked and the aliases' targets
	names    [chainMax + 1][filter.MaxNameLen]byte
	links    int
	owner    [filter.MaxNameLen]byte
	facts    facts
	minTTL   uint32
	soa      bool
	stripped bool // addresses of the home were left out
}

// harvest makes the entry that answers k from msg, whose question has been
// compared with k already.
func (h *harvester) harvest(dst []byte, k *key, msg []byte, stored uint32) (entry, error) {
	h.stripped = false
	err := h.walk(k, msg)
	if errors.Is(err, errForeign) {
		if msg, err = h.rebuild(k, msg); err == nil {
			err = h.walk(k, msg)
		}
	}
	if err != nil {
		return nil, err
	}
	if h.stripped {
		h.facts.marks = h.facts.marks&^markAD | markRebinding
	}
	return appendEntry(dst, k, stored, &h.facts), nil
}

// walk reads the message in its order. errForeign says that something in it may
// not stay, so that it cannot be kept as it is.
func (h *harvester) walk(k *key, msg []byte) error {
	h.facts = facts{targets: h.facts.targets[:0], ttls: h.facts.ttls[:0]}
	h.minTTL, h.soa = ttlMax, false
	h.chain[0], h.links = append(filter.Name(h.names[0][:0]), k.name...), 1
	flags := binary.BigEndian.Uint16(msg[2:])
	h.facts.rcode = rcode(flags & 0xf)
	if flags&flagAD != 0 {
		h.facts.marks |= markAD
	}
	from := headerLen + len(k.name) + 4
	at := from
	answered := false
	for range binary.BigEndian.Uint16(msg[6:]) {
		r, ok := readRR(msg, at)
		if !ok {
			return errMalformed
		}
		at = r.end
		kept, err := h.answer(k, msg, &r)
		if err != nil {
			return err
		}
		answered = answered || kept
		h.note(msg, &r, from)
		h.facts.answers++
	}
	if !answered {
		var err error
		if at, err = h.denial(k, msg, at, from); err != nil {
			return err
		}
	}
	h.facts.body = msg[from:at]
	h.facts.lifetime = h.minTTL
	if !answered {
		h.facts.lifetime = min(h.minTTL, ttlNegativeMax)
	}
	if !answered && !h.soa || h.facts.rcode != noError && h.facts.rcode != nxDomain || h.facts.lifetime == 0 {
		h.facts.marks |= markUncached // RFC 2308 §5: no SOA, no caching
	}
	return nil
}

// answer judges one record of the answer section, and tells whether it is of
// the type that was asked.
func (h *harvester) answer(k *key, msg []byte, r *rr) (kept bool, err error) {
	owner, ok := expandName(msg, r.start, &h.owner)
	if !ok {
		return false, errMalformed
	}
	if r.class != classIN {
		return false, errForeign
	}
	last := h.chain[h.links-1]
	switch {
	case r.rtype == typeRRSIG && k.qtype != typeRRSIG:
		if k.variant&variantDO == 0 || !slices.ContainsFunc(h.chain[:h.links], func(n filter.Name) bool { return n.IsBelow(owner) }) {
			return false, errForeign
		}
		return false, nil
	case r.rtype == typeDNAME && k.qtype != typeDNAME:
		if len(owner) >= len(last) || !last.IsBelow(owner) {
			return false, errForeign
		}
		var buf [filter.MaxNameLen]byte
		target, ok := expandName(msg, r.rdata, &buf)
		if !ok {
			return false, errMalformed
		}
		h.facts.targets = append(h.facts.targets, target...)
		return false, nil
	case !bytes.Equal(owner, last):
		return false, errForeign
	case r.rtype == typeCNAME && k.qtype != typeCNAME && k.qtype != typeANY:
		if h.links == len(h.chain) {
			return false, errChain
		}
		target, ok := expandName(msg, r.rdata, &h.names[h.links])
		if !ok {
			return false, errMalformed
		}
		h.chain[h.links] = target
		h.links++
		h.facts.targets = append(h.facts.targets, target...)
		return false, nil
	case r.rtype != k.qtype && k.qtype != typeANY:
		return false, errForeign
	}
	return true, h.data(msg, r)
}

// data looks into the data of a record that answers: where it leads, and
// whether it points into the home.
func (h *harvester) data(msg []byte, r *rr) error {
	data := msg[r.rdata:r.end]
	switch r.rtype {
	case typeCNAME, typeDNAME:
		var buf [filter.MaxNameLen]byte
		target, ok := expandName(msg, r.rdata, &buf)
		if !ok {
			return errMalformed
		}
		h.facts.targets = append(h.facts.targets, target...)
	case typeA:
		if len(data) != 4 {
			return errMalformed
		}
		if !h.private && atHome(netip.AddrFrom4([4]byte(data))) {
			return errForeign
		}
	case typeAAAA:
		if len(data) != 16 {
			return errMalformed
		}
		if !h.private && atHome(netip.AddrFrom16([16]byte(data))) {
			return errForeign
		}
	case typeSVCB, typeHTTPS:
		return h.service(data)
	}
	return nil
}

// service looks into an SVCB or HTTPS record (RFC 9460 §2.2): its target, and
// the addresses it hints at.
func (h *harvester) service(data []byte) error {
	if len(data) < 3 {
		return errMalformed
	}
	var buf [filter.MaxNameLen]byte
	target, width, err := filter.ReadName(&buf, data[2:])
	if err != nil {
		return errMalformed
	}
	if !target.IsRoot() {
		h.facts.targets = append(h.facts.targets, target...)
	}
	for params := data[2+width:]; len(params) > 0; {
		if len(params) < 4 {
			return errMalformed
		}
		code, n := binary.BigEndian.Uint16(params), int(binary.BigEndian.Uint16(params[2:]))
		params = params[4:]
		if n > len(params) {
			return errMalformed
		}
		value := params[:n]
		params = params[n:]
		step := hintSize(code)
		for ; !h.private && step != 0 && len(value) >= step; value = value[step:] {
			if a, _ := netip.AddrFromSlice(value[:step]); atHome(a) {
				return errForeign
			}
		}
	}
	return nil
}

// hintSize is the size of the addresses in an ipv4hint or ipv6hint, 0 for
// another parameter (RFC 9460 §14.3.2).
func hintSize(code uint16) int {
	switch code {
	case 4:
		return 4
	case 6:
		return 16
	}
	return 0
}

// denial reads the authority section of an answer that has none of the type:
// the SOA that says for how long, and the proofs if they were asked for.
func (h *harvester) denial(k *key, msg []byte, at, from int) (end int, err error) {
	last := h.chain[h.links-1]
	for range binary.BigEndian.Uint16(msg[8:]) {
		r, ok := readRR(msg, at)
		if !ok {
			return 0, errMalformed
		}
		owner, ok := expandName(msg, r.start, &h.owner)
		if !ok {
			return 0, errMalformed
		}
		proof := k.variant&variantDO != 0 && (r.rtype == typeNSEC || r.rtype == typeNSEC3 || r.rtype == typeRRSIG)
		switch {
		case r.rtype == typeSOA && !h.soa && r.class == classIN && last.IsBelow(owner):
			h.soa = true
			if r.end-r.rdata < 22 {
				return 0, errMalformed
			}
			minimum := binary.BigEndian.Uint32(msg[r.end-4:])
			if minimum < r.ttl { // RFC 2308 §5
				binary.BigEndian.PutUint32(msg[r.fixed+4:], minimum)
				r.ttl = minimum
			}
		case proof && r.class == classIN:
		default:
			return 0, errForeign
		}
		at = r.end
		h.note(msg, &r, from)
		h.facts.authority++
	}
	return at, nil
}

// note remembers where a record's TTL is, and the least of them. A TTL with its
// top bit set is zero (RFC 2181 §8).
func (h *harvester) note(msg []byte, r *rr, from int) {
	if r.ttl > 1<<31-1 {
		r.ttl = 0
		binary.BigEndian.PutUint32(msg[r.fixed+4:], 0)
	}
	h.minTTL = min(h.minTTL, r.ttl)
	h.facts.ttls = append(h.facts.ttls, uint16(r.fixed+4-from))
}

// rebuild takes a message apart and puts together what answers the question,
// in the order of the chain. It is for the rare message that holds more.
func (h *harvester) rebuild(k *key, msg []byte) ([]byte, error) {
	be := binary.BigEndian
	if int(be.Uint16(msg[6:]))+int(be.Uint16(msg[8:])) > recordsMax {
		return nil, errRecords
	}
	be.PutUint16(msg[10:], 0) // the additional section is not read at all
	var m dns.Msg
	if err := m.Unpack(msg); err != nil || len(m.Question) != 1 {
		return nil, errMalformed
	}
	var answers []dns.RR
	name := dns.CanonicalName(m.Question[0].Name)
	for range chainMax + 1 {
		next, asked := "", false
		for _, r := range m.Answer {
			head := r.Header()
			if head.Class != classIN {
				continue
			}
			owner := dns.CanonicalName(head.Name)
			if d, ok := r.(*dns.DNAME); ok && k.qtype != typeDNAME && owner != name && dns.IsSubDomain(owner, name) {
				answers = append(answers, d)
			}
			if owner != name {
				continue
			}
			switch r := r.(type) {
			case *dns.CNAME:
				if k.qtype != typeCNAME && k.qtype != typeANY {
					if next == "" {
						next = dns.CanonicalName(r.Target)
						answers = append(answers, r)
					}
					continue
				}
			case *dns.RRSIG:
				if k.variant&variantDO != 0 && (r.TypeCovered == k.qtype || r.TypeCovered == typeCNAME) {
					answers = append(answers, r)
				}
				continue
			}
			if (head.Rrtype == k.qtype || k.qtype == typeANY) && !h.leadsHome(r) {
				answers, asked = append(answers, r), true
			}
		}
		if next == "" || asked {
			break
		}
		name = next
	}
	var authority []dns.RR
	for _, r := range m.Ns {
		switch r.(type) {
		case *dns.SOA:
			if dns.IsSubDomain(dns.CanonicalName(r.Header().Name), name) {
				authority = append(authority, r)
			}
		case *dns.NSEC, *dns.NSEC3, *dns.RRSIG:
			if k.variant&variantDO != 0 {
				authority = append(authority, r)
			}
		}
	}
	m.Answer, m.Ns, m.Extra, m.Compress = answers, authority, nil, true
	out, err := m.Pack()
	if err != nil || len(out) > messageMax {
		return nil, errMalformed
	}
	return out, nil
}

// leadsHome tells whether a record from outside points into the home.
func (h *harvester) leadsHome(r dns.RR) bool {
	var addrs []net.IP
	switch r := r.(type) {
	case *dns.A:
		addrs = []net.IP{r.A}
	case *dns.AAAA:
		addrs = []net.IP{r.AAAA}
	case *dns.HTTPS:
		addrs = hints(r.Value)
	case *dns.SVCB:
		addrs = hints(r.Value)
	}
	for _, ip := range addrs {
		a, _ := netip.AddrFromSlice(ip)
		if r.Header().Rrtype == typeA {
			a = a.Unmap()
		}
		if !h.private && atHome(a) {
			h.stripped = true
			return true
		}
	}
	return false
}

func hints(params []dns.SVCBKeyValue) (addrs []net.IP) {
	for _, p := range params {
		switch p := p.(type) {
		case *dns.SVCBIPv4Hint:
			addrs = append(addrs, p.Hint...)
		case *dns.SVCBIPv6Hint:
			addrs = append(addrs, p.Hint...)
		}
	}
	return addrs
}

// atHome tells whether an address is one that no name on the internet has a
// reason to have: private, loopback, link-local, unspecified, and the same in
// the forms in which IPv6 carries IPv4.
func atHome(a netip.Addr) bool {
	if a.Is6() {
		b := a.As16()
		switch {
		case a.Is4In6():
			return atHome(a.Unmap())
		case bytes.HasPrefix(b[:], []byte{0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0}): // NAT64, RFC 6052 §2.1
			return atHome(netip.AddrFrom4([4]byte(b[12:])))
		case bytes.HasPrefix(b[:], make([]byte, 12)) && !a.IsUnspecified() && !a.IsLoopback(): // RFC 4291 §2.5.5.1
			return atHome(netip.AddrFrom4([4]byte(b[12:])))
		case b[0] == 0xfe && b[1]&0xc0 == 0xc0: // site-local, RFC 3879
			return true
		}
	}
	return a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsUnspecified() ||
		a.Is4() && a.As4()[0] == 0
}
