package resolver

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

const (
	// httpPath is where clients ask (RFC 8484 §4.1.1); the token of a device
	// that is away stands below it.
	httpPath = "/dns-query"
	httpType = "application/dns-message"
	// httpHeaderMax bounds a request without its body, in bytes: the longest
	// query in base64url, and what browsers add.
	httpHeaderMax = 8 << 10
	// httpReadMax bounds a frame of HTTP/2, and what a stream may send ahead, in
	// bytes: the least that RFC 9113 §4.2 allows, and four times a query.
	httpReadMax = 16 << 10
	// httpReceiveMax is what all streams of a connection may send ahead, in bytes:
	// the least there is (RFC 9113 §6.9.2). The library's own is 1 MiB.
	httpReceiveMax = 1<<16 - 1
)

// serveHTTPS answers the connections on which HTTP can begin.
func (s *Server) serveHTTPS(sec *secret) error {
	sec.web.BaseContext = func(net.Listener) context.Context { return s.ctx }
	err := sec.web.Serve(readyListener{sec, s.ctx})
	if s.ctx.Err() != nil { // which ends it
		return nil
	}
	return err
}

// readyListener hands over connections on which TLS has begun.
type readyListener struct {
	sec *secret
	ctx context.Context
}

func (l readyListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.sec.ready:
		return conn, nil
	case <-l.ctx.Done():
		return nil, net.ErrClosed
	}
}

func (l readyListener) Close() error   { return nil }
func (l readyListener) Addr() net.Addr { return l.sec.https[0].Addr() }

// follow keeps the count of connections that HTTP has been handed.
func (sec *secret) follow(conn net.Conn, state http.ConnState) {
	sec.mu.Lock()
	defer sec.mu.Unlock()
	c := sec.inHTTP[conn]
	switch {
	case c == nil:
	case state == http.StateActive:
		c.kind.busy(c)
	case state == http.StateClosed, state == http.StateHijacked:
		delete(sec.inHTTP, conn)
		c.kind.remove(c)
	}
}

// answerHTTPS answers one request. Who may not ask is told that there is nothing
// here, whatever the request.
func (s *Server) answerHTTPS(w http.ResponseWriter, r *http.Request) {
	source, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || r.TLS == nil {
		http.NotFound(w, r)
		return
	}
	q := &query{transport: HTTPS, source: netip.AddrPortFrom(source.Addr().Unmap().WithZone(""), source.Port())}
	if !s.maySpeak(q, r) {
		s.metrics.LimitNetworks.Add(1)
		w.Header().Set("Connection", "close") // the next guess begins anew, and is counted
		http.NotFound(w, r)
		return
	}
	message, status := readHTTPS(r)
	if status != http.StatusOK {
		if status == http.StatusMethodNotAllowed {
			w.Header().Set("Allow", "GET, POST")
		}
		http.Error(w, http.StatusText(status), status)
		return
	}
	q.packet = message
	reply := s.await(r.Context(), q)
	switch {
	case r.Context().Err() != nil: // nobody is there any more
	case reply == nil:
		http.Error(w, http.StatusText(http.StatusBadRequest), http.StatusBadRequest)
	default:
		h := w.Header()
		h.Set("Content-Type", httpType)
		h.Set("Content-Length", strconv.Itoa(len(reply)))
		h.Set("Cache-Control", "private, max-age="+strconv.FormatUint(uint64(freshness(reply)), 10))
		w.Write(reply)
	}
}

// maySpeak finds out who asks: by the token in the path, else by the one in the
// server name, else by the address.
func (s *Server) maySpeak(q *query, r *http.Request) bool {
	addr := q.source.Addr()
	token, inPath := strings.CutPrefix(r.URL.Path, httpPath+"/")
	switch {
	case inPath:
		if !s.isAway(q, token) {
			return false
		}
		if !s.admits(addr) && s.tokenOf(r.TLS.ServerName) == "" {
			s.listeners.secret.guesses.giveBack(addr) // it was none
		}
		return true
	case r.URL.Path != httpPath:
		return false
	}
	if token = s.tokenOf(r.TLS.ServerName); token != "" {
		return s.isAway(q, token)
	}
	return s.admits(addr)
}

// readHTTPS takes the query out of a request (RFC 8484 §4.1), and says with a
// status what is wrong with it.
func readHTTPS(r *http.Request) (message []byte, status int) {
	switch r.Method {
	case http.MethodGet:
		values, err := url.ParseQuery(r.URL.RawQuery)
		if err != nil || len(values["dns"]) != 1 {
			return nil, http.StatusBadRequest
		}
		text := values["dns"][0]
		if base64.RawURLEncoding.DecodedLen(len(text)) > tcpQueryMax {
			return nil, http.StatusRequestURITooLong
		}
		message, err = base64.RawURLEncoding.Strict().DecodeString(text)
		if err != nil || strings.ContainsAny(text, "\r\n") { // which the decoder would pass over
			return nil, http.StatusBadRequest
		}
	case http.MethodPost:
		if types := r.Header["Content-Type"]; len(types) != 1 || types[0] != httpType {
			return nil, http.StatusUnsupportedMediaType
		}
		if r.ContentLength > tcpQueryMax {
			return nil, http.StatusRequestEntityTooLarge
		}
		var err error
		if message, err = io.ReadAll(io.LimitReader(r.Body, tcpQueryMax+1)); err != nil {
			return nil, http.StatusBadRequest
		}
		if len(message) > tcpQueryMax {
			return nil, http.StatusRequestEntityTooLarge
		}
	default:
		return nil, http.StatusMethodNotAllowed
	}
	if len(message) < headerLen {
		return nil, http.StatusBadRequest
	}
	return message, http.StatusOK
}

// freshness is for how many seconds a reply may be kept by HTTP: as long as the
// shortest lived of its answers, or of a denial as long as that is good for
// (RFC 8484 §5.1, RFC 2308 §5). What is neither is not kept.
func freshness(reply []byte) uint32 {
	answers := int(binary.BigEndian.Uint16(reply[6:]))
	records := answers + int(binary.BigEndian.Uint16(reply[8:]))
	at, fresh, found := headerLen, uint32(ttlMax), false
	for range binary.BigEndian.Uint16(reply[4:]) {
		end, ok := skipName(reply, at)
		if !ok {
			return 0
		}
		at = end + 4
	}
	for i := range records {
		r, ok := readRR(reply, at)
		if !ok {
			return 0
		}
		at = r.end
		switch {
		case i < answers:
			fresh, found = min(fresh, r.ttl), true
		case answers == 0 && r.rtype == typeSOA && r.end-r.rdata >= 4:
			fresh, found = min(fresh, r.ttl, binary.BigEndian.Uint32(reply[r.end-4:])), true
		}
	}
	if !found {
		return 0
	}
	return fresh
}
