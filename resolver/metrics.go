package resolver

import (
	"fmt"
	"io"
	"sync/atomic"
)

// Metrics counts what the server does, and how often each limit is met. It
// never holds a name or a device. Read it with Server.Metrics.
type Metrics struct {
	Queries    atomic.Uint64 // queries that came in
	Unreadable atomic.Uint64 // of these, what could not be read
	Blocked    atomic.Uint64 // answered that there is nothing, by the filter
	Sealed     atomic.Uint64 // of these, by a sealed list
	Reviewed   atomic.Uint64 // answers replaced for a name they led to
	Hits       atomic.Uint64 // answered from the cache
	Stale      atomic.Uint64 // answered from the cache, past the time
	Misses     atomic.Uint64 // flights begun for a client
	Merged     atomic.Uint64 // queries that joined another's flight
	Prefetches atomic.Uint64 // flights begun before the time of an answer was over

	UpstreamQueries   atomic.Uint64 // packets to upstreams over UDP
	UpstreamTCP       atomic.Uint64 // connections to upstreams over TCP
	UpstreamSilent    atomic.Uint64 // questions left without an answer
	UpstreamIgnored   atomic.Uint64 // messages that were no answer to the question
	UpstreamRefused   atomic.Uint64 // answers that the upstream could not say
	UpstreamMalformed atomic.Uint64 // answers that could not be used

	LimitNetworks    atomic.Uint64 // queries from outside the networks, dropped
	LimitRate        atomic.Uint64 // queries over the rate, sent to TCP
	LimitPending     atomic.Uint64 // queries refused because too many wait
	LimitFlights     atomic.Uint64 // queries refused because too many flights are under way
	LimitReplyAge    atomic.Uint64 // replies dropped because they came too late
	LimitIgnored     atomic.Uint64 // sockets given up because of wrong answers
	LimitConnections atomic.Uint64 // TCP connections closed to make room
	LimitHandshakes  atomic.Uint64 // connections closed because TLS did not begin in time, or to make room
	LimitGuesses     atomic.Uint64 // connections from outside refused because too many came without a token
	LimitPipeline    atomic.Uint64 // times a TCP connection was not read because too many of its queries wait
	LimitIdle        atomic.Uint64 // TCP connections closed because nothing came
	LimitQuerySize   atomic.Uint64 // TCP connections closed because a query was too long
	LimitReplySize   atomic.Uint64 // replies truncated, to be fetched over TCP
	LimitPackets     atomic.Uint64 // questions given up because they had cost enough packets
	LimitLong        atomic.Uint64 // questions that waited for their turn to be asked over TCP
	LimitChain       atomic.Uint64 // answers refused because the chain of aliases was too long
	LimitRecords     atomic.Uint64 // answers refused because of what they held beside the answer
	LimitRounds      atomic.Uint64 // queries given up because their answer led on and on
}

// Metrics is the server's counters, to be read while it runs.
func (s *Server) Metrics() *Metrics { return &s.metrics }

// WriteMetrics writes the counters in the Prometheus text format.
func (s *Server) WriteMetrics(w io.Writer) error {
	m := &s.metrics
	entries, evicted := s.cache.held()
	aloft, pending := s.flights.under()
	for _, c := range []struct {
		name, kind, help string
		value            uint64
	}{
		{"treehouse_dns_queries_total", "counter", "Queries received.", m.Queries.Load()},
		{"treehouse_dns_unreadable_total", "counter", "Queries that could not be read.", m.Unreadable.Load()},
		{"treehouse_dns_blocked_total", "counter", "Queries answered that there is nothing.", m.Blocked.Load()},
		{"treehouse_dns_sealed_total", "counter", "Of these, by a sealed list.", m.Sealed.Load()},
		{"treehouse_dns_reviewed_total", "counter", "Answers replaced for a name they led to.", m.Reviewed.Load()},
		{"treehouse_dns_cache_hits_total", "counter", "Queries answered from the cache.", m.Hits.Load()},
		{"treehouse_dns_cache_stale_total", "counter", "Queries answered from the cache past its time.", m.Stale.Load()},
		{"treehouse_dns_cache_misses_total", "counter", "Questions begun for a client.", m.Misses.Load()},
		{"treehouse_dns_merged_total", "counter", "Queries that joined a question under way.", m.Merged.Load()},
		{"treehouse_dns_prefetches_total", "counter", "Questions asked before their answer ran out.", m.Prefetches.Load()},
		{"treehouse_dns_cache_entries", "gauge", "Answers held.", uint64(entries)},
		{"treehouse_dns_cache_bytes", "gauge", "Bytes the cache may hold.", uint64(max(s.config.CacheBytes, cacheMin))},
		{"treehouse_dns_cache_evictions_total", "counter", "Answers pushed out.", evicted},
		{"treehouse_dns_flights", "gauge", "Questions on their way to upstreams.", uint64(aloft)},
		{"treehouse_dns_pending", "gauge", "Queries waiting for them.", uint64(pending)},
		{"treehouse_dns_tcp_connections", "gauge", "TCP connections open.", uint64(s.listeners.connections())},
		{"treehouse_dns_tls_connections", "gauge", "Connections open over TLS and HTTPS.", uint64(s.listeners.secret.conns.count() + s.listeners.secret.strangers.count())},
		{"treehouse_dns_upstream_queries_total", "counter", "Packets sent to upstreams over UDP.", m.UpstreamQueries.Load()},
		{"treehouse_dns_upstream_tcp_total", "counter", "Connections to upstreams over TCP.", m.UpstreamTCP.Load()},
		{"treehouse_dns_upstream_silent_total", "counter", "Questions an upstream left without an answer.", m.UpstreamSilent.Load()},
		{"treehouse_dns_upstream_ignored_total", "counter", "Messages that were no answer to the question.", m.UpstreamIgnored.Load()},
		{"treehouse_dns_upstream_refused_total", "counter", "Answers that an upstream could not say.", m.UpstreamRefused.Load()},
		{"treehouse_dns_upstream_malformed_total", "counter", "Answers that could not be used.", m.UpstreamMalformed.Load()},
	} {
		if _, err := fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n%s %d\n", c.name, c.help, c.name, c.kind, c.name, c.value); err != nil {
			return err
		}
	}
	const limits = "treehouse_dns_limit_hits_total"
	if _, err := fmt.Fprintf(w, "# HELP %s How often a limit was met.\n# TYPE %s counter\n", limits, limits); err != nil {
		return err
	}
	for _, c := range []struct {
		limit string
		value uint64
	}{
		{"networks", m.LimitNetworks.Load()}, {"rate", m.LimitRate.Load()}, {"pending", m.LimitPending.Load()},
		{"flights", m.LimitFlights.Load()}, {"reply_age", m.LimitReplyAge.Load()}, {"ignored", m.LimitIgnored.Load()},
		{"connections", m.LimitConnections.Load()}, {"handshakes", m.LimitHandshakes.Load()},
		{"guesses", m.LimitGuesses.Load()}, {"pipeline", m.LimitPipeline.Load()}, {"idle", m.LimitIdle.Load()},
		{"query_size", m.LimitQuerySize.Load()}, {"reply_size", m.LimitReplySize.Load()}, {"packets", m.LimitPackets.Load()},
		{"long", m.LimitLong.Load()}, {"chain", m.LimitChain.Load()}, {"records", m.LimitRecords.Load()}, {"rounds", m.LimitRounds.Load()},
	} {
		if _, err := fmt.Fprintf(w, "%s{limit=%q} %d\n", limits, c.limit, c.value); err != nil {
			return err
		}
	}
	return nil
}
