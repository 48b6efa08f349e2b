//go:build !linux

package resolver

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
)

// leastPort keeps clear of the ports that services are found at.
const leastPort = 10240

// sockets opens one for each question.
type sockets struct{}

func newSockets() *sockets { return &sockets{} }

// dial opens a socket at a port drawn from all that are free.
func (*sockets) dial(addr netip.AddrPort, ports *numbers) (net.Conn, error) {
	var err error
	for range portTries {
		var conn *net.UDPConn
		local := &net.UDPAddr{Port: int(ports.drawFrom(leastPort))}
		if conn, err = net.DialUDP("udp", local, net.UDPAddrFromAddrPort(addr)); err == nil {
			return conn, nil
		}
		if !errors.Is(err, syscall.EADDRINUSE) && !errors.Is(err, syscall.EACCES) {
			break
		}
	}
	return nil, err
}

func (*sockets) close() {}
