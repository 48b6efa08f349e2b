// Package resolver is the DNS side of Treehouse: it takes a query from the
// wire, asks the filter what the person who sent it may see, and answers. It
// forwards to plain upstreams and keeps what they said in a cache of bounded
// bytes. It does not know people, lists or files: it meets them in the filter.
//
// One query, in the order of Server.handle:
//
//	parse     one question, from the wire                          query.go
//	identify  address or token → device → policy                   Clients
//	decide    one immutable snapshot, one verdict                  filter.Snapshot
//	answer    synthesise · or special names → cache → forward      answer.go
//	review    CNAME and SVCB targets, by the same rules            review.go
//	reply     EDNS size, TC, EDE, TTLs                             reply.go
//
// Two ways lead through that story. Blocked and cached answers take the short
// way: queries are read in batches (batch.go), judged by the name as it stands
// in the packet, and answered in the buffer they came in, without a goroutine,
// a lock that waits for anybody, or an allocation. What the cache does not
// hold takes the long way: the query is kept aside, joins the others that ask
// the same (flight.go), and goes through the story again when an upstream has
// spoken or has failed to, so that a rule changed meanwhile holds.
//
// Over TLS (secret.go) and HTTPS (https.go) a query may also come from outside
// the home. A token tells whose it is, and without one there is no answer.
//
// State and who owns it: the cache and the flights lock themselves; each
// upstream guards its health; everything else is read-only after New.
//
// Invariants: the filter comes before the cache; the cache holds only what
// upstreams said; verdicts are not cached; what an upstream says is kept only
// as far as it answers the question that was asked.
package resolver
