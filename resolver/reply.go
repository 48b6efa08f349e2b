package resolver

import (
	"encoding/binary"
	"time"

	"github.com/treehouse-dns/treehouse/filter"
)

// ede is an extended DNS error (RFC 8914 §4), zero for none.
type ede uint16

const (
	edeStale        ede = 3
	edeBlocked      ede = 15
	edeCensored     ede = 16
	edeFiltered     ede = 17
	edeNotSupported ede = 21
	edeNoReachable  ede = 22
	edeNetwork      ede = 23
)

// response is what will be said, before it is written: records as they follow
// the question, and how their TTLs are to be bent.
type response struct {
	rcode              rcode
	answers, authority uint16
	body               []byte
	ttls               []byte // where in body the TTLs are, two bytes each
	age                uint32 // seconds to count down from them
	stale              bool   // past its time: ttlStale instead
	ad                 bool
	aa                 bool
	ede                ede
	targets            []byte // names the answer leads to, to be reviewed
	wait               bool   // the answer is not known yet: ask for query.want
}

// reply writes r over the query: the header, the question as it was asked, the
// records with their TTLs, and an OPT record if the query had one.
func (s *Server) reply(q *query, v *filter.Verdict, r *response) []byte {
	b := q.packet[:q.end]
	flags := flagQR | flagRA | q.flags&(opcodeBits|flagRD|flagCD) | uint16(r.rcode&0xf)
	if r.aa {
		flags |= flagAA
	}
	if r.ad && (q.do || q.flags&flagAD != 0) { // RFC 6840 §5.8
		flags |= flagAD
	}
	answers, authority := r.answers, r.authority
	room := q.limit() - q.end - optSize(q, r)
	if len(r.body) > room { // RFC 2181 §9: the client asks again over TCP
		s.metrics.LimitReplySize.Add(1)
		flags |= flagTC
		answers, authority = 0, 0
	} else {
		b = append(b, r.body...)
		bendTTLs(b[q.end:], r, s.ttlCap(q.now, v))
	}
	b = appendOPT(b, q, r)
	binary.BigEndian.PutUint16(b[2:], flags)
	binary.BigEndian.PutUint16(b[4:], 1)
	binary.BigEndian.PutUint16(b[6:], answers)
	binary.BigEndian.PutUint16(b[8:], authority)
	additional := uint16(0)
	if q.edns {
		additional = 1
	}
	binary.BigEndian.PutUint16(b[10:], additional)
	return b
}

// complain answers a query that could not be read: the header and as much of
// the question as was understood.
func (s *Server) complain(q *query, code rcode) []byte {
	b := q.packet[:q.end]
	flags := flagQR | q.flags&(opcodeBits|flagRD|flagCD) | uint16(code&0xf)
	questions, additional := uint16(0), uint16(0)
	if q.end > headerLen {
		questions = 1
	}
	if q.edns {
		additional = 1
		b = appendOPT(b, q, &response{rcode: code})
	}
	binary.BigEndian.PutUint16(b[2:], flags)
	binary.BigEndian.PutUint16(b[4:], questions)
	binary.BigEndian.PutUint32(b[6:], 0)
	binary.BigEndian.PutUint16(b[10:], additional)
	return b
}

// ttlCap is the longest TTL that keeps a verdict true: a reply never reaches
// past the next change of the person's rules.
func (s *Server) ttlCap(now time.Time, v *filter.Verdict) uint32 {
	limit := uint32(ttlMax)
	if v.Supervised {
		limit = ttlSupervised
	}
	if !v.Until.IsZero() {
		left := v.Until.Sub(now) / time.Second
		limit = min(limit, uint32(max(left, 0)))
	}
	return limit
}

// bendTTLs counts the TTLs of an answer down by its age and caps them.
func bendTTLs(body []byte, r *response, limit uint32) {
	for at := r.ttls; len(at) >= 2; at = at[2:] {
		field := body[binary.BigEndian.Uint16(at):]
		binary.BigEndian.PutUint32(field, bentTTL(binary.BigEndian.Uint32(field), r, limit))
	}
}

func bentTTL(ttl uint32, r *response, limit uint32) uint32 {
	switch {
	case r.stale:
		ttl = ttlStale
	case ttl > r.age:
		ttl -= r.age
	default:
		ttl = 0
	}
	return min(ttl, limit)
}

const (
	optLen = 11 // an OPT record without options (RFC 6891 §6.1.2)
	edeLen = 6  // an EDE option without text (RFC 8914 §2)
	// keepaliveLen is an option that tells a timeout (RFC 7828 §3.1).
	keepaliveLen = 6
	// paddingBlock is what replies are padded to a multiple of (RFC 8467 §4.1).
	paddingBlock = 468
)

// optSize is what appendOPT will need.
func optSize(q *query, r *response) int {
	if !q.edns {
		return 0
	}
	n := optLen
	if r.ede != 0 {
		n += edeLen
	}
	if q.tellsKeepalive() {
		n += keepaliveLen
	}
	return n
}

// tellsKeepalive tells whether the reply says how long the connection may idle.
// Over HTTPS that is HTTP's business, over UDP there is none (RFC 7828 §3.2.2).
func (q *query) tellsKeepalive() bool {
	return q.keepalive && (q.transport == TCP || q.transport == TLS)
}

// appendOPT writes the OPT record of a reply, to clients that speak EDNS only
// (RFC 6891 §7).
func appendOPT(b []byte, q *query, r *response) []byte {
	if !q.edns {
		return b
	}
	do := byte(0)
	if q.do {
		do = 0x80 // RFC 3225 §3
	}
	b = append(b, 0, 0, byte(typeOPT), udpReplyMax>>8, udpReplyMax&0xff, byte(r.rcode>>4), 0, do, 0, 0, 0)
	options := len(b)
	if r.ede != 0 {
		b = append(b, 0, optionEDE, 0, 2, byte(r.ede>>8), byte(r.ede))
	}
	if q.tellsKeepalive() {
		const tenths = uint16(tcpIdle / (100 * time.Millisecond))
		b = append(b, 0, optionKeepalive, 0, 2, byte(tenths>>8), byte(tenths&0xff))
	}
	if q.padded && q.transport.secret() { // RFC 7830 §6: padding is of use under encryption only
		b = appendPadding(b)
	}
	binary.BigEndian.PutUint16(b[options-2:], uint16(len(b)-options))
	return b
}

// appendPadding writes the option that brings a message to a whole number of
// blocks. It has to be the last.
func appendPadding(b []byte) []byte {
	n := (paddingBlock - (len(b)+4)%paddingBlock) % paddingBlock
	if len(b)+4+n > messageMax {
		return b
	}
	b = append(b, 0, optionPadding, byte(n>>8), byte(n))
	return append(b, make([]byte, n)...)
}

// truncated tells the client to ask again over TCP.
func (s *Server) truncated(q *query) []byte {
	b := s.complain(q, noError)
	b[2] |= byte(flagTC >> 8)
	return b
}
