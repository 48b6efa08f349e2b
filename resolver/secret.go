package resolver

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"
)

// secret is what serves DNS over TLS and over HTTPS.
type secret struct {
	tls, https []*net.TCPListener
	settings   map[Transport]*tls.Config

	opening   connections // on which TLS has not begun
	conns     connections // on which it has, of who is at home or has shown a token
	strangers connections // and of who has not, over HTTPS
	guesses   *limiter    // of strangers over HTTPS

	web   *http.Server
	ready chan net.Conn // on which HTTP can begin

	mu     sync.Mutex
	inHTTP map[net.Conn]*tcpConn // which HTTP has been handed
}

// errStranger refuses who is neither at home nor shows a device's token.
var errStranger = errors.New("neither from the home's networks nor with the token of a device")

// prepareSecret makes what can be made before any socket is open.
func (s *Server) prepareSecret() {
	sec := &s.listeners.secret
	sec.opening = connections{most: openingMax, each: openingPerClient, fair: true}
	sec.conns = connections{most: secretConnections, each: secretPerClient}
	sec.strangers = connections{most: strangersMax, each: strangersPerClient, fair: true}
	if !overTLS || s.config.Secret.Certificate == nil {
		return
	}
	sec.guesses = newLimiter(guessesMax, guessesTime)
	sec.ready, sec.inHTTP = make(chan net.Conn), map[net.Conn]*tcpConn{}
	sec.settings = map[Transport]*tls.Config{TLS: s.tlsConfig(TLS, "dot"), HTTPS: s.tlsConfig(HTTPS, httpVersions()...)}
	sec.web = &http.Server{
		Handler: http.HandlerFunc(s.answerHTTPS), ConnState: sec.follow, TLSConfig: sec.settings[HTTPS],
		ReadTimeout: handshakeTime, WriteTimeout: tcpIdle, IdleTimeout: tcpIdle, MaxHeaderBytes: httpHeaderMax,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: tcpPipeline, MaxReadFrameSize: httpReadMax,
			MaxReceiveBufferPerStream: httpReadMax, MaxReceiveBufferPerConnection: httpReceiveMax,
		},
		ErrorLog: slog.NewLogLogger(s.config.Logger.Handler(), slog.LevelDebug),
	}
}

// tlsConfig is how TLS is begun. Tickets are on, so that a phone that comes back
// needs no signature of ours; the name is checked again whenever one is used.
func (s *Server) tlsConfig(over Transport, protocols ...string) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, // RFC 8310 §11, RFC 9325 §3.1.1
		NextProtos: protocols,        // RFC 7858 §3.1; who comes with another is not talked to
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return s.config.Secret.Certificate()
		},
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			return nil, s.mayBegin(hello, over)
		},
	}
}

// mayBegin refuses strangers from their first message, before anything is
// computed for them. A device's token is always good: with 80 bits of chance no
// number of guesses finds one, and a limit that refused right ones too would let
// a stranger take a child's phone off the network.
func (s *Server) mayBegin(hello *tls.ClientHelloInfo, over Transport) error {
	client, err := netip.ParseAddrPort(hello.Conn.RemoteAddr().String())
	if err != nil {
		return err
	}
	addr := client.Addr().Unmap().WithZone("")
	if s.admits(addr) || s.tokenOf(hello.ServerName) != "" {
		return nil
	}
	if over != HTTPS { // where the path may still bring one
		s.metrics.LimitNetworks.Add(1)
		return errStranger
	}
	if !s.listeners.secret.guesses.take(addr, s.config.Now()) {
		s.metrics.LimitGuesses.Add(1)
		return errStranger
	}
	return nil
}

// tokenOf is the token in a server name, "" if there is none: its first label.
func (s *Server) tokenOf(serverName string) string {
	label, _, _ := strings.Cut(strings.ToLower(serverName), ".")
	if !s.isAway(&query{}, label) {
		return ""
	}
	return label
}

// isAway marks q as the query of the device that a token is of; false: of none.
func (s *Server) isAway(q *query, token string) bool {
	if s.config.Secret.Tokens == nil {
		return false
	}
	id, ok := s.config.Secret.Tokens.Token(token)
	if ok {
		q.away, q.id = true, append(q.idRoom[:0], id[:]...)
	}
	return ok
}

// serveTLS takes connections until the socket is closed.
func (s *Server) serveTLS(l *net.TCPListener, over Transport) error {
	opening := &s.listeners.secret.opening
	return accept(l, func(conn *net.TCPConn, client netip.AddrPort) {
		c := s.stranger(newConn(conn, client))
		closed, ok := opening.add(c)
		s.metrics.LimitHandshakes.Add(uint64(closed))
		if !ok {
			conn.Close()
			return
		}
		s.tasks.Go(func() { s.begin(c, over) })
	})
}

// stranger has a connection from outside counted by its network: an IPv6 address
// there is one of 2^64 that somebody has.
func (s *Server) stranger(c *tcpConn) *tcpConn {
	if addr := c.client.Addr(); addr.Is6() && !s.admits(addr) {
		c.counted = netip.PrefixFrom(addr, 64).Masked().Addr()
	}
	return c
}

// begin begins TLS on a connection and hands it to what is spoken over it.
func (s *Server) begin(c *tcpConn, over Transport) {
	sec, raw := &s.listeners.secret, c.conn
	raw.SetDeadline(time.Now().Add(handshakeTime))
	conn := tls.Server(raw, sec.settings[over])
	err := conn.Handshake()
	if !sec.opening.release(c) {
		return // closed to make room
	}
	if err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			s.metrics.LimitHandshakes.Add(1)
		}
		raw.Close()
		return
	}
	raw.SetDeadline(time.Time{})
	c.conn = conn
	c.token = s.tokenOf(conn.ConnectionState().ServerName)
	kind := &sec.conns
	if c.token == "" && !s.admits(c.client.Addr()) {
		kind = &sec.strangers
	}
	closed, ok := kind.add(c)
	s.metrics.LimitConnections.Add(uint64(closed))
	switch {
	case !ok:
		raw.Close()
	case over == TLS:
		s.converse(c, TLS)
	default:
		sec.mu.Lock()
		sec.inHTTP[conn] = c
		sec.mu.Unlock()
		select {
		case sec.ready <- conn:
		case <-s.ctx.Done():
			sec.follow(conn, http.StateClosed)
		}
	}
}

func (sec *secret) listen(config Secret, log *slog.Logger) {
	if !overTLS {
		if len(config.TLS)+len(config.HTTPS) > 0 {
			log.Error("this tiny build answers neither over TLS nor over HTTPS")
		}
		return
	}
	for _, kind := range []struct {
		addrs []netip.AddrPort
		to    *[]*net.TCPListener
		name  string
	}{{config.TLS, &sec.tls, "TLS"}, {config.HTTPS, &sec.https, "HTTPS"}} {
		for _, addr := range kind.addrs {
			l, err := listenTCP(addr)
			if err != nil {
				log.Error("names are not answered in secret", "err", explain(addr, kind.name, err))
				continue
			}
			*kind.to = append(*kind.to, l)
		}
	}
}

// SecretAddrs is the addresses that Listen opened for DNS over TLS and HTTPS.
func (s *Server) SecretAddrs() (overTLS, overHTTPS []netip.AddrPort) {
	s.listeners.mu.Lock()
	defer s.listeners.mu.Unlock()
	for _, l := range s.listeners.secret.tls {
		overTLS = append(overTLS, l.Addr().(*net.TCPAddr).AddrPort())
	}
	for _, l := range s.listeners.secret.https {
		overHTTPS = append(overHTTPS, l.Addr().(*net.TCPAddr).AddrPort())
	}
	return overTLS, overHTTPS
}

func (sec *secret) closeAll() {
	for _, l := range sec.tls {
		l.Close()
	}
	for _, l := range sec.https {
		l.Close()
	}
	sec.opening.closeAll()
	sec.conns.closeAll()
	sec.strangers.closeAll()
	if sec.web != nil {
		sec.web.Close()
	}
}
