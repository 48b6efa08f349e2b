package resolver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sync/errgroup"
)

// listeners is the server's open sockets.
type listeners struct {
	mu     sync.Mutex
	open   bool
	closed bool
	udp    []*net.UDPConn
	tcp    []*net.TCPListener
	conns  connections
	secret secret
}

// Listen opens the server's sockets, UDP and TCP, without answering yet. It is
// apart from Run so that a program can open port 53 at the moment the filter is
// loaded, and say what is wrong before anything else runs. An address with port
// 0 gets a free one, the same for both; Addrs tells which. An address of
// Config.Secret that cannot be had is logged and done without: a home without
// names is worse off than a phone that is away.
func (s *Server) Listen() error {
	l := &s.listeners
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open {
		return nil
	}
	for _, addr := range s.config.Listen {
		if err := l.listen(addr); err != nil {
			l.closeAll()
			return err
		}
	}
	l.secret.listen(s.config.Secret, s.config.Logger)
	l.open = true
	return nil
}

// Addrs is the addresses that Listen opened, in the order of Config.Listen.
func (s *Server) Addrs() (addrs []netip.AddrPort) {
	s.listeners.mu.Lock()
	defer s.listeners.mu.Unlock()
	for _, t := range s.listeners.tcp {
		addrs = append(addrs, t.Addr().(*net.TCPAddr).AddrPort())
	}
	return addrs
}

// portTriesBoth is how many free ports are tried until one is free for UDP and
// TCP both.
const portTriesBoth = 16

func (l *listeners) listen(addr netip.AddrPort) error {
	for try := 0; ; try++ {
		t, err := listenTCP(addr)
		if err != nil {
			return explain(addr, "TCP", err)
		}
		bound := netip.AddrPortFrom(addr.Addr(), uint16(t.Addr().(*net.TCPAddr).Port))
		us, err := listenUDP(bound, runtime.GOMAXPROCS(0))
		if err != nil {
			t.Close()
			if addr.Port() == 0 && try < portTriesBoth && errors.Is(err, syscall.EADDRINUSE) {
				continue
			}
			return explain(addr, "UDP", err)
		}
		l.tcp = append(l.tcp, t)
		l.udp = append(l.udp, us...)
		return nil
	}
}

// network is the name of a family's network, so that an IPv6 wildcard does not
// take IPv4 along: replies leave from the address the query came to.
func network(name string, addr netip.Addr) string {
	if addr.Is4() {
		return name + "4"
	}
	return name + "6"
}

func listenTCP(addr netip.AddrPort) (*net.TCPListener, error) {
	l, err := net.ListenTCP(network("tcp", addr.Addr()), net.TCPAddrFromAddrPort(addr))
	return l, err
}

// listenUDP opens one socket a core, so that cores do not wait for each other.
func listenUDP(addr netip.AddrPort, cores int) (conns []*net.UDPConn, err error) {
	if !canShare {
		cores = 1
	}
	if cores > 1 {
		// Sockets that share a port let another process share it too: ask for
		// it alone first, so that a port in use is found to be.
		alone, err := net.ListenUDP(network("udp", addr.Addr()), net.UDPAddrFromAddrPort(addr))
		if err != nil {
			return nil, err
		}
		alone.Close()
	}
	lc := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		return prepareUDP(raw, addr.Addr(), cores > 1)
	}}
	for range cores {
		c, err := lc.ListenPacket(context.Background(), network("udp", addr.Addr()), addr.String())
		if err != nil {
			for _, c := range conns {
				c.Close()
			}
			return nil, err
		}
		u := c.(*net.UDPConn)
		u.SetReadBuffer(socketBuffer) // what the kernel will not give it does not
		u.SetWriteBuffer(socketBuffer)
		conns = append(conns, u)
	}
	return conns, nil
}

// explain says what to do about an address that could not be opened.
func explain(addr netip.AddrPort, transport string, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("dns listen: %s (%s) is in use by another program, often dnsmasq or systemd-resolved, and on port 5353 avahi; stop that or listen on another port: %w", addr, transport, err)
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return fmt.Errorf("dns listen: no permission for %s (%s); start as root, give the program cap_net_bind_service, or listen on a port above 1023: %w", addr, transport, err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("dns listen: this machine has no address %s; listen on one it has, or on 0.0.0.0 and [::]: %w", addr.Addr(), err)
	}
	return fmt.Errorf("dns listen: %s (%s) cannot be opened: %w", addr, transport, err)
}

// serve runs a reader for each socket.
func (l *listeners) serve(g *errgroup.Group, s *Server) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.udp {
		g.Go(func() error { return l.ended(s.serveUDP(c)) })
	}
	for _, t := range l.tcp {
		g.Go(func() error { return l.ended(s.serveTCP(t)) })
	}
	if !overTLS {
		return
	}
	for _, t := range l.secret.tls {
		g.Go(func() error { return l.ended(s.serveTLS(t, TLS)) })
	}
	for _, t := range l.secret.https {
		g.Go(func() error { return l.ended(s.serveTLS(t, HTTPS)) })
	}
	if len(l.secret.https) > 0 {
		g.Go(func() error { return l.ended(s.serveHTTPS(&l.secret)) })
	}
}

// ended turns the error of a socket that was closed on purpose into none.
func (l *listeners) ended(err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	return err
}

func (l *listeners) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.closeAll()
}

func (l *listeners) closeAll() {
	for _, c := range l.udp {
		c.Close()
	}
	for _, t := range l.tcp {
		t.Close()
	}
	l.conns.closeAll()
	l.secret.closeAll()
}

func (l *listeners) connections() int { return l.conns.count() }

// isShortage tells whether the system has run out of descriptors or memory.
func isShortage(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) ||
		errors.Is(err, syscall.ENOBUFS) || errors.Is(err, syscall.ENOMEM) || errors.Is(err, syscall.ECONNABORTED)
}
