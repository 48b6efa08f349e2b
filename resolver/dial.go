package resolver

import (
	"context"
	"net"
	"net/netip"
	"time"
)

const (
	// portTries is how many ports are tried that turn out to be in use, or to
	// have been used a moment ago.
	portTries = 8
	// socketsKept is how many sockets to upstreams stay open between
	// questions, without a port. More are opened when more are needed.
	socketsKept = 128
)

// dial reaches an upstream. Over UDP every question has a port of its own that
// cannot be foretold, and the socket is connected, so that the kernel turns
// away who is not the upstream, and no ICMP rate limit tells which ports are
// open (RFC 5452 §9.2, SAD DNS).
func (s *Server) dial(network string, addr netip.AddrPort, deadline time.Time) (net.Conn, error) {
	if s.config.Dial != nil || network != "udp" {
		ctx, cancel := context.WithDeadline(s.ctx, deadline)
		defer cancel()
		if s.config.Dial != nil {
			return s.config.Dial(ctx, network, addr)
		}
		var d net.Dialer
		return d.DialContext(ctx, network, addr.String())
	}
	return s.sockets.dial(addr, &s.ports)
}
