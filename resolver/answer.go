package resolver

import (
	"bytes"
	"encoding/binary"

	"github.com/treehouse-dns/treehouse/filter"
)

// answer finds what to say to a query under a verdict, or says what has to be
// asked first.
func (s *Server) answer(q *query, v *filter.Verdict) response {
	switch {
	case q.qclass != classIN:
		return response{rcode: refused, ede: edeNotSupported}
	case q.qtype == 0, q.qtype == typeOPT, q.qtype >= typeTKEY && q.qtype < typeANY:
		return response{rcode: notImp, ede: edeNotSupported} // zone transfers and other business of servers
	}
	if r, ok := s.always(q); ok {
		*v = filter.Verdict{Rule: filter.RuleNone, Until: v.Until, Supervised: v.Supervised} // no rule was about it, so none is counted
		return r
	}
	switch v.Action {
	case filter.Block:
		return s.blocked(q, v)
	case filter.Rewrite:
		return s.rewritten(q, v)
	}
	if r, ok := s.special(q, min(ttlLocal, s.ttlCap(q.now, v))); ok {
		return r
	}
	if q.qtype == typeANY {
		return s.any(q, s.ttlCap(q.now, v))
	}
	return s.lookUp(q, q.name)
}

// any answers a question for everything with the least that is an answer
// (RFC 8482 §4.2): nothing to amplify with, and a copy of nothing.
func (s *Server) any(q *query, limit uint32) response {
	const cpu = "\x07RFC8482"
	b := append(appendRR(q.scratch[:0], typeHINFO, min(ttlANY, limit), len(cpu)+1), cpu...)
	b = append(b, 0)
	q.scratch = b
	return response{answers: 1, body: b}
}

// lookUp answers from what an upstream has said about a name, or has the
// upstream asked.
func (s *Server) lookUp(q *query, name filter.Name) response {
	k := s.cache.keyOf(name, q.qtype, q.variant())
	if q.found != nil && q.found.matches(&k) {
		return s.fromEntry(q, q.found, false)
	}
	e, ok := s.cache.get(q.scratch[:0], &k)
	if ok {
		q.scratch = e
		age := s.age(q, e)
		if age < e.lifetime() {
			s.metrics.Hits.Add(1)
			if e[20] > 1 && age > e.lifetime()-e.lifetime()/prefetchShare {
				s.prefetch(q, &k)
			}
			return s.fromEntry(q, e, false)
		}
	}
	why := q.failed
	if why == 0 {
		why = s.failures.recent(k.hash, q.now)
	}
	if why == 0 && q.rounds >= roundsMax { // the rules change faster than the upstream answers
		s.metrics.LimitRounds.Add(1)
		why = edeNetwork
	}
	if why == 0 {
		q.want = k
		return response{wait: true}
	}
	if ok && s.age(q, e) < e.lifetime()+staleMax && e.rcode() != servFail { // RFC 8767 §5
		s.metrics.Stale.Add(1)
		r := s.fromEntry(q, e, true)
		r.ede = edeStale
		return r
	}
	return response{rcode: servFail, ede: why}
}

// fromEntry is the answer an entry holds.
func (s *Server) fromEntry(q *query, e entry, stale bool) response {
	r := response{
		rcode: e.rcode(), answers: e.answers(), authority: e.authority(), body: e.body(), ttls: e.ttls(),
		age: s.age(q, e), stale: stale, ad: e.has(markAD), targets: e.targets(),
	}
	if e.has(markRebinding) {
		r.ede = edeBlocked
	}
	return r
}

// age is for how many seconds an entry has been held.
func (s *Server) age(q *query, e entry) uint32 {
	now := s.clock(q.now)
	return now - min(now, e.stored())
}

// blocked is the answer for a name that a person may not see.
func (s *Server) blocked(q *query, v *filter.Verdict) response {
	r := response{ede: edeFiltered}
	if v.Rule == filter.RuleSealed {
		r.ede = edeCensored
	}
	ttl := min(s.config.BlockTTL, s.ttlCap(q.now, v))
	b := q.scratch[:0]
	switch s.config.BlockMode {
	case BlockNXDOMAIN:
		r.rcode = nxDomain
	case BlockRefused:
		r.rcode = refused
		return r
	case BlockAddress:
		b, r.answers = appendAddresses(b, q.qtype, ttl, s.config.BlockAddresses)
	default:
		switch q.qtype {
		case typeA:
			b, r.answers = append(appendRR(b, typeA, ttl, 4), 0, 0, 0, 0), 1
		case typeAAAA:
			b, r.answers = append(appendRR(b, typeAAAA, ttl, 16), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), 1
		}
	}
	b, r.authority = s.appendSOA(b, ttl), 1
	q.scratch, r.body = b, b
	return r
}

// rewritten answers with the safe twin of a search engine: an alias to it and
// its addresses. Whatever else could lead past it, the hints of an HTTPS
// record above all, is not there (RFC 9460 §7.3).
func (s *Server) rewritten(q *query, v *filter.Verdict) response {
	target := v.Target
	if q.qtype != typeA && q.qtype != typeAAAA && q.qtype != typeCNAME {
		return s.noData(q, min(s.config.BlockTTL, s.ttlCap(q.now, v)))
	}
	if bytes.Equal(q.name, target) {
		return s.lookUp(q, q.name)
	}
	r := response{answers: 1}
	if q.qtype != typeCNAME {
		if r = s.lookUp(q, target); r.wait || r.rcode != noError {
			return r
		}
	}
	return s.aliased(q, v, &r)
}

// noData says that the name exists and has no records of the type (RFC 2308 §2.2).
func (s *Server) noData(q *query, ttl uint32) response {
	b := s.appendSOA(q.scratch[:0], ttl)
	q.scratch = b
	return response{authority: 1, body: b}
}

// noName says that the name does not exist.
func (s *Server) noName(q *query, ttl uint32) response {
	r := s.noData(q, ttl)
	r.rcode = nxDomain
	return r
}

// aliased turns the addresses of a safe host into the answer to the name that
// was asked: an alias and the addresses below it.
func (s *Server) aliased(q *query, v *filter.Verdict, of *response) response {
	limit := s.ttlCap(q.now, v)
	ttl := limit
	for at := of.ttls; len(at) >= 2; at = at[2:] {
		ttl = min(ttl, bentTTL(binary.BigEndian.Uint32(of.body[binary.BigEndian.Uint16(at):]), of, limit))
	}
	b := appendRR(q.spare[:0], typeCNAME, ttl, len(v.Target))
	owner := uint16(0xc000 | (q.end + len(b))) // the alias's target, to point at
	b = append(b, v.Target...)
	r := response{answers: 1, stale: of.stale, ede: of.ede}
	for at := of.ttls; len(at) >= 2; at = at[2:] {
		field := of.body[binary.BigEndian.Uint16(at)-4:] // type, class, TTL, length, data
		if binary.BigEndian.Uint16(field) != q.qtype || q.qtype == typeCNAME {
			continue
		}
		n := int(binary.BigEndian.Uint16(field[8:]))
		b = binary.BigEndian.AppendUint16(b, owner)
		b = append(b, field[:4]...)
		b = binary.BigEndian.AppendUint32(b, ttl)
		b = append(b, field[8:10+n]...)
		r.answers++
	}
	q.spare, r.body = b, b
	return r
}
