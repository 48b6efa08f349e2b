package resolver

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/treehouse-dns/treehouse/filter"
)

// Transport is how a query reached us.
type Transport uint8

// The transports.
const (
	UDP Transport = iota
	TCP
	TLS   // RFC 7858
	HTTPS // RFC 8484
)

// secret tells whether nobody on the way can read what is said.
func (t Transport) secret() bool { return t >= TLS }

// rcode is a response code, the extended ones included (RFC 6895 §2.3).
type rcode uint16

const (
	noError   rcode = 0
	formErr   rcode = 1
	servFail  rcode = 2
	nxDomain  rcode = 3
	notImp    rcode = 4
	refused   rcode = 5
	badVers   rcode = 16
	badCookie rcode = 23
	// silence stands for no reply at all.
	silence rcode = 0xffff
)

// Types and classes the resolver itself has to know (RFC 1035 §3.2.2 and later).
const (
	typeA     uint16 = 1
	typeNS    uint16 = 2
	typeCNAME uint16 = 5
	typeSOA   uint16 = 6
	typePTR   uint16 = 12
	typeHINFO uint16 = 13
	typeAAAA  uint16 = 28
	typeDNAME uint16 = 39
	typeOPT   uint16 = 41
	typeRRSIG uint16 = 46
	typeNSEC  uint16 = 47
	typeNSEC3 uint16 = 50
	typeSVCB  uint16 = 64
	typeHTTPS uint16 = 65
	typeTKEY  uint16 = 249
	typeMAILA uint16 = 254
	typeANY   uint16 = 255
	classIN   uint16 = 1
	classANY  uint16 = 255
)

// Bits of the header's second word (RFC 1035 §4.1.1, RFC 4035 §3.2).
const (
	flagQR uint16 = 1 << 15
	flagAA uint16 = 1 << 10
	flagTC uint16 = 1 << 9
	flagRD uint16 = 1 << 8
	flagRA uint16 = 1 << 7
	flagAD uint16 = 1 << 5
	flagCD uint16 = 1 << 4

	opcodeBits uint16 = 0xf << 11
	headerLen         = 12
)

// EDNS options the resolver has to know.
const (
	optionKeepalive = 11 // how long a connection may idle (RFC 7828)
	optionPadding   = 12 // hides how long a message is (RFC 7830)
	optionEDE       = 15 // RFC 8914
	// optionMAC is where dnsmasq's add-mac tells the device's hardware address.
	optionMAC = 65001

	macLen     = 6  // bytes of optionMAC
	tokenIDLen = 16 // bytes of what Tokens knows a device by
)

// query is one question and who asks it. It borrows the packet it was parsed
// from, whose header and question stay in place for the reply. A query is used
// by one goroutine at a time; keep makes one that owns its bytes.
type query struct {
	source    netip.AddrPort
	transport Transport
	arrived   time.Time // when it came
	now       time.Time // the moment it is judged at
	packet    []byte    // as it came; a reply may be written over it

	flags     uint16
	end       int         // where the question ends in packet
	name      filter.Name // QNAME, lower case, in names
	qtype     uint16
	qclass    uint16
	edns      bool
	do        bool   // the client wants DNSSEC records
	size      uint16 // the reply the client can take over UDP
	id        []byte // what is known of the device beside its address, see Clients.Identify; nil: nothing
	away      bool   // id is of a token, which is good from anywhere
	keepalive bool   // the client asks how long its connection may idle
	padded    bool   // the client hides how long its messages are
	names     [filter.MaxNameLen]byte
	idRoom    [tokenIDLen]byte // of id

	scratch []byte                  // holds a copy of the cached answer, or a synthesised one
	spare   []byte                  // the same, where one is made from the other
	target  [filter.MaxNameLen]byte // the name under review
	want    key                     // what has to be asked first

	// What the long way adds.
	found  entry  // the answer that the flight brought, see entry
	failed ede    // why it brought none; 0 if it did not fail
	rounds int    // flights this query has joined
	to     writer // where the reply goes
}

// writer takes the reply to a query that could not be answered at once. A nil
// reply means that there is none.
type writer interface {
	writeReply(reply []byte)
}

// parse reads the header, the one question and the OPT record, and gives what
// is wrong with the query: noError, silence for what is no query at all, or
// the response code that says so. It does not allocate.
func (q *query) parse() rcode {
	p := q.packet
	q.edns, q.do, q.size, q.end = false, false, udpReplyPlain, 0
	q.keepalive, q.padded = false, false
	if !q.away {
		q.id = nil
	}
	q.found, q.failed, q.rounds = nil, 0, 0
	if len(p) < headerLen {
		return silence
	}
	q.flags = binary.BigEndian.Uint16(p[2:])
	if q.flags&flagQR != 0 { // answering an answer would make two servers talk for ever
		return silence
	}
	q.end = headerLen // nothing of the question is repeated until it is read
	if q.flags&opcodeBits != 0 {
		return notImp
	}
	if binary.BigEndian.Uint16(p[4:]) != 1 { // RFC 9619 §4
		return formErr
	}
	name, width, err := filter.ReadName(&q.names, p[headerLen:])
	if err != nil || headerLen+width+4 > len(p) {
		return formErr
	}
	q.name = name
	at := headerLen + width
	q.qtype = binary.BigEndian.Uint16(p[at:])
	q.qclass = binary.BigEndian.Uint16(p[at+2:])
	q.end = at + 4
	if q.flags&flagTC != 0 { // a query in pieces is none we could answer
		return formErr
	}
	return q.parseOPT()
}

// parseOPT looks through the records after the question for the OPT record
// (RFC 6891 §6.1). Everything else there is ignored.
func (q *query) parseOPT() rcode {
	p := q.packet
	records := int(binary.BigEndian.Uint16(p[6:])) + int(binary.BigEndian.Uint16(p[8:]))
	additional := int(binary.BigEndian.Uint16(p[10:]))
	at := q.end
	verdict := noError
	for i := range records + additional {
		r, ok := readRR(p, at)
		if !ok {
			return formErr
		}
		at = r.end
		if r.rtype != typeOPT {
			continue
		}
		if i < records || q.edns || p[r.start] != 0 { // one, of the root, in the additional section
			return formErr
		}
		q.edns = true
		q.size = max(r.class, udpReplyPlain)
		q.do = r.ttl&(1<<15) != 0
		if r.ttl>>16&0xff != 0 {
			verdict = badVers
		}
		if !q.parseOptions(p[r.rdata:r.end]) {
			return formErr
		}
	}
	return verdict
}

// parseOptions walks the options of an OPT record; unknown ones are ignored
// (RFC 6891 §6.1.2).
func (q *query) parseOptions(options []byte) bool {
	for len(options) > 0 {
		if len(options) < 4 {
			return false
		}
		code, n := binary.BigEndian.Uint16(options), int(binary.BigEndian.Uint16(options[2:]))
		options = options[4:]
		if n > len(options) {
			return false
		}
		switch {
		case code == optionMAC && n == macLen && q.id == nil:
			q.id = q.idRoom[:copy(q.idRoom[:], options[:n])]
		case code == optionKeepalive:
			q.keepalive = true
		case code == optionPadding:
			q.padded = true
		}
		options = options[n:]
	}
	return true
}

// limit is how long the reply may be.
func (q *query) limit() int {
	if q.transport == UDP {
		return min(int(q.size), udpReplyMax)
	}
	return messageMax
}

// variant sets apart answers that differ for one name and type: with and
// without DNSSEC records, checked and unchecked.
func (q *query) variant() (v uint8) {
	if q.do {
		v |= variantDO
	}
	if q.flags&flagCD != 0 {
		v |= variantCD
	}
	return v
}

// parked is a query that waits, with the bytes that it owns.
type parked struct {
	query
	back  later // where the reply goes, if it came over UDP
	bytes [headerLen + filter.MaxNameLen + 4]byte
	room  [oobSize]byte
}

// keep copies a query out of the buffer it came in.
func (s *Server) keep(q *query) *parked {
	k := s.parked.Get().(*parked)
	scratch, spare := k.scratch, k.spare
	k.query = *q
	k.packet = append(k.bytes[:0], q.packet[:q.end]...)
	k.name = filter.Name(k.names[:len(q.name)])
	if q.id != nil {
		k.id = k.idRoom[:len(q.id)]
	}
	k.scratch, k.spare = scratch[:0], spare[:0]
	return k
}
