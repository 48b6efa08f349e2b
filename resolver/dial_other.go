//go:build !linux

package resolver

import (
	"net"
	"net/netip"
)

// sockets opens one for each question.
type sockets struct{}

func newSockets() *sockets { return &sockets{} }

func (*sockets) dial(addr netip.AddrPort, ports *numbers) (net.Conn, error) {
	return dialFresh(addr, ports)
}

func (*sockets) close() {}
