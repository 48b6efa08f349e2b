package resolver

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
)

const (
	// leastPort keeps clear of the ports that services are found at.
	leastPort = 10240
	// portTries is how many ports are tried that turn out to be in use.
	portTries = 8
)

// dial reaches an upstream: over UDP from a port drawn by chance that only this
// question uses, connected, so that the kernel turns away who is not the
// upstream, and no ICMP rate limit tells which ports are open (SAD DNS).
func (s *Server) dial(ctx context.Context, network string, addr netip.AddrPort) (net.Conn, error) {
	if s.config.Dial != nil {
		return s.config.Dial(ctx, network, addr)
	}
	if network != "udp" {
		var d net.Dialer
		return d.DialContext(ctx, network, addr.String())
	}
	var err error
	for range portTries {
		var conn *net.UDPConn
		local := &net.UDPAddr{Port: int(s.ports.drawFrom(leastPort))}
		if conn, err = net.DialUDP("udp", local, net.UDPAddrFromAddrPort(addr)); err == nil {
			return conn, nil
		}
		if !errors.Is(err, syscall.EADDRINUSE) && !errors.Is(err, syscall.EACCES) {
			break
		}
	}
	return nil, err
}
